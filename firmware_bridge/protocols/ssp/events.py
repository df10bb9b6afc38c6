"""All poll events of the fact sheet as data (section 6), parsed and built by protocol version.

Events follow each other without lengths, so an unknown code ends the list: what is behind it cannot be
read and is handed back as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.fields import (
    Constant,
    Content,
    Country,
    Listed,
    Uint,
    Variant,
    build_exact,
    parse_prefix,
)

_NOTHING: Final = (Variant(),)
_VALUE = Uint("value", 4)
_CHANNEL: Final = (Variant((Uint("channel"),)),)
# PV 9 exists only for "SMART Currency": the note's country and value instead of its channel.
_NOTE: Final = (
    Variant((Uint("channel"),), pv_max=8),
    Variant((Country(), _VALUE), pv_min=9),
)
_TOTAL: Final = (
    Variant((Listed("values", (_VALUE, Country())),), pv_min=6),
    Variant((_VALUE,), pv_max=5),
)
_PART: Final = (
    Variant(
        (Listed("values", (Uint("paid", 4), Uint("requested", 4), Country())),),
        pv_min=6,
    ),
    Variant((Uint("paid", 4), Uint("requested", 4)), pv_max=5),
)
_ONE_NOTE: Final = (Variant((_VALUE, Country())),)


@dataclass(frozen=True, slots=True)
class EventType:
    """One event. `flagged`: 0x56 repeats it until 0x57. `lasting`: reported in every poll while it lasts."""

    code: int
    name: str
    forms: tuple[Variant, ...] = _NOTHING
    flagged: bool = False
    lasting: bool = False
    pv_min: int = 4  # GA138 where it says, else GA973; a device at a lower version does not send it


def _flagged(code: int, name: str, forms: tuple[Variant, ...], pv_min: int = 4) -> EventType:
    return EventType(code, name, forms, flagged=True, pv_min=pv_min)


def _lasting(code: int, name: str, forms: tuple[Variant, ...] = _NOTHING, pv_min: int = 4) -> EventType:
    return EventType(code, name, forms, lasting=True, pv_min=pv_min)


_NOTE_EVENTS: Final = (
    EventType(0xF1, "SLAVE RESET"),
    _lasting(0xEF, "READ", _NOTE),
    _flagged(0xEE, "NOTE CREDIT", _NOTE),
    _lasting(0xED, "REJECTING"),
    EventType(0xEC, "REJECTED"),
    _lasting(0xCC, "STACKING"),
    EventType(0xEB, "STACKED"),
    _lasting(0xEA, "SAFE JAM"),
    _lasting(0xE9, "UNSAFE JAM"),
    _lasting(0xE8, "DISABLED"),
    _flagged(0xE6, "FRAUD ATTEMPT", _CHANNEL),
    _lasting(0xE7, "STACKER FULL"),
    EventType(0xE1, "NOTE CLEARED FROM FRONT", _CHANNEL),
    _flagged(0xE2, "NOTE CLEARED INTO CASHBOX", _CHANNEL, pv_min=5),
    _lasting(0xE3, "CASHBOX REMOVED", pv_min=5),
    EventType(0xE4, "CASHBOX REPLACED", pv_min=5),
    EventType(0xE5, "BARCODE TICKET VALIDATED"),
    _flagged(0xD1, "BARCODE TICKET ACK", _NOTHING),
    _lasting(0xE0, "NOTE PATH OPEN", pv_min=6),
    EventType(0xB5, "CHANNEL DISABLE", pv_min=7),
    _lasting(0xB6, "INITIALISING", pv_min=7),
)

_STORE_EVENTS: Final = (
    _lasting(0xDA, "DISPENSING", _TOTAL),
    _flagged(0xD2, "DISPENSED", _TOTAL),
    _lasting(0xD5, "JAMMED", _TOTAL, pv_min=5),
    EventType(0xD6, "HALTED", _TOTAL),
    _lasting(0xD7, "FLOATING", _TOTAL),
    _flagged(0xD8, "FLOATED", _TOTAL),
    _flagged(0xD9, "TIMEOUT", _TOTAL),
    _flagged(0xDC, "INCOMPLETE PAYOUT", _PART),
    _flagged(0xDD, "INCOMPLETE FLOAT", _PART, pv_min=5),
    _lasting(0xC2, "EMPTYING", pv_min=5),
    EventType(0xC3, "EMPTIED", pv_min=5),
    _lasting(0xB3, "SMART EMPTYING", _TOTAL, pv_min=5),
    _flagged(0xB4, "SMART EMPTIED", _TOTAL, pv_min=5),
    EventType(0xDB, "NOTE STORED IN PAYOUT"),
    EventType(0xC6, "PAYOUT OUT OF SERVICE"),
    _lasting(0xB0, "JAM RECOVERY", pv_min=7),
    _flagged(
        0xB1,
        "ERROR DURING PAYOUT",
        (Variant((Listed("values", (_VALUE, Country())), Uint("error"))),),
        pv_min=7,
    ),
    # GA973 p. 63 prints a leading count 01, p. 67-68 none; the capital letters of the country tell them apart.
    _flagged(
        0xC9,
        "NOTE TRANSFERRED TO STACKER",
        (*_ONE_NOTE, Variant((Constant(b"\x01"), _VALUE, Country()))),
        pv_min=6,
    ),
    _lasting(0xCE, "NOTE HELD IN BEZEL", _ONE_NOTE, pv_min=8),
    _flagged(0xCB, "NOTE INTO STORE AT RESET", _ONE_NOTE, pv_min=8),
    _flagged(0xCA, "NOTE INTO STACKER AT RESET", _ONE_NOTE, pv_min=8),
    _flagged(0xCD, "NOTE DISPENSED AT RESET", _ONE_NOTE, pv_min=6),
    EventType(0xC7, "NOTE FLOAT REMOVED"),
    EventType(0xC8, "NOTE FLOAT ATTACHED"),
    _lasting(0xCF, "DEVICE FULL"),
)

_OTHER_EVENTS: Final = (
    _lasting(0x90, "CASHBOX OUT OF SERVICE", (Variant((Uint("reason"),)),), pv_min=6),
    EventType(0x92, "CASHBOX BACK IN SERVICE", pv_min=6),
    EventType(0x93, "CASHBOX UNLOCK ENABLED", pv_min=6),
    # Printer and coin devices on the same bus; lengths from the sheet or from the vector file's samples.
    EventType(0xA1, "TICKETS REPLACED"),
    EventType(0xA2, "PRINTER HEAD REMOVED"),
    EventType(0xA4, "TICKET JAM"),
    _lasting(0xA5, "TICKET PRINTING", pv_min=6),
    EventType(0xA6, "TICKET PRINTED", pv_min=6),
    EventType(0xA8, "TICKET PRINTING ERROR", (Variant((Uint("error"),)),), pv_min=6),
    EventType(0xA9, "PRINTER HEAD REPLACED"),
    EventType(0xAA, "TICKET PATH CLOSED"),
    EventType(0xAB, "NO PAPER"),
    EventType(0xAC, "PAPER REPLACED"),
    _lasting(0xAD, "TICKET IN BEZEL", pv_min=6),
    EventType(0xAE, "PRINT HALTED", pv_min=6),
    EventType(0xAF, "PRINTED TO CASHBOX", pv_min=6),
    EventType(0x83, "CALIBRATION FAILED", (Variant((Uint("error"),)),)),
    EventType(0xB7, "COIN MECH ERROR", (Variant((Uint("error"),)),)),
    EventType(0xBD, "ATTACHED COIN MECH DISABLED"),
    EventType(0xBE, "ATTACHED COIN MECH ENABLED"),
    EventType(0xC1, "PAY-IN ACTIVE"),
    EventType(0xC4, "COIN MECH JAMMED"),
    EventType(0xC5, "COIN MECH RETURN PRESSED"),
    EventType(0xDE, "CASHBOX PAID", _TOTAL),
    EventType(
        0xDF,
        "COIN CREDIT",
        (Variant((_VALUE, Country()), pv_min=6), Variant((_VALUE,), pv_max=5)),
    ),
)

EVENTS: Final[dict[int, EventType]] = {event.code: event for event in (*_NOTE_EVENTS, *_STORE_EVENTS, *_OTHER_EVENTS)}


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it was reported."""

    type: EventType
    content: Content = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventList:
    """What a poll told. `rest` is what could not be read (empty when all could), `why` says why not."""

    events: tuple[Event, ...]
    rest: bytes = b""
    why: str = ""

    @property
    def needs_ack(self) -> bool:
        """Whether 0x56 will repeat any of these until 0x57."""
        return any(event.type.flagged for event in self.events)


def parse_events(data: bytes, protocol_version: int) -> EventList:
    """The events behind F0. Never raises: the readable front is worth keeping, it may hold a credit."""
    events: list[Event] = []
    at = 0
    while at < len(data):
        kind = EVENTS.get(data[at])
        if kind is None:
            return EventList(tuple(events), data[at:], f"0x{data[at]:02X} is no known event")
        try:
            content, behind = parse_prefix(kind.forms, data, at + 1, protocol_version)
        except SspError as error:
            return EventList(tuple(events), data[at:], f"{kind.name}: {error}")
        events.append(Event(kind, content))
        at = behind
    return EventList(tuple(events))


def build_events(events: Sequence[Event], protocol_version: int) -> bytes:
    """Events back into the bytes behind F0."""
    return b"".join(
        bytes((event.type.code,)) + build_exact(event.type.forms, event.content, protocol_version) for event in events
    )
