"""The account directory's way: the bank's command, a real broker, the uplink, the controller's answer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kiosk.clock import SystemClock
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import load_kek
from kiosk.management.directory import AccountDirectory
from kiosk.management.store import InlineRunner
from kiosk.messages import DeliverDirectory, LookedUp, LookUp, Ok, Reply, Request
from kiosk.uplink.session import Broker, LinkSettings, Session
from kiosk.uplink.uplink import Uplink
from kiosk_cloud.cli import main
from tests.uplink_kit import KIOSK, WAIT_S, ControllerBus, KioskSide, Mosquitto

pytestmark = pytest.mark.mosquitto
ACCOUNT = "0000111122223337"


class _Bus(ControllerBus):
    """The controller's answers, a real account directory among them."""

    def __init__(self, kiosk: KioskSide, directory: AccountDirectory) -> None:
        super().__init__(kiosk)
        self.directory = directory
        self.delivered: list[Reply] = []

    async def request(self, message: Request) -> Reply:
        if not isinstance(message, DeliverDirectory):
            return await super().request(message)
        reply = await self.directory.deliver(message)
        self.delivered.append(reply)
        self.changed.set()
        return reply


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    found = Mosquitto(tmp_path)
    found.start()
    yield found
    found.stop()


def publish(broker: Mosquitto, name: str) -> None:
    config = broker.provisioned[0].bank_config
    path = config.parent / "accounts.csv"
    path.write_text(f"account,name\n{ACCOUNT},{name}\n")
    result = CliRunner().invoke(main, ["directory", "publish", "--config", str(config), "--file", str(path)])
    assert result.exit_code == 0, result.output
    assert "1 accounts, published" in result.output


async def test_what_the_bank_publishes_is_known_at_the_kiosk(broker: Mosquitto) -> None:
    done = broker.provisioned[0]
    await asyncio.to_thread(publish, broker, "王小明")  # retained: the kiosk comes later
    journal = Journal(
        done.kiosk_keys.parent / "journal.db",
        LogKeys.load(KIOSK, done.kiosk_keys),
        load_kek(done.kiosk_keys / "vault.key"),
        clock_synchronised=lambda: True,
    )
    kiosk = KioskSide(done.kiosk_keys)
    clock = SystemClock()
    bus = _Bus(kiosk, AccountDirectory(KIOSK, DirectoryKeys.load(done.kiosk_keys), journal, InlineRunner(), clock))
    link = LinkSettings(
        brokers=(Broker("127.0.0.1", broker.port),),
        ca=done.pki / "ca.pem",
        cert=done.kiosk_cert,
        key=done.kiosk_key,
        backoff_s=0.05,
    )
    uplink = asyncio.create_task(Uplink(KIOSK, bus, Session(link, clock), clock).run())
    try:
        await bus.until(lambda: len(bus.delivered) == 1)
        assert await bus.directory.look_up(LookUp(ACCOUNT)) == LookedUp("****3337", "王*明", True, 1)
        await asyncio.to_thread(publish, broker, "王大明明")
        await bus.until(lambda: len(bus.delivered) == 2)
        assert await bus.directory.look_up(LookUp(ACCOUNT)) == LookedUp("****3337", "王**明", True, 2)
        assert bus.delivered == [Ok(), Ok()]
    finally:
        uplink.cancel()
        await asyncio.wait({uplink}, timeout=WAIT_S)
        kiosk.close()
        journal.close()
