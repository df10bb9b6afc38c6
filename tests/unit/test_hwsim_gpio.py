"""gpiozero's own PiGPIOFactory against the simulated lines."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from gpiozero import PWMLED, DigitalInputDevice, DigitalOutputDevice
from gpiozero.pins.pigpio import PiGPIOFactory

from hwsim.gpio_server import PINS, GpioServer
from hwsim.lines import LineLevels, Role


@pytest.fixture
async def server() -> AsyncIterator[GpioServer]:
    made = GpioServer(LineLevels())
    await made.start()
    yield made
    await made.stop()


@contextmanager
def _factory(port: int) -> Iterator[PiGPIOFactory]:
    factory = PiGPIOFactory("127.0.0.1", port)
    try:
        yield factory
    finally:
        factory.close()


async def test_an_output_drives_its_line_and_lets_go_when_closed(server: GpioServer) -> None:
    def drive() -> list[bool]:
        seen = []
        with _factory(server.port) as factory:
            output = DigitalOutputDevice(PINS[Role.SHUTTER_OPEN_CMD], pin_factory=factory)
            seen.append(server.lines.read(Role.SHUTTER_OPEN_CMD))
            output.on()
            seen += [server.lines.read(Role.SHUTTER_OPEN_CMD), bool(output.value)]
            output.off()
            output.on()
            output.close()
            seen.append(server.lines.read(Role.SHUTTER_OPEN_CMD))
        return seen

    assert await asyncio.to_thread(drive) == [False, True, True, False]


async def test_an_input_shows_its_idle_level_and_calls_back(server: GpioServer) -> None:
    risen, fallen = threading.Event(), threading.Event()

    def listen() -> tuple[bool, bool]:
        with _factory(server.port) as factory:
            closed = DigitalInputDevice(PINS[Role.SHUTTER_CLOSED], pin_factory=factory)
            stop = DigitalInputDevice(PINS[Role.E_STOP], pull_up=False, pin_factory=factory)
            idle = bool(closed.value), bool(stop.value)
            stop.when_activated, stop.when_deactivated = risen.set, fallen.set
            for event, level in ((risen, True), (fallen, False)):
                loop.call_soon_threadsafe(server.lines.put, Role.E_STOP, level)
                assert event.wait(5.0)
            return idle

    loop = asyncio.get_running_loop()
    assert await asyncio.to_thread(listen) == (True, False)


async def test_a_debounced_input_ignores_a_glitch(server: GpioServer) -> None:
    changes: list[bool] = []
    settled = threading.Event()

    def changed(device: DigitalInputDevice) -> None:
        changes.append(bool(device.value))
        settled.set()

    def glitch() -> None:
        server.lines.put(Role.DOOR_CLOSED, level=False)
        server.lines.put(Role.DOOR_CLOSED, level=True)
        server.lines.put(Role.DOOR_CLOSED, level=False)

    def listen() -> None:
        with _factory(server.port) as factory:
            door = DigitalInputDevice(PINS[Role.DOOR_CLOSED], bounce_time=0.02, pin_factory=factory)
            door.when_activated = door.when_deactivated = changed
            loop.call_soon_threadsafe(glitch)
            assert settled.wait(5.0)

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(listen)
    assert changes == [False]


async def test_a_lamp_may_be_dimmed(server: GpioServer) -> None:
    def dim() -> tuple[bool, bool]:
        with _factory(server.port) as factory:
            lamp = PWMLED(PINS[Role.PORT_LAMP], pin_factory=factory)
            lamp.value = 0.5
            half = server.lines.read(Role.PORT_LAMP)
            lamp.value = 0
            return half, server.lines.read(Role.PORT_LAMP)

    assert await asyncio.to_thread(dim) == (True, False)
