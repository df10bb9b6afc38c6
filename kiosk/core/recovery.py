"""After a restart or a fault: what the journal says meets what the devices report, before any command."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from kiosk.core import ledger, records, rollback, steps
from kiosk.core.facts import AtReset, BoardEvidence, Evidence, Reconciled, ValidatorReplaced
from kiosk.core.money import Claim, Note, Place, at, claimed, moved, open_notes
from kiosk.core.orders import (
    CheckGuarantee,
    CloseShutter,
    CommitEscrow,
    DisableValidator,
    PrepareValidator,
    RequestAssessment,
    RunBoard,
)
from kiosk.core.state import BoardPending, Deposit, Outcome, State

_U32 = 1 << 32
STARTS_MAX: Final = 2  # faults while the devices are made ready


def at_reset(deposit: Deposit, fact: AtReset) -> Outcome:
    """The validator tells what it did with a note at power-up; until we acknowledge it, again and again.

    Nothing is commanded before the devices have been heard out, so what is said twice before that is one note.
    """
    if fact in deposit.told:
        return steps.stay(deposit)
    deposit = replace(deposit, told=(*deposit.told, fact))
    if fact.kind in ledger.OF_NO_NOTE:  # what became of one follows, or never comes
        return steps.stay(deposit)
    if deposit.rolling_back and not ledger.jammed_inside(deposit):  # a jam that held a note let nothing out
        return rollback.into_stacker(deposit, fact)
    return steps.stay(ledger.pair(deposit, fact))


def internal(deposit: Deposit, fact: AtReset) -> Outcome:
    """After the confirmation notes only move on inside; the re-scan will find them, or counters tell of a late one.

    A validator without counters says it once, here: a note that nobody ordered in and that it stacked by itself.
    """
    base = deposit.comparable
    if base is None or base.validator.counted:
        return steps.stay(deposit)
    return at_reset(deposit, fact) if deposit.state is State.CLOSING else at_reset_idle(deposit, fact)


def at_reset_idle(deposit: Deposit, fact: AtReset) -> Outcome:
    """A note of no deposit, or of one before: said to the bank, and cash-in start refuses until it is cleared."""
    return steps.stay(deposit, note=(records.alert(deposit, "unpaired_note", (fact.kind,)),))


def nothing_open(deposit: Deposit, _: Reconciled) -> Outcome:
    """No deposit is under way."""
    return steps.stay(deposit, DisableValidator(), CloseShutter())


def before_port(deposit: Deposit, fact: Reconciled) -> Outcome:
    """The port never opened: begin again, or leave when the depositor may be gone."""
    if fact.restarted:
        return steps.close(deposit, "interrupted", CloseShutter())
    if deposit.state is State.WATCHING:
        return steps.stay(deposit, RequestAssessment(("access",)))
    if deposit.state is State.CONSENTING:
        return steps.stay(deposit, CloseShutter())
    if deposit.starts >= STARTS_MAX:  # nobody stands before a screen that promises to begin, again and again
        deposit = steps.remark(deposit, "the devices could not be made ready")
        return steps.close(deposit, "interrupted", CloseShutter())
    return steps.stay(replace(deposit, starts=deposit.starts + 1), CloseShutter(), PrepareValidator())


def during_cash_in(deposit: Deposit, fact: Reconciled) -> Outcome:
    """Unconfirmed notes inside: count again, purge what is suspect, then review or wait for the deposit code."""
    pending = deposit.board
    deposit = replace(count_again(deposit, fact), board=None, purges=0)
    here = not fact.restarted and deposit.state not in (State.SUSPENDED, State.JAMMED, State.RETURNING)
    deposit = replace(deposit, intention="review" if here else "suspend", shutter_failures=0)
    board = fact.evidence.board
    occupied = board.transport_occupied or board.tray_notes > 0
    if occupied and not deposit.on_board and deposit.policy.bunch_escrow:  # let through, and the word of it was lost
        deposit = replace(deposit, sweep=True)
    if occupied and (steps.suspect_on_transport(deposit) or deposit.sweep):
        return steps.go(deposit, State.PURGING, DisableValidator(), CloseShutter(), steps.purge(deposit))
    if not occupied:
        deposit = _off_the_board(deposit, pending, board)
    if here:
        return steps.settle_port(deposit)
    return steps.suspended_or_closed(deposit)


def count_again(deposit: Deposit, fact: Reconciled) -> Deposit:
    """The notes of an unconfirmed deposit by the validator's counters and levels, while nothing moves."""
    deposit = ledger.reconcile(deposit, fact.evidence, jammed=fact.jammed)
    deposit = replace(deposit, unacknowledged=None, bezel=None)
    return replace(_returned_meanwhile(deposit, fact.evidence), rolling_back=False, strays=0, fronted=False, told=())


def _off_the_board(deposit: Deposit, pending: BoardPending | None, board: BoardEvidence) -> Deposit:
    """Nothing lies there now. A purge whose report was lost may have moved more than the notes that are known.

    That is the note which the validator kept without a credit, after a fraud attempt: disputed, unless this board, not
    started anew since, can still tell what the purge moved. When it never looked, a hand may have been there before it.
    """
    purging = pending is not None and pending.opcode == steps.PURGE
    known, sweep = len(deposit.on_board), deposit.sweep
    deposit = _left_the_board(replace(deposit, sweep=False), purging=purging)
    if not sweep:
        return deposit
    reason = ledger.UNSWEPT
    if pending is not None and purging:
        same = board.boot_id == pending.boot_id
        if same and board.finished_sequence == pending.sequence and board.purged is not None:
            deposit = deposit if known or board.purged else steps.uncounted(deposit)
            return replace(steps.surplus_purged(deposit, board, known), sighted=False, swept=True)
        if not same or board.accepted_sequence == pending.sequence:
            reason = ledger.KEPT
    return ledger.doubt(replace(deposit, sighted=False), ledger.fished_channel(deposit), Place.UNKNOWN, reason)


def _left_the_board(deposit: Deposit, *, purging: bool) -> Deposit:
    """Nothing lies there any more: it was purged, if that had been ordered; else somebody has it."""
    place = Place.RETRACT if purging else Place.UNKNOWN
    here = {note.number for note in deposit.on_board if note.suspect or note.claim is Claim.DISPUTED}
    return replace(deposit, notes=moved(deposit.notes, lambda note: note.number in here, place))


def _returned_meanwhile(deposit: Deposit, evidence: Evidence) -> Deposit:
    """Notes that the store no longer holds, and such as it should not."""
    deposit = _as_the_store_says(deposit, evidence)
    deposit = _found_in_the_store(_left_the_store(deposit, evidence), evidence)
    surplus = evidence.validator.level - len(deposit.escrowed)
    if deposit.comparable is not None and surplus > 0:
        return ledger.disputed_unknown(deposit, surplus, Place.ESCROW, "more notes in the store than the journal knows")
    return deposit


def _as_the_store_says(deposit: Deposit, evidence: Evidence) -> Deposit:
    """Which notes went back was inferred from a sum, when several went unseen: the levels know better if sums agree."""
    if deposit.comparable is None:
        return deposit
    wrong: list[Note] = []  # still there, and thought to have been returned
    for value, currency, count in evidence.validator.levels:
        alike = [note for note in deposit.notes if (note.value_minor, note.currency) == (value, currency)]
        back = [note for note in alike if note.claim is Claim.RETURNED]
        more = count - len(at(alike, Place.ESCROW))
        wrong += back[:more] if more > 0 else []
    gone = _gone(deposit, evidence)
    if not wrong or _sums(wrong) != _sums(gone) or any(note.claim is not Claim.OPEN for note in gone):
        return deposit
    stayed, left = {note.number for note in wrong}, {note.number for note in gone}
    notes = moved(deposit.notes, lambda note: note.number in stayed, Place.ESCROW)
    notes = claimed(notes, lambda note: note.number in stayed, Claim.OPEN)
    notes = claimed(moved(notes, lambda note: note.number in left, Place.OUT), _numbered(left), Claim.RETURNED)
    return replace(deposit, notes=notes)


def _numbered(numbers: set[int]) -> Callable[[Note], bool]:
    return lambda note: note.number in numbers


def _sums(notes: list[Note]) -> dict[str, int]:
    found: dict[str, int] = {}
    for note in notes:
        found[note.currency] = found.get(note.currency, 0) + (note.value_minor or 0)
    return found


def _found_in_the_store(deposit: Deposit, evidence: Evidence) -> Deposit:
    """Notes thought to lie at the bezel, or anywhere, of whose value the store holds more than we know."""
    if deposit.comparable is None:
        return deposit
    found: set[int] = set()
    for value, currency, count in evidence.validator.levels:
        alike = [note for note in deposit.notes if (note.value_minor, note.currency) == (value, currency)]
        more = max(count - len(at(alike, Place.ESCROW)), 0)
        found |= {note.number for note in at(alike, Place.UNKNOWN)[:more]}
    return replace(deposit, notes=moved(deposit.notes, lambda note: note.number in found, Place.ESCROW))


def _left_the_store(deposit: Deposit, evidence: Evidence) -> Deposit:
    """Notes that the store no longer holds: out if the dispense counter says so, else on their way inside."""
    base = deposit.comparable
    if base is None:
        return deposit
    gone = _gone(deposit, evidence)
    out = (evidence.validator.dispensed - base.validator.dispensed) % _U32 - len(at(deposit.notes, Place.OUT))
    exits = (evidence.validator.transferred - base.validator.transferred) % _U32 + deposit.strays
    handed = _handed_out(deposit, gone, out)
    for note in gone:
        if handed is None:
            deposit = _dispute(deposit, note, Place.UNKNOWN, "left the store for the port or the stacker exit")
        elif note in handed:
            deposit = _dispute(deposit, note, Place.OUT, "handed out when power or link failed; taking it was not seen")
        elif exits > 0:
            exits -= 1
            deposit = ledger.update(deposit, note.number, place=Place.TRANSPORT)
        else:
            deposit = _dispute(deposit, note, Place.UNKNOWN, ledger.UNREPORTED)
    return deposit


def _gone(deposit: Deposit, evidence: Evidence) -> list[Note]:
    """The notes that the store should hold and does not, newest first."""
    left = {(value, currency): count for value, currency, count in evidence.validator.levels}
    gone: list[Note] = []
    for note in deposit.escrowed:
        if note.value_minor is None:
            continue  # counted, not valued: no level can be missing it
        key = (note.value_minor, note.currency)
        left[key] = left.get(key, 0) - 1
        if left[key] < 0:
            gone.append(note)
    return gone[::-1]


def _handed_out(deposit: Deposit, gone: list[Note], out: int) -> list[Note] | None:
    """Which of them went to the depositor, `out` in number; None when they differ in value and nothing tells."""
    if out <= 0:
        return []
    if out >= len(gone) or len({(note.value_minor, note.currency) for note in gone}) == 1:
        return gone[:out]
    pending = dict(deposit.presented_minor)
    for currency, minor in deposit.returned_minor:
        pending[currency] = pending.get(currency, 0) - minor
    offered = [note for note in gone if note.value_minor == pending.get(note.currency)]  # reported on its way out
    return offered[:1] if out == 1 and offered else None


def _dispute(deposit: Deposit, note: Note, place: Place, reason: str) -> Deposit:
    return ledger.update(deposit, note.number, place=place, claim=Claim.DISPUTED, reason=reason)


def after_confirm(deposit: Deposit, fact: Reconciled) -> Outcome:
    """Only forward: re-scan, then go on from where the notes are."""
    if steps.suspect_on_transport(deposit) and not _occupied(fact.evidence):
        purging = deposit.board is not None and deposit.board.opcode == steps.PURGE
        deposit = _left_the_board(deposit, purging=purging)
    deposit = replace(deposit, board=None, emptied=fact.evidence.validator.level == 0, collected=None, waiting=False)
    if deposit.emptied:
        notes = moved(deposit.notes, lambda note: note.place is Place.ESCROW, Place.TRANSPORT)
        deposit = replace(deposit, notes=notes)
    return steps.go(deposit, State.REALIGNING, DisableValidator(), CloseShutter(), RunBoard(steps.HOME))


REPLACED: Final = "inside the validator that was replaced"
UNREAD: Final = f"{ledger.EXCHANGED} while the port was open"


def validator_replaced(deposit: Deposit, fact: ValidatorReplaced) -> Outcome:
    """What the old validator held is with it. Unconfirmed: disputed, and the deposit ends; confirmed: it goes on short.

    Nothing is asked of the new one's counters, which know nothing of this deposit. The old one, put back, may still
    repeat a credit that was not acknowledged, or tell the one that never came.
    """
    reason = f"{REPLACED}: {fact.old} by {fact.new}"
    if deposit.accepting is not None and not deposit.confirmed:  # ordered in, and nobody can ask any more
        deposit = ledger.doubt(deposit, deposit.accepting, Place.UNKNOWN, ledger.EXCHANGED)
    elif deposit.state in (State.CASH_IN, State.REFUSING, State.STACKING, State.SETTLING):
        deposit = ledger.disputed_unknown(deposit, 1, Place.UNKNOWN, UNREAD)  # fed, and not heard of any more
    gone = {note.number for note in at(deposit.notes, Place.VALIDATOR, Place.ESCROW)}
    notes = moved(deposit.notes, lambda note: note.number in gone, Place.UNKNOWN)
    notes = tuple(replace(note, reason=reason) if note.number in gone else note for note in notes)
    notes = claimed(notes, lambda note: note.number in gone and note.claim is Claim.OPEN, Claim.DISPUTED)
    deposit = replace(deposit, notes=notes, accepting=None, in_flight=None, emptied=True)
    deposit = replace(deposit, replaced=True)
    deposit = steps.remark(replace(deposit, bezel=None, rolling_back=False), f"{reason}, accepted by {fact.by}")
    if deposit.confirmed or deposit.state in (State.RETRACTING, State.RESETTING, State.CLOSING):
        return steps.stay(deposit)
    if deposit.on_board:
        return steps.retract(deposit, reason)
    return steps.close(deposit, "interrupted")


def _occupied(evidence: Evidence) -> bool:
    return evidence.board.transport_occupied or evidence.board.tray_notes > 0


def during_retract(deposit: Deposit, fact: Reconciled) -> Outcome:
    """Go on retracting what is still inside; what has left the board was purged, what has left the port was not."""
    purging = deposit.board is not None and deposit.board.opcode == steps.PURGE
    deposit = _returned_meanwhile(deposit, fact.evidence)
    if not _occupied(fact.evidence):
        place = Place.RETRACT if purging else Place.UNKNOWN
        here = (Place.TRANSPORT, Place.TRAY)
        deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.place in here, place))
    deposit = replace(deposit, board=None, emptied=fact.evidence.validator.level == 0, waiting=False)
    if not deposit.emptied:
        return steps.stay(deposit, DisableValidator(), CloseShutter(), CommitEscrow())
    return steps.stay(deposit, CloseShutter(), RunBoard(steps.PURGE, (steps.PURGE_ANY,)))


def while_closing(deposit: Deposit, fact: Reconciled) -> Outcome:
    """The record is still to be made: what a freed jam let go after everybody gave up belongs into it."""
    assert not open_notes(deposit.notes)
    deposit = ledger.late_arrivals(deposit, fact.evidence)
    if deposit.confirmed:  # somewhere inside: nothing goes out at the front any more
        gone = {note.number for note in _gone(deposit, fact.evidence)}
        deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.number in gone, Place.UNKNOWN))
    else:
        deposit = _left_the_store(deposit, fact.evidence)
    deposit = replace(deposit, assessed=False, checked=False, board=None, told=())
    return steps.stay(deposit, CloseShutter(), RequestAssessment(steps.ALL_STAGES), CheckGuarantee())
