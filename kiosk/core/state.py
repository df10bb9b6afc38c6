"""The state of one deposit: a value. `kiosk.core.deposit` has the table that changes it."""

from enum import StrEnum
from typing import Literal

import msgspec

from kiosk.core.facts import Assessment, AtReset, Evidence, Finding, RingMark
from kiosk.core.money import Claim, Note, Place
from kiosk.core.orders import AnyOrder
from kiosk.core.policy import Policy


class State(StrEnum):
    """Where a deposit stands. XFS4IoT words where it has one."""

    IDLE = "idle"
    WATCHING = "watching"  # the scene is graded before the shutter may open
    CONSENTING = "consenting"  # no bunch escrow: the depositor is asked whether each note may be final
    STARTING = "starting"  # cash-in start
    CASH_IN = "cash_in"
    REFUSING = "refusing"  # a note is on its way back
    ACCEPTING = "accepting"  # a read note was ordered in; not yet beyond reach
    STACKING = "stacking"  # beyond reach, on its way to the store or the stacker exit
    PURGING = "purging"  # a suspect note goes to the retract bin
    SETTLING = "settling"  # no more notes; the port closes
    REVIEW = "review"  # confirm or cancel
    RETURNING = "returning"  # roll-back
    SUSPENDED = "suspended"  # unconfirmed and gone, or power back: resume with the deposit code
    JAMMED = "jammed"  # waits for a technician
    RETRACTING = "retracting"
    CLEARING = "clearing"  # credited; a suspect note must leave the board before the first credited one moves
    COMMITTING = "committing"  # from here on the deposit is credited
    COLLECTING = "collecting"
    REALIGNING = "realigning"  # the board re-scans after doubt
    STRAPPING = "strapping"
    MARKING = "marking"
    STORING = "storing"
    RESETTING = "resetting"  # every device is brought to a known state
    CLOSING = "closing"  # guarantee, appraisal, record
    RECEIPT = "receipt"  # credit and record are durable; the paper is printed
    DONE = "done"


# What the deposit does next once the note that is under way has settled.
Intention = Literal["", "review", "cancel", "suspend"]


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One deposit is one bundle. Printed and applied are separate facts."""

    serial: int
    slot: int
    copy: int = 0  # label copies printed so far; earlier ones are void
    label_failures: int = 0
    strap_failures: int = 0
    store_failures: int = 0
    strapped: bool = False
    labelled: bool = False
    stored: bool = False
    short_by: int = 0  # notes that the tray lacks against the journal
    over_by: int = 0

    @property
    def name(self) -> str:
        """The bundle id on its label."""
        return f"B{self.serial:08d}"


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The receipt on paper. The receipt itself is a record in the log and depends on no printer."""

    stands: Literal["", "pending", "printed", "failed", "no_printer"] = ""  # empty: this deposit has no receipt
    copy: int = 0  # the one printed last, or being printed; 0 is the original
    reprints: int = 0  # how often the depositor asked for another


class BoardPending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The board command that was dispatched last and has not finished, as far as the journal knows."""

    opcode: int
    sequence: int
    boot_id: int


class Bezel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The note that waits at the bezel."""

    value_minor: int
    currency: str


DoubtKind = Literal["cleared_from_front", "fraud", "port_tamper"]


class Doubt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something at the port, before the confirmation, by which a counted note may have left again."""

    kind: DoubtKind
    channel: int = 0  # of the validator; 0 unknown


class ResetWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reset under way, and what it has found so far."""

    by: str
    at: str
    known: tuple[tuple[str, int], ...]  # unit -> notes, by the units' books; outside any deposit
    confirmed: bool  # the deposit goes on forward afterwards
    idle: bool = False  # no deposit was under way
    phase: Literal["validator", "restarted", "store", "board"] = "validator"
    tries: int = 0
    recounted: bool = False  # the deposit's notes were counted again by the validator's counters
    path: tuple[str, ...] = ()  # what the validator told of its path when it restarted
    store: tuple[tuple[int, str, int], ...] = ()  # value, currency, count that left the store
    store_unknown: int = 0
    tray: int = 0  # as the board saw it before the purge
    purged: int = 0
    unsaid: bool = False  # a purge whose number was lost
    left: tuple[str, ...] = ()  # what could not be brought to a known state, in words


class Deposit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One deposit, from the first touch to the record. `Deposit()` is the idle kiosk."""

    state: State = State.IDLE
    id: bytes = b""
    code: str = ""
    account_sealed: bytes = b""
    account_masked: str = ""
    account_known: bool | None = None  # False: credited to suspense until the bank has found the account
    language: str = ""  # in which the depositor reads the screen, also after a power cut
    ticket: bytes = b""  # serial number of the ticket that was shown; empty: the account was typed
    staff: str = ""
    began_at: str = ""
    consented_at: str = ""  # each accepted note is final since then; empty: there is a bunch escrow
    confirmed_at: str = ""
    policy: Policy = Policy(kinds=(), limits=(), notes_max=0)
    notes: tuple[Note, ...] = ()
    accepting: int | None = None  # channel of the note that was ordered in
    in_flight: int | None = None  # number of the note beyond reach that has not settled
    unacknowledged: int | None = None  # number of the note whose credit the validator may repeat
    fronted: bool = False  # while one was in flight a note came out at the front: the counters tell which
    told: tuple[AtReset, ...] = ()  # what the validator said of its power-up, until it is reconciled
    paired_channel: int | None = None  # a repeated credit of this channel explains a note paired at reset
    intention: Intention = ""
    baseline: Evidence | None = None
    replaced: bool = False  # another validator answers now, whose counters know nothing of this deposit
    bookmark: int | None = None  # in the validator's event list: what lies behind it is not in the journal yet
    unheard: bool = False  # events were lost since the present note was ordered in: silence says nothing of it
    bundle: Bundle = Bundle(serial=0, slot=0)
    board: BoardPending | None = None
    emptied: bool = False  # the store's notes have left it
    collected: int | None = None  # what the board says the tray holds
    collects: int = 0  # how often the belt was run for this bundle
    bezel: Bezel | None = None
    paper: Paper = Paper()
    presented_minor: tuple[tuple[str, int], ...] = ()  # the validator's running total of this roll-back
    rolling_back: bool = False  # notes were on their way out when this state was left, if it was
    offered: bool = False  # the escrow was told to go out in this roll-back; a port may be reported open twice
    unseen: tuple[int, ...] = ()  # numbers of notes that left the store to be retracted, without a report
    strays: int = 0  # notes that went to the stacker exit at power-up instead of out
    returned_minor: tuple[tuple[str, int], ...] = ()  # the part of it that was taken: those notes are returned
    last_refusal: str = ""
    assessments: tuple[Assessment, ...] = ()
    findings: tuple[Finding, ...] = ()
    assessed: bool = False  # the closing assessment is in
    checked: bool = False  # the guarantee check is in
    outcome: str = ""  # credited, returned, retracted, nothing_inserted, refused_risk, ...
    remarks: tuple[str, ...] = ()  # what went wrong on the way, for the record
    shutter_failures: int = 0
    starts: int = 0  # faults while the devices were made ready
    return_refusals: int = 0  # how often the validator said no to giving the escrow back
    jam_safe: bool = False  # the jammed note is out of the depositor's reach, credited or not
    doubts: tuple[Doubt, ...] = ()  # under which the credit was given; what comes after the confirmation is not here
    confirmed_minor: tuple[tuple[str, int], ...] = ()  # fixed by the confirmation, and never changed after it
    ring: RingMark | None = None  # the board's events have been heard up to here
    rescan: bool = False  # the tray was touched: nothing is believed of it before the board looked again
    waiting: bool = False  # the board cannot go on until a person has been there; asked again every `retry_s`
    waits: int = 0  # how often it could not
    sweep: bool = False  # the validator may have kept a note without a credit: look on the board when the port is shut
    sighted: bool = False  # the board saw something lie there, for which no known note accounts
    swept: bool = False  # the board looked there since, and told how many notes it moved
    reset: ResetWork | None = None
    purges: int = 0  # tries to get a suspect note off the board since it came, or since the last restart
    at_bezel: bool = False  # a note came back and was not seen to be taken: it may lie behind the shutter

    @property
    def comparable(self) -> Evidence | None:
        """The baseline with which the validator's counters and levels can be compared; None when nothing can."""
        return None if self.replaced else self.baseline

    @property
    def fished(self) -> bool:
        """Whether a note that the validator kept without a credit, after a fraud attempt, may still turn up."""
        return not self.swept and any(doubt.kind == "fraud" for doubt in self.doubts)

    @property
    def confirmed(self) -> bool:
        """Whether the point of no return has been passed."""
        return bool(self.confirmed_at)

    @property
    def grade(self) -> Literal["low", "medium", "high"]:
        """The worst grade so far; low when nothing has been assessed."""
        grades = {assessment.grade for assessment in self.assessments}
        if "high" in grades:
            return "high"
        return "medium" if "medium" in grades else "low"

    @property
    def dangerous(self) -> bool:
        """Whether the grade keeps the port shut: high always does, medium where the bank's terms say so."""
        return self.grade == "high" or (self.policy.medium_stops and self.grade == "medium")

    def note(self, number: int | None) -> Note | None:
        """The note of this number."""
        return next((note for note in self.notes if note.number == number), None)

    @property
    def genuine(self) -> tuple[Note, ...]:
        """Notes that count for the depositor now: open or credited."""
        return tuple(note for note in self.notes if note.claim in (Claim.OPEN, Claim.CREDITED))

    @property
    def on_board(self) -> tuple[Note, ...]:
        """Notes that the journal believes to be on the board's transport or in its tray."""
        return tuple(note for note in self.notes if note.place in (Place.TRANSPORT, Place.TRAY))

    @property
    def escrowed(self) -> tuple[Note, ...]:
        """Notes that the journal believes to be in the escrow store."""
        return tuple(note for note in self.notes if note.place is Place.ESCROW)


class RecordDraft(msgspec.Struct, frozen=True):
    """A record to be signed, logged and sealed in the same transaction as the fact that caused it."""

    kind: str
    body: dict[str, object]


class Outcome(msgspec.Struct, frozen=True):
    """What one fact led to."""

    deposit: Deposit
    orders: tuple[AnyOrder, ...] = ()
    records: tuple[RecordDraft, ...] = ()
