"""Publish a few retained messages at every broker, and wait until it has taken each.

That a broker took a message does not prove that anybody may read it: the kiosk's own record says what arrived.
"""

import threading
from typing import Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from kiosk.errors import KioskError
from kiosk_cloud import client_id
from kiosk_cloud.config import BankConfig, BrokerConfig
from kiosk_cloud.tls import client_context

TIMEOUT_S: Final = 20.0


class NotPublished(KioskError, ConnectionError):
    """The broker did not take a message."""

    remedy = "Check that the broker runs and that its access list lets the bank write; then publish again."


class _Publisher:
    """One connection. paho's thread only notes what happened; the caller waits for it."""

    def __init__(self, config: BankConfig, broker: BrokerConfig) -> None:
        self._changed = threading.Condition()
        self._connected = False
        self._failure = ""
        self._taken: set[int] = set()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id.publisher(config),
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.tls_set_context(client_context(broker.ca, broker.cert, broker.key))
        client.connect_timeout = TIMEOUT_S
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self.client = client

    def wait(self, mid: int | None) -> None:
        """Until the connection (None) or the message `mid` is accepted. NotPublished."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._reached(mid), TIMEOUT_S)
            if self._failure or not self._reached(mid):
                raise NotPublished(self._failure or f"the broker did not answer within {TIMEOUT_S:g} s")

    def _reached(self, mid: int | None) -> bool:
        return self._connected if mid is None else mid in self._taken

    def _note(self, failure: str = "", mid: int | None = None) -> None:
        with self._changed:
            self._failure = self._failure or failure
            if mid is not None:
                self._taken.add(mid)
            elif not failure:
                self._connected = True
            self._changed.notify_all()

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._note(f"the broker refused the connection: {code}" if code.is_failure else "")

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._note(f"the broker closed the connection: {code}")

    def _on_publish(self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties) -> None:
        self._note(f"the broker refused a message: {code}" if code.is_failure else "", mid)


def publish_retained(config: BankConfig, messages: list[tuple[str, bytes]]) -> None:
    """Publish (topic, payload), QoS 1, retained, one after another, at every broker. ConfigError; NotPublished.

    A broker that fails does not keep the others from being told; it is named in the error.
    """
    failures = []
    for broker in config.brokers:
        try:
            _publish_at(config, broker, messages)
        except NotPublished as error:
            failures.append(error.args[0])
    if failures:
        raise NotPublished("; ".join(failures))


def _publish_at(config: BankConfig, broker: BrokerConfig, messages: list[tuple[str, bytes]]) -> None:
    publisher = _Publisher(config, broker)
    client = publisher.client
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it so
    try:
        client.connect(broker.host, broker.port, broker.keepalive_s, clean_start=True, properties=properties)
    except OSError as error:
        message = f"no connection to {broker.host}:{broker.port}: {error}"
        raise NotPublished(message) from error
    client.loop_start()
    try:
        publisher.wait(None)
        for topic, payload in messages:
            publisher.wait(client.publish(topic, payload, qos=1, retain=True).mid)
    finally:
        client.disconnect()
        client.loop_stop()
