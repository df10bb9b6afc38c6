"""The serial end of one device: a pty whose slave the product opens by a stable path."""

import asyncio
import logging
import os
import pty
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_log = logging.getLogger(__name__)

READ_BYTES_MAX = 4096


class SerialDevice(Protocol):
    """A device with a serial port."""

    output: Callable[[bytes], None] | None

    def feed(self, data: bytes) -> None: ...


class PtyEdge:
    """Joins a device to a symlinked pty.

    Our own hold on the slave keeps the master alive while nobody, or a killed process, has it open. A device
    without power is mute; the port stays, as the adapter's does.
    """

    def __init__(self, device: SerialDevice, link: Path) -> None:
        self.link = link
        self.exchanges = 0  # chunks that the product sent; most are one frame, answered by one
        self.bytes_dropped = 0  # nobody read them: a serial line does not wait
        self._device = device
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def open(self) -> None:
        """Begin; the symlink replaces a stale one atomically."""
        self.link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.path)
        fresh.replace(self.link)
        self._device.output = self._write
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def close(self) -> None:
        """Take the port away."""
        asyncio.get_running_loop().remove_reader(self._master)
        self._device.output = None
        if self.link.is_symlink() and str(self.link.readlink()) == self.path:
            self.link.unlink()
        os.close(self._master)
        os.close(self._slave)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES_MAX)
        except BlockingIOError:
            return
        self.exchanges += 1
        self._device.feed(data)

    def _write(self, data: bytes) -> None:
        try:
            sent = os.write(self._master, data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.bytes_dropped += len(data) - sent
            _log.debug("%s: %d bytes dropped, nobody reads", self.link.name, len(data) - sent)
