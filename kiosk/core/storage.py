"""Storage units and what they hold: values. `kiosk.core.units` has the table that changes them.

The words are XFS4IoT's (Storage, CashManagement): a unit has counts of what came in and went out since its last
exchange, an accuracy, a replenishment status. What a unit holds is a list of items, each left there by one deposit; a
bundle in the cabinet is one item with its serial number. Amounts are minor units; nothing here names a depositor.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from kiosk.core.money import Claim, Note, Place

UnitName = Literal["escrow", "tray", "retract", "cabinet", "cassette"]
Level = Literal["fit", "suspect", "unrecognized"]  # unrecognized: of unknown value
InKind = Literal["deposited", "retracted", "rejected", "distributed"]
OutKind = Literal["presented", "distributed", "unknown"]
Accuracy = Literal["accurate", "accurateSet", "inaccurate", "unknown"]
UnitStatus = Literal["ok", "missing", "manipulated"]
Replenishment = Literal["ok", "high", "full"]

UNIT_OF: Final[dict[str, UnitName]] = {
    Place.VALIDATOR: "escrow",
    Place.ESCROW: "escrow",
    Place.TRANSPORT: "tray",
    Place.TRAY: "tray",
    Place.BUNDLE: "tray",
    Place.RETRACT: "retract",
    Place.CABINET: "cabinet",
    Place.CASH_IN: "cassette",
}
# The deposit board and the validator count these two at every cash-in start; the others are known from an exchange on.
COUNTED_BY_DEVICES: Final[frozenset[UnitName]] = frozenset({"escrow", "tray"})
WITH_BUNDLES: Final[tuple[UnitName, ...]] = ("escrow", "tray", "retract", "cabinet")
WITH_CASSETTE: Final[tuple[UnitName, ...]] = ("escrow", "cassette")  # a validator without bunch escrow
DOUBTS_MAX: Final = 8  # per unit; the first ones say enough


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the values here."""


class Row(Value, frozen=True, order=True):
    """So many notes of one kind with one claim. `value_minor` 0 with level `unrecognized`: value unknown."""

    currency: str
    value_minor: int
    level: Level
    claim: Claim
    count: int


Rows = tuple[Row, ...]


def level_of(note: Note) -> Level:
    """A suspect note is suspect, whatever it seems to be worth."""
    if note.suspect:
        return "suspect"
    return "unrecognized" if note.value_minor is None else "fit"


def merged(*many: Iterable[Row], sign: Iterable[int] = ()) -> Rows:
    """The sum of several lists of rows, sorted, without zeros; with `sign` each list is added so many times."""
    total: Counter[tuple[str, int, Level, Claim]] = Counter()
    factors = tuple(sign) or (1,) * len(many)
    for rows, factor in zip(many, factors, strict=True):
        for row in rows:
            total[row.currency, row.value_minor, row.level, row.claim] += factor * row.count
    return tuple(sorted(Row(*key, count) for key, count in total.items() if count))


def number(rows: Iterable[Row]) -> int:
    """How many notes."""
    return sum(row.count for row in rows)


def minor(rows: Iterable[Row]) -> dict[str, int]:
    """Face value per currency; notes of unknown value are not valued."""
    total: Counter[str] = Counter()
    for row in rows:
        if row.level != "unrecognized":
            total[row.currency] += row.value_minor * row.count
    return dict(sorted(total.items()))


class Item(Value, frozen=True):
    """What one deposit left in a unit: a bundle, or loose notes (then `id` is empty)."""

    id: str
    deposit_id: bytes
    rows: Rows
    slot: int | None = None
    flags: tuple[str, ...] = ()  # unlabelled, unstrapped, short, over, relabelled
    staff: str = ""  # responsible for the deposit, as the bundle's label says
    copy: int = 0  # of its label, the last number used up
    printing: bool = False  # that copy was ordered by a person, and nothing is known of it yet


class Moved(Value, frozen=True):
    """Notes that came or went, in XFS4IoT's kinds."""

    kind: str
    rows: Rows


class Unit(Value, frozen=True):
    """One storage unit since its last exchange: count = initial + came - left = sum over items."""

    name: UnitName
    serial: str = ""  # of the container in place, as it was put in; empty: nobody has said
    status: UnitStatus = "ok"
    accuracy: Accuracy = "unknown"
    doubts: tuple[str, ...] = ()  # why the count may be wrong
    initial: Rows = ()
    came: tuple[Moved, ...] = ()
    left: tuple[Moved, ...] = ()
    items: tuple[Item, ...] = ()

    @property
    def rows(self) -> Rows:
        """What it holds."""
        return merged(*(item.rows for item in self.items))

    @property
    def count(self) -> int:
        """How many notes it holds."""
        return number(self.rows)


class Threshold(Value, frozen=True):
    """When a unit is nearly full and when it is full: in slots for the cabinet, in notes for the others."""

    high: int
    full: int


class Taken(Value, frozen=True):
    """A bundle that left its slot in an exchange; `how` its number came to be known."""

    bundle: str
    bag: str  # the seal number of the bag it went into; empty: none
    how: Literal["scanned", "typed"]


class Container(Value, frozen=True):
    """A container of a unit that was taken out or put in: serial number and seal number as read."""

    unit: UnitName
    serial: str
    seal: str = ""


class Exchange(Value, frozen=True):
    """An open exchange: what the two persons have done so far."""

    number: int
    started_at: str
    by: tuple[str, ...]
    units: tuple[UnitName, ...]
    taken: tuple[Taken, ...] = ()
    missing: tuple[str, ...] = ()  # bundles that should be in their slots and are not
    foreign: tuple[Taken, ...] = ()  # bundles found that the journal does not know
    removed: tuple[Container, ...] = ()
    inserted: tuple[Container, ...] = ()


class Collected(Value, frozen=True):
    """A bundle or a container's content on its way to the bank's count."""

    id: str  # the bundle's, or the unit's letter and the exchange's number, e.g. R000012
    unit: UnitName
    exchange: int
    rows: Rows
    deposits: tuple[bytes, ...]
    flags: tuple[str, ...] = ()
    slot: int | None = None
    seal: str = ""
    missing: bool = False


class Tally(Value, frozen=True):
    """The deposits since the last Z report, added up."""

    deposits: int = 0
    outcomes: tuple[tuple[str, int], ...] = ()
    grades: tuple[tuple[str, int], ...] = ()
    rows: Rows = ()  # every note that was inserted
    bundles: tuple[str, ...] = ()
    exchanges: tuple[int, ...] = ()
    counts: tuple[str, ...] = ()  # collected items that the bank has counted


class Day(Value, frozen=True):
    """The open business date. Dates are ISO 8601; `opened` is what the calendar said then."""

    opened_at: str = ""
    opened: str = ""
    due_after: str = ""  # the period ends when the calendar is past this date
    closed: str = ""  # the date of the last Z report
    number: int = 0  # of the last Z report
    tally: Tally = Tally()


class Ledger(Value, frozen=True):
    """All that the kiosk knows of its storage units. `Ledger()` is a kiosk before its first start."""

    units: tuple[Unit, ...] = ()
    exchange: Exchange | None = None
    exchanges: int = 0  # the number of the last one
    doubtful_slots: tuple[int, ...] = ()  # where a bundle may lie that the books have elsewhere
    collected: tuple[Collected, ...] = ()  # not counted by the bank yet, oldest first
    day: Day = Day()

    def unit(self, name: str) -> Unit | None:
        """The unit of this name, None when this kiosk has none."""
        return next((unit for unit in self.units if unit.name == name), None)
