"""The uplink's way to a real desk and journal of the controller, for tests with a broker."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

from kiosk.clock import SystemClock
from kiosk.core.policy import Timing
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.credentials import Credentials
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import load_kek
from kiosk.management.authority import AuthorityDesk
from kiosk.management.controller import Controller, Settings
from kiosk.management.desk import Desk, Rules
from kiosk.management.directory import AccountDirectory
from kiosk.management.health import Around, HealthDesk
from kiosk.management.host import Host
from kiosk.management.machine import Devices
from kiosk.management.riskdesk import RiskDesk
from kiosk.management.store import InlineRunner
from kiosk.management.tally import Tally
from kiosk.management.view import Identity, status
from kiosk.messages import Ok, OutboxGrew, Reply, Request, Subscribe
from kiosk.uplink.uplink import Uplink
from kiosk_cloud.provision import Provisioned
from tests.uplink_kit import KIOSK


class DeskBus:
    """The uplink's way to a real desk and journal; the devices are nobody's business here."""

    def __init__(self, done: Provisioned) -> None:
        clock, keys_dir = SystemClock(), done.kiosk_keys
        kek = load_kek(keys_dir / "vault.key")
        self.journal = Journal(
            keys_dir.parent / "journal.db", LogKeys.load(KIOSK, keys_dir), kek, clock_synchronised=lambda: True
        )
        runner = InlineRunner()
        controller = Controller(
            devices=cast("Devices", SimpleNamespace(lines=SimpleNamespace(read=lambda _: False))),
            journal=self.journal,
            runner=runner,
            risk=RiskDesk(lambda _: None, lambda: (), timeout_s=2.0),
            clock=clock,
            settings=Settings(frozenset(), frozenset(), shutter_s=1.0, board_watchdog_ms=3000, kiosk=KIOSK),
            guarantee=lambda *_: (),
            changed=lambda: None,
            grew=self.grew,
            sensed=lambda _: None,
        )
        identity = Identity(KIOSK, "ab" * 32, "0.1.0", single_user=True, started_s=0.0)
        self._desk = Desk(
            controller,
            Rules((), {}, {}, 40, Timing(), "staff-1"),
            bytes,
            lambda books: status(controller, books, identity, clock_synchronised=True),
            AccountDirectory(KIOSK, DirectoryKeys.load(keys_dir), self.journal, runner, clock),
            authority=AuthorityDesk(controller, Credentials(kek), InlineRunner()),
            commanders=Commanders.load(keys_dir),
        )
        tally = Tally(clock, lambda _event, _fields: None)
        host = Host(keys_dir, keys_dir / "sys")
        self._desk.take_health(
            HealthDesk(controller, identity, tally, host, Around(self._desk, {}), lambda: True).health
        )
        self.uplink: Uplink | None = None
        self.asked = asyncio.Event()

    def grew(self) -> None:
        if self.uplink is not None:
            self.uplink.pushed(OutboxGrew(self.journal.log.size()))

    async def request(self, message: Request) -> Reply:
        reply = Ok() if isinstance(message, Subscribe) else await self._desk.handle("uplink", message)
        self.asked.set()
        return reply

    async def until(self, condition: Callable[[], bool]) -> None:
        """Looked at after each request, and a little later: listeners hear by way of the broker."""
        while not condition():
            self.asked.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self.asked.wait()
