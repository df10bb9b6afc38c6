"""What is fed in, by whom, and what went before: drawn by rules of their own, not by those of the training data."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from kiosk.core import facts as f
from kiosk.core.habits import DAY_S, Habit

WORTH: Final = {1: 100, 2: 500, 3: 1000, 4: 2000, 5: 5000, 6: 10_000}
MONDAY: Final = datetime(2026, 10, 5, tzinfo=UTC)
PAST_DAYS: Final = 40


@dataclass(frozen=True)
class Money:
    """Facts at the port, in seconds since the hand first came to it; the past; the wall clock at the beginning."""

    events: tuple[tuple[float, f.Fact], ...]
    feeding_s: float
    kiosk: Habit
    own: Habit
    begins: datetime

    @property
    def notes(self) -> int:
        return sum(isinstance(fact, f.NoteCredited) for _, fact in self.events)


def money(rng: np.random.Generator, kind: str) -> Money:
    busy = float(rng.uniform(9, 16))
    usual = float(rng.gamma(3.0, 110.0)) + 30
    hour = float(np.clip(rng.triangular(6.5, busy, 20.5), 0, 23.9))
    amount = float(np.clip(rng.gamma(6.0, usual / 6.0), 20, 1600))
    if kind == "odd_hour":
        hour = float(rng.uniform(0.5, 4.0))
        usual = float(rng.uniform(60, 350))
        amount = usual * float(rng.uniform(6, 14))
    now = MONDAY + timedelta(days=PAST_DAYS, hours=hour)
    now_s = now.timestamp()
    past = [*_past(rng, busy, usual, int(rng.integers(0, 14)))]
    if kind == "structuring":
        amount = float(rng.uniform(150, 450))
        spaced_s = float(rng.uniform(10, 90)) * 60
        past += [(now_s - spaced_s * back, amount * float(rng.uniform(0.85, 1.15))) for back in range(1, _series(rng))]
    own, kiosk = Habit(), Habit()
    others = [
        (at_s, amount_) for _ in range(int(rng.integers(15, 50))) for at_s, amount_ in _past(rng, busy, None, None)
    ]
    mine = [(at_s, amount_, True) for at_s, amount_ in past if at_s < now_s]
    for at_s, amount_, is_own in sorted(mine + [(a, m, False) for a, m in others if a < now_s]):
        at_hour = datetime.fromtimestamp(at_s, UTC).hour
        kiosk = kiosk.after(at_s, amount_, at_hour)
        if is_own:
            own = own.after(at_s, amount_, at_hour)
    events = tuple(_stuffed(rng) if kind == "stuffing" else _fed(rng, amount))
    return Money(events, events[-1][0] + 0.6, kiosk, own, now)


def _series(rng: np.random.Generator) -> int:
    return int(rng.integers(4, 8))


def _past(
    rng: np.random.Generator, busy: float, usual: float | None, count: int | None
) -> Iterator[tuple[float, float]]:
    """Deposits of one person within the last weeks, one at most on a day."""
    count = int(rng.poisson(6)) if count is None else count
    usual = float(rng.gamma(3.0, 110.0)) + 30 if usual is None else usual
    for day in rng.choice(PAST_DAYS, size=min(count, PAST_DAYS - 2), replace=False):
        hour = float(rng.triangular(6.5, busy, 20.5))
        at_s = MONDAY.timestamp() + float(day) * DAY_S + hour * 3600
        yield at_s, float(np.clip(rng.gamma(6.0, usual / 6.0), 20, 3000))


def _fed(rng: np.random.Generator, amount: float) -> Iterator[tuple[float, f.Fact]]:
    pace_s, at_s = float(np.clip(rng.lognormal(0.0, 0.4), 0.5, 3.0)), 0.3
    bad = float(rng.uniform(0, 0.12))
    notes = _notes(rng, amount)
    pace_s = min(pace_s, 13.0 / len(notes))  # nobody is filmed for longer
    for channel in notes:
        if rng.random() < bad:
            yield at_s, f.NoteRead(channel)
            yield at_s + 0.25, f.NoteRefused("invalidBill")
            at_s += pace_s * float(rng.uniform(0.8, 1.6)) + 0.3
        yield at_s, f.NoteRead(channel)
        yield at_s + 0.35, f.NoteCredited(channel)
        at_s += max(0.4, pace_s * float(rng.uniform(0.7, 1.4)))


def _notes(rng: np.random.Generator, amount: float) -> list[int]:
    """Mostly large ones, some change."""
    left, notes = round(amount) * 100, list[int]()
    mixed = float(rng.uniform(0, 0.5))
    while left > 0 and len(notes) < 24:
        fitting = [channel for channel, minor in WORTH.items() if minor <= left]
        if not fitting:
            break
        pick = fitting[-1] if rng.random() > mixed else int(rng.choice(fitting[-3:]))
        if WORTH[pick] < 1000 and len(notes) > 2:
            break
        notes.append(pick)
        left -= WORTH[pick]
    rng.shuffle(notes)
    return notes or [3]


def _stuffed(rng: np.random.Generator) -> Iterator[tuple[float, f.Fact]]:
    """Wads and scraps pushed in as fast as the validator can refuse them."""
    at_s, share, pace_s = 0.3, float(rng.uniform(0.45, 0.95)), float(rng.uniform(0.3, 0.8))
    for _ in range(int(rng.integers(12, 30))):
        channel = int(rng.choice([1, 1, 2, 3]))
        if rng.random() < share:
            yield at_s, f.NoteRefused("multipleNotes")
        else:
            yield at_s, f.NoteRead(channel)
            yield at_s + 0.2, f.NoteCredited(channel)
        at_s += pace_s * float(rng.uniform(0.7, 1.5))
