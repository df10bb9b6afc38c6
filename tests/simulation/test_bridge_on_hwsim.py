"""The drivers against hwsim's devices, in one process and in virtual time: two readings of the same sheets agree."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
import pytest

from firmware_bridge.drivers.modbus_board import ModbusBoard
from firmware_bridge.drivers.ssp_validator import SspValidator
from firmware_bridge.drivers.zpl_printer import ZplPrinter
from firmware_bridge.errors import BoardBusy, DeviceRestarted, LabelNotPrinted
from firmware_bridge.interfaces import (
    BoardCommand,
    BoardOpcode,
    EmptyReport,
    Label,
    Level,
    NoteEvent,
    NoteEventKind,
    Value,
)
from hwsim.config import BoardConfig, LabelPrinterConfig, ValidatorConfig, WorldConfig
from hwsim.devices.board import DepositBoard as SimulatedBoard
from hwsim.devices.label_printer import LabelPrinter as SimulatedPrinter
from hwsim.devices.ssp_validator import SspValidator as SimulatedValidator
from hwsim.world import World
from tests.bridge_kit import run_virtual

GENUINE, SUSPECT = frozenset(range(1, 7)), frozenset(range(7, 13))


class Device(Protocol):
    output: Callable[[bytes], None] | None

    def feed(self, data: bytes) -> None: ...


class Wire:
    """`interfaces.Transport` to a simulated device."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._receiver: Callable[[bytes], None] | None = None
        device.output = self._deliver

    def _deliver(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver(data)

    def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._device.feed, data)

    def set_receiver(self, receiver: Callable[[bytes], None] | None) -> None:
        self._receiver = receiver

    def close(self) -> None:
        self._receiver = None


async def drain(validator: SspValidator, until: NoteEventKind) -> list[NoteEventKind]:
    """Poll and acknowledge until an event is seen; every kind seen, in order."""
    seen: list[NoteEventKind] = []
    for _ in range(100):
        result = await validator.poll()
        seen += [event.kind for event in result.events]
        if result.needs_ack:
            await validator.acknowledge()
        if until in seen:
            return seen
        await asyncio.sleep(0.2)
    raise AssertionError(f"{until} never came, only {seen}")


def new_world() -> World:
    return World(WorldConfig(), asyncio.get_running_loop(), 1)


def test_a_note_goes_into_the_escrow_and_from_there_to_the_stacker() -> None:
    async def main() -> None:
        world = new_world()
        validator = SspValidator(Wire(SimulatedValidator(world, ValidatorConfig())))
        identity = await validator.start()
        assert [channel.value_minor for channel in identity.channels[:6]] == [100, 500, 1000, 2000, 5000, 10000]
        await drain(validator, NoteEventKind.RESET)
        await validator.configure(GENUINE | SUSPECT, SUSPECT)
        await validator.enable()
        world.lines.drive("shutter_open_cmd", level=True)
        await asyncio.sleep(1)
        world.insert("CNY", 10000)
        seen = await drain(validator, NoteEventKind.STORED)
        assert seen.index(NoteEventKind.READ) < seen.index(NoteEventKind.CREDITED)
        assert seen.count(NoteEventKind.CREDITED) == 1
        assert Level(10000, "CNY", 1) in await validator.levels()
        await validator.disable()
        await validator.commit_escrow()
        await validator.empty_to_stacker()
        await drain(validator, NoteEventKind.EMPTIED)
        assert await validator.empty_report() == EmptyReport((Level(10000, "CNY", 1),), 0)
        assert (await validator.counters()).transferred == 1

    run_virtual(main)


def test_a_cancelled_escrow_comes_back_to_the_bezel() -> None:
    async def main() -> None:
        world = new_world()
        validator = SspValidator(Wire(SimulatedValidator(world, ValidatorConfig())))
        await validator.start()
        await drain(validator, NoteEventKind.RESET)
        await validator.configure(GENUINE, frozenset())
        await validator.enable()
        world.lines.drive("shutter_open_cmd", level=True)
        await asyncio.sleep(1)
        world.insert("CNY", 500)
        await drain(validator, NoteEventKind.STORED)
        await validator.disable()
        await validator.cancel_escrow()
        await drain(validator, NoteEventKind.HELD_IN_BEZEL)
        assert len(world.take()) == 1
        dispensed: list[NoteEvent] = []
        for _ in range(50):
            events = (await validator.poll()).events
            dispensed += [event for event in events if event.kind is NoteEventKind.DISPENSED]
            if dispensed:
                break
            await asyncio.sleep(0.2)
        assert dispensed[0].values == (Value(500, "CNY"),)

    run_virtual(main)


def test_a_power_cut_ends_the_session_and_start_begins_another() -> None:
    async def main() -> None:
        world = new_world()
        validator = SspValidator(Wire(SimulatedValidator(world, ValidatorConfig())))
        first = await validator.start()
        await drain(validator, NoteEventKind.RESET)
        world.power("validator", on=False)
        world.power("validator", on=True)
        with pytest.raises(DeviceRestarted):
            await validator.poll()
        assert await validator.start() == first
        assert NoteEventKind.RESET in await drain(validator, NoteEventKind.RESET)

    run_virtual(main)


def test_board_commands_run_once() -> None:
    async def main() -> None:
        board = ModbusBoard(Wire(SimulatedBoard(new_world(), BoardConfig())))
        boot_id = (await board.snapshot()).boot_id
        home = BoardCommand(1, BoardOpcode.HOME, (), boot_id)
        await board.submit(home)
        await board.submit(home)
        with pytest.raises(BoardBusy):
            await board.submit(BoardCommand(2, BoardOpcode.STRAP, (), boot_id))
        await asyncio.sleep(1)
        snapshot = await board.snapshot()
        assert (snapshot.accepted_sequence, snapshot.finished_sequence, snapshot.finished_result) == (1, 1, 0)

    run_virtual(main)


def test_the_labels_qr_is_read_back_from_the_picture() -> None:
    async def main() -> None:
        world = new_world()
        simulated = SimulatedPrinter(world, LabelPrinterConfig())
        printer = ZplPrinter(Wire(simulated))
        for copy, text in enumerate(("B1;demo-0001;000042;CNY;20000;2x10000", "存款束 000042 ^_~", "x" * 200), start=1):
            await printer.print_label(Label("demo-0001-000042", copy, ("CNY 200.00", "staff-1"), text, "D42-20261121"))
            world.take_label()
            image = cv2.imdecode(np.frombuffer(simulated.printed[-1].png, np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            assert cv2.QRCodeDetector().detectAndDecode(image)[0] == text
        world.restock(labels=0)
        with pytest.raises(LabelNotPrinted):
            await printer.print_label(Label("demo-0001-000043", 1, (), "q", "b"))

    run_virtual(main)
