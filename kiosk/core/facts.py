"""Facts: what happened. The deposit table turns (state, fact) into (state, orders, records).

Each is stored in the journal before anything depends on it, so their names and fields are a format.
Times are RFC 3339 strings; the table never reads a clock.
"""

from typing import Literal

import msgspec

from kiosk.core.policy import Policy


class Fact(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Base of all facts; the tag is the class name."""


# --- the depositor ------------------------------------------------------------------------------------


class TicketUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The deposit ticket by which somebody identified themselves. A use counts once a note has come in."""

    serial: bytes  # 12, random
    ends: str  # UTC, to the minute: from then on it need not be remembered


class Begin(Fact, frozen=True):
    """Somebody identified themselves. The account is sealed already; the core never sees it in clear."""

    at: str
    deposit_id: bytes  # 128 random bits
    code: str
    account_sealed: bytes
    account_masked: str
    staff: str  # the person responsible on duty
    policy: Policy
    bundle_serial: int
    slot: int  # the cabinet slot reserved for it
    account_known: bool | None = None  # in the account directory; None: there was none to look into
    ticket: TicketUse | None = None  # None: the number was typed
    language: str = ""  # of the screen, BCP 47; empty: not said


class Consent(Fact, frozen=True):
    """The depositor agreed that each note is final once it is accepted; asked where there is no bunch escrow."""

    at: str


class Done(Fact, frozen=True):
    """No more notes."""


class Confirm(Fact, frozen=True):
    """The point of no return, and the credit."""

    at: str


class Cancel(Fact, frozen=True):
    """Give everything back."""


class MoreTime(Fact, frozen=True):
    """The depositor asked for more time."""


class Finish(Fact, frozen=True):
    """The depositor leaves the result page."""


class Reprint(Fact, frozen=True):
    """The depositor asks for the receipt once more."""


class Resume(Fact, frozen=True):
    """The right deposit code was typed."""


class TimedOut(Fact, frozen=True):
    """The present state lasted as long as it may."""


# --- the validator ------------------------------------------------------------------------------------


class NoteRead(Fact, frozen=True):
    """A note of this channel is held; it moves only on an order."""

    channel: int


class NoteCredited(Fact, frozen=True):
    """The validator's credit point: the note is beyond the depositor's reach."""

    channel: int


class Acknowledged(Fact, frozen=True):
    """The validator took our acknowledgement of its last credit; `bookmark` as in `ValidatorEvidence`.

    `gap`: events between the bookmark before and this one were lost, such as by a restart of the validator.
    """

    bookmark: int | None = None
    gap: bool = False


class NoteRefused(Fact, frozen=True):
    """A note went back to the depositor."""

    reason: str


class NoteStored(Fact, frozen=True):
    """The note in flight reached the escrow store."""


class NoteStacked(Fact, frozen=True):
    """The note in flight left by the stacker exit: to the board's transport, or into the validator's own cassette."""


class Jammed(Fact, frozen=True):
    """The validator jammed; `safe` when the note is out of the depositor's reach."""

    safe: bool


class FraudSeen(Fact, frozen=True):
    """The validator reported a manipulated note; no credit follows for it."""

    channel: int


class ValidatorStopped(Fact, frozen=True):
    """The validator cannot take more notes now (stacker full or removed, path open)."""

    reason: str


class AtReset(Fact, frozen=True):
    """What the validator did with a note when its power came back (SSP E1, E2, CA, CB), or that it came back (F1).

    It says some of that once only. So `asked` is durable before it is listened to while a note is ordered in, and
    `asked_again` says that whoever listened then did not live to the end: what it said may be lost.
    """

    kind: Literal[
        "cleared_from_front", "cleared_into_cashbox", "into_store", "into_stacker", "started", "asked", "asked_again"
    ]
    channel: int  # 0 unknown
    value_minor: int | None
    currency: str


class BezelHeld(Fact, frozen=True):
    """A note of this value waits at the bezel for the depositor's hand."""

    value_minor: int
    currency: str


class Dispensed(Fact, frozen=True):
    """Value that left the store so far in this roll-back, per currency; `final` when the validator has finished.

    `moving` when it was reported without a note at the bezel: the one that was there has been taken.
    """

    totals: tuple[tuple[str, int], ...]
    final: bool
    moving: bool = False


class ReturnRefused(Fact, frozen=True):
    """The validator will not give the escrowed notes back: it says no to the command."""

    detail: str


class ReturnBrokenOff(Fact, frozen=True):
    """The validator stopped amid giving back; `totals` is what it had paid out, and no note waits at the bezel.

    `detail`: the validator's reason; `retry` when nothing is wrong with it and the rest may be asked for again.
    """

    totals: tuple[tuple[str, int], ...]
    detail: str
    retry: bool = False


class EscrowCommitted(Fact, frozen=True):
    """The validator accepted the commit of its escrow."""


class StoreEmptied(Fact, frozen=True):
    """The store was emptied to the stacker exit: `moved` is value, currency and count."""

    moved: tuple[tuple[int, str, int], ...]
    unknown_count: int


# --- board, printer, port -----------------------------------------------------------------------------


class BoardDispatched(Fact, frozen=True):
    """A command block is about to be sent: the durable intent, with what identifies it after a crash."""

    opcode: int
    sequence: int
    boot_id: int
    occupied: bool = False  # something lay on transport or tray just before


class BoardFinished(Fact, frozen=True):
    """The board finished the dispatched command. `result` as in the register map; 0 is ok."""

    opcode: int
    result: int
    evidence: "BoardEvidence"


class LabelPrinted(Fact, frozen=True):
    """The label printer confirmed (or could not confirm) a label."""

    copy: int
    ok: bool
    detail: str = ""


class ReceiptPrinted(Fact, frozen=True):
    """The receipt printer confirmed this copy (or could not); `no_printer`: it can only be shown on the screen."""

    copy: int
    result: Literal["printed", "failed", "no_printer"]
    detail: str = ""


class ShutterMoved(Fact, frozen=True):
    """The shutter reached the ordered end, or did not within its time."""

    open: bool
    ok: bool


class RingMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the board's event ring has been read: the counter starts anew with each boot."""

    boot_id: int
    counter: int


BoardHappening = Literal["tray_removed", "tray_emptied", "gate_opened", "jam", "door", "supply_low"]


class BoardHappened(Fact, frozen=True):
    """What the board's event ring told that no command of ours explains by itself, oldest first.

    `lost`: more events came than the ring holds, so some were never read.
    """

    events: tuple[tuple[BoardHappening, int], ...]  # with the event's argument
    lost: bool
    mark: RingMark


class ResetOrdered(Fact, frozen=True):
    """A person who may has ordered a reset: the durable intent, before any device is told."""

    at: str
    reset_id: bytes  # 128 random bits: names a reset outside any deposit
    by: str  # staff id
    known: tuple[tuple[str, int], ...]  # notes that the units' books have in escrow and tray, outside any deposit


class ValidatorReplaced(Fact, frozen=True):
    """A technician vouched for another validator while a deposit was open: the old one is gone, with what it held."""

    at: str
    by: str
    old: str  # serial numbers
    new: str


class ValidatorReset(Fact, frozen=True):
    """The validator took the command to restart; `done` False: it has none."""

    done: bool


class PowerFailed(Fact, frozen=True):
    """The mains power is gone; the cabinet runs on for its hold-up time."""

    at: str


class KeyTurned(Fact, frozen=True):
    """Somebody turned the service key: the cabinet may be opened now."""


class PortTampered(Fact, frozen=True):
    """Somebody forced the port, or the cabinet's tamper line tripped."""

    how: str


# --- risk and guarantee -------------------------------------------------------------------------------

Grade = Literal["low", "medium", "high"]
Stage = Literal["access", "escrow", "bundling", "storing"]


class Assessment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The watcher's view of one stage, after core's hard rules."""

    stage: Stage
    grade: Grade
    reasons: tuple[str, ...]
    streams: tuple[tuple[str, float], ...] = ()  # stream, p-value
    still_sha256: str = ""


class Assessed(Fact, frozen=True):
    """Assessments, asked for or not."""

    at: str
    asked: bool
    assessments: tuple[Assessment, ...]


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check of the guarantee."""

    area: Literal["security", "confidentiality", "authenticity", "integrity"]
    check: str
    passed: bool
    reason: str = ""


class GuaranteeChecked(Fact, frozen=True):
    """The four guarantee areas were checked for this deposit."""

    at: str
    findings: tuple[Finding, ...]


# --- recovery -----------------------------------------------------------------------------------------


class ValidatorEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Non-volatile truth of the validator, read while nothing moves. Counters are u32 with wrap."""

    stacked: int
    stored: int
    dispensed: int
    transferred: int
    levels: tuple[tuple[int, str, int], ...]  # value in minor units, currency, notes in the store
    counted: bool = True  # False: it has no such counters, and they are 0 here
    bookmark: int | None = None  # the place reached in its own event list, where it keeps one
    heard_all: bool = False  # every event since our bookmark was heard: what was not reported stacked is not inside
    note_held: bool = False  # a note of before lies inside, and the validator neither takes nor gives it

    @property
    def level(self) -> int:
        """Notes in the store."""
        return sum(count for _, _, count in self.levels)


class BoardEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the board's sensors and totals say, read while nothing moves."""

    boot_id: int
    accepted_sequence: int
    finished_sequence: int
    finished_result: int
    tray_notes: int
    transport_occupied: bool
    strap_present: bool
    label_present: bool
    total_collected: int  # mod 65536
    total_stored: int
    event_counter: int = 0  # of the event ring, read up to here
    purged: int | None = None  # notes that the newest event tells were purged; None when it tells something else


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that devices can say about where notes are."""

    validator: ValidatorEvidence
    board: BoardEvidence


class Prepared(Fact, frozen=True):
    """Cash-in may start: the validator is configured; this is the baseline for any later reconciliation."""

    evidence: Evidence


class Reconciled(Fact, frozen=True):
    """Devices answer again after a restart or a fault, and nothing has been commanded since."""

    at: str
    evidence: Evidence
    restarted: bool  # the controller itself was restarted: the depositor may be gone
    jammed: bool = False  # the validator still reports a jam: what it was told to take may yet come in


AnyFact = (
    Begin
    | Consent
    | Done
    | Confirm
    | Cancel
    | MoreTime
    | Finish
    | Reprint
    | Resume
    | TimedOut
    | NoteRead
    | NoteCredited
    | Acknowledged
    | NoteRefused
    | NoteStored
    | NoteStacked
    | Jammed
    | FraudSeen
    | ValidatorStopped
    | AtReset
    | BezelHeld
    | Dispensed
    | ReturnRefused
    | ReturnBrokenOff
    | EscrowCommitted
    | StoreEmptied
    | BoardDispatched
    | BoardFinished
    | LabelPrinted
    | ReceiptPrinted
    | ShutterMoved
    | BoardHappened
    | PortTampered
    | PowerFailed
    | ResetOrdered
    | ValidatorReset
    | ValidatorReplaced
    | KeyTurned
    | Assessed
    | GuaranteeChecked
    | Prepared
    | Reconciled
)
