"""What the processes say to each other: typed msgpack over the controller's sockets (see `kiosk.bus`).

A client sends `Request`s and gets one `Reply` each; after `Subscribe` it also gets `Push`es. Which role
may send what is `ALLOWED`; the bus refuses the rest. Money is in minor units with its currency beside it.
Nothing here carries an account number except `Identify` and `LookUp`, on their way in.
"""

import math
from typing import Annotated, Any, Final, Literal

import msgspec

Grade = Literal["low", "medium", "high"]
Stage = Literal["access", "escrow", "bundling", "storing"]  # the stages of DESIGN.md section 7
PaperState = Literal["pending", "printed", "failed", "none"]  # none: this kiosk has no receipt printer
Role = Literal["terminal", "watcher", "uplink", "maintenance"]
Topic = Literal["status", "sensor", "stage", "outbox"]


class Message(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Base of all: the tag is the class name."""


# --- shared values ------------------------------------------------------------------------------------


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
    """A safety message or an incident notice, signed by the bank."""

    kind: Literal["safety", "notice"]
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


class Ok(Message, frozen=True):
    """Done; nothing to tell."""


class Refused(Message, frozen=True):
    """The request was understood and not done. `remedy` is for the person at the other end."""

    code: str
    message: str
    remedy: str = ""


# --- any role -----------------------------------------------------------------------------------------


class GetStatus(Message, frozen=True):
    """Answered with `Status`."""


class Subscribe(Message, frozen=True):
    """Answered with `Ok`; pushes of these topics follow, starting with the present `Status` if asked for."""

    topics: tuple[Topic, ...]


# --- terminal -----------------------------------------------------------------------------------------


class Identify(Message, frozen=True):
    """Begin a deposit for an account number with its check digit. `Ok` or `Refused`."""

    account: str


class LookUp(Message, frozen=True):
    """Who holds this account? `LookedUp`, or `Refused`: `bad_account`, or `too_many_tries` within a minute."""

    account: str


class LookedUp(Message, frozen=True):
    """The answer to `LookUp`. Without a directory nothing is known of any account, and that is no reason to worry."""

    account_masked: str
    name_masked: str | None  # of the holder, as the bank masked it; None when the account is not known
    known: bool
    directory_version: int | None  # None: this kiosk has no account directory (yet)


class Depositor(Message, frozen=True):
    """A touch: `consent` (to each note being final), `done` (no more notes), `finish` (leave the result) and others."""

    action: Literal["consent", "done", "confirm", "cancel", "more_time", "finish", "reprint"]


class Resume(Message, frozen=True):
    """Come back to a suspended deposit with its code."""

    code: str


# --- watcher ------------------------------------------------------------------------------------------


# The watcher may crash, and what it says goes into records for ever: everything it sends is bounded here.
STREAMS_MAX: Final = 3
REASONS_MAX: Final = 8
REASON_CHARACTERS_MAX: Final = 200
Reason = Annotated[str, msgspec.Meta(max_length=REASON_CHARACTERS_MAX)]
Sha256Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class StreamReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream's worst moment since the stage began. `ValueError` for a figure that is no number."""

    stream: Literal["scene", "machine", "transaction"]
    score: float
    p_value: Annotated[float, msgspec.Meta(ge=0, le=1)]
    grade: Grade
    bmu: tuple[int, int]  # row, column on the map
    reasons: Annotated[tuple[Reason, ...], msgspec.Meta(max_length=REASONS_MAX)]  # in words, strongest first
    model_sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]  # empty when no model judged

    def __post_init__(self) -> None:
        """NaN and infinities pass every comparison, and JSON cannot hold them."""
        if not (math.isfinite(self.score) and math.isfinite(self.p_value)):
            message = "score and p_value must be finite"
            raise ValueError(message)


class RiskReport(Message, frozen=True):
    """What the watcher sees. `request_id` answers an `AssessRequest`; None is unasked, on a change."""

    request_id: int | None
    deposit_code: str | None
    stage: Stage
    grade: Grade  # fused over streams, before core's hard rules
    streams: Annotated[tuple[StreamReport, ...], msgspec.Meta(max_length=STREAMS_MAX)]
    lens: Literal["clear", "covered", "frozen", "absent"]
    frames_per_second: Annotated[float, msgspec.Meta(ge=0, le=1000)]
    still_sha256: Sha256Hex | None  # of one blurred still

    def __post_init__(self) -> None:
        """Not a number is no rate."""
        if not math.isfinite(self.frames_per_second):
            message = "frames_per_second must be finite"
            raise ValueError(message)


class EvidencePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a still or clip: 64 KiB, the last one perhaps less; `index` of `chunks` of a file of `size` bytes."""

    sha256: Sha256Hex  # of the whole file
    index: Annotated[int, msgspec.Meta(ge=0)]
    chunks: Annotated[int, msgspec.Meta(ge=1)]
    size: Annotated[int, msgspec.Meta(ge=1)]
    data: Annotated[bytes, msgspec.Meta(max_length=64 * 1024)]


class HandOver(Message, frozen=True):
    """Evidence for the bank, part by part, in order. `Ok`, or `Refused`: begin again, or `no_room`: give it up."""

    part: EvidencePart


# --- uplink -------------------------------------------------------------------------------------------


class FetchOutbox(Message, frozen=True):
    """Sealed envelopes from `first_sequence` on that the bank has not acknowledged. Answer: `OutboxRows`."""

    first_sequence: int
    rows_max: int


class OutboxRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sealed record on its way to the bank."""

    sequence: int
    envelope: bytes


class OutboxRows(Message, frozen=True):
    """The answer to `FetchOutbox`, in sequence."""

    rows: tuple[OutboxRow, ...]
    next_sequence: int  # one past the last record there is
    checkpoint: bytes  # the newest signed checkpoint (signed-note), empty when there is none


class DeliverAck(Message, frozen=True):
    """The bank's signed acknowledgement, as it came; the controller verifies it."""

    ack: bytes


class DeliverDirectory(Message, frozen=True):
    """The bank's signed account directory, as it came; the controller verifies and stores it. `Ok` or `Refused`."""

    data: bytes


class DeliverCounts(Message, frozen=True):
    """The bank's signed counts of what was collected; the controller verifies and posts them. `Ok` or `Refused`."""

    data: bytes


class DeliverStatement(Message, frozen=True):
    """Another signed word of the bank, as it came on its lane; the controller verifies it. `Delivered` or `Refused`."""

    lane: Literal["terms", "command", "complaint"]
    data: bytes


class Delivered(Message, frozen=True):
    """The statement was taken. `result` is the sealed record of a command's result, for the lane `result`."""

    result: bytes = b""
    resend_from: int | None = None  # records from here on are in the outbox again
    log: str = ""  # the kiosk's log is this one from now on: begin anew


class FetchEvidence(Message, frozen=True):
    """Sealed chunks behind the id `after` that the bank has not said it holds. Answer: `EvidenceRows`."""

    after: int
    rows_max: int


class EvidenceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sealed chunk on its way to the bank."""

    id: int
    sealed: bytes


class EvidenceRows(Message, frozen=True):
    """The answer to `FetchEvidence`, in order of ids."""

    rows: tuple[EvidenceRow, ...]


class DeliverEvidenceAck(Message, frozen=True):
    """The bank's signed word for what it holds of a file, as it came; the controller verifies it. `Ok` or `Refused`."""

    ack: bytes


class LinkReport(Message, frozen=True):
    """How the uplink is doing, for status; a client certificate that is not the last one is put on record."""

    connected: bool
    detail: str
    certificate_sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""  # empty: not connected
    certificate_ends: Annotated[str, msgspec.Meta(max_length=32)] = ""  # RFC 3339


# --- maintenance ----------------------------------------------------------------------------------------


SECRET_CHARACTERS_MAX: Final = 128
Secret = Annotated[str, msgspec.Meta(max_length=SECRET_CHARACTERS_MAX)]
Staff = Annotated[str, msgspec.Meta(max_length=32)]


class Confidential(Message, frozen=True):
    """Base of requests that carry a PIN or passphrase: none may show up in a log."""

    def __repr__(self) -> str:
        """The type alone."""
        return f"{type(self).__name__}(...)"


class GetPeople(Message, frozen=True):
    """Answered with `People`."""


class PersonView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is or was enrolled."""

    staff: str
    roles: tuple[str, ...]
    active: bool
    locked_s: int  # locked out for so many more seconds; 0: not


class RequestView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that somebody asked for, and that may still be signed, withdrawn or carried out."""

    number: int
    action: dict[str, Any]  # "action" names it (kiosk/core/actions.py), the rest are its parameters
    content: bytes  # what a signature is for: 32 bytes
    signers: tuple[str, ...]  # who asked, then who approved
    waits_for: tuple[str, ...]  # the next signer has one of these roles; empty: everybody has signed
    ends_in_s: int


class People(Message, frozen=True):
    """Who may allow what, and what is being asked for."""

    people: tuple[PersonView, ...]  # empty: nobody was ever enrolled, nothing can be allowed
    requests: tuple[RequestView, ...]


class NewPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the first people."""

    staff: Staff
    roles: tuple[str, ...]
    secret: Secret

    def __repr__(self) -> str:
        """Without the secret."""
        return f"NewPerson({self.staff!r}, ...)"


class FoundPeople(Confidential, frozen=True):
    """The first people, once, at commissioning: enough of them to enrol others. `Ok` or `Refused`."""

    founders: Annotated[tuple[NewPerson, ...], msgspec.Meta(max_length=16)]


class RequestAction(Confidential, frozen=True):
    """Ask for an action of kiosk/core/actions.py. `Asked` or `Refused`; what takes one person is done at once."""

    staff: Staff
    secret: Secret
    action: dict[str, Any]


class RequestEnrolment(Confidential, frozen=True):
    """Ask to enrol somebody, who typed `new_secret`. `Asked` or `Refused`."""

    staff: Staff
    secret: Secret
    new_staff: Staff
    roles: tuple[str, ...]
    new_secret: Secret


class RequestRenewal(Confidential, frozen=True):
    """Ask for a new PIN of somebody who forgot theirs, and typed `new_secret`. `Asked` or `Refused`."""

    staff: Staff
    secret: Secret
    new_staff: Staff
    new_secret: Secret


class ApproveAction(Confidential, frozen=True):
    """Sign what somebody else asked for, having seen this content. `Asked` or `Refused`; done at once if possible."""

    staff: Staff
    secret: Secret
    number: int
    content: bytes


class CarryOut(Confidential, frozen=True):
    """Try again what everybody has signed and was not possible then. `Asked` or `Refused`."""

    staff: Staff
    secret: Secret
    number: int


class WithdrawAction(Confidential, frozen=True):
    """It is not wanted any more. `Ok` or `Refused`."""

    staff: Staff
    secret: Secret
    number: int


class ChangeSecret(Confidential, frozen=True):
    """Replace one's own PIN. `Ok` or `Refused`."""

    staff: Staff
    secret: Secret
    new_secret: Secret


class Asked(Message, frozen=True):
    """How a request stands now."""

    number: int
    content: bytes
    signers: tuple[str, ...]
    waits_for: tuple[str, ...]
    done: bool
    not_yet: str = ""  # everybody has signed, and this is why it is not done; `CarryOut` tries again
    remedy: str = ""


class GetKeys(Message, frozen=True):
    """Answered with `Keys`."""


class KeyView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signing key of this kiosk and its part of the log: leaves (checkpoint: tree sizes) `first` <= place < `end`."""

    purpose: Literal["record", "checkpoint"]
    kid: bytes
    algorithm: str
    first: int | None  # None: it has not signed yet, a rotation may take it up
    end: int | None = None  # None: it signs now


class Keys(Message, frozen=True):
    """Every key that has signed, and those that lie beside the present ones."""

    keys: tuple[KeyView, ...]


class GetDisputes(Message, frozen=True):
    """Answered with `Disputes`."""


class DisputeView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A disputed note that nobody has cleared."""

    deposit_id: bytes
    n: int  # its number in the deposit
    value_minor: int | None
    currency: str
    suspect: bool
    place: str
    reason: str


class Disputes(Message, frozen=True):
    """Open disputes, by deposit and note; `more` when not all of them fit."""

    disputes: tuple[DisputeView, ...]
    more: bool = False


# --- storage units (maintenance) -----------------------------------------------------------------------

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


# --- pushes -------------------------------------------------------------------------------------------


class SensorReading(Message, frozen=True):
    """Board readings forwarded to the watcher, a few a second. Units in the names."""

    at_monotonic_s: float
    board_state: int
    temperature_decicelsius: int
    supply_mv: int
    tilt_mg: int
    vibration_mg_rms: int
    gas_permille: int
    motor_current_ma: int
    door_bits: int
    tray_notes: int
    transport_occupied: bool


class StageChanged(Message, frozen=True):
    """A deposit entered a stage; `deposit_code` None means that none is under way."""

    deposit_code: str | None
    stage: Stage


class AssessRequest(Message, frozen=True):
    """Answer with a `RiskReport` of this id within 2 s; silence counts as medium."""

    request_id: int
    deposit_code: str
    stage: Stage


class OutboxGrew(Message, frozen=True):
    """Pushed when records were added."""

    next_sequence: int


Request = (
    GetStatus
    | Subscribe
    | Identify
    | LookUp
    | Depositor
    | Resume
    | RiskReport
    | FetchOutbox
    | DeliverAck
    | DeliverDirectory
    | DeliverCounts
    | DeliverStatement
    | HandOver
    | FetchEvidence
    | DeliverEvidenceAck
    | LinkReport
    | GetPeople
    | FoundPeople
    | RequestAction
    | RequestEnrolment
    | RequestRenewal
    | ApproveAction
    | CarryOut
    | WithdrawAction
    | ChangeSecret
    | GetKeys
    | GetDisputes
    | GetUnits
    | ExchangeStep
    | GetReport
    | ListReports
    | PrintSlip
)
Reply = (
    Ok
    | Refused
    | Status
    | LookedUp
    | OutboxRows
    | EvidenceRows
    | Delivered
    | People
    | Asked
    | Disputes
    | Keys
    | Units
    | Report
    | Reports
)
Push = Status | SensorReading | StageChanged | AssessRequest | OutboxGrew

ALLOWED: Final[dict[Role, frozenset[type[Message]]]] = {
    "terminal": frozenset({GetStatus, Subscribe, Identify, LookUp, Depositor, Resume}),
    "watcher": frozenset({Subscribe, RiskReport, HandOver}),
    "uplink": frozenset(
        {
            GetStatus,
            Subscribe,
            FetchOutbox,
            DeliverAck,
            DeliverDirectory,
            DeliverCounts,
            DeliverStatement,
            FetchEvidence,
            DeliverEvidenceAck,
            LinkReport,
        }
    ),
    "maintenance": frozenset(
        {
            GetStatus,
            Subscribe,
            GetPeople,
            FoundPeople,
            RequestAction,
            RequestEnrolment,
            RequestRenewal,
            ApproveAction,
            CarryOut,
            WithdrawAction,
            ChangeSecret,
            GetKeys,
            GetDisputes,
            GetUnits,
            ExchangeStep,
            GetReport,
            ListReports,
            PrintSlip,
        }
    ),
}
TOPICS_ALLOWED: Final[dict[Role, frozenset[Topic]]] = {
    "terminal": frozenset({"status"}),
    "watcher": frozenset({"sensor", "stage"}),
    "uplink": frozenset({"outbox"}),
    "maintenance": frozenset({"status", "sensor", "stage", "outbox"}),
}
FRAME_BYTES_MAX: Final = 1 << 20
