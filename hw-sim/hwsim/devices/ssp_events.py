"""The event queue of an SSP device: once, repeated while a state lasts, or until acknowledged."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from hwsim.devices.ssp_codes import FORMS, Ev, encode_event
from hwsim.devices.ssp_layout import Values

REPLY_BYTES_MAX = 200  # an encrypted reply holds 233; the rest of the queue waits for the next poll

_AT_POWER_UP = frozenset(
    {Ev.CLEARED_FROM_FRONT, Ev.CLEARED_INTO_CASHBOX, Ev.INTO_STORE_AT_RESET, Ev.INTO_STACKER_AT_RESET}
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event with its fields; `channel`, `amounts`, ... as in ssp_codes.FORMS."""

    code: int
    values: Values = field(default_factory=dict)


class EventQueue:
    """One-time events in order. Flagged ones stay after a 0x56 until 0x57 says that they arrived."""

    def __init__(self) -> None:
        self._queue: deque[Event] = deque()
        self._reported: list[Event] = []  # flagged, shown by the last 0x56
        self.with_ack = False  # the host's last poll was 0x56

    def post(self, code: int, **values: object) -> None:
        """Queue one event."""
        self._queue.append(Event(code, dict(values)))

    @property
    def blocked(self) -> bool:
        """A flagged event is under way to a host that acknowledges: no new note may move."""
        return self.with_ack and (bool(self._reported) or any(FORMS[event.code].acknowledged for event in self._queue))

    def poll(self, states: Iterable[Event], pv: int, *, with_ack: bool) -> tuple[bytes, frozenset[int]]:
        """Data of the reply after F0, and the codes in it. Events above the version in force are dropped."""
        self.with_ack = with_ack
        out = bytearray()
        shown: set[int] = set()

        def show(event: Event) -> bool:
            if FORMS[event.code].pv_min > pv:
                return True
            encoded = encode_event(event.code, event.values, pv)
            if len(out) + len(encoded) > REPLY_BYTES_MAX:
                return False
            out.extend(encoded)
            shown.add(event.code)
            return True

        for event in self._reported:
            show(event)
        if not with_ack:
            self._reported.clear()
        while self._queue and show(self._queue[0]):
            event = self._queue.popleft()
            if with_ack and FORMS[event.code].acknowledged and FORMS[event.code].pv_min <= pv:
                self._reported.append(event)
        for event in states:
            show(event)
        return bytes(out), frozenset(shown)

    def acknowledge(self) -> bool:
        """0x57: False when nothing was pending."""
        had = bool(self._reported)
        self._reported.clear()
        return had

    def credits(self) -> tuple[tuple[Event, ...], tuple[Event, ...]]:
        """Credits that a power cut may lose: (not yet shown, shown but not acknowledged)."""
        unread = tuple(event for event in self._queue if event.code == Ev.CREDIT)
        return unread, tuple(event for event in self._reported if event.code == Ev.CREDIT)

    def found_at_power_up(self) -> int:
        """How many of the events that wait for their acknowledgement tell what became of a note at power-up."""
        return sum(1 for event in self._reported if event.code in _AT_POWER_UP)

    def clear(self) -> None:
        self._queue.clear()
        self._reported.clear()
        self.with_ack = False
