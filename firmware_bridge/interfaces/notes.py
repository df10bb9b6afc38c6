"""What a note validator tells: plain values, whatever its protocol."""

from dataclasses import dataclass
from enum import StrEnum


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
