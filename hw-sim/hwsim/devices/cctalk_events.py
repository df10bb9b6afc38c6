"""The bill validator's event list: five slots and a counter that is 0 only after power-up (cctalk.md section 4)."""

from collections import deque
from enum import IntEnum
from typing import Final

SLOTS: Final = 5
LAST: Final = 255


class Status(IntEnum):
    """B of an event whose A is 0."""

    MASTER_INHIBIT = 0
    RETURNED = 1
    INVALID = 2
    TRANSPORT_PROBLEM = 3
    INHIBITED = 4
    JAM_UNSAFE = 6
    JAM_STACKER = 7
    PULLED_BACK = 8
    STACKER_OK = 10
    STACKER_REMOVED = 11
    STACKER_INSERTED = 12
    STACKER_FULL = 14
    JAM_SAFE = 16
    STRING_FRAUD = 18
    UNKNOWN_STACKED = 21


STACKED: Final = 0  # B of an event whose A is a bill type
IN_ESCROW: Final = 1


class EventList:
    """Newest first. Volatile."""

    def __init__(self) -> None:
        self.counter = 0
        self._slots: deque[tuple[int, int]] = deque(maxlen=SLOTS)
        self.clear()

    def post(self, a: int, b: int) -> None:
        """One event; the oldest falls out."""
        self.counter = self.counter % LAST + 1
        self._slots.appendleft((a, b))

    def status(self, what: Status) -> None:
        self.post(0, what)

    def data(self) -> bytes:
        """The reply to header 159."""
        return bytes((self.counter,)) + b"".join(bytes(slot) for slot in self._slots)

    def clear(self) -> None:
        self.counter = 0
        self._slots.extend([(0, 0)] * SLOTS)
