"""Two actions carried out between deposits: another validator is accepted, a dispute is cleared."""

from datetime import datetime
from typing import Final

from kiosk.clock import rfc3339
from kiosk.core import units
from kiosk.core.actions import AcceptDevice, ClearDispute
from kiosk.core.authority_facts import NotAuthorised
from kiosk.core.disputes import CannotClear, clearing_record, settled
from kiosk.core.records import service
from kiosk.core.unit_facts import DisputeDecided
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.unit_book import Entry
from kiosk.management.authority import Allowed, Performer
from kiosk.management.controller import ACCEPTED_SERIAL
from kiosk.management.storage import Storage
from kiosk.management.store import Runner
from kiosk.messages import Disputes, DisputeView, Refused

DISPUTES_MAX: Final = 1000  # of one answer, well inside a bus frame
_LOOK: Final = "Look at `kioskctl dispute list`."


class AcceptValidator(Performer[AcceptDevice]):
    """A technician vouches for another validator; never while a deposit is open, whose notes the old one counted."""

    at_rest = True

    def settle(self, journal: Journal, allowed: Allowed[AcceptDevice], now: datetime) -> None:
        serial = allowed.action.serial_number
        draft = service("device_accepted", {"device": allowed.action.device, "serial": serial})
        journal.remember(ACCEPTED_SERIAL, str(serial), draft, now)


class ClearDisputes(Performer[ClearDispute]):
    """Whose disputed notes are, by two people's word; a new record, nothing rewritten."""

    at_rest = True  # the units' books are under that lock, too

    def __init__(self, journal: Journal, runner: Runner, storage: Storage) -> None:
        self._journal = journal
        self._runner = runner
        self._storage = storage
        self._ledger = storage.ledger

    async def ready(self, action: ClearDispute) -> Refused | None:
        try:
            settled(action, await self._runner.run(self._journal.disputes.open, action.deposit_id))
        except CannotClear as error:
            return Refused("cannot_clear", f"This cannot be cleared: {error}.", _LOOK)
        return None

    def settle(self, journal: Journal, allowed: Allowed[ClearDispute], now: datetime) -> None:
        action = allowed.action
        try:
            notes = settled(action, journal.disputes.open(action.deposit_id))
        except CannotClear as error:
            raise NotAuthorised("cannot_clear", f"This cannot be cleared: {error}.", _LOOK) from error
        journal.append(clearing_record(action, notes, allowed.number, allowed.signers), now)
        journal.disputes.clear(action, notes, allowed.number)
        self._ledger = self._storage.ledger
        if not journal.disputes.open(action.deposit_id):
            decided = DisputeDecided(rfc3339(now), action.deposit_id)
            change = units.step(self._ledger, decided)
            journal.commit_units(Entry(decided, change.records, change.first), now)
            self._ledger = change.ledger

    def settled(self) -> None:
        self._storage.took(self._ledger)

    async def listed(self) -> Disputes:
        """What nobody has cleared."""
        found = await self._runner.run(self._journal.disputes.open)
        views = tuple(
            DisputeView(d.deposit_id, d.n, d.value_minor, d.currency, d.suspect, d.place, d.reason)
            for d in found[:DISPUTES_MAX]
        )
        return Disputes(views, more=len(found) > DISPUTES_MAX)
