"""What a depositor means to do in one schedule, and where the controller shall be killed meanwhile; from a seed."""

import random
from dataclasses import dataclass
from typing import Final, Literal

Ending = Literal["confirm", "cancel", "leave"]
Moment = Literal["before", "feeding", "waiting", "bundling", "returning", "ending", "after", "restarting"]

_FEEDING: Final = frozenset({"cash_in", "refusing", "accepting", "stacking", "purging", "settling"})
_BUNDLING: Final = frozenset({"clearing", "committing", "collecting", "realigning", "strapping", "marking", "storing"})
STATES: Final[dict[Moment, frozenset[str]]] = {
    "before": frozenset({"watching", "starting"}),
    "feeding": _FEEDING,
    "waiting": frozenset({"suspended", "review"}),
    "bundling": _BUNDLING,
    "returning": frozenset({"returning", "retracting"}),
    "ending": frozenset({"closing", "receipt"}),
    "after": frozenset({"done"}),
    "restarting": frozenset(),  # right after another kill, before the devices have been heard out
}
WITHIN: Final = frozenset().union(*(STATES[moment] for moment in STATES if moment not in ("before", "after")))
"""The states between shutter open and receipt."""

_DELAY_S_MAX: Final[dict[Moment, float]] = {
    "before": 0.4,
    "feeding": 7.0,
    "waiting": 0.6,
    "bundling": 5.0,
    "returning": 3.0,
    "ending": 0.8,
    "after": 0.3,
    "restarting": 3.0,
}
_FACES: Final = (500, 1000, 2000, 5000, 10_000)
_SUSPECT: Final = 0.08


@dataclass(frozen=True)
class Aim:
    """Kill `delay_s` after the deposit was first seen in one of the moment's states."""

    moment: Moment
    delay_s: float


@dataclass(frozen=True)
class Plan:
    """One schedule: notes (face value, kind) in order, how the person ends it, and the kills."""

    seed: int
    notes: tuple[tuple[int, str], ...]
    ending: Ending
    aims: tuple[Aim, ...]


def make(seed: int) -> Plan:
    """The plan of a seed: the same every time."""
    rng = random.Random(seed)
    notes = tuple(
        (rng.choice(_FACES), "suspect" if rng.random() < _SUSPECT else "genuine") for _ in range(rng.randint(3, 6))
    )
    ending: Ending = rng.choices(("confirm", "cancel", "leave"), (16, 3, 1))[0]
    way: tuple[Moment, ...] = ("returning",) if ending == "cancel" else ("bundling",)
    moments: list[Moment] = []
    if rng.random() < 0.06:
        moments.append("before")
    else:
        # The order in which the moments come: one that was not reached is passed over.
        moments += [moment for moment in ("feeding", "waiting", *way, "ending") if rng.random() < 0.7]
        if rng.random() < 0.06:
            moments.append("after")
    aims: list[Aim] = []
    for moment in moments:
        aims.append(Aim(moment, rng.uniform(0, _DELAY_S_MAX[moment])))
        if rng.random() < 0.2:
            aims.append(Aim("restarting", rng.uniform(0, _DELAY_S_MAX["restarting"])))
    return Plan(seed, notes, ending, tuple(aims))
