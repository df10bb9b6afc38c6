"""The storage units in the running controller: every change under its lock, durable before anybody sees it.

The facts and rules are `kiosk.core.units`'s; here are the clock, the journal and the moment: deposits are booked in the
transaction of their record, the business date is closed when its time has come and no deposit is under way.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from kiosk.clock import Clock, rfc3339
from kiosk.core import day, units
from kiosk.core import unit_facts as u
from kiosk.core.booking import booking
from kiosk.core.calendar import Calendar
from kiosk.core.facts import BoardHappening
from kiosk.core.state import Deposit, Outcome, State
from kiosk.core.storage import Ledger, Threshold, UnitName
from kiosk.core.unit_refusals import UnitRefused
from kiosk.guarantee.counts import BankCount
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log import Appended
from kiosk.guarantee.unit_book import Entry
from kiosk.management.counts import post
from kiosk.management.store import Runner

_log = logging.getLogger(__name__)
LOOK_S: Final = 20.0  # how late a cut-over may be noticed
BOOKED: Final = (State.IDLE, State.RECEIPT, State.DONE)  # no deposit is under way that is not in the books
_RECORD: Final = "deposit"
REACHED: Final = ("the cabinet door is open", "the cabinet is being tampered with")
BEHIND_DOOR: Final[tuple[UnitName, ...]] = ("retract", "cabinet", "cassette")
TOUCHED: Final[dict[BoardHappening, tuple[tuple[UnitName, ...], str]]] = {
    "tray_removed": (("tray",), "the tray was removed"),
    "tray_emptied": (("tray",), "the tray was emptied by hand"),
    "gate_opened": (("cabinet",), "the gate was opened without an order"),
}
LOOSE: Final[tuple[UnitName, ...]] = ("escrow", "tray")  # what lies there belongs to no bundle in the cabinet


@dataclass(frozen=True)
class StorageSettings:
    """What the configuration says of units and days."""

    slots: int = 40
    thresholds: dict[UnitName, Threshold] = field(default_factory=dict)
    calendar: Calendar = field(default_factory=lambda: Calendar(UTC))


class Storage:
    """The ledger of the units. `lock` is the controller's: whoever holds it may change deposit or units."""

    def __init__(
        self,
        *,
        journal: Journal,
        runner: Runner,
        clock: Clock,
        lock: asyncio.Lock,
        deposit: Callable[[], Deposit],
        changed: Callable[[bool], None],
        settings: StorageSettings,
    ) -> None:
        self._journal, self._runner, self._clock, self._lock = journal, runner, clock, lock
        self._deposit = deposit
        self._changed = changed  # told whether there are new records
        self.settings = settings
        self.ledger = Ledger()

    async def load(self) -> None:
        """Once at start: what the journal knows."""
        self.ledger = await self._runner.run(self._journal.units)

    async def configure(self, names: tuple[UnitName, ...]) -> None:
        """Which units this kiosk has: the validator's capabilities decide. The first time opens the business date."""
        if not self.ledger.day.opened or any(self.ledger.unit(name) is None for name in names):
            now = self._clock.now_utc()
            await self.apply(lambda _: u.Configured(rfc3339(now), self.date(now), names))

    def now(self) -> datetime:
        """The wall clock."""
        return self._clock.now_utc()

    def date(self, moment: datetime) -> str:
        """The business date by the branch's calendar."""
        return self.settings.calendar.date(moment)

    # --- deposits -----------------------------------------------------------------------------------------

    @property
    def may_begin(self) -> bool:
        """Whether a deposit may begin as far as the units are concerned; asked under the lock."""
        return self.ledger.exchange is None

    def booked(self, outcome: Outcome, now: datetime) -> tuple[tuple[Entry, ...], Ledger]:
        """The units with the deposit whose record is among these, or after a reset outside any. Under the lock."""
        if not outcome.deposit.id and any(draft.body.get("event") == "reset" for draft in outcome.records):
            return self._binned(rfc3339(now))
        if not any(draft.kind == _RECORD for draft in outcome.records):
            return (), self.ledger
        deposit = outcome.deposit
        moment = datetime.fromisoformat(deposit.confirmed_at) if deposit.confirmed_at else now
        fact = booking(deposit, rfc3339(now), self.date(moment))
        change = units.step(self.ledger, fact)
        return (Entry(fact, change.ledger, change.records, change.first),), change.ledger

    def _binned(self, at: str) -> tuple[tuple[Entry, ...], Ledger]:
        """What lay in escrow and tray is in the retract bin since a reset; its record has the figures."""
        ledger, entries = self.ledger, []
        for source in LOOSE:
            unit = ledger.unit(source)
            if unit is not None and unit.items and ledger.unit("retract") is not None:
                fact = u.Transferred(at, source, "retract", f"{source} was emptied by a reset, {at}")
                change = units.step(ledger, fact)
                ledger = change.ledger
                entries.append(Entry(fact, ledger, change.records, change.first))
        return tuple(entries), ledger

    @property
    def loose(self) -> tuple[tuple[str, int], ...]:
        """Notes that finished deposits left in escrow and tray."""
        found = ((name, self.ledger.unit(name)) for name in LOOSE)
        return tuple((name, unit.count) for name, unit in found if unit is not None and unit.count)

    def took(self, ledger: Ledger) -> None:
        """What `booked` foresaw is durable."""
        if ledger is not self.ledger:
            self.ledger = ledger
            self._changed(True)  # noqa: FBT003 - there are new records

    # --- everything else ------------------------------------------------------------------------------------

    async def apply(self, make: Callable[[Ledger], u.AnyUnitFact], *, idle: bool = False) -> list[Appended]:
        """One fact, made and stored under the lock; completes even if the caller is cancelled. Raises `UnitRefused`.

        With `idle` it is refused while a deposit is under way.
        """
        return await asyncio.shield(asyncio.ensure_future(self._apply(make, idle=idle)))

    async def _apply(self, make: Callable[[Ledger], u.AnyUnitFact], *, idle: bool) -> list[Appended]:
        async with self._lock:
            if idle and self._deposit().state not in BOOKED:
                raise UnitRefused("transactionActive", "A deposit is under way.", "Wait until it is finished.")
            fact = make(self.ledger)
            change = units.step(self.ledger, fact)
            entry = Entry(fact, change.ledger, change.records, change.first)
            made = await self._runner.run(self._journal.commit_units, entry, self._clock.now_utc())
            self.ledger = change.ledger
        self._changed(bool(made))
        return made

    async def post(self, count: BankCount) -> None:
        """A count that the bank has signed. Raises `UnitRefused`."""
        async with self._lock:
            now = self._clock.now_utc()
            ledger = await self._runner.run(
                post, self._journal, self.ledger, count, by=count.by, number=0, source="bank", now=now
            )
            self.took(ledger)

    async def noticed(self, hazards: Collection[str]) -> None:
        """Outside an exchange, an open door puts what is counted behind it in doubt."""
        words = next((item for item in hazards if item in REACHED), None)
        if words is not None:
            await self._doubt(BEHIND_DOOR, words)

    async def board_told(self, happenings: Collection[BoardHappening]) -> None:
        """What the board saw while no deposit was under way."""
        for happening in happenings:
            if happening in TOUCHED:
                await self._doubt(*TOUCHED[happening])

    async def _doubt(self, names: Collection[UnitName], words: str) -> None:
        reached = tuple(unit.name for unit in self.ledger.units if unit.name in names)
        if reached and self.ledger.exchange is None:
            at = rfc3339(self._clock.now_utc())
            await self.apply(lambda _: u.Intervened(at, reached, f"{words}, {at}"))

    async def watch(self, synchronised: Callable[[], bool]) -> None:
        """For ever: close the date when its time has come, correct it when the clock that opened it was wrong."""
        while True:
            await self.look(synchronised=synchronised())
            await self._clock.sleep(LOOK_S)

    async def look(self, *, synchronised: bool) -> None:
        """Once: Z at the cut-over, if no deposit is under way."""
        now = self._clock.now_utc()
        date, present = self.date(now), self.ledger.day
        fact: u.AnyUnitFact
        if synchronised and day.ran_ahead(present, date):
            fact = u.DateCorrected(rfc3339(now), date)
        elif day.due(present, date):
            fact = u.DayClosed(rfc3339(now), date)
        else:
            return
        try:
            await self.apply(lambda _: fact, idle=True)
        except UnitRefused as refused:
            _log.info("the business date stays open for now: %s", refused)

    def hindrances(self) -> tuple[str, ...]:
        """Why no deposit may begin."""
        return units.hindrances(self.ledger, self.settings.thresholds)

    def warnings(self) -> tuple[str, ...]:
        """What somebody should come for."""
        return units.warnings(self.ledger, self.settings.thresholds)

    def free_slot(self) -> int | None:
        """Where the next bundle goes."""
        return units.free_slot(self.ledger, self.settings.slots)
