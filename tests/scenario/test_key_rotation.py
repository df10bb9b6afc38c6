"""Two people change the key that signs the records, on a kiosk that takes deposits before and after."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.actions import RotateKey
from kiosk.guarantee import rotation
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.guarantee.signers import PURPOSES, Purpose
from kiosk.messages import Asked, GetKeys, Refused
from tests.simulation.judge import judge
from tests.simulation.people import approve, ask, asked, found, say
from tests.simulation.rig import Rig
from tests.simulation.scripts import confirmed

NEW: dict[Purpose, Ed25519Signer] = {
    "record": Ed25519Signer.from_seed(b"\x31" * 32),
    "checkpoint": Ed25519Signer.from_seed(b"\x32" * 32),
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    keys: Any = made.__dict__
    keys["_keys"] = dataclasses.replace(keys["_keys"], next_record=NEW["record"], next_checkpoint=NEW["checkpoint"])
    made.start()
    yield made
    made.close()


async def both(rig: Rig) -> None:
    await found(rig)
    for purpose in PURPOSES:
        waiting = await asked(rig, "carl", RotateKey(purpose, NEW[purpose].kid))
        assert not waiting.done
        done = await approve(rig, "anna", waiting)
        assert isinstance(done, Asked)
        assert done.done, done


def test_deposits_before_and_after_are_signed_by_the_key_whose_turn_it_is(rig: Rig) -> None:
    rig.run(confirmed(rig))
    rig.run(both(rig))
    log = rig.journal.log
    leaves = [log.record(at) for at in range(log.size()) if log.record(at).kind == rotation.KIND]
    assert [leaf.content["purpose"] for leaf in leaves] == list(PURPOSES)
    assert all(leaf.content["by"] == ["carl", "anna"] for leaf in leaves)
    turn = leaves[0].sequence + 1
    assert {log.record(at).kid for at in range(turn, log.size())} == {NEW["record"].kid}
    views = rig.run(say(rig, GetKeys()))
    shown = [(view.purpose, view.first, view.end) for view in getattr(views, "keys", ())]
    assert shown == [
        ("record", 0, turn), ("record", turn, None),
        ("checkpoint", 0, leaves[1].sequence + 1), ("checkpoint", leaves[1].sequence + 1, None),
    ]  # fmt: skip
    rig.bury()
    rig.start()  # the log remembers whose turn it is
    rig.run(confirmed(rig))
    log = rig.journal.log
    assert log.record(log.size() - 1).kid == NEW["record"].kid
    assert log.audit().size == log.size()
    assert judge(rig).complaints == []


def test_it_takes_the_key_that_is_there_and_two_people(rig: Rig) -> None:
    rig.run(found(rig))
    unknown = rig.run(ask(rig, "carl", RotateKey("record", bytes(32))))
    assert isinstance(unknown, Refused)
    assert unknown.code == "no_such_key"
    assert "keys.md" in unknown.remedy
    courier = rig.run(ask(rig, "dora", RotateKey("record", NEW["record"].kid)))
    assert isinstance(courier, Refused)
    alone = rig.run(asked(rig, "carl", RotateKey("record", NEW["record"].kid)))
    assert isinstance(rig.run(approve(rig, "carl", alone)), Refused)
    assert rig.journal.log.record_key != NEW["record"].public


def test_no_key_is_changed_while_a_deposit_is_under_way(rig: Rig) -> None:
    async def play() -> Asked:
        await found(rig)
        await rig.identify()
        await rig.feed(10_000)
        reply = await approve(rig, "anna", await asked(rig, "carl", RotateKey("record", NEW["record"].kid)))
        assert isinstance(reply, Asked)
        return reply

    waiting = rig.run(play())
    assert not waiting.done
    assert "deposit is under way" in waiting.not_yet
