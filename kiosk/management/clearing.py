"""Two actions carried out between deposits: another validator is accepted, a dispute is cleared."""

from datetime import datetime
from typing import Final

from kiosk.core.actions import AcceptDevice, ClearDispute
from kiosk.core.authority_facts import NotAuthorised
from kiosk.core.disputes import CannotClear, clearing_record, settled
from kiosk.core.records import service
from kiosk.guarantee.journal import Journal
from kiosk.management.authority import Allowed, Performer
from kiosk.management.controller import ACCEPTED_SERIAL
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

    at_rest = True  # a count of the bank clears disputes under that lock, too

    def __init__(self, journal: Journal, runner: Runner) -> None:
        self._journal = journal
        self._runner = runner

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

    async def listed(self) -> Disputes:
        """What nobody has cleared."""
        found = await self._runner.run(self._journal.disputes.open)
        views = tuple(
            DisputeView(d.deposit_id, d.n, d.value_minor, d.currency, d.suspect, d.place, d.reason)
            for d in found[:DISPUTES_MAX]
        )
        return Disputes(views, more=len(found) > DISPUTES_MAX)
