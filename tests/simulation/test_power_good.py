"""The mains power fails in each state: finished or made safe within the hold-up time, then an orderly stop.

With and without the power really going when the hold-up time is over. Afterwards the controller is started again, as
systemd does, and the world judges.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.state import State
from tests.simulation.judge import deposit_records, judge
from tests.simulation.rig import Interrupted, Rig
from tests.simulation.scripts import DARK_S, afterwards, cancelled, confirmed

CONFIRMED = [
    State.WATCHING,
    State.STARTING,
    State.CASH_IN,
    State.ACCEPTING,
    State.STACKING,
    State.PURGING,
    State.SETTLING,
    State.REVIEW,
    State.COMMITTING,
    State.COLLECTING,
    State.STRAPPING,
    State.MARKING,
    State.STORING,
    State.CLOSING,
    State.RECEIPT,
    State.DONE,
]
LONG_S, SHORT_S = 60.0, 6.0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def services(rig: Rig) -> list[dict[str, Any]]:
    log = rig.journal.log
    records = (log.record(sequence) for sequence in range(log.size()))
    return [dict(record.content) for record in records if record.kind == "service"]


def fails_in(rig: Rig, state: State, script: Any, hold_up_s: float, *, goes: bool) -> float:
    """Play until the mains fails in this state; until the controller has stopped. Returns how long that took."""
    rig.hold_up_s = hold_up_s
    rig.start()

    async def play() -> float:
        async def depositor() -> None:
            with contextlib.suppress(Interrupted, AssertionError):
                await script(rig)

        hand = asyncio.ensure_future(depositor())
        await rig.until(lambda: state in rig.states)
        rig.world.set_line("power_good", False)
        failed_s = rig.loop.time()
        if goes:
            rig.loop.call_later(hold_up_s, rig.world.power, "all", False)
        assert await rig.ended(hold_up_s), f"still in {rig.deposit.state}"
        assert rig.world.lines.read("shutter_open_cmd") is False or rig.deposit.state is State.RETURNING
        took_s = rig.loop.time() - failed_s
        hand.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await hand
        await asyncio.sleep(hold_up_s - took_s + 0.1)
        return took_s

    took_s = rig.loop.run_until_complete(play())
    rig.bury()
    return took_s


def comes_back(rig: Rig, *, went: bool) -> None:
    rig.loop.run_until_complete(asyncio.sleep(DARK_S))
    if went:
        rig.world.power("all", on=True)
    rig.world.set_line("power_good", True)
    rig.start()
    rig.run(afterwards(rig, comes_back=True))


@pytest.mark.parametrize(("hold_up_s", "goes"), [(LONG_S, False), (SHORT_S, True)], ids=["long-stays", "short-goes"])
@pytest.mark.parametrize("state", CONFIRMED)
def test_the_power_fails_while_a_deposit_is_made(rig: Rig, state: State, hold_up_s: float, goes: bool) -> None:
    fails_in(rig, state, confirmed, hold_up_s, goes=goes)
    comes_back(rig, went=goes)
    assert judge(rig).complaints == []
    assert judge(rig).disputes == []
    assert next(item["why"] for item in services(rig) if item["event"] == "stopped").startswith(
        "the mains power failed"
    )


@pytest.mark.parametrize(("hold_up_s", "goes"), [(LONG_S, False), (SHORT_S, True)], ids=["long-stays", "short-goes"])
def test_the_power_fails_while_notes_are_returned(rig: Rig, hold_up_s: float, goes: bool) -> None:
    fails_in(rig, State.RETURNING, cancelled, hold_up_s, goes=goes)
    comes_back(rig, went=goes)
    assert judge(rig).complaints == []


def test_a_long_hold_up_finishes_a_confirmed_deposit(rig: Rig) -> None:
    took_s = fails_in(rig, State.COMMITTING, confirmed, LONG_S, goes=True)
    assert took_s < LONG_S
    rig.world.power("all", on=True)
    rig.start()
    rig.run(rig.ready())
    assert deposit_records(rig.journal)[0]["bundle"]["stored"]


def test_a_short_one_stops_between_two_steps_with_the_notes_where_they_were(rig: Rig) -> None:
    fails_in(rig, State.COMMITTING, confirmed, SHORT_S, goes=False)
    assert rig.deposit.state is State.STRAPPING
    assert {note.place for note in rig.world.notes.all()} == {"tray", "retract"}
    comes_back(rig, went=False)
    assert deposit_records(rig.journal)[0]["bundle"]["stored"]


def test_a_dip_that_is_shorter_than_the_limit_is_none(rig: Rig) -> None:
    rig.start()

    async def play() -> None:
        task = asyncio.ensure_future(confirmed(rig))
        await rig.state(State.CASH_IN)
        rig.world.fault("cabinet", "line_pulse", line="power_good", seconds=0.15)
        await task

    rig.run(play())
    assert deposit_records(rig.journal)[0]["sums"]["CNY"]["credited"] == 25000


def test_started_without_mains_power_it_commands_nothing(rig: Rig) -> None:
    rig.world.set_line("power_good", False)
    rig.start()

    async def play() -> None:
        await asyncio.sleep(30)
        assert not rig.controller.machine.connected
        assert rig.controller.machine.fault == "the mains power failed"
        assert "frame" not in rig.counts
        rig.world.set_line("power_good", True)
        await rig.ready()

    rig.run(play())


@pytest.mark.parametrize("state", [State.CASH_IN, State.STACKING, State.PURGING])
def test_the_service_key_ends_cash_in_and_nothing_else(rig: Rig, state: State) -> None:
    rig.start()

    async def play() -> None:
        async def depositor() -> None:
            with contextlib.suppress(Interrupted):
                await confirmed(rig)

        hand = asyncio.ensure_future(depositor())
        await rig.until(lambda: state in rig.states)
        rig.world.set_line("service_key", True)
        await hand
        await afterwards(rig, comes_back=True)

    rig.run(play())
    assert judge(rig).complaints == []
    assert judge(rig).disputes == []
