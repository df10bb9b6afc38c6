"""EBDS on the wire, the device's side, written from the fact sheet apart from the product's codec (ebds.md 2)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

STX: Final = 0x02
ETX: Final = 0x03
SILENCE_S: Final = 0.25  # a frame whose bytes stop coming for so long is forgotten
_OVERHEAD: Final = 5


class Kind(IntEnum):
    """Message types."""

    COMMAND = 1
    REPLY = 2
    AUXILIARY = 6
    EXTENDED = 7


@dataclass(frozen=True, slots=True)
class Message:
    """CTRL taken apart, and what lies behind it."""

    kind: int
    toggle: int
    data: bytes

    def wire(self) -> bytes:
        inner = bytes([len(self.data) + _OVERHEAD, (self.kind << 4) | self.toggle]) + self.data
        parity = 0
        for byte in inner:
            parity ^= byte
        return bytes([STX]) + inner + bytes([ETX, parity])


class Listener:
    """Whole messages out of the bytes that a host sends; anything else is skipped in silence."""

    def __init__(self) -> None:
        self._bytes = b""
        self._last_s = 0.0

    def feed(self, data: bytes, now_s: float) -> list[Message]:
        if now_s - self._last_s > SILENCE_S:
            self._bytes = b""
        self._last_s = now_s
        self._bytes += data
        found: list[Message] = []
        while (at := self._bytes.find(STX)) >= 0:
            self._bytes = self._bytes[at:]
            if len(self._bytes) < 2 or (self._bytes[1] <= 127 and len(self._bytes) < self._bytes[1]):  # noqa: PLR2004 - 7 bits
                return found
            whole, size = self._bytes, self._bytes[1]
            message = _parse(whole[:size])
            if message is None:
                self._bytes = whole[1:]
            else:
                found.append(message)
                self._bytes = whole[size:]
        self._bytes = b""
        return found


def _parse(wire: bytes) -> Message | None:
    if len(wire) < _OVERHEAD or max(wire) > 127 or wire[-2] != ETX:  # noqa: PLR2004 - 7 bits
        return None
    parity = 0
    for byte in wire[1:-2]:
        parity ^= byte
    return Message(wire[2] >> 4, wire[2] & 1, wire[3:-2]) if parity == wire[-1] else None
