"""What seeded schedules found: each bug of money in its smallest form."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.core.state import State
from tests.simulation.judge import deposit_records, judge
from tests.simulation.rig import Interrupted, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("ending", ["confirm", "cancel", "gone"])
def test_a_note_that_the_validator_keeps_after_a_fraud_attempt_is_counted(rig: Rig, ending: str) -> None:
    """It lies on the belt without a credit: whoever empties the kiosk would find one note more than the books have."""

    async def play() -> None:
        await rig.identify()
        await rig.feed(10000)
        rig.world.fault("validator", "fraud", note="kept")
        with contextlib.suppress(Interrupted):
            await rig.feed(5000)
        await rig.state(State.REVIEW)
        if ending != "gone":
            await rig.touch(ending)
        while rig.deposit.state is not State.DONE:
            rig.world.take()
            await asyncio.sleep(0.2)

    rig.run(play())
    record = deposit_records(rig.journal)[0]
    assert record["disputed_unvalued"] == 1
    assert judge(rig).complaints == []


def test_a_validator_that_never_gives_the_notes_back_holds_nobody_for_ever(rig: Rig) -> None:
    """It forgot which notes are in escrow and says no each time; the depositor came back with the code each time."""

    async def play() -> None:
        await rig.identify()
        for value_minor in (500, 2000):
            await rig.feed(value_minor)
        rig.world.fault("validator", "escrow_forgotten")
        await rig.touch("cancel")
        while rig.deposit.state is not State.DONE:
            await asyncio.sleep(0.5)
            if rig.deposit.state is State.SUSPENDED and rig.controller.machine.connected:
                await rig.resume()
                await rig.state(State.REVIEW)
                await rig.touch("cancel")

    rig.run(play())
    verdict = judge(rig)
    assert verdict.complaints == []
    assert verdict.disputes == ["the validator did not return them"] * 2
