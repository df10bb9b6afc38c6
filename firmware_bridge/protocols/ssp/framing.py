"""SSP frames: CRC, byte stuffing and the receiver's state machine (fact sheet sections 2 and 2.1).

    STX  SEQ/ID  LENGTH  DATA[LENGTH]  CRCL  CRCH

Pure: bytes in, frames out. A receiver never raises: whatever is not a good frame is dropped in silence,
because SSP has no NAK and the sender's retry is the only repair.
"""

from dataclasses import dataclass
from typing import Final

from firmware_bridge.protocols.ssp.errors import SspError

STX: Final = 0x7F
ADDRESS_MAX: Final = 0x7D
DATA_BYTES_MAX: Final = 0xFF
_HEADER_BYTES: Final = 2  # SEQ/ID, LENGTH
_CRC_BYTES: Final = 2
_POLYNOMIAL: Final = 0x8005


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ _POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
        table.append(crc)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/CMS: polynomial 0x8005, initial 0xFFFF, most significant bit first, no final xor."""
    crc = 0xFFFF
    for byte in data:
        crc = ((crc << 8) & 0xFFFF) ^ _CRC_TABLE[(crc >> 8) ^ byte]
    return crc


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame without its wrapping. `sequence` is the flag, 0 or 1; `data` has 1 to 255 bytes."""

    address: int
    sequence: int
    data: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.address <= ADDRESS_MAX:
            msg = f"address {self.address} is outside 0..{ADDRESS_MAX}"
            raise SspError(msg)
        if self.sequence not in {0, 1}:
            msg = f"sequence flag {self.sequence} is neither 0 nor 1"
            raise SspError(msg)
        if not 1 <= len(self.data) <= DATA_BYTES_MAX:
            msg = f"{len(self.data)} data bytes; a frame carries 1 to {DATA_BYTES_MAX}"
            raise SspError(msg)

    @property
    def sequence_id(self) -> int:
        """The SEQ/ID byte: the flag in bit 7, the address below it."""
        return (self.sequence << 7) | self.address


def encode_frame(frame: Frame) -> bytes:
    """Wire bytes of a frame: CRC appended, then every 0x7F after STX doubled."""
    body = bytes((frame.sequence_id, len(frame.data))) + frame.data
    body += crc16(body).to_bytes(_CRC_BYTES, "little")
    return bytes((STX,)) + body.replace(b"\x7f", b"\x7f\x7f")


def _frame_of(body: bytes) -> Frame:
    """The frame in unstuffed bytes SEQ/ID to CRCH whose length is already right; `SspError` otherwise."""
    content, crc = body[:-_CRC_BYTES], int.from_bytes(body[-_CRC_BYTES:], "little")
    if crc != crc16(content):
        msg = f"CRC is {crc:04X}, should be {crc16(content):04X}"
        raise SspError(msg)
    return Frame(content[0] & 0x7F, content[0] >> 7, content[_HEADER_BYTES:])


def decode_frame(wire: bytes) -> Frame:
    """Exactly one whole frame, from STX to CRCH; `SspError` says what is wrong otherwise."""
    if wire[:1] != b"\x7f":
        msg = "a frame starts with 7F"
        raise SspError(msg)
    body = bytearray()
    rest = iter(wire[1:])
    for byte in rest:
        if byte == STX and next(rest, None) != STX:
            msg = "a lone 7F inside the frame"
            raise SspError(msg)
        body.append(byte)
    if len(body) < _HEADER_BYTES or len(body) != _HEADER_BYTES + body[1] + _CRC_BYTES:
        announced = f"LENGTH {body[1]}" if len(body) >= _HEADER_BYTES else "no LENGTH"
        msg = f"{len(body)} bytes after STX do not fit {announced}"
        raise SspError(msg)
    return _frame_of(bytes(body))


class FrameReceiver:
    """The receiver's state machine. Needs no time-out: a lone STX abandons a partial frame.

    `dropped` counts complete bodies with a bad CRC, length or address, for health reports.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._in_frame = False  # an STX was seen
        self._pending = False  # a 0x7F inside a body: stuffed, or a new start
        self._body = bytearray()

    def reset(self) -> None:
        """Forget a partial frame (after a gap on the line)."""
        self._in_frame = False
        self._pending = False
        self._body.clear()

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take bytes, split anywhere; return the good frames that they complete."""
        frames = []
        for byte in chunk:
            frame = self._step(byte)
            if frame is not None:
                frames.append(frame)
        return frames

    def _step(self, byte: int) -> Frame | None:
        if not self._in_frame:
            self._in_frame = byte == STX
            return None
        if not self._body:
            # 0x7F is no legal SEQ/ID, so a second STX here is noise: keep waiting for an address.
            if byte != STX:
                self._body.append(byte)
            return None
        if self._pending:
            self._pending = False
            if byte != STX:  # lone STX: everything so far is void, this byte is SEQ/ID
                self._body[:] = bytes((byte,))
                return None
        elif byte == STX:
            self._pending = True
            return None
        self._body.append(byte)
        return self._completed()

    def _completed(self) -> Frame | None:
        if len(self._body) < _HEADER_BYTES + self._body[1] + _CRC_BYTES:
            return None
        body = bytes(self._body)
        self.reset()
        try:
            return _frame_of(body)
        except SspError:
            self.dropped += 1
            return None
