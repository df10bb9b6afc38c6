"""The storage units as a table: every fact that may change them, each checked against XFS4IoT's rules.

`step` is pure, like the deposit's; the journal stores each fact in the transaction of what caused it - a deposit's
booking together with the deposit's own record - so that the units can never disagree with the deposits. A fact that is
refused (`UnitRefused`) is never stored; `replay` of the stored ones is the present state.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from kiosk.core import booking, counting, day, exchange, labels
from kiosk.core import unit_facts as u
from kiosk.core.state import RecordDraft
from kiosk.core.storage import COUNTED_BY_DEVICES, Ledger, Replenishment, Threshold, Unit, UnitName
from kiosk.core.unit_refusals import UnitRefused


class Change(NamedTuple):
    """What one fact led to. `first` records belong before those of the deposit that is booked with it."""

    ledger: Ledger
    records: tuple[RecordDraft, ...] = ()
    first: tuple[RecordDraft, ...] = ()


def _configured(ledger: Ledger, fact: u.Configured) -> Change:
    missing = (name for name in fact.units if ledger.unit(name) is None)
    new = tuple(Unit(name, accuracy="accurate" if name in COUNTED_BY_DEVICES else "unknown") for name in missing)
    kept = tuple(unit for unit in ledger.units if unit.name in fact.units or unit.items)
    present = ledger.day if ledger.day.opened else day.opened(ledger.day, fact.at, fact.date)
    return Change(replace(ledger, units=(*kept, *new), day=present))


def _booked(ledger: Ledger, fact: u.DepositBooked) -> Change:
    """A deposit of a later date first closes the open one."""
    first: tuple[RecordDraft, ...] = ()
    if day.due(ledger.day, fact.date):
        ledger, draft = day.closed(ledger, fact.at, fact.date, (), "deposit")
        first = (draft,)
    elif not ledger.day.opened:
        ledger = replace(ledger, day=day.opened(ledger.day, fact.at, fact.date))
    ledger = booking.booked(ledger, fact)
    tally = day.tallied(ledger.day.tally, fact)
    return Change(replace(ledger, day=replace(ledger.day, tally=tally)), first=first)


def _intervened(ledger: Ledger, fact: u.Intervened) -> Change:
    units = tuple(booking.doubted(unit, fact.what) if unit.name in fact.units else unit for unit in ledger.units)
    return Change(replace(ledger, units=units))


def _transferred(ledger: Ledger, fact: u.Transferred) -> Change:
    units = {unit.name: unit for unit in ledger.units}
    source, target = units.get(fact.source), units.get(fact.target)
    if source is None or target is None or source is target:
        raise UnitRefused(
            "invalidUnit", f"{fact.source} or {fact.target} is no unit here.", "Look at `kioskctl units`."
        )
    left = booking.moved(source, "left", "distributed", source.rows)
    came = booking.moved(target, "came", "distributed", source.rows)
    loose = tuple(replace(item, id="", slot=None) for item in source.items)
    units[source.name] = booking.doubted(replace(left, items=()), fact.what)
    units[target.name] = booking.doubted(replace(came, items=(*target.items, *loose)), fact.what)
    return Change(replace(ledger, units=tuple(units.values())))


def _closed(ledger: Ledger, fact: u.DayClosed) -> Change:
    open_date = day.label(ledger.day)
    if not day.begun(ledger.day, fact.date):
        raise UnitRefused(
            "dateClosed",
            f"{ledger.day.closed} is closed already; {open_date} has not begun.",
            "`kioskctl report list` shows the reports; an X report can be made at any time.",
        )
    if not fact.by and not day.due(ledger.day, fact.date):
        raise UnitRefused("dateOpen", f"{open_date} is not over.", "A supervisor may close it with a Z report.")
    ledger, draft = day.day_closed(ledger, fact)
    return Change(ledger, (draft,))


def _corrected(ledger: Ledger, fact: u.DateCorrected) -> Change:
    if not day.ran_ahead(ledger.day, fact.date):
        raise UnitRefused("dateOpen", "The open date needs no correction.", "Nothing is to be done.")
    return Change(replace(ledger, day=day.corrected(ledger.day, fact.date)))


Handler = Callable[[Ledger, Any], tuple[Any, ...]]
TABLE: Final[dict[type[u.UnitFact], Handler]] = {
    u.Configured: _configured,
    u.DepositBooked: _booked,
    u.Intervened: _intervened,
    u.Transferred: _transferred,
    u.ExchangeStarted: exchange.started,
    u.BundleTaken: exchange.bundle_taken,
    u.BundleMissing: exchange.bundle_missing,
    u.LabelOrdered: labels.ordered,
    u.LabelReported: labels.reported,
    u.UnitRemoved: exchange.removed,
    u.UnitInserted: exchange.inserted,
    u.ExchangeEnded: exchange.ended,
    u.CountPosted: counting.posted,
    u.DayClosed: _closed,
    u.DateCorrected: _corrected,
}


def step(ledger: Ledger, fact: u.UnitFact) -> Change:
    """The next state and the records of one fact. Raises `UnitRefused`."""
    return Change(*TABLE[type(fact)](ledger, fact))


def replay(facts: Iterable[u.UnitFact], ledger: Ledger | None = None) -> Ledger:
    """The ledger that these journalled facts lead to, from `ledger` on."""
    present = Ledger() if ledger is None else ledger
    for fact in facts:
        present = step(present, fact).ledger
    return present


# --- what follows from it -------------------------------------------------------------------------------


def used(ledger: Ledger, unit: Unit) -> int:
    """How much of a unit is taken: slots of the cabinet, notes of the others."""
    if unit.name == "cabinet":
        return len({item.slot for item in unit.items} | set(ledger.doubtful_slots))
    return unit.count


def replenishment(ledger: Ledger, unit: Unit, threshold: Threshold | None) -> Replenishment:
    """XFS4IoT's replenishment status of a unit that only takes cash in; without a threshold it never fills."""
    if threshold is None:
        return "ok"
    filled = used(ledger, unit)
    return "full" if filled >= threshold.full else "high" if filled >= threshold.high else "ok"


def free_slot(ledger: Ledger, slots: int) -> int | None:
    """The lowest cabinet slot in which no bundle is, nor may be; None when all are taken."""
    cabinet = ledger.unit("cabinet")
    taken = {item.slot for item in cabinet.items} if cabinet is not None else set()
    taken |= set(ledger.doubtful_slots)
    return next((slot for slot in range(slots) if slot not in taken), None)


def hindrances(ledger: Ledger, thresholds: dict[UnitName, Threshold]) -> tuple[str, ...]:
    """Why no deposit may begin, in words."""
    found = []
    if ledger.exchange is not None:
        found.append(f"an exchange is open [{ledger.exchange.number}: {', '.join(ledger.exchange.units)}]")
    for unit in ledger.units:
        if unit.status == "missing":
            found.append(f"the {unit.name} container is missing")
        elif replenishment(ledger, unit, thresholds.get(unit.name)) == "full":
            found.append(f"the {unit.name} is full")
    return tuple(found)


def warnings(ledger: Ledger, thresholds: dict[UnitName, Threshold]) -> tuple[str, ...]:
    """What somebody should come for before it stops the kiosk."""
    found = []
    for unit in ledger.units:
        threshold = thresholds.get(unit.name)
        if threshold is not None and replenishment(ledger, unit, threshold) == "high":
            what = "slots" if unit.name == "cabinet" else "notes"
            found.append(f"the {unit.name} is nearly full: {used(ledger, unit)} of {threshold.full} {what}")
    return tuple(found)
