"""A schedule: everything that people, physics and power will do, drawn from one seed, as plain data.

Nothing here runs. Times are virtual seconds after the deposit that they belong to began; a crash point is the n-th
journal write or serial frame after that moment, or after the restart before it.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation import kinds
from tests.simulation.kinds import CrashWhere, Kind

NOTES_MIN, NOTES_MAX = 3, 40
FACES: Final = (100, 500, 1000, 2000, 5000, 10000)
NOTE_S, FRAME_S, FIXED_S = 1.5, 0.05, 16.0  # how long a note and a whole deposit take, and how often frames come
COMMANDS: Final = (0, 1, 2, 3, 5, 7)  # the board's opcodes whose replies are lost; 0 is any reply
OWN_CHANCE: Final = 0.15
WRITES_FIXED, WRITES_NOTE = 34, 5


@dataclass(frozen=True)
class Visit:
    """One depositor: what they feed in, when they walk away, whether they come back, and what they decide."""

    notes: tuple[tuple[int, str], ...]  # value in minor units, kind
    waits_s: float  # idle time of the kiosk before
    decision: str  # confirm, cancel, cancel_early, silence
    leaves: str = ""  # a step of kinds.LEAVES
    leaves_after: int = 0  # notes fed, or taken back, by then
    comes_back_s: float | None = None  # None: never
    forgets_code: bool = False
    takes: bool = True  # what comes back at the bezel
    reprints: int = 0


@dataclass(frozen=True)
class Strike:
    """A trouble at a moment of a deposit."""

    kind: str  # a label of kinds.labels()
    deposit: int
    at_s: float
    seconds: float = 0.0
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Noise:
    """Trouble on one serial line, for a number of chunks in one direction."""

    kind: str
    line: str  # "validator>" to the device, "validator<" from it
    deposit: int
    at_s: float
    chunks: int
    amount: float


@dataclass(frozen=True)
class Crash:
    """Power of all, the controller alone, or one device alone. The second and third count from the restart."""

    what: str
    where: CrashWhere
    nth: int
    at_s: float
    dark_s: float
    deposit: int  # of the first crash: it is armed when this deposit begins


@dataclass(frozen=True)
class Schedule:
    """All of it."""

    seed: int
    visits: tuple[Visit, ...]
    strikes: tuple[Strike, ...]
    noises: tuple[Noise, ...]
    crashes: tuple[Crash, ...]
    technician_s: float  # how long the kiosk waits for one
    technician_takes: bool
    commit_s: float  # how long a journal write takes
    validator: str  # one of kinds.VALIDATORS
    profile: dict[str, Any]  # the validator's choices where its makers differ

    def kinds(self) -> set[str]:
        """The labels of what is in it."""
        found = {strike.kind for strike in self.strikes} | {f"line.{noise.kind}" for noise in self.noises}
        found |= {f"crash.{crash.what}" for crash in self.crashes} | {f"validator.is:{self.validator}"}
        for visit in self.visits:
            found |= {f"note.{kind}" for _, kind in visit.notes if kind != "genuine"}
            found |= {f"depositor.leaves:{visit.leaves}"} if visit.leaves else set()
            found |= {"depositor.forgets_code"} if visit.forgets_code else set()
        return found | ({"technician.takes_note"} if self.technician_takes else set())

    @property
    def quiet(self) -> bool:
        """Nothing goes wrong and nobody leaves: there may be no dispute at all."""
        quiet = {"note.suspect", "note.unreadable", "note.long", "note.double"}
        return not self.kinds() - quiet - {f"validator.is:{self.validator}"}


def make(seed: int) -> Schedule:
    """The schedule of a seed; the same for ever, as long as this module is the same."""
    rng = random.Random(f"schedule/{seed}")
    calm = rng.random() < 0.06
    visits = tuple(_visit(rng, calm) for _ in range(rng.choices((1, 2, 3), (70, 22, 8))[0]))
    lasts = [FIXED_S + NOTE_S * len(visit.notes) for visit in visits]
    validator = rng.choices(kinds.VALIDATORS, (76, 12, 12))[0]
    strikes = () if calm else (*_strikes(rng, lasts), *_own_strikes(rng, lasts, validator))
    jams = any(".jam:" in strike.kind for strike in strikes)
    return Schedule(
        seed=seed,
        visits=visits,
        strikes=strikes,
        noises=() if calm else tuple(_noises(rng, lasts)),
        crashes=() if calm else tuple(_crashes(rng, visits, lasts)),
        technician_s=rng.choices((45.0, 90.0, 300.0, 1200.0), (4, 3, 2, 1))[0],
        technician_takes=not calm and rng.random() < (0.5 if jams else 0.02),
        commit_s=rng.choice((0.0, 0.0, 0.0, 0.004, 0.03)),
        validator=validator,
        profile=_PROFILES[validator](rng),
    )


def _visit(rng: random.Random, calm: bool) -> Visit:
    count = rng.choices((rng.randint(3, 8), rng.randint(9, 20), rng.randint(21, NOTES_MAX)), (80, 15, 5))[0]
    kinds_of = rng.choices(("genuine", "suspect", "unreadable", "long", "double"), (90, 4, 3, 1.5, 1.5), k=count)
    notes = tuple((rng.choice(FACES), kind) for kind in kinds_of)
    leaves = rng.choice(kinds.LEAVES) if not calm and rng.random() < 0.3 else ""
    back = rng.choice((None, rng.uniform(1, 60), rng.uniform(60, 400)))
    decision = rng.choices(("confirm", "cancel", "cancel_early", "silence"), (70, 18, 8, 0 if calm else 4))[0]
    return Visit(
        notes=notes,
        waits_s=rng.uniform(2, 30) if rng.random() < 0.9 else rng.uniform(30, 150),
        decision="cancel" if leaves == "returning" else decision,
        leaves=leaves,
        leaves_after=rng.randint(0, count),
        comes_back_s=back,
        forgets_code=not calm and rng.random() < 0.055,
        takes=calm or rng.random() > 0.03,
        reprints=int(rng.random() < 0.05),
    )


def _moment(rng: random.Random, lasts: list[float]) -> tuple[int, float]:
    """Mostly while the deposit lasts; sometimes long after."""
    deposit = rng.randrange(len(lasts))
    span = lasts[deposit] if rng.random() < 0.9 else lasts[deposit] + 300.0
    return deposit, round(rng.uniform(-2.0, span), 3)


def _strikes(rng: random.Random, lasts: list[float]) -> Iterator[Strike]:
    for _ in range(rng.choices((0, 1, 2, 3, 4), (16, 29, 26, 17, 12))[0]):
        deposit, at_s = _moment(rng, lasts)
        if rng.random() < 0.83:
            kind = rng.choice(kinds.FAULTS)
            seconds = round(rng.uniform(0.02, 20), 3)
            yield Strike(kind.label, deposit, at_s, seconds, _parameters(kind, seconds))
        else:
            yield Strike(rng.choice(kinds.OTHERS), deposit, at_s, round(rng.uniform(0.2, 40), 3))


def _own_strikes(rng: random.Random, lasts: list[float], validator: str) -> Iterator[Strike]:
    """What only this make of validator knows would come too seldom among all the others."""
    for kind in kinds.FAULTS:
        if kind.fault in kinds.OWN.get(validator, ()) and rng.random() < OWN_CHANCE:
            deposit, at_s = _moment(rng, lasts)
            yield Strike(kind.label, deposit, at_s, round(rng.uniform(0.02, 20), 3), kind.parameters)


def _parameters(kind: Kind, seconds: float) -> dict[str, Any]:
    """Those of its kind; which replies of the board are lost is drawn here: nearly all it says are answers to reads."""
    if kind.label != "board.lost_reply":
        return kind.parameters
    return {**kind.parameters, "command": COMMANDS[int(seconds * 1000) % len(COMMANDS)]}


def _noises(rng: random.Random, lasts: list[float]) -> Iterator[Noise]:
    for _ in range(rng.choices((0, 1, 2), (75, 18, 7))[0]):
        deposit, at_s = _moment(rng, lasts)
        line = rng.choices(kinds.LINES, (5, 4, 1, 1))[0] + rng.choice("<>")
        chunks = rng.choice((1, 2, 5, 40))
        yield Noise(rng.choice(kinds.LINE_NOISE), line, deposit, at_s, chunks, round(rng.random(), 4))


def _crashes(rng: random.Random, visits: tuple[Visit, ...], lasts: list[float]) -> Iterator[Crash]:
    deposit = rng.randrange(len(visits))
    for number in range(rng.choices((0, 1, 2, 3), (18, 51, 19, 12))[0]):
        where: CrashWhere = rng.choice(("before-write", "after-write", "frame", "time"))
        first = number == 0
        writes = WRITES_FIXED + WRITES_NOTE * len(visits[deposit].notes) if first else 30
        last_s = lasts[deposit] if first else 12.0
        nth = rng.randint(1, writes) if where.endswith("write") else rng.randint(1, math.ceil(last_s / FRAME_S))
        yield Crash(
            what=rng.choices(kinds.CRASHES, (44, 30, 10, 10, 3, 3))[0],
            where=where,
            nth=nth,
            at_s=round(rng.uniform(0.0, last_s), 3),
            dark_s=rng.choice((0.3, 3.0, 3.0, 40.0, 700.0)),
            deposit=deposit,
        )


def _ssp_profile(rng: random.Random) -> dict[str, Any]:
    """What makers of validators do differently; half of the schedules meet the common one."""
    if rng.random() < 0.5:
        return {}
    return {
        "cut_before_safe_point": rng.choice(("front", "cashbox")),
        "cut_on_way_to_store": rng.choice(("store", "stacker")),
        "cut_while_emptying": rng.choice(("store", "stacker")),
        "unread_credit_survives": rng.random() < 0.5,
        "unacknowledged_credit_survives": rng.random() < 0.5,
        "escrow_survives": rng.random() < 0.7,
        "empty_escrow_refusal": rng.choice(("f5", "ok")),
        "transfer_event_on_empty": rng.random() < 0.7,
        "escrow_window_s": rng.choice((5, 10)),
    }


def _ebds_profile(rng: random.Random) -> dict[str, Any]:
    return {
        "extended_notes": rng.random() < 0.5,
        "classifies": rng.random() < 0.3,
        "repeats_reply": rng.random() < 0.8,
        "held_at_power_up": rng.choice(("escrowed", "out_of_order")),
        "unread_event_survives": rng.random() < 0.5,
        "blank_stack_on_insert": rng.random() < 0.5,
        "escrow_timeout_s": rng.choice((0, 0, 5)),
    }


def _cctalk_profile(rng: random.Random) -> dict[str, Any]:
    return {
        "checksum": rng.choice(("sum8", "crc16")),
        "echo": rng.random() < 0.7,
        "first_event": rng.choice(("none", "0,0", "0,2")),
        "repeated_route": rng.choice(("refused", "silent")),
        "cut_in_escrow": rng.choice(("returned", "stacked_unknown", "stacked_credited")),
        "cut_while_stacking": rng.choice(("unreported", "stacked_unknown", "stacked_credited")),
    }


_PROFILES: Final = {"ssp": _ssp_profile, "ebds": _ebds_profile, "cctalk": _cctalk_profile}
