"""From an edge on a GPIO line to a command on the board's wire, beside bare gpiozero and pyserial.

Without debouncing on either side (`[gpio]` debounces 20 ms, which is a choice and no cost).
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

import serial
from gpiozero import DigitalInputDevice
from gpiozero.pins.pigpio import PiGPIOFactory

from firmware_bridge.drivers.gpio_lines import GpioLines, LineSettings, open_factory
from firmware_bridge.drivers.modbus_board import ModbusBoard
from firmware_bridge.interfaces import BoardCommand, BoardOpcode, Line
from firmware_bridge.protocols.board import command_registers
from firmware_bridge.protocols.modbus import write_holding
from firmware_bridge.serial_port import BOARD_SETTINGS, SerialPort
from tests.bench.figures import Figure, alternately, figure, percentile

LIMIT_S: Final = 120.0
CLOSE_S: Final = 5.0


class _Machine:
    """The other process."""

    def __init__(self, edges: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.edge_machine", str(edges)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._limit = threading.Timer(LIMIT_S, self._process.kill)
        self._limit.start()
        self.where: dict[str, Any] = self._heard()

    def _heard(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the machine at the other end has ended"
        return json.loads(line)

    def go(self) -> list[float]:
        """Milliseconds of every edge."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        found: list[float] = self._heard()
        return found

    def close(self) -> None:
        """Let it end by itself, and kill it when it does not."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._limit.cancel()
        assert self._process.stdout is not None
        self._process.stdout.close()


async def _through_the_bridge(machine: _Machine) -> list[float]:
    where = machine.where
    port = SerialPort(where["board"], BOARD_SETTINGS)
    assert port.open()
    lines = GpioLines(
        lambda: open_factory("pigpio", "127.0.0.1", where["pigpio"]),
        {Line.E_STOP: LineSettings(where["pin"], pull="down")},
        bounce_s=0.0,
    )
    board = ModbusBoard(port)
    boot_id = (await board.snapshot()).boot_id
    sequence = 0
    tasks: set[asyncio.Task[None]] = set()

    def changed(_: Line, value: bool) -> None:
        nonlocal sequence
        if value:
            sequence += 1
            task = asyncio.ensure_future(board.submit(BoardCommand(sequence, BoardOpcode.SET_LAMP, (1, 1), boot_id)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    lines.set_listener(changed)
    try:
        return await asyncio.to_thread(machine.go)
    finally:
        await asyncio.gather(*tasks)
        lines.close()
        board.close()


def _bare(machine: _Machine) -> list[float]:
    where = machine.where
    command = BoardCommand(1, BoardOpcode.SET_LAMP, (1, 1), 1)
    frame = write_holding(1, 0, command_registers(command)).wire  # the same bytes; the board refuses them, unheard
    factory = PiGPIOFactory(host="127.0.0.1", port=where["pigpio"])
    line = DigitalInputDevice(where["pin"], pull_up=False, pin_factory=factory)
    with serial.Serial(where["board"], BOARD_SETTINGS.baud, timeout=0) as port:

        def activated() -> None:
            port.write(frame)
            port.reset_input_buffer()

        line.when_activated = activated
        try:
            return machine.go()
        finally:
            line.close()
            factory.close()


def measure(repeats: int, edges: int) -> Iterator[Figure]:
    """Milliseconds, 99th percentile of each repeat; the median of the same repeats for comparison."""
    middle: dict[str, list[float]] = {"ours": [], "limit": []}

    def ours() -> float:
        machine = _Machine(edges)
        try:
            found = asyncio.run(_through_the_bridge(machine))
        finally:
            machine.close()
        middle["ours"].append(percentile(found, 50))
        return percentile(found, 99)

    def limit() -> float:
        machine = _Machine(edges)
        try:
            found = _bare(machine)
        finally:
            machine.close()
        middle["limit"].append(percentile(found, 50))
        return percentile(found, 99)

    ours_all, limit_all = alternately(repeats, ours, limit)
    ours_is = "GpioLines, event loop, ModbusBoard.submit, SerialPort"
    limit_is = "bare gpiozero + pyserial"
    yield figure("GPIO edge to command, p99", "ms", ours_all, limit_all, ours_is=ours_is, limit_is=limit_is)
    yield figure(
        "GPIO edge to command, median", "ms", middle["ours"], middle["limit"], ours_is=ours_is, limit_is=limit_is
    )
