"""What a technician looks at and does beyond status: notes by place, books row by row, service mode, tests."""

from typing import Annotated, Any, Final, Literal

import msgspec

from kiosk.messages.maintenance import Confidential, Secret, Staff
from kiosk.messages.shared import Message

ROWS_MAX: Final = 500
TestedDevice = Literal["validator", "board", "label_printer", "receipt_printer", "lines", "bank", "watcher"]
RowsMax = Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)]


class GetNotes(Message, frozen=True):
    """Answered with `NotesReport`."""


class NotesRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many notes of one kind at one place, with one claim."""

    place: str  # a storage unit, or a place of the deposit under way (kiosk.core.money.Place)
    claim: str
    level: str  # fit, suspect, unrecognized
    currency: str
    value_minor: int | None
    count: int
    open_deposit: bool  # of the deposit under way; otherwise as the storage units have it


class NotesReport(Message, frozen=True):
    """Every note that the kiosk knows of, by place and claim."""

    rows: tuple[NotesRow, ...]


class GetJournal(Confidential, frozen=True):
    """The newest facts, newest first. `JournalRows`. No account, no amounts: what happened, and what it led to."""

    staff: Staff
    secret: Secret
    rows_max: RowsMax = 20


class JournalRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fact of the deposit table."""

    sequence: int
    at: str
    deposit: str  # the id's first eight digits in hex; empty: none
    state: str  # that it led to
    fact: str
    orders: tuple[str, ...]


class JournalRows(Message, frozen=True):
    """The answer to `GetJournal`."""

    rows: tuple[JournalRow, ...]


class GetLog(Confidential, frozen=True):
    """The newest leaves of the record log, newest first. `LogRows`."""

    staff: Staff
    secret: Secret
    rows_max: RowsMax = 20


class LogRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One leaf."""

    sequence: int
    kind: str
    event: str  # what of that kind: an event, an alert, the action that people signed
    at: str
    by: tuple[str, ...]
    leaf: str  # its hash, hex
    acknowledged: bool  # the bank has signed for it


class LogRows(Message, frozen=True):
    """The answer to `GetLog`."""

    rows: tuple[LogRow, ...]
    size: int
    root: str


class GetOutbox(Confidential, frozen=True):
    """What waits for the bank. `OutboxView`."""

    staff: Staff
    secret: Secret


class OutboxView(Message, frozen=True):
    """Records, oldest first (as many as fit), and evidence; and how the link does by the uplink's own word."""

    records: int
    first: int | None  # sequence of the oldest one
    oldest_at: str  # when it was made; empty: nothing waits
    record_bytes: int
    evidence_files: int
    acknowledged: int
    connected: bool
    detail: str


class DryRun(Confidential, frozen=True):
    """Whether this action could be asked for and done now; nothing happens. `Planned` or `Refused`."""

    staff: Staff
    secret: Secret
    action: dict[str, Any]


class Planned(Message, frozen=True):
    """It could. `seats`: the roles of each person who must sign."""

    seats: tuple[tuple[str, ...], ...]
    delay_s: int
    content: bytes  # of the action: what would be signed


class GetService(Message, frozen=True):
    """Answered with `ServiceView`."""


class ServiceView(Message, frozen=True):
    """Whether somebody works on the kiosk, and the last movement that was ordered in service."""

    by: str  # empty: not in service mode
    since: str
    number: int  # of the request that ordered the last movement; 0: none yet
    move: str
    moving: bool
    ok: bool
    expected: str
    seen: str


class TestDevice(Confidential, frozen=True):
    """Look at one device, step by step; moves nothing. `TestReport`."""

    __test__ = False  # no test of pytest's

    staff: Staff
    secret: Secret
    device: TestedDevice


class TestStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One look: what should be, and what is."""

    __test__ = False

    name: str
    expected: str
    seen: str
    ok: bool
    remedy: str = ""


class TestReport(Message, frozen=True):
    """The answer to `TestDevice`."""

    __test__ = False

    steps: tuple[TestStep, ...]
