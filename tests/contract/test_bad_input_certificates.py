"""A wrong certificate, in every way: the uplink says so with a remedy, keeps the outbox, goes on when it is right."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from kiosk.clock import SystemClock
from kiosk.uplink.session import Broker, LinkSettings, Session
from kiosk.uplink.uplink import Uplink
from kiosk.uplink.window import Limits, Window
from kiosk_cloud.provision import provision
from tests.uplink_kit import KIOSK, ControllerBus, KioskSide, Mosquitto, plan, receiving

pytestmark = pytest.mark.mosquitto
RECORDS: Final = 3


@dataclass(frozen=True)
class Files:
    """The PEM files that the uplink's settings name, and those of somebody else's bank."""

    ca: Path
    cert: Path
    key: Path
    other_ca: Path
    other_cert: Path
    other_key: Path

    def put(self, name: str, source: Path) -> None:
        shutil.copy(source, getattr(self, name))


def no_file(files: Files) -> None:
    files.cert.unlink()


def no_pem(files: Files) -> None:
    files.key.write_text("nothing of use\n")


def key_of_another(files: Files) -> None:
    files.put("key", files.other_key)


def another_authority(files: Files) -> None:
    files.put("ca", files.other_ca)


def certificate_of_another_bank(files: Files) -> None:
    files.put("cert", files.other_cert)
    files.put("key", files.other_key)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    found = Mosquitto(tmp_path / "bank")
    found.start()
    yield found
    found.stop()


@pytest.fixture
def files(broker: Mosquitto, tmp_path: Path) -> Files:
    ours = broker.provisioned[0]
    other = provision(plan(tmp_path / "other", KIOSK, broker.port), datetime.now(UTC))
    used = tmp_path / "used"
    used.mkdir()
    for source, name in ((ours.pki / "ca.pem", "ca"), (ours.kiosk_cert, "cert"), (ours.kiosk_key, "key")):
        shutil.copy(source, used / name)
    return Files(used / "ca", used / "cert", used / "key", other.pki / "ca.pem", other.kiosk_cert, other.kiosk_key)


@asynccontextmanager
async def uplinked(bus: ControllerBus, files: Files, port: int) -> AsyncIterator[None]:
    settings = LinkSettings(
        brokers=(Broker("127.0.0.1", port),),
        ca=files.ca,
        cert=files.cert,
        key=files.key,
        backoff_s=0.05,
        backoff_s_max=0.2,
    )
    clock = SystemClock()
    task = asyncio.create_task(Uplink(KIOSK, bus, Session(settings, clock), clock, Window(Limits())).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("spoil", "words", "remedy"),
    [
        (no_file, "cannot be read: No such file", "Ask the bank for this kiosk's certificate"),
        (no_pem, "it is no PEM file", "Ask the bank for this kiosk's certificate"),
        (key_of_another, "do not belong together", "Ask the bank for this kiosk's certificate"),
        (another_authority, "the broker's certificate is not accepted", "somebody else's broker"),
        (certificate_of_another_bank, "hung up before it answered; perhaps it does not accept", "Ask the bank"),
    ],
)
async def test_a_wrong_certificate_is_said_with_a_remedy_and_the_outbox_waits(
    broker: Mosquitto,
    files: Files,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Files], None],
    words: str,
    remedy: str,
) -> None:
    done = broker.provisioned[0]
    kiosk = KioskSide(done.kiosk_keys)
    for number in range(RECORDS):
        kiosk.deposit(number)
    bus = ControllerBus(kiosk)
    spoil(files)
    try:
        with caplog.at_level(logging.WARNING), receiving(done.bank_config):
            async with uplinked(bus, files, broker.port):
                await bus.until(lambda: bool(bus.reports))
                said = bus.reports[0]
                assert not said.connected
                assert f"127.0.0.1:{broker.port}" in said.detail
                assert words in said.detail
                assert remedy in said.detail
                assert said.detail in caplog.text
                assert kiosk.records.outbox_rows() == RECORDS
                for name, source in (("ca", done.pki / "ca.pem"), ("cert", done.kiosk_cert), ("key", done.kiosk_key)):
                    files.put(name, source)
                await bus.until(lambda: kiosk.records.outbox_rows() == 0)
                assert any(report.connected for report in bus.reports)
    finally:
        kiosk.close()
