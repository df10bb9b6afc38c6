"""Facts about storage units, exchanges, counts and business dates. They are journalled: their names are a format.

`at` is RFC 3339, `date` the calendar's business date (ISO 8601) then: time zone and cut-over are the caller's. Persons
are staff ids that were verified before; two of them where two are needed.
"""

from typing import Literal

import msgspec

from kiosk.core.money import Claim, Place
from kiosk.core.storage import Level, UnitName


class UnitFact(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Base of all; the tag is the class name."""

    at: str


class Configured(UnitFact, frozen=True):
    """Which units this kiosk has; the first fact of all, and again whenever that changes."""

    date: str
    units: tuple[UnitName, ...]


class NoteGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many notes of a finished deposit that ended at the same place with the same claim."""

    place: Place
    claim: Claim
    level: Level
    currency: str
    value_minor: int  # 0: unknown
    count: int


class DepositBooked(UnitFact, frozen=True):
    """A deposit got its record, in this very transaction. `date`: of its confirmation, or of its end without one."""

    date: str
    deposit_id: bytes
    outcome: str
    grade: str
    notes: tuple[NoteGroup, ...]
    bundle: str  # empty: nothing was bundled
    slot: int
    stored: bool
    flags: tuple[str, ...]
    doubts: tuple[tuple[UnitName, str], ...]  # units whose count can no longer be trusted, and why
    staff: str = ""  # responsible
    copy: int = 0  # of the bundle's label, the last one printed


class Intervened(UnitFact, frozen=True):
    """Somebody could reach into these units outside an exchange, or a sensor says that notes were moved."""

    units: tuple[UnitName, ...]
    what: str


class Transferred(UnitFact, frozen=True):
    """The machine moved all that lay in one unit into another, such as a purge of the tray in a reset."""

    source: UnitName
    target: UnitName
    what: str


class ExchangeStarted(UnitFact, frozen=True):
    """Two persons begin to exchange these units."""

    by: tuple[str, ...]
    units: tuple[UnitName, ...]


class BundleTaken(UnitFact, frozen=True):
    """A bundle left its slot; one that the journal does not know is kept as foreign."""

    bundle: str
    bag: str = ""
    how: Literal["scanned", "typed"] = "scanned"


class BundleMissing(UnitFact, frozen=True):
    """A bundle that should be in its slot is not."""

    bundle: str


class LabelOrdered(UnitFact, frozen=True):
    """A person wants the label of a bundle again; the number of its next copy is used up."""

    bundle: str
    by: str


class LabelReported(UnitFact, frozen=True):
    """What became of the copy that was ordered: `printed`, and all before it are void; else it is void itself."""

    bundle: str
    copy: int
    printed: bool
    detail: str = ""  # why not


class UnitRemoved(UnitFact, frozen=True):
    """The unit's container was taken out with all that is in it (from the cabinet: all bundles, into one bag)."""

    unit: UnitName
    serial: str
    seal: str = ""


class UnitInserted(UnitFact, frozen=True):
    """An empty container was put in."""

    unit: UnitName
    serial: str


class ExchangeEnded(UnitFact, frozen=True):
    """Two persons end the exchange and sign for what was taken."""

    by: tuple[str, ...]


class CountedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many notes of one face that the bank found."""

    currency: str
    value_minor: int
    count: int
    level: Literal["fit", "suspect"] = "fit"


class Settled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a count shows of one disputed note: found, then with its value, or not."""

    deposit_id: bytes
    n: int  # its number in the deposit
    value_minor: int | None
    currency: str
    found: bool
    suspect: bool = False


class CountPosted(UnitFact, frozen=True):
    """The bank counted a collected item."""

    item: str
    rows: tuple[CountedRow, ...]
    by: tuple[str, ...]  # who counted: two
    source: Literal["bank", "kiosk"]  # a statement signed by the bank, or typed at the kiosk by two people
    reference: str = ""  # the bank's own
    settled: tuple[Settled, ...] = ()  # the disputed notes that this count decides


class DayClosed(UnitFact, frozen=True):
    """Z: the calendar is past the open date, or a supervisor closes it now."""

    date: str
    by: tuple[str, ...] = ()  # empty: the cut-over


class DateCorrected(UnitFact, frozen=True):
    """The clock, now synchronised, is days before the date on which the period was opened: it had run ahead."""

    date: str


AnyUnitFact = (
    Configured
    | DepositBooked
    | Intervened
    | Transferred
    | ExchangeStarted
    | BundleTaken
    | BundleMissing
    | LabelOrdered
    | LabelReported
    | UnitRemoved
    | UnitInserted
    | ExchangeEnded
    | CountPosted
    | DayClosed
    | DateCorrected
)
