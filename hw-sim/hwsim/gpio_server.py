"""A server of the pigpio socket protocol for the world's discrete lines, for gpiozero's PiGPIOFactory.

Facts from RECIPES.md: requests are four u32 little-endian (command, p1, p2, p3) and p3 bytes; replies are 16 bytes
with the result last, in one write each. A second connection registers for notifications and then receives
12-byte reports. Idle levels are held before anybody connects.
"""

import asyncio
import contextlib
import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from hwsim.lines import OUTPUTS, LineLevels, Role

_log = logging.getLogger(__name__)

PINS: Final = {
    Role.SHUTTER_OPEN_CMD: 17,
    Role.SHUTTER_CLOSED: 27,
    Role.SHUTTER_OPENED: 22,
    Role.DOOR_CLOSED: 23,
    Role.TAMPER: 24,
    Role.E_STOP: 25,
    Role.SERVICE_KEY: 5,
    Role.POWER_GOOD: 6,
    Role.HEADPHONES: 16,
    Role.ALARM: 12,
    Role.PORT_LAMP: 13,
}
HARDWARE_PI_4B: Final = 0xA03111
GPIO_MAX: Final = 53
INPUT, OUTPUT = 0, 1
PUD_UP: Final = 2
BAD_GPIO, BAD_MODE, BAD_LEVEL, UNKNOWN_COMMAND = -3, -4, -5, -88  # pigpio's error numbers
EXTENSION_BYTES_MAX: Final = 4096
BACKLOG_BYTES_MAX: Final = 65_536  # a listener that does not read is hung up on
_REQUEST: Final = struct.Struct("<IIII")
_REPLY: Final = struct.Struct("<IIIi")
_REPORT: Final = struct.Struct("<HHII")


class Cmd(IntEnum):
    """The commands that gpiozero's pins use."""

    MODES = 0
    MODEG = 1
    PUD = 2
    READ = 3
    WRITE = 4
    PWM = 5
    PRS = 6
    PFS = 7
    BR1 = 10
    TICK = 16
    HWVER = 17
    NB = 19
    NC = 21
    PRG = 22
    PFG = 23
    PIGPV = 26
    GDC = 83
    FG = 97  # glitch filter
    NOIB = 99


@dataclass(slots=True)
class _Pin:
    mode: int = INPUT
    pull: int = 0
    level: bool = False  # as last reported (glitch-filtered), or as driven
    duty: int = 0
    duty_range: int = 255
    frequency: int = 800
    glitch_us: int = 0
    settling: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Listener:
    """A notification connection."""

    writer: asyncio.StreamWriter
    monitor: int = 0
    sequence: int = 0


@dataclass(slots=True)
class GpioServer:
    """Serves `lines` on `host`:`port` (0 takes a free one)."""

    lines: LineLevels
    host: str = "127.0.0.1"
    port: int = 0
    _pins: dict[int, _Pin] = field(default_factory=lambda: {gpio: _Pin() for gpio in range(GPIO_MAX + 1)})
    _listeners: dict[int, _Listener] = field(default_factory=dict)
    _clients: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _handles: int = 0

    async def start(self) -> None:
        """Hold the idle levels, then listen."""
        for role, gpio in PINS.items():
            self._pins[gpio].level = self.lines.read(role)
        self.lines.observe(self._line_changed)
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    # --- connections -----------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._clients.add(task)
        handle: int | None = None
        try:
            while True:
                command, p1, p2, size = _REQUEST.unpack(await reader.readexactly(_REQUEST.size))
                if size > EXTENSION_BYTES_MAX:
                    return
                extension = await reader.readexactly(size) if size else b""
                if command == Cmd.NOIB:
                    handle = result = self._listen(writer)
                else:
                    result = self._execute(command, p1, p2, extension)
                writer.write(_REPLY.pack(command, p1, p2, result))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            _log.debug("gpio: a client left")
        except asyncio.CancelledError:
            _log.debug("gpio: hanging up")
        finally:
            self._clients.discard(task)
            if handle is not None:
                self._listeners.pop(handle, None)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _listen(self, writer: asyncio.StreamWriter) -> int:
        self._handles += 1
        self._listeners[self._handles] = _Listener(writer)
        return self._handles

    # --- commands --------------------------------------------------------------------------------------

    def _execute(self, command: int, p1: int, p2: int, extension: bytes) -> int:
        """The result: 0 or a value; negative is a pigpio error."""
        plain: dict[int, Callable[[], int]] = {
            Cmd.BR1: self._bank,
            Cmd.TICK: _signed_tick,
            Cmd.HWVER: lambda: HARDWARE_PI_4B,
            Cmd.PIGPV: lambda: 79,
            Cmd.NB: lambda: self._monitor(p1, p2),
            Cmd.NC: lambda: self._forget(p1),
        }
        if command in plain:
            return plain[command]()
        if p1 > GPIO_MAX:
            return BAD_GPIO
        del extension  # none of the commands served here needs one
        return self._pin_command(command, p1, p2)

    def _pin_command(self, command: int, gpio: int, value: int) -> int:
        pin = self._pins[gpio]
        commands: dict[int, Callable[[], int]] = {
            Cmd.MODES: lambda: self._set_mode(gpio, value),
            Cmd.MODEG: lambda: pin.mode,
            Cmd.PUD: lambda: self._set_pull(gpio, value),
            Cmd.READ: lambda: int(self._level(gpio)),
            Cmd.WRITE: lambda: self._write(gpio, value),
            Cmd.PWM: lambda: self._set_duty(gpio, value),
            Cmd.PRS: lambda: _put(pin, "duty_range", value),
            Cmd.PFS: lambda: _put(pin, "frequency", value),
            Cmd.PRG: lambda: pin.duty_range,
            Cmd.PFG: lambda: pin.frequency,
            Cmd.GDC: lambda: pin.duty,
            Cmd.FG: lambda: _put(pin, "glitch_us", value) * 0,
        }
        return commands[command]() if command in commands else UNKNOWN_COMMAND

    def _set_mode(self, gpio: int, mode: int) -> int:
        if mode > 7:  # noqa: PLR2004 - three bits
            return BAD_MODE
        self._pins[gpio].mode = mode
        role = _role(gpio)
        if role in OUTPUTS and mode != OUTPUT:  # let go: the board's resistor pulls it low
            self.lines.drive(role, level=False)
        return 0

    def _set_pull(self, gpio: int, pull: int) -> int:
        self._pins[gpio].pull = pull
        return 0

    def _write(self, gpio: int, value: int) -> int:
        if value > 1:
            return BAD_LEVEL
        self._pins[gpio].mode, self._pins[gpio].duty = OUTPUT, 0
        return self._drive(gpio, level=bool(value))

    def _set_duty(self, gpio: int, duty: int) -> int:
        self._pins[gpio].mode, self._pins[gpio].duty = OUTPUT, duty
        return self._drive(gpio, level=duty > 0)

    def _drive(self, gpio: int, *, level: bool) -> int:
        role = _role(gpio)
        if role in OUTPUTS:
            self.lines.drive(role, level=level)
        elif role is None:
            self._pins[gpio].level = level
        return 0  # driving a sensor's line burns a real pin; here nothing happens

    def _level(self, gpio: int) -> bool:
        role = _role(gpio)
        if role is not None:
            return self.lines.read(role)
        pin = self._pins[gpio]
        return pin.level if pin.mode == OUTPUT else pin.pull == PUD_UP

    def _bank(self) -> int:
        bits = sum(self._level(gpio) << gpio for gpio in range(32))
        return bits - (1 << 32) if bits >> 31 else bits

    # --- notifications ---------------------------------------------------------------------------------

    def _monitor(self, handle: int, bits: int) -> int:
        if handle in self._listeners:
            self._listeners[handle].monitor = bits
        return 0

    def _forget(self, handle: int) -> int:
        self._listeners.pop(handle, None)
        return 0

    def _line_changed(self, role: Role, _level: bool) -> None:  # noqa: FBT001 - an observer of LineLevels
        gpio = PINS[role]
        pin = self._pins[gpio]
        if pin.settling is not None:
            pin.settling.cancel()
        if pin.glitch_us:
            loop = asyncio.get_running_loop()
            pin.settling = loop.call_later(pin.glitch_us / 1_000_000, self._settled, gpio)
        else:
            self._settled(gpio)

    def _settled(self, gpio: int) -> None:
        pin = self._pins[gpio]
        level = self._level(gpio)
        if level == pin.level:
            return
        pin.level = level
        bank = sum((self._pins[n].level if _role(n) is not None else self._level(n)) << n for n in range(32))
        for handle, listener in tuple(self._listeners.items()):
            if not listener.monitor >> gpio & 1:
                continue
            if listener.writer.transport.get_write_buffer_size() > BACKLOG_BYTES_MAX:
                self._listeners.pop(handle)
                listener.writer.close()
                continue
            listener.writer.write(_REPORT.pack(listener.sequence & 0xFFFF, 0, _tick(), bank))
            listener.sequence += 1


_ROLES: Final = {gpio: role for role, gpio in PINS.items()}


def _role(gpio: int) -> Role | None:
    return _ROLES.get(gpio)


def _put(pin: _Pin, name: str, value: int) -> int:
    setattr(pin, name, value)
    return value


def _tick() -> int:
    return int(asyncio.get_running_loop().time() * 1_000_000) & 0xFFFFFFFF


def _signed_tick() -> int:
    tick = _tick()
    return tick - (1 << 32) if tick >> 31 else tick
