"""A finished deposit in the books of the storage units: which way its notes went, and what can no longer be trusted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from kiosk.core.money import Place
from kiosk.core.state import Deposit
from kiosk.core.storage import (
    DOUBTS_MAX,
    UNIT_OF,
    Item,
    Ledger,
    Moved,
    Row,
    Rows,
    Unit,
    UnitName,
    level_of,
    merged,
)
from kiosk.core.unit_facts import DepositBooked, NoteGroup

# (place where a genuine note ended) -> its way: (unit, came or left, XFS4IoT's kind)
_WAYS: Final[dict[Place, tuple[tuple[UnitName, str, str], ...]]] = {
    Place.VALIDATOR: (("escrow", "came", "deposited"),),
    Place.ESCROW: (("escrow", "came", "deposited"),),
    Place.OUT: (("escrow", "came", "deposited"), ("escrow", "left", "presented")),
    Place.UNKNOWN: (("escrow", "came", "deposited"), ("escrow", "left", "unknown")),
    Place.RETRACT: (
        ("escrow", "came", "deposited"),
        ("escrow", "left", "distributed"),
        ("retract", "came", "retracted"),
    ),
    **dict.fromkeys(
        (Place.TRANSPORT, Place.TRAY, Place.BUNDLE),
        (("escrow", "came", "deposited"), ("escrow", "left", "distributed"), ("tray", "came", "distributed")),
    ),
    Place.CASH_IN: (("cassette", "came", "deposited"),),
    Place.CABINET: (
        ("escrow", "came", "deposited"),
        ("escrow", "left", "distributed"),
        ("tray", "came", "distributed"),
        ("tray", "left", "distributed"),
        ("cabinet", "came", "deposited"),
    ),
}


def booking(deposit: Deposit, at: str, date: str) -> DepositBooked:
    """The fact that goes with a deposit's record. `date`: the business date of its confirmation, else of its end."""
    groups = Counter(
        (note.place, note.claim, level_of(note), note.currency, note.value_minor or 0) for note in deposit.notes
    )
    bundle = deposit.bundle
    bundled = deposit.confirmed and deposit.policy.bunch_escrow
    flags = {
        "unlabelled": bundled and not bundle.labelled,
        "unstrapped": bundled and not bundle.strapped,
        "short": bool(bundle.short_by),
        "over": bool(bundle.over_by),
    }
    return DepositBooked(
        at=at,
        date=date,
        deposit_id=deposit.id,
        outcome=deposit.outcome,
        grade=deposit.grade,
        notes=tuple(NoteGroup(*key, count) for key, count in sorted(groups.items())),
        bundle=bundle.name if bundled else "",
        slot=bundle.slot,
        stored=bundle.stored,
        flags=tuple(name for name, present in flags.items() if present),
        doubts=tuple(_doubts(deposit)),
        staff=deposit.staff,
        copy=bundle.copy if bundled else 0,
    )


def _doubts(deposit: Deposit) -> Iterator[tuple[UnitName, str]]:
    """Units whose count this deposit has made doubtful. A deposit is named by its bundle, or the head of its id."""
    bundle = deposit.bundle
    name = bundle.name if deposit.confirmed else f"deposit {deposit.id.hex()[:8]}"
    if bundle.short_by or bundle.over_by:
        words = f"{name}: {bundle.short_by} notes short, {bundle.over_by} over"
        yield "tray", words
        if bundle.stored:
            yield "cabinet", words
    lost = sum(1 for note in deposit.notes if note.place is Place.UNKNOWN)
    if lost:
        yield "escrow", f"{name}: {lost} notes at an unknown place"
        yield "tray", f"{name}: {lost} notes at an unknown place"
    if deposit.outcome == "jammed":
        yield "escrow", f"{name}: the validator jammed"
    if any(text.startswith("retract ended") for text in deposit.remarks):
        yield "retract", f"{name}: the retract did not end well"
        yield "tray", f"{name}: the retract did not end well"


def booked(ledger: Ledger, fact: DepositBooked) -> Ledger:
    """The units with this deposit's notes in them. Its part of the day is `kiosk.core.day`'s."""
    units = {unit.name: unit for unit in ledger.units}
    held: dict[UnitName, list[Row]] = {}
    for group in fact.notes:
        row = Row(group.currency, group.value_minor, group.level, group.claim, group.count)
        for name, direction, kind in _way(group):
            units[name] = moved(units.get(name, Unit(name)), direction, kind, (row,))
        end = UNIT_OF.get(group.place)
        if end is not None:
            held.setdefault(end, []).append(row)
    for name, rows in held.items():
        in_slot = name == "cabinet"
        item = Item(
            id=fact.bundle if in_slot or name == "tray" else "",
            deposit_id=fact.deposit_id,
            rows=merged(rows),
            slot=fact.slot if in_slot else None,
            flags=fact.flags,
            staff=fact.staff,
            copy=fact.copy if in_slot else 0,
        )
        units[name] = replace(units[name], items=(*units[name].items, item))
    for name, words in fact.doubts:
        units[name] = doubted(units.get(name, Unit(name)), words)
    doubtful = ledger.doubtful_slots
    if fact.bundle and not fact.stored and fact.slot not in doubtful:
        doubtful = (*doubtful, fact.slot)
    return replace(
        ledger,
        units=tuple(units.values()),
        doubtful_slots=doubtful,
    )


def doubted(unit: Unit, words: str) -> Unit:
    """The count of this unit is inaccurate from now on, and why."""
    doubts = unit.doubts if words in unit.doubts or len(unit.doubts) >= DOUBTS_MAX else (*unit.doubts, words)
    return replace(unit, accuracy="inaccurate", doubts=doubts)


def _way(group: NoteGroup) -> Iterable[tuple[UnitName, str, str]]:
    way = _WAYS[group.place]
    if group.level != "fit" and UNIT_OF.get(group.place) != "escrow":
        # A suspect note leaves by the stacker exit, never through the store; an unknown one was first seen where it is.
        suspect = group.level == "suspect"
        legs = (leg for leg in way if leg[0] != "escrow")
        return tuple((unit, go, "rejected" if suspect and unit == "retract" else kind) for unit, go, kind in legs)
    return way


def moved(unit: Unit, direction: str, kind: str, rows: Rows) -> Unit:
    """The unit with these notes counted as `came` or `left`; its items are the caller's."""
    lists = unit.came if direction == "came" else unit.left
    table = {entry.kind: entry.rows for entry in lists}
    table[kind] = merged(table.get(kind, ()), rows)
    entries = tuple(Moved(name, table[name]) for name in sorted(table))
    return replace(unit, came=entries) if direction == "came" else replace(unit, left=entries)
