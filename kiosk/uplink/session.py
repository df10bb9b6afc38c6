"""One MQTT 5 session over mutual TLS 1.3, on paho: its thread only enqueues to the asyncio loop.

paho's own queue, reconnecting and window stay unused (its queue is in memory and unbounded, and it ignores
the server's Receive Maximum): every connection is a new client, and what had no PUBACK is published again by
`kiosk.uplink.window`. The broker keeps no session for the kiosk: acknowledgements are retained and cumulative.

The client id is the broker's choice: an id made of the kiosk's name would let any other certificate of this
broker take the connection over. A later connection names the assigned id again, so that the broker ends our own
half-open connection, and publishes its will, before the new birth and not after it.
"""

import asyncio
import contextlib
import logging
import random
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from kiosk.clock import Clock
from kiosk.uplink import renewal
from kiosk.uplink.renewal import Certificate
from kiosk.uplink.trouble import HUNG_UP, REFUSED, in_words

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 2.0
RENEWAL_S: Final = 60.0  # between two looks for a new certificate
RENEWAL_S_MAX: Final = 900.0
STEADY_S: Final = 30.0  # a connection that lived so long was one, though nothing had to be answered over it
RECEIVE_MAXIMUM: Final = 8  # acknowledgements the broker may send before ours
INCOMING_BYTES_MAX: Final = 1 << 20
QOS: Final = 1
NOBODY: Final = 0x10  # "no matching subscribers" (MQTT 5, 3.4.2.1): taken, and thrown away


@dataclass(frozen=True)
class Broker:
    """Where a broker listens."""

    host: str
    port: int


@dataclass(frozen=True)
class LinkSettings:
    """What a session needs; paths are PEM files."""

    brokers: tuple[Broker, ...]  # tried in turn; one over which the bank answers is stayed with
    ca: Path
    cert: Path
    key: Path
    keepalive_s: int = 20
    backoff_s: float = 1.0  # after all brokers failed once; doubles
    backoff_s_max: float = 60.0

    def __post_init__(self) -> None:
        """Refuse settings without a broker."""
        if not self.brokers:
            message = "at least one broker is needed"
            raise ValueError(message)


@dataclass(frozen=True)
class Connected:
    """CONNACK: publishing may begin. `receive_maximum` None when the server did not say."""

    broker: Broker
    receive_maximum: int | None
    certificate: Certificate | None = None  # ours, that the broker has taken


@dataclass(frozen=True)
class Disconnected:
    """The connection is gone, or none came about; `reason` is for a person."""

    reason: str


@dataclass(frozen=True)
class Settled:
    """PUBACK for the publish of this token; `accepted` false for a refusal, and when nobody was there to get it."""

    token: int
    accepted: bool
    reason: str


@dataclass(frozen=True)
class Received:
    """A message of a subscribed topic; `retained`: the broker had kept it, nobody may be there to say it now."""

    topic: str
    payload: bytes
    retained: bool = False


Event = Connected | Disconnected | Settled | Received


class Will(Protocol):
    """Makes the will of the next connection: topic and payload, retained."""

    def __call__(self) -> tuple[str, bytes]:
        """Called once per connection attempt, before CONNECT."""


class Link(Protocol):
    """What the uplink uses of a session; tests give it one without a network."""

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int | None:
        """Hand a QoS 1 publish to the connection; its token, or None when there is no connection."""

    def announce(self, topic: str, payload: bytes, *, expiry_s: int) -> None:
        """A retained QoS 0 publish that the broker forgets after `expiry_s`; nobody waits for it, it may be lost."""

    def drop(self, reason: str) -> None:
        """Close the present connection; a new one follows after the usual delay."""

    def working(self) -> None:
        """The bank answers over the present connection: when it is lost, this broker is tried first, and soon."""

    async def run(self, on_event: Callable[[Event], None], will: Will, subscribe: Sequence[str]) -> None:
        """Keep a connection until cancelled; events arrive on the loop, in order."""


def backoff_s(attempt: int, first_s: float, max_s: float, jitter: float) -> float:
    """Delay before round `attempt` (0 is the first retry): doubles up to `max_s`; `jitter` in [0, 1) halves at most."""
    return min(max_s, first_s * 2.0 ** min(attempt, 32)) * (0.5 + jitter / 2)


def tls_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """Mutual TLS 1.3, the server's name checked, no other authority trusted than `ca`."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(str(cert), str(key))
    return context


class Session:
    """Connects, reconnects and closes; see `Link`."""

    def __init__(self, settings: LinkSettings, clock: Clock, rng: random.Random | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._connection: _Connection | None = None
        self._client_ids: dict[Broker, str] = {}  # as each broker assigned it
        self._working = False

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int | None:
        return self._connection.publish(topic, payload, retain=retain) if self._connection else None

    def announce(self, topic: str, payload: bytes, *, expiry_s: int) -> None:
        if self._connection is not None:
            self._connection.announce(topic, payload, expiry_s=expiry_s)

    def drop(self, reason: str) -> None:
        if self._connection is not None:
            self._connection.lost(reason)

    def working(self) -> None:
        self._working = self._connection is not None

    async def run(self, on_event: Callable[[Event], None], will: Will, subscribe: Sequence[str]) -> None:
        renewing = asyncio.create_task(self._renew())
        try:
            await self._keep_connected(on_event, will, subscribe)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    # --- the client certificate ---------------------------------------------------------------------

    async def _renew(self) -> None:
        """Look for a new certificate, for good; one that cannot be used is tried again, less and less often."""
        pause_s = RENEWAL_S
        while True:
            try:
                if await self._renew_once():
                    self.drop("the client certificate is renewed")
                pause_s = RENEWAL_S
            except (OSError, TimeoutError, ValueError) as error:
                log.warning("the new client certificate is not used: %s", error)
                pause_s = min(2 * pause_s, RENEWAL_S_MAX)
            await self._clock.sleep(pause_s)

    async def _renew_once(self) -> bool:
        """Whether a new certificate was there, a broker has taken it, and it is in its place now."""
        settings = self._settings
        if await asyncio.to_thread(renewal.repair, settings.cert, settings.key):
            log.warning("a renewal of the client certificate had been broken off; it is finished")
            return True
        pair = await asyncio.to_thread(renewal.pending, settings.cert, settings.key)
        if pair is None:
            return False
        await self._try_out(replace(settings, cert=pair.cert, key=pair.key))
        await asyncio.to_thread(renewal.swap, settings.cert, settings.key)
        log.warning("the client certificate is renewed, until %s", pair.certificate.ends)
        return True

    async def _try_out(self, settings: LinkSettings) -> None:
        """Connect with these files, beside the present connection. The last broker's error when none takes them."""
        failure: Exception = ConnectionError("no broker")
        for broker in settings.brokers:
            connection = _Connection(settings, broker, "", None, (), lambda _event: None)
            try:
                await connection.open()
            except (OSError, TimeoutError, ValueError) as error:
                failure = error
            else:
                return
            finally:
                await connection.close()
        raise failure

    # --- the connection -----------------------------------------------------------------------------

    async def _keep_connected(self, on_event: Callable[[Event], None], will: Will, subscribe: Sequence[str]) -> None:
        brokers = self._settings.brokers
        turn = failures = 0
        while True:
            started_s = self._clock.monotonic_s()
            self._working = False
            connected = await self._connect_once(brokers[turn % len(brokers)], on_event, will(), subscribe)
            # A broker that accepts everybody and reaches nobody must not keep the others from being tried.
            if self._working or (connected and self._clock.monotonic_s() - started_s >= STEADY_S):
                failures = 0
            else:
                failures += 1
            turn += 0 if self._working else 1
            rounds = failures // len(brokers)
            # A broker that accepts and drops at once must not be hammered either: always wait.
            await self._clock.sleep(
                backoff_s(
                    max(0, rounds - 1), self._settings.backoff_s, self._settings.backoff_s_max, self._rng.random()
                )
            )

    async def _connect_once(
        self, broker: Broker, on_event: Callable[[Event], None], will: tuple[str, bytes], subscribe: Sequence[str]
    ) -> bool:
        """One connection from CONNECT to its end; whether CONNACK accepted it."""
        connection: _Connection | None = None
        try:
            client_id = self._client_ids.get(broker, "")
            connection = _Connection(self._settings, broker, client_id, will, subscribe, on_event)
            await connection.open()
            self._client_ids[broker] = connection.client_id
            self._connection = connection
            reason = await connection.ended
        except (OSError, TimeoutError, ValueError) as error:  # ssl.SSLError is an OSError
            settings = self._settings
            reason = f"{broker.host}:{broker.port}: {in_words(error, settings.cert, settings.key, settings.ca)}"
        finally:
            self._connection = None
            if connection is not None:
                await connection.close()
        log.warning("no connection to the bank: %s", reason)
        on_event(Disconnected(reason))
        return connection is not None and connection.accepted


class _Connection:
    """One paho client, used for one connection."""

    def __init__(
        self,
        settings: LinkSettings,
        broker: Broker,
        client_id: str,
        will: tuple[str, bytes] | None,
        subscribe: Sequence[str],
        on_event: Callable[[Event], None],
    ) -> None:
        self.client_id = client_id
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._broker = broker
        self._subscribe = [(name, QOS) for name in subscribe]
        self._on_event = on_event
        self._connack: asyncio.Future[Connected] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.accepted = False
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)  # the window is ours; 0 keeps paho from queueing before CONNACK
        if will is not None:
            topic, payload = will
            client.will_set(topic, payload, qos=QOS, retain=True)
        client.tls_set_context(tls_context(settings.ca, settings.cert, settings.key))
        self._certificate = renewal.read(settings.cert)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        self._client = client

    async def open(self) -> None:
        """TCP, TLS, CONNECT, CONNACK, SUBSCRIBE. OSError or TimeoutError when that fails."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it so
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = INCOMING_BYTES_MAX
        async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
            await asyncio.to_thread(
                self._client.connect,
                self._broker.host,
                self._broker.port,
                self._settings.keepalive_s,
                clean_start=True,
                properties=properties,
            )
            self._client.loop_start()
            either: list[asyncio.Future[Any]] = [self._connack, self.ended]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._connack.done():
            raise ConnectionError(self.ended.result())
        if self._subscribe:
            self._client.subscribe(self._subscribe)
        self.accepted = True
        self._on_event(self._connack.result())

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int | None:
        if self.ended.done():
            return None
        info = self._client.publish(topic, payload, qos=QOS, retain=retain)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def announce(self, topic: str, payload: bytes, *, expiry_s: int) -> None:
        if not self.ended.done():
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it so
            properties.MessageExpiryInterval = expiry_s
            self._client.publish(topic, payload, qos=0, retain=True, properties=properties)

    def lost(self, reason: str) -> None:
        """Note the end of the connection, once."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def close(self) -> None:
        """Say goodbye if the broker still listens, then end paho's thread in bounded time."""
        # With the will: the broker says `offline` for us, also when we leave of our own accord.
        self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.shield(self.ended)
        self._client.drop_out_messages()
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(self._client.loop_stop)
        self.lost("closed")

    # --- paho's thread: it may hold its lock, and exceptions would kill it; so only enqueue ---------

    def _enqueue(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(call)

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        maximum = getattr(properties, "ReceiveMaximum", None)
        assigned = getattr(properties, "AssignedClientIdentifier", self.client_id)
        if code.is_failure:
            self._enqueue(lambda: self.lost(f"{REFUSED}: {code}"))
        else:
            self._enqueue(lambda: self._connacked(Connected(self._broker, maximum, self._certificate), assigned))

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        where = f"{self._broker.host}:{self._broker.port}"
        reason = f"{where} disconnected: {code}" if self.accepted else HUNG_UP
        self._enqueue(lambda: self.lost(reason))

    def _on_publish(self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties) -> None:
        event = Settled(mid, not code.is_failure and code.value != NOBODY, str(code))
        self._enqueue(lambda: self._deliver(event))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        event = Received(message.topic, bytes(message.payload), retained=message.retain)
        self._enqueue(lambda: self._deliver(event))

    # --- back on the loop --------------------------------------------------------------------------

    def _connacked(self, connected: Connected, client_id: str) -> None:
        if not self._connack.done():
            self.client_id = client_id
            self._connack.set_result(connected)

    def _deliver(self, event: Event) -> None:
        if self.accepted and not self.ended.done():
            self._on_event(event)
