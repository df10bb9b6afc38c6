"""The buffer of bill events (header 159): what is new in it, and what each event means (P2 3.27, P3 table 7).

The device keeps the five newest events and a counter: 0 after power-up or reset, then 1 to 255, and after 255 comes 1.
Reading consumes nothing, so asking again is always safe. An empty slot looks like "master inhibit active": only the
difference of the counter tells them apart.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from firmware_bridge.protocols.cctalk.errors import CctalkError

BUFFERED: Final = 5
COUNTER_MAX: Final = 255
REMEMBERED: Final = 3  # events of a bookmark: with the counter they fit a number of 56 bits
_BYTES: Final = 1 + 2 * BUFFERED
_BOOKMARK_BYTES: Final = 1 + 2 * REMEMBERED
COUPON: Final = 255  # the bill type of a ticket with a barcode


class Meaning(Enum):
    """What a pair (A, B) tells. Only `CREDIT` is money."""

    CREDIT = auto()  # A, 0: a bill of type A lies in the stacker
    HELD = auto()  # A, 1: a bill of type A is held in escrow
    MASTER_INHIBIT = auto()
    RETURNED = auto()
    INVALID = auto()
    TRANSPORT_PROBLEM = auto()
    INHIBITED_SERIAL = auto()
    INHIBITED_SWITCHES = auto()
    JAM_UNSAFE = auto()
    JAM_STACKER = auto()
    PULLED_BACK = auto()
    TAMPER = auto()
    STACKER_OK = auto()
    STACKER_REMOVED = auto()
    STACKER_INSERTED = auto()
    STACKER_FAULTY = auto()
    STACKER_FULL = auto()
    STACKER_JAMMED = auto()
    JAM_SAFE = auto()
    OPTO_FRAUD = auto()
    STRING_FRAUD = auto()
    ANTI_STRING_FAULTY = auto()
    BARCODE = auto()
    UNKNOWN_STACKED = auto()  # money in the box, of no known type
    UNLISTED = auto()  # no row of the table


_STATUS: Final[tuple[Meaning, ...]] = (  # A = 0: by B
    Meaning.MASTER_INHIBIT,
    Meaning.RETURNED,
    Meaning.INVALID,
    Meaning.TRANSPORT_PROBLEM,
    Meaning.INHIBITED_SERIAL,
    Meaning.INHIBITED_SWITCHES,
    Meaning.JAM_UNSAFE,
    Meaning.JAM_STACKER,
    Meaning.PULLED_BACK,
    Meaning.TAMPER,
    Meaning.STACKER_OK,
    Meaning.STACKER_REMOVED,
    Meaning.STACKER_INSERTED,
    Meaning.STACKER_FAULTY,
    Meaning.STACKER_FULL,
    Meaning.STACKER_JAMMED,
    Meaning.JAM_SAFE,
    Meaning.OPTO_FRAUD,
    Meaning.STRING_FRAUD,
    Meaning.ANTI_STRING_FAULTY,
    Meaning.BARCODE,
    Meaning.UNKNOWN_STACKED,
)


@dataclass(frozen=True, slots=True)
class BillEvent:
    """One event as the device has it."""

    a: int
    b: int

    @property
    def meaning(self) -> Meaning:
        if self.a == 0:
            return _STATUS[self.b] if self.b < len(_STATUS) else Meaning.UNLISTED
        return {0: Meaning.CREDIT, 1: Meaning.HELD}.get(self.b, Meaning.UNLISTED)

    @property
    def bill_type(self) -> int | None:
        """1 to 255; None for a status."""
        return self.a or None


@dataclass(frozen=True, slots=True)
class EventBuffer:
    """One reply to header 159: `events[0]` is the newest."""

    counter: int
    events: tuple[BillEvent, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.counter <= COUNTER_MAX or len(self.events) != BUFFERED:
            msg = f"counter {self.counter} and {len(self.events)} events are no buffer"
            raise CctalkError(msg)


def encode_buffer(buffer: EventBuffer) -> bytes:
    """The 11 data bytes."""
    return bytes((buffer.counter,)) + b"".join(bytes((event.a, event.b)) for event in buffer.events)


def decode_buffer(data: bytes) -> EventBuffer:
    """The 11 data bytes of the reply; `CctalkError` when they are not."""
    if len(data) != _BYTES:
        msg = f"{len(data)} bytes are no event buffer"
        raise CctalkError(msg)
    return EventBuffer(data[0], tuple(BillEvent(data[at], data[at + 1]) for at in range(1, _BYTES, 2)))


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far the events were heard: the counter then, and the newest events then, newest first.

    The events tell a device that has restarted and counted on from one that has not: the counter alone would not.
    """

    counter: int
    newest: tuple[BillEvent, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.counter <= COUNTER_MAX or len(self.newest) != REMEMBERED:
            msg = f"counter {self.counter} and {len(self.newest)} events are no bookmark"
            raise CctalkError(msg)

    @classmethod
    def of(cls, buffer: EventBuffer) -> "Bookmark":
        """The place behind everything in `buffer`."""
        return cls(buffer.counter, buffer.events[:REMEMBERED])

    def pack(self) -> int:
        """One number of at most 56 bits, for a journal."""
        events = b"".join(bytes((event.a, event.b)) for event in self.newest)
        return int.from_bytes(bytes((self.counter,)) + events)

    @classmethod
    def unpack(cls, number: int) -> "Bookmark":
        """What `pack` made; `CctalkError` for a number that it never makes."""
        if not 0 <= number < 1 << 8 * _BOOKMARK_BYTES:
            msg = f"{number} is no bookmark"
            raise CctalkError(msg)
        data = number.to_bytes(_BOOKMARK_BYTES)
        return cls(data[0], tuple(BillEvent(data[at], data[at + 1]) for at in range(1, _BOOKMARK_BYTES, 2)))


@dataclass(frozen=True, slots=True)
class News:
    """What a buffer tells behind a bookmark: `events` oldest first.

    `lost` is how many events came and went unread; then `events` has the five that are left. `reset`: the device has
    restarted since; what it had buffered then is gone, and `events` are those since its restart.
    """

    events: tuple[BillEvent, ...]
    lost: int = 0
    reset: bool = False


def advance(last: int, now: int) -> int:
    """How many events lie between two values of the counter, 0 left out at the wrap."""
    return now - last if now >= last else now + COUNTER_MAX - last


def news(mark: Bookmark, buffer: EventBuffer) -> News:
    """Compare a buffer with the place reached before.

    A full circle of 255 events between two reads cannot be seen: polls are far more frequent than notes.
    """
    count = advance(mark.counter, buffer.counter)
    overlap = buffer.events[count : count + REMEMBERED] if count < BUFFERED else ()
    restarted = mark.counter != 0 and (buffer.counter == 0 or overlap != mark.newest[: len(overlap)])
    if restarted:
        count = buffer.counter
    return News(buffer.events[: min(count, BUFFERED)][::-1], lost=max(0, count - BUFFERED), reset=restarted)
