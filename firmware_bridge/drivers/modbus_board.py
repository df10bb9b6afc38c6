"""The deposit board over Modbus RTU: satisfies `interfaces.DepositBoard`.

Reads may be repeated freely. A command block may be repeated too, byte for byte, because the board
acknowledges an exact repeat without executing it again; nothing else about a command is ever retried here.
"""

import asyncio
from typing import Final

from firmware_bridge.errors import BoardBusy, CommandRefused, DeviceFault, LinkDown
from firmware_bridge.interfaces import BoardCommand, BoardSnapshot, Transport
from firmware_bridge.protocols.board import (
    COMMAND_ADDRESS,
    INPUT_REGISTERS,
    WATCHDOG_ADDRESS,
    BoardMapError,
    command_registers,
    parse_snapshot,
)
from firmware_bridge.protocols.modbus import (
    BUSY,
    ModbusError,
    ModbusRefusal,
    Request,
    ResponseReader,
    read_input,
    write_holding,
)

REPLY_TIMEOUT_S: Final = 0.3  # 133 bytes take 13 ms at 115200; the rest is for USB adapters and busy firmware
RETRIES_MAX: Final = 4
FRAME_GAP_S: Final = 0.002  # RTU wants 1.75 ms of silence between frames above 19200 baud


class ModbusBoard:
    """One board at one unit address of one `Transport`. One request at a time."""

    def __init__(
        self,
        transport: Transport,
        *,
        unit: int = 1,
        name: str = "board",
        timeout_s: float = REPLY_TIMEOUT_S,
        retries_max: int = RETRIES_MAX,
        frame_gap_s: float = FRAME_GAP_S,
    ) -> None:
        self._transport = transport
        self._unit = unit
        self._name = name
        self._timeout_s = timeout_s
        self._retries_max = retries_max
        self._frame_gap_s = frame_gap_s
        self._lock = asyncio.Lock()
        self._reader: ResponseReader | None = None
        self._answer: asyncio.Future[list[int]] | None = None
        self._late_answer_possible = False
        self._last_byte_s = -frame_gap_s  # on the event loop's clock
        transport.set_receiver(self._receive)

    async def snapshot(self) -> BoardSnapshot:
        """One consistent read of input registers 0-63."""
        async with self._lock:
            return await self._snapshot()

    async def submit(self, command: BoardCommand) -> None:
        """Returns when the board's own registers say that it accepted this sequence number.

        The acknowledgement alone is not enough: RTU carries no sequence numbers, so a late acknowledgement
        of the block before looks the same. `BoardBusy` on exception 06, `CommandRefused` on others.
        """
        try:
            request = write_holding(self._unit, COMMAND_ADDRESS, command_registers(command))
        except (BoardMapError, ModbusError) as error:
            raise CommandRefused(self._name, str(error)) from error
        async with self._lock:
            refusal: ModbusRefusal | None = None
            for attempt in range(self._retries_max + 1):
                try:
                    answered = await self._once(request) is not None
                    refusal = None
                except ModbusRefusal as error:
                    refusal, answered = error, True
                if refusal is not None and attempt == 0:
                    break  # a refused first attempt recorded nothing
                if not answered:
                    continue
                # Acknowledged, or refused after an attempt of which we have no answer: ask the board.
                board = await self._snapshot()
                if board.accepted_sequence == command.sequence and board.boot_id == command.boot_id:
                    return
                if refusal is not None:
                    break
        if refusal is not None:
            raise self._refused(refusal, command.opcode.name)
        raise LinkDown(self._name, f"{command.opcode.name}: not acknowledged after all retries")

    async def set_watchdog(self, milliseconds: int) -> None:
        """With no request for that long the board stops its motors and closes the gate."""
        try:
            request = write_holding(self._unit, WATCHDOG_ADDRESS, [milliseconds])
        except ModbusError as error:
            raise CommandRefused(self._name, str(error)) from error
        async with self._lock:
            await self._repeated(request, "watchdog")

    def close(self) -> None:
        self._transport.set_receiver(None)
        self._transport.close()

    async def _snapshot(self) -> BoardSnapshot:
        registers = await self._repeated(read_input(self._unit, 0, INPUT_REGISTERS), "snapshot")
        try:
            return parse_snapshot(registers)
        except BoardMapError as error:
            raise DeviceFault(self._name, str(error), remedy="Update the kiosk or the board's firmware.") from error

    async def _repeated(self, request: Request, what: str) -> list[int]:
        for _ in range(self._retries_max + 1):
            try:
                answer = await self._once(request)
            except ModbusRefusal as refusal:
                raise self._refused(refusal, what) from refusal
            if answer is not None:
                return answer
        raise LinkDown(self._name, f"{what}: no answer after {self._retries_max + 1} attempts")

    def _refused(self, refusal: ModbusRefusal, what: str) -> CommandRefused:
        kind = BoardBusy if refusal.code == BUSY else CommandRefused
        return kind(self._name, f"{what}: {refusal}", code=refusal.code)

    async def _once(self, request: Request) -> list[int] | None:
        """One transmission; None when no answer came in time."""
        loop = asyncio.get_running_loop()
        if self._late_answer_possible:
            # After an exchange without an answer the answer may still be on its way: let it pass by.
            await asyncio.sleep(self._timeout_s)
        else:
            await asyncio.sleep(max(0.0, self._last_byte_s + self._frame_gap_s - loop.time()))
        self._late_answer_possible = True
        self._reader = ResponseReader(request)
        self._answer = loop.create_future()
        try:
            self._transport.write(request.wire)
            await asyncio.wait({self._answer}, timeout=self._timeout_s)
            if not self._answer.done():
                return None
            self._late_answer_possible = False
            return self._answer.result()
        except LinkDown:
            await asyncio.sleep(self._timeout_s)  # the port may be coming back; the retries bound the wait
            return None
        finally:
            self._reader = None
            self._answer = None

    def _receive(self, chunk: bytes) -> None:
        self._last_byte_s = asyncio.get_running_loop().time()
        if self._reader is None or self._answer is None or self._answer.done():
            return
        try:
            registers = self._reader.feed(chunk)
        except ModbusRefusal as refusal:
            self._answer.set_exception(refusal)
            return
        if registers is not None:
            self._answer.set_result(registers)
