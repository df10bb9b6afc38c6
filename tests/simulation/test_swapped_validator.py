"""Another validator in place of the one that holds an open deposit's notes, accepted by a technician."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hwsim.notes import Place as Real
from kiosk.core.actions import AcceptDevice
from kiosk.core.state import State
from kiosk.messages import Asked
from tests.simulation import people
from tests.simulation.judge import deposit_records, judge
from tests.simulation.rig import Interrupted, Rig
from tests.simulation.scripts import afterwards, confirmed

NEW = 815


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


async def swap_in(rig: Rig, state: State) -> None:
    await people.found(rig)

    async def depositor() -> None:
        with contextlib.suppress(Interrupted, AssertionError):
            await confirmed(rig)

    hand = asyncio.ensure_future(depositor())
    await rig.until(lambda: state in rig.states)
    rig.world.fault("validator", "swapped", serial_number=NEW)
    await rig.until(lambda: rig.controller.machine.stranger == NEW)
    hand.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await hand
    reply = await people.ask(rig, "carl", AcceptDevice("validator", NEW))
    assert isinstance(reply, Asked)
    assert reply.done


@pytest.mark.parametrize("state", [State.CASH_IN, State.STACKING, State.REVIEW, State.COMMITTING, State.STRAPPING])
def test_what_the_old_one_held_is_disputed_or_short(rig: Rig, state: State) -> None:
    async def play() -> None:
        await swap_in(rig, state)
        await afterwards(rig, comes_back=True)

    rig.run(play())
    verdict = judge(rig)
    assert verdict.complaints == []
    removed = sum(1 for note in rig.world.notes.all() if note.place is Real.REMOVED)
    (record,) = deposit_records(rig.journal)
    if record["confirmed_at"]:
        assert verdict.claims["credited"] == 25000
        assert record["bundle"]["short_by"] == removed
    else:
        assert verdict.claims["credited"] == 0
        assert all("replaced" in reason for reason in verdict.disputes)


def test_the_kiosk_is_in_service_again_with_the_new_one(rig: Rig) -> None:
    async def play() -> None:
        await swap_in(rig, State.REVIEW)
        await afterwards(rig, comes_back=True)
        if rig.deposit.state is State.DONE:
            await rig.touch("finish")
        await confirmed(rig)

    rig.run(play())
    assert deposit_records(rig.journal)[-1]["outcome"] == "credited"


def test_one_that_is_not_there_cannot_be_accepted_while_a_deposit_is_open(rig: Rig) -> None:
    async def play() -> None:
        await people.found(rig)
        await rig.identify()
        await rig.feed(10000)
        reply = await people.ask(rig, "carl", AcceptDevice("validator", NEW))
        assert isinstance(reply, Asked)
        assert not reply.done
        assert rig.deposit.state is State.CASH_IN

    rig.run(play())
