"""When the mains power fails: what each state does about it, and how long a step may still take.

The cabinet runs on for its hold-up time. Unconfirmed, the port closes and the deposit is suspended; confirmed, it goes
on forward as long as the next step fits, and otherwise stops between two steps, where a restart goes on (`recovery`).
"""

from typing import Final

from msgspec.structs import replace

from kiosk.core import records, steps
from kiosk.core.facts import PowerFailed
from kiosk.core.orders import (
    AcceptNote,
    AnyOrder,
    CancelEscrow,
    CloseShutter,
    CommitEscrow,
    DisableValidator,
    PrintLabel,
    PrintReceipt,
    RejectNote,
    RunBoard,
)
from kiosk.core.state import Deposit, Outcome, State

STOPPED: Final = "the mains power failed"
ALONE_S: Final = 10.0  # any one step of a mechanism, at worst
PER_NOTE_S: Final = 2.0  # store to tray
RESTS: Final = frozenset({State.IDLE, State.SUSPENDED, State.JAMMED})  # nothing moves, nothing is promised


def before_port(deposit: Deposit, _: PowerFailed) -> Outcome:
    """The port has not opened: it stays shut."""
    return _told(deposit, steps.close(_noted(deposit), "interrupted", DisableValidator(), CloseShutter()))


def port_open(deposit: Deposit, _: PowerFailed) -> Outcome:
    """No more notes. One that is under way settles first; then the deposit waits for its code."""
    deposit = replace(_noted(deposit), intention="suspend")
    if deposit.state is State.CASH_IN:
        return _told(deposit, steps.settle_port(deposit))
    return _told(deposit, steps.stay(deposit))


def in_review(deposit: Deposit, _: PowerFailed) -> Outcome:
    """The port is shut and nothing moves."""
    return _told(deposit, steps.suspended_or_closed(_noted(deposit)))


def going_on(deposit: Deposit, _: PowerFailed) -> Outcome:
    """What is under way is finished, or stopped between two steps by whoever carries them out (`fits`)."""
    deposit = _noted(deposit)
    return _told(deposit, steps.stay(deposit))


def _noted(deposit: Deposit) -> Deposit:
    return steps.remark(deposit, STOPPED)


def _told(deposit: Deposit, outcome: Outcome) -> Outcome:
    return replace(outcome, records=(*outcome.records, records.alert(deposit, "power", (STOPPED,))))


def at_rest(deposit: Deposit) -> bool:
    """Whether nothing is lost by stopping here, once no order is under way."""
    return deposit.state in RESTS or deposit.waiting


def fits(order: AnyOrder, deposit: Deposit, left_s: float) -> bool:
    """Whether this step may still begin. One that only ends what has begun always may.

    Emptying the store is part of `CommitEscrow`: it and the belt end together, or a restart finds them.
    """
    notes_s = PER_NOTE_S * len(deposit.escrowed)
    match order:
        case CommitEscrow() | CancelEscrow():
            return left_s > ALONE_S + notes_s
        case RunBoard(opcode=steps.COLLECT):
            return True
        case RunBoard() | AcceptNote() | RejectNote() | PrintLabel() | PrintReceipt():
            return left_s > ALONE_S
    return True
