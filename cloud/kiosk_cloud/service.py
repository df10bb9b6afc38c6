"""The receiver's MQTT edge: paho's threads only enqueue, one worker stores, then confirms.

A receiver listens at every broker that kiosks may use, and says what it signs at all of them. Messages are confirmed to
the broker (PUBACK) only after they are durable, so our Receive Maximum bounds the queue. What a crash interrupts is
delivered again from the broker's session, if the receiver comes back soon; a session does not outlive it for long,
because the broker goes on giving an absent receiver its share. Whatever is lost so, the kiosk sends again.
"""

import logging
import queue
import threading
from collections.abc import Callable
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
from kiosk_cloud.config import BankConfig, BrokerConfig
from kiosk_cloud.evidence import EvidenceFiles
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.receiver import Limits, Message, Outgoing, Receiver
from kiosk_cloud.store import Store
from kiosk_cloud.tls import client_context
from kiosk_cloud.witnessing import Witnessing

log = logging.getLogger(__name__)

RECEIVE_MAXIMUM: Final = 400
BATCH_MAX: Final = 200  # in one transaction: a commit costs the processor ten records, and the disk a hundred
SESSION_EXPIRY_S: Final = 60
ACKS_IN_FLIGHT_MAX: Final = 10  # below every broker's Receive Maximum that we know; paho ignores the stated one
ACKS_QUEUED_MAX: Final = 1000
TICK_S: Final = 1.0
RECONNECT_S_MAX: Final = 30
INCOMING_BYTES_MAX: Final = 1 << 20
SUBSCRIPTIONS: Final = (
    f"$share/{topics.RECEIVER_GROUP}/{topics.every('record')}",
    topics.every("result"),
    f"$share/{topics.RECEIVER_GROUP}/{topics.every('evidence')}",
    topics.every("checkpoint"),
    topics.every("birth"),
    topics.every("telemetry"),
)


class SubscriptionRefused(KioskError, PermissionError):
    """The broker does not let the bank read its kiosks' topics."""

    remedy = "Check the broker's access list and that this certificate's common name is `bank`."


@dataclass(frozen=True)
class _Arrived:
    message: Message
    mid: int
    at: "_Listener"
    connection: int


class ReceiverService:
    """Receives until stopped. `subscribed` is set while a broker has accepted our subscriptions."""

    def __init__(self, config: BankConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._listeners: list[_Listener] = []
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
            bytes_max = self._config.evidence_mib_max << 20
            files = EvidenceFiles(store.db, self._config.evidence_folder, keyring.ack, bytes_max)
            receiver = Receiver(store, keyring, self._clock, limits, files)
            witnessing = self._witnessing(keyring, store)
            arrived: queue.Queue[_Arrived] = queue.Queue(2 * RECEIVE_MAXIMUM * len(self._config.brokers))
            name = client_id.receiver(self._config)
            self._listeners = [_Listener(each, name, arrived, self._heard) for each in self._config.brokers]
            for listener in self._listeners:
                listener.start()
            try:
                self._work(arrived, receiver, witnessing)
            finally:
                for listener in self._listeners:
                    listener.stop()
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

    def _heard(self) -> None:
        """Whether anybody listens has changed; on a thread of paho's."""
        if any(listener.subscribed for listener in self._listeners):
            self.subscribed.set()
        else:
            self.subscribed.clear()

    def _work(self, arrived: "queue.Queue[_Arrived]", receiver: Receiver, witnessing: Witnessing | None) -> None:
        ticked_s = self._clock.monotonic_s()
        while not self._stopping.is_set():
            if witnessing is not None and witnessing.news.is_set():
                witnessing.news.clear()
                self._publish(receiver.tell_cosigned())
            if batch := _batch(arrived):
                self._publish(receiver.handle([each.message for each in batch]))
                for each in batch:
                    each.at.confirm(each.mid, each.connection)
                if witnessing is not None:
                    witnessing.wake({parsed[0] for each in batch if (parsed := topics.parse(each.message.topic))})
            for listener in self._listeners:
                if listener.refused:
                    raise SubscriptionRefused(listener.refused)
            if self._clock.monotonic_s() - ticked_s >= TICK_S:
                ticked_s = self._clock.monotonic_s()
                self._publish(receiver.tick())

    def _publish(self, messages: list[Outgoing]) -> None:
        for listener in self._listeners:
            listener.publish(messages)


def _batch(arrived: "queue.Queue[_Arrived]") -> list[_Arrived]:
    """What is waiting, at least one unless a tick passes first."""
    batch: list[_Arrived] = []
    try:
        batch.append(arrived.get(timeout=TICK_S / 4))
        while len(batch) < BATCH_MAX:
            batch.append(arrived.get_nowait())
    except queue.Empty:
        pass
    return batch


class _Listener:
    """The connection to one broker. What paho's thread calls only enqueues; `refused` says what the broker forbids."""

    def __init__(
        self, broker: BrokerConfig, name: str, arrived: "queue.Queue[_Arrived]", heard: Callable[[], None]
    ) -> None:
        self._arrived = arrived
        self._heard = heard
        self._where = f"{broker.host}:{broker.port}"
        self._connection = 0
        self.subscribed = False
        self.refused = ""
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
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

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._client.loop_start()

    def stop(self) -> None:
        """Leave, and take our session along: the others get our share from now on."""
        properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]  # paho leaves it so
        properties.SessionExpiryInterval = 0
        self._client.disconnect(properties=properties)
        self._client.loop_stop()

    def publish(self, messages: list[Outgoing]) -> None:
        """Now, or when the broker is there again; a bounded number waits."""
        for out in messages:
            self._client.publish(out.topic, out.payload, qos=1, retain=out.retain)

    def confirm(self, mid: int, connection: int) -> None:
        """What is durable needs not be delivered again; a packet id means nothing on a later connection."""
        if mid and connection == self._connection:  # 0: of QoS 0, which nobody confirms
            self._client.ack(mid, 1)

    # --- paho's thread: log and enqueue, nothing that can fail -------------------------------------

    def _on_connect(
        self, client: Client, _data: object, flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if code.is_failure:
            log.error("%s refused the connection: %s", self._where, code)
            return
        self._connection += 1
        log.info("connected to %s%s", self._where, " (session resumed)" if flags.session_present else "")
        client.subscribe([(name, 1) for name in SUBSCRIPTIONS])

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self.subscribed = False
        self._heard()
        log.warning("disconnected from %s: %s", self._where, code)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self.refused = ", ".join(refused)
        else:
            log.info("subscribed; waiting for records")
            self.subscribed = True
            self._heard()

    def _on_publish(self, _client: Client, _data: object, _mid: int, code: ReasonCode, _properties: Properties) -> None:
        if code.is_failure:
            log.error("%s refused an acknowledgement: %s", self._where, code)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        arrived = _Arrived(Message(message.topic, bytes(message.payload)), message.mid, self, self._connection)
        try:
            self._arrived.put_nowait(arrived)
        except queue.Full:  # a broker that ignores our Receive Maximum; unconfirmed, so it comes again
            log.error("the broker sends more than it may; a message is left unconfirmed")  # noqa: TRY400
