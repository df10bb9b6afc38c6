"""A tray that is short, a board that must wait for a person, a suspect note that does not leave: in virtual time."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hwsim.notes import Kind
from hwsim.notes import Place as Real
from kiosk.core.state import State
from tests.simulation.judge import deposit_records, judge
from tests.simulation.rig import Rig

TECHNICIAN_S = 60.0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


def alerts(rig: Rig) -> list[Any]:
    log = rig.journal.log
    records = (log.record(sequence) for sequence in range(log.size()))
    return [record.content["alert"] for record in records if record.kind == "alert"]


async def in_review(rig: Rig, *values: int, suspect: int = 0) -> None:
    await rig.identify()
    for value in values:
        await rig.feed(value)
    if suspect:
        await rig.feed(suspect, "suspect")
    if rig.deposit.state is State.CASH_IN:
        await rig.touch("done")
    await rig.state(State.REVIEW)


async def lose_a_note_on_the_way_to_the_tray(rig: Rig) -> None:
    await rig.state(State.COLLECTING)
    await rig.until(lambda: rig.world.notes.count(Real.TRANSPORT) > 0)
    rig.world.fault("board", "note_taken", place="transport")
    await rig.state(State.DONE, limit_s=600)


def test_a_short_tray_leaves_the_credit_as_it_is(rig: Rig) -> None:
    async def play() -> None:
        await in_review(rig, 10000, 5000, 10000)
        await rig.touch("confirm")
        await lose_a_note_on_the_way_to_the_tray(rig)

    rig.run(play())
    record = deposit_records(rig.journal)[0]
    assert record["sums"]["CNY"]["credited"] == 25000
    assert record["bundle"]["short_by"] == 1
    assert judge(rig).complaints == []


@pytest.mark.parametrize("confirmed_first", [False, True], ids=["before", "after"])
def test_only_what_happened_at_the_port_before_the_confirmation_makes_a_short_tray_a_dispute(
    rig: Rig, confirmed_first: bool
) -> None:
    async def tamper() -> None:
        rig.world.set_line("tamper", True)
        await asyncio.sleep(0.1)
        rig.world.set_line("tamper", False)

    async def play() -> None:
        await in_review(rig, 10000, 5000, 10000)
        if not confirmed_first:
            await tamper()
        await rig.touch("confirm")
        if confirmed_first:
            await tamper()
        await lose_a_note_on_the_way_to_the_tray(rig)

    rig.run(play())
    record = deposit_records(rig.journal)[0]
    assert record["confirmed"] == {"CNY": 25000}
    assert record["bundle"]["short_by"] == 1
    assert record["doubts"] == ([] if confirmed_first else ["port_tamper"])
    assert record["sums"]["CNY"]["disputed"] == (0 if confirmed_first else 10000)
    assert record["sums"]["CNY"]["credited"] == (25000 if confirmed_first else 15000)
    assert "port_tamper" in alerts(rig)
    assert judge(rig).complaints == []


def test_what_was_counted_into_the_tray_stays_credited_whoever_empties_it(rig: Rig) -> None:
    async def play() -> None:
        await in_review(rig, 10000, 5000)
        rig.world.set_line("tamper", True)
        await asyncio.sleep(0.1)
        rig.world.set_line("tamper", False)
        await rig.touch("confirm")
        await rig.state(State.STRAPPING)
        rig.world.fault("board", "tray_emptied")
        await rig.state(State.DONE, limit_s=600)

    rig.run(play())
    record = deposit_records(rig.journal)[0]
    assert record["sums"]["CNY"]["credited"] == 15000
    assert record["bundle"]["short_by"] == 2
    assert "the tray was emptied by hand" in record["remarks"]
    assert "board" in alerts(rig)
    assert judge(rig).complaints == []


def test_a_port_that_is_forced_open_is_told(rig: Rig) -> None:
    async def play() -> None:
        await in_review(rig, 10000)
        rig.world.fault("cabinet", "stuck_line", line="shutter_closed", level=False)
        await asyncio.sleep(0.5)
        rig.world.fault("cabinet", "line_repaired", line="shutter_closed")
        await rig.touch("confirm")
        await rig.state(State.DONE)

    rig.run(play())
    assert deposit_records(rig.journal)[0]["doubts"] == ["port_tamper"]
    assert deposit_records(rig.journal)[0]["sums"]["CNY"]["credited"] == 10000


def test_a_jam_in_the_way_of_a_suspect_note_is_freed_and_cash_in_goes_on(rig: Rig) -> None:
    async def play() -> None:
        rig.world.fault("board", "jam", place="transport")
        await in_review(rig, 10000, suspect=2000)
        await rig.touch("confirm")
        await rig.state(State.DONE)

    rig.run(play())
    assert {(note.kind, note.place) for note in rig.world.notes.all()} == {
        (Kind.GENUINE, Real.SLOT),
        (Kind.SUSPECT, Real.RETRACT),
    }
    assert judge(rig).complaints == []


@pytest.mark.parametrize("comes", [True, False], ids=["technician", "nobody"])
def test_a_suspect_note_that_does_not_leave_is_never_mixed_with_credited_ones(rig: Rig, comes: bool) -> None:
    async def play() -> None:
        rig.world.fault("board", "jam", place="transport", stubborn=True)
        await in_review(rig, 10000, 5000, suspect=2000)
        await rig.touch("confirm")
        await rig.state(State.CLEARING)
        await asyncio.sleep(TECHNICIAN_S)
        assert rig.deposit.state is State.CLEARING
        assert rig.world.notes.count(Real.STORE) == 2
        if comes:
            rig.world.fault("board", "clear_jam")
        await rig.state(State.DONE, limit_s=1200)

    rig.run(play())
    record = deposit_records(rig.journal)[0]
    assert record["sums"]["CNY"] | {"returned": 0} == {
        "inserted": 17000,
        "credited": 15000,
        "returned": 0,
        "retained": 2000,
        "disputed": 0,
    }
    (suspect,) = [note for note in rig.world.notes.all() if note.kind is Kind.SUSPECT]
    genuine = {note.place for note in rig.world.notes.all() if note.kind is Kind.GENUINE}
    assert (suspect.place, genuine) == ((Real.RETRACT, {Real.SLOT}) if comes else (Real.TRANSPORT, {Real.STORE}))
    assert "technician" in alerts(rig)
    assert judge(rig).complaints == []


@pytest.mark.parametrize("state", [State.COLLECTING, State.STRAPPING, State.MARKING, State.STORING])
@pytest.mark.parametrize("how", ["e_stop", "tray_removed"])
def test_a_board_that_a_person_stopped_goes_on_when_they_are_done(rig: Rig, state: State, how: str) -> None:
    async def play() -> None:
        await in_review(rig, 10000, 5000)
        await rig.touch("confirm")
        await rig.state(state)
        if how == "e_stop":
            rig.world.set_line("e_stop", True)
        else:
            rig.world.fault("board", "tray_removed")
        await asyncio.sleep(TECHNICIAN_S)
        if how == "e_stop":
            rig.world.set_line("e_stop", False)
        else:
            rig.world.fault("board", "tray_returned")
        await rig.state(State.DONE, limit_s=1200)

    rig.run(play())
    record = deposit_records(rig.journal)[0]
    assert {note["place"] for note in record["notes"]} == {"cabinet"}
    assert record["bundle"]["stored"]
    assert judge(rig).complaints == []
