"""What is usual: sums over the past that fade with time, for one depositor and for the kiosk as a whole. Pure.

Each sum S over deposits i is kept as S(t) = sum x_i exp(-(t - t_i) / tau): one multiplication a deposit, whatever the
past, and equal to what a pass over all of it would give. Nothing of a single deposit can be read from it. Times are
seconds of the wall clock; a clock that steps back fades nothing.
"""

import math
from typing import Final

import msgspec
from msgspec.structs import replace

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
WEEK_S: Final = 7 * DAY_S
MONTH_S: Final = 30 * DAY_S
SIMILAR_S: Final = 6 * HOUR_S
HOURS: Final = 24
BINS: Final = 24  # of amounts, each a third wider than the one before
BIN_LOG: Final = math.log(4 / 3)
FIRST_BIN_LOG: Final = math.log(20.0)  # major units

Sums = tuple[float, ...]


class Habit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Faded sums as they were at `at_s`."""

    at_s: float = 0.0
    hour: float = 0.0  # deposits, fading within an hour
    day: float = 0.0
    day_amount: float = 0.0  # major units
    week: float = 0.0
    month: float = 0.0
    month_log: float = 0.0  # of log(1 + amount)
    month_log2: float = 0.0  # of its square
    hours: Sums = (0.0,) * HOURS  # by hour of the day, fading within a month
    similar: Sums = (0.0,) * BINS  # by amount, fading within six hours

    def at(self, now_s: float) -> "Habit":
        """The same sums, faded until `now_s`."""
        passed_s = max(0.0, now_s - self.at_s)
        hour, day, week, month, similar = (
            math.exp(-passed_s / tau_s) for tau_s in (HOUR_S, DAY_S, WEEK_S, MONTH_S, SIMILAR_S)
        )
        return Habit(
            at_s=max(now_s, self.at_s),
            hour=self.hour * hour,
            day=self.day * day,
            day_amount=self.day_amount * day,
            week=self.week * week,
            month=self.month * month,
            month_log=self.month_log * month,
            month_log2=self.month_log2 * month,
            hours=tuple(value * month for value in self.hours),
            similar=tuple(value * similar for value in self.similar),
        )

    def after(self, now_s: float, amount: float, hour: int) -> "Habit":
        """With one more deposit of `amount` major units at `hour` (0..23) of the day."""
        now = self.at(now_s)
        size = math.log1p(amount)
        return replace(
            now,
            hour=now.hour + 1,
            day=now.day + 1,
            day_amount=now.day_amount + amount,
            week=now.week + 1,
            month=now.month + 1,
            month_log=now.month_log + size,
            month_log2=now.month_log2 + size * size,
            hours=_added(now.hours, hour),
            similar=_added(now.similar, bin_of(amount)),
        )

    def usual_log(self, prior: float, prior_variance: float, weight: float) -> tuple[float, float]:
        """Mean and standard deviation of log(1 + amount), drawn to a prior as if that were `weight` deposits."""
        count = self.month + weight
        mean = (self.month_log + weight * prior) / count
        square = (self.month_log2 + weight * (prior_variance + prior * prior)) / count
        return mean, math.sqrt(max(0.01, square - mean * mean))

    def hour_rarity(self, hour: int, prior: float) -> float:
        """How much rarer deposits about this hour are than in an even day: log2, 0 when nothing is known.

        `prior`: as many deposits are thought to be spread evenly over the day.
        """
        near = sum(self.hours[(hour + step) % HOURS] * weight for step, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)))
        return math.log2((sum(self.hours) + prior) / (HOURS * near + prior))

    def like(self, amount: float) -> float:
        """Deposits of a similar amount within the last hours."""
        at = bin_of(amount)
        return sum(self.similar[max(0, at - 1) : at + 2])


def bin_of(amount: float) -> int:
    """The bin of an amount in major units."""
    return min(BINS - 1, max(0, int((math.log(max(amount, 1.0)) - FIRST_BIN_LOG) / BIN_LOG) + 1))


def _added(sums: Sums, index: int) -> Sums:
    return (*sums[:index], sums[index] + 1, *sums[index + 1 :])
