"""`reset` from every state, with crashes in between: what is found is accounted for, and nothing goes to the port."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hwsim.config import CctalkConfig, EbdsConfig
from hwsim.notes import Kind
from hwsim.notes import Place as Real
from kiosk.core.actions import Reset
from kiosk.core.state import State
from kiosk.messages import Asked
from tests.simulation import people
from tests.simulation.judge import deposit_records, judge
from tests.simulation.rig import Interrupted, PowerCut, Rig
from tests.simulation.scripts import DARK_S, FINAL_SCRIPTS, afterwards, cancelled, confirmed
from tests.simulation.validators import ValidatorKind

STATES = [
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
    State.DONE,
]
UNCONFIRMED = frozenset(STATES[:8])
ID = bytes(range(16))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def found(rig: Rig) -> dict[str, Any]:
    """The last reset's record."""
    log = rig.journal.log
    records = [log.record(sequence) for sequence in range(log.size())]
    return [dict(one.content) for one in records if one.kind == "service" and one.content["event"] == "reset"][-1]


async def reset_in(rig: Rig, state: State, script: Any = confirmed) -> None:
    """Play until this state, order a reset, and wait until the kiosk is at rest."""

    async def depositor() -> None:
        with contextlib.suppress(Interrupted, AssertionError):
            await script(rig)

    hand = asyncio.ensure_future(depositor())
    await rig.until(lambda: state in rig.states)
    await rig.until(lambda: rig.deposit.state not in (State.CLOSING, State.RECEIPT))
    assert await rig.controller.reset(ID, "carl")
    hand.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await hand
    await asyncio.sleep(0.5)
    await afterwards(rig, comes_back=False)


@pytest.mark.parametrize("state", STATES)
def test_a_reset_in_any_state_leaves_the_books_whole_and_the_port_alone(rig: Rig, state: State) -> None:
    rig.start()
    rig.run(reset_in(rig, state))
    verdict = judge(rig)
    assert verdict.complaints == []
    assert found(rig)["left"] == []
    assert found(rig)["by"] == "carl"
    inside = [note for note in rig.world.notes.all() if note.inserted]
    assert {note.place for note in inside} <= {Real.RETRACT, Real.SLOT}
    if state in UNCONFIRMED and deposit_records(rig.journal):
        assert deposit_records(rig.journal)[0]["outcome"] in ("reset", "credited")
    if state not in UNCONFIRMED:
        assert verdict.claims["credited"] == 25000


def test_a_reset_while_notes_are_returned(rig: Rig) -> None:
    rig.start()
    rig.run(reset_in(rig, State.RETURNING, cancelled))
    assert judge(rig).complaints == []
    assert found(rig)["moved_to"] == "retract"


def crash_once(folder: Path, state: State, at: tuple[str, int], *, power: bool) -> Rig | None:
    """A reset in this state, with a crash so many writes after the order; None when it ended before."""
    rig = Rig(folder)
    rig.start()

    async def until_ordered() -> None:
        await rig.identify()
        for value in (10000, 5000, 10000):
            await rig.feed(value)
        await rig.feed(2000, "suspect")
        await rig.touch("done")
        await rig.state(State.REVIEW)
        if state is not State.REVIEW:
            await rig.touch("confirm")
            await rig.state(state)
        rig.crash_at, rig.crash_takes_power = (at[0], rig.counts.get(at[0], 0) + at[1]), power
        await rig.controller.reset(ID, "carl")
        await asyncio.sleep(0.5)
        await afterwards(rig, comes_back=False)

    try:
        rig.run(until_ordered())
    except PowerCut:
        rig.bury()
        rig.loop.run_until_complete(asyncio.sleep(DARK_S))
        rig.start()
        rig.run(afterwards(rig, comes_back=False))
        return rig
    rig.close()
    return None


@pytest.mark.parametrize("power", [True, False], ids=["power", "process"])
@pytest.mark.parametrize("state", [State.REVIEW, State.COLLECTING])
def test_a_crash_at_each_write_of_a_reset_goes_on_with_it(tmp_path: Path, state: State, power: bool) -> None:
    points = 0
    for number in range(1, 60):
        rig = crash_once(tmp_path / str(number), state, ("after-write", number), power=power)
        if rig is None:
            break
        points += 1
        try:
            verdict = judge(rig)
            assert verdict.complaints == [], f"crash {number} writes after the order"
            assert {note.place for note in rig.world.notes.all()} <= {Real.RETRACT, Real.SLOT}
            assert (verdict.claims["credited"] == 25000) is (state is State.COLLECTING)
        finally:
            rig.close()
    assert points >= 8


def test_what_a_deposit_left_behind_is_found_again_and_the_units_know_where_it_went(rig: Rig) -> None:
    rig.start()

    async def play() -> None:
        await people.found(rig)
        rig.world.fault("board", "jam", place="transport", stubborn=True)
        await rig.identify()
        for value in (10000, 5000):
            await rig.feed(value)
        await rig.feed(2000, "suspect")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE, limit_s=1500)
        await rig.touch("finish")
        rig.world.fault("board", "clear_jam")
        reply = await people.ask(rig, "carl", Reset())
        assert isinstance(reply, Asked)
        assert reply.done
        await rig.state(State.RESETTING)
        await rig.state(State.IDLE)
        await asyncio.sleep(1)
        assert rig.controller.storage.loose == ()
        await confirmed(rig)

    rig.run(play())
    said = found(rig)
    assert (said["moved"], said["unknown"], said["missing"]) == (3, 0, 0)
    assert sum(row["count"] for row in said["store"]) == 2
    assert "deposit_id" not in said
    assert sum(1 for note in rig.world.notes.all() if note.place is Real.RETRACT) == 4


def test_notes_that_the_books_do_not_know_are_said(rig: Rig) -> None:
    rig.start()

    async def play() -> None:
        await rig.ready()
        note = rig.world.notes.create("CNY", 10000, Kind.GENUINE)
        rig.world.notes.move(note, Real.HAND, Real.TRAY)
        assert await rig.controller.reset(ID, "carl")
        await rig.state(State.RESETTING)
        await rig.state(State.IDLE)

    rig.run(play())
    said = found(rig)
    assert (said["tray"], said["moved"], said["unknown"]) == (1, 1, 1)


def test_a_reset_can_be_ordered_while_a_device_does_not_answer(rig: Rig) -> None:
    rig.start()

    async def play() -> None:
        await rig.identify()
        await rig.feed(10000)
        rig.world.power("validator", on=False)
        await rig.until(lambda: not rig.controller.machine.connected)
        assert await rig.controller.reset(ID, "carl")
        await asyncio.sleep(30)
        rig.world.power("validator", on=True)
        await afterwards(rig, comes_back=True)

    rig.run(play())
    assert judge(rig).complaints == []
    assert deposit_records(rig.journal)[0]["sums"]["CNY"]["disputed"] == 10000
    assert found(rig)["moved"] == 1


@pytest.mark.parametrize("state", [State.CONSENTING, State.CASH_IN, State.ACCEPTING, State.STACKING])
@pytest.mark.parametrize("kind", [EbdsConfig(), CctalkConfig()], ids=["ebds", "cctalk"])
def test_a_validator_without_bunch_escrow_is_reset_too(tmp_path: Path, kind: ValidatorKind, state: State) -> None:
    rig = Rig(tmp_path, validator=kind)
    rig.start()
    try:
        rig.run(reset_in(rig, state, FINAL_SCRIPTS["final"]))
        assert judge(rig).complaints == []
        assert found(rig)["left"] == []
    finally:
        rig.close()


def test_a_board_event_is_news_once_when_a_reset_follows_a_deposit_at_once(rig: Rig) -> None:
    """The controller dies in the reset: what it had heard in the deposit before must not come again."""
    rig.start()

    async def play() -> None:
        await rig.identify()
        await rig.feed(2000, "suspect")
        await rig.touch("done")
        await rig.state(State.DONE)
        assert await rig.controller.reset(ID, "carl")
        rig.crash_takes_power = False
        rig.die()
        await asyncio.sleep(1)

    with pytest.raises(PowerCut):
        rig.run(play())
    rig.bury()
    rig.start()
    rig.run(afterwards(rig, comes_back=False))
    opened = "SELECT count(*) FROM facts WHERE kind = 'BoardHappened' AND fact LIKE '%\"gate_opened\",1]%'"
    assert rig.journal._connection.execute(opened).fetchone() == (1,)  # noqa: SLF001 - of the facts themselves
