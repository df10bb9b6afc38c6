"""The uplink's client certificate: which one a broker took last is on record, and so is that it ends soon.

A kiosk whose certificate has ended reaches nobody, so the warning stays in the journal's memory and in status also when
no broker is reached any more. The alert goes out as a record, once for a certificate: while there is still a way.
"""

from datetime import timedelta
from typing import Final

from kiosk.clock import rfc3339
from kiosk.core.records import alert, service
from kiosk.core.state import Deposit
from kiosk.guarantee.journal import Journal
from kiosk.management.controller import Controller
from kiosk.messages import LinkReport

KNOWN: Final = "uplink_certificate"  # in the journal's memory: SHA-256 and end of the one that a broker took last
ALERTED: Final = "uplink_certificate_alerted"
SOON: Final = timedelta(days=30)


class Certificate:
    """One for the desk."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._loaded = False
        self._sha256, self._ends, self._alerted = "", "", ""

    async def taken(self, report: LinkReport) -> None:
        """A broker has taken this one; on record if it is another than the last."""
        await self._load()
        sha256, ends = report.certificate_sha256, report.certificate_ends
        if not sha256 or sha256 == self._sha256:
            return
        changed = service("certificate_changed", {"sha256": bytes.fromhex(sha256), "ends": ends})
        await self._c.runner.run(self._c.journal.remember, KNOWN, f"{sha256} {ends}", changed, self._c.clock.now_utc())
        self._sha256, self._ends = sha256, ends
        self._c.grown()

    async def look(self) -> None:
        """Alert when it is time; to be called now and then."""
        await self._load()
        if self._alerted == self._sha256 or not self._soon():
            return
        draft = alert(Deposit(), "certificate", self.warnings())
        await self._c.runner.run(self._c.journal.remember, ALERTED, self._sha256, draft, self._c.clock.now_utc())
        self._alerted = self._sha256
        self._c.grown()

    def warnings(self) -> tuple[str, ...]:
        """For status."""
        if not self._soon():
            return ()
        return (f"the uplink's certificate ends at {self._ends}: have it renewed, or the kiosk reaches nobody",)

    def _soon(self) -> bool:
        return bool(self._ends) and rfc3339(self._c.clock.now_utc() + SOON) >= self._ends

    async def _load(self) -> None:
        if not self._loaded:
            known, self._alerted = await self._c.runner.run(_stored, self._c.journal)
            self._sha256, _, self._ends = known.partition(" ")
            self._loaded = True


def _stored(journal: Journal) -> tuple[str, str]:
    return journal.memory(KNOWN) or "", journal.memory(ALERTED) or ""
