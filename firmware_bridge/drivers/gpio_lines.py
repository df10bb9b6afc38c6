"""Discrete lines through gpiozero, with a pin factory named in the configuration: satisfies `interfaces.Lines`.

There is no fallback from one factory to another: a kiosk that silently drives other pins than it thinks is
dangerous. Callbacks of gpiozero's threads only enqueue on the event loop. A pigpio server that dies makes
its client's thread spin and its calls raise bare `struct.error`; both are dealt with here.
"""

import asyncio
import contextlib
import io
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pigpio
from gpiozero import Device, DigitalInputDevice, DigitalOutputDevice
from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory
from gpiozero.pins.pigpio import PiGPIOFactory

from firmware_bridge.errors import DeviceFault, LinkDown
from firmware_bridge.interfaces import Line

OUTPUTS: Final = frozenset({Line.SHUTTER_OPEN_CMD, Line.ALARM, Line.PORT_LAMP})
BOUNCE_S: Final = 0.02
CHECK_INTERVAL_S: Final = 1.0  # how long a dead server may spin its client's thread
Pull = Literal["up", "down", "floating"]
# AttributeError: gpiozero asks a connection that has become None.
_FAILURES: Final = (OSError, struct.error, AttributeError, pigpio.error, GPIOZeroError)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """One line: BCM number, polarity, and the pull of an input."""

    pin: int
    active_high: bool = True
    pull: Pull = "floating"


def open_factory(name: str, host: str = "127.0.0.1", port: int = 8888) -> Factory:
    """The pin factory of that name, "lgpio" or "pigpio"; raises `DeviceFault` for any other, `LinkDown` if absent."""
    if name == "pigpio":
        try:
            # pigpio prints a page of advice to stdout when it cannot connect; our error says it shorter.
            with contextlib.redirect_stdout(io.StringIO()):
                return PiGPIOFactory(host=host, port=port)
        except _FAILURES as error:
            raise LinkDown("gpio", f"pigpio server at {host}:{port}: {error}") from error
    if name == "lgpio":
        try:
            from gpiozero.pins.lgpio import LGPIOFactory  # noqa: PLC0415 - only on a Pi

            return LGPIOFactory()
        except (ImportError, *_FAILURES) as error:
            raise LinkDown("gpio", f"lgpio: {error}") from error
    raise DeviceFault("gpio", f"unknown pin factory {name!r}", remedy="Set [gpio] factory to lgpio or pigpio.")


class GpioLines:
    """All lines of the cabinet. Construct on the running loop.

    Values are in positive logic. `read` is debounced: a level that differs from the last reported one counts
    once it has lasted `bounce_s`. While the pins are away every call raises `LinkDown`, and every
    `check_interval_s` they are tried again; outputs come back de-energised, which closes the shutter.
    """

    def __init__(
        self,
        factory: Callable[[], Factory],
        settings: Mapping[Line, LineSettings],
        *,
        bounce_s: float = BOUNCE_S,
        check_interval_s: float = CHECK_INTERVAL_S,
    ) -> None:
        self._open = factory
        self._settings = dict(settings)
        self._bounce_s = bounce_s
        self._check_interval_s = check_interval_s
        self._loop = asyncio.get_running_loop()
        self._factory: Factory | None = None
        self._devices: dict[Line, Any] = {}
        self._levels: dict[Line, bool] = {}  # debounced, as last reported
        self._differs_since: dict[Line, float] = {}
        self._listener: Callable[[Line, bool], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._why = "not opened yet"
        self._closed = False
        with contextlib.suppress(LinkDown):
            self._connect()
        self._schedule_check()

    def read(self, line: Line) -> bool:
        """The line's debounced level, or an output's last command; `LinkDown` when it cannot be known."""
        device = self._device(line)
        try:
            level = self._logic(line, device)
        except _FAILURES as error:
            raise self._lost(error) from error
        if line in OUTPUTS:
            return level
        return self._debounced(line, level)

    def write(self, line: Line, value: bool) -> None:  # noqa: FBT001 - a level is what is written
        """Drive an output; `DeviceFault` for an input, `LinkDown` when the pins are away."""
        if line not in OUTPUTS:
            raise DeviceFault("gpio", f"{line} is an input")
        device = self._device(line)
        try:
            if value:
                device.on()
            else:
                device.off()
        except _FAILURES as error:
            raise self._lost(error) from error

    def set_listener(self, listener: Callable[[Line, bool], None] | None) -> None:
        """Called on the event loop after each change of an input."""
        self._listener = listener

    def close(self) -> None:
        """De-energise the outputs and give the pins back; idempotent."""
        self._closed = True
        self._why = "closed"
        if self._timer is not None:
            self._timer.cancel()
        self._disconnect()

    # --- pins -----------------------------------------------------------------------------------------

    def _connect(self) -> None:
        try:
            self._factory = self._open()
            for line, settings in self._settings.items():
                self._devices[line] = self._claim(line, settings)
        except _FAILURES as error:
            raise self._lost(error) from error
        for line in self._devices:
            if line not in OUTPUTS:
                self._report(line, self.read_now(line))

    def read_now(self, line: Line) -> bool:
        """The line's level this instant, not debounced."""
        device = self._device(line)
        try:
            return self._logic(line, device)
        except _FAILURES as error:
            raise self._lost(error) from error

    def _claim(self, line: Line, settings: LineSettings) -> Device:
        if line in OUTPUTS:
            return DigitalOutputDevice(
                settings.pin, active_high=settings.active_high, initial_value=False, pin_factory=self._factory
            )
        pull_up = {"up": True, "down": False, "floating": None}[settings.pull]
        device = DigitalInputDevice(
            settings.pin,
            pull_up=pull_up,
            active_state=True if pull_up is None else None,
            bounce_time=self._bounce_s or None,
            pin_factory=self._factory,
        )
        # gpiozero calls a pulled-up line active when it is low; our polarity is a setting of its own.
        device.when_activated = lambda: self._enqueue(line, self._polarity(line, active=True))
        device.when_deactivated = lambda: self._enqueue(line, self._polarity(line, active=False))
        return device

    def _polarity(self, line: Line, *, active: bool) -> bool:
        settings = self._settings[line]
        level = active != (settings.pull == "up" and line not in OUTPUTS)
        return level == settings.active_high

    def _logic(self, line: Line, device: Any) -> bool:  # noqa: ANN401 - gpiozero is untyped
        active = bool(device.value)
        return active if line in OUTPUTS else self._polarity(line, active=active)

    def _device(self, line: Line) -> Any:  # noqa: ANN401 - gpiozero is untyped
        if line not in self._settings:
            raise DeviceFault("gpio", f"{line} is not configured", remedy="Add it to [gpio.lines].")
        if line not in self._devices:
            raise LinkDown("gpio", self._why)
        return self._devices[line]

    def _lost(self, error: BaseException) -> LinkDown:
        """The pins are gone: remember why, stop the client's thread."""
        self._why = str(error).removeprefix("gpio: ") if isinstance(error, LinkDown) else repr(error)
        self._disconnect()
        return LinkDown("gpio", self._why)

    def _disconnect(self) -> None:
        factory, self._factory = self._factory, None
        devices, self._devices = list(self._devices.values()), {}
        if not self._closed:  # a lost connection: stop its thread first, closing pins would talk to it
            _stop_client(factory)
        for device in devices:
            with contextlib.suppress(*_FAILURES):
                if isinstance(device, DigitalOutputDevice):
                    device.off()
                device.close()
        if factory is not None:
            with contextlib.suppress(*_FAILURES):
                factory.close()
            _stop_client(factory)

    # --- changes --------------------------------------------------------------------------------------

    def _enqueue(self, line: Line, value: bool) -> None:  # noqa: FBT001 - a level
        """Runs on gpiozero's thread: nothing but hand over to the loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(self._report, line, value)

    def _debounced(self, line: Line, level: bool) -> bool:  # noqa: FBT001 - a level
        known = self._levels.setdefault(line, level)
        if level == known:
            self._differs_since.pop(line, None)
            return known
        since_s = self._differs_since.setdefault(line, self._loop.time())
        if self._loop.time() - since_s < self._bounce_s:
            return known
        self._report(line, level)  # the edge was missed or is on its way; the level is what counts
        return level

    def _report(self, line: Line, value: bool) -> None:  # noqa: FBT001 - a level
        if self._closed:
            return
        self._differs_since.pop(line, None)
        first = line not in self._levels
        if self._levels.get(line) != value:
            self._levels[line] = value
            if self._listener is not None and not first:
                self._listener(line, value)

    def _schedule_check(self) -> None:
        self._timer = self._loop.call_later(self._check_interval_s, self._check)

    def _check(self) -> None:
        """Notice a dead server, and a live one again; look at every input for a missed edge."""
        if self._closed:
            return
        with contextlib.suppress(LinkDown):
            if self._factory is None:
                self._connect()
            else:
                for line in list(self._devices):
                    self.read(line)
        self._schedule_check()


def _stop_client(factory: Factory | None) -> None:
    """End pigpio's notification thread, which would spin on a dead socket, and forget the sockets.

    pigpio offers no way to do this once the server is gone: its own `stop` writes to the dead socket first.
    """
    connection = getattr(factory, "_connection", None)
    if connection is None:
        return
    notify = getattr(connection, "_notify", None)
    if notify is not None:
        notify.go = False
        with contextlib.suppress(OSError, AttributeError):
            notify.sl.s.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits; it closes the socket itself
        connection._notify = None  # noqa: SLF001
    with contextlib.suppress(OSError, AttributeError):
        connection.sl.s.close()
    with contextlib.suppress(AttributeError):
        connection.sl.s = None
