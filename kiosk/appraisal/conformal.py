"""From scores to p-values with a promised false-alarm rate per deposit, and to grades.

The sample is a whole deposit: the maximum of the smoothed score over it. Against the same maxima of n held-out
normal deposits, p = (1 + how many of those reach it) / (n + 1) exceeds its level with the promised
probability (split conformal; Vovk, Gammerman, Shafer 2005; Laxhammar and Falkman 2010). A deposit longer than
those of the calibration has more chances to look odd, so its p-value is corrected for the number of
calibration-length pieces it consists of (Sidak). Beyond the greatest maximum there is no rank any more: from there p
falls as the exponential tail that the upper tenth of the maxima has, for about a decade: what is far away is more than
what is just outside, but a model that was calibrated on few deposits cannot promise a small rate.
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Grade = Literal["low", "medium", "high"]

EXTRAPOLATED_MAX: Final = 12.0  # so far below 1 / (n + 1) the tail is believed: few deposits cannot say "high"
DEPOSITS_MIN: Final = 50  # no calibration rests on fewer, whatever the promised rates
RESOLUTION: Final = 1e-9  # relative; differences below it are rounding
CALIBRATED_S: Final = 40.0  # the longest deposits of the calibration set last about this long
PIECES_MAX: Final = 1000.0
ORDER: Final[dict[Grade, int]] = {"low": 0, "medium": 1, "high": 2}


@dataclass(frozen=True, slots=True)
class Levels:
    """How many of all normal deposits may be graded so, over all streams together."""

    medium: float = 0.01  # medium or high
    high: float = 0.001


class Smoother:
    """Trailing mean over the last `rows` scores, fewer at the start; as the calibration was made."""

    def __init__(self, rows: int) -> None:
        self._scores: deque[float] = deque(maxlen=rows)

    def update(self, score: float) -> float:
        """Take one score and return the mean."""
        self._scores.append(score)
        return sum(self._scores) / len(self._scores)


def p_value(
    maximum: float, calibration: Sequence[float], duration_s: float = 0.0, calibrated_s: float = CALIBRATED_S
) -> float:
    """P-value of a deposit whose smoothed score came to `maximum` within `duration_s`.

    calibration: sorted ascending, of deposits that lasted up to `calibrated_s`. Result in (0, 1]; small means unlike
    any normal deposit.
    """
    at_least = len(calibration) - bisect_left(calibration, maximum)
    single = (1 + at_least) / (len(calibration) + 1)
    scale = _tail_scale(calibration)
    if not at_least and scale > 0:
        single *= max(1.0 / EXTRAPOLATED_MAX, math.exp(-(maximum - calibration[-1]) / scale))
    if duration_s <= calibrated_s:
        return single
    pieces = min(PIECES_MAX, duration_s / calibrated_s)
    return -math.expm1(pieces * math.log1p(-single)) if single < 1.0 else 1.0


def deposits_needed(streams: int, alpha_medium: float, alpha_high: float) -> int:
    """How many normal deposits a calibration takes so that each grade can be said when `streams` judge together.

    Medium by ranks alone, which promise its rate whatever the scores look like: 1 / (n + 1) <= alpha / streams. High
    within the decade for which the exponential tail is believed.
    """
    medium = math.ceil(streams / alpha_medium) - 1
    high = math.ceil(streams / (alpha_high * EXTRAPOLATED_MAX)) - 1
    return max(DEPOSITS_MIN, medium, high)


def score_at(level: float, calibration: Sequence[float]) -> float:
    """The least score, to a millionth of its range, whose p-value is at most `level`; infinity when none is."""
    low, high = calibration[0], calibration[-1]
    span = max(high - low, RESOLUTION)
    high += 100 * span
    if p_value(high, calibration) > level:
        return math.inf
    while high - low > RESOLUTION * 1000 * span:
        middle = (low + high) / 2
        low, high = (low, middle) if p_value(middle, calibration) <= level else (middle, high)
    return high


def _tail_scale(calibration: Sequence[float]) -> float:
    """Mean excess of the upper tenth of the maxima over the rest, a scale of scores; 0 when they are all alike."""
    count = max(2, len(calibration) // 10)
    below = calibration[-count - 1]
    scale = sum(value - below for value in calibration[-count:]) / count
    return scale if scale > RESOLUTION * max(1.0, abs(calibration[-1])) else 0.0


def grade(p: float, alpha_medium: float, alpha_high: float) -> Grade:
    """Low above `alpha_medium`, high at or below `alpha_high`, medium between."""
    if p <= alpha_high:
        return "high"
    return "medium" if p <= alpha_medium else "low"


def worst(grades: Sequence[Grade]) -> Grade:
    """The worst of several grades; low for none."""
    return max(grades, key=ORDER.__getitem__, default="low")
