"""The bank's terms at the kiosk: taken over, kept in the journal, and put between configuration and deposit.

Also the limits that a doubly signed command has set for a while, since they stand in the terms' place.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from kiosk.clock import rfc3339
from kiosk.core import terms as core
from kiosk.core.commands import SetLimits
from kiosk.core.policy import Timing
from kiosk.core.records import service
from kiosk.core.terms import BankLimit, Terms
from kiosk.errors import VerificationError
from kiosk.guarantee import terms as statement
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.terms import SignedTerms
from kiosk.management.controller import Controller
from kiosk.messages import BankText, Delivered, Refused, Reply

_log = logging.getLogger(__name__)
NO_KEY: Final = Refused(
    "no_command_key",
    "This kiosk was provisioned without the bank's command key.",
    "Run `kiosk-cloud provision` for it again and install bank_command.pub.",
)


@dataclass(frozen=True)
class InForce:
    """What the bank's word makes of the configuration at one moment."""

    limits: dict[str, tuple[int, int]]  # currency -> one deposit, one day; minor units
    timing: Timing
    medium_stops: bool


class BankTerms:
    """What the bank has said. Without its command key nothing is ever accepted."""

    def __init__(self, kiosk: str, keys: Commanders | None, controller: Controller) -> None:
        self._kiosk, self._keys, self._c = kiosk, keys, controller
        self._loaded = False
        self._present: SignedTerms | None = None
        self._bytes = b""
        self._override: SetLimits | None = None

    async def deliver(self, data: bytes) -> Reply:
        """Verify, store and use terms that are newer than ours; the same ones again change nothing.

        Raises VerificationError for anything that is not the bank's newer word to this kiosk.
        """
        if self._keys is None:
            return NO_KEY
        await self.load()
        if data == self._bytes:  # the broker's retained message comes again at each connection
            return Delivered()
        found = statement.verify(data, self._keys.bank, self._kiosk)
        if self._present is not None and found.version <= self._present.version:
            raise VerificationError(
                f"terms of version {found.version} are not newer than version {self._present.version}",
                remedy="Publish the terms again: a new version replaces the one that is here.",
            )
        details: dict[str, object] = {
            "version": found.version,
            "issued_at": found.issued_at,
            "sha256": hashlib.sha256(data).digest(),
        }

        def write(journal: Journal, now: datetime) -> None:
            journal.bank.put("terms", data)
            journal.log.bank_said(found.issued_at)
            journal.append(service("terms_accepted", details), now)

        await self._c.runner.run(self._c.journal.commit_bank, write, self._c.clock.now_utc())
        self._present, self._bytes = found, data
        _log.info("the bank's terms are of version %d", found.version)
        self._c.recorded()
        return Delivered()

    def overridden(self, command: SetLimits | None) -> None:
        """A command has set limits for a while."""
        self._override = command

    async def in_force(self, limits: dict[str, tuple[int, int]], timing: Timing) -> InForce:
        """The configuration under the bank's word, now."""
        await self.load()
        terms = self._present.terms if self._present else Terms()
        said = terms.limits if (override := await self._now_overridden()) is None else override
        return InForce(core.limited(limits, said), core.timed(timing, terms.timing), terms.medium == "stop")

    async def _now_overridden(self) -> tuple[BankLimit, ...] | None:
        """Judged against the latest time that is proved to have been: a clock put back prolongs nothing."""
        if self._override is None:
            return None
        floor = await self._c.runner.run(self._c.journal.log.time_floor)
        over = max(floor, rfc3339(self._c.clock.now_utc())) >= self._override.until
        return None if over else self._override.limits

    async def texts(self) -> tuple[BankText, ...]:
        """The words for the screen that it is time for."""
        await self.load()
        now = rfc3339(self._c.clock.now_utc())
        found = self._present.terms.texts if self._present else ()
        return tuple(BankText(words.kind, words.language, words.text) for words in found if words.shown(now))

    async def version(self) -> int | None:
        """Of the terms in use; None without."""
        await self.load()
        return self._present.version if self._present else None

    async def load(self) -> None:
        """Once: what was here before the restart, verified as if it had just come."""
        if self._loaded:
            return
        self._loaded = True
        terms, limits = await self._c.runner.run(_stored, self._c.journal)
        if limits is not None:
            self._override = msgspec.json.decode(limits, type=SetLimits)
        if terms is None or self._keys is None:
            return
        try:
            self._present, self._bytes = statement.verify(terms, self._keys.bank.ever, self._kiosk), terms
        except VerificationError as error:  # e.g. the bank's key was changed: the configuration alone holds
            _log.error("the stored terms are not used: %s", error)


def _stored(journal: Journal) -> tuple[bytes | None, bytes | None]:
    return journal.bank.get("terms"), journal.bank.get("limits")
