"""The serial edge on real ptys: bytes both ways, unplugging, coming back, exclusiveness."""

import asyncio
import contextlib
import os
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from firmware_bridge.errors import DeviceChanged, LinkDown
from firmware_bridge.identity import check_identity
from firmware_bridge.interfaces import Transport
from firmware_bridge.serial_port import (
    BOARD_SETTINGS,
    EBDS_SETTINGS,
    LABEL_PRINTER_SETTINGS,
    QUEUED_BYTES_MAX,
    SSP_SETTINGS,
    SerialPort,
)


class Adapter:
    """A pty behind a stable path, which can be pulled out and plugged in again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1

    def plug(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def pull(self) -> None:
        os.close(self.master)
        self.master = -1
        self.path.unlink()

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)

    async def read(self, size: int) -> bytes:
        found = b""
        async with asyncio.timeout(5):
            while len(found) < size:
                with contextlib.suppress(BlockingIOError, OSError):
                    found += os.read(self.master, 4096)
                await asyncio.sleep(0)
        return found


class Links:
    """Collects the port's comings and goings and lets a test wait for one."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bool] = asyncio.Queue()

    def __call__(self, is_open: bool) -> None:
        self._queue.put_nowait(is_open)

    async def next(self) -> bool:
        async with asyncio.timeout(5):
            return await self._queue.get()


Scene = Callable[[SerialPort, Adapter, Links], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scene], Awaitable[None]]:
    async def run(scene: Scene) -> None:
        adapter, links = Adapter(tmp_path / "validator"), Links()
        port = SerialPort(
            str(adapter.path),
            SSP_SETTINGS,
            name="validator",
            reopen_first_s=0.001,
            reopen_max_s=0.01,
            on_link=links,
        )
        try:
            await scene(port, adapter, links)
        finally:
            port.close()
            port.close()
            adapter.close()

    return run


async def test_a_port_without_parity_is_opened_all_the_same_and_again(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path / "validator")
    adapter.plug()
    for _ in range(2):  # a pty refuses 7E1, the second time with an error
        port = SerialPort(str(adapter.path), EBDS_SETTINGS, name="validator")
        assert port.open()
        port.close()
    adapter.close()


async def test_bytes_go_both_ways(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def scene(port: SerialPort, adapter: Adapter, links: Links) -> None:
        adapter.plug()
        assert port.open()
        transport: Transport = port
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        transport.set_receiver(arrived.put_nowait)
        transport.write(b"\x7f\x80\x01\x11\x65\x82")
        assert await adapter.read(6) == b"\x7f\x80\x01\x11\x65\x82"
        os.write(adapter.master, b"\x7f\x80\x01\xf0\x23\x80")
        async with asyncio.timeout(5):
            assert await arrived.get() == b"\x7f\x80\x01\xf0\x23\x80"

    await play(scene)


async def test_a_port_that_is_not_there_yet_opens_when_it_appears(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def scene(port: SerialPort, adapter: Adapter, links: Links) -> None:
        assert not port.open()
        with pytest.raises(LinkDown):
            port.write(b"x")
        adapter.plug()
        assert await links.next()
        port.write(b"x")
        assert await adapter.read(1) == b"x"

    await play(scene)


async def test_a_pulled_adapter_is_opened_again_under_its_stable_path(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def scene(port: SerialPort, adapter: Adapter, links: Links) -> None:
        adapter.plug()
        port.open()
        assert await links.next()
        for _ in range(2):
            adapter.pull()
            assert not await links.next()
            with pytest.raises(LinkDown):
                port.write(b"x")
            adapter.plug()
            assert await links.next()
            port.write(b"again")
            assert await adapter.read(5) == b"again"

    await play(scene)


async def test_a_closed_port_stays_closed(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def scene(port: SerialPort, adapter: Adapter, links: Links) -> None:
        assert not port.open()
        port.close()
        adapter.plug()
        assert not port.is_open
        with pytest.raises(LinkDown):
            port.write(b"x")

    await play(scene)


async def test_a_second_controller_cannot_open_the_port(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def scene(port: SerialPort, adapter: Adapter, links: Links) -> None:
        adapter.plug()
        assert port.open()
        second = SerialPort(str(adapter.path), SSP_SETTINGS)
        assert not second.open()
        second.close()

    await play(scene)


async def test_the_queue_is_bounded_and_drains_in_order(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def scene(port: SerialPort, adapter: Adapter, links: Links) -> None:
        adapter.plug()
        port.open()
        sent: list[bytes] = []

        def fill() -> None:
            for n in range(QUEUED_BYTES_MAX):
                port.write(n.to_bytes(4, "big") * 256)
                sent.append(n.to_bytes(4, "big") * 256)

        with pytest.raises(LinkDown, match="no more"):  # the other side does not read: the kernel's buffer fills
            fill()
        assert await adapter.read(1024 * len(sent)) == b"".join(sent)

    await play(scene)


def test_parameters_of_the_devices() -> None:
    assert (SSP_SETTINGS.baud, SSP_SETTINGS.stop_bits) == (9600, 2)
    assert (BOARD_SETTINGS.baud, BOARD_SETTINGS.stop_bits) == (115_200, 1)
    assert (LABEL_PRINTER_SETTINGS.baud, LABEL_PRINTER_SETTINGS.stop_bits) == (9600, 1)


def test_another_serial_number_is_another_device() -> None:
    check_identity("validator", 7, None)
    check_identity("validator", 7, 7)
    with pytest.raises(DeviceChanged) as changed:
        check_identity("validator", 8, 7)
    assert "accept" in changed.value.remedy
