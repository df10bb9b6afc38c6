"""The checker is itself checked: each of these mistakes in the table must have a counterexample, found quickly."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from kiosk.core import cash_in_end, ledger, recovery, rollback, steps
from kiosk.core import facts as f
from kiosk.core.deposit import TABLE, Row
from kiosk.core.money import Claim, Place, claimed, moved
from kiosk.core.state import Deposit, Outcome, State
from tests.model.explore import explore
from tests.model.invariants import SPACE_INVARIANTS
from tests.model.scenario import replay, written
from tests.model.world import Bounds

Patch = pytest.MonkeyPatch
ANYWHERE = frozenset(State)
STATES_MAX = 150_000


def handler(
    patch: Patch, states: tuple[State, ...], fact: type[f.Fact], does: Callable[[Deposit, Any], Outcome]
) -> None:
    for state in states:
        patch.setitem(TABLE, (state, fact), Row(does, ANYWHERE))


def forget(patch: Patch, state: State, fact: type[f.Fact]) -> None:
    key: tuple[State, type[f.Fact]] = (state, fact)
    patch.setattr("kiosk.core.deposit.TABLE", {pair: row for pair, row in TABLE.items() if pair != key})
    patch.setattr("tests.model.books.TABLE", {pair: row for pair, row in TABLE.items() if pair != key})


def credits_a_repeated_event_again(patch: Patch) -> None:
    patch.setattr(ledger, "repeats", lambda deposit, channel: False)


def counts_a_repeated_reset_event_again(patch: Patch) -> None:
    states = tuple(
        state for state, fact in TABLE if fact is f.AtReset and TABLE[state, fact].handler is recovery.at_reset
    )
    handler(patch, states, f.AtReset, lambda deposit, fact: steps.stay(ledger.pair(deposit, fact)))


def credits_suspect_notes(patch: Patch) -> None:
    whole = ledger.credit

    def credit(deposit: Deposit, *details: Any, **more: Any) -> Deposit:
        deposit = whole(deposit, *details, **more)
        notes = claimed(deposit.notes, lambda note: note.claim is Claim.RETAINED, Claim.OPEN)
        return replace(deposit, notes=notes)

    patch.setattr(ledger, "credit", credit)


def stores_suspect_notes_with_the_others(patch: Patch) -> None:
    patch.setattr(steps, "suspect_on_transport", lambda deposit: False)


def rolls_back_after_the_confirmation(patch: Patch) -> None:
    handler(patch, (State.COMMITTING, State.COLLECTING), f.Reconciled, recovery.during_cash_in)


def takes_the_credit_back_in_a_jam(patch: Patch) -> None:
    def collected(deposit: Deposit, fact: f.BoardFinished) -> Outcome:
        if fact.result:
            deposit = replace(deposit, notes=claimed(deposit.notes, lambda note: True, Claim.DISPUTED, "jam"))
        return cash_in_end.collected(deposit, fact)

    handler(patch, (State.COLLECTING,), f.BoardFinished, collected)


def forgets_the_note_in_the_path_at_a_reset(patch: Patch) -> None:
    patch.setattr(ledger, "reconcile", lambda deposit, evidence: replace(deposit, accepting=None, in_flight=None))


def believes_that_offered_is_taken(patch: Patch) -> None:
    def dispensed(deposit: Deposit, fact: f.Dispensed) -> Outcome:
        return rollback.dispensed(deposit, replace(fact, final=True))

    handler(patch, (State.RETURNING,), f.Dispensed, dispensed)


def records_twice_after_a_crash(patch: Patch) -> None:
    def again(deposit: Deposit, fact: f.Reconciled) -> Outcome:
        return steps.close(deposit, "again")

    handler(patch, (State.RECEIPT,), f.Reconciled, again)


def believes_the_journal_and_not_the_board(patch: Patch) -> None:
    def stored(deposit: Deposit, fact: f.BoardFinished) -> Outcome:
        notes = moved(deposit.notes, lambda note: True, Place.CABINET)
        return steps.close(replace(deposit, notes=notes), "credited")

    handler(patch, (State.STORING,), f.BoardFinished, stored)


def closes_with_an_open_note(patch: Patch) -> None:
    def expired(deposit: Deposit, _: f.TimedOut) -> Outcome:
        return steps.go(deposit, State.CLOSING)

    handler(patch, (State.SUSPENDED,), f.TimedOut, expired)


def waits_for_ever_for_the_code(patch: Patch) -> None:
    forget(patch, State.SUSPENDED, f.TimedOut)


def knows_no_repeated_credit(patch: Patch) -> None:
    forget(patch, State.STACKING, f.NoteCredited)


@pytest.mark.parametrize(
    ("mutant", "bounds"),
    [
        (credits_a_repeated_event_again, Bounds(1, 1, 0, "A")),
        (counts_a_repeated_reset_event_again, Bounds(1, 2, 0, "A")),
        (credits_suspect_notes, Bounds(1, 0, 0, "S")),
        (stores_suspect_notes_with_the_others, Bounds(2, 0, 0, "AS")),
        (rolls_back_after_the_confirmation, Bounds(1, 1, 0, "A")),
        (takes_the_credit_back_in_a_jam, Bounds(1, 0, 1, "A")),
        (forgets_the_note_in_the_path_at_a_reset, Bounds(1, 1, 0, "A")),
        (believes_that_offered_is_taken, Bounds(1, 0, 0, "A")),
        (records_twice_after_a_crash, Bounds(1, 1, 0, "A")),
        (believes_the_journal_and_not_the_board, Bounds(1, 0, 1, "A")),
        (closes_with_an_open_note, Bounds(1, 0, 0, "A")),
        (waits_for_ever_for_the_code, Bounds(1, 0, 0, "A")),
        (knows_no_repeated_credit, Bounds(1, 1, 0, "A")),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_mutant_has_a_counterexample(
    mutant: Callable[[Patch], None], bounds: Bounds, monkeypatch: Patch, tmp_path: Any
) -> None:
    mutant(monkeypatch)
    example = explore(bounds, states_max=STATES_MAX).counterexample
    assert example is not None
    path = tmp_path / "example.json"
    path.write_text(written(example))
    told: list[str] = []
    found = replay(path, told.append)
    assert example.invariant in SPACE_INVARIANTS or (found is not None and found.invariant == example.invariant)
    monkeypatch.undo()
    assert replay(path, told.append) is None
