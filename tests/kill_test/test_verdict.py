"""The judge of the kill test is tested itself: what is wrong in the books is told, what is right is not."""

from typing import Any

import pytest

from tests.kill_test.killer import Kill
from tests.kill_test.person import Told
from tests.kill_test.plan import WITHIN, make
from tests.kill_test.verdict import Books, Verdict, judge

PLAN = make(1)
KILL = Kill(PLAN.seed, "2026-11-22T03:00:00.500Z", "bundling")


class Written(Books):
    """Books made for a test."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self.records = list(records)
        self.ids = {"code": b"id"}

    def state_at(self, moment: str) -> str:
        return "storing"


def real(number: int, value_minor: int, place: str, kind: str = "genuine") -> dict[str, Any]:
    return {"id": number, "value_minor": value_minor, "kind": kind, "place": place, "inserted": True}


def booked(value: int, claim: str, place: str, *, suspect: bool = False, reason: str = "") -> dict[str, Any]:
    return {"value": value, "claim": claim, "place": place, "suspect": suspect, "reason": reason}


def record(*notes: dict[str, Any]) -> dict[str, Any]:
    return {"deposit_id": b"id", "notes": list(notes)}


def told(*fed: int, confirmed_minor: int | None = None, left: bool = False) -> Told:
    return Told(PLAN, list(fed), "code", confirmed_minor, left)


def verdict_of(books: Books, notes: list[dict[str, Any]], person: Told, *kills: Kill) -> Verdict:
    return judge(books, {"notes": notes}, [person], kills)


SLOT = [real(1, 5000, "slot"), real(2, 10_000, "retract", "suspect")]
CREDITED = booked(5000, "credited", "cabinet")
RETAINED = booked(10_000, "retained", "retract", suspect=True)


def test_books_that_are_right_bring_no_complaint() -> None:
    found = verdict_of(Written(record(CREDITED, RETAINED)), SLOT, told(1, 2, confirmed_minor=5000), KILL)
    assert found.wrong == []
    assert (found.lost_minor, found.double_minor, found.deposits, found.notes) == (0, 0, 1, 2)
    assert found.kills_by_state == {"storing": 1}


@pytest.mark.parametrize(
    ("books", "lost", "double", "words"),
    [
        (Written(), 15_000, 0, "0 records"),
        (Written(record(CREDITED, RETAINED), record(CREDITED, RETAINED)), 0, 5000, "2 records"),
        (Written(record(RETAINED)), 10_000, 0, "in no book"),  # the note, and the promise
        (Written(record(CREDITED, CREDITED, RETAINED)), 0, 15_000, "never fed"),
        (Written(record(booked(5000, "returned", "out"), RETAINED)), 10_000, 0, "nobody has them"),
        (Written(record(booked(5000, "open", "cabinet"), RETAINED)), 10_000, 0, "open in the record"),
        (Written(record(CREDITED, booked(10_000, "credited", "retract", suspect=True))), 0, 20_000, "not inside"),
        (Written(record(booked(5000, "credited", "retract"), RETAINED)), 0, 0, "booked at retract"),
    ],
)
def test_books_that_are_wrong_are_found_out(books: Books, lost: int, double: int, words: str) -> None:
    found = verdict_of(books, SLOT, told(1, 2, confirmed_minor=5000), KILL)
    assert (found.lost_minor, found.double_minor) == (lost, double)
    assert any(words in line for _, line in found.wrong), found.wrong


def test_a_note_that_no_schedule_fed_is_lost() -> None:
    found = verdict_of(Written(record(CREDITED, RETAINED)), [*SLOT, real(3, 700, "slot")], told(1, 2), KILL)
    assert found.lost_minor == 700


def test_a_dispute_needs_a_fault_that_explains_it() -> None:
    away = booked(5000, "disputed", "retract", reason="not confirmed within the time for coming back")
    notes = [real(1, 5000, "retract")]
    assert verdict_of(Written(record(away)), notes, told(1, left=True)).unexplained_disputes == 0
    assert verdict_of(Written(record(away)), notes, told(1), KILL).unexplained_disputes == 1
    seen = booked(5000, "disputed", "out", reason="handed out when power or link failed; taking it was not seen")
    notes = [real(1, 5000, "out")]
    assert verdict_of(Written(record(seen)), notes, told(1), KILL).unexplained_disputes == 0
    unkilled = verdict_of(Written(record(seen)), notes, told(1))
    assert (unkilled.disputes, unkilled.unexplained_disputes, unkilled.disputed_minor) == (1, 1, 5000)


def test_plans_are_of_their_seed_and_aim_between_shutter_and_receipt() -> None:
    plans = [make(seed) for seed in range(300)]
    assert plans == [make(seed) for seed in range(300)]
    assert {plan.ending for plan in plans} == {"confirm", "cancel", "leave"}
    assert all(3 <= len(plan.notes) <= 40 for plan in plans)
    aims = [aim.moment for plan in plans for aim in plan.aims]
    assert sum(moment not in ("before", "after") for moment in aims) > 0.85 * len(aims)
    assert {"cash_in", "receipt", "suspended"} <= WITHIN
