"""An MQTT proxy that is a bad network: it swallows, repeats, reorders and cuts, on both sides of a real broker.

TLS ends here, so that whole MQTT packets can be tampered with, as a failing broker would: a PUBLISH that is lost has
its PUBACK (a PUBACK proves nothing), one that is repeated comes twice, one that is held back is overtaken by the next.
Only the lanes of `LANES` are touched; everything else passes.
"""

import asyncio
import contextlib
import random
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

LANES: Final = (b"/record", b"/ack", b"/evidence", b"/evidence_ack")
PUBLISH: Final = 3
DUP: Final = 0x08
PACKET_BYTES_MAX: Final = 2 << 20
_LENGTH_BYTES_MAX: Final = 4  # MQTT 5, 1.5.5


@dataclass
class Weather:
    """How often what happens to a PUBLISH, as shares; and what did happen."""

    rng: random.Random
    lost: float = 0.002
    repeated: float = 0.01
    overtaken: float = 0.01
    cut: float = 0.0002  # the whole connection
    happened: Counter[str] = field(default_factory=Counter)

    def fate(self) -> str:
        """What becomes of the next PUBLISH."""
        drawn = self.rng.random()
        for name in ("lost", "repeated", "overtaken", "cut"):
            drawn -= getattr(self, name)
            if drawn < 0:
                self.happened[name] += 1
                return name
        return "passed"


class MqttProxy:
    """Listens on a port of its own and carries each connection to the broker."""

    def __init__(self, weather: Weather, inside: ssl.SSLContext, outside: ssl.SSLContext, broker_port: int) -> None:
        """`inside` is the broker's side of TLS towards clients, `outside` a client's towards the broker."""
        self._weather, self._inside, self._outside = weather, inside, outside
        self._broker_port = broker_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on loopback; the port."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", port, ssl=self._inside)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        try:
            up_reader, up_writer = await asyncio.open_connection(
                "127.0.0.1", self._broker_port, ssl=self._outside, server_hostname="localhost"
            )
            writers.append(up_writer)
            pumps = {
                asyncio.ensure_future(self._pump(reader, up_writer, writer)),
                asyncio.ensure_future(self._pump(up_reader, writer, up_writer)),
            }
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the broker is not there, or we are stopped: the client sees a connection that ends
        finally:
            for each in writers:
                each.transport.abort()
            self._tasks.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        held = b""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while not (onward.is_closing() or back.is_closing()):
                packet, body = await _packet(reader)
                fate = self._weather.fate() if _tampered_with(packet[0], body) else "passed"
                if fate == "cut":
                    return
                if fate == "lost":
                    back.write(b"\x40\x02" + _packet_id(body))
                elif fate == "overtaken" and not held:
                    held = packet
                    continue
                else:
                    onward.write(packet)
                    if fate == "repeated":
                        onward.write(bytes([packet[0] | DUP]) + packet[1:])
                onward.write(held)
                held = b""
                await onward.drain()


def _tampered_with(head: int, body: bytes) -> bool:
    if head >> 4 != PUBLISH or not head & 0x06:  # QoS 0 has no packet id
        return False
    return body[2 : 2 + int.from_bytes(body[:2])].endswith(LANES)


def _packet_id(body: bytes) -> bytes:
    at = 2 + int.from_bytes(body[:2])
    return body[at : at + 2]


async def _packet(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One whole packet, and its body behind the fixed header."""
    head = await reader.readexactly(1)
    length = 0
    for shift in range(0, 7 * _LENGTH_BYTES_MAX, 7):
        byte = await reader.readexactly(1)
        head += byte
        length |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            break
    if length > PACKET_BYTES_MAX:
        raise ConnectionError(f"a packet of {length} bytes")
    body = await reader.readexactly(length)
    return head + body, body
