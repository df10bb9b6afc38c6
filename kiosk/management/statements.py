"""What the bank says to this kiosk beside acknowledgements: terms, commands, complaints. Each is verified here.

Whatever is refused leaves a record, too (`refusals`).
"""

import asyncio
import hashlib
import logging
from dataclasses import asdict
from datetime import datetime

from kiosk.core.records import alert, complaint
from kiosk.core.state import Deposit, RecordDraft
from kiosk.guarantee import complaints
from kiosk.guarantee.bank_book import Said
from kiosk.guarantee.journal import Journal
from kiosk.management.commands import CommandDesk
from kiosk.management.controller import Controller
from kiosk.management.refusals import Refusals
from kiosk.management.terms import BankTerms
from kiosk.messages import Delivered, DeliverStatement, Refused, Reply

_log = logging.getLogger(__name__)


class Statements:
    """One for the desk."""

    def __init__(self, controller: Controller, terms: BankTerms, commands: CommandDesk, refusals: Refusals) -> None:
        self._c, self._terms, self._commands, self._refusals = controller, terms, commands, refusals
        self._lock = asyncio.Lock()

    async def deliver(self, message: DeliverStatement) -> Reply:
        """Take one. Raises VerificationError for what is not the bank's word to this kiosk. Completes if cancelled."""
        return await asyncio.shield(asyncio.ensure_future(self._deliver(message)))

    async def _deliver(self, message: DeliverStatement) -> Reply:
        async with self._lock, self._refusals.noting(message.lane, message.data):
            reply = await self._take(message)
        if isinstance(reply, Refused):
            await self._refusals.note(message.lane, message.data, reply.message)
        return reply

    async def _take(self, message: DeliverStatement) -> Reply:
        match message.lane:
            case "terms":
                return await self._terms.deliver(message.data)
            case "command":
                return await self._commands.deliver(message.data)
        return await self._complained(message.data)

    async def _complained(self, data: bytes) -> Reply:
        journal = self._c.journal
        found = complaints.verify(data, journal.log.bank_acks, journal.log.kiosk)
        digest = hashlib.sha256(data).digest()
        body = {name: value for name, value in asdict(found).items() if name not in ("kiosk", "kind")}
        body["complaint"] = found.kind  # a record has a kind of its own
        words = f"the bank complains of a {found.kind} at record {found.sequence}: {found.reason}"
        drafts: tuple[RecordDraft, ...] = (
            complaint({**body, "sha256": digest}),
            alert(Deposit(), "complaint", (words,)),
        )

        def write(journal: Journal, now: datetime) -> bool:
            if journal.bank.said("complaint", found.number) is not None:
                return False
            journal.log.bank_said(found.issued_at)
            made = [journal.append(draft, now) for draft in drafts]
            journal.bank.add("complaint", found.number, Said(digest, journal.log.kiosk, made[0].sequence))
            return True

        if await self._c.runner.run(journal.commit_bank, write, self._c.clock.now_utc()):
            _log.critical("%s", words)
            self._c.recorded()
        return Delivered()
