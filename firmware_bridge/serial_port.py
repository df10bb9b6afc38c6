"""Serial ports behind `interfaces.Transport`: stable path, exclusive, opened again after re-enumeration.

pyserial sets up the line; the event loop watches the file descriptor itself (`add_reader`), so no thread
is involved. Works on real ports, USB adapters and pty slaves alike.
"""

import asyncio
import contextlib
import logging
import os
import termios
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import serial

from firmware_bridge.errors import LinkDown

_log = logging.getLogger(__name__)

READ_BYTES_MAX: Final = 4096
QUEUED_BYTES_MAX: Final = 16_384  # some 14 s at 9600 baud: more than any request of ours
REOPEN_FIRST_S: Final = 0.1
REOPEN_MAX_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Line parameters; no flow control for any device that we drive."""

    baud: int
    stop_bits: int
    data_bits: int = 8
    even_parity: bool = False


SSP_SETTINGS: Final = SerialSettings(9600, 2)  # 8N2
EBDS_SETTINGS: Final = SerialSettings(9600, 1, data_bits=7, even_parity=True)  # 7E1
CCTALK_SETTINGS: Final = SerialSettings(9600, 1)  # 8N1
BOARD_SETTINGS: Final = SerialSettings(115_200, 1)
LABEL_PRINTER_SETTINGS: Final = SerialSettings(9600, 1)


class SerialPort:
    """One port. `open` once, on the loop; from then on it keeps itself open until `close`.

    While the port is away `write` raises `LinkDown` and opening is tried again after 0.1 s, then after twice
    as long each time, up to 5 s. `path` should be a stable one (`/dev/serial/by-path/...`): the kernel's
    numbers change when an adapter is plugged again.
    """

    def __init__(
        self,
        path: str,
        settings: SerialSettings,
        *,
        name: str = "",
        reopen_first_s: float = REOPEN_FIRST_S,
        reopen_max_s: float = REOPEN_MAX_S,
        on_link: Callable[[bool], None] | None = None,
    ) -> None:
        self._path = path
        self._settings = settings
        self._name = name or path
        self._reopen_first_s = reopen_first_s
        self._reopen_max_s = reopen_max_s
        self._reopen_s = reopen_first_s
        self._on_link = on_link
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port: serial.Serial | None = None
        self._fd = -1
        self._timer: asyncio.TimerHandle | None = None
        self._receiver: Callable[[bytes], None] | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._why = "not opened yet"
        self._closed = False
        self._tap: Callable[[str, bytes], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the port is there now."""
        return self._port is not None

    def open(self) -> bool:
        """Open now or, failing that, as soon as the port appears. Returns whether it is open."""
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._try_open()
        return self.is_open

    def write(self, data: bytes) -> None:
        """Queue bytes; raises `LinkDown` while the port is away or does not take bytes any more."""
        if self._port is None:
            raise LinkDown(self._name, f"the port is not open: {self._why}")
        if self._queued_bytes + len(data) > QUEUED_BYTES_MAX:
            raise LinkDown(self._name, "the port takes no more bytes")
        if self._tap is not None:
            self._tap("TX", data)
        self._queue.append(data)
        self._queued_bytes += len(data)
        self._flush()
        if self._port is None:
            raise LinkDown(self._name, f"the port is gone: {self._why}")

    def set_receiver(self, receiver: Callable[[bytes], None] | None) -> None:
        """Who is called with each chunk; chunks that arrive without a receiver are dropped."""
        self._receiver = receiver

    def set_tap(self, tap: Callable[[str, bytes], None] | None) -> None:
        """Who hears what goes over the line, `TX` and `RX`; None: nobody. It must not block and changes nothing."""
        self._tap = tap

    def close(self) -> None:
        """Give the port back; idempotent."""
        self._closed = True
        self._why = "closed"
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._release()

    def _try_open(self) -> None:
        self._timer = None
        if self._loop is None or self._closed or self._port is not None:
            return
        port = None
        try:
            port = serial.Serial(
                self._path,
                baudrate=self._settings.baud,
                bytesize=serial.EIGHTBITS,
                parity=serial.PARITY_NONE,
                stopbits=serial.STOPBITS_TWO if self._settings.stop_bits > 1 else serial.STOPBITS_ONE,
                timeout=0,
                write_timeout=0,
                exclusive=True,  # a second controller must not talk between our frames
            )
            self._frame(port)
            self._fd = port.fileno()
            self._loop.add_reader(self._fd, self._readable)
        except (OSError, ValueError, termios.error) as error:  # serial.SerialException is an OSError
            if port is not None:
                port.close()
            self._why = str(error)
            self._timer = self._loop.call_later(self._reopen_s, self._try_open)
            self._reopen_s = min(2 * self._reopen_s, self._reopen_max_s)
            return
        self._port = port
        self._reopen_s = self._reopen_first_s
        if self._on_link is not None:
            self._on_link(self.is_open)

    def _frame(self, port: serial.Serial) -> None:
        """Seven bits and parity where there is a line that has them: a USB device's own port or a pty refuses both.

        A real adapter that cannot do it lets no frame through, so this can only end in `LinkDown`.
        """
        try:
            if self._settings.even_parity:
                port.parity = serial.PARITY_EVEN
            if self._settings.data_bits != serial.EIGHTBITS:
                port.bytesize = self._settings.data_bits
        except termios.error as error:
            _log.info("%s keeps 8 bits without parity: %s", self._name, error)

    def _readable(self) -> None:
        try:
            chunk = os.read(self._fd, READ_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(str(error))
            return
        if not chunk:
            self._lost("end of file: the device was unplugged")
        else:
            if self._tap is not None:
                self._tap("RX", chunk)
            if self._receiver is not None:
                self._receiver(chunk)

    def _flush(self) -> None:
        while self._queue:
            try:
                sent = os.write(self._fd, self._queue[0])
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._lost(str(error))
                return
            self._queued_bytes -= sent
            rest = self._queue.popleft()[sent:]
            if rest:
                self._queue.appendleft(rest)
                if self._loop is not None:
                    self._loop.add_writer(self._fd, self._flush)
                return
        if self._loop is not None:
            self._loop.remove_writer(self._fd)

    def _lost(self, why: str) -> None:
        self._release()
        self._why = why
        if self._loop is not None and not self._closed:
            self._timer = self._loop.call_later(self._reopen_s, self._try_open)

    def _release(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0
        if self._port is None:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
        with contextlib.suppress(OSError):
            self._port.close()
        self._port = None
        self._fd = -1
        if self._on_link is not None:
            self._on_link(self.is_open)
