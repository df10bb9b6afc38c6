"""One ccTalk conversation over a `Transport`: commands one at a time, retries, BUSY, a quiet line after a gap.

The protocol's rules live in `protocols.cctalk.link`; this file gives them bytes and the event loop's time.
"""

import asyncio
from typing import Final

from firmware_bridge.errors import CommandRefused, LinkDown
from firmware_bridge.interfaces import Transport
from firmware_bridge.protocols.cctalk.framing import GAP_S, Checksum, Packet
from firmware_bridge.protocols.cctalk.headers import Header
from firmware_bridge.protocols.cctalk.link import ATTEMPTS_MAX, HostLink

_BUSY_PAUSE_S: Final = 0.2
_BUSY_MAX: Final = 10
_QUIET_S: Final = 2 * GAP_S


class CctalkSession:
    """Exchanges data with one address.

    A caller that is cancelled does not tear an exchange in two: it is finished behind its back, because a route order
    without its reply would leave in doubt whether the bill moves.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        device: str,
        address: int,
        checksum: Checksum,
        echo: bool,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        self._transport = transport
        self._device = device
        self._link = HostLink(address, checksum, echo=echo, attempts_max=attempts_max)
        self._lock = asyncio.Lock()
        self._reply: asyncio.Future[Packet] | None = None
        self._running: asyncio.Task[bytes] | None = None
        self._unquiet = False  # a try went unanswered: its reply may still come
        self._closed = False
        self.gap_seen = False  # set by every try that was not answered; whoever checks the serial number clears it
        transport.set_receiver(self._receive)

    async def exchange(self, header: Header, data: bytes = b"", *, attempts: int | None = None) -> bytes:
        """The data of the reply. `LinkDown` after every try, `CommandRefused` when the device stays busy."""
        async with self._lock:
            if self._running is not None and not self._running.done():
                await asyncio.wait({self._running})
            if self._closed:
                raise LinkDown(self._device, "closed")
            self._running = asyncio.get_running_loop().create_task(self._until_free(header, data, attempts))
            self._running.add_done_callback(_retrieve)
            return await asyncio.shield(self._running)

    def close(self) -> None:
        """Stop listening; a running exchange is given up."""
        self._closed = True
        self._transport.set_receiver(None)
        if self._running is not None:
            self._running.cancel()
        self._link.abandon()

    async def _until_free(self, header: Header, data: bytes, attempts: int | None) -> bytes:
        for _ in range(_BUSY_MAX):
            packet = await self._exchange(header, data, attempts)
            if packet.header != Header.BUSY:
                return packet.data
            await asyncio.sleep(_BUSY_PAUSE_S)
        raise CommandRefused(self._device, f"{header.name}: it stays busy", code=Header.BUSY)

    async def _exchange(self, header: Header, data: bytes, attempts: int | None) -> Packet:
        loop = asyncio.get_running_loop()
        if self._unquiet:
            # Without sequence numbers a reply that comes late would be taken for the next command's.
            await asyncio.sleep(_QUIET_S)
            self._unquiet = False
        wire: bytes | None = self._link.send(header, data, loop.time(), attempts_max=attempts)
        self._reply = loop.create_future()
        try:
            while wire is not None:
                self._write(wire)
                await asyncio.wait({self._reply}, timeout=max(0.0, self._link.deadline_s - loop.time()))
                if self._reply.done():
                    return self._reply.result()
                wire = self._link.expire(loop.time())
                self.gap_seen = self._unquiet = True
        finally:
            self._reply = None
            self._link.abandon()
        raise LinkDown(self._device, f"no answer to {header.name} after all tries")

    def _write(self, wire: bytes) -> None:
        try:
            self._transport.write(wire)
        except LinkDown:
            # The port may come back within the tries (USB re-enumeration); a lost write is a lost packet.
            self.gap_seen = True

    def _receive(self, chunk: bytes) -> None:
        packet = self._link.receive(chunk, asyncio.get_running_loop().time())
        if packet is not None and self._reply is not None and not self._reply.done():
            self._reply.set_result(packet)


def _retrieve(task: asyncio.Task[bytes]) -> None:
    """Take a finished task's exception, so that one nobody waits for any more is not logged as lost."""
    if not task.cancelled():
        task.exception()
