"""Moments that a review found: touches, timers, links and events that meet where they should not."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.errors import LinkDown
from hwsim.config import ValidatorConfig
from hwsim.notes import Place as Real
from kiosk.core.money import Claim, Place
from kiosk.core.state import State
from kiosk.management.controller import SUPPLIES_S
from kiosk.messages import Identify, Ok, Refused
from tests.simulation.judge import deposit_records, judge
from tests.simulation.rig import ACCOUNT, Rig


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


async def _in_review(rig: Rig, *values: int) -> None:
    await rig.identify()
    for value in values:
        await rig.feed(value)
    await rig.touch("done")
    await rig.state(State.REVIEW)


def test_a_confirmation_that_is_being_stored_is_never_overtaken_by_the_deadline(rig: Rig) -> None:
    rig.commit_s = 0.03

    async def play() -> None:
        await _in_review(rig, 10000, 5000)
        await asyncio.sleep(1)
        assert rig.controller.deadline_s is not None
        await asyncio.sleep(rig.controller.deadline_s - rig.loop.time() - 0.015)
        await rig.touch("confirm")
        await rig.state(State.DONE)

    rig.run(play())
    assert {note.place for note in rig.deposit.notes} == {Place.CABINET}
    assert rig.deposit.remarks == ()


def test_cancel_while_the_machine_prepares(rig: Rig) -> None:
    async def play() -> None:
        await rig.identify()
        await rig.state(State.STARTING)
        await rig.touch("cancel")
        await rig.state(State.DONE)

    rig.run(play())
    assert deposit_records(rig.journal)[0]["notes"] == []


@pytest.mark.parametrize("notes", [1, 3])
def test_returned_notes_that_nobody_takes_end_as_a_dispute_behind_a_closed_port(rig: Rig, notes: int) -> None:
    async def play() -> None:
        await _in_review(rig, *[10000] * notes)
        await rig.touch("cancel")
        await rig.state(State.DONE, limit_s=3000)

    rig.run(play())
    record = deposit_records(rig.journal)[0]
    assert {note["claim"] for note in record["notes"]} == {"disputed"}
    assert rig.world.lines.read("shutter_closed")
    assert "not_taken" in alerts(rig)
    assert judge(rig).complaints == []


def test_a_jam_out_of_reach_that_no_technician_clears_is_a_dispute_of_that_note(rig: Rig) -> None:
    rig.world.fault("validator", "jam", where="safe")

    async def play() -> None:
        await rig.identify()
        await rig.feed(10000)
        await rig.state(State.JAMMED)
        await rig.state(State.DONE, limit_s=2000)

    rig.run(play())
    (note,) = deposit_records(rig.journal)[0]["notes"]
    assert (note["claim"], note["value"]) == ("disputed", 10000)
    assert judge(rig).complaints == []


def test_a_note_that_settles_after_everybody_gave_up_waiting_still_has_its_place(tmp_path: Path) -> None:
    rig = Rig(tmp_path, validator=ValidatorConfig(to_store_s=45.0))
    rig.start()
    try:

        async def play() -> None:
            await rig.identify()
            await rig.feed(10000)
            await rig.state(State.JAMMED)
            await rig.until(lambda: rig.deposit.notes[0].place is Place.ESCROW)

        rig.run(play())
        assert rig.deposit.notes[0].claim is Claim.OPEN
    finally:
        rig.close()


def test_a_label_printer_that_is_unplugged_holds_up_neither_restart_nor_credit(rig: Rig) -> None:
    def unplugged(_: bytes) -> None:
        raise LinkDown("label printer", "the port is gone")

    async def until_collecting() -> None:
        await _in_review(rig, 10000)
        await rig.touch("confirm")
        await rig.state(State.COLLECTING)

    rig.run(until_collecting())
    rig.bury()
    rig.start()
    link: Any = rig.controller.devices.printer._transport  # type: ignore[attr-defined]  # noqa: SLF001 - to unplug it
    whole, link.write = link.write, unplugged

    async def afterwards() -> None:
        await rig.state(State.DONE)
        await rig.touch("finish")
        refused = await rig.desk.handle("terminal", Identify(ACCOUNT))
        assert isinstance(refused, Refused)
        assert "label printer" in refused.message
        link.write = whole
        assert isinstance(await rig.desk.handle("terminal", Identify(ACCOUNT)), Ok)

    rig.run(afterwards())
    assert deposit_records(rig.journal)[0]["sums"]["CNY"]["credited"] == 10000


def test_a_stacker_that_is_taken_out_is_an_alert(rig: Rig) -> None:
    async def play() -> None:
        await rig.identify()
        await rig.feed(10000)
        rig.world.fault("validator", "stacker_removed")
        await rig.state(State.REVIEW)

    rig.run(play())
    assert "validator_stopped" in alerts(rig)


def test_a_note_left_at_the_bezel_while_the_link_fails_does_not_hold_the_kiosk_for_ever(rig: Rig) -> None:
    async def play() -> None:
        await _in_review(rig, 10000, 5000)
        await rig.touch("cancel")
        await rig.until(lambda: bool(rig.world.notes.at(Real.BEZEL)))
        rig.world.fault("board", "mute", seconds=5.0)  # leads through reconciliation, and nobody takes the note
        await rig.state(State.SUSPENDED, limit_s=600)
        await rig.state(State.DONE, limit_s=3000)

    rig.run(play())
    assert {note["claim"] for note in deposit_records(rig.journal)[0]["notes"]} == {"disputed"}
    assert judge(rig).complaints == []


def test_notes_that_a_jam_sends_to_the_stacker_instead_of_back_are_counted_once(rig: Rig) -> None:
    async def play() -> None:
        await _in_review(rig, 100, 500, 1000, 2000, 5000, 10000)
        rig.world.fault("validator", "jam", where="payout_recovers")
        await rig.touch("cancel")
        await rig.state(State.DONE)  # at once: nobody waits for a hand that has nothing to take

    rig.run(play())
    notes = deposit_records(rig.journal)[0]["notes"]
    assert sorted(note["value"] for note in notes) == [100, 500, 1000, 2000, 5000, 10000]
    assert {(note["claim"], note["place"], note["reason"]) for note in notes} == {
        ("disputed", "retract", "could not be returned")
    }
    assert judge(rig).complaints == []


def test_a_return_that_a_silent_link_breaks_off_can_be_asked_for_again(rig: Rig) -> None:
    async def play() -> None:
        await _in_review(rig, 10000, 5000, 1000)
        await rig.touch("cancel")
        await rig.until(lambda: bool(rig.world.notes.at(Real.BEZEL)))
        rig.line_noise = lambda line, data: () if line == "validator>" else ((0.0, data),)
        await asyncio.sleep(12.0)
        rig.line_noise = None
        rig.world.take()
        await rig.state(State.REVIEW)
        await rig.touch("cancel")
        while rig.deposit.state is not State.DONE:
            rig.world.take()
            await asyncio.sleep(0.1)

    rig.run(play())
    notes = deposit_records(rig.journal)[0]["notes"]
    assert sorted((note["claim"], note["value"]) for note in notes) == [
        ("returned", 1000),
        ("returned", 5000),
        ("returned", 10000),
    ]
    assert judge(rig).complaints == []


def test_no_deposit_begins_while_the_tray_of_the_last_one_is_out(rig: Rig) -> None:
    async def play() -> None:
        await _in_review(rig, 10000, 5000)
        await rig.touch("confirm")
        await rig.state(State.STRAPPING)
        rig.world.fault("board", "tray_removed", notes="stay")
        await rig.state(State.DONE, limit_s=3000)  # nobody came
        await rig.touch("finish")
        refused = await rig.desk.handle("terminal", Identify(ACCOUNT))
        assert isinstance(refused, Refused)
        assert "the tray is out" in refused.message
        rig.world.fault("board", "tray_returned")
        await asyncio.sleep(SUPPLIES_S + 2)
        refused = await rig.desk.handle("terminal", Identify(ACCOUNT))
        assert isinstance(refused, Refused)  # it came back with the bundle in it
        assert "notes lie in the tray" in refused.message

    rig.run(play())
    assert judge(rig).complaints == []


def test_a_tray_that_is_taken_out_between_two_deposits_is_noticed_before_a_note_comes_in(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        rig.world.fault("board", "tray_removed", notes="stay")
        await rig.identify()
        await rig.state(State.DONE)
        assert rig.deposit.outcome == "board_not_ready"
        await rig.touch("finish")
        rig.world.fault("board", "tray_returned")
        await asyncio.sleep(SUPPLIES_S + 2)
        assert isinstance(await rig.desk.handle("terminal", Identify(ACCOUNT)), Ok)

    rig.run(play())


def test_a_note_that_is_taken_while_it_is_being_stored_that_nobody_took_it(rig: Rig) -> None:
    """What an event means is decided when the fact before it is durable, not while that is being written."""

    async def play() -> None:
        await _in_review(rig, 10000)
        await rig.touch("cancel")
        await rig.until(lambda: rig.deposit.bezel is not None)
        rig.commit_s = 1.0
        assert rig.controller.deadline_s is not None
        await asyncio.sleep(rig.controller.deadline_s - rig.loop.time() + 0.1)
        assert rig.deposit.state is State.RETURNING
        rig.world.take()
        await rig.state(State.DONE)

    rig.run(play())
    assert judge(rig).complaints == []
