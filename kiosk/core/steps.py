"""Small steps that several situations of a deposit share: leaving cash-in, retracting, closing."""

from msgspec.structs import replace

from kiosk.core import ledger, records
from kiosk.core.facts import Assessed, Assessment, BoardEvidence, BoardFinished, Stage
from kiosk.core.money import Claim, Place, at, claimed, moved, open_notes
from kiosk.core.orders import (
    AnyOrder,
    CancelEscrow,
    CheckGuarantee,
    CloseShutter,
    CommitEscrow,
    DisableValidator,
    EnableValidator,
    OpenShutter,
    RequestAssessment,
    RunBoard,
)
from kiosk.core.state import Deposit, Outcome, RecordDraft, State

HOME, COLLECT, STRAP, APPLY_LABEL, STORE, PURGE = 1, 2, 3, 4, 5, 7  # the board's opcodes, DESIGN.md section 4
PURGE_ANY = 0xFFFF  # purge whatever is found; the number found comes back
SURPLUS_PURGED = "more notes purged than the journal knows"
SURPLUS_ON_BOARD = "more notes on the board than the journal knows"
ALL_STAGES: tuple[Stage, ...] = ("access", "escrow", "bundling", "storing")
SHUTTER_FAILURES_MAX = 3
JAM, TIMEOUT, NO_TRAY, INTERLOCK, COUNT_MISMATCH = 2, 3, 5, 6, 7  # results of the board, same section
PURGES_MAX = 3  # before the confirmation; afterwards a person is waited for


def go(deposit: Deposit, state: State, *orders: AnyOrder, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """The deposit in another state, with what is to be done now."""
    return Outcome(replace(deposit, state=state), orders, note)


def stay(deposit: Deposit, *orders: AnyOrder, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """The same state."""
    return Outcome(deposit, orders, note)


def remark(deposit: Deposit, text: str) -> Deposit:
    """Something that went wrong and belongs into the record; said once."""
    return deposit if text in deposit.remarks else replace(deposit, remarks=(*deposit.remarks, text))


def endangered(deposit: Deposit, stage: Stage, reason: str) -> Deposit:
    """High for what needs no watcher; whoever calls it raises the alert."""
    known = next((item for item in deposit.assessments if item.stage == stage and item.grade == "high"), None)
    item = Assessment(stage, "high", (reason,)) if known is None else replace(known, reasons=(*known.reasons, reason))
    return merge(deposit, Assessed("", asked=False, assessments=(item,)))[0]


def merge(deposit: Deposit, fact: Assessed) -> tuple[Deposit, tuple[RecordDraft, ...]]:
    """Keep the worst assessment of each stage; a grade that rises to medium or high is an alert."""
    order = {"low": 0, "medium": 1, "high": 2}
    before = deposit.grade
    by_stage: dict[Stage, Assessment] = {item.stage: item for item in deposit.assessments}
    for item in fact.assessments:
        known = by_stage.get(item.stage)
        if known is None or order[item.grade] >= order[known.grade]:
            by_stage[item.stage] = item
    merged = replace(deposit, assessments=tuple(by_stage[stage] for stage in ALL_STAGES if stage in by_stage))
    if order[merged.grade] <= order[before]:
        return merged, ()
    reasons = tuple(reason for item in fact.assessments if item.grade == merged.grade for reason in item.reasons)
    return merged, (records.alert(merged, "risk", reasons),)


def close(deposit: Deposit, outcome: str, *orders: AnyOrder, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """No note is open any more: check the guarantee, appraise, then record. What was credited on the way says so."""
    assert not open_notes(deposit.notes), "a deposit may not be closed with an open note"
    if any(note.claim is Claim.CREDITED for note in deposit.notes):
        outcome = "credited"
    deposit = replace(
        deposit, outcome=deposit.outcome or outcome, assessed=False, checked=False, accepting=None, intention=""
    )
    return go(deposit, State.CLOSING, *orders, RequestAssessment(ALL_STAGES), CheckGuarantee(), note=note)


def settle_port(deposit: Deposit, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """No more notes: disable, close the port; what follows is decided by the intention."""
    return go(deposit, State.SETTLING, DisableValidator(), CloseShutter(), note=note)


def next_note(deposit: Deposit, *orders: AnyOrder, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """The note that was under way has settled: what now? `orders` run first when cash-in goes on."""
    full = len(deposit.genuine) >= deposit.policy.notes_max
    if full and not deposit.intention:
        deposit = replace(deposit, intention="review")
    if deposit.intention == "suspend":
        return suspended_or_closed(deposit, note)
    if deposit.intention == "cancel":
        return roll_back(deposit, shutter_open=True, note=note)
    if deposit.intention == "review":
        return settle_port(deposit, note)
    return go(deposit, State.CASH_IN, *orders, note=note)


def roll_back(deposit: Deposit, *, shutter_open: bool, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """Cancel: escrow goes back out. Notes that have left the escrow cannot; they are retracted and disputed."""
    deposit = replace(deposit, intention="", returned_minor=(), presented_minor=(), bezel=None)
    deposit = replace(deposit, rolling_back=True, offered=shutter_open, strays=0)
    if deposit.escrowed:
        first: AnyOrder = CancelEscrow() if shutter_open else OpenShutter()
        orders = (DisableValidator(), first) if shutter_open else (first,)
        return go(deposit, State.RETURNING, *orders, note=note)
    return finish_roll_back(deposit, note)


def finish_roll_back(deposit: Deposit, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """All that could be returned has been taken."""
    deposit = replace(deposit, bezel=None, rolling_back=False)
    if open_notes(deposit.notes):
        deposit = replace(deposit, outcome=deposit.outcome or "returned")
        return retract(deposit, "could not be returned", CloseShutter(), note=note)
    return close(deposit, "returned", DisableValidator(), CloseShutter(), note=note)


def suspended_or_closed(deposit: Deposit, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """The depositor may be gone: wait for the deposit code, or close when nothing is at stake."""
    deposit = replace(deposit, intention="")
    if open_notes(deposit.notes) or deposit.at_bezel:
        return go(deposit, State.SUSPENDED, DisableValidator(), CloseShutter(), note=note)
    return close(deposit, "interrupted", DisableValidator(), CloseShutter(), note=note)


def retract(deposit: Deposit, reason: str, *orders: AnyOrder, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """Open notes go to the retract bin, disputed for the identified account."""
    notes = claimed(deposit.notes, lambda item: item.claim is Claim.OPEN, Claim.DISPUTED, reason)
    deposit = replace(
        deposit, notes=notes, outcome=deposit.outcome or "retracted", intention="", emptied=not deposit.escrowed
    )
    first: AnyOrder = RunBoard(PURGE, (PURGE_ANY,)) if deposit.emptied else CommitEscrow()
    return go(deposit, State.RETRACTING, *orders, first, note=note)


def suspect_on_transport(deposit: Deposit) -> bool:
    """Whether a suspect note waits for its purge."""
    return any(note.suspect for note in at(deposit.notes, Place.TRANSPORT, Place.TRAY))


def purge(deposit: Deposit) -> RunBoard:
    """Everything on the board goes to the retract bin: the board says whether it was as many as we know of."""
    return RunBoard(PURGE, (len(deposit.on_board),))


def purge_suspect(deposit: Deposit, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """A suspect note leaves for the retract bin before any genuine note moves."""
    return go(deposit, State.PURGING, DisableValidator(), purge(deposit), note=note)


def after_purge(deposit: Deposit, fact: BoardFinished) -> Deposit:
    """Where the board's notes are after a purge, by its own word; what it still holds stays where it was."""
    deposit = replace(deposit, board=None, purges=deposit.purges + 1, sweep=False)
    here, board = {note.number for note in deposit.on_board}, fact.evidence
    if board.transport_occupied or board.tray_notes:
        if not here:  # looked for, there, and it does not leave
            deposit = ledger.disputed_unknown(deposit, max(board.tray_notes, 1), Place.TRANSPORT, SURPLUS_ON_BOARD)
            deposit = replace(deposit, sighted=False)  # accounted for now
        return remark(deposit, f"purge of a suspect note ended with result {fact.result}") if fact.result else deposit
    if fact.result not in (0, COUNT_MISMATCH):  # nothing lies there, and the board does not say that it moved anything
        reason = f"purge of a suspect note ended with result {fact.result}, and nothing lay there"
        return uncounted(_parted(remark(deposit, reason), here, Place.UNKNOWN, reason))
    deposit = surplus_purged(_parted(deposit, here, Place.RETRACT, "purged beside a suspect note"), board, len(here))
    if not here and not board.purged:
        deposit = uncounted(deposit)
    return replace(deposit, sighted=False, swept=deposit.swept or board.purged is not None)


def uncounted(deposit: Deposit) -> Deposit:
    """The note of a fraud attempt, if the board saw it and it went without being counted: a hand, or a blind sensor."""
    if not deposit.sighted:
        return deposit
    deposit = replace(deposit, sighted=False)
    return ledger.doubt(deposit, ledger.fished_channel(deposit), Place.UNKNOWN, ledger.UNCOUNTED)


def surplus_purged(deposit: Deposit, board: BoardEvidence, known: int) -> Deposit:
    """A purge that moved more notes than the journal knew there: the others are disputed, of unknown value.

    First they are the disputed notes that nobody could place. But after a fraud attempt the validator may have kept a
    note that it never credits: until the board has looked it is not guessed which one that was.
    """
    if board.purged is None or board.purged == known:
        return deposit
    deposit = remark(deposit, f"the purge moved {board.purged} notes, the journal knew {known}")
    unknown = at(deposit.notes, Place.UNKNOWN) if not deposit.fished else []
    astray = [note.number for note in unknown if note.claim is Claim.DISPUTED]
    found = astray[: max(board.purged - known, 0)]
    deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.number in found, Place.RETRACT))
    return ledger.disputed_unknown(deposit, board.purged - known - len(found), Place.RETRACT, SURPLUS_PURGED)


def _parted(deposit: Deposit, numbers: set[int], place: Place, reason: str) -> Deposit:
    notes = moved(deposit.notes, lambda note: note.number in numbers, place)
    notes = claimed(notes, lambda note: note.number in numbers and note.claim is Claim.OPEN, Claim.DISPUTED, reason)
    return replace(deposit, notes=notes)


# --- a board that cannot go on before a person has been there -----------------------------------------------------

_OBSTACLES = {JAM: "a jam", NO_TRAY: "the tray is out", INTERLOCK: "door or emergency stop"}


def told(board: BoardEvidence) -> str:
    """What its last result means, in words."""
    return _OBSTACLES.get(board.finished_result, f"result {board.finished_result}")


def may_wait(deposit: Deposit, result: int) -> bool:
    """Whether a person can change what the board complains of, and the time for that is not over."""
    timing = deposit.policy.timing
    return result in _OBSTACLES and deposit.waits * timing.retry_s < timing.jam_s


def wait(deposit: Deposit, result: int) -> Outcome:
    """Stand still; `TimedOut` asks again. The bank hears of it once for each obstacle."""
    obstacle = f"the board waits for the technician: {_OBSTACLES[result]}"
    news = (records.alert(deposit, "technician", (obstacle,)),) if obstacle not in deposit.remarks else ()
    return stay(replace(remark(deposit, obstacle), waiting=True, waits=deposit.waits + 1), note=news)


def ask_again(deposit: Deposit) -> Outcome:
    """Let the board look again: HOME moves no note and says whether the obstacle is gone."""
    return stay(replace(deposit, waiting=False), RunBoard(HOME))


def resume_cash_in(deposit: Deposit, note: tuple[RecordDraft, ...] = ()) -> Outcome:
    """After a purge: go on as intended, taking notes again if nothing else was asked for."""
    return next_note(deposit, EnableValidator(), note=note)
