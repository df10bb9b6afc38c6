"""What people have signed about storage units, carried out: exchange start and end, a count, a Z report.

Each is settled under the controller's lock, in the transaction that uses the signatures up; the ledger in memory
follows once that is durable (`settled`).
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from kiosk.clock import rfc3339
from kiosk.core import exchange, units
from kiosk.core import unit_facts as u
from kiosk.core.actions import Action, CloseDate, ExchangeEnd, ExchangeStart, PostCount
from kiosk.core.authority_facts import NotAuthorised
from kiosk.core.day import label
from kiosk.core.storage import Ledger
from kiosk.core.unit_refusals import UnitRefused
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.unit_book import Entry
from kiosk.management.authority import Allowed, AuthorityDesk, Performer
from kiosk.management.counts import post
from kiosk.management.storage import Storage
from kiosk.messages import Refused

_log = logging.getLogger(__name__)
A = TypeVar("A", bound=Action)


def register(authority: AuthorityDesk, storage: Storage, print_slip: Callable[[], Awaitable[str]]) -> None:
    """Say who carries these actions out."""
    authority.register(ExchangeStart, StartExchange(storage))
    authority.register(ExchangeEnd, EndExchange(storage, print_slip))
    authority.register(PostCount, PostCounts(storage))
    authority.register(CloseDate, CloseDates(storage))


class _Unit(Performer[A], ABC):
    """Foresees the change, stores it with the use of the request, then lets the ledger follow."""

    at_rest = True

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._foreseen: Ledger | None = None

    async def ready(self, action: A) -> Refused | None:
        now = self._storage.now()
        try:
            units.step(self._storage.ledger, self._fact(action, ("one", "other"), now))
        except UnitRefused as refused:
            return Refused(refused.code, str(refused), refused.remedy)
        return None

    def settle(self, journal: Journal, allowed: Allowed[A], now: datetime) -> None:
        self._foreseen = None
        try:
            self._foreseen = self._stored(journal, allowed, now)
        except UnitRefused as refused:
            raise NotAuthorised(refused.code, str(refused), refused.remedy) from refused

    def settled(self) -> None:
        if self._foreseen is not None:
            self._storage.took(self._foreseen)
            self._foreseen = None

    @abstractmethod
    def _fact(self, action: A, by: tuple[str, ...], now: datetime) -> u.AnyUnitFact:
        """What the ledger is told of `action`, signed by these staff ids."""

    def _stored(self, journal: Journal, allowed: Allowed[A], now: datetime) -> Ledger:
        fact = self._fact(allowed.action, allowed.signers, now)
        change = units.step(self._storage.ledger, fact)
        journal.commit_units(Entry(fact, change.ledger, change.records, change.first), now)
        return change.ledger


class StartExchange(_Unit[ExchangeStart]):
    """From here on no deposit begins."""

    def _fact(self, action: ExchangeStart, by: tuple[str, ...], now: datetime) -> u.AnyUnitFact:
        return u.ExchangeStarted(rfc3339(now), by, action.units)


class EndExchange(_Unit[ExchangeEnd]):
    """The hand-over record; then its slip, if the printer is willing."""

    def __init__(self, storage: Storage, print_slip: Callable[[], Awaitable[str]]) -> None:
        super().__init__(storage)
        self._print_slip = print_slip

    def _fact(self, action: ExchangeEnd, by: tuple[str, ...], now: datetime) -> u.AnyUnitFact:
        present = self._storage.ledger.exchange
        if present is not None and (present.number, exchange.digest(present)) != (action.exchange, action.steps_sha256):
            message = "The exchange has gone on since this was asked for."
            raise UnitRefused("exchangeChanged", message, "Look at `kioskctl exchange show`, then end it again.")
        return u.ExchangeEnded(rfc3339(now), by)

    async def carry_out(self, allowed: Allowed[ExchangeEnd]) -> None:
        trouble = await self._print_slip()
        if trouble:
            _log.warning("the slip of exchange %d was not printed: %s", allowed.action.exchange, trouble)


class PostCounts(_Unit[PostCount]):
    """The count of something collected, typed here."""

    def _fact(self, action: PostCount, by: tuple[str, ...], now: datetime) -> u.AnyUnitFact:
        return u.CountPosted(rfc3339(now), action.item, action.rows, by, "kiosk", action.reference)

    def _stored(self, journal: Journal, allowed: Allowed[PostCount], now: datetime) -> Ledger:
        return post(
            journal,
            self._storage.ledger,
            allowed.action,
            by=allowed.signers,
            number=allowed.number,
            source="kiosk",
            now=now,
        )


class CloseDates(_Unit[CloseDate]):
    """Z on demand."""

    def _fact(self, action: CloseDate, by: tuple[str, ...], now: datetime) -> u.AnyUnitFact:
        present = label(self._storage.ledger.day)
        if action.date != present:
            raise UnitRefused("dateClosed", f"The open business date is {present}, not {action.date}.", "Ask again.")
        return u.DayClosed(rfc3339(now), self._storage.date(now), by)
