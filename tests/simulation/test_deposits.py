"""Whole deposits in virtual time: the real controller, drivers, codecs and journal against the simulated world."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hwsim.notes import Kind
from kiosk.core.actions import AcceptDevice
from kiosk.core.state import State
from kiosk.messages import Asked, AssessRequest, Identify, Refused, RiskReport
from tests.simulation.judge import deposit_records, judge
from tests.simulation.people import ask, found
from tests.simulation.rig import ACCOUNT, Rig, assessment_grades, books, onlooker
from tests.simulation.scripts import cancelled, confirmed


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


def test_confirmed_notes_end_strapped_and_labelled_in_the_cabinet(rig: Rig) -> None:
    rig.run(confirmed(rig))
    assert books(rig) == {
        "inserted": 27000,
        "credited": 25000,
        "returned": 0,
        "retained": 2000,
        "disputed": 0,
        "unvalued": 0,
    }
    assert judge(rig).complaints == []
    record = deposit_records(rig.journal)[0]
    assert record["bundle"]["labelled"]
    assert record["bundle"]["strapped"]
    assert record["outcome"] == "credited"
    assert {item["area"] for item in record["guarantee"]} == {
        "security",
        "confidentiality",
        "authenticity",
        "integrity",
    }
    assert all(item["passed"] for item in record["guarantee"]), record["guarantee"]
    assert record["account"] == "79927398713"  # in clear only inside the sealed envelope
    assert b"79927398713" not in rig.journal.log.envelope(rig.journal.log.size() - 1)


def test_cancelled_notes_go_back_into_the_hand(rig: Rig) -> None:
    rig.run(cancelled(rig))
    assert books(rig)["returned"] == 25000
    assert judge(rig).complaints == []
    assert rig.world.totals().returned_minor == {"CNY": 25000}


@pytest.mark.parametrize("kind", [Kind.UNREADABLE, Kind.LONG, Kind.DOUBLE])
def test_a_refused_note_is_never_in_the_books(rig: Rig, kind: Kind) -> None:
    async def play() -> None:
        await rig.identify()
        await rig.feed(5000, kind)
        await rig.until(lambda: bool(rig.deposit.last_refusal))
        await rig.feed(1000)
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)

    rig.run(play())
    assert books(rig)["inserted"] == 1000
    assert judge(rig).complaints == []


def test_a_watcher_that_never_answers_counts_as_medium(rig: Rig) -> None:
    rig.grade = lambda _: None
    rig.run(confirmed(rig))
    assert set(assessment_grades(rig.deposit).values()) == {"medium"}


def test_an_onlooker_raises_an_alert_and_the_deposit_goes_on(rig: Rig) -> None:
    rig.grade = onlooker
    rig.run(confirmed(rig))
    kinds = [rig.journal.log.record(sequence).kind for sequence in range(rig.journal.log.size())]
    assert "alert" in kinds
    assert deposit_records(rig.journal)[0]["risk"]["grade"] == "medium"


def test_a_covered_lens_keeps_the_port_shut(rig: Rig) -> None:
    def covered(request: AssessRequest) -> RiskReport:
        return RiskReport(request.request_id, request.deposit_code, request.stage, "low", (), "covered", 10.0, None)

    rig.grade = covered

    async def play() -> None:
        await rig.identify()
        await rig.state(State.DONE)

    rig.run(play())
    assert State.CASH_IN not in rig.states
    assert deposit_records(rig.journal)[0]["outcome"] == "refused_risk"


def test_the_emergency_stop_closes_the_port_and_the_money_stays_the_depositors(rig: Rig) -> None:
    async def play() -> None:
        await rig.identify()
        await rig.feed(10000)
        rig.world.set_line("e_stop", True)
        await rig.state(State.REVIEW)
        assert rig.world.lines.read("shutter_closed")
        rig.world.set_line("e_stop", False)
        await rig.touch("confirm")
        await rig.state(State.DONE)

    rig.run(play())
    assert books(rig)["credited"] == 10000
    assert deposit_records(rig.journal)[0]["risk"]["grade"] == "high"


def test_walking_away_ends_in_the_retract_bin_disputed_for_the_account(rig: Rig) -> None:
    async def play() -> None:
        await rig.identify()
        await rig.feed(10000)
        await rig.state(State.DONE, limit_s=600)

    rig.run(play())
    assert State.SUSPENDED in rig.states
    assert books(rig)["disputed"] == 10000
    assert rig.world.totals().by_place["retract"]["CNY"] == 10000


def test_a_label_that_is_not_applied_is_void_and_printed_again_as_the_next_copy(rig: Rig) -> None:
    rig.world.fault("board", "label_fails")
    rig.run(confirmed(rig))
    record = deposit_records(rig.journal)[0]
    assert record["bundle"]["label_copy"] == 2
    assert record["bundle"]["labelled"]
    assert books(rig)["credited"] == 25000


def test_a_bad_account_number_and_a_second_depositor_are_told_why(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        wrong = await rig.desk.handle("terminal", Identify("79927398714"))
        assert isinstance(wrong, Refused)
        assert wrong.code == "bad_account"
        await rig.identify()
        second = await rig.desk.handle("terminal", Identify("79927398713"))
        assert isinstance(second, Refused)
        assert second.code == "busy"

    rig.run(play())


def test_two_deposits_one_after_the_other_use_their_own_slots(rig: Rig) -> None:
    async def play() -> None:
        await confirmed(rig)
        await rig.touch("finish")
        await confirmed(rig)
        await asyncio.sleep(1)

    rig.run(play())
    slots = [record["bundle"]["slot"] for record in deposit_records(rig.journal)]
    assert len(set(slots)) == 2
    assert judge(rig).complaints == []


def test_another_validator_is_refused_until_a_technician_accepts_it(rig: Rig) -> None:
    async def play() -> None:
        await confirmed(rig)
        await rig.touch("finish")
        rig.world.fault("validator", "swapped", serial_number=815)
        rig.world.fault("validator", "restart")
        await rig.until(lambda: not rig.controller.machine.connected)
        await rig.until(lambda: "815" in rig.controller.machine.fault)
        assert isinstance(await rig.desk.handle("terminal", Identify(ACCOUNT)), Refused)
        await found(rig)
        accepted = await ask(rig, "carl", AcceptDevice("validator", 815))
        assert isinstance(accepted, Asked)
        assert accepted.done
        await confirmed(rig)

    rig.run(play())
    assert judge(rig).complaints == []


def test_a_label_of_many_denominations_still_fits_and_names_them_all(rig: Rig) -> None:
    values = (100, 500, 1000, 2000, 5000, 10000, 10000, 5000)

    async def play() -> None:
        await rig.identify()
        for value in values:
            await rig.feed(value)
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)

    rig.run(play())
    assert deposit_records(rig.journal)[0]["bundle"]["labelled"]
    text = " ".join(rig.printer.printed[-1].fields()["lines"])
    assert "CNY 336.00" in text
    for face in ("1 x 1", "5 x 1", "10 x 1", "20 x 1", "50 x 2", "100 x 2"):
        assert f"CNY {face}" in text
