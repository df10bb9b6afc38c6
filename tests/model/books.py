"""The journal, abstractly: the deposit that its facts lead to, numbered; every step of the table, once.

Two deposits whose futures cannot differ are one: what only the record or the screen will show (reasons, remarks,
findings, outcome, times) is left out. `canonical` says what, field by field; a test walks beside it with whole ones.
"""

from typing import NamedTuple

from msgspec.structs import replace

from kiosk.core.cash_in_end import RESERVED
from kiosk.core.deposit import LATE_JAM, TABLE, step
from kiosk.core.facts import Assessment, Evidence, Fact
from kiosk.core.ledger import HANDED_BACK, HELD, IN_DOUBT, STUCK, UNREPORTED
from kiosk.core.money import Note
from kiosk.core.orders import AnyOrder
from kiosk.core.state import Deposit, Outcome, ResetWork, State
from tests.model.invariants import Claims, Violation, check_step

HIGH = Assessment("escrow", "high", ("hazard",))
OVER = (State.RECEIPT, State.DONE)


class Effect(NamedTuple):
    """What one fact leads to in one deposit."""

    book: int
    orders: tuple[AnyOrder, ...]
    recorded: Deposit | None  # the whole deposit, when its record was made


# Reasons that the table, or the equation of the record, looks at again.
_READ = (HANDED_BACK, HELD, IN_DOUBT, STUCK, UNREPORTED)


def _note(note: Note) -> Note:
    reason = note.reason if note.reason.startswith(_READ) else RESERVED if RESERVED in note.reason else ""
    return note if note.reason == reason else replace(note, reason=reason)


def _baseline(evidence: Evidence | None, *, over: bool) -> Evidence | None:
    """Of the board its totals are compared later, not what it did last; once recorded, whether there are counters."""
    if evidence is None or (over and evidence.validator.counted):
        return None
    board = replace(evidence.board, boot_id=0, finished_sequence=0, purged=None)
    return replace(evidence, board=board)


def _reset(work: ResetWork) -> ResetWork:
    """Without what only its record will tell."""
    return replace(work, path=(), store=(), store_unknown=0, tray=0, left=())


def canonical(deposit: Deposit) -> Deposit:
    """The deposit without what no later step depends on."""
    if not deposit.id:
        return deposit
    notes = deposit.notes
    if deposit.state in OVER:  # recorded: only a late word about these notes can still matter
        notes = tuple(note for note in notes if note.number in (deposit.in_flight, deposit.unacknowledged))
    return replace(
        deposit,
        notes=tuple(_note(note) for note in notes),
        remarks=tuple(text for text in deposit.remarks if text == LATE_JAM),
        assessments=(HIGH,) if deposit.grade == "high" else (),
        findings=(),
        outcome="",
        last_refusal="",
        confirmed_at="confirmed" if deposit.confirmed else "",
        bundle=replace(deposit.bundle, short_by=0, over_by=0),
        baseline=_baseline(deposit.baseline, over=deposit.state in OVER),
        reset=None if deposit.reset is None else _reset(deposit.reset),
    )


class Books:
    """Numbers deposits, and remembers what each fact leads to."""

    def __init__(self) -> None:
        self.deposits: list[Deposit] = []
        self.claims: list[Claims] = []  # of each deposit
        self.reached: set[tuple[State, type[Fact]]] = set()
        self._numbers: dict[Deposit, int] = {}
        self._effects: dict[tuple[int, Fact], Effect] = {}
        self.number(Deposit())

    def number(self, deposit: Deposit) -> int:
        """The number of this deposit; equal futures have equal numbers."""
        plain = canonical(deposit)
        known = self._numbers.get(plain)
        if known is None:
            known = self._numbers[plain] = len(self.deposits)
            self.deposits.append(plain)
            self.claims.append(Claims.of(plain))
        return known

    def allowed(self, book: int, fact: type[Fact]) -> bool:
        """Whether the table lists this fact now."""
        return (self.deposits[book].state, fact) in TABLE

    def apply(self, book: int, fact: Fact) -> Effect:
        """One step. Raises `Violation` for whatever the table refuses or an invariant forbids."""
        key = (book, fact)
        known = self._effects.get(key)
        if known is None:
            known = self._effects[key] = self._step(book, fact)
        return known

    def _step(self, book: int, fact: Fact) -> Effect:
        before = self.deposits[book]
        outcome = taken(before, fact)
        check_step(before, fact, outcome)
        self.reached.add((before.state, type(fact)))
        made = any(record.kind == "deposit" for record in outcome.records)
        return Effect(self.number(outcome.deposit), outcome.orders, outcome.deposit if made else None)


def taken(before: Deposit, fact: Fact) -> Outcome:
    """`step`, its exceptions as violations."""
    try:
        return step(before, fact)
    except Exception as error:
        raise Violation("the table takes every fact that may come", f"{type(error).__name__}: {error}") from error
