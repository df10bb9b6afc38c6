"""What seeded schedules found: each bug of money in its smallest form."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hwsim.config import EbdsConfig
from hwsim.notes import Place as Real
from hwsim.world import Happening
from kiosk.core.ledger import SILENT
from kiosk.core.state import State
from kiosk.core.steps import PURGE
from kiosk.management.machine import not_ready
from tests.simulation.judge import deposit_records, judge
from tests.simulation.rig import Interrupted, PowerCut, Rig
from tests.simulation.scripts import afterwards, final


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


def test_a_note_that_was_kept_and_goes_uncounted_in_the_sweep_is_disputed(rig: Rig) -> None:
    """The transport's sensor had shown it: that the sweep counted nothing does not mean that it had been pulled out."""

    async def play() -> None:
        await rig.identify()
        rig.world.fault("validator", "fraud", note="kept")
        hand = asyncio.ensure_future(rig.feed(5000))
        await rig.until(lambda: rig.deposit.board is not None and rig.deposit.board.opcode == PURGE)
        rig.world.fault("board", "note_taken", place="transport", count=1)
        with contextlib.suppress(Interrupted):
            await hand
        await rig.state(State.DONE)

    rig.run(play())
    record = deposit_records(rig.journal)[0]
    assert record["sums"]["CNY"]["disputed"] == 5000
    assert judge(rig).complaints == []


def test_a_board_that_is_silent_when_the_kept_note_is_to_be_swept_is_asked_again(rig: Rig) -> None:
    """The order to purge never reached it; the belt still holds a note that no book has."""

    async def play() -> None:
        await rig.identify()
        rig.world.fault("validator", "fraud", note="kept")
        hand = asyncio.ensure_future(rig.feed(5000))
        await rig.state(State.SETTLING)
        rig.world.fault("board", "mute", seconds=8.0)
        with contextlib.suppress(Interrupted):
            await hand
        await rig.until(lambda: rig.controller.machine.connected and rig.deposit.state is State.DONE)

    rig.run(play())
    assert deposit_records(rig.journal)[0]["disputed_unvalued"] == 1
    assert judge(rig).complaints == []
    assert rig.world.notes.count(Real.TRANSPORT) == 0


def test_a_kept_note_that_goes_before_the_board_can_look_is_disputed(rig: Rig) -> None:
    """The board was silent when the note was to be swept, and somebody took it meanwhile."""

    async def play() -> None:
        await rig.identify()
        rig.world.fault("validator", "fraud", note="kept")
        hand = asyncio.ensure_future(rig.feed(5000))
        await rig.state(State.SETTLING)
        rig.world.fault("board", "mute", seconds=8.0)
        await rig.until(lambda: not rig.controller.machine.connected)
        rig.world.fault("board", "note_taken", place="transport", count=1)
        with contextlib.suppress(Interrupted):
            await hand
        await rig.until(lambda: rig.controller.machine.connected and rig.deposit.state is State.DONE)

    rig.run(play())
    assert deposit_records(rig.journal)[0]["sums"]["CNY"]["disputed"] == 5000
    assert judge(rig).complaints == []


def test_a_note_that_a_jam_held_on_its_way_out_is_disputed_once(tmp_path: Path) -> None:
    """The controller started anew before the jam was cleared: the store lacks a note, and power-up tells of one."""
    rig = Rig(tmp_path)
    rig.start()

    async def play() -> None:
        await rig.identify()
        for value_minor in (1000, 500):
            await rig.feed(value_minor)
        rig.world.fault("validator", "jam", where="payout")
        await rig.touch("cancel")
        await rig.state(State.JAMMED)
        rig.crash_takes_power = False
        rig.die()
        await asyncio.sleep(1.0)

    with pytest.raises(PowerCut):
        rig.run(play())
    rig.bury()
    rig.start()

    async def later() -> None:
        await rig.until(lambda: rig.controller.machine.connected)
        rig.world.fault("validator", "clear_jam")
        rig.world.power("validator", on=False)
        await asyncio.sleep(1.0)
        rig.world.power("validator", on=True)
        await afterwards(rig, comes_back=False)

    rig.run(later())
    verdict = judge(rig)
    (record,) = deposit_records(rig.journal)
    rig.close()
    assert verdict.complaints == []
    assert record["disputed_unvalued"] == 0
    assert sorted(note["value"] for note in record["notes"]) == [500, 1000]


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


def test_no_deposit_begins_before_a_repaired_acceptor_has_shown_whether_it_holds_a_note(tmp_path: Path) -> None:
    """EBDS: out of order it hides the note, and the first reply after the repair tells an event, not its state."""
    rig = Rig(tmp_path, validator=EbdsConfig())
    rig.start()

    async def play() -> None:
        await rig.identify()
        await rig.feed(1000)
        hand = asyncio.ensure_future(rig.feed(5000))
        await asyncio.sleep(0.35)  # it is nearly read
        rig.world.fault("validator", "failure")
        await rig.state(State.DONE)
        hand.cancel()
        await rig.touch("finish")
        await asyncio.sleep(2.0)
        rig.world.fault("validator", "stacker_replaced")  # a blank stack is reported
        rig.world.fault("validator", "repaired")
        await rig.until(lambda: not list(not_ready(rig.controller.machine, rig.controller.devices)))
        assert rig.validator.state()["phase"] != "escrow"

    rig.run(play())
    complaints = judge(rig).complaints
    rig.close()
    assert complaints == []


def test_notes_are_disputed_once_when_they_left_unseen_after_a_fraud_attempt(rig: Rig) -> None:
    """The sweep after the fraud had moved none: what the belt brings later is what left the store without a report."""

    async def play() -> None:
        await rig.identify()
        for value_minor in (1000, 2000, 10000):
            await rig.feed(value_minor)
        rig.world.fault("validator", "fraud", note="pulled")
        with contextlib.suppress(Interrupted):
            await rig.feed(2000)
        await rig.state(State.REVIEW)
        rig.world.fault("validator", "jam", where="payout_recovers")
        await rig.touch("cancel")
        await rig.state(State.DONE)

    rig.run(play())
    verdict = judge(rig)
    (record,) = deposit_records(rig.journal)
    assert verdict.complaints == []
    assert verdict.disputes == ["could not be returned"] * 3
    assert record["disputed_unvalued"] == 0


def test_no_deposit_begins_while_a_jam_may_hold_a_note_of_the_one_before(tmp_path: Path) -> None:
    """EBDS: its deposit ended in dispute when the controller came back; the next depositor was credited with it."""
    rig = Rig(tmp_path, validator=EbdsConfig())
    rig.start()

    async def play() -> None:
        await rig.identify()
        await rig.feed(1000)
        rig.world.fault("validator", "jam", where="safe")
        hand = asyncio.ensure_future(rig.feed(5000))
        await rig.state(State.JAMMED)
        hand.cancel()
        rig.crash_takes_power = False
        rig.die()
        await asyncio.sleep(1.0)

    with pytest.raises(PowerCut):
        rig.run(play())
    rig.bury()
    rig.start()

    async def later() -> None:
        await rig.state(State.DONE)
        await rig.touch("finish")
        await asyncio.sleep(2.0)
        assert "the validator is jammed" in list(not_ready(rig.controller.machine, rig.controller.devices))
        rig.world.fault("validator", "clear_jam")
        rig.world.power("validator", on=False)
        await asyncio.sleep(1.0)
        rig.world.power("validator", on=True)
        await rig.until(lambda: not any(True for _ in not_ready(rig.controller.machine, rig.controller.devices)))
        await final(rig)

    rig.run(later())
    first, second = deposit_records(rig.journal)
    complaints = judge(rig).complaints
    rig.close()
    assert [note["claim"] for note in first["notes"]] == ["credited", "disputed"]
    assert second["sums"]["CNY"]["credited"] == 25000
    assert complaints == []


@pytest.mark.parametrize("dies_again", [False, True])
def test_a_note_taken_out_of_a_jam_while_all_was_dark_is_disputed(tmp_path: Path, dies_again: bool) -> None:
    """It was ordered in and never counted, and at its power-up the validator says nothing of it."""
    rig = Rig(tmp_path)
    rig.start()

    def jammed(happening: Happening) -> None:
        if happening.what == "jammed":
            rig.loop.call_soon(rig.die)

    async def play() -> None:
        await rig.identify()
        await rig.feed(1000)
        rig.world.observe(jammed)
        rig.world.fault("validator", "jam", where="safe", stubborn=True)
        await rig.feed(5000)

    with pytest.raises(PowerCut):
        rig.run(play())
    rig.bury()
    rig.world.fault("validator", "clear_jam", note="take")
    if dies_again:
        rig.start()
        with pytest.raises(PowerCut):
            rig.run(started_then_dead(rig))
        rig.bury()
    rig.start()
    rig.run(afterwards(rig, comes_back=True))
    (record,) = deposit_records(rig.journal)
    assert record["sums"]["CNY"]["disputed"] == 5000
    assert any(SILENT in note["reason"] for note in record["notes"])
    rig.close()


async def started_then_dead(rig: Rig) -> None:
    """The controller dies when it has listened to the validator and before anything that it heard is durable."""
    rig.crash_takes_power = False
    rig.crash_at = ("before-write", rig.counts["before-write"] + 2)  # the first says that it is listened to
    await asyncio.sleep(60.0)
