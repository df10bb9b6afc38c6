"""One SSP conversation over a `Transport`: requests one at a time, retries, encryption, loss of session.

The protocol rules live in `protocols.ssp.link` and `protocols.ssp.crypto`; this file gives them bytes and
the event loop's time.
"""

import asyncio
from typing import Final

from firmware_bridge.errors import DeviceRestarted, LinkDown
from firmware_bridge.interfaces import Transport
from firmware_bridge.protocols.ssp.crypto import SecureChannel, is_encrypted
from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.link import REPLY_TIMEOUT_S, RETRIES_MAX, SYNC, HostLink
from firmware_bridge.protocols.ssp.replies import Generic

# A reply that does not decrypt may be a stale one; this many to one request mean that the keys differ.
_UNREADABLE_REPLIES_MAX: Final = 3


class SspSession:
    """Exchanges DATA fields with one address. After `DeviceRestarted` or `LinkDown`, `sync` comes first.

    A caller that is cancelled does not tear an exchange in two: the exchange is finished behind its back,
    because a command without its reply leaves both sequence flags in doubt.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        device: str,
        address: int = 0,
        timeout_s: float = REPLY_TIMEOUT_S,
        retries_max: int = RETRIES_MAX,
    ) -> None:
        self._transport = transport
        self._device = device
        self._link = HostLink(address, timeout_s=timeout_s, retries_max=retries_max)
        self._channel: SecureChannel | None = None
        self._lock = asyncio.Lock()
        self._reply: asyncio.Future[bytes] | None = None
        self._running: asyncio.Task[bytes] | None = None
        self._unreadable = 0
        self.gap_seen = False  # set by every retransmission; whoever checks the serial number clears it
        transport.set_receiver(self._receive)

    async def sync(self) -> None:
        """SYNC, in clear; forgets the keys. Raises `LinkDown`."""
        await self._guarded(SYNC, fresh=True)

    def secure(self, channel: SecureChannel) -> None:
        """Encrypt everything from here on."""
        self._channel = channel

    async def exchange(self, data: bytes) -> bytes:
        """Send a command's DATA field; returns the reply's, decrypted. `LinkDown` or `DeviceRestarted`."""
        return await self._guarded(data, fresh=False)

    def close(self) -> None:
        """Stop listening; a running exchange is given up."""
        self._transport.set_receiver(None)
        if self._running is not None:
            self._running.cancel()
        self._link.abandon()

    async def settled(self) -> None:
        """Wait for an exchange that goes on behind a cancelled caller; whether it left a gap is known then."""
        if self._running is not None and not self._running.done():
            await asyncio.wait({self._running})

    async def _guarded(self, data: bytes, *, fresh: bool) -> bytes:
        async with self._lock:
            await self.settled()
            if fresh:
                self._channel = None
            self._running = asyncio.get_running_loop().create_task(self._exchange(data))
            self._running.add_done_callback(_retrieve)
            return await asyncio.shield(self._running)

    async def _exchange(self, data: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        if data != SYNC and not self._link.synchronised:
            raise DeviceRestarted(self._device, "no session")
        wire: bytes | None = self._link.send(self._channel.seal(data) if self._channel else data, loop.time())
        self._unreadable = 0
        self._reply = loop.create_future()
        try:
            while wire is not None:
                self._write(wire)
                await asyncio.wait({self._reply}, timeout=max(0.0, self._link.deadline_s - loop.time()))
                if self._reply.done():
                    return self._checked(self._reply.result())
                wire = self._link.expire(loop.time())
                self.gap_seen = True
        finally:
            self._reply = None
            if self._link.waiting:
                self._link.abandon()
        raise LinkDown(self._device, "no answer after all retries")

    def _write(self, wire: bytes) -> None:
        try:
            self._transport.write(wire)
        except LinkDown:
            # The port may come back within the retries (USB re-enumeration); a lost write is a lost frame.
            self.gap_seen = True

    def _checked(self, data: bytes) -> bytes:
        if data[0] == Generic.KEY_NOT_SET:
            self._link.abandon()
            raise DeviceRestarted(self._device, "it has no keys any more")
        return data

    def _receive(self, chunk: bytes) -> None:
        for field in self._link.receive(chunk):
            if self._reply is None or self._reply.done():
                return
            try:
                data = self._opened(field)
            except DeviceRestarted as lost:
                self._link.abandon()
                self._reply.set_exception(lost)
                return
            if data is not None:
                self._link.settle()
                self._reply.set_result(data)

    def _opened(self, field: bytes) -> bytes | None:
        if self._channel is None:
            return field
        if not is_encrypted(field):
            # Whatever a plain reply says, it is not from the session that we encrypt for.
            raise DeviceRestarted(self._device, f"plain reply {field[:1].hex()} to an encrypted command")
        try:
            return self._channel.open(field)
        except SspError as error:
            self._unreadable += 1
            if self._unreadable >= _UNREADABLE_REPLIES_MAX:
                raise DeviceRestarted(self._device, f"its replies do not decrypt: {error}") from error
            return None


def _retrieve(task: asyncio.Task[bytes]) -> None:
    """Take a finished task's exception, so that one nobody waits for any more is not logged as lost."""
    if not task.cancelled():
        task.exception()
