"""ccTalk packets: both checksums and the receiver (P1 7, 11.1).

    8-bit sum   dest  n  source   header  data[n]  sum
    CRC-16      dest  n  CRC LSB  header  data[n]  CRC MSB

Pure: bytes and time in, packets out. There is no start byte. A packet is found by counting bytes, and the next one
after a mistake only by a silence of 50 ms: a receiver that has seen a bad sum cannot know where it stands, so it
listens to nothing until the line was quiet.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from firmware_bridge.protocols.cctalk.errors import CctalkError

HOST: Final = 1
DATA_BYTES_MAX: Final = 0xFF
OVERHEAD_BYTES: Final = 5
GAP_S: Final = 0.05  # P1 11.1: longer between two bytes, and the receiver starts anew
_LENGTH_AT: Final = 1
_CHECK_AT: Final = 2  # source, or the CRC's low byte
_HEADER_AT: Final = 3
_DATA_AT: Final = 4
_POLYNOMIAL: Final = 0x1021


class Checksum(StrEnum):
    """Which of the two a device uses: nothing on the wire tells, so the configuration does (P1 7.2)."""

    SUM8 = "sum8"
    CRC16 = "crc16"


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. With CRC-16 the source is not on the wire: it is None there, and every reply goes to the host."""

    destination: int
    source: int | None
    header: int
    data: bytes = b""

    def __post_init__(self) -> None:
        for name, value in (("destination", self.destination), ("source", self.source or 0), ("header", self.header)):
            if not 0 <= value <= 0xFF:  # noqa: PLR2004 - a byte
                msg = f"{name} {value} is no byte"
                raise CctalkError(msg)
        if len(self.data) > DATA_BYTES_MAX:
            msg = f"{len(self.data)} data bytes; a packet carries at most {DATA_BYTES_MAX}"
            raise CctalkError(msg)


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
    """CRC-CCITT as ccTalk uses it: polynomial 0x1021, initial 0, most significant bit first, no xor (P3 app. 9)."""
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFF) ^ _CRC_TABLE[(crc >> 8) ^ byte]
    return crc


def encode_packet(packet: Packet, checksum: Checksum) -> bytes:
    """Wire bytes. `CctalkError` when the source does not fit the kind of checksum."""
    if (packet.source is None) != (checksum is Checksum.CRC16):
        msg = f"source {packet.source} with {checksum}"
        raise CctalkError(msg)
    tail = bytes((packet.header,)) + packet.data
    head = bytes((packet.destination, len(packet.data)))
    if packet.source is None:
        low, high = crc16(head + tail).to_bytes(2, "little")
        return head + bytes((low,)) + tail + bytes((high,))
    body = head + bytes((packet.source,)) + tail
    return body + bytes((-sum(body) & 0xFF,))


def decode_packet(wire: bytes, checksum: Checksum) -> Packet:
    """Exactly one whole packet; `CctalkError` says what is wrong otherwise."""
    if len(wire) < OVERHEAD_BYTES or len(wire) != OVERHEAD_BYTES + wire[_LENGTH_AT]:
        msg = f"{len(wire)} bytes are no packet"
        raise CctalkError(msg)
    head, tail = wire[:_CHECK_AT], wire[_HEADER_AT:-1]
    if checksum is Checksum.CRC16:
        told, right = wire[_CHECK_AT] | wire[-1] << 8, crc16(head + tail)
        if told != right:
            msg = f"CRC is {told:04X}, should be {right:04X}"
            raise CctalkError(msg)
        return Packet(wire[0], None, wire[_HEADER_AT], wire[_DATA_AT:-1])
    if sum(wire) & 0xFF:
        msg = f"the sum of all bytes is {sum(wire) & 0xFF}, not 0"
        raise CctalkError(msg)
    return Packet(wire[0], wire[_CHECK_AT], wire[_HEADER_AT], wire[_DATA_AT:-1])


class PacketReceiver:
    """Counts bytes into packets. `dropped` counts what had a bad sum, for health reports."""

    def __init__(self, checksum: Checksum) -> None:
        self._checksum = checksum
        self._buffer = bytearray()
        self._lost = False  # a bad sum was seen: deaf until the line was quiet
        self._heard_s = float("-inf")
        self.dropped = 0

    def reset(self) -> None:
        """Forget a partial packet: whatever comes next begins one."""
        self._buffer.clear()
        self._lost = False

    def feed(self, chunk: bytes, now_s: float) -> list[Packet]:
        """Take bytes that arrived at `now_s`, split anywhere; the good packets that they complete."""
        if not chunk:
            return []
        if now_s - self._heard_s > GAP_S:
            self.reset()
        self._heard_s = now_s
        if self._lost:
            return []
        self._buffer += chunk
        packets: list[Packet] = []
        while (size := self._size()) <= len(self._buffer):
            packets += self._cut(size)
        return packets

    def _size(self) -> int:
        """Bytes of the packet that has begun; more than there can be while its length is not known."""
        return OVERHEAD_BYTES + (self._buffer[_LENGTH_AT] if len(self._buffer) > _LENGTH_AT else DATA_BYTES_MAX)

    def _cut(self, size: int) -> list[Packet]:
        wire = bytes(self._buffer[:size])
        del self._buffer[:size]
        try:
            return [decode_packet(wire, self._checksum)]
        except CctalkError:
            self.dropped += 1
            self._lost = True
            self._buffer.clear()
            return []
