"""The deposit board's driver against a scripted Modbus slave that keeps the map's rules, in virtual time."""

import asyncio
import struct
from collections.abc import Awaitable, Callable

import pytest

from firmware_bridge.drivers.modbus_board import FRAME_GAP_S, ModbusBoard
from firmware_bridge.errors import BoardBusy, CommandRefused, DeviceFault, LinkDown
from firmware_bridge.interfaces import BoardCommand, BoardEvent, BoardOpcode, DepositBoard
from firmware_bridge.protocols.board import BoardMapError, command_registers, parse_snapshot, previous_counter
from tests.bridge_kit import Pipe, run_virtual

BOOT_ID = 0xDEADBEEF


def crc(data: bytes) -> bytes:
    """Modbus CRC-16, bit by bit and independent of pymodbus."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


class Slave:
    """Unit 1 with 64 input registers; executes a command block once, acknowledges its exact repeat."""

    def __init__(self) -> None:
        self.inputs = [0] * 64
        self.inputs[0] = 1
        self.inputs[2:4] = [BOOT_ID >> 16, BOOT_ID & 0xFFFF]
        self.executed: list[tuple[int, ...]] = []
        self.writes: list[tuple[int, tuple[int, ...]]] = []
        self.exception = 0
        self.answer_as = b""  # raw bytes to answer with instead

    def __call__(self, data: bytes) -> bytes | None:
        assert data[-2:] == crc(data[:-2])
        assert data[0] == 1
        if self.answer_as:
            return self.answer_as
        body = self._serve(data[1], data[2:-2])
        frame = bytes((1,)) + body
        return frame + crc(frame)

    def _serve(self, function: int, body: bytes) -> bytes:
        if self.exception and function == 16:
            return bytes((function | 0x80, self.exception))
        address, count = struct.unpack(">HH", body[:4])
        if function == 4:
            values = self.inputs[address : address + count]
            return bytes((4, 2 * count)) + struct.pack(f">{count}H", *values)
        assert function == 16
        values16 = struct.unpack(f">{count}H", body[5:])
        self.writes.append((address, values16))
        if address == 0 and not (self.executed and self.executed[-1] == values16):
            if values16[8:10] != (BOOT_ID >> 16, BOOT_ID & 0xFFFF):
                return bytes((0x90, 3))
            self.executed.append(values16)
            self.inputs[56] = values16[0]
        return bytes((16,)) + body[:4]


Scene = Callable[[ModbusBoard, Slave, Pipe], Awaitable[None]]


def play(scene: Scene) -> Slave:
    slave = Slave()

    async def main() -> None:
        pipe = Pipe(slave)
        driver = ModbusBoard(pipe)
        board: DepositBoard = driver
        await scene(driver, slave, pipe)
        board.close()

    run_virtual(main)
    return slave


def command(sequence: int = 1, boot_id: int = BOOT_ID) -> BoardCommand:
    return BoardCommand(sequence, BoardOpcode.COLLECT, (3,), boot_id)


def test_the_snapshot_reads_every_register() -> None:
    registers = list(range(100, 164))
    registers[0], registers[7], registers[48], registers[50] = 1, 0, 0xFFF6, 0x8000
    snapshot = parse_snapshot(registers)
    assert snapshot.boot_id == 102 << 16 | 103
    assert (snapshot.finished_sequence, snapshot.finished_result, snapshot.state) == (104, 105, 106)
    assert (snapshot.tray_notes, snapshot.slot, snapshot.strap_stock, snapshot.supply_mv) == (140, 145, 147, 149)
    assert (snapshot.temperature_decicelsius, snapshot.tilt_mg) == (-10, -32768)
    assert (snapshot.accepted_sequence, snapshot.collected_count, snapshot.bundle_serial) == (156, 157, 158 << 16 | 159)
    assert (snapshot.last_slot, snapshot.bundle_bits, snapshot.total_collected, snapshot.total_stored) == (
        160,
        161,
        162,
        163,
    )
    assert snapshot.events == ()


def ring(counters: list[int], newest: int) -> list[int]:
    registers = [0] * 64
    registers[0], registers[7] = 1, newest
    for counter in counters:
        at = 8 + counter % 8 * 4
        registers[at : at + 4] = [1, counter, 1, 2]
    return registers


def test_the_ring_is_read_oldest_first() -> None:
    assert [e.counter for e in parse_snapshot(ring([1, 2, 3], 3)).events] == [1, 2, 3]
    assert [e.counter for e in parse_snapshot(ring(list(range(5, 13)), 12)).events] == list(range(5, 13))
    assert parse_snapshot(ring([9], 9)).events == (BoardEvent(9, 1, 9, 0x10002),)


def test_the_ring_over_the_counters_wrap() -> None:
    counters = [65530, 65531, 65532, 65533, 65534, 65535, 1, 2]
    assert [e.counter for e in parse_snapshot(ring(counters, 2)).events] == counters[1:]
    assert previous_counter(1) == 65535
    assert previous_counter(2) == 1


def test_another_map_version_is_refused() -> None:
    with pytest.raises(BoardMapError):
        parse_snapshot([2] + [0] * 63)
    with pytest.raises(BoardMapError):
        parse_snapshot([1] * 63)


def test_the_command_block() -> None:
    block = command_registers(BoardCommand(7, BoardOpcode.APPLY_LABEL, (1, 2, 3), BOOT_ID))
    assert block == [7, 4, 1, 2, 3, 0, 0, 0, 0xDEAD, 0xBEEF]
    with pytest.raises(BoardMapError):
        command_registers(BoardCommand(7, BoardOpcode.HOME, (0,) * 7, BOOT_ID))
    with pytest.raises(BoardMapError):
        command_registers(BoardCommand(70000, BoardOpcode.HOME, (), BOOT_ID))


def test_a_command_is_accepted_once() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        await board.submit(command())
        await board.submit(command())
        assert (await board.snapshot()).accepted_sequence == 1

    slave = play(scene)
    assert slave.executed == [(1, 2, 3, 0, 0, 0, 0, 0, 0xDEAD, 0xBEEF)]


def test_a_lost_acknowledgement_is_repeated_byte_for_byte() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        pipe.lose_replies = 2
        await board.submit(command())
        assert pipe.written[0] == pipe.written[1] == pipe.written[2]

    assert len(play(scene).executed) == 1


def test_busy_and_wrong_boot_id_are_told_apart() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        slave.exception = 6
        with pytest.raises(BoardBusy) as busy:
            await board.submit(command())
        assert busy.value.code == 6
        slave.exception = 0
        with pytest.raises(CommandRefused) as refused:
            await board.submit(command(boot_id=1))
        assert refused.value.code == 3
        assert not isinstance(refused.value, BoardBusy)
        with pytest.raises(CommandRefused):
            await board.submit(BoardCommand(1, BoardOpcode.COLLECT, (70_000,), BOOT_ID))

    assert play(scene).executed == []


def test_busy_after_a_lost_acknowledgement_of_the_same_block_means_accepted() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        pipe.lose_replies = 1
        submit = asyncio.ensure_future(board.submit(command()))
        await asyncio.sleep(0.1)
        slave.exception = 6
        await submit

    assert len(play(scene).executed) == 1


def test_a_late_acknowledgement_of_the_block_before_is_not_believed() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        await board.submit(command(1))
        pipe.lose_requests = 1
        submit = asyncio.ensure_future(board.submit(command(2)))
        await asyncio.sleep(0.01)
        echo = bytes((1, 16, 0, 0, 0, 10))
        pipe.deliver(echo + crc(echo))
        await submit
        assert [block[0] for block in slave.executed] == [1, 2]

    play(scene)


def test_noise_wrong_crc_and_other_units_cost_a_retry() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        other = bytes((2, 4, 2, 0, 0))
        for noise in (
            b"\x00",
            b"\xff" * 300,
            other + crc(other),
            b"\x01\x04\x80" + bytes(130),
            b"\x01\x84\x06\x00\x00",
        ):
            slave.answer_as = noise
            asyncio.get_running_loop().call_later(0.1, setattr, slave, "answer_as", b"")
            assert (await board.snapshot()).boot_id == BOOT_ID

    play(scene)


def test_a_silent_board_is_a_link_that_is_down() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        pipe.lose_requests = 100
        with pytest.raises(LinkDown):
            await board.snapshot()
        assert len(pipe.written) == 5
        with pytest.raises(LinkDown):
            await board.submit(command())
        pipe.down = True
        with pytest.raises(LinkDown):
            await board.snapshot()

    play(scene)


def test_the_watchdog_is_a_holding_register() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        await board.set_watchdog(3000)
        slave.inputs[0] = 9
        with pytest.raises(DeviceFault, match="version 9"):
            await board.snapshot()
        with pytest.raises(CommandRefused):
            await board.set_watchdog(70_000)

    assert play(scene).writes == [(16, (3000,))]


def test_frames_keep_their_distance_and_a_quiet_line_is_used_at_once() -> None:
    async def scene(board: ModbusBoard, slave: Slave, pipe: Pipe) -> None:
        loop = asyncio.get_running_loop()
        sent_s: list[float] = []

        def peer(data: bytes) -> bytes | None:
            sent_s.append(loop.time())
            return slave(data)

        pipe._peer = peer  # noqa: SLF001 - the moment of a write is the point here
        await board.snapshot()
        answered_s = loop.time()
        await board.snapshot()
        assert sent_s[1] - answered_s == pytest.approx(FRAME_GAP_S)
        await asyncio.sleep(1.0)
        asked_s = loop.time()
        await board.snapshot()
        assert sent_s[2] == asked_s
        await asyncio.sleep(1.0)
        pipe.deliver(b"\x00")  # noise is no silence
        heard_s = loop.time()
        await board.snapshot()
        assert sent_s[3] - heard_s == pytest.approx(FRAME_GAP_S)

    play(scene)
