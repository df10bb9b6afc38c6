"""The bank's queues to a kiosk: commands until their result is here, complaints until their record is."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kiosk.core.commands import NewEpoch
from kiosk.guarantee import commands, complaints, seal
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.keys import Ed25519Signer
from kiosk_cloud import directory
from kiosk_cloud.cli import main
from kiosk_cloud.commanding.queue import AGAIN_S, Queue
from kiosk_cloud.explained import EXIT_CONFIG
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import Provisioned, provision
from kiosk_cloud.receiver import Outgoing
from kiosk_cloud.verify import verify_store
from tests.uplink_kit import KIOSK, NOW, Bank, KioskSide, plan

ONLINE, OFFLINE = b'{"state":"online"}', b'{"state":"offline"}'


class Room:
    """A provisioned bank and its kiosk, without a broker."""

    def __init__(self, folder: Path) -> None:
        self.done: Provisioned = provision(plan(folder), utc_now())
        self.bank = Bank(self.done)
        self.kiosk = KioskSide(self.done.kiosk_keys)
        self.keys = Commanders.load(self.done.kiosk_keys)
        self.second = folder / "second" / "second.key"

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, list(words))

    def did(self, *words: str) -> str:
        result = self.run(*words, "--config", str(self.done.bank_config))
        assert result.exit_code == 0, result.output
        return result.output

    def give(self, name: str, *words: str) -> None:
        self.did("command", "give", name, "--kiosk", KIOSK, *words)

    def states(self) -> list[str]:
        listed = json.loads(self.did("command", "list", "--json"))
        return [each["state"] for each in listed["commands"]]

    def sent(self) -> list[commands.Order]:
        return [self.read(out) for out in self.bank.receiver.tick() if out.topic.endswith("/command")]

    def read(self, out: Outgoing) -> commands.Order:
        assert (out.topic, out.retain) == (f"kiosk/v1/{KIOSK}/command", False)
        assert self.keys is not None
        return commands.verify(out.payload, self.keys, KIOSK).order

    def answer(self, sequence: int, lane: str = "result", outcome: str = "done", sha256: bytes | None = None) -> bytes:
        """The kiosk's result; a record of its log like any other."""
        queue = Queue(self.bank.store)
        message = queue.message(KIOSK, sequence)
        assert message is not None
        assert self.keys is not None
        digest = sha256 or commands.verify(message, self.keys, KIOSK).sha256
        content = {"sequence": sequence, "command_sha256": digest, "outcome": outcome, "reason": ""}
        envelope = self.kiosk.append("result", content)
        self.bank.take(envelope, lane=lane)
        return envelope

    def second_signs(self, number: int, key: Path | None = None) -> Result:
        file = self.done.bank_config.parent / "command.cbor"
        self.did("command", "export", "--kiosk", KIOSK, "--number", str(number), "--file", str(file))
        signed = self.run("command", "sign", "--yes", "--file", str(file), "--key", str(key or self.second))
        assert signed.exit_code == 0, signed.output
        return self.run("command", "import", "--file", str(file), "--config", str(self.done.bank_config))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    found.bank.take(ONLINE, lane="birth")
    yield found
    found.kiosk.close()
    found.bank.store.close()


def test_a_command_is_sent_until_its_result_is_here(room: Room) -> None:
    room.give("out-of-service", "--reason", "an incident")
    assert room.states() == ["queued"]
    (order,) = room.sent()
    assert (order.sequence, order.command.__class__.__name__) == (1, "OutOfService")
    assert room.sent() == []  # not all the time
    room.bank.clock.advance(AGAIN_S)
    assert len(room.sent()) == 1
    assert room.states() == ["sent"]
    room.answer(1)
    room.bank.clock.advance(AGAIN_S)
    assert room.sent() == []
    assert room.states() == ["done"]
    assert json.loads(room.did("command", "result", "--kiosk", KIOSK, "--number", "1"))["outcome"] == "done"


def test_a_result_counts_on_either_lane_and_only_on_the_record_lane_it_is_stored(room: Room) -> None:
    room.give("in-service")
    room.give("report-units")
    envelope = room.answer(1, lane="result")
    assert room.bank.store.record(KIOSK, 0) is None
    room.bank.take(envelope)
    assert room.bank.store.record(KIOSK, 0) is not None
    room.answer(2, lane="record")
    assert room.states() == ["done", "done"]


def test_the_result_of_another_command_settles_nothing(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.give("in-service")
    room.answer(1, sha256=bytes(32))
    assert room.states() == ["queued"]
    assert "not in this queue" in caplog.text


def test_a_kiosk_that_is_away_gets_nothing_and_all_of_it_when_it_comes(room: Room) -> None:
    room.bank.take(OFFLINE, lane="birth")
    for _ in range(3):
        room.give("in-service")
    assert room.sent() == []
    room.bank.take(ONLINE, lane="birth")
    assert [order.sequence for order in room.sent()] == [1, 2, 3]
    room.bank.take(OFFLINE, lane="birth")
    room.bank.take(ONLINE, lane="birth")
    assert [order.sequence for order in room.sent()] == [1, 2, 3]  # at once, not after a while


def test_two_receivers_send_it_once(room: Room) -> None:
    other = Bank(room.done)
    room.give("in-service")
    assert len(room.sent()) == 1
    assert other.receiver.tick() == []
    other.store.close()


def test_sensitive_commands_wait_for_the_second_signer_and_so_do_those_behind_them(room: Room) -> None:
    room.give("limits", "--until", "2026-12-24T18:00:00+08:00", "--limit", "CNY:100000:900000")
    room.give("in-service")
    assert room.states() == ["unsigned", "queued"]
    assert room.sent() == []
    assert "complete" in room.second_signs(1).output
    orders = room.sent()
    assert [order.sequence for order in orders] == [1, 2]
    assert getattr(orders[0].command, "until") == "2026-12-24T10:00:00.000Z"  # noqa: B009 - only this one has it


def test_a_stranger_is_no_second_signer(room: Room, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.key"
    Ed25519Signer.generate().save(stranger)
    room.give("seal-key")
    result = room.second_signs(1, stranger)
    assert result.exit_code == EXIT_CONFIG
    assert "unknown key" in result.output
    assert room.states() == ["unsigned"]


def test_a_withdrawn_command_goes_out_to_be_refused(room: Room) -> None:
    room.give("seal-key")
    room.did("command", "withdraw", "--kiosk", KIOSK, "--number", "1")
    (order,) = room.sent()
    room.answer(order.sequence, outcome="refused")
    assert room.states() == ["refused"]
    again = room.run("command", "withdraw", "--kiosk", KIOSK, "--number", "1", "--config", str(room.done.bank_config))
    assert again.exit_code == EXIT_CONFIG


def test_an_expired_one_goes_out_without_its_second_signature_so_that_the_next_can_follow(room: Room) -> None:
    room.give("seal-key", "--life-h", "1")
    room.give("in-service")
    assert room.sent() == []
    ahead = utc_now().timestamp() - NOW.timestamp()  # the command line's clock is the machine's
    room.bank.clock.advance(ahead + 3601)
    assert [order.sequence for order in room.sent()] == [1, 2]


def test_a_new_sealing_key_is_found_by_a_receiver_that_runs(room: Room) -> None:
    first = room.kiosk.append("service", {"event": "held_note_given_back"})
    room.give("seal-key")
    key_file = next(room.done.bank_config.parent.glob("keys/seal-*.key"))
    assert key_file.stat().st_mode & 0o777 == 0o600
    room.kiosk.records.bank_seal = seal.SealPrivateKey.load(key_file).public
    second = room.kiosk.append("service", {"event": "held_note_given_back"})
    room.bank.take(first, second)
    assert room.bank.store.quarantined(KIOSK) == []
    assert room.bank.store.tree(KIOSK).size == 2


@pytest.mark.parametrize(
    "words",
    [
        ("out-of-service",),
        ("limits", "--until", "tomorrow"),
        ("limits", "--until", "2026-12-24T18:00:00"),
        ("limits", "--until", "2026-12-24T18:00:00Z", "--limit", "CNY:1"),
        ("policy",),
        ("in-service", "--kiosk", "demo-0009"),
    ],
)
def test_what_cannot_be_a_command_is_explained_and_takes_no_number(room: Room, words: tuple[str, ...]) -> None:
    result = room.run("command", "give", "--config", str(room.done.bank_config), "--kiosk", KIOSK, *words)
    assert result.exit_code in (EXIT_CONFIG, 3), result.output
    assert result.output.startswith("kiosk-cloud: ")
    assert room.states() == []


# --- complaints ---------------------------------------------------------------------------------------------


def complained(room: Room) -> list[complaints.Complaint]:
    due = [out for out in room.bank.receiver.tick() if out.topic.endswith("/complaint")]
    return [complaints.verify(out.payload, room.bank.keyring.ack_public, KIOSK) for out in due]


def test_a_gap_is_complained_of_with_what_the_bank_holds_until_it_is_on_record(room: Room) -> None:
    envelopes = [room.kiosk.deposit(number) for number in range(3)]
    room.bank.take(envelopes[0], envelopes[2])
    room.bank.receiver.tick()
    room.bank.clock.advance(30)
    (said,) = complained(room)
    assert (said.number, said.kind, said.sequence, said.size, said.evidence) == (1, "gap", 1, 1, b"")
    assert said.root == room.bank.store.root(KIOSK, 1)
    assert complained(room) == []
    room.bank.clock.advance(AGAIN_S)
    assert complained(room) == [said]
    room.bank.take(room.kiosk.append("complaint", {"number": 1}))
    room.bank.clock.advance(AGAIN_S)
    assert complained(room) == []
    assert "on record there since" in room.did("complaint", "list")


def test_a_fork_is_complained_of_once_and_what_follows_it_is_no_news(room: Room) -> None:
    twin = KioskSide(room.done.kiosk_keys)
    for number in range(3):
        room.bank.take(room.kiosk.deposit(number))
    for number in range(3):
        room.bank.take(twin.deposit(10 + number))
    (said,) = complained(room)
    assert (said.kind, said.sequence, said.size) == ("fork", 0, 3)
    room.bank.take(twin.append("complaint", {"number": 1}))  # itself a contradiction, as all of that branch is
    room.bank.clock.advance(AGAIN_S)
    assert complained(room) == []
    twin.close()
    listed = json.loads(room.did("complaint", "list", "--json"))["complaints"]
    assert [each["kind"] for each in listed] == ["fork"]
    assert len(listed[0]["evidence"]) == 64


def test_a_contradiction_written_after_all_that_is_here_is_a_rollback(room: Room) -> None:
    room.bank.take(*(room.kiosk.deposit(number) for number in range(3)))
    restored = KioskSide(room.done.kiosk_keys)
    restored.later_s = 3600.0
    room.bank.take(restored.deposit(20))
    restored.close()
    (said,) = complained(room)
    assert (said.kind, said.sequence) == ("rollback", 0)


def test_rubbish_is_complained_of_by_nobody(room: Room) -> None:
    good = room.kiosk.deposit(0)
    room.bank.take(good[:-1] + bytes([good[-1] ^ 1]), os.urandom(300), good)
    assert len(room.bank.store.quarantined(KIOSK)) == 2
    assert complained(room) == []


# --- terms --------------------------------------------------------------------------------------------------


def test_terms_are_explained_when_they_are_none(room: Room, tmp_path: Path) -> None:
    file = tmp_path / "terms.toml"
    file.write_text('medium = "sometimes"\n')
    result = room.run("terms", "publish", "--config", str(room.done.bank_config), "--file", str(file))
    assert result.exit_code == EXIT_CONFIG
    assert "medium" in result.output


def test_a_new_log_is_pinned_allowed_received_and_verified_behind_the_old_one(room: Room) -> None:
    later = f"{KIOSK}.epoch2"
    room.bank.take(*(room.kiosk.append("service", {"event": "held_note_given_back"}) for _ in range(2)))
    room.give("new-epoch", "--epoch", "2")
    assert "complete" in room.second_signs(1).output
    (order,) = room.sent()
    assert isinstance(order.command, NewEpoch)
    assert (order.command.size, order.command.root) == (2, room.bank.store.root(KIOSK, 2))
    provision(plan(room.done.bank_config.parent.parent), utc_now())
    acl = (room.done.mosquitto_conf.parent / "acl").read_text()
    assert acl.count(f"user {KIOSK}\n") == 1
    assert f"topic write kiosk/v1/{later}/record" in acl
    assert [path for path in room.done.kiosk_keys.glob("policy.txt") if f"deposit-kiosk/{later}" in path.read_text()]
    assert directory.kiosks(room.bank.config, None) == [KIOSK]

    other = KioskSide(room.done.kiosk_keys, later)
    queue = Queue(room.bank.store)
    message = queue.message(KIOSK, 1)
    assert message is not None
    assert room.keys is not None
    digest = commands.verify(message, room.keys, KIOSK).sha256
    content = {"sequence": 1, "command_sha256": digest, "outcome": "done", "reason": ""}
    out = room.bank.take(other.append("result", content), kiosk=later)
    assert [each.topic for each in out] == [f"kiosk/v1/{later}/ack"]
    assert other.acknowledge(out[0].payload) == 1
    assert room.states() == ["done"]
    twin = KioskSide(room.done.kiosk_keys, later)
    room.bank.take(twin.deposit(1), kiosk=later)  # a fork of the new log is complained of to the kiosk itself
    assert f"kiosk/v1/{later}/complaint" in {each.topic for each in room.bank.receiver.tick()}
    for side in (other, twin):
        side.close()
    report = verify_store(room.bank.config.store, room.bank.config.keys)
    assert (report.records, report.verified) == (3, 3)
    assert [failure for failure in report.failures if "fork" not in failure] == []
