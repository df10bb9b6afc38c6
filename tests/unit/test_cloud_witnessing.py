"""From a kiosk's records over the bank's mirror and two witnesses back to a receipt that is witnessed."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.errors import LogForkError, VerificationError
from kiosk.guarantee import acks, checkpoint, cosignature, merkle, note, tiles
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.guarantee.tiles import Mirror
from kiosk_cloud.cosigning import Reply
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.witnessing import Witnessing
from tests.uplink_kit import KIOSK, Bank, plan
from tests.witness_kit import NOW_POSIX_S, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(provision(plan(tmp_path), utc_now()), tmp_path)
    yield made
    made.close()


def test_the_kiosk_gets_a_quorum_that_fits_the_paper_and_the_mirror_gets_all(world: World) -> None:
    world.grow(3)
    assert world.work()
    assert world.deliver() == ["press.example/w", "union.example/w"]  # two are enough, and short ones only
    whole = (world.folder / "checkpoint").read_text()
    assert len(world.cosigned(whole)) == 6
    assert not world.work()  # nothing new: nobody is asked again
    assert len(world.street.asked) == 3


def test_the_mirror_holds_the_log_and_proves_it(world: World) -> None:
    for size in (1, 2, 300, 301):
        world.grow(size - world.kiosk.records.size())
        world.work()
        point = checkpoint.verify((world.folder / "checkpoint").read_bytes(), world.log_key)
        mirror = Mirror(point.size, lambda path: (world.folder / path).read_bytes())
        assert (point.size, mirror.root()) == (size, point.root)
        assert merkle.root_of(map(merkle.leaf_hash, mirror.entries())) == point.root
    assert (world.folder / tiles.Tile(1, 0, 1).path).is_file()


def test_a_witness_that_is_out_is_asked_again_after_a_pause(world: World) -> None:
    world.street.out = {"village", "union"}
    world.grow()
    assert world.work()
    assert world.deliver() == ["press.example/w"]
    known = world.kiosk.records.cosigned()
    assert known is not None
    assert not world.policy.witnessed(world.cosigned(known[1]))
    world.street.out = set()
    assert not world.work()
    world.bank.clock.advance(31)
    assert world.work()
    assert len(world.deliver()) == 2


def test_a_witness_that_knows_another_size_says_so_and_is_asked_with_it(world: World) -> None:
    world.grow(5)
    world.work()
    again = Witnessing(world.bank.keyring, world.policy, world.folder.parent, world.bank.clock, world.street.send)
    world.grow(4)
    world.street.asked.clear()
    assert again.work_on(world.bank.store, KIOSK)  # knows nothing of what they have signed: asks from 0, then from 5
    again.stop()
    assert len(world.street.asked) == 6
    assert len(world.deliver()) == 2


def test_lies_are_not_kept(world: World) -> None:
    world.grow()
    stranger = cosignature.Cosigner.load("press.example/w", world.street.folder / "village" / "ed25519.key", 0x04)

    point = checkpoint.verify(world.kiosk.records.checkpoint(), world.log_key)

    def lie(_: str, __: bytes) -> Reply:
        return Reply(200, "nonsense\n" + stranger.line(point, NOW_POSIX_S) + "\u2014 x AAAA\n" * 3)

    lied = Witnessing(world.bank.keyring, world.policy, world.folder.parent, world.bank.clock, lie)
    assert not lied.work_on(world.bank.store, KIOSK)
    lied.stop()
    assert world.deliver() == []


def test_entries_that_are_not_what_was_signed_never_become_a_mirror(world: World) -> None:
    world.grow(2)
    other = sqlite3_of(world.bank)
    other.execute("UPDATE records SET entry = x'00' WHERE sequence = 1")
    other.commit()
    other.close()
    with pytest.raises(VerificationError, match="do not make the root"):
        world.work()
    assert not (world.folder / "checkpoint").exists()


def sqlite3_of(bank: Bank) -> sqlite3.Connection:
    return sqlite3.connect(bank.config.store)


def test_a_cosigned_checkpoint_of_another_log_is_refused_by_the_kiosk(world: World) -> None:
    world.grow(2)
    fork = checkpoint.sign(KIOSK, 1, merkle.leaf_hash(b"x"), signer_of(world))
    ack = acks.make(KIOSK, 2, world.kiosk.records.root(), world.bank.clock.now_utc(), world.bank.keyring.ack, fork)
    with pytest.raises(LogForkError):
        world.kiosk.acknowledge(ack)
    assert world.kiosk.records.cosigned() is None


def signer_of(world: World) -> Ed25519Signer:
    return Ed25519Signer.load(world.street.folder / "kiosk" / "keys" / "checkpoint.key")


def test_what_the_kiosk_keeps_is_the_newest(world: World) -> None:
    world.grow()
    world.work()
    world.deliver()
    first = world.kiosk.records.cosigned()
    world.grow()
    world.work()
    late = world.bank.store.newest_ack(KIOSK)
    assert late is not None
    world.deliver()
    second = world.kiosk.records.cosigned()
    assert first is not None
    assert second is not None
    assert (first[0], second[0]) == (1, 2)
    world.kiosk.acknowledge(late[1])  # an old one, once more
    assert world.kiosk.records.cosigned() == second
    assert note.parse(second[1]).lines[0].name == world.log_key.name
