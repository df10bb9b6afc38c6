"""Which notes went back, when polls were missed: the running total proves a sum, the store's levels say which notes."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kiosk.core import facts as f
from kiosk.core.deposit import step
from kiosk.core.facts import BoardEvidence, Evidence, ValidatorEvidence
from kiosk.core.money import Claim
from kiosk.core.policy import Limit, NoteKind, Policy
from kiosk.core.state import Deposit, State

VALUES = (500, 1000, 2000, 5000, 10000)
POLICY = Policy(
    kinds=tuple(NoteKind(number, "CNY", value) for number, value in enumerate(VALUES, 1)),
    limits=(Limit("CNY", 1_000_000, 1_000_000),),
    notes_max=40,
)
BEGIN = f.Begin(
    at="2026-11-02T08:00:00.000Z",
    deposit_id=bytes(16),
    code="ABCDEFGH",
    account_sealed=b"sealed",
    account_masked="****7773",
    staff="staff-1",
    policy=POLICY,
    bundle_serial=7,
    slot=3,
)
BOARD = BoardEvidence(1, 0, 0, 0, 0, transport_occupied=False, strap_present=False, label_present=False, total_collected=0, total_stored=0)  # fmt: skip  # noqa: E501


def evidence(stored: int, dispensed: int, values: list[int]) -> Evidence:
    levels = tuple((value, "CNY", count) for value, count in Counter(values).items())
    return Evidence(ValidatorEvidence(0, stored, dispensed, 0, levels), BOARD)


def returning(values: list[int]) -> Deposit:
    low = f.Assessment("access", "low", ())
    facts: list[f.Fact] = [BEGIN, f.Assessed("", asked=True, assessments=(low,)), f.Prepared(evidence(0, 0, []))]
    facts.append(f.ShutterMoved(open=True, ok=True))
    for value in values:
        channel = VALUES.index(value) + 1
        facts += [f.NoteRead(channel), f.NoteCredited(channel), f.Acknowledged(), f.NoteStored()]
    facts += [f.Done(), f.ShutterMoved(open=False, ok=True), f.Cancel(), f.ShutterMoved(open=True, ok=True)]
    return played(Deposit(), *facts)


def played(deposit: Deposit, *facts: f.Fact) -> Deposit:
    for fact in facts:
        deposit = step(deposit, fact).deposit
    return deposit


def total(values: list[int]) -> tuple[tuple[str, int], ...]:
    return (("CNY", sum(values)),)


def claims_after(values: list[int], taken: int, heard: dict[int, bool]) -> Counter[tuple[Claim, int | None]]:
    """Break off after so many; `heard`: notes whose way out a poll saw -> whether it saw them at the bezel, too."""
    deposit = returning(values)
    out, left = values[::-1][:taken], values[: len(values) - taken]
    for number, waits in sorted(heard.items()):
        deposit = played(deposit, f.Dispensed(total(out[:number]), final=False, moving=not waits))
        deposit = played(deposit, f.BezelHeld(out[number - 1], "CNY")) if waits else deposit
    deposit = played(deposit, f.ReturnBrokenOff(total(out), "poll_time_out", retry=True))
    assert deposit.state is State.SETTLING
    deposit = played(deposit, f.Reconciled("", evidence(len(values), taken, left), restarted=True))
    return Counter((note.claim, note.value_minor) for note in deposit.notes)


def expected(values: list[int], taken: int) -> Counter[tuple[Claim, int | None]]:
    out, left = values[::-1][:taken], values[: len(values) - taken]
    return Counter((Claim.RETURNED, value) for value in out) + Counter((Claim.OPEN, value) for value in left)


def test_twenty_and_five_are_not_three_fives_and_ten() -> None:
    values = [500, 500, 1000, 5000, 2000, 500]
    assert claims_after(values, 2, {2: True}) == expected(values, 2)  # both unseen, then the five at the bezel


@given(st.data())
def test_after_a_return_that_broke_off_exactly_what_was_taken_is_returned(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=12), label="notes, the last on top")
    taken = data.draw(st.integers(0, len(values) - 1), label="taken before it broke off")
    heard = data.draw(st.dictionaries(st.integers(1, max(taken, 1)), st.booleans()), label="heard, and at the bezel")
    seen = {number: waits for number, waits in heard.items() if number <= taken}
    assert claims_after(values, taken, seen) == expected(values, taken)
