"""SSP framing: STX, stuffing, CRC. Written from ssp.md section 2; shares nothing with the product."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

STX: Final = 0x7F
ADDRESS_MAX: Final = 0x7D
DATA_BYTES_MAX: Final = 0xFF


def crc16(data: bytes) -> int:
    """CRC-16/CMS: polynomial 0x8005, initial 0xFFFF, most significant bit first, no final xor."""
    crc = 0xFFFF
    for byte in data:
        crc = _TABLE[(crc >> 8) ^ byte] ^ (crc << 8 & 0xFFFF)
    return crc


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
        rows.append(crc)
    return tuple(rows)


_TABLE: Final = _table()


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: 7-bit address, sequence flag, 1 to 255 bytes of data."""

    address: int
    flag: int
    data: bytes

    @property
    def sequence_id(self) -> int:
        return self.flag << 7 | self.address

    def encode(self) -> bytes:
        """The bytes on the wire, stuffed."""
        if not 0 <= self.address <= ADDRESS_MAX or self.flag not in {0, 1}:
            message = f"no such address or flag: {self.address}, {self.flag}"
            raise ValueError(message)
        if not 1 <= len(self.data) <= DATA_BYTES_MAX:
            message = f"{len(self.data)} bytes of data do not fit a frame"
            raise ValueError(message)
        body = bytes((self.sequence_id, len(self.data))) + self.data
        body += crc16(body).to_bytes(2, "little")
        return bytes((STX,)) + body.replace(b"\x7f", b"\x7f\x7f")


class FrameDecoder:
    """The receiver of ssp.md 2.1: bytes in, whole good frames out, everything else is silence."""

    def __init__(self) -> None:
        self._body: bytearray | None = None  # None: outside a frame
        self._pending = False  # an 0x7F seen inside: half of a pair, or a new start
        self.frames_bad = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give the frames that `data` completes."""
        for byte in data:
            frame = self._byte(byte)
            if frame is not None:
                yield frame

    def _byte(self, byte: int) -> Frame | None:
        if self._body is None:
            self._body = bytearray() if byte == STX else None
            return None
        if byte == STX and not self._pending:
            # Directly after the opening STX an 0x7F is noise: 0x7F is no legal SEQ/ID.
            self._pending = bool(self._body)
            return None
        if self._pending:
            self._pending = False
            if byte != STX:  # a lone STX inside: whatever came before is lost, this byte is a new SEQ/ID
                self.frames_bad += 1
                self._body = bytearray()
        return self._store(byte)

    def _store(self, byte: int) -> Frame | None:
        body = self._body
        if body is None:
            return None
        body.append(byte)
        if len(body) < 2 or len(body) < body[1] + 4:  # noqa: PLR2004 - SEQ/ID, LENGTH; then DATA and two of CRC
            return None
        self._body = None
        checked, crc = bytes(body[:-2]), int.from_bytes(body[-2:], "little")
        if crc16(checked) != crc or not checked[2:] or checked[0] & 0x7F > ADDRESS_MAX:
            self.frames_bad += 1
            return None
        return Frame(checked[0] & 0x7F, checked[0] >> 7, checked[2:])
