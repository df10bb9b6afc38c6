"""ccTalk packets: 8-bit sum or CRC-16, counting receiver. From cctalk.md section 2; shares nothing with the product."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MASTER: Final = 1
GAP_S: Final = 0.05
_OVERHEAD: Final = 5
_BYTE: Final = 256


def crc_ccitt(data: bytes) -> int:
    """Polynomial 0x1021, initial 0, most significant bit first."""
    register = 0
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x1021 if register & 0x8000 else 0)) & 0xFFFF
    return register


@dataclass(frozen=True, slots=True)
class CcPacket:
    """One packet as it is understood. `source` is the master's where the wire has none (CRC)."""

    destination: int
    source: int
    header: int
    data: bytes = b""

    def encode(self, *, crc: bool) -> bytes:
        """The bytes on the wire; `ValueError` when a field does not fit."""
        if crc:
            check = crc_ccitt(bytes((self.destination, len(self.data), self.header)) + self.data)
            third, last = check % _BYTE, check // _BYTE
        else:
            third = self.source
            last = -(self.destination + len(self.data) + self.source + self.header + sum(self.data)) % _BYTE
        return bytes((self.destination, len(self.data), third, self.header)) + self.data + bytes((last,))

    @classmethod
    def decode(cls, wire: bytes, *, crc: bool) -> "CcPacket | None":
        """The packet of exactly these bytes; None when the check does not fit."""
        packet = cls(wire[0], MASTER if crc else wire[2], wire[3], wire[4:-1])
        return packet if packet.encode(crc=crc) == wire else None


class PacketCounter:
    """The receiver of a slave: counts every byte on the line; a bad packet or a gap of 50 ms starts it anew."""

    def __init__(self, *, crc: bool) -> None:
        self._crc = crc
        self._bytes = b""
        self._last_s = 0.0
        self._deaf = False

    def feed(self, data: bytes, now_s: float) -> Iterator[CcPacket]:
        """Whole good packets, for whomever."""
        if now_s - self._last_s > GAP_S:
            self._bytes, self._deaf = b"", False
        self._last_s = now_s
        if self._deaf:
            return
        self._bytes += data
        while len(self._bytes) > 1 and len(self._bytes) >= _OVERHEAD + self._bytes[1]:
            size = _OVERHEAD + self._bytes[1]
            wire, self._bytes = self._bytes[:size], self._bytes[size:]
            packet = CcPacket.decode(wire, crc=self._crc)
            if packet is None:
                self._bytes, self._deaf = b"", True
                return
            yield packet
