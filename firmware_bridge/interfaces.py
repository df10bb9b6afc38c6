"""What the controller sees of each device: plain values and protocols, no bytes.

Drivers in this package satisfy the protocols; the simulation's in-memory ends do too, because they sit
below the drivers, at the `Transport`. Nothing here imports anything of ours. Money is in minor units
(`int`) with an ISO 4217 code. Every method that waits raises `firmware_bridge.errors.DeviceFault` or one
of its children; none retries an actuator on its own account.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol, runtime_checkable


class Transport(Protocol):
    """A byte pipe to one device. The event loop's thread owns it."""

    def write(self, data: bytes) -> None:
        """Queue bytes for the device; raises `LinkDown` when the port is gone."""

    def set_receiver(self, receiver: Callable[[bytes], None] | None) -> None:
        """Who is called, on the loop, with each chunk that arrives (chunks split anywhere)."""

    def close(self) -> None:
        """Give the port back; idempotent."""


# --- note validator -----------------------------------------------------------------------------------


class NoteEventKind(StrEnum):
    """What a validator reports, whatever its protocol. SSP codes in brackets."""

    READING = "reading"  # EF 00: a note is in the throat, unknown yet
    READ = "read"  # EF n: channel n is held; the next poll accepts it
    CREDITED = "credited"  # EE n: beyond the depositor's reach; THE credit point
    REFUSING = "refusing"  # ED
    REFUSED = "refused"  # EC; `reason` is filled by the driver from 0x17
    STACKING = "stacking"  # CC
    STACKED = "stacked"  # EB: in the stacker, which here feeds the board's transport
    STORED = "stored"  # DB: in the payout store, where bunch escrow lives
    JAM_SAFE = "jam_safe"  # EA
    JAM_UNSAFE = "jam_unsafe"  # E9
    FRAUD = "fraud"  # E6
    CLEARED_FROM_FRONT = "cleared_from_front"  # E1
    CLEARED_INTO_CASHBOX = "cleared_into_cashbox"  # E2
    INTO_STORE_AT_RESET = "into_store_at_reset"  # CB
    INTO_STACKER_AT_RESET = "into_stacker_at_reset"  # CA
    DISPENSING = "dispensing"  # DA: running total on its way out
    DISPENSED = "dispensed"  # D2: final total taken out
    HELD_IN_BEZEL = "held_in_bezel"  # CE: one note waits for the depositor's hand
    EMPTYING = "emptying"  # B3
    EMPTIED = "emptied"  # B4
    MOVED_TO_STACKER = "moved_to_stacker"  # C9
    INCOMPLETE_PAYOUT = "incomplete_payout"  # DC
    PAYOUT_ERROR = "payout_error"  # B1
    STACKER_FULL = "stacker_full"  # E7
    STACKER_REMOVED = "stacker_removed"  # E3
    STACKER_REPLACED = "stacker_replaced"  # E4
    PATH_OPEN = "path_open"  # E0
    OUT_OF_ORDER = "out_of_order"  # it takes nothing and does not say why (EBDS)
    DISABLED = "disabled"  # E8
    INITIALISING = "initialising"  # B6
    RESET = "reset"  # F1: the device restarted; `start` must be called again
    OTHER = "other"  # known to the codec, of no meaning for money; `name` says which


@dataclass(frozen=True, slots=True)
class Value:
    """An amount of one currency."""

    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """One event of a validator. Fields that do not apply are None."""

    kind: NoteEventKind
    channel: int | None = None  # 1-based; 0 or None when unknown
    values: tuple[Value, ...] = ()
    reason: str | None = None  # reject reason's name, e.g. "note_too_long"
    name: str = ""  # the protocol's own name of the event


@dataclass(frozen=True, slots=True)
class PollResult:
    """One answered poll. With `needs_ack` the device may repeat these until `acknowledge`.

    `bookmark` is the place in the device's own event list behind these events, where it keeps one (ccTalk's event
    counter); the caller makes it durable and hands it to `start` after a crash. `gap`: events between the bookmark
    given to `start` and these were lost; said until `evidence` was asked. It must become durable with the bookmark.
    """

    events: tuple[NoteEvent, ...]
    needs_ack: bool
    bookmark: int | None = None
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of note that the validator's dataset knows."""

    number: int
    value_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class ValidatorIdentity:
    """Who answered at start; a changed serial number is another device. None: its protocol tells no serial number."""

    serial_number: int | None
    firmware: str
    dataset: str
    protocol_version: int
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Counters:
    """Non-volatile counters, u32 with wrap (SSP 0x58)."""

    stacked: int
    stored: int
    dispensed: int
    transferred: int  # store to stacker
    rejected: int


@dataclass(frozen=True, slots=True)
class Level:
    """How many notes of one denomination the store holds."""

    value_minor: int
    currency: str
    count: int


@dataclass(frozen=True, slots=True)
class EmptyReport:
    """Tally of the last smart empty (SSP 0x53)."""

    moved: tuple[Level, ...]
    unknown_count: int


@dataclass(frozen=True, slots=True)
class ValidatorEvidence:
    """What a validator can say, while nothing moves, about notes that were lost from sight; each part where it has it.

    `heard_all`: every event since the bookmark given to `start` was reported by `poll`, so a note that was ordered in
    and not reported stacked is not inside. False is no statement. `note_held`: a note of before lies inside, and the
    validator neither takes nor gives it (EBDS after a power cut).
    """

    counters: Counters | None = None
    levels: tuple[Level, ...] = ()
    bookmark: int | None = None
    heard_all: bool = False
    note_held: bool = False


@dataclass(frozen=True, slots=True)
class ValidatorCapabilities:
    """Decides what the screen may promise. Without bunch escrow every accepted note is final."""

    bunch_escrow: bool
    escrow_notes_max: int  # notes that can be given back together; without bunch escrow 1: the held one
    poll_with_ack: bool
    suspect_custody: bool


class BunchEscrow(Protocol):
    """The note store of a validator that can give back, or keep, all notes of a deposit together."""

    async def commit_escrow(self) -> None: ...

    async def cancel_escrow(self) -> None:
        """Return every note in escrow to the bezel; DISPENSING, HELD_IN_BEZEL and DISPENSED follow."""

    async def empty_to_stacker(self) -> None:
        """SMART EMPTY; EMPTYING and EMPTIED follow."""

    async def empty_report(self) -> EmptyReport: ...

    async def levels(self) -> tuple[Level, ...]: ...


class Validator(Protocol):
    """A note validator that holds each note for the host's word: READ, then `accept` or `reject`.

    With bunch escrow CREDITED comes when the note is beyond the depositor's reach, then STORED (or STACKED for a
    stacker channel). Without, a note is beyond reach when it is in the cassette: CREDITED and STACKED come together.
    """

    capabilities: ValidatorCapabilities

    @property
    def escrow(self) -> BunchEscrow | None:
        """The bunch escrow, where `capabilities` say that there is one; known after `start`."""

    async def start(self, bookmark: int | None = None) -> ValidatorIdentity:
        """Set up the session; leaves it disabled and inhibited. Nothing is sent that could accept a note.

        `bookmark` is the last durable one; events behind it are reported by `poll` as far as the device still has
        them. Devices that keep no event list ignore it.
        """

    async def configure(self, accept_channels: frozenset[int], stacker_channels: frozenset[int]) -> None:
        """Inhibits, and routes: `stacker_channels` go to the stacker, other accepted ones to the store, if any."""

    async def enable(self) -> None: ...

    async def disable(self) -> None: ...

    async def poll(self) -> PollResult:
        """What is new. After READ this may ACCEPT the held note (SSP): do not call it before that is wanted."""

    async def acknowledge(self) -> None:
        """The flagged events of the last poll are durable: the device may forget them."""

    async def accept(self) -> None:
        """Let the held note in; only after the intent is durable. The next polls tell what became of it.

        SSP sends nothing here: the next poll accepts. A note that has gone meanwhile is no error.
        """

    async def reject(self) -> None:
        """Give the held note back."""

    async def hold(self) -> None:
        """Restart the escrow window of the held note; moves nothing. `CommandRefused` when no note is held."""

    async def evidence(self) -> ValidatorEvidence:
        """Only while nothing moves."""

    def close(self) -> None: ...


@runtime_checkable
class Resettable(Protocol):
    """A validator that can be told to start again, which clears its path and its jams."""

    async def reset(self) -> None:
        """Returns when it has taken the command; `start` must be called again."""


class Tappable(Protocol):
    """A link whose traffic can be listened to."""

    def set_tap(self, tap: Callable[[str, bytes], None] | None) -> None:
        """Called with `TX` (to the device) or `RX` and the bytes, as they go; None: nobody listens."""


# --- deposit board ------------------------------------------------------------------------------------


class BoardOpcode(IntEnum):
    """What a command block may order."""

    HOME = 1
    COLLECT = 2
    STRAP = 3
    APPLY_LABEL = 4
    STORE = 5
    RETURN_TRAY = 6
    PURGE = 7
    SELF_TEST = 8
    SET_LAMP = 9


class BoardResult(IntEnum):
    """How the last finished command ended (input 5)."""

    OK = 0
    JAM = 2
    TIMEOUT = 3
    REFUSED = 4
    NO_TRAY = 5
    INTERLOCK = 6
    COUNT_MISMATCH = 7
    VERIFICATION_FAILED = 8


class BoardState(IntEnum):
    """What the board is doing (input 6)."""

    IDLE = 0
    COLLECTING = 1
    STRAPPING = 2
    MARKING = 3
    STORING = 4
    RETURNING = 5
    FAULT = 6


class BoardEventCode(IntEnum):
    """What an entry of the ring tells."""

    NOTE_IN_TRAY = 1
    TRAY_REMOVED = 2
    TRAY_EMPTIED_BY_HAND = 3
    GATE_OPENED = 4
    STRAP_OK = 5
    STRAP_FAILED = 6
    LABEL_OK = 7
    LABEL_FAILED = 8
    STORED = 9
    PURGED = 10
    JAM = 11
    DOOR = 12
    SUPPLY_LOW = 13


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """One entry of the board's ring."""

    counter: int
    code: int
    argument: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class BoardSnapshot:
    """One consistent read of input registers 0-63 (DESIGN.md section 4 names each)."""

    map_version: int
    model: int
    boot_id: int
    finished_sequence: int
    finished_result: int
    state: int
    event_counter: int
    events: tuple[BoardEvent, ...]  # the ring, oldest first, empty slots left out
    tray_notes: int
    transport_occupied: bool
    strap_present: bool
    label_present: bool
    gate_open: bool
    slot: int
    cabinet_fill_permille: int
    strap_stock: int
    temperature_decicelsius: int
    supply_mv: int
    tilt_mg: int
    vibration_mg_rms: int
    gas_permille: int
    motor_current_ma: int
    door_bits: int
    accepted_sequence: int
    collected_count: int
    bundle_serial: int
    last_slot: int
    bundle_bits: int  # bit 0 strap, 1 label, 2 stored
    total_collected: int  # non-volatile, mod 65536
    total_stored: int


@dataclass(frozen=True, slots=True)
class BoardCommand:
    """One command block (holding 0-9)."""

    sequence: int  # u16, last accepted + 1
    opcode: BoardOpcode
    arguments: tuple[int, ...]  # at most six u16
    boot_id: int


class DepositBoard(Protocol):
    """The deposit board. Submitting the same block twice executes once."""

    async def snapshot(self) -> BoardSnapshot: ...

    async def submit(self, command: BoardCommand) -> None:
        """Returns when accepted (or known to be accepted already). `BoardBusy`, `BoardRefused` otherwise."""

    async def set_watchdog(self, milliseconds: int) -> None: ...

    def close(self) -> None: ...


# --- label printer ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LabelPrinterStatus:
    """What `~HS` told; `answered` False is a state of its own (silence)."""

    answered: bool
    ready: bool
    paper_out: bool = False
    paused: bool = False
    head_open: bool = False
    ribbon_out: bool = False
    labels_remaining: int = 0
    formats_waiting: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    """What a bundle's label says. No account data."""

    bundle_id: str
    copy: int
    lines: tuple[str, ...]  # text, already in words
    qr: str
    barcode: str


class LabelPrinter(Protocol):
    """The label printer. Only its own word counts: bytes sent prove nothing."""

    async def status(self) -> LabelPrinterStatus: ...

    async def print_label(self, label: Label) -> None:
        """Returns when the printer says that the label is out; `LabelNotPrinted` otherwise."""

    def close(self) -> None: ...


# --- receipt printer ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReceiptPrinterStatus:
    """What `DLE EOT` 1 to 4 told; `answered` False is a state of its own (silence, or no link)."""

    answered: bool
    offline: bool = False
    cover_open: bool = False
    paper_near_end: bool = False
    paper_end: bool = False
    cutter_error: bool = False
    other_error: bool = False  # the head is too hot, or it needs service

    @property
    def ready(self) -> bool:
        """Whether a receipt may be begun. Near end is enough for one."""
        return self.answered and not (
            self.offline or self.cover_open or self.paper_end or self.cutter_error or self.other_error
        )

    @property
    def trouble(self) -> str:
        """What stands in the way, in words; empty when it is ready."""
        told = {
            "it does not answer": not self.answered,
            "the cover is open": self.cover_open,
            "the paper is used up": self.paper_end,
            "the cutter is stuck": self.cutter_error,
            "it reports an error": self.other_error,
            "it is offline": self.offline,
        }
        return next((words for words, holds in told.items() if holds), "")

    @property
    def remedy(self) -> str:
        """For the person in front of it."""
        if not self.answered:
            return "Check power and cable of the receipt printer."
        return "Open the receipt printer: put in a new roll, free the cutter, close the cover."


@dataclass(frozen=True, slots=True)
class ReceiptText:
    """One line or paragraph; longer ones are wrapped. What the printer has no character for becomes a `?`."""

    text: str
    large: bool = False
    bold: bool = False
    centred: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptQr:
    """A QR code, level M, as large as the paper allows: at most 1,400 bytes in UTF-8.

    No control characters but newlines: 10 04 in the data could be taken for a real-time command.
    """

    data: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is printed, from top to bottom; the paper is cut after it."""

    parts: tuple[ReceiptText | ReceiptQr, ...]


class ReceiptPrinter(Protocol):
    """The receipt printer. Only its own word counts: bytes sent prove nothing."""

    async def status(self) -> ReceiptPrinterStatus:
        """Raises `LinkDown` when the port is gone."""

    async def print_receipt(self, receipt: Receipt) -> None:
        """Returns when the printer says that it is out and cut; `ReceiptNotPrinted` otherwise."""

    def close(self) -> None: ...


# --- discrete lines -----------------------------------------------------------------------------------


class Line(StrEnum):
    """Discrete lines by role; the configuration maps each to a GPIO number and a polarity."""

    SHUTTER_OPEN_CMD = "shutter_open_cmd"  # out: energised = open
    SHUTTER_CLOSED = "shutter_closed"  # in: fully closed
    SHUTTER_OPENED = "shutter_opened"  # in: fully open
    DOOR_CLOSED = "door_closed"  # in
    TAMPER = "tamper"  # in: true = tampered
    E_STOP = "e_stop"  # in: true = pressed
    SERVICE_KEY = "service_key"  # in: true = service position
    POWER_GOOD = "power_good"  # in
    HEADPHONES = "headphones"  # in: true = plugged in, by the switch of the jack
    ALARM = "alarm"  # out
    PORT_LAMP = "port_lamp"  # out


class Lines(Protocol):
    """All discrete lines, debounced, in positive logic."""

    def read(self, line: Line) -> bool: ...

    def write(self, line: Line, value: bool) -> None: ...  # noqa: FBT001 - a level is what is written

    def set_listener(self, listener: Callable[[Line, bool], None] | None) -> None:
        """Called on the event loop after each change of an input."""

    def close(self) -> None: ...
