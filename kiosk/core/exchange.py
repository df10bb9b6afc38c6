"""Exchange: two persons take bundles and containers out, put empty ones in, and sign for it. One fact for each step.

Every step is durable by itself, so a crash leaves the exchange open exactly where it was. The books change once, at its
end: what was taken is *collected* and waits for the bank's count, what stayed is the units' initial count.
"""

import hashlib
from typing import Final

import msgspec
from msgspec.structs import replace

from kiosk.core.state import RecordDraft
from kiosk.core.storage import (
    COUNTED_BY_DEVICES,
    Accuracy,
    Collected,
    Container,
    Exchange,
    Item,
    Ledger,
    Taken,
    Unit,
    merged,
)
from kiosk.core.unit_facts import (
    BundleMissing,
    BundleTaken,
    ExchangeEnded,
    ExchangeStarted,
    UnitInserted,
    UnitRemoved,
)
from kiosk.core.unit_records import exchange_started, hand_over, missing_alert
from kiosk.core.unit_refusals import UnitRefused, persons, within

COLLECTED_MAX: Final = 4000  # uncounted items that are remembered; the oldest fall out, their records stay
FOREIGN_MAX: Final = 100
ID_CHARACTERS_MAX: Final = 64
_CABINET: Final = "cabinet"
_CONTENT: Final = b"kiosk-exchange-v1\x00"
Change = tuple[Ledger, tuple[RecordDraft, ...]]


def started(ledger: Ledger, fact: ExchangeStarted) -> Change:
    """Open it. Which deposit may be under way is the caller's to check, under its lock."""
    if ledger.exchange is not None:
        raise UnitRefused("exchangeActive", f"Exchange {ledger.exchange.number} is open.", "End it first.")
    unknown = [name for name in fact.units if ledger.unit(name) is None]
    if unknown or not fact.units or len(set(fact.units)) != len(fact.units):
        known = ", ".join(unit.name for unit in ledger.units)
        raise UnitRefused("invalidUnit", f"{', '.join(unknown) or 'nothing'} is no unit here.", f"Units: {known}.")
    persons(fact.by)
    number = ledger.exchanges + 1
    exchange = Exchange(number, fact.at, fact.by, fact.units)
    return replace(ledger, exchange=exchange, exchanges=number), (exchange_started(exchange),)


def bundle_taken(ledger: Ledger, fact: BundleTaken) -> Change:
    """Said twice it is taken once; a bundle that was called missing has been found."""
    exchange = within(ledger, _CABINET)
    bundle = within_length(fact.bundle)
    taken = Taken(bundle, within_length(fact.bag, empty=True), fact.how)
    if any(removed.unit == _CABINET for removed in exchange.removed):
        raise UnitRefused("invalidUnit", "The whole cabinet was taken already.", "End the exchange.")
    if find(ledger, bundle) is None:
        if len(exchange.foreign) >= FOREIGN_MAX:
            raise UnitRefused("invalidUnit", f"{FOREIGN_MAX} unknown bundles are enough.", "Call the bank.")
        others = tuple(known for known in exchange.foreign if known.bundle != bundle)
        return _open(ledger, replace(exchange, foreign=(*others, taken))), ()
    others = tuple(known for known in exchange.taken if known.bundle != bundle)
    missing = tuple(name for name in exchange.missing if name != bundle)
    return _open(ledger, replace(exchange, taken=(*others, taken), missing=missing)), ()


def bundle_missing(ledger: Ledger, fact: BundleMissing) -> Change:
    """Its slot is empty. It may still be found before the end."""
    exchange = within(ledger, _CABINET)
    if find(ledger, fact.bundle) is None:
        raise UnitRefused("invalidUnit", f"{fact.bundle} is not in the cabinet.", "Look at `kioskctl units`.")
    taken = tuple(known for known in exchange.taken if known.bundle != fact.bundle)
    others = tuple(name for name in exchange.missing if name != fact.bundle)
    return _open(ledger, replace(exchange, taken=taken, missing=(*others, fact.bundle))), ()


def removed(ledger: Ledger, fact: UnitRemoved) -> Change:
    """A container with everything in it; the number on it must be the one that was put in, if that is known."""
    exchange = within(ledger, fact.unit)
    unit = ledger.unit(fact.unit)
    assert unit is not None, "an exchange is of units that are there"
    serial = within_length(fact.serial, empty=True)
    if unit.serial and serial and unit.serial != serial:
        message = f"The {unit.name} in place is {unit.serial}, not {serial}."
        raise UnitRefused("storageUnitError", message, "Read the number on the container again.")
    container = Container(fact.unit, serial or unit.serial, within_length(fact.seal, empty=True))
    others = tuple(known for known in exchange.removed if known.unit != fact.unit)
    return _open(ledger, replace(exchange, removed=(*others, container))), ()


def inserted(ledger: Ledger, fact: UnitInserted) -> Change:
    """An empty one in its place."""
    exchange = within(ledger, fact.unit)
    container = Container(fact.unit, within_length(fact.serial))
    others = tuple(known for known in exchange.inserted if known.unit != fact.unit)
    return _open(ledger, replace(exchange, inserted=(*others, container))), ()


def ended(ledger: Ledger, fact: ExchangeEnded) -> Change:
    """Reset the counts of the exchanged units and hand over what was taken."""
    exchange = ledger.exchange
    if exchange is None:
        raise UnitRefused("noExchangeActive", "No exchange is open.", "Start one with `kioskctl exchange start`.")
    persons(fact.by)
    before = tuple(unit for unit in ledger.units if unit.name in exchange.units)
    gone = tuple(item for unit in before for item in collected(exchange, unit))
    after = {unit.name: _reset(exchange, unit) for unit in before}
    day = ledger.day
    tally = replace(day.tally, exchanges=(*day.tally.exchanges, exchange.number))
    ledger = replace(
        ledger,
        units=tuple(after.get(unit.name, unit) for unit in ledger.units),
        exchange=None,
        collected=(*ledger.collected, *gone)[-COLLECTED_MAX:],
        doubtful_slots=() if _CABINET in exchange.units else ledger.doubtful_slots,
        day=replace(day, tally=tally),
    )
    missing = tuple(item for item in gone if item.missing)
    drafts = (hand_over(exchange, fact.at, fact.by, gone, before), *missing_alert(missing, exchange.foreign))
    return ledger, drafts


def collected(exchange: Exchange, unit: Unit) -> tuple[Collected, ...]:
    """What this exchange takes out of `unit`, if it ended now."""
    container = next((known for known in exchange.removed if known.unit == unit.name), None)
    if unit.name != _CABINET:
        return (_contents(exchange, unit, container),) if container is not None else ()
    bags = {taken.bundle: taken.bag for taken in exchange.taken}
    found = []
    for item in unit.items:
        absent = item.id in exchange.missing
        if absent or item.id in bags or container is not None:
            seal = bags.get(item.id) or (container.seal or container.serial if container is not None else "")
            found.append(_bundle(exchange, item, "" if absent else seal, absent=absent))
    return tuple(found)


def _bundle(exchange: Exchange, item: Item, seal: str, *, absent: bool) -> Collected:
    return Collected(
        id=item.id,
        unit=_CABINET,
        exchange=exchange.number,
        rows=item.rows,
        deposits=(item.deposit_id,),
        flags=item.flags,
        slot=item.slot,
        seal=seal,
        missing=absent,
    )


def _contents(exchange: Exchange, unit: Unit, container: Container) -> Collected:
    """Everything in a bin or cassette is one item for the count: loose notes cannot be told apart."""
    flags = ("inaccurate",) if unit.accuracy == "inaccurate" else ()
    return Collected(
        id=f"{unit.name[0].upper()}{exchange.number:06d}",
        unit=unit.name,
        exchange=exchange.number,
        rows=merged(*(item.rows for item in unit.items)),
        deposits=tuple(dict.fromkeys(item.deposit_id for item in unit.items)),
        flags=flags,
        seal=container.seal or container.serial,
    )


def _reset(exchange: Exchange, unit: Unit) -> Unit:
    """The unit after the exchange. It is known exactly when it is empty now; else it is as well known as before."""
    gone = {(item.id, item.slot) for item in collected(exchange, unit)}
    out = any(known.unit == unit.name for known in exchange.removed)
    stays = tuple(item for item in unit.items if (item.id, item.slot) not in gone and not out)
    put = next((known for known in exchange.inserted if known.unit == unit.name), None)
    has_container = unit.name not in (_CABINET, *COUNTED_BY_DEVICES)
    emptied = not stays and (out or bool(gone) or put is not None)
    known: Accuracy = "accurate" if unit.name in COUNTED_BY_DEVICES else "accurateSet"
    serial = put.serial if put is not None else ("" if out else unit.serial)
    return Unit(
        name=unit.name,
        serial=serial,
        status="missing" if out and has_container and put is None else "ok" if put or emptied else unit.status,
        accuracy=known if emptied else unit.accuracy,
        doubts=() if emptied else unit.doubts,
        initial=merged(*(item.rows for item in stays)),
        items=stays,
    )


def digest(exchange: Exchange) -> bytes:
    """SHA-256 of every step so far: what the two persons sign for who end it."""
    return hashlib.sha256(_CONTENT + msgspec.json.encode(exchange)).digest()


def find(ledger: Ledger, bundle: str) -> Item | None:
    """The bundle of this id in the cabinet."""
    unit = ledger.unit(_CABINET)
    return next((item for item in unit.items if item.id == bundle), None) if unit is not None else None


def within_length(text: str, *, empty: bool = False) -> str:
    """A number as it was read: printable, of a length that fits a slip."""
    stripped = text.strip()
    if len(stripped) > ID_CHARACTERS_MAX or not stripped.isprintable() or not (stripped or empty):
        raise UnitRefused("invalidUnit", f"{text[:20]!r} is no serial number.", "Scan or type it again.")
    return stripped


def _open(ledger: Ledger, exchange: Exchange) -> Ledger:
    return replace(ledger, exchange=exchange)
