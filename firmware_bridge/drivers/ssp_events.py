"""SSP events in the words of `interfaces.NoteEvent` (pure)."""

from typing import Final, cast

from firmware_bridge.interfaces import NoteEvent, NoteEventKind, Value
from firmware_bridge.protocols.ssp.events import Event
from firmware_bridge.protocols.ssp.fields import Content

_READ: Final = 0xEF
_PAYOUT_ERROR: Final = 0xB1

_KINDS: Final[dict[int, NoteEventKind]] = {
    0xF1: NoteEventKind.RESET,
    0xEE: NoteEventKind.CREDITED,
    0xED: NoteEventKind.REFUSING,
    0xEC: NoteEventKind.REFUSED,
    0xCC: NoteEventKind.STACKING,
    0xEB: NoteEventKind.STACKED,
    0xDB: NoteEventKind.STORED,
    0xEA: NoteEventKind.JAM_SAFE,
    0xE9: NoteEventKind.JAM_UNSAFE,
    0xD5: NoteEventKind.JAM_SAFE,  # on the way out of the store: inside, but not where it should be
    0xE6: NoteEventKind.FRAUD,
    0xE1: NoteEventKind.CLEARED_FROM_FRONT,
    0xE2: NoteEventKind.CLEARED_INTO_CASHBOX,
    0xCB: NoteEventKind.INTO_STORE_AT_RESET,
    0xCA: NoteEventKind.INTO_STACKER_AT_RESET,
    0xDA: NoteEventKind.DISPENSING,
    0xD2: NoteEventKind.DISPENSED,
    0xCE: NoteEventKind.HELD_IN_BEZEL,
    0xB3: NoteEventKind.EMPTYING,
    0xB4: NoteEventKind.EMPTIED,
    0xC9: NoteEventKind.MOVED_TO_STACKER,
    0xDC: NoteEventKind.INCOMPLETE_PAYOUT,
    0xB1: NoteEventKind.PAYOUT_ERROR,
    0xE7: NoteEventKind.STACKER_FULL,
    0xE3: NoteEventKind.STACKER_REMOVED,
    0xE4: NoteEventKind.STACKER_REPLACED,
    0xE0: NoteEventKind.PATH_OPEN,
    0xE8: NoteEventKind.DISABLED,
    0xB6: NoteEventKind.INITIALISING,
}

_PAYOUT_ERRORS: Final[dict[int, str]] = {
    0: "reverse_validation_failed",
    1: "jammed_in_transport",
    2: "cashbox_error",
    3: "payout_stalled",
    4: "poll_time_out",
}


def note_event(event: Event) -> NoteEvent:
    """One event. For an interrupted payout `values` is what was paid, not what was asked for."""
    content = event.content
    channel = cast("int | None", content.get("channel"))
    reason = None
    if event.type.code == _READ:
        kind = NoteEventKind.READ if channel else NoteEventKind.READING
    else:
        kind = _KINDS.get(event.type.code, NoteEventKind.OTHER)
    if event.type.code == _PAYOUT_ERROR:
        error = cast("int", content["error"])
        reason = _PAYOUT_ERRORS.get(error, f"error_{error}")
    return NoteEvent(kind, channel=channel, values=_values_of(content), reason=reason, name=event.type.name)


def _values_of(content: Content) -> tuple[Value, ...]:
    rows = cast("list[Content]", content.get("values", [content] if "country" in content else []))
    return tuple(Value(cast("int", row.get("value", row.get("paid", 0))), cast("str", row["country"])) for row in rows)
