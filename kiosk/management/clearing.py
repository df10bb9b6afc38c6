"""Two actions carried out between deposits: another validator is accepted, a dispute is cleared."""

from datetime import datetime
from typing import Final

from kiosk.clock import rfc3339
from kiosk.core.actions import AcceptDevice, ClearDispute
from kiosk.core.authority_facts import NotAuthorised
from kiosk.core.deposit import allowed as table_allows
from kiosk.core.deposit import step
from kiosk.core.disputes import CannotClear, clearing_record, settled
from kiosk.core.facts import ValidatorReplaced
from kiosk.core.records import service
from kiosk.core.state import Outcome
from kiosk.core.storage import Ledger
from kiosk.guarantee.journal import Journal
from kiosk.management.authority import Allowed, Performer
from kiosk.management.controller import Controller
from kiosk.management.identity import ACCEPTED_SERIAL
from kiosk.management.store import Runner
from kiosk.messages import Disputes, DisputeView, Refused

DISPUTES_MAX: Final = 1000  # of one answer, well inside a bus frame
_LOOK: Final = "Look at `kioskctl dispute list`."


class AcceptValidator(Performer[AcceptDevice]):
    """A technician vouches for another validator.

    While a deposit is open that takes the new one to be there already: what the old one held is then disputed, or short
    where it was credited, in the same transaction.
    """

    at_rest = True

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._change: tuple[Outcome, Ledger] | None = None

    def anyway(self, action: AcceptDevice) -> bool:
        return self._c.machine.stranger == action.serial_number

    def settle(self, journal: Journal, allowed: Allowed[AcceptDevice], now: datetime) -> None:
        self._change = None
        serial, old = allowed.action.serial_number, journal.memory(ACCEPTED_SERIAL)
        deposit = self._c.deposit
        if table_allows(deposit.state, ValidatorReplaced):
            fact = ValidatorReplaced(rfc3339(now), allowed.signers[0], str(old), str(serial))
            outcome = step(deposit, fact)
            entries, ledger = self._c.storage.booked(outcome, now)
            journal.commit(fact, outcome, deposit, now, entries)
            self._change = outcome, ledger
        draft = service("device_accepted", {"device": allowed.action.device, "serial": serial})
        journal.remember(ACCEPTED_SERIAL, str(serial), draft, now)

    def settled(self) -> None:
        if self._change is not None:
            self._c.replaced(*self._change)


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
