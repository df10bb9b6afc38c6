"""Reset, in XFS4IoT's sense: bring every device to a known state, and say what was found and where it went.

Ordered by a person who may. The validator restarts (which clears its path and its jams), its store is emptied to the
belt, the board looks again, and everything that lies on it goes to the retract bin; nothing ever goes to the port.
Notes of an unconfirmed deposit are disputed for its account before the first of them moves; a confirmed deposit is not
taken apart, it goes on forward from the re-scan. Each step is a fact; a crash goes on with the step that was under way.
"""

from typing import Final

from msgspec.structs import replace

from kiosk.core import ledger, records, recovery, rollback, steps
from kiosk.core.facts import (
    AtReset,
    BoardFinished,
    EscrowCommitted,
    Reconciled,
    ResetOrdered,
    StoreEmptied,
    ValidatorReset,
)
from kiosk.core.money import Claim, Place, at, claimed, moved
from kiosk.core.orders import (
    AnyOrder,
    CloseShutter,
    CommitEscrow,
    DisableValidator,
    EmptyStore,
    ResetValidator,
    RunBoard,
)
from kiosk.core.state import Deposit, Outcome, RecordDraft, ResetWork, State

TRIES_MAX: Final = 3
_ON_BOARD: Final = (Place.VALIDATOR, Place.TRANSPORT, Place.TRAY, Place.BUNDLE)


def ordered(deposit: Deposit, fact: ResetOrdered) -> Outcome:
    """Durable before the first device is told. What was not confirmed is disputed from here on."""
    work = ResetWork(by=fact.by, at=fact.at, known=fact.known, confirmed=deposit.confirmed)
    if deposit.state is State.IDLE:
        deposit = Deposit(id=fact.reset_id, began_at=fact.at)
        work = replace(work, idle=True)
    if deposit.state is State.RETRACTING:  # the store may be emptying: what leaves it at the restart is ours
        deposit = replace(deposit, rolling_back=True)
    deposit = replace(_disputed(deposit, fact.by), reset=work, intention="", waiting=False, waits=0)
    return steps.go(deposit, State.RESETTING, CloseShutter(), ResetValidator())


def _disputed(deposit: Deposit, by: str) -> Deposit:
    if deposit.confirmed:
        return deposit
    reason = f"reset by {by} before the confirmation"
    notes = claimed(deposit.notes, lambda note: note.claim is Claim.OPEN, Claim.DISPUTED, reason)
    return replace(deposit, notes=notes, outcome=deposit.outcome or "reset")


def _work(deposit: Deposit) -> ResetWork:
    assert deposit.reset is not None, "a reset is under way in this state only"
    return deposit.reset


def _with(deposit: Deposit, **changes: object) -> Deposit:
    return replace(deposit, reset=replace(_work(deposit), **changes))


def _left(deposit: Deposit, words: str) -> Deposit:
    work = _work(deposit)
    return deposit if words in work.left else _with(deposit, left=(*work.left, words))


def validator_told(deposit: Deposit, fact: ValidatorReset) -> Outcome:
    """It restarts now, or has no such command; either way the devices are connected and heard out anew."""
    deposit = deposit if fact.done else _left(deposit, "the validator has no reset command")
    return steps.stay(_with(deposit, phase="restarted"))


def told_at_reset(deposit: Deposit, fact: AtReset) -> Outcome:
    """What its path held. The store's report and the board will count it.

    Once the notes were counted again nothing else can have come in: then it tells of a note that left the store.
    """
    work = _work(deposit)
    if fact.kind not in ledger.OF_NO_NOTE:
        deposit = _with(deposit, path=(*work.path, fact.kind))
    if work.idle or work.confirmed or work.recounted:
        return steps.stay(deposit)
    return steps.stay(_disputed(recovery.at_reset(deposit, fact).deposit, work.by))


def reconciled(deposit: Deposit, fact: Reconciled) -> Outcome:
    """The devices answer again: the first time after the restart, or after a crash on the way."""
    work = _work(deposit)
    if work.phase == "validator":
        if work.tries < TRIES_MAX:
            return steps.stay(_with(deposit, tries=work.tries + 1), CloseShutter(), ResetValidator())
        deposit = _left(deposit, "the validator could not be restarted")
    if not (work.idle or work.confirmed or work.recounted):
        deposit = _with(_disputed(recovery.count_again(deposit, fact), work.by), recounted=True)
    if work.confirmed:
        return _forward(deposit, fact)
    if deposit.board is not None and deposit.board.opcode == steps.PURGE:
        deposit = _purge_found(deposit, fact)
    deposit = replace(deposit, board=None, emptied=fact.evidence.validator.level == 0, waiting=False)
    if not deposit.emptied:
        return steps.stay(_with(deposit, phase="store"), DisableValidator(), CloseShutter(), CommitEscrow())
    notes = moved(deposit.notes, lambda note: note.place is Place.ESCROW, Place.TRANSPORT)
    return _board(replace(deposit, notes=notes), DisableValidator(), CloseShutter())


def _forward(deposit: Deposit, fact: Reconciled) -> Outcome:
    """The credit stands and the notes go where they were going: every try is allowed once more."""
    said = _report(deposit, purged=None, unknown=0, missing=0)
    bundle = replace(deposit.bundle, strap_failures=0, store_failures=0)
    deposit = replace(deposit, reset=None, bundle=bundle, collects=min(deposit.collects, 1))
    outcome = recovery.after_confirm(steps.remark(deposit, said.reason), fact)
    return replace(outcome, records=(*outcome.records, said.draft))


def _purge_found(deposit: Deposit, fact: Reconciled) -> Deposit:
    """A purge was dispatched when power or link failed: its number is in the ring, if the board has not restarted."""
    board, pending = fact.evidence.board, deposit.board
    if pending is None or board.boot_id != pending.boot_id:
        return _with(deposit, unsaid=True)
    if board.finished_sequence != pending.sequence or board.purged is None:
        return deposit
    return _with(deposit, purged=_work(deposit).purged + board.purged)


def committed(deposit: Deposit, _: EscrowCommitted) -> Outcome:
    """The store may be emptied."""
    if _work(deposit).phase != "store":  # of before the reset
        return steps.stay(deposit)
    return steps.stay(deposit, EmptyStore())


def emptied(deposit: Deposit, fact: StoreEmptied) -> Outcome:
    """The validator is believed for the value of what left it."""
    work = _work(deposit)
    if work.phase != "store":  # of before the reset: the notes lie on the belt all the same
        return steps.stay(rollback.on_transport(deposit, fact))
    deposit = _with(deposit, store=(*work.store, *fact.moved), store_unknown=work.store_unknown + fact.unknown_count)
    return _board(rollback.on_transport(deposit, fact))


def _board(deposit: Deposit, *orders: AnyOrder) -> Outcome:
    return steps.stay(_with(deposit, phase="board"), *orders, RunBoard(steps.HOME))


def board_finished(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """HOME looks, PURGE moves. What a person stands in the way of is waited for."""
    deposit = replace(deposit, board=None)
    work = _work(deposit)
    if work.phase != "board":  # of before the reset
        return steps.stay(deposit)
    if fact.opcode == steps.PURGE and fact.result in (0, steps.COUNT_MISMATCH):
        said = fact.evidence.purged
        deposit = _with(deposit, unsaid=True) if said is None else _with(deposit, purged=work.purged + said)
    if steps.may_wait(deposit, fact.result):
        return replace(steps.wait(deposit, fact.result), records=())
    if fact.opcode == steps.HOME and not fact.result:
        deposit = _with(deposit, tray=fact.evidence.tray_notes)
        return steps.stay(deposit, RunBoard(steps.PURGE, (steps.PURGE_ANY,)))
    if fact.opcode == steps.HOME:
        deposit = _left(deposit, f"the board's home ended with result {fact.result}")
    return _end(deposit, occupied=fact.evidence.transport_occupied or fact.evidence.tray_notes > 0)


def timed_out(deposit: Deposit, _: object) -> Outcome:
    """Nobody cleared what is in the way, or a device makes no progress: what could not be done is said."""
    if deposit.waiting:
        return steps.ask_again(deposit)
    if _work(deposit).phase == "store":
        return _board(_left(deposit, "the note store could not be emptied"))
    return _end(_left(deposit, f"the {_work(deposit).phase} makes no progress"), occupied=True)


def _end(deposit: Deposit, *, occupied: bool) -> Outcome:
    work = _work(deposit)
    here = at(deposit.notes, *_ON_BOARD)
    known = sum(count for _, count in work.known) if work.idle else len(here)
    unknown = missing = 0
    if occupied:
        deposit = _left(deposit, "notes lie on the board")
    elif work.unsaid:
        deposit = _left(
            deposit, "a purge's number was lost with the board's power: what was known is taken to be there"
        )
        deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.place in _ON_BOARD, Place.RETRACT))
    else:
        unknown, missing = max(work.purged - known, 0), max(known - work.purged, 0)
        deposit = _in_the_bin(deposit, [note.number for note in here], unknown, missing)
    said = _report(deposit, purged=None if work.unsaid else work.purged, unknown=unknown, missing=missing)
    if work.idle:
        return Outcome(Deposit(ring=deposit.ring), (DisableValidator(), CloseShutter()), (said.draft,))
    deposit = replace(steps.remark(deposit, said.reason), reset=None, waiting=False)
    return steps.close(deposit, "reset", DisableValidator(), CloseShutter(), note=(said.draft,))


def _in_the_bin(deposit: Deposit, here: list[int], unknown: int, missing: int) -> Deposit:
    """As many as the board counted into the bin; more than are known are first those that nobody could place."""
    binned, lost = set(here[: len(here) - missing]), set(here[len(here) - missing :])
    deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.number in lost, Place.UNKNOWN))
    astray = [note.number for note in deposit.notes if note.place is Place.UNKNOWN and note.number not in lost]
    found = set(astray[:unknown])
    notes = moved(deposit.notes, lambda note: note.number in binned | found, Place.RETRACT)
    surplus = 0 if _work(deposit).idle else unknown - len(found)
    return ledger.disputed_unknown(replace(deposit, notes=notes), surplus, Place.RETRACT, "found by a reset")


class _Report:
    def __init__(self, reason: str, draft: RecordDraft) -> None:
        self.reason = reason
        self.draft = draft


def _report(deposit: Deposit, *, purged: int | None, unknown: int, missing: int) -> _Report:
    work = _work(deposit)
    details: dict[str, object] = {
        "by": work.by,
        "ordered_at": work.at,
        "path": list(work.path),
        "store": [{"value": value, "currency": currency, "count": count} for value, currency, count in work.store],
        "store_unknown": work.store_unknown,
        "tray": work.tray,
        "moved_to": "" if work.confirmed else "retract",
        "moved": purged,
        "unknown": unknown,
        "missing": missing,
        "left": list(work.left),
    }
    if not work.idle:
        details["deposit_id"] = deposit.id
    return _Report(f"reset by {work.by}", records.service("reset", details))
