"""`kiosk/core/asyncapi.yaml` and the CDDL against live traffic: a real broker, receiver, uplink and controller's desk.

Two listeners, one with the bank's certificate and one with the kiosk's, see everything that either may read.
"""

import asyncio
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pycddl
import pytest
import yaml
from click.testing import CliRunner
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from kiosk import core, guarantee
from kiosk.clock import SystemClock
from kiosk.core import topics
from kiosk.core.records import service
from kiosk.guarantee import cbor, checkpoint, cose, evidence, note
from kiosk.guarantee.commands import COMMAND_BYTES_MAX
from kiosk.guarantee.directory import DIRECTORY_BYTES_MAX
from kiosk.messages import EvidencePart, HandOver, Ok
from kiosk.uplink.session import Broker, LinkSettings, Session
from kiosk.uplink.uplink import Uplink
from kiosk_cloud.cli import main
from kiosk_cloud.provision import Provisioned
from kiosk_cloud.tls import client_context
from tests.desk_kit import DeskBus
from tests.uplink_kit import KIOSK, NOW, WAIT_S, Mosquitto, receiving

PAGE: Final[dict[str, Any]] = yaml.safe_load((Path(core.__file__).parent / "asyncapi.yaml").read_text())
GRAMMAR: Final = (Path(guarantee.__file__).parent / "records.cddl").read_text()
ACCOUNT: Final = "0000111122223337"


@dataclass(frozen=True)
class Heard:
    """One message as the broker gave it on."""

    topic: str
    qos: int
    retain: bool
    payload: bytes


@contextmanager
def listening(broker: Mosquitto, name: str, into: list[Heard]) -> Iterator[None]:
    """With this certificate, to everything that it may read, with the flags that it was published with."""
    pki = broker.provisioned[0].pki
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.tls_set_context(client_context(pki / "ca.pem", pki / f"{name}.pem", pki / f"{name}.key"))
    subscribed = threading.Event()

    def hear(_client: Client, _data: object, message: MQTTMessage) -> None:
        into.append(Heard(message.topic, message.qos, message.retain, bytes(message.payload)))

    def confirm(*_: object) -> None:
        subscribed.set()

    client.on_message, client.on_subscribe = hear, confirm
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it so
    properties.MaximumPacketSize = 1 << 20
    client.connect("127.0.0.1", broker.port, clean_start=True, properties=properties)
    client.loop_start()
    try:
        client.subscribe("kiosk/v1/#", options=SubscribeOptions(qos=2, retainAsPublished=True))
        assert subscribed.wait(WAIT_S)
        yield
    finally:
        client.disconnect()
        client.loop_stop()


def bank_says(done: Provisioned, *words: str) -> None:
    result = CliRunner().invoke(main, [*words, "--config", str(done.bank_config)])
    assert result.exit_code == 0, result.output


def bank_publishes(done: Provisioned, folder: Path) -> None:
    (folder / "accounts.csv").write_text(f"account,name\n{ACCOUNT},王小明\n")
    (folder / "terms.toml").write_text(
        'medium = "stop"\n[[limits]]\ncurrency = "CNY"\ndeposit_minor_max = 1\nday_minor_max = 2\n'
        '[[texts]]\nkind = "notice"\nlanguage = "zh"\ntext = "今天不营业"\nends = "2030-01-01T00:00:00.000Z"\n'
    )
    bank_says(done, "directory", "publish", "--file", str(folder / "accounts.csv"))
    bank_says(done, "terms", "publish", "--file", str(folder / "terms.toml"))
    bank_says(done, "count", "publish", "B1", "--kiosk", KIOSK, "--cash", "2x10000:CNY", "--by", "a", "--by", "b")
    bank_says(done, "command", "give", "report-units", "--kiosk", KIOSK)


def lanes(heard: list[Heard]) -> set[str]:
    return {each.topic.rsplit("/", 1)[1] for each in heard}


async def talk(broker: Mosquitto, folder: Path, heard: list[Heard], wanted: frozenset[str]) -> None:
    """A kiosk with a backlog, one record of which arrived before the others; and a bank that has something to say."""
    done = broker.provisioned[0]
    bus = DeskBus(done)
    for _ in range(3):
        bus.journal.append(service("held_note_given_back", {}), NOW)
    (folder / "ahead").write_bytes(bus.journal.log.envelope(2))
    ahead = ("-t", f"kiosk/v1/{KIOSK}/record", "-q", "1", "-f", str(folder / "ahead"))
    await asyncio.to_thread(subprocess.run, broker.client("mosquitto_pub", "kiosk", *ahead), check=True, timeout=WAIT_S)
    await asyncio.to_thread(bank_publishes, done, folder)
    link = LinkSettings((Broker("127.0.0.1", broker.port),), done.pki / "ca.pem", done.kiosk_cert, done.kiosk_key)
    await asyncio.to_thread(_complained, done)
    for piece, data in evidence.pieces(b"a still" * 20_000):
        part = EvidencePart(piece.sha256.hex(), piece.index, piece.chunks, piece.size, data)
        assert await bus.request(HandOver(part)) == Ok()
    clock = SystemClock()
    bus.uplink = Uplink(KIOSK, bus, Session(link, clock), clock)
    task = asyncio.create_task(bus.uplink.run())
    try:
        async with asyncio.timeout(WAIT_S):
            await bus.until(lambda: wanted <= lanes(heard) and not bus.journal.log.outbox_rows())
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        bus.journal.close()


def _complained(done: Provisioned) -> None:
    """Until the receiver has complained of the hole."""
    ended = threading.Event()
    for _ in range(int(WAIT_S / 0.1)):
        result = CliRunner().invoke(main, ["complaint", "list", "--json", "--config", str(done.bank_config)])
        if json.loads(result.output)["complaints"]:
            return
        ended.wait(0.1)
    raise AssertionError("the receiver did not complain")


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Heard], Provisioned]:
    folder = tmp_path_factory.mktemp("traffic")
    broker = Mosquitto(folder)
    broker.start()
    done = broker.provisioned[0]
    config = done.bank_config
    config.write_text(re.sub(r"^gap_s = .*$", "gap_s = 0.3", config.read_text(), flags=re.MULTILINE))
    heard: list[Heard] = []
    try:
        with listening(broker, "bank", heard), listening(broker, "kiosk", heard), receiving(config):
            asyncio.run(talk(broker, folder, heard, frozenset(PAGE["channels"])))
    finally:
        broker.stop()
    return heard, done


@cache
def schema(rule: str) -> pycddl.Schema:
    return pycddl.Schema(f"start = {rule}\n{GRAMMAR}")


def resolved(pointer: dict[str, str]) -> Any:
    found: Any = PAGE
    for part in pointer["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def operations() -> dict[str, dict[str, Any]]:
    return {each["channel"]["$ref"].removeprefix("#/channels/"): each for each in PAGE["operations"].values()}


def test_the_page_is_whole_every_reference_leads_somewhere_and_topics_and_directions_are_the_codes() -> None:
    assert PAGE["asyncapi"] == "3.0.0"
    assert set(PAGE["channels"]) == {*topics.FROM_KIOSK, *topics.TO_KIOSK}
    assert set(operations()) == set(PAGE["channels"])
    for lane, channel in PAGE["channels"].items():
        assert channel["address"].format(kiosk=KIOSK) == topics.topic(KIOSK, lane)
        assert resolved(channel["parameters"]["kiosk"])["examples"] == [KIOSK]
        (message,) = channel["messages"].values()
        told = resolved(message)["payload"]["schema"]
        if "rule" in told:
            assert re.search(rf"^{told['rule']} = ", GRAMMAR, re.MULTILINE), told
        operation = operations()[lane]
        assert operation["action"] == ("send" if lane in topics.FROM_KIOSK else "receive")
        assert operation["bindings"]["mqtt"]["retain"] is (lane in topics.RETAINED)


@pytest.mark.mosquitto
def test_every_topic_seen_is_on_the_page_and_every_one_on_the_page_is_seen(
    traffic: tuple[list[Heard], Provisioned],
) -> None:
    seen = {each.topic for each in traffic[0]}
    assert seen == {channel["address"].format(kiosk=KIOSK) for channel in PAGE["channels"].values()}


@pytest.mark.mosquitto
def test_quality_of_service_and_retain_flags_are_as_said(traffic: tuple[list[Heard], Provisioned]) -> None:
    for each in traffic[0]:
        said = operations()[each.topic.rsplit("/", 1)[1]]["bindings"]["mqtt"]
        assert (each.qos, each.retain) == (said["qos"], said["retain"]), each.topic


@pytest.mark.mosquitto
def test_every_payload_is_in_the_grammar(traffic: tuple[list[Heard], Provisioned]) -> None:
    heard, done = traffic
    vkey = done.bank_config.parent / "keys" / "kiosks" / KIOSK / "checkpoint.vkey"
    log = note.parse_vkey(vkey.read_text())
    for each in heard:
        lane = each.topic.rsplit("/", 1)[1]
        message = PAGE["components"]["messages"][lane]
        told = message["payload"]["schema"]
        if "rule" not in told:
            assert checkpoint.verify(each.payload, log).size > 0
            continue
        as_json = message["contentType"] == "application/json"
        schema(told["rule"]).validate_cbor(cbor.encode(json.loads(each.payload)) if as_json else each.payload)
        if "signed" in told:
            for part in signed_parts(lane, each.payload):
                schema(told["signed"]).validate_cbor(part.payload)
                header = cbor.decode(part.protected, 512)
                assert header[3] == message["contentType"]


def signed_parts(lane: str, payload: bytes) -> list[cose.Sign1]:
    parts = cbor.decode(payload, COMMAND_BYTES_MAX) if lane == "command" else [payload]
    return [cose.parse(part, DIRECTORY_BYTES_MAX) for part in parts]


@pytest.mark.mosquitto
def test_births_and_the_will_are_both_among_them(traffic: tuple[list[Heard], Provisioned]) -> None:
    births = [json.loads(each.payload)["state"] for each in traffic[0] if each.topic.endswith("/birth")]
    assert "online" in births
