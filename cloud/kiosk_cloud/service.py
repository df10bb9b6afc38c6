"""The receiver's MQTT edge: paho's thread only enqueues, one worker stores, then confirms.

Messages are confirmed to the broker (PUBACK) only after they are durable, so our Receive Maximum bounds the
queue, and what a crash interrupts is delivered again from the broker's session.
"""

import logging
import queue
import threading
from dataclasses import dataclass
from typing import Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from kiosk.clock import Clock
from kiosk.core import topics
from kiosk.errors import KioskError
from kiosk.guarantee import policy
from kiosk_cloud import client_id
from kiosk_cloud.config import BankConfig
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.receiver import Limits, Message, Outgoing, Receiver
from kiosk_cloud.store import Store
from kiosk_cloud.tls import client_context
from kiosk_cloud.witnessing import Witnessing

log = logging.getLogger(__name__)

RECEIVE_MAXIMUM: Final = 100
BATCH_MAX: Final = 50
SESSION_EXPIRY_S: Final = 14 * 24 * 3600
ACKS_IN_FLIGHT_MAX: Final = 10  # below every broker's Receive Maximum that we know; paho ignores the stated one
ACKS_QUEUED_MAX: Final = 1000
TICK_S: Final = 1.0
RECONNECT_S_MAX: Final = 30
INCOMING_BYTES_MAX: Final = 1 << 20
SUBSCRIPTIONS: Final = (
    f"$share/{topics.RECEIVER_GROUP}/{topics.every('record')}",
    topics.every("checkpoint"),
    topics.every("birth"),
)


class SubscriptionRefused(KioskError, PermissionError):
    """The broker does not let the bank read its kiosks' topics."""

    remedy = "Check the broker's access list and that this certificate's common name is `bank`."


@dataclass(frozen=True)
class _Arrived:
    message: Message
    mid: int
    connection: int


class ReceiverService:
    """Receives until stopped. `subscribed` is set while the broker has accepted our subscriptions."""

    def __init__(self, config: BankConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._queue: queue.Queue[_Arrived | None] = queue.Queue(2 * RECEIVE_MAXIMUM)
        self._connection = 0
        self._refused = ""
        self.subscribed: Final = threading.Event()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End `run`; safe from any thread and from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work on the calling thread. KioskError for what cannot be used, sqlite3.Error when storing fails."""
        limits = Limits(self._config.ahead_records_max, self._config.gap_s)
        keyring = Keyring(self._config.keys)
        _ = keyring.seal, keyring.ack  # a missing key is said now, not at the first record
        store = Store(self._config.store)
        try:
            receiver = Receiver(store, keyring, self._clock, limits)
            witnessing = self._witnessing(keyring, store)
            client = self._client()
            client.loop_start()
            try:
                self._work(client, receiver, witnessing)
            finally:
                client.disconnect()
                client.loop_stop()
                if witnessing is not None:
                    witnessing.stop()
        finally:
            store.close()

    def _witnessing(self, keyring: Keyring, store: Store) -> Witnessing | None:
        """The mirror and the witnesses, where the configuration names both folder and policy."""
        if self._config.policy is None or self._config.mirror is None:
            return None
        trusted = policy.load(self._config.policy)
        witnessing = Witnessing(keyring, trusted, self._config.mirror, self._clock)
        witnessing.start(lambda: Store(self._config.store))
        witnessing.wake({kiosk for kiosk, _ in store.prefixes()})
        return witnessing

    def _work(self, client: Client, receiver: Receiver, witnessing: Witnessing | None) -> None:
        ticked_s = self._clock.monotonic_s()
        while not self._stopping.is_set():
            if witnessing is not None and witnessing.news.is_set():
                witnessing.news.clear()
                _publish(client, receiver.tell_cosigned())
            if batch := self._batch():
                _publish(client, receiver.handle([arrived.message for arrived in batch]))
                self._confirm(client, batch)
                if witnessing is not None:
                    witnessing.wake({parsed[0] for each in batch if (parsed := topics.parse(each.message.topic))})
            if self._refused:
                raise SubscriptionRefused(self._refused)
            if self._clock.monotonic_s() - ticked_s >= TICK_S:
                ticked_s = self._clock.monotonic_s()
                receiver.tick()

    def _confirm(self, client: Client, batch: list[_Arrived]) -> None:
        for arrived in batch:
            if arrived.connection == self._connection:  # its packet id means nothing on a later connection
                client.ack(arrived.mid, 1)

    def _batch(self) -> list[_Arrived]:
        """What is waiting, at least one unless a tick passes first."""
        batch: list[_Arrived] = []
        try:
            first = self._queue.get(timeout=TICK_S / 4)
            while len(batch) < BATCH_MAX:
                if first is not None:
                    batch.append(first)
                first = self._queue.get_nowait()
        except queue.Empty:
            pass
        return batch

    def _client(self) -> Client:
        broker = self._config.broker
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id.receiver(self._config),
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        client.tls_set_context(client_context(broker.ca, broker.cert, broker.key))
        client.reconnect_delay_set(1, RECONNECT_S_MAX)
        client.max_inflight_messages_set(ACKS_IN_FLIGHT_MAX)
        client.max_queued_messages_set(ACKS_QUEUED_MAX)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it so
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = INCOMING_BYTES_MAX
        client.connect_async(broker.host, broker.port, broker.keepalive_s, clean_start=False, properties=properties)
        return client

    # --- paho's thread: log and enqueue, nothing that can fail -------------------------------------

    def _on_connect(
        self, client: Client, _data: object, flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if code.is_failure:
            log.error("the broker refused the connection: %s", code)
            return
        self._connection += 1
        log.info("connected to the broker%s", " (session resumed)" if flags.session_present else "")
        client.subscribe([(name, 1) for name in SUBSCRIPTIONS])

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self.subscribed.clear()
        log.warning("disconnected from the broker: %s", code)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self._refused = ", ".join(refused)
        else:
            log.info("subscribed; waiting for records")
            self.subscribed.set()

    def _on_publish(self, _client: Client, _data: object, _mid: int, code: ReasonCode, _properties: Properties) -> None:
        if code.is_failure:
            log.error("the broker refused an acknowledgement: %s", code)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        arrived = _Arrived(Message(message.topic, bytes(message.payload)), message.mid, self._connection)
        try:
            self._queue.put_nowait(arrived)
        except queue.Full:  # a broker that ignores our Receive Maximum; unconfirmed, so it comes again
            log.error("the broker sends more than it may; a message is left unconfirmed")  # noqa: TRY400


def _publish(client: Client, messages: list[Outgoing]) -> None:
    for out in messages:
        client.publish(out.topic, out.payload, qos=1, retain=out.retain)
