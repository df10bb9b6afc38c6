"""Modbus RTU, the slave's side, by hand: CRC, framing by function code, register access, exceptions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

FIXED_REQUEST: Final = 8  # unit, function, two words, CRC
READS_MAX: Final = 125
WRITES_MAX: Final = 123
# Functions that we answer with exception 01 but whose length must be known to stay in step.
_LENGTHS: Final = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10}
_COUNTED: Final = {15: 6, 16: 6, 20: 2, 21: 2, 23: 10}  # function -> where its byte count stands


class ModbusFault(IntEnum):
    """Exception codes."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    DEVICE_BUSY = 6


class ModbusRefusal(Exception):
    """The request is answered with an exception code."""

    def __init__(self, code: ModbusFault) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """One request with a good CRC."""

    unit: int
    function: int
    body: bytes  # between function and CRC

    def words(self) -> tuple[int, ...]:
        """The first two words of the body: address and count, or address and value."""
        return int.from_bytes(self.body[0:2], "big"), int.from_bytes(self.body[2:4], "big")


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0xA001 reflected, initial 0xFFFF; sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        rows.append(crc)
    return tuple(rows)


_TABLE: Final = _table()


def seal(unit: int, pdu: bytes) -> bytes:
    """A whole frame."""
    frame = bytes((unit,)) + pdu
    return frame + crc16(frame).to_bytes(2, "little")


def registers_reply(function: int, values: Sequence[int]) -> bytes:
    """PDU with the values read."""
    return bytes((function, 2 * len(values))) + b"".join(value.to_bytes(2, "big") for value in values)


def exception_reply(function: int, code: ModbusFault) -> bytes:
    """PDU that refuses a request."""
    return bytes((function | 0x80, code))


class RequestReceiver:
    """Bytes to requests.

    The end of a frame is known from its function code, not from silence, so that a pty that splits frames does
    no harm; what stays unfinished for `gap_s` is dropped.
    """

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._buffer = bytearray()
        self._heard_s = 0.0

    def feed(self, data: bytes, now_s: float) -> Iterator[Request]:
        """The requests that `data` completes; a bad CRC costs one byte of patience, no answer."""
        if self._buffer and now_s - self._heard_s > self._gap_s:
            self._buffer.clear()
        self._heard_s = now_s
        self._buffer += data
        while True:
            length = self._length()
            if length is None or length > len(self._buffer):
                return
            frame = bytes(self._buffer[:length])
            if length and crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little"):
                del self._buffer[:length]
                yield Request(frame[0], frame[1], frame[2:-2])
            else:
                del self._buffer[0]

    def _length(self) -> int | None:
        """Length of the frame that starts here; None: not known yet; 0: none can start here."""
        if len(self._buffer) < 2:  # noqa: PLR2004 - unit and function
            return None
        function = self._buffer[1]
        if function in _LENGTHS:
            return _LENGTHS[function]
        if function not in _COUNTED:
            return 0
        position = _COUNTED[function]
        if len(self._buffer) <= position:
            return None
        return position + 1 + self._buffer[position] + 2


def written_values(request: Request) -> tuple[int, tuple[int, ...]]:
    """Address and values of FC16; `ModbusRefusal` 03 when counts disagree."""
    address, count = request.words()
    data = request.body[5:]
    if not 1 <= count <= WRITES_MAX or request.body[4] != 2 * count or len(data) != 2 * count:
        raise ModbusRefusal(ModbusFault.ILLEGAL_VALUE)
    return address, tuple(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))


def read_slice(request: Request, registers: Sequence[int]) -> Sequence[int]:
    """The registers that a read asks for; `ModbusRefusal` when it reaches beyond them."""
    address, count = request.words()
    if not 1 <= count <= READS_MAX:
        raise ModbusRefusal(ModbusFault.ILLEGAL_VALUE)
    if address + count > len(registers):
        raise ModbusRefusal(ModbusFault.ILLEGAL_ADDRESS)
    return registers[address : address + count]
