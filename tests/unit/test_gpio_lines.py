"""Discrete lines: polarity, debouncing and callbacks on mock pins; a pigpio server that dies on a real socket."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from gpiozero.pins.mock import MockFactory

from firmware_bridge.drivers.gpio_lines import GpioLines, LineSettings, open_factory
from firmware_bridge.errors import DeviceFault, LinkDown
from firmware_bridge.interfaces import Line, Lines
from tests.bridge_kit import run_virtual

SETTINGS = {
    Line.SHUTTER_OPEN_CMD: LineSettings(17),
    Line.ALARM: LineSettings(12, active_high=False),
    Line.SHUTTER_CLOSED: LineSettings(27),
    Line.DOOR_CLOSED: LineSettings(23, pull="up"),
    Line.TAMPER: LineSettings(24, pull="down"),
    Line.E_STOP: LineSettings(25, active_high=False, pull="up"),
}
BOUNCE_S = 0.02


def play(scene: Callable[[GpioLines, MockFactory, list[tuple[Line, bool]]], object]) -> None:
    """Run an async scene on mock pins; inputs idle at their pull, a floating one low."""

    async def main() -> None:
        factory = MockFactory()
        factory.pin(27).drive_low()
        lines = GpioLines(lambda: factory, SETTINGS, bounce_s=BOUNCE_S)
        reports: list[tuple[Line, bool]] = []
        checked: Lines = lines
        checked.set_listener(lambda line, value: reports.append((line, value)))
        result = scene(lines, factory, reports)
        assert asyncio.iscoroutine(result)
        await result
        lines.close()
        lines.close()
        factory.reset()

    run_virtual(main)


def test_polarity_and_pull() -> None:
    async def scene(lines: GpioLines, factory: MockFactory, reports: list[tuple[Line, bool]]) -> None:
        assert not lines.read(Line.SHUTTER_CLOSED)
        assert lines.read(Line.DOOR_CLOSED)  # pulled up, active high
        assert not lines.read(Line.TAMPER)
        assert not lines.read(Line.E_STOP)  # pulled up, active low
        assert not lines.read(Line.SHUTTER_OPEN_CMD)
        assert factory.pin(17).state == 0
        assert factory.pin(12).state == 1  # active low: off is high
        lines.write(Line.SHUTTER_OPEN_CMD, True)
        lines.write(Line.ALARM, True)
        assert (factory.pin(17).state, factory.pin(12).state) == (1, 0)
        assert lines.read(Line.ALARM)

    play(scene)


def test_closing_de_energises_the_outputs() -> None:
    async def main() -> None:
        factory = MockFactory()
        lines = GpioLines(lambda: factory, {Line.SHUTTER_OPEN_CMD: LineSettings(17)})
        pin = factory.pin(17)
        lines.write(Line.SHUTTER_OPEN_CMD, True)
        lines.close()
        assert [state.state for state in pin.states] == [False, True, False]
        with pytest.raises(LinkDown):
            lines.read(Line.SHUTTER_OPEN_CMD)

    run_virtual(main)


def test_changes_are_reported_on_the_loop() -> None:
    async def scene(lines: GpioLines, factory: MockFactory, reports: list[tuple[Line, bool]]) -> None:
        factory.pin(23).drive_low()
        factory.pin(25).drive_low()
        assert reports == []  # only enqueued so far
        await asyncio.sleep(0)
        assert reports == [(Line.DOOR_CLOSED, False), (Line.E_STOP, True)]
        assert not lines.read(Line.DOOR_CLOSED)
        factory.pin(23).drive_high()
        await asyncio.sleep(0)
        assert reports[2:] == [(Line.DOOR_CLOSED, True)]

    play(scene)


def test_a_missed_edge_is_found_and_a_glitch_is_not_believed() -> None:
    async def scene(lines: GpioLines, factory: MockFactory, reports: list[tuple[Line, bool]]) -> None:
        pin = factory.pin(27)
        pin.when_changed = None  # edges are lost from here on
        pin.drive_high()
        assert not lines.read(Line.SHUTTER_CLOSED)
        pin.drive_low()
        assert not lines.read(Line.SHUTTER_CLOSED)
        pin.drive_high()
        assert not lines.read(Line.SHUTTER_CLOSED)
        await asyncio.sleep(2 * BOUNCE_S)
        assert lines.read(Line.SHUTTER_CLOSED)
        assert reports == [(Line.SHUTTER_CLOSED, True)]

    play(scene)


def test_the_periodic_check_finds_a_missed_edge_too() -> None:
    async def scene(lines: GpioLines, factory: MockFactory, reports: list[tuple[Line, bool]]) -> None:
        factory.pin(24).when_changed = None
        factory.pin(24).drive_high()
        await asyncio.sleep(3)
        assert reports == [(Line.TAMPER, True)]

    play(scene)


def test_wrong_use() -> None:
    async def scene(lines: GpioLines, factory: MockFactory, reports: list[tuple[Line, bool]]) -> None:
        with pytest.raises(DeviceFault, match="input"):
            lines.write(Line.TAMPER, True)
        with pytest.raises(DeviceFault, match="configured"):
            lines.read(Line.SERVICE_KEY)

    play(scene)


def test_factories_are_named_and_never_guessed() -> None:
    with pytest.raises(DeviceFault, match="unknown pin factory"):
        open_factory("native")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LinkDown):
        open_factory("pigpio", "127.0.0.1", port)


class PigpioServer:
    """The few commands of the pigpio socket protocol that gpiozero needs; can be killed."""

    LEVELS = 1 << 27

    def __init__(self, port: int = 0) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        self._clients: list[socket.socket] = []
        self._modes: dict[int, int] = {}
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            while request := client.recv(16, socket.MSG_WAITALL):
                command, p1, p2, p3 = struct.unpack("<4I", request)
                if p3:
                    client.recv(p3, socket.MSG_WAITALL)
                if command == 0:
                    self._modes[p1] = p2
                known = {1: self._modes.get(p1, 0), 17: 0xA03111, 10: self.LEVELS, 3: self.LEVELS >> p1 & 1}
                result = known.get(command, 0)
                client.sendall(struct.pack("<4I", command, p1, p2, result))

    def kill(self) -> None:
        for each in (self._server, *self._clients):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def server() -> Iterator[PigpioServer]:
    server = PigpioServer()
    yield server
    server.kill()


def _client_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if type(thread).__name__ == "_callback_thread"]


async def test_a_dead_pigpio_server_is_a_link_that_is_down_and_stops_its_thread(server: PigpioServer) -> None:
    settings = {Line.SHUTTER_CLOSED: LineSettings(27), Line.ALARM: LineSettings(12)}
    lines = GpioLines(lambda: open_factory("pigpio", "127.0.0.1", server.port), settings, check_interval_s=0.01)
    assert lines.read(Line.SHUTTER_CLOSED)
    threads = _client_threads()
    assert threads
    server.kill()
    with pytest.raises(LinkDown):
        lines.read(Line.SHUTTER_CLOSED)
    with pytest.raises(LinkDown):
        lines.write(Line.ALARM, True)
    for thread in threads:
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive()
    revived = PigpioServer(server.port)
    try:
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(LinkDown):
                    lines.read(Line.SHUTTER_CLOSED)
                    break
                await asyncio.sleep(0.01)
        lines.write(Line.ALARM, True)
    finally:
        lines.close()
        revived.kill()
