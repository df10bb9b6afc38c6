"""What more than one role says or sees: money, the deposit and the devices as they may be shown, yes and no."""

from typing import Literal

import msgspec

from kiosk.messages.staff_view import StaffView

Grade = Literal["low", "medium", "high"]
Stage = Literal["access", "escrow", "bundling", "storing"]  # the stages of DESIGN.md section 7
PaperState = Literal["pending", "printed", "failed", "none"]  # none: this kiosk has no receipt printer
Role = Literal["terminal", "watcher", "uplink", "maintenance", "observer"]
Topic = Literal["status", "sensor", "stage", "outbox", "ticket"]


class Message(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Base of all: the tag is the class name."""


class Amount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money of one currency, in minor units."""

    minor: int
    currency: str


class DenominationCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many notes of one face."""

    value_minor: int
    currency: str
    count: int


class BankText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A safety message, an incident notice or the terms of compensation, signed by the bank."""

    kind: Literal["safety", "notice", "compensation"]
    language: str  # BCP 47
    text: str


class NotesAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many of a deposit's notes are at one place (`kiosk.core.money.Place`)."""

    place: str
    notes: int


# Where a person must help: at the port or the validator, at a part of the board that jams, or with tray or door.
Obstacle = Literal["", "port", "validator", "transport", "tray", "gate", "tray_out", "door", "board"]


class DepositView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The deposit at the terminal, as the screen may show it."""

    code: str  # the deposit code, shown and later claimable
    state: str
    account_masked: str
    account_known: bool | None = None  # in the signed account directory; False: suspense; None: there was no directory
    counted: tuple[DenominationCount, ...] = ()  # genuine notes, claim open or credited
    total: tuple[Amount, ...] = ()
    each_note_final: bool = False  # no bunch escrow: an accepted note is credited at once and never given back
    language: str = ""  # in which the depositor began it; empty: not said
    notes_left: int = 0  # how many more notes fit into this deposit
    last_refusal: str | None = None  # reason of the last refused note
    retained: tuple[Amount, ...] = ()  # suspect notes kept, face value
    returned: tuple[Amount, ...] = ()
    disputed: tuple[Amount, ...] = ()
    disputed_unvalued: int = 0  # disputed notes of unknown value
    bundle_id: str | None = None
    grade: Grade | None = None
    reasons: tuple[str, ...] = ()
    deadline_s: float | None = None  # seconds until the kiosk acts by itself
    deadline_total_s: float | None = None  # how long it waits in this state altogether
    confirmed_at: str = ""  # RFC 3339, when the depositor confirmed; empty before
    outcome: str = ""  # how it ended: credited, returned, retracted, nothing_inserted, refused_risk, ...
    receipt: PaperState | None = None  # the paper; None: this deposit has no receipt (yet)
    receipt_copy: int = 0  # 0 is the original; any other says COPY
    receipt_reprints_left: int = 0  # `reprint` is possible so many times
    # The receipt's two QR texts, opening and proof: the result page shows them, whatever the printer does.
    receipt_qrs: tuple[str, ...] = ()
    receipt_witnessed: bool = False  # a quorum of witnesses vouches for the proof; otherwise it is provisional
    notes_at: tuple[NotesAt, ...] = ()  # where its notes are in the machine
    obstacle: Obstacle = ""  # it does not go on before a person has been there
    room: tuple[Amount, ...] = ()  # how much more the limits let in; 0 where no note fits any more


class DeviceView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device as `kioskctl status` shows it; `remedy` is for the technician."""

    name: str
    state: str  # ok, starting, degraded, down
    detail: str = ""
    remedy: str = ""


class Status(Message, frozen=True):
    """The whole kiosk at one moment; also the `status` push."""

    kiosk: str
    state: str  # the deposit table's state
    in_service: bool
    out_of_service_reasons: tuple[str, ...]
    deposit: DepositView | None
    devices: tuple[DeviceView, ...]
    scene_grade: Grade | None  # the watcher's latest, None if it is not there
    log_size: int  # leaves
    log_root: str  # hex
    outbox_rows: int
    acknowledged: int  # records the bank has signed for, contiguous from 0
    deposits_today: int
    single_user: bool  # true when the roles are not separated by uid
    clock_synchronised: bool
    config_hash: str
    version: str
    uptime_s: float
    directory_version: int | None = None  # of the account directory; None: there is none
    devices_connected: bool = True  # False: the devices are starting, or being reconciled after a fault
    warnings: tuple[str, ...] = ()  # what somebody should come for, such as a cabinet that is nearly full
    bank_texts: tuple[BankText, ...] = ()  # the bank's words for the screen, as far as it is time for them
    log: str = ""  # the log's name: the kiosk's id, with an epoch behind it after the first
    terms_version: int | None = None  # of the bank's terms; None: there are none
    tickets: bool = False  # whether a deposit ticket can be read and verified now
    headphones: bool = False  # plugged in: the screen is read aloud
    on_duty: str = ""  # the staff id of who has signed on at the screen; empty: nobody has
    staff: StaffView | None = None  # for the screen alone: who of the staff is signed in there


class Ok(Message, frozen=True):
    """Done; nothing to tell."""


class Refused(Message, frozen=True):
    """The request was understood and not done. `remedy` is for the person at the other end."""

    code: str
    message: str
    remedy: str = ""


class GetStatus(Message, frozen=True):
    """Answered with `Status`."""


class Subscribe(Message, frozen=True):
    """Answered with `Ok`; pushes of these topics follow, starting with the present `Status` if asked for."""

    topics: tuple[Topic, ...]
