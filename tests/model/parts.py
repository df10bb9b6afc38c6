"""The parts of the abstract world, small immutable values: what the journal does not hold.

A note is one letter: A and B are genuine, of two denominations; S is suspect; X is read as a channel that no deposit
takes. Lower case: the note of an earlier deposit. `U`, a note that is not recognised, never gets beyond the throat.
Counters start at nought with each baseline: the table looks at differences only.
"""

from typing import Final, NamedTuple

from kiosk.core.facts import BoardEvidence, Evidence, Fact, ValidatorEvidence
from kiosk.core.orders import AnyOrder
from kiosk.core.policy import Limit, NoteKind, Policy, Timing

Event = tuple[str, int]  # what the validator reports: kind, and a channel, a value or a total

CURRENCY: Final = "CNY"
CHANNEL: Final = {"A": 1, "B": 2, "S": 3, "X": 9}
VALUE: Final = {"A": 1000, "B": 5000, "S": 5000, "X": 700}
LIMIT_MINOR: Final = 11_000  # B, B and A fit, three of B do not
INSIDE_PATH: Final = ("past_safe", "out_in", "out_bezel")  # the note is inserted
PATH_OPEN_TO_HAND: Final = ("escrow", "moving", "rejecting", "found")  # found at power-up, to be read again
FLAGGED: Final = frozenset(
    ("credited", "in_cassette", "fraud", "cleared_cashbox", "into_store", "into_stacker", "dispensed", "emptied")
)

DISPATCHED, FINISHED, RESTARTED = 1, 2, 3  # what is known of the last purge

POLICY: Final = Policy(
    kinds=(
        NoteKind(1, CURRENCY, VALUE["A"]),
        NoteKind(2, CURRENCY, VALUE["B"]),
        NoteKind(3, CURRENCY, VALUE["S"], suspect=True),
    ),
    limits=(Limit(CURRENCY, LIMIT_MINOR, LIMIT_MINOR),),
    notes_max=3,
    timing=Timing(jam_s=60.0, retry_s=30.0),  # few tries: more are more of the same
)


def value(kind: str) -> int:
    """Minor units of one note."""
    return VALUE[kind.upper()]


def total(kinds: str) -> int:
    """Minor units of several notes."""
    return sum(VALUE[kind.upper()] for kind in kinds)


def plus(kinds: str, more: str) -> str:
    """A heap with more notes in it; heaps have no order."""
    return "".join(sorted(kinds + more))


class Validator(NamedTuple):
    """The note validator with its store."""

    path: tuple[str, str] | None = None  # phase, note
    store: str = ""  # in the order of their coming; the last comes out first
    returning: str | None = None  # notes validated on their way out, while escrow is being returned
    emptying: str | None = None  # notes that left by the stacker exit, while the store is being emptied
    marks: bool = True  # the stored notes are escrow, not plain contents
    kind: str = ""  # "": SSP with a bunch escrow; ssp, ebds, cctalk: each accepted note is final, in the cassette
    cassette: str = ""  # where notes end without bunch escrow
    asleep: str = ""  # EBDS: a note of before the power cut, which it neither takes nor gives
    life: int = 0  # ccTalk: power-ups; a bookmark of another life is no place in its event list
    emptied: str = ""  # tally of the last smart empty
    jam: str = ""  # safe, late (after its credit), unsafe, payout, empty
    stopped: bool = False  # the stacker is out
    enabled: bool = False
    read_shown: bool = False
    queue: tuple[Event, ...] = ()  # not reported yet
    shown: tuple[Event, ...] = ()  # reported, to be repeated until acknowledged
    restarted: bool = False  # its session is gone, and nobody has noticed
    stored: int = 0
    stacked: int = 0
    dispensed: int = 0
    transferred: int = 0

    @property
    def blocked(self) -> bool:
        """A flagged event is under way to the host: no note may begin to move."""
        if self.kind == "cctalk":  # it keeps a list
            return False
        if self.kind == "ebds":  # one word at a time
            return bool(self.shown or self.queue)
        return bool(self.shown) or any(kind in FLAGGED for kind, _ in self.queue)

    @property
    def escrow(self) -> bool:
        """Whether there is a bunch escrow."""
        return not self.kind

    @property
    def counts(self) -> bool:
        """SSP keeps counters, and accepts the held note with the next poll; the others are ordered to take it."""
        return self.kind in ("", "ssp")

    @property
    def busy(self) -> bool:
        """Anything moves or is held."""
        return self.path is not None or self.returning is not None or self.emptying is not None


class Board(NamedTuple):
    """The deposit board and what lies on it."""

    transport: str = ""
    tray: str = ""
    cabinet: str = ""
    retract: str = ""
    run: tuple[int, int, int] | None = None  # opcode, argument, stage: 0 under way, 1 done but not reported
    result: int = 0
    collected: int = 0  # by the COLLECT under way
    strap: bool = False
    label: bool = False
    faulty: bool = False  # after a jam only HOME and PURGE are carried out
    rebooted: bool = False  # and nobody has noticed
    purge: int = 0  # the purge dispatched last: 1 dispatched, 2 finished, 3 the board has restarted since
    purged: int | None = None  # notes that its newest event tells were purged
    arrived: int = 0  # in the tray, since the baseline
    stored: int = 0  # since the baseline


class Controller(NamedTuple):
    """What a controller holds in memory: gone with it."""

    phase: int = 0  # 0 down, 1 listens, 2 at work
    fresh: bool = True  # the process was started anew since the last reconciliation
    queue: tuple[AnyOrder, ...] = ()
    due: Fact | None = None  # outcome of the order just carried out
    again: AnyOrder | None = None  # the order that the worker is at
    batch: tuple[Event, ...] = ()  # of the last poll, not yet applied
    mark: int | None = None  # ccTalk: the place in its event list behind the last poll
    needs_ack: int = 0  # 1 the poll is to be acknowledged, 2 it was and that is not yet durable
    offered: bool = False  # the poll that `batch` is from told of a note at the bezel
    held: bool = False
    pending: int = 0  # opcode that the board was given
    asked: int = 0  # stages of an assessment under way
    heard: bool = False  # ccTalk: every event since the durable bookmark can be heard
    listening: bool = False  # this process has begun to listen while a note was ordered in
    unsaved: bool = False  # ccTalk: the durable bookmark is not of the device's present life


class World(NamedTuple):
    """One state of the model; `book` numbers the deposit that the journal leads to."""

    book: int
    v: Validator
    b: Board
    c: Controller
    port: bool = False  # the shutter is open
    bezel: str = ""  # a note out of the store, within reach of the hand
    front: str = ""  # notes that came out at the front although their credit was on its way
    out: str = ""  # notes taken back after they had been inserted
    broken: str = ""  # the one thing that is broken for good, until a technician comes
    recorded: bool = True  # the deposit's record was made
    removed: str = ""  # notes inside the validator that was taken away
    stranger: bool = False  # another validator answers, and nobody has accepted it
    notes: int = 0  # that the depositor may still insert
    crashes: int = 0
    faults: int = 0
    resets: int = 0  # that a person may still order


def evidence(world: World) -> Evidence:
    """What the devices would report now."""
    v, b = world.v, world.b
    levels = tuple((VALUE[kind], CURRENCY, v.store.upper().count(kind)) for kind in "AB" if kind in v.store.upper())
    if v.counts:
        said = ValidatorEvidence(
            stacked=v.stacked, stored=v.stored, dispensed=v.dispensed, transferred=v.transferred, levels=levels
        )
    else:
        at_rest = v.path is None and not v.jam
        mark = v.life if v.kind == "cctalk" else None
        said = ValidatorEvidence(
            *(0, 0, 0, 0, ()),
            counted=False,
            bookmark=mark,
            heard_all=v.kind == "cctalk" and world.c.heard and at_rest,
            note_held=bool(v.asleep),
        )
    return Evidence(validator=said, board=board_evidence(b))


def board_evidence(b: Board) -> BoardEvidence:
    """The board's part of it. Boot id and sequence tell of the purge that was dispatched last, as 1 and 1."""
    return BoardEvidence(
        boot_id=2 if b.purge == RESTARTED else 1,
        accepted_sequence=0,
        finished_sequence=1 if b.purge == FINISHED else 0,
        finished_result=0,
        tray_notes=len(b.tray),
        transport_occupied=bool(b.transport),
        strap_present=b.strap,
        label_present=b.label,
        total_collected=b.arrived,
        total_stored=b.stored,
        purged=b.purged,
    )


def inserted(world: World) -> str:
    """Every note of the present deposit that was beyond the depositor's reach, wherever it is now."""
    path = world.v.path
    inside = path[1] if path is not None and path[0] in INSIDE_PATH else ""
    heap = inside + world.v.asleep + world.v.store + world.v.cassette + world.removed + world.bezel + world.out
    heap += world.b.transport + world.b.tray + world.b.cabinet + world.b.retract
    return "".join(sorted(kind for kind in heap if kind.isupper()))
