"""Kiosk, broker and bank together: a real mosquitto with mutual TLS, real sealed records, a receiver."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from kiosk.clock import SystemClock
from kiosk.messages import OutboxGrew
from kiosk.uplink.renewal import beside, read
from kiosk.uplink.session import Broker, LinkSettings, Session
from kiosk.uplink.uplink import Uplink
from kiosk.uplink.window import Limits, Window
from kiosk_cloud.pki import Authority, utc_now
from kiosk_cloud.provision import renew
from kiosk_cloud.verify import verify_store
from tests.uplink_kit import ACCOUNT, KIOSK, WAIT_S, ControllerBus, KioskSide, Mosquitto, free_port, receiving

pytestmark = pytest.mark.mosquitto
OTHER = "demo-0002"
LATER = timedelta(minutes=30)  # certificates begin an hour before their issue


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


def settings(broker: Mosquitto, brokers: tuple[Broker, ...] = ()) -> LinkSettings:
    done = broker.provisioned[0]
    return LinkSettings(
        brokers=brokers or (Broker("127.0.0.1", broker.port),),
        ca=done.pki / "ca.pem",
        cert=done.kiosk_cert,
        key=done.kiosk_key,
        backoff_s=0.05,
    )


@asynccontextmanager
async def uplinked(bus: ControllerBus, link: LinkSettings) -> AsyncIterator[Uplink]:
    clock = SystemClock()
    uplink = Uplink(KIOSK, bus, Session(link, clock), clock, Window(Limits(in_flight_max=4, resend_s=0.5)))
    task = asyncio.create_task(uplink.run())
    try:
        yield uplink
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_records_arrive_and_leave_the_outbox_on_the_banks_signature(broker: Mosquitto, kiosk: KioskSide) -> None:
    for number in range(20):
        kiosk.deposit(number)
    bus = ControllerBus(kiosk)
    config = broker.provisioned[0].bank_config
    with receiving(config):
        async with uplinked(bus, settings(broker)) as uplink:
            await bus.until(lambda: kiosk.records.outbox_rows() == 0)
            kiosk.deposit(20, grade="medium")
            uplink.pushed(OutboxGrew(21))
            await bus.until(lambda: kiosk.records.acknowledged() == 21)
    assert [report.connected for report in bus.reports][:1] == [True]
    assert not bus.refused
    report = verify_store(config.parent / "store.db", config.parent / "keys")
    assert report.ok, report.failures
    assert (report.records, report.verified, report.totals.deposits) == (21, 21, 21)
    assert report.totals.minor["credited"]["CNY"] == 21 * 30_000
    assert report.totals.minor["retained"]["CNY"] == 21 * 10_000
    assert report.totals.risk == {"low": 20, "medium": 1, "high": 0}


async def test_a_broker_killed_and_started_again_loses_no_record(broker: Mosquitto, kiosk: KioskSide) -> None:
    bus = ControllerBus(kiosk)
    with receiving(broker.provisioned[0].bank_config):
        async with uplinked(bus, settings(broker)) as uplink:
            for number in range(30):
                kiosk.deposit(number)
            uplink.pushed(OutboxGrew(30))
            await bus.until(lambda: kiosk.records.acknowledged() > 0)
            broker.stop(kill=True)
            for number in range(30, 40):
                kiosk.deposit(number)
            await bus.until(lambda: bus.reports[-1].connected is False)
            broker.start()
            await bus.until(lambda: kiosk.records.acknowledged() == 40)


async def test_without_a_receiver_nothing_leaves_the_outbox_and_the_second_broker_serves(
    broker: Mosquitto, kiosk: KioskSide
) -> None:
    kiosk.deposit(0)
    bus = ControllerBus(kiosk)
    dead_then_alive = (Broker("127.0.0.1", 1), Broker("127.0.0.1", broker.port))
    config = broker.provisioned[0].bank_config
    watcher = broker.client("mosquitto_sub", "bank", "-t", "kiosk/v1/+/checkpoint", "-C", "1", "-W", "15")
    async with uplinked(bus, settings(broker, dead_then_alive)):
        subscriber = await asyncio.create_subprocess_exec(*watcher, stdout=subprocess.PIPE)
        checkpoint, _ = await subscriber.communicate()
        # The checkpoint follows the record, so the record has been published, and the broker has confirmed it.
        assert checkpoint.startswith(b"deposit-kiosk/demo-0001\n1\n")
        assert kiosk.records.outbox_rows() == 1
        with receiving(config):
            await bus.until(lambda: kiosk.records.outbox_rows() == 0)


class Hasty(SystemClock):
    """Looks for a new certificate every moment."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.1))


async def test_a_new_certificate_is_tried_beside_the_old_one_and_then_put_in_its_place(
    broker: Mosquitto, kiosk: KioskSide
) -> None:
    bus = ControllerBus(kiosk)
    done = broker.provisioned[0]
    before, foreign = done.kiosk_cert.read_bytes(), done.pki.with_name("foreign")
    with receiving(done.bank_config):
        uplink = Uplink(KIOSK, bus, Session(settings(broker), Hasty()), SystemClock())
        task = asyncio.create_task(uplink.run())
        await bus.until(lambda: len(bus.reports) == 1)
        stranger = Authority(foreign, utc_now() + LATER)  # looks right, and no broker of ours takes it
        stranger.client("kiosk", KIOSK)
        cert, key = stranger.renew("kiosk")
        key.rename(beside(done.kiosk_key, "new"))
        cert.rename(beside(done.kiosk_cert, "new"))
        kiosk.deposit(0)
        uplink.pushed(OutboxGrew(1))
        await bus.until(partial(signed_for, kiosk, 1))  # the old one goes on meanwhile
        assert done.kiosk_cert.read_bytes() == before
        beside(done.kiosk_cert, "new").unlink()
        cert, key = renew(done.pki.parent, KIOSK, utc_now() + LATER)
        await bus.until(lambda: len(bus.reports) >= 3 and bus.reports[-1].connected)
        kiosk.deposit(1)
        uplink.pushed(OutboxGrew(2))
        await bus.until(partial(signed_for, kiosk, 2))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    used = [report.certificate_sha256 for report in bus.reports if report.connected]
    assert used[0] != used[-1] == read(done.kiosk_cert).sha256
    assert beside(done.kiosk_cert, "old").read_bytes() == before
    assert not cert.exists()
    assert not key.exists()


async def test_evidence_goes_on_where_it_was_and_is_a_file_at_the_bank(broker: Mosquitto, kiosk: KioskSide) -> None:
    clip = bytes(range(256)) * 4000  # sixteen chunks
    name = kiosk.hand_over(clip)
    kiosk.deposit(0)
    bus = ControllerBus(kiosk)
    config = broker.provisioned[0].bank_config
    with receiving(config):
        async with uplinked(bus, settings(broker)):
            await bus.until(lambda: len(kiosk.evidence.chunks(0, 8)) == 8 and kiosk.evidence.chunks(0, 1)[0].id > 1)
        async with uplinked(bus, settings(broker)):  # the uplink's process was started again
            await bus.until(lambda: kiosk.evidence.files_kept() == 0)
    assert (config.parent / "evidence" / KIOSK / name.hex()).read_bytes() == clip


def signed_for(kiosk: KioskSide, size: int) -> bool:
    return kiosk.records.acknowledged() == size


async def test_the_kiosk_fails_over_to_the_bank_at_its_other_broker_and_back(tmp_path: Path) -> None:
    first = Mosquitto(tmp_path, beside=free_port())
    second = first.second()
    kiosk = KioskSide(first.provisioned[0].kiosk_keys)
    bus = ControllerBus(kiosk)
    both = (Broker("127.0.0.1", first.port), Broker("127.0.0.1", second.port))
    first.start()
    second.start()
    try:
        with receiving(first.provisioned[0].bank_config):
            async with uplinked(bus, settings(first, both)) as uplink:
                for size, (alive, killed) in enumerate([(first, None), (second, first), (first, second)], start=1):
                    if killed is not None:
                        if alive.pid is None:
                            alive.start()
                        killed.stop(kill=True)
                    kiosk.deposit(size)
                    uplink.pushed(OutboxGrew(size))
                    await bus.until(partial(signed_for, kiosk, size))
                    said = [report.detail for report in bus.reports if report.connected]
                    assert said[-1] == f"127.0.0.1:{alive.port}"
    finally:
        first.stop()
        second.stop()
        kiosk.close()


async def test_a_listener_with_the_banks_certificate_sees_only_ciphertext(broker: Mosquitto, kiosk: KioskSide) -> None:
    for number in range(3):
        kiosk.deposit(number)
    listen = broker.client(
        "mosquitto_sub", "bank", "-t", "kiosk/v1/#", "-F", "%t %x", "-W", str(int(WAIT_S)), "-C", "6"
    )  # birth, health, a checkpoint and three records
    subscriber = await asyncio.create_subprocess_exec(*listen, stdout=subprocess.PIPE)
    bus = ControllerBus(kiosk)
    async with uplinked(bus, settings(broker)):
        shown, _ = await subscriber.communicate()
    messages = [line.split(" ") for line in shown.decode().splitlines()]
    lanes = [topic.rsplit("/", 1)[1] for topic, _ in messages]
    assert lanes.count("record") >= 3
    for lane, (_, payload) in zip(lanes, messages, strict=True):
        data = bytes.fromhex(payload)
        words = [ACCOUNT, "staff-1", "deposit_id"]
        if lane != "telemetry":  # the health of the machine is in clear, and may count outcomes
            words += [ACCOUNT[-4:], "CNY", "credited"]
        for clear in words:
            assert clear.encode() not in data


def retained(broker: Mosquitto, topic: str) -> bytes:
    """What a fresh subscriber of the bank is given for `topic`; empty when nothing is retained."""
    command = broker.client("mosquitto_sub", "bank", "-t", topic, "--retained-only", "-C", "1", "-W", "2")
    return subprocess.run(command, capture_output=True, check=False).stdout


def test_a_kiosk_writes_only_below_its_own_prefix_and_never_an_acknowledgement(broker: Mosquitto) -> None:
    for lane, holder in (("birth", KIOSK), ("birth", OTHER), ("ack", OTHER)):
        publish = broker.client("mosquitto_pub", f"kiosk-{OTHER}", "-t", f"kiosk/v1/{holder}/{lane}", "-m", "mine")
        subprocess.run([*publish, "-q", "1", "-r"], capture_output=True, check=False, timeout=WAIT_S)
    assert retained(broker, f"kiosk/v1/{OTHER}/birth") == b"mine\n"  # its own: allowed
    assert retained(broker, f"kiosk/v1/{KIOSK}/birth") == b""
    read_ack = broker.client(
        "mosquitto_sub", f"kiosk-{OTHER}", "-t", f"kiosk/v1/{OTHER}/ack", "--retained-only", "-C", "1", "-W", "1"
    )
    assert subprocess.run(read_ack, capture_output=True, check=False).stdout == b""


def test_a_kiosk_reads_no_other_kiosks_acknowledgement(broker: Mosquitto) -> None:
    for kiosk in (KIOSK, OTHER):
        publish = broker.client("mosquitto_pub", "bank", "-t", f"kiosk/v1/{kiosk}/ack", "-m", kiosk, "-q", "1", "-r")
        subprocess.run(publish, capture_output=True, check=True, timeout=WAIT_S)
    listen = broker.client("mosquitto_sub", "kiosk", "-t", "kiosk/v1/+/ack", "--retained-only", "-C", "2", "-W", "1")
    assert subprocess.run(listen, capture_output=True, check=False).stdout == f"{KIOSK}\n".encode()


def test_nobody_gets_in_without_a_certificate_or_below_tls_1_3(broker: Mosquitto) -> None:
    pki = broker.provisioned[0].pki
    bank = broker.client("mosquitto_pub", "bank", "-t", f"kiosk/v1/{KIOSK}/ack", "-m", "x")
    bare = [word for word in bank if word not in ("--cert", "--key", str(pki / "bank.pem"), str(pki / "bank.key"))]
    assert subprocess.run(bare, capture_output=True, check=False, timeout=WAIT_S).returncode != 0
    assert subprocess.run(bank, capture_output=True, check=False, timeout=WAIT_S).returncode == 0
    old = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", broker.port), WAIT_S) as plain,
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
    ):
        old.wrap_socket(plain, server_hostname="localhost").close()


async def test_the_broker_says_offline_when_the_kiosk_leaves(broker: Mosquitto, kiosk: KioskSide) -> None:
    bus = ControllerBus(kiosk)
    topic = f"kiosk/v1/{KIOSK}/birth"
    listen = broker.client("mosquitto_sub", "bank", "-t", topic, "-C", "2", "-W", "15")
    subscriber = await asyncio.create_subprocess_exec(*listen, stdout=subprocess.PIPE)
    assert subscriber.stdout is not None
    async with uplinked(bus, settings(broker)):
        online = await subscriber.stdout.readline()
    offline = await subscriber.stdout.readline()
    await subscriber.wait()
    assert b'"state":"online"' in online
    assert b'"version":"0.1.0"' in online
    assert b'"state":"offline"' in offline
    assert b'"sequence":1' in online
    assert b'"sequence":1' in offline
