"""One seed, one deposit: who comes, what the light does, what the cabinet feels, and the danger in it. Plain data."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from hwsim.config import SensorConfig
from hwsim.devices.board_sensors import Activity
from tests.dangers.money import Money, money
from tests.dangers.painter import WIDTH, Stage, Standing, body

VISIBLE: Final = ("onlooker", "crowding", "covered", "frozen", "looped", "fished", "shaken", "opened")
IN_BOOKS: Final = ("structuring", "odd_hour", "stuffing")
KINDS: Final = (*VISIBLE, *IN_BOOKS)
LEARN_S: Final = 3.8  # the kiosk stands there before anybody comes


@dataclass(frozen=True)
class Work:
    """What the board does from one time to another."""

    from_s: float
    to_s: float
    state: int  # of the register map; homing has none and is told as 0
    motor: Activity
    homing: bool = False


@dataclass(frozen=True)
class Force:
    """What somebody does to the cabinet meanwhile."""

    from_s: float
    to_s: float
    vibration_mg: float = 0.0
    tilt_mg: float = 0.0
    pulses_s: float = 0.0  # 0: without a break


@dataclass(frozen=True)
class Play:
    """A deposit. Times are seconds since the camera was switched on."""

    kind: str  # "normal" or a danger
    seed: int
    frames_per_second: float
    begin_s: float
    escrow_s: float
    review_s: float
    bundling_s: float
    storing_s: float
    end_s: float
    danger: tuple[float, float]  # from when to when; (inf, inf) in a normal one
    look: Callable[[float], Stage]
    picture: str = "live"  # live, frozen, frozen_clock, looped, looped_again: what the danger does to it
    loop_s: float = 0.0
    surroundings: SensorConfig = field(default_factory=SensorConfig)
    work: tuple[Work, ...] = ()
    forces: tuple[Force, ...] = ()
    signs: tuple[str, ...] = ()  # door, tamper, door_bits, port_forced, fraud, transport, tray
    money: Money | None = None


def play(kind: str, seed: int) -> Play:
    """Draw the deposit of a kind and a seed; the same ones give the same deposit."""
    rng = np.random.default_rng((seed, 0x9A1F, KINDS.index(kind) if kind in KINDS else 99))
    arrive_s, walk_s = LEARN_S + float(rng.uniform(0.0, 1.0)), float(rng.uniform(0.8, 2.4))
    begin_s = arrive_s + walk_s + float(rng.uniform(0.5, 2.5))  # the account number has been typed by then
    paid = money(np.random.default_rng((seed, 0x3E7, KINDS.index(kind) if kind in KINDS else 99)), kind)
    escrow_s = begin_s + float(rng.uniform(1.4, 3.0))
    review_s = escrow_s + 0.7 + max(2.0, paid.feeding_s)
    bundling_s = review_s + float(rng.uniform(1.5, 4.0))
    collect_s = 0.8 + min(paid.notes, 20) * float(rng.uniform(0.1, 0.3))
    storing_s = bundling_s + collect_s + float(rng.uniform(2.4, 3.6))
    end_s = storing_s + float(rng.uniform(1.5, 3.0))
    signs = _signs(rng, kind)
    danger = _when(rng, kind, *_danger_window(signs, escrow_s, review_s, bundling_s, end_s - 2.0))
    scene = _Scene(rng, kind, danger, (arrive_s, walk_s), (escrow_s + 0.6, review_s), end_s)
    made = Play(
        kind=kind,
        seed=seed,
        frames_per_second=float(rng.uniform(8.5, 12.5)),
        begin_s=begin_s,
        escrow_s=escrow_s,
        review_s=review_s,
        bundling_s=bundling_s,
        storing_s=storing_s,
        end_s=end_s,
        danger=danger,
        look=scene.at,
        surroundings=_surroundings(rng),
        work=_work(rng, begin_s, bundling_s, collect_s, storing_s),
        forces=_bumps(rng, end_s) + (_violence(rng, danger) if kind == "shaken" else ()),
        signs=signs,
        money=paid,
    )
    if kind == "frozen":
        return replace(made, picture="frozen" if rng.random() < 0.65 else "frozen_clock")
    if kind == "looped":
        again = rng.random() < 0.4  # replayed through another encoder
        return replace(made, picture="looped_again" if again else "looped", loop_s=float(rng.uniform(1.5, 5.0)))
    return made


def _when(rng: np.random.Generator, kind: str, first_s: float, last_s: float) -> tuple[float, float]:
    length_s = float(rng.uniform(3.0, 9.0))
    if kind not in VISIBLE:
        return math.inf, math.inf
    if kind == "looped":
        length_s += 8.0
    begin_s = float(rng.uniform(first_s, max(first_s + 0.1, last_s - min(length_s, 5.0))))
    return begin_s, begin_s + length_s


def _danger_window(
    signs: tuple[str, ...], escrow_s: float, review_s: float, bundling_s: float, last_s: float
) -> tuple[float, float]:
    """When the danger may begin: a port that is fished when it should be shut is, and notes go that are in the tray."""
    if "tray" in signs:
        return bundling_s + 1.0, last_s
    if "transport" in signs or "port_forced" in signs:
        return review_s + 0.3, review_s + 1.0
    return escrow_s + 1.0, last_s


def _signs(rng: np.random.Generator, kind: str) -> tuple[str, ...]:
    choices = {
        "opened": (("door",), ("door", "door_bits"), ("door_bits",), ("tamper", "door_bits")),
        "fished": (("fraud",), ("port_forced",), ("tray",), ("transport",)),
    }.get(kind)
    return () if choices is None else choices[int(rng.integers(len(choices)))]


# --- the scene ----------------------------------------------------------------------------------------


class _Scene:
    """Who is where at a moment."""

    def __init__(
        self,
        rng: np.random.Generator,
        kind: str,
        danger: tuple[float, float],
        arrival: tuple[float, float],
        feeding: tuple[float, float],
        end_s: float,
    ) -> None:
        self._kind, self._danger = kind, danger
        self._who = body(rng)
        self._arrive_s, self._walk_s = arrival
        self._leave_s = end_s + float(rng.uniform(-0.5, 2.0))
        self._from = float(rng.choice([-1.0, 1.0]))
        self._x = WIDTH / 2 + float(rng.uniform(-14, 14))
        self._sway = float(rng.uniform(0.5, 5.0))
        self._hz = float(rng.uniform(0.05, 0.22))
        self._beat_hz = float(rng.uniform(0.15, 1.4))
        self._feed = feeding
        self._light = _light(rng, end_s)
        self._others = [_Walker(rng, end_s) for _ in range(int(rng.integers(0, 5)))]
        self._queue = _queue(rng) if rng.random() < 0.3 else None
        self._near = [_Near(rng, side) for side in _sides(rng, kind)]
        self._cover_s = float(rng.uniform(0.2, 0.6))
        self._cover_to = float(rng.uniform(0.8, 1.0))
        self._fish_hz = float(rng.uniform(1.2, 2.6))

    def at(self, at_s: float) -> Stage:
        people = [] if self._queue is None else [self._queue]
        people += [one for walker in self._others if (one := walker.at(at_s)) is not None]
        x = self._place(at_s)
        begin_s, end_s = self._danger
        for near in self._near:
            # Half of the way is behind them when the danger begins.
            share = min(_ease((at_s - begin_s) / near.walk_s + 0.5), _ease((end_s - at_s) / near.walk_s + 0.5))
            if share > 0:
                people.append(near.at(at_s, share, self._x if x is None else x))
        if x is not None:
            people.append(self._depositor(at_s, x))
        cover = 0.0
        if self._kind == "covered":
            come = min((at_s - begin_s) / self._cover_s + 0.5, (end_s - at_s) / self._cover_s + 0.5)
            cover = self._cover_to * _ease(come)
        return Stage(tuple(people), self._light(at_s), cover)

    def _place(self, at_s: float) -> float | None:
        come = _ease((at_s - self._arrive_s) / self._walk_s)
        gone = _ease((at_s - self._leave_s) / self._walk_s)
        if come <= 0 or gone >= 1:
            return None
        sway = self._sway * (math.sin(2 * math.pi * self._hz * at_s) + 0.5 * math.sin(7.7 * self._hz * at_s + 1.0))
        return self._x + sway + self._from * 250 * (1 - come) - self._from * 250 * gone

    def _depositor(self, at_s: float, x: float) -> Standing:
        feeding = self._feed[0] <= at_s < self._feed[1]
        reach = _ease((at_s - self._feed[0]) / 0.5) * (1 - _ease((at_s - self._feed[1]) / 0.5)) if feeding else 0.0
        beat = math.sin(2 * math.pi * self._beat_hz * at_s)
        standing = Standing(self._who, x, y=5 * reach, reach=reach, beat=beat)
        if self._kind == "fished" and self._danger[0] <= at_s < self._danger[1]:
            return replace(standing, y=12.0, reach=1.0, beat=math.sin(2 * math.pi * self._fish_hz * at_s), tool=1.0)
        return standing


class _Walker:
    """Somebody far away who crosses, or stops on the way."""

    def __init__(self, rng: np.random.Generator, end_s: float) -> None:
        self._who, self._scale = body(rng), float(rng.uniform(0.12, 0.3))
        self._from_s, self._length_s = float(rng.uniform(-4, end_s)), float(rng.uniform(2.5, 16.0))
        self._way, self._y = float(rng.choice([-1, 1])), float(rng.uniform(-8, 12))
        self._stops = bool(rng.random() < 0.25)

    def at(self, at_s: float) -> Standing | None:
        share = (at_s - self._from_s) / self._length_s
        if not 0 < share < 1:
            return None
        if self._stops:
            share = 0.5 + 4 * (share - 0.5) ** 3
        x = WIDTH / 2 + self._way * (share - 0.5) * (WIDTH + 80)
        return Standing(self._who, x, y=self._y + 1.5 * math.sin(9.0 * at_s), scale=self._scale)


def _queue(rng: np.random.Generator) -> Standing:
    """The next one waits at a distance."""
    x = float(rng.choice([rng.uniform(20, 90), rng.uniform(230, 300)]))
    return Standing(body(rng), x, y=float(rng.uniform(-6, 8)), scale=float(rng.uniform(0.26, 0.36)))


def _sides(rng: np.random.Generator, kind: str) -> tuple[float, ...]:
    if kind == "crowding":
        return (-1.0, 1.0)
    return (float(rng.choice([-1.0, 1.0])),) if kind == "onlooker" else ()


class _Near:
    """Somebody who comes too close: along the wall, or from behind."""

    def __init__(self, rng: np.random.Generator, side: float) -> None:
        self._who, self._side = body(rng), side
        self.walk_s = float(rng.uniform(0.5, 1.2))
        self._behind = bool(rng.random() < 0.5)
        self._offset = float(rng.uniform(50, 84))
        self._scale = float(rng.uniform(0.66, 0.96))
        self._y, self._lean = float(rng.uniform(-10, 8)), float(rng.uniform(0, 16))
        self._hz = float(rng.uniform(0.05, 0.4))

    def at(self, at_s: float, share: float, beside: float) -> Standing:
        move = 2.5 * math.sin(2 * math.pi * self._hz * at_s)
        if self._behind:
            x = beside + self._side * self._offset * (0.8 + 0.2 * share) + move
            return Standing(self._who, x, self._y, self._scale * (0.35 + 0.65 * share), -self._side * self._lean)
        x = beside + self._side * (self._offset + 190 * (1 - share)) + move
        return Standing(self._who, x, self._y, self._scale, -self._side * self._lean * share)


def _light(rng: np.random.Generator, end_s: float) -> Callable[[float], float]:
    """Dim to glaring; clouds, dusk, a lamp that is switched."""
    base = float(rng.uniform(0.12, 1.08))
    depth, period_s = float(rng.uniform(0, 0.08)), float(rng.uniform(7, 40))
    dusk = float(rng.normal(0, 0.06))
    lamp_s = float(rng.uniform(0, end_s)) if rng.random() < 0.12 else math.inf
    lamp = float(rng.uniform(-0.15, 0.2))

    def light(at_s: float) -> float:
        slow = base * (1 + depth * math.sin(2 * math.pi * at_s / period_s) + dusk * at_s / end_s)
        return min(1.12, max(0.1, slow + (lamp * _ease((at_s - lamp_s) / 0.4) if lamp_s < math.inf else 0.0)))

    return light


def _ease(x: float) -> float:
    t = min(1.0, max(0.0, x))
    return t * t * (3 - 2 * t)


# --- the cabinet --------------------------------------------------------------------------------------


def _surroundings(rng: np.random.Generator) -> SensorConfig:
    return SensorConfig(
        ambient_c=float(rng.uniform(0, 38)),
        supply_mv=float(rng.uniform(23_600, 24_500)),
        tilt_mg=float(rng.uniform(-12, 16)),
        gas_permille=float(rng.uniform(5, 24)),
        wear=float(rng.uniform(0, 0.72)),
    )


def _work(
    rng: np.random.Generator, begin_s: float, bundling_s: float, collect_s: float, storing_s: float
) -> tuple[Work, ...]:
    """Homing before the port opens, as the kiosk does it; sometimes a suspect note's purge; then the bundle."""
    home_s = begin_s + float(rng.uniform(1.0, 1.6))
    steps = [Work(home_s, home_s + float(rng.uniform(0.4, 0.8)), 0, Activity.GATE, homing=True)]
    if rng.random() < 0.15:
        at_s = float(rng.uniform(home_s + 1.5, bundling_s - 0.9))
        steps.append(Work(at_s, at_s + 0.8, 5, Activity.BELT))
    at_s = bundling_s
    bundle = ((collect_s, 1, Activity.BELT), (1.0, 2, Activity.STRAPPER), (0.8, 3, Activity.APPLICATOR))
    for length_s, state, motor in bundle:
        steps.append(Work(at_s, at_s + length_s * float(rng.uniform(0.85, 1.2)), state, motor))
        at_s = steps[-1].to_s + float(rng.uniform(0.02, 0.6))
    steps.append(Work(max(at_s, storing_s), max(at_s, storing_s) + float(rng.uniform(0.7, 1.0)), 4, Activity.GATE))
    return tuple(steps)


def _bumps(rng: np.random.Generator, end_s: float) -> tuple[Force, ...]:
    """Bags set down, doors slammed, lorries."""
    made = []
    for _ in range(int(rng.poisson(1.5))):
        at_s, strength = float(rng.uniform(0, end_s)), min(22.0, float(rng.exponential(6.5)))
        made.append(Force(at_s, at_s + float(rng.uniform(0.2, 0.8)), strength, 0.25 * strength))
    return tuple(made)


def _violence(rng: np.random.Generator, danger: tuple[float, float]) -> tuple[Force, ...]:
    if rng.random() < 0.5:
        return (Force(*danger, tilt_mg=float(rng.choice([-1, 1]) * rng.uniform(50, 320)), vibration_mg=8.0),)
    pulses_s = float(rng.choice([0.0, rng.uniform(0.8, 2.0)]))
    return (Force(*danger, vibration_mg=float(rng.uniform(45, 260)), pulses_s=pulses_s),)
