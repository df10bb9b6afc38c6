"""The deposit: every (state, fact) pair that may happen, as one table. An unlisted pair is an error.

`step` is pure. The journal stores the fact with the orders it led to before any of them is carried out, so a
restart replays the same facts into the same state (`replay`). The state diagram of ARCHITECTURE.md is
generated from `TABLE`.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from msgspec.structs import replace as _replace

from kiosk.core import board_news, cash_in, cash_in_end, closing, paper, power, recovery, resetting, rollback, steps
from kiosk.core import facts as f
from kiosk.core.facts import Fact
from kiosk.core.records import alert
from kiosk.core.state import BoardPending as _Pending
from kiosk.core.state import Deposit, Outcome, State

Handler = Callable[[Deposit, Any], Outcome]
S = State
LATE_JAM: Final = "the validator jammed after the port was closed"


class Row(NamedTuple):
    """What a pair leads to: the handler, and every state it may end in (checked at each step)."""

    handler: Handler
    targets: frozenset[State]


class IllegalTransition(RuntimeError):
    """A fact that cannot happen in this state: somebody upstream is wrong, and nothing was changed."""

    def __init__(self, state: State, fact: Fact) -> None:
        super().__init__(f"{type(fact).__name__} cannot happen in state {state}")
        self.state = state
        self.fact = fact


def _keep(deposit: Deposit, _: Fact) -> Outcome:
    """Known, expected here, and of no consequence."""
    return Outcome(deposit)


def _late_jam(deposit: Deposit, fact: f.Jammed) -> Outcome:
    """The credit stands; the notes wait for a technician where they are."""
    noted = steps.remark(deposit, LATE_JAM)
    return Outcome(noted, records=(alert(noted, "jam", ("safe" if fact.safe else "unsafe",)),))


ACTIVE: Final = tuple(state for state in State if state is not S.IDLE)
BEFORE_PORT: Final = (S.WATCHING, S.CONSENTING, S.STARTING)
NOTE_UNDER_WAY: Final = (S.REFUSING, S.ACCEPTING, S.STACKING, S.PURGING)
PORT_OPEN: Final = (S.CASH_IN, *NOTE_UNDER_WAY, S.SETTLING)
UNCONFIRMED: Final = (*PORT_OPEN, S.REVIEW, S.RETURNING, S.SUSPENDED, S.JAMMED)
CREDITED: Final = (S.CLEARING, S.COMMITTING, S.COLLECTING, S.REALIGNING, S.STRAPPING, S.MARKING, S.STORING)
BOARD_AT_WORK: Final = (S.PURGING, S.RETRACTING, *CREDITED)

AFTER_NOTE: Final = (S.CASH_IN, S.SETTLING, S.RETURNING, S.RETRACTING, S.CLOSING, S.SUSPENDED)
ROLL_BACK: Final = (S.RETURNING, S.RETRACTING, S.CLOSING)
_FORWARD: Final = (S.CLEARING, S.COMMITTING, S.STRAPPING, S.MARKING, S.STORING, S.CLOSING)

TABLE: Final[dict[tuple[State, type[Fact]], Row]] = {}


def _add(states: Iterable[State], fact: type[Fact], handler: Handler, *targets: State, same: bool = True) -> None:
    for state in states:
        key = (state, fact)
        assert key not in TABLE, f"listed twice: {key}"
        TABLE[key] = Row(handler, frozenset(targets) | ({state} if same else frozenset()))


# --- identify, watch, cash-in start
_add([S.IDLE], f.Begin, cash_in.begin, S.WATCHING, same=False)
_add([S.WATCHING], f.Assessed, cash_in.watched, S.CONSENTING, S.STARTING, S.CLOSING)
_add([S.CONSENTING], f.Assessed, cash_in.watched_meanwhile, S.CLOSING)
_add([S.CONSENTING], f.Consent, cash_in.consented, S.STARTING, same=False)
_add([S.CONSENTING], f.TimedOut, cash_in.abandoned, S.CLOSING, same=False)
_add([S.STARTING], f.Prepared, cash_in.prepared, S.CLOSING)
_add([S.STARTING], f.ShutterMoved, cash_in.port_opened, S.CASH_IN, S.CLOSING)
_add([S.WATCHING, S.CONSENTING, S.STARTING], f.Cancel, cash_in.abandoned, S.CLOSING, same=False)
_add([S.STARTING], f.Assessed, cash_in.noted)

# --- cash-in
_add([S.CASH_IN], f.NoteRead, cash_in.note_read, S.ACCEPTING, S.REFUSING, same=False)
_add([state for state in State if state is not S.CASH_IN], f.NoteRead, cash_in.note_unwanted)
_add(PORT_OPEN, f.NoteCredited, cash_in.note_credited, S.STACKING)
_add(PORT_OPEN, f.NoteRefused, cash_in.note_refused, *AFTER_NOTE)
_add([S.STACKING, S.SETTLING], f.NoteStored, cash_in.note_stored, *AFTER_NOTE)
_add([S.STACKING, S.SETTLING], f.NoteStacked, cash_in.note_stacked, S.PURGING, *AFTER_NOTE)
_LATE: Final = tuple(state for state in ACTIVE if state not in (*BEFORE_PORT, S.STACKING, S.SETTLING))
_add(_LATE, f.NoteStored, cash_in.note_stored)  # said once, however late: only the note's place changes
_add(_LATE, f.NoteStacked, cash_in.note_stacked)
_add([S.CASH_IN], f.Done, cash_in.done, S.SETTLING, same=False)
_add([S.CASH_IN], f.TimedOut, cash_in.done, S.SETTLING, same=False)
_add([S.CASH_IN], f.Cancel, cash_in.cancelled, S.SETTLING, *ROLL_BACK, same=False)
_add(NOTE_UNDER_WAY, f.Done, cash_in.wants_review)
_add(NOTE_UNDER_WAY, f.Cancel, cash_in.wants_cancel)
_add([S.REFUSING, S.ACCEPTING, S.STACKING, S.SETTLING], f.TimedOut, cash_in.stuck, S.JAMMED, same=False)
_add(PORT_OPEN, f.ValidatorStopped, cash_in.validator_stopped, S.SETTLING)
_add(PORT_OPEN, f.FraudSeen, cash_in.fraud, S.SETTLING)
_add([*PORT_OPEN, S.RETURNING, S.REVIEW, S.SUSPENDED], f.Jammed, cash_in.jammed, S.JAMMED, same=False)
_add([S.JAMMED], f.Jammed, cash_in.jammed_beyond_reach)
_add(PORT_OPEN, f.Assessed, cash_in.watched_during, S.SETTLING)
_add([S.PURGING], f.BoardFinished, cash_in.purged, *AFTER_NOTE)
_add([S.SETTLING], f.ShutterMoved, cash_in.port_closed, S.REVIEW, S.CLOSING, S.SUSPENDED, S.PURGING)
_add([*NOTE_UNDER_WAY, S.CASH_IN], f.ShutterMoved, _keep)

# --- review, roll-back, retract
_add([S.REVIEW], f.Confirm, cash_in_end.confirmed, S.COMMITTING, S.CLEARING, S.CLOSING, same=False)
_add([S.REVIEW], f.Cancel, rollback.cancelled, *ROLL_BACK, same=False)
_add([S.REVIEW], f.TimedOut, rollback.unconfirmed, S.SUSPENDED, S.CLOSING, same=False)
_add([S.SUSPENDED], f.Resume, rollback.resumed, S.REVIEW, same=False)
_add([S.SUSPENDED], f.TimedOut, rollback.expired, S.RETRACTING, S.CLOSING, same=False)
_add([S.RETURNING], f.ShutterMoved, rollback.shutter, S.RETRACTING)
_add([S.RETURNING], f.ReturnRefused, rollback.refused, S.RETRACTING)
_add([S.RETURNING], f.ReturnBrokenOff, rollback.broken_off, S.RETRACTING, S.CLOSING, S.SETTLING, same=False)
_add([S.RETURNING], f.BezelHeld, rollback.held)
_add([S.RETURNING], f.Dispensed, rollback.dispensed, S.RETRACTING, S.CLOSING)
_add([S.RETURNING], f.TimedOut, rollback.gave_up, S.RETRACTING, same=False)
_add([S.JAMMED], f.TimedOut, rollback.jam_expired, S.CLOSING, same=False)
_add([S.JAMMED], f.BoardFinished, cash_in.purged_meanwhile)
_add([S.RETRACTING], f.EscrowCommitted, rollback.committed)
_add([S.RETRACTING], f.StoreEmptied, rollback.emptied)
_add([S.RETRACTING], f.BoardFinished, rollback.purged, S.CLOSING)
_add([S.RETRACTING], f.TimedOut, rollback.gave_up_waiting, S.CLOSING)

# --- cash-in end: only forward
_add([S.CLEARING], f.BoardFinished, cash_in_end.cleared, S.COMMITTING, S.CLOSING)
_add([S.COMMITTING], f.EscrowCommitted, cash_in_end.committed, S.COLLECTING, same=False)
_add([S.COLLECTING], f.StoreEmptied, cash_in_end.emptied, S.STRAPPING, S.REALIGNING)
_add([S.COLLECTING], f.BoardFinished, cash_in_end.collected, S.STRAPPING, S.REALIGNING)
_add([S.REALIGNING], f.BoardFinished, cash_in_end.realigned, *_FORWARD)
_add([S.STRAPPING], f.BoardFinished, cash_in_end.strapped, S.MARKING, S.STORING, S.REALIGNING)
_add([S.MARKING], f.LabelPrinted, cash_in_end.printed, S.STORING)
_add([S.MARKING], f.BoardFinished, cash_in_end.applied, S.STORING, S.REALIGNING)
_add([S.STORING], f.BoardFinished, cash_in_end.stored, S.CLOSING, S.REALIGNING)
_add([S.CLEARING, S.REALIGNING], f.TimedOut, cash_in_end.timed_out, S.CLOSING)
_add(
    [s for s in CREDITED if s not in (S.CLEARING, S.REALIGNING)], f.TimedOut, cash_in_end.gave_up, S.CLOSING, same=False
)
_add([*CREDITED, S.RETRACTING], f.Jammed, _late_jam)

# --- guarantee, appraisal, record, receipt
_add([S.CLOSING], f.Assessed, closing.assessed, S.RECEIPT, S.DONE)
_add([S.CLOSING], f.GuaranteeChecked, closing.checked, S.RECEIPT, S.DONE)
_add([S.RECEIPT], f.ReceiptPrinted, paper.printed, S.DONE)
_add([S.RECEIPT], f.TimedOut, paper.gave_up, S.DONE, same=False)
_add([S.DONE], f.ReceiptPrinted, paper.printed)
_add([S.DONE], f.Reprint, paper.reprint, S.RECEIPT)
_add([S.DONE], f.Finish, closing.finished, S.IDLE, same=False)
_add([S.DONE], f.TimedOut, closing.finished, S.IDLE, same=False)

# --- the same everywhere
_add([*CREDITED, S.REVIEW, S.RETURNING, S.SUSPENDED, S.JAMMED, S.RETRACTING], f.Assessed, cash_in.noted)
_add(BOARD_AT_WORK, f.BoardDispatched, lambda d, fact: Outcome(_dispatched(d, fact)))
_add(ACTIVE, f.BoardHappened, board_news.happened)
_add([*BEFORE_PORT, *UNCONFIRMED, *CREDITED, S.RETRACTING], f.PortTampered, board_news.tampered)
_add(PORT_OPEN, f.KeyTurned, cash_in.key_turned, S.SETTLING)
_add(BEFORE_PORT, f.PowerFailed, power.before_port, S.CLOSING, same=False)
_add(PORT_OPEN, f.PowerFailed, power.port_open, S.SETTLING)
_add([S.REVIEW], f.PowerFailed, power.in_review, S.SUSPENDED, S.CLOSING, same=False)
_add([S.RETURNING, S.SUSPENDED, S.JAMMED, S.RETRACTING, *CREDITED, S.CLOSING], f.PowerFailed, power.going_on)
_add(ACTIVE, f.MoreTime, _keep)
_add(ACTIVE, f.Acknowledged, cash_in.acknowledged)
_add(
    [S.CONSENTING, S.REVIEW, S.SUSPENDED, S.JAMMED, S.RETRACTING, S.CLOSING, S.RECEIPT, S.DONE, S.IDLE, *CREDITED],
    f.ShutterMoved,
    _keep,
)
_add([S.REVIEW, S.RETURNING, S.SUSPENDED, S.RETRACTING, S.CLOSING, S.RECEIPT], f.NoteRefused, _keep)
_add([S.JAMMED], f.NoteRefused, cash_in.note_refused_in_jam)

# --- recovery
_add([S.IDLE], f.AtReset, recovery.at_reset_idle)
_add(BEFORE_PORT, f.AtReset, recovery.at_reset_idle)  # the port never was open: it is not this deposit's
_add(UNCONFIRMED, f.AtReset, recovery.at_reset)
_add([*CREDITED, S.RETRACTING, S.CLOSING, S.RECEIPT, S.DONE], f.AtReset, recovery.internal)
_add([S.REVIEW, S.SUSPENDED, S.JAMMED], f.NoteCredited, cash_in.note_credited, S.STACKING)
_add(
    [S.IDLE, *BEFORE_PORT, S.RETURNING, S.RETRACTING, *CREDITED, S.CLOSING, S.RECEIPT, S.DONE],
    f.NoteCredited,
    cash_in.unexpected_credit,
)
_add([S.IDLE, S.DONE], f.Reconciled, recovery.nothing_open)
_add(BEFORE_PORT, f.Reconciled, recovery.before_port, S.CLOSING)
_add(UNCONFIRMED, f.Reconciled, recovery.during_cash_in, S.SETTLING, S.SUSPENDED, S.PURGING, S.CLOSING)
_add(CREDITED, f.Reconciled, recovery.after_confirm, S.REALIGNING)
_add([S.RETRACTING], f.Reconciled, recovery.during_retract)
_add([S.CLOSING], f.Reconciled, recovery.while_closing)
_add([S.RECEIPT], f.Reconciled, paper.in_doubt, S.DONE)


# --- reset, by a person's order
_add(
    [S.IDLE, *BEFORE_PORT, *UNCONFIRMED, S.RETRACTING, *CREDITED],
    f.ResetOrdered,
    resetting.ordered,
    S.RESETTING,
    same=False,
)
_add(
    [*BEFORE_PORT, *UNCONFIRMED],
    f.ValidatorReplaced,
    recovery.validator_replaced,
    S.RETRACTING,
    S.CLOSING,
    same=False,
)
_add([*CREDITED, S.RETRACTING, S.RESETTING, S.CLOSING], f.ValidatorReplaced, recovery.validator_replaced)
_add([S.RESETTING], f.ValidatorReset, resetting.validator_told)
_add([S.RESETTING], f.AtReset, resetting.told_at_reset)
_add([S.RESETTING], f.Reconciled, resetting.reconciled, S.REALIGNING)
_add([S.RESETTING], f.EscrowCommitted, resetting.committed)
_add([S.RESETTING], f.StoreEmptied, resetting.emptied)
_add([S.RESETTING], f.BoardFinished, resetting.board_finished, S.CLOSING, S.IDLE)
_add([S.RESETTING], f.TimedOut, resetting.timed_out, S.CLOSING, S.IDLE)
_add([S.RESETTING], f.ShutterMoved, _keep)
_add([S.RESETTING], f.NoteRefused, _keep)
_add([S.RESETTING], f.Assessed, cash_in.noted)
_add([S.RESETTING], f.PowerFailed, power.going_on)
_add([S.RESETTING], f.NoteCredited, cash_in.unexpected_credit)
_add([S.RESETTING], f.BoardDispatched, lambda d, fact: Outcome(_dispatched(d, fact)))


def _dispatched(deposit: Deposit, fact: f.BoardDispatched) -> Deposit:
    sighted = deposit.sighted or (deposit.sweep and fact.occupied and not deposit.on_board)
    return _replace(deposit, board=_Pending(fact.opcode, fact.sequence, fact.boot_id), sighted=sighted)


def allowed(state: State, fact: type[Fact]) -> bool:
    """Whether the table lists this pair: asked before a request of a person becomes a fact."""
    return (state, fact) in TABLE


def step(deposit: Deposit, fact: Fact) -> Outcome:
    """The next state, the orders and the records of one fact. Raises `IllegalTransition`."""
    row = TABLE.get((deposit.state, type(fact)))
    if row is None:
        raise IllegalTransition(deposit.state, fact)
    outcome = row.handler(deposit, fact)
    assert outcome.deposit.state in row.targets, f"{deposit.state} -> {outcome.deposit.state} is not in the table"
    return outcome


def replay(facts: Iterable[Fact]) -> Deposit:
    """The deposit that these journalled facts lead to."""
    deposit = Deposit()
    for fact in facts:
        deposit = step(deposit, fact).deposit
    return deposit


def timeout_s(deposit: Deposit) -> float | None:
    """How long this state may last before `TimedOut`, seconds; None when something else ends it."""
    timing = deposit.policy.timing
    waits: dict[State, float] = {
        S.CONSENTING: timing.review_s,
        S.CASH_IN: timing.idle_s,
        S.REVIEW: timing.review_s,
        S.RETURNING: timing.returned_s,
        S.SUSPENDED: timing.resume_s,
        S.JAMMED: timing.jam_s,
        S.DONE: timing.result_s,
        **dict.fromkeys((S.REFUSING, S.ACCEPTING, S.STACKING, S.SETTLING, S.RECEIPT), timing.stuck_s),
        S.RESETTING: timing.reset_s,
        **dict.fromkeys((*CREDITED, S.RETRACTING), timing.jam_s),
    }
    return timing.retry_s if deposit.waiting else waits.get(deposit.state)
