"""Where the cash is, as people at the machine see it: units, bundles, exchanges and reports."""

from typing import Annotated, Any, Final, Literal

import msgspec

from kiosk.messages.shared import Amount, Message

UnitName = Literal["escrow", "tray", "retract", "cabinet", "cassette"]
Identity = Annotated[str, msgspec.Meta(max_length=64)]  # a serial or seal number as it was read
REPORTS_MAX: Final = 400


class CashCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many notes of one kind, in XFS4IoT's levels. `value_minor` None: of unknown value."""

    currency: str
    value_minor: int | None
    level: str  # fit, suspect, unrecognized
    count: int


class BundleView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle in its slot."""

    id: str
    slot: int
    notes: int
    amounts: tuple[Amount, ...]
    flags: tuple[str, ...]  # unlabelled, unstrapped, short, over


class UnitView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One storage unit since its last exchange: count = initial + came in - went out."""

    name: UnitName
    serial: str  # of the container in place; empty: not known
    status: str  # ok, missing, manipulated
    accuracy: str  # accurate, accurateSet, inaccurate, unknown
    doubts: tuple[str, ...]
    replenishment: str  # ok, high, full
    used: int  # slots of the cabinet, notes of the others
    full: int | None  # how much it takes; None: it never fills
    count: int
    amounts: tuple[Amount, ...]
    cash: tuple[CashCount, ...]
    initial: int
    came: dict[str, int]
    left: dict[str, int]
    bundles: tuple[BundleView, ...]


class CollectedView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle or container that left the kiosk and that the bank has not counted."""

    id: str
    unit: UnitName
    exchange: int
    notes: int
    amounts: tuple[Amount, ...]
    seal: str
    flags: tuple[str, ...]
    missing: bool


class ExchangeView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The open exchange. Who ends it signs for `digest`: for exactly these steps."""

    number: int
    started_at: str
    by: tuple[str, ...]
    units: tuple[UnitName, ...]
    taken: tuple[str, ...]  # bundles, with the bag's seal behind an @
    missing: tuple[str, ...]
    foreign: tuple[str, ...]
    removed: tuple[str, ...]  # containers: unit, serial, seal
    inserted: tuple[str, ...]
    digest: bytes


class GetUnits(Message, frozen=True):
    """Answered with `Units`."""


class Units(Message, frozen=True):
    """The storage units, the open exchange, what waits for the bank's count, and the open business date."""

    units: tuple[UnitView, ...]
    exchange: ExchangeView | None
    collected: tuple[CollectedView, ...]
    collected_total: int  # the list has the newest ones
    warnings: tuple[str, ...]
    date: str
    z_number: int  # of the last Z report


class ExchangeStep(Message, frozen=True):
    """One step within an open exchange. `Units` or `Refused`.

    `take` and `miss` are about a bundle (`serial` its id, `seal` the bag's), `remove` and `insert` about a container.
    """

    step: Literal["take", "miss", "remove", "insert"]
    unit: UnitName
    serial: Identity
    seal: Identity = ""
    scanned: bool = False


class GetReport(Message, frozen=True):
    """X: the figures of the open date; `z`: the Z record of this number, 0 the last. `Report` or `Refused`."""

    kind: Literal["x", "z"]
    number: Annotated[int, msgspec.Meta(ge=0)] = 0


class ListReports(Message, frozen=True):
    """The newest Z reports, newest first. `Reports`."""

    rows_max: Annotated[int, msgspec.Meta(ge=1, le=REPORTS_MAX)] = 31


class PrintSlip(Message, frozen=True):
    """Print the hand-over slip of this exchange again (0: the last). `Ok` or `Refused`."""

    exchange: Annotated[int, msgspec.Meta(ge=0)] = 0


class Report(Message, frozen=True):
    """A report as its record has it (kiosk/core/records.cddl, z-report-record)."""

    report: dict[str, Any]


class ReportRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Z report in a list."""

    number: int
    date: str
    made_at: str
    closed_by: str
    deposits: int
    credited: tuple[Amount, ...]
    record: int  # its sequence in the log


class Reports(Message, frozen=True):
    """The answer to `ListReports`."""

    reports: tuple[ReportRow, ...]
