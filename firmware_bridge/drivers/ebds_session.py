"""One EBDS conversation over a `Transport`: messages one at a time, attempts, the toggle.

The rules live in `protocols.ebds.link`; this file gives them bytes and the event loop's time.
"""

import asyncio
import contextlib

from firmware_bridge.errors import LinkDown
from firmware_bridge.interfaces import Transport
from firmware_bridge.protocols.ebds.framing import Frame, MessageType
from firmware_bridge.protocols.ebds.link import ATTEMPTS_MAX, REPLY_TIMEOUT_S, HostLink


class EbdsSession:
    """Exchanges messages. Raises `LinkDown` when no attempt was answered.

    A caller that is cancelled does not tear an exchange in two: it is finished behind its back, and its reply is
    kept in `orphans`, because an event in it is told only once.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        device: str,
        timeout_s: float = REPLY_TIMEOUT_S,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        self._transport = transport
        self._device = device
        self._link = HostLink(timeout_s=timeout_s, attempts_max=attempts_max)
        self._lock = asyncio.Lock()
        self._reply: asyncio.Future[Frame] | None = None
        self._running: asyncio.Task[Frame] | None = None
        self.orphans: list[Frame] = []  # replies that nobody waited for any more; their reader clears it
        transport.set_receiver(self._receive)

    @property
    def toggle(self) -> int:
        """Of the next message."""
        return self._link.toggle

    async def exchange(self, message_type: MessageType, data: bytes) -> Frame:
        """Send one message; returns the frame that answers it."""
        async with self._lock:
            await self.settled()
            self._running = asyncio.get_running_loop().create_task(self._exchange(message_type, data))
            try:
                return await asyncio.shield(self._running)
            except asyncio.CancelledError:
                self._running.add_done_callback(self._keep)
                raise

    async def shout(self, message_type: MessageType, data: bytes) -> None:
        """Send a message that has no answer."""
        async with self._lock:
            await self.settled()
            self._transport.write(self._link.shout(message_type, data))

    async def settled(self) -> None:
        """Wait for an exchange that goes on behind a cancelled caller."""
        if self._running is not None and not self._running.done():
            await asyncio.wait({self._running})

    def close(self) -> None:
        """Stop listening; a running exchange is given up."""
        self._transport.set_receiver(None)
        if self._running is not None:
            self._running.cancel()
        self._link.abandon()

    def _keep(self, task: asyncio.Task[Frame]) -> None:
        if not task.cancelled() and task.exception() is None:
            self.orphans.append(task.result())

    async def _exchange(self, message_type: MessageType, data: bytes) -> Frame:
        loop = asyncio.get_running_loop()
        wire: bytes | None = self._link.send(message_type, data, loop.time())
        self._reply = loop.create_future()
        try:
            while wire is not None:
                self._write(wire)
                await asyncio.wait({self._reply}, timeout=max(0.0, self._link.deadline_s - loop.time()))
                if self._reply.done():
                    return self._reply.result()
                wire = self._link.expire(loop.time())
        finally:
            self._reply = None
            if self._link.waiting:
                self._link.abandon()
        raise LinkDown(self._device, "no answer after all attempts")

    def _write(self, wire: bytes) -> None:
        with contextlib.suppress(LinkDown):  # the port may come back within the attempts; a lost write is a lost frame
            self._transport.write(wire)

    def _receive(self, chunk: bytes) -> None:
        frame = self._link.receive(chunk, asyncio.get_running_loop().time())
        if frame is not None and self._reply is not None and not self._reply.done():
            self._reply.set_result(frame)
