"""Records deleted, reordered, cut off, or an old copy put back: who notices, and how.

Whoever did it holds the kiosk's keys (a thief of the box does) and makes the whole log anew, consistent in itself:
no hash and no signature is wrong. What gives it away is what others remember.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kiosk.errors import JournalError, LogForkError, LogRollbackError, VerificationError
from kiosk.guarantee import merkle, policy, tiles
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.log import RecordLog
from kiosk.guarantee.note import encode_base64
from kiosk_cloud.monitor.following import Monitor, Watched
from kiosk_cloud.monitor.sources import Folder
from kiosk_cloud.monitor.state import MonitorState
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.receiver import Outgoing
from kiosk_cloud.verify import verify_store
from kiosk_cloud.witness import protocol, service
from tests.guarantee_kit import Kit
from tests.uplink_kit import KIOSK, Bank, HandClock, KioskSide, plan

RECORDS = 9
NOW_POSIX_S = 1_790_000_000
# How many of the first records are left as they were, and which deposits then follow, in the place of 0 to 8.
REWRITINGS = {
    "deleted": (3, [4, 5, 6, 7, 8]),
    "reordered": (3, [4, 3, 5, 6, 7, 8]),
    "altered": (3, [99, 4, 5, 6, 7, 8]),
    "truncated, used again": (5, [100]),
    "an old copy, used for long": (4, list(range(50, 60))),
}


class Box(KioskSide):
    """A kiosk whose disk can be copied and put back, with every checkpoint that it ever published."""

    def __init__(self, keys_dir: Path) -> None:
        super().__init__(keys_dir)
        self.published: list[str] = []
        self.images: list[bytes] = [self._db.serialize()]

    def deposit(self, number: int, credited: int = 30_000, grade: str = "low") -> bytes:
        made = super().deposit(number, credited, grade)
        self.published.append(self.records.checkpoint())
        self.images.append(self._db.serialize())
        return made

    def restore(self, image: bytes) -> None:
        self._db.deserialize(image)

    def envelopes(self) -> list[bytes]:
        return [self.records.envelope(number) for number in range(self.records.size())]


class World:
    """A kiosk, its bank and a witness, which all agree on nine records."""

    def __init__(self, folder: Path) -> None:
        self.provisioned = provision(plan(folder), utc_now())
        self.bank = Bank(self.provisioned)
        self.log_key = self.bank.keyring.kiosk(KIOSK).checkpoint
        service.init(folder / "witness", "village.example/w", [self.log_key.vkey])
        self.witness = service.load(folder / "witness")
        self.kiosk = Box(self.provisioned.kiosk_keys)
        for number in range(RECORDS):
            self.kiosk.deposit(number)
        self.ack = _ack(self.bank.take(*self.kiosk.envelopes()))
        self.bank.take(self.kiosk.published[-1].encode(), lane="checkpoint")
        assert self.ask(self.kiosk, 0).status == protocol.OK
        assert self.kiosk.acknowledge(self.ack) == RECORDS
        assert self.forks() == set()

    def thief(self, how: str) -> Box:
        kept, follow = REWRITINGS[how]
        made = Box(self.provisioned.kiosk_keys)
        made.restore(self.kiosk.images[kept])
        for number in follow:
            made.deposit(number)
        return made

    def forks(self) -> set[str]:
        return {kind for kind, _, _ in self.bank.store.forks(KIOSK)}

    def ask(self, kiosk: Box, old: int) -> protocol.Answer:
        """The kiosk's checkpoint put before the witness, with the best proof that its log can give."""
        size = kiosk.records.size()
        proof = kiosk.records.consistency(old, size) if 0 < old <= size else ()
        lines = [f"old {old}", *map(encode_base64, proof), "", kiosk.records.checkpoint()]
        witness = self.witness
        return protocol.answer("\n".join(lines).encode(), witness.logs, witness.state, witness.cosigners, NOW_POSIX_S)


def _ack(told: list[Outgoing]) -> bytes:
    return next(each.payload for each in told if each.topic.endswith("/ack"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.witness.state.close()
    made.bank.store.close()
    made.kiosk.close()


@pytest.mark.parametrize("how", REWRITINGS)
def test_the_receiver_has_proof_of_it(world: World, how: str) -> None:
    """A record that is another than the one it holds is a fork, signed twice by the kiosk's own key."""
    world.bank.take(*world.thief(how).envelopes())
    assert "record" in world.forks()
    found = verify_store(world.bank.config.store, world.bank.config.keys)
    assert any("fork" in failure for failure in found.failures)
    held = world.bank.store.root(KIOSK, RECORDS)
    assert held == world.kiosk.records.root()  # what it held it holds


@pytest.mark.parametrize("how", REWRITINGS)
def test_the_receiver_sees_it_from_the_checkpoints_alone(world: World, how: str) -> None:
    """Before any record of it has come: another root of a size that it knows."""
    for signed in world.thief(how).published:
        world.bank.take(signed.encode(), lane="checkpoint")
    assert world.forks() == {"checkpoint"}


def test_the_receiver_complains_of_a_record_that_never_comes(world: World) -> None:
    later = [world.kiosk.deposit(number) for number in range(RECORDS, RECORDS + 3)]
    world.bank.take(later[0], later[2])  # the one between was deleted from the outbox
    world.bank.receiver.tick()
    world.bank.clock.advance(31)
    world.bank.receiver.tick()
    assert world.bank.store.gaps(KIOSK) == [(RECORDS + 1, None)]


@pytest.mark.parametrize("how", REWRITINGS)
def test_the_witness_does_not_sign_it(world: World, how: str) -> None:
    thief = world.thief(how)
    known = world.witness.state.latest(world.log_key.name)
    answers = {world.ask(thief, old).status for old in range(thief.records.size() + 1)}
    assert protocol.OK not in answers
    assert world.witness.state.latest(world.log_key.name) == known
    if thief.records.size() == RECORDS:
        evidence = world.witness.state.evidence(world.log_key.name)
        assert [size for size, _ in evidence] == [RECORDS]  # two signed trees of one size: proof for a court


@pytest.mark.parametrize("how", [*REWRITINGS, "put back"])
def test_the_monitor_raises_an_alarm(world: World, tmp_path: Path, how: str) -> None:
    """A mirror that shows the log as it was, then what the thief makes of it, tiles and checkpoint in order."""
    folder = tmp_path / "mirror"
    publish(world.kiosk, folder)
    trusted = policy.parse(f"log {world.log_key.vkey}\nquorum none\n".encode())
    watched = Watched(mirrors=lambda _kiosk: [Folder(folder)])
    state = MonitorState(tmp_path / "monitor.db")
    with closing(state):
        monitor = Monitor(lambda: trusted, watched, state, HandClock())
        assert monitor.round().sizes == {world.log_key.name: RECORDS}
        assert state.alarms() == []
        thief = world.thief(how) if how in REWRITINGS else world.kiosk
        if thief is world.kiosk:
            thief.restore(thief.images[5])
        publish(thief, folder)
        monitor.round()
        assert state.alarms()


def publish(kiosk: Box, folder: Path) -> None:
    """As a mirror holds it: everything anew."""
    shutil.rmtree(folder, ignore_errors=True)
    entries = list(kiosk.records.entries())
    hashes = b"".join(map(merkle.leaf_hash, entries))
    for tile in tiles.layout(len(entries)):  # fewer than 256 leaves: one bundle, one tile
        (folder / tile.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / tile.path).write_bytes(tiles.bundle(entries) if tile.level < 0 else hashes)
    (folder / tiles.CHECKPOINT).write_text(kiosk.records.checkpoint())


@pytest.mark.parametrize("how", REWRITINGS)
def test_the_kiosk_learns_it_from_the_banks_word(world: World, how: str) -> None:
    with pytest.raises((LogForkError, LogRollbackError)):
        world.thief(how).acknowledge(world.ack)


def test_an_old_copy_that_was_not_used_yet_contradicts_nobody_and_is_noticed(world: World) -> None:
    """By the kiosk, from the bank's answer to what it has got already; and no witness goes back."""
    world.kiosk.restore(world.kiosk.images[5])
    answer = _ack(world.bank.take(*world.kiosk.envelopes()))
    assert world.forks() == set()
    with pytest.raises(LogRollbackError, match="the bank holds 9"):
        world.kiosk.acknowledge(answer)
    assert {world.ask(world.kiosk, old).status for old in range(RECORDS + 1)} == {
        protocol.BAD_REQUEST,
        protocol.CONFLICT,
    }


# --- what the kiosk's own start sees of a change in its database, before anybody has answered ---------------------

CLUMSY = {
    "a leaf deleted": ["DELETE FROM leaves WHERE seq = 3"],
    "the last leaves deleted": ["DELETE FROM leaves WHERE seq > 5"],
    "two leaves exchanged": ["UPDATE leaves SET seq = -1 WHERE seq = 3", "UPDATE leaves SET seq = 3 WHERE seq = 4",
                             "UPDATE leaves SET seq = 4 WHERE seq = -1"],
    "a leaf under another number": ["UPDATE leaves SET seq = 20 WHERE seq = 8"],
    "the first leaves deleted": ["DELETE FROM leaves WHERE seq < 2"],
    "hashes of an inner node cut off": ["UPDATE leaves SET hashes = substr(hashes, 1, 32) WHERE seq = 3"],
    "an envelope that waits deleted": ["DELETE FROM envelopes WHERE seq = 7"],
    "all that wait deleted": ["DELETE FROM envelopes WHERE seq >= 6"],
    "what waits said to be acknowledged": ["UPDATE log_meta SET value = 9 WHERE key = 'acknowledged'"],
    "the same without the bank's word": ["UPDATE log_meta SET value = 9 WHERE key = 'acknowledged'",
                                         "DELETE FROM log_meta WHERE key = 'acknowledgement'"],
    "an envelope deleted": ["DELETE FROM envelopes WHERE seq = 8"],
    "two envelopes exchanged": ["UPDATE envelopes SET seq = -1 WHERE seq = 7",
                                "UPDATE envelopes SET seq = 7 WHERE seq = 8",
                                "UPDATE envelopes SET seq = 8 WHERE seq = -1"],
    "cut off, envelopes and all": ["DELETE FROM leaves WHERE seq >= 4",
                               "DELETE FROM envelopes WHERE seq >= 4"],
    "cut off, the acknowledged size too": ["DELETE FROM leaves WHERE seq >= 4",
                                           "UPDATE log_meta SET value = 4 WHERE key = 'acknowledged'"],
}  # fmt: skip


@pytest.mark.parametrize("how", CLUMSY)
def test_the_check_at_the_start_sees_it(how: str) -> None:
    kit = Kit()
    for _ in range(RECORDS):
        kit.append()
    kit.acknowledge(kit.ack([kit.records.envelope(number) for number in range(6)]))
    kit.records.audit()
    for verb in ("update", "delete"):
        kit.connection.execute(f"DROP TRIGGER leaves_{verb}")
    for statement in CLUMSY[how]:
        kit.connection.execute(statement)
    with pytest.raises((VerificationError, JournalError)):
        kit.records.audit()


def test_what_a_replaced_bank_key_signed_does_not_stop_a_kiosk() -> None:
    kit = Kit()
    kit.append()
    kit.acknowledge(kit.ack([kit.records.envelope(0)]))
    keys = replace(kit.keys, bank_acks=PublicKeys([Kit(seed=3).ack_signer.public]))
    assert RecordLog(kit.connection, keys, kit.vault).audit().size == 1
