"""Frames: STX LEN CTRL DATA ETX CHK, every byte of 7 bits (section 2). Nothing is stuffed: only LEN delimits."""

from dataclasses import dataclass
from enum import IntEnum
from functools import reduce
from operator import xor
from typing import Final

from firmware_bridge.protocols.ebds.errors import EbdsError

STX: Final = 0x02
ETX: Final = 0x03
FRAME_BYTES_MIN: Final = 5
FRAME_BYTES_MAX: Final = 127  # LEN is a byte of a 7-bit line
GAP_S: Final = 0.25  # longer silence inside a frame means that its rest was lost
_BITS: Final = 0x7F


class MessageType(IntEnum):
    """Bits 6..4 of CTRL."""

    OMNIBUS_COMMAND = 1
    OMNIBUS_REPLY = 2
    BOOKMARK = 3
    CALIBRATE = 4
    DOWNLOAD = 5
    AUXILIARY = 6
    EXTENDED = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `toggle` is 0 or 1 and comes back with the reply; `device_type` 0 acceptor, 1 recycler."""

    message_type: MessageType
    toggle: int
    data: bytes
    device_type: int = 0


def checksum(body: bytes) -> int:
    """Exclusive or of every byte from LEN to the last data byte."""
    return reduce(xor, body, 0)


def encode_frame(frame: Frame) -> bytes:
    """The bytes on the line. Raises `EbdsError` for values that do not fit."""
    if frame.toggle not in (0, 1) or not 0 <= frame.device_type <= 7 or any(byte > _BITS for byte in frame.data):  # noqa: PLR2004 - three bits
        raise EbdsError("toggle, device type or data do not fit into 7 bits")
    length = FRAME_BYTES_MIN + len(frame.data)
    if length > FRAME_BYTES_MAX:
        raise EbdsError(f"a frame of {length} bytes")
    body = bytes((length, frame.message_type << 4 | frame.device_type << 1 | frame.toggle)) + frame.data
    return bytes((STX,)) + body + bytes((ETX, checksum(body)))


def decode_frame(wire: bytes) -> Frame:
    """Exactly one frame. Raises `EbdsError`."""
    if not FRAME_BYTES_MIN <= len(wire) <= FRAME_BYTES_MAX or wire[0] != STX or wire[1] != len(wire):
        raise EbdsError("not the bytes of one frame")
    if any(byte > _BITS for byte in wire):
        raise EbdsError("a byte of more than 7 bits")
    if wire[-2] != ETX or wire[-1] != checksum(wire[1:-2]):
        raise EbdsError("ETX or checksum is wrong")
    kind = wire[2] >> 4
    if kind not in tuple(MessageType):
        raise EbdsError(f"message type {kind}")
    return Frame(MessageType(kind), wire[2] & 1, wire[3:-2], wire[2] >> 1 & 7)


class FrameReceiver:
    """Frames out of a stream that may begin anywhere, be cut anywhere and carry noise.

    What fails drops its STX and is searched again from the byte behind it; a frame whose rest does not come within
    `GAP_S` is given up in the same way, so that one whole frame after a silence is always understood.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._heard_s = 0.0

    def feed(self, chunk: bytes, now_s: float) -> list[Frame]:
        """The frames that are complete now; `now_s` from any clock that does not go back."""
        if self._buffer and now_s - self._heard_s > GAP_S:
            self._buffer.clear()
        self._heard_s = now_s
        self._buffer += chunk
        frames: list[Frame] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def reset(self) -> None:
        """Forget an unfinished frame."""
        self._buffer.clear()

    def _next(self) -> Frame | None:
        """Each turn takes at least one byte or ends."""
        buffer = self._buffer
        while True:
            start = buffer.find(STX)
            if start < 0:
                buffer.clear()
                return None
            del buffer[:start]
            if len(buffer) < 2:  # noqa: PLR2004 - STX and LEN
                return None
            length = buffer[1]
            if FRAME_BYTES_MIN <= length <= FRAME_BYTES_MAX:
                if len(buffer) < length:
                    return None
                try:
                    frame = decode_frame(bytes(buffer[:length]))
                except EbdsError:
                    pass
                else:
                    del buffer[:length]
                    return frame
            del buffer[:1]
