"""A kiosk changes its keys, and begins another log, while a broker, a receiver and its uplink run: nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from kiosk.clock import SystemClock
from kiosk.core.records import service
from kiosk.core.state import RecordDraft
from kiosk.errors import BusError
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.guarantee.signers import PURPOSES, Purpose
from kiosk.uplink.session import Broker, LinkSettings, Session
from kiosk.uplink.uplink import Uplink
from kiosk.uplink.window import Limits, Window
from kiosk_cloud import config as bank_config
from kiosk_cloud.cli import main
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.store import Store
from kiosk_cloud.verify import verify_store
from tests.desk_kit import DeskBus
from tests.uplink_kit import KIOSK, NOW, WAIT_S, Mosquitto, deposit_content, plan, receiving

pytestmark = pytest.mark.mosquitto
LATER = f"{KIOSK}.epoch2"
NEW: dict[Purpose, Ed25519Signer] = {
    "record": Ed25519Signer.from_seed(b"\x81" * 32),
    "checkpoint": Ed25519Signer.from_seed(b"\x82" * 32),
}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    found = Mosquitto(tmp_path)
    for purpose, key in NEW.items():
        key.save(found.provisioned[0].kiosk_keys / f"{purpose}.next.key")
    found.start()
    yield found
    found.stop()


@asynccontextmanager
async def uplinked(bus: DeskBus, broker: Mosquitto) -> AsyncIterator[None]:
    """As the process does: when the controller ends a connection, it begins anew."""
    done, clock = broker.provisioned[0], SystemClock()
    link = LinkSettings(
        (Broker("127.0.0.1", broker.port),), done.pki / "ca.pem", done.kiosk_cert, done.kiosk_key, backoff_s=0.05
    )

    async def serve() -> None:
        while True:
            bus.uplink = Uplink(KIOSK, bus, Session(link, clock), clock, Window(Limits(resend_s=0.5)))
            with suppress(BusError):
                await bus.uplink.run()

    task = asyncio.create_task(serve())
    try:
        async with asyncio.timeout(WAIT_S):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def deposits(bus: DeskBus, *numbers: int) -> None:
    for number in numbers:
        bus.journal.append(RecordDraft("deposit", deposit_content(number)), NOW)
    bus.grew()


def rotate(bus: DeskBus) -> None:
    by = {"number": 1, "content": bytes(32), "by": ["anna", "carl"]}
    for purpose in PURPOSES:
        bus.journal.commit_bank(lambda journal, now, p=purpose: journal.log.rotate(p, NEW[p].kid, by, now), NOW)  # type: ignore[misc]
    bus.grew()


def bank_says(*words: str) -> None:
    result = CliRunner().invoke(main, list(words), input="y\n")  # who signs is asked
    assert result.exit_code == 0, result.output


def order_another_log(broker: Mosquitto, folder: Path) -> None:
    """As docs/bank-commands.md says."""
    config = ("--config", str(broker.provisioned[0].bank_config))
    file, second = ("--file", str(folder / "command.cbor")), folder / "second" / "second.key"
    bank_says("command", "give", "new-epoch", *config, "--kiosk", KIOSK, "--epoch", "2")
    bank_says("command", "export", *config, "--kiosk", KIOSK, "--number", "1", *file)
    bank_says("command", "sign", *file, "--key", str(second))
    broker.stop()
    provision(plan(folder, port=broker.port), utc_now())
    broker.start()
    bank_says("command", "import", *config, *file)


def held(broker: Mosquitto) -> dict[str, int]:
    store = Store(bank_config.load(broker.provisioned[0].bank_config).store, read_only=True)
    try:
        return dict(store.prefixes())
    finally:
        store.close()


def signed_over(bus: DeskBus) -> bool:
    return not bus.journal.log.outbox_rows() and bus.journal.log.size() > 0


async def test_keys_are_changed_while_records_flow(broker: Mosquitto) -> None:
    bus = DeskBus(broker.provisioned[0])
    with receiving(broker.provisioned[0].bank_config):
        async with uplinked(bus, broker):
            deposits(bus, 0, 1)
            await bus.until(lambda: signed_over(bus))
            rotate(bus)
            deposits(bus, 2, 3)
            await bus.until(lambda: signed_over(bus))
    kid, size = bus.journal.log.record_key.kid, bus.journal.log.size()
    bus.journal.close()
    config = bank_config.load(broker.provisioned[0].bank_config)
    report = verify_store(config.store, config.keys)
    assert (report.ok, report.records, report.totals.deposits) == (True, size, 4), report.failures
    known = Keyring(config.keys).kiosk(KIOSK)
    assert kid == known.records.present.kid == NEW["record"].kid
    assert known.checkpoints.present.kid == NEW["checkpoint"].kid


@pytest.mark.parametrize("rotated", [False, True])
async def test_another_log_is_begun_over_the_uplink_and_goes_on(
    broker: Mosquitto,
    tmp_path: Path,
    rotated: bool,
) -> None:
    bus = DeskBus(broker.provisioned[0])
    with receiving(broker.provisioned[0].bank_config):
        async with uplinked(bus, broker):
            deposits(bus, 0, 1)
            if rotated:
                rotate(bus)
            await bus.until(lambda: signed_over(bus))
            closed = bus.journal.log.size()
            await asyncio.to_thread(order_another_log, broker, tmp_path)
            await bus.until(lambda: bus.journal.log.kiosk == LATER)
            deposits(bus, 2, 3, 4)
            await bus.until(lambda: signed_over(bus))
    first, size = bus.journal.log.record(0), bus.journal.log.size()
    bus.journal.close()
    assert (first.kind, first.content["event"]) == ("service", "epoch")
    assert first.content["believed"]["size"] == first.content["closed"]["size"] == closed
    assert held(broker) == {KIOSK: closed, LATER: size}
    config = bank_config.load(broker.provisioned[0].bank_config)
    report = verify_store(config.store, config.keys)
    assert (report.ok, report.totals.deposits) == (True, 5), report.failures


async def test_records_that_wait_when_the_link_is_down_go_out_under_the_key_that_signed_them(broker: Mosquitto) -> None:
    bus = DeskBus(broker.provisioned[0])
    bus.journal.append(service("held_note_given_back", {}), NOW)
    rotate(bus)
    deposits(bus, 0, 1, 2)
    with receiving(broker.provisioned[0].bank_config):
        async with uplinked(bus, broker):
            await bus.until(lambda: signed_over(bus))
    size = bus.journal.log.size()
    bus.journal.close()
    assert held(broker) == {KIOSK: size}
