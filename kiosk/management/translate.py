"""A validator's events as facts of the deposit table. What means nothing for money or service gives none."""

from collections.abc import Collection

from firmware_bridge.interfaces import NoteEvent, NoteEventKind
from kiosk.core import facts as f
from kiosk.core.deposit import LATE_JAM, allowed
from kiosk.core.facts import Fact
from kiosk.core.state import Deposit, State

_K = NoteEventKind
_AT_RESET = {
    _K.CLEARED_FROM_FRONT: "cleared_from_front",
    _K.CLEARED_INTO_CASHBOX: "cleared_into_cashbox",
    _K.INTO_STORE_AT_RESET: "into_store",
    _K.INTO_STACKER_AT_RESET: "into_stacker",
}
STOPS = {
    _K.STACKER_FULL: "the stacker is full",
    _K.STACKER_REMOVED: "the stacker is removed",
    _K.PATH_OPEN: "the note path is open",
    _K.OUT_OF_ORDER: "the validator is out of order",
}
JAMS = dict.fromkeys((_K.JAM_SAFE, _K.JAM_UNSAFE), "the validator is jammed")
_MOVED_INSIDE = frozenset({_K.STACKED, _K.STORED})


def at_reset(event: NoteEvent) -> f.AtReset:
    """One of E1, E2, CA, CB."""
    value = event.values[0] if event.values else None
    return f.AtReset(
        kind=_AT_RESET[event.kind],  # type: ignore[arg-type]  # exactly the four literals
        channel=event.channel or 0,
        value_minor=value.minor if value else None,
        currency=value.currency if value else "",
    )


def _money(event: NoteEvent, deposit: Deposit, seen: Collection[NoteEventKind]) -> Fact | None:  # noqa: PLR0911 - one fact a kind
    match event.kind:
        case _K.READ:
            return f.NoteRead(event.channel or 0)
        case _K.CREDITED:
            return f.NoteCredited(event.channel or 0)
        case _K.STORED if deposit.in_flight is not None:
            return f.NoteStored()
        case _K.STACKED if deposit.in_flight is not None:
            return f.NoteStacked()
        case _K.HELD_IN_BEZEL if event.values and deposit.state is State.RETURNING:
            return f.BezelHeld(event.values[0].minor, event.values[0].currency)
        case _K.DISPENSING | _K.DISPENSED if deposit.state is State.RETURNING:
            paid = tuple((value.currency, value.minor) for value in event.values)
            return f.Dispensed(paid, final=event.kind is _K.DISPENSED, moving=_K.HELD_IN_BEZEL not in seen)
        case _K.PAYOUT_ERROR if deposit.state is State.RETURNING and _K.HELD_IN_BEZEL not in seen:
            paid = tuple((value.currency, value.minor) for value in event.values)
            return f.ReturnBrokenOff(paid, event.reason or "unknown", retry=event.reason == "poll_time_out")
        case kind if kind in _AT_RESET:
            return at_reset(event)
    return None


def fact_of(event: NoteEvent, deposit: Deposit, seen: Collection[NoteEventKind] = ()) -> Fact | None:
    """The fact of one event in the deposit's present state; None when it changes nothing there.

    `seen` are the kinds of all events of the same poll.

    Facts about money are returned even where the table forbids them: then the table's refusal is the news.
    Repeated reports of a state (jam, stacker full) are facts only where they still change something.
    """
    fact = _money(event, deposit, seen)
    if fact is not None:
        return None if _unchanged(fact, deposit) else fact
    state_fact: Fact | None = None
    match event.kind:
        case _K.REFUSED:
            state_fact = f.NoteRefused(event.reason or "unknown")
        case _K.JAM_SAFE | _K.JAM_UNSAFE if not jam_known(deposit) or _beyond_reach(event, deposit):
            state_fact = f.Jammed(safe=event.kind is _K.JAM_SAFE)
        case _K.FRAUD:
            state_fact = f.FraudSeen(event.channel or 0)
        case _K.RESET if deposit.accepting is not None:  # what it does not say of that note now, it never will
            state_fact = f.AtReset("started", 0, None, "")
        case kind if kind in STOPS and deposit.intention != "review":
            state_fact = f.ValidatorStopped(STOPS[kind])
    if state_fact is not None and allowed(deposit.state, type(state_fact)):
        return state_fact
    return None


def _unchanged(fact: Fact, deposit: Deposit) -> bool:
    """Running reports that say what the journal has already."""
    if isinstance(fact, f.Dispensed):
        return not fact.final and fact.totals == deposit.presented_minor and not (fact.moving and deposit.bezel)
    return isinstance(fact, f.BezelHeld) and deposit.bezel is not None


def _beyond_reach(event: NoteEvent, deposit: Deposit) -> bool:
    """News of a jam that is waited out already: the note is inside."""
    return event.kind is _K.JAM_SAFE and deposit.state is State.JAMMED and not deposit.jam_safe


def jam_known(deposit: Deposit) -> bool:
    """Whether a jam has been taken note of already: it is reported in every poll until the power is removed."""
    return deposit.state is State.JAMMED or LATE_JAM in deposit.remarks
