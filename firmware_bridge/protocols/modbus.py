"""Modbus RTU as pure code: request ADUs out, matching responses in. Framing and PDUs are pymodbus's.

RTU has no sequence numbers, so a response is matched by everything it does carry: unit, function code,
byte count of a read, echoed address and count of a write.
"""

from dataclasses import dataclass
from typing import Final

from pymodbus.exceptions import ModbusException
from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
)

ADU_BYTES_MAX: Final = 256
READ_REGISTERS_MAX: Final = 125
WRITE_REGISTERS_MAX: Final = 123
REGISTER_MAX: Final = 0xFFFF
ILLEGAL_VALUE: Final = 3
BUSY: Final = 6


class ModbusError(ValueError):
    """Values that Modbus cannot carry."""


class ModbusRefusal(Exception):
    """An exception response; `code` is Modbus's exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code:02d}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """One request: what to write, and what an answer must look like."""

    wire: bytes
    unit: int
    function: int
    address: int
    count: int


def read_input(unit: int, address: int, count: int) -> Request:
    """FC04 of `count` input registers."""
    if not 1 <= count <= READ_REGISTERS_MAX:
        msg = f"{count} registers; 1 to {READ_REGISTERS_MAX} in one read"
        raise ModbusError(msg)
    return _request(ReadInputRegistersRequest(dev_id=unit, address=address, count=count), count)


def write_holding(unit: int, address: int, registers: list[int]) -> Request:
    """FC16 of these holding registers."""
    if not 1 <= len(registers) <= WRITE_REGISTERS_MAX or any(not 0 <= value <= REGISTER_MAX for value in registers):
        msg = f"{registers}: 1 to {WRITE_REGISTERS_MAX} values of 16 bits"
        raise ModbusError(msg)
    return _request(WriteMultipleRegistersRequest(dev_id=unit, address=address, registers=registers), len(registers))


def _request(pdu: ModbusPDU, count: int) -> Request:
    if not 1 <= pdu.dev_id <= 247 or not 0 <= pdu.address <= REGISTER_MAX:  # noqa: PLR2004 - Modbus unit range
        msg = f"unit {pdu.dev_id}, address {pdu.address}"
        raise ModbusError(msg)
    wire = FramerRTU(DecodePDU(is_server=False)).buildFrame(pdu)
    return Request(wire, pdu.dev_id, pdu.function_code, pdu.address, count)


class ResponseReader:
    """Collects the bytes that answer one request. Bounded; noise costs a retry, never a hang."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._framer = FramerRTU(DecodePDU(is_server=False))
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[int] | None:
        """The registers read (empty for a write) once the answer is whole; raises `ModbusRefusal`."""
        self._buffer = (self._buffer + chunk)[-ADU_BYTES_MAX:]
        while self._buffer:
            try:
                used, pdu = self._framer.handleFrame(self._buffer, self._request.unit, 0)
            except (ModbusException, ValueError, IndexError):
                # A frame with a good CRC that pymodbus cannot read is not our answer.
                self._buffer = b""
                return None
            self._buffer = self._buffer[used:]
            if pdu is None:
                return None
            registers = self._match(pdu)
            if registers is not None:
                return registers
        return None

    def _match(self, pdu: ModbusPDU) -> list[int] | None:
        asked = self._request
        if isinstance(pdu, ExceptionResponse):
            if pdu.function_code & 0x7F == asked.function:
                raise ModbusRefusal(pdu.exception_code)
        elif isinstance(pdu, ReadInputRegistersResponse):
            if asked.function == pdu.function_code and len(pdu.registers) == asked.count:
                return list(pdu.registers)
        elif (
            isinstance(pdu, WriteMultipleRegistersResponse)
            and asked.function == pdu.function_code
            and (pdu.address, pdu.count) == (asked.address, asked.count)
        ):
            return []
        return None
