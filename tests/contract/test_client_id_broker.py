"""Nobody with a certificate of his own can take over another's MQTT session by its client id."""

import asyncio
import json
import logging
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from kiosk.clock import SystemClock
from kiosk.messages import OutboxGrew
from kiosk.uplink.session import Broker, LinkSettings, Session, tls_context
from kiosk.uplink.uplink import Uplink
from kiosk_cloud import config as bank_config
from kiosk_cloud.publishing import publish_retained
from kiosk_cloud.store import Store
from tests.uplink_kit import KIOSK, WAIT_S, ControllerBus, KioskSide, Mosquitto, receive, receiving

pytestmark = pytest.mark.mosquitto
OTHER = "demo-0002"
GUESSES = (f"kiosk-{KIOSK}", KIOSK, "kiosk", "bank", "bank-1", "bank-1-publisher")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    found = Mosquitto(tmp_path, (KIOSK, OTHER))
    found.start()
    yield found
    found.stop()


@pytest.fixture
def kiosk(broker: Mosquitto) -> Iterator[KioskSide]:
    side = KioskSide(broker.provisioned[0].kiosk_keys)
    yield side
    side.close()


def connect_as(broker: Mosquitto, client_id: str) -> None:
    """The other kiosk says it were `client_id`; returns after CONNACK, when a takeover has happened."""
    done = broker.provisioned[1]
    context: ssl.SSLContext = tls_context(done.pki / "ca.pem", done.kiosk_cert, done.kiosk_key)
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=False,
    )
    client.tls_set_context(context)
    client.connect("127.0.0.1", broker.port, clean_start=True)
    while not client.is_connected():
        assert client.loop(WAIT_S) == 0
    client.disconnect()


def link(broker: Mosquitto, port: int = 0) -> LinkSettings:
    done = broker.provisioned[0]
    brokers = (Broker("127.0.0.1", port or broker.port),)
    return LinkSettings(brokers, done.pki / "ca.pem", done.kiosk_cert, done.kiosk_key, backoff_s=0.05)


async def test_another_kiosk_disconnects_neither_kiosk_nor_receiver(
    broker: Mosquitto, kiosk: KioskSide, caplog: pytest.LogCaptureFixture
) -> None:
    bus = ControllerBus(kiosk)
    clock = SystemClock()
    with receiving(broker.provisioned[0].bank_config):
        uplink = Uplink(KIOSK, bus, Session(link(broker), clock), clock)
        task = asyncio.create_task(uplink.run())
        await bus.until(lambda: bool(bus.reports))
        for guess in GUESSES:
            await asyncio.to_thread(connect_as, broker, guess)
        kiosk.deposit(0)
        uplink.pushed(OutboxGrew(1))
        await bus.until(lambda: kiosk.records.acknowledged() == 1)
        assert [report.connected for report in bus.reports] == [True]
        assert "disconnected" not in caplog.text
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Relay:
    """A network between kiosk and broker that can forget the kiosk's end of a connection only."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._kiosk_end: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._kiosk_end = writer
        from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
        self._writers += [writer, to_broker]
        for source, sink in ((reader, to_broker), (from_broker, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(4096):
                sink.write(data)

    def forget(self) -> None:
        """The kiosk sees a reset; the broker sees nothing, until its keepalive would have passed."""
        assert self._kiosk_end is not None
        self._kiosk_end.transport.abort()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self._server.close()


async def test_the_will_of_a_half_open_connection_comes_before_the_next_birth(
    broker: Mosquitto, kiosk: KioskSide
) -> None:
    relay = Relay(broker.port)
    port = await relay.start()
    listen = broker.client("mosquitto_sub", "bank", "-t", f"kiosk/v1/{KIOSK}/birth", "-C", "3", "-W", str(int(WAIT_S)))
    bus = ControllerBus(kiosk)
    clock = SystemClock()
    subscriber = await asyncio.create_subprocess_exec(*listen, stdout=subprocess.PIPE)
    assert subscriber.stdout is not None
    task = asyncio.create_task(Uplink(KIOSK, bus, Session(link(broker, port), clock), clock).run())
    births = [json.loads(await subscriber.stdout.readline())]
    relay.forget()
    births += [json.loads(line) for line in (await subscriber.communicate())[0].splitlines()]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await relay.close()
    assert [(birth["state"], birth["sequence"]) for birth in births] == [("online", 1), ("offline", 1), ("online", 2)]


def test_the_session_of_a_receiver_that_was_killed_waits_for_it(
    broker: Mosquitto, kiosk: KioskSide, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = broker.provisioned[0].bank_config
    killed = receive(config)
    killed.kill()
    killed.wait(WAIT_S)
    assert killed.stderr is not None
    killed.stderr.close()
    envelope = config.with_name("envelope")
    envelope.write_bytes(kiosk.deposit(0))
    topic = ["-t", f"kiosk/v1/{KIOSK}/record", "-q", "1", "-f", str(envelope)]
    subprocess.run(broker.client("mosquitto_pub", "kiosk", *topic), check=True, timeout=WAIT_S)
    wait = broker.client("mosquitto_sub", "kiosk", "-t", f"kiosk/v1/{KIOSK}/ack", "-C", "1", "-W", str(int(WAIT_S)))
    with receiving(config):
        subprocess.run(wait, check=True, capture_output=True)
    assert "session resumed" in caplog.text
    store = Store(bank_config.load(config).store, read_only=True)
    assert store.record(KIOSK, 0) is not None
    store.close()


def test_the_publisher_leaves_the_receiver_alone(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    config = broker.provisioned[0].bank_config
    with receiving(config):
        publish_retained(bank_config.load(config), [(f"kiosk/v1/{KIOSK}/directory", b"x")])
        assert "disconnected" not in caplog.text
