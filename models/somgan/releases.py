"""What leaves the data under differential privacy: noisy counts and sums, to which a deposit adds at most one row.

A row weighs one in how many rows its deposit has. What a deposit adds to a sum over rows is then a mean of its rows'
parts, never longer than the longest of them: sensitivities are those of one row.
"""

import secrets
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from somgan.arrays import Floats, Floats32, Ints

BINS = 64
DECADES = (-4, 7)
PER_DECADE = 4
PLACE_CUT = 4.0  # standard deviations of noise: of some hundred empty bins hardly one is taken for full
NOISE_CUT = 2.0  # the same where a wrong bin does little harm
MAXIMA_EDGES = np.concatenate([[0.0], np.geomspace(0.5, 1000.0, 49)])
SLACK = 1.0  # standard deviations of noise that the grades allow for


@dataclass(frozen=True)
class Owned:
    """Rows [n, d] and whose they are [n]: the deposit is what is protected."""

    x: Floats32
    deposit: Ints

    @cached_property
    def weight(self) -> Floats:
        """One in how many rows the row's deposit has, [n]."""
        _, inverse, counts = np.unique(self.deposit, return_inverse=True, return_counts=True)
        return np.asarray(1.0 / counts[inverse], dtype=np.float64)

    @cached_property
    def deposits(self) -> int:
        """How many deposits there are: public."""
        return int(np.unique(self.deposit).size)


def chance() -> np.random.Generator:
    """Return a generator of noise that nobody can seed again: a known seed would take the noise away."""
    return np.random.default_rng(secrets.randbits(256))


def clipped(rows: Floats, norm: float) -> Floats:
    """Shorten rows [n, d] to at most `norm`."""
    length = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.asarray(rows * np.minimum(1.0, norm / np.maximum(length, 1e-12)), dtype=np.float64)


def noisy(values: Floats, sensitivity: float, multiplier: float, rng: np.random.Generator) -> Floats:
    """Release values whose l2 sensitivity is given."""
    return values + rng.normal(0.0, multiplier * sensitivity, values.shape)


def counts(
    values: Floats, weight: Floats, edges: Floats, joint: int, multiplier: float, rng: np.random.Generator
) -> Floats:
    """Release how much weight of `values` [n] lies in each bin, values beyond the edges in the outer bins.

    A row has one value in each of `joint` such histograms, released together: their sensitivity is its root.
    """
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, edges.size - 2)
    exact = np.bincount(place, weights=weight, minlength=edges.size - 1).astype(np.float64)
    return noisy(exact, joint**0.5, multiplier, rng)


@dataclass(frozen=True)
class Marginal:
    """One column as it was released: bin edges [b + 1] and the shares of rows in the bins [b], which sum to 1."""

    edges: Floats
    share: Floats

    def rows(self, count: int) -> Floats:
        """Return `count` values that are spread as the histogram is, in ascending order."""
        total = np.concatenate(([0.0], np.cumsum(self.share)))
        return np.interp((np.arange(count) + 0.5) / count, total / total[-1], self.edges)


def marginals(rows: Owned, multiplier: float, rng: np.random.Generator) -> list[Marginal]:
    """Release every feature's distribution: first where it lies, then how it is spread there. Two releases."""
    joint, result = rows.x.shape[1], []
    deviation = multiplier * float(np.sqrt(joint))
    coarse = _coarse_edges()
    for column in rows.x.astype(np.float64).T:
        rough = counts(column, rows.weight, coarse, joint, multiplier, rng)
        held = np.flatnonzero(rough > PLACE_CUT * deviation)
        if not held.size:
            held = np.array([int(rough.argmax())])
        fine = np.linspace(coarse[int(held[0])], coarse[int(held[-1]) + 1], BINS + 1)
        result.append(released(counts(column, rows.weight, fine, joint, multiplier, rng), fine, deviation))
    return result


def released(count: Floats, edges: Floats, deviation: float) -> Marginal:
    """Make a distribution of noisy counts; bins that noise alone could have filled are empty."""
    share = np.where(count > NOISE_CUT * deviation, count, 0.0)
    if not share.any():
        share[int(count.argmax())] = 1.0
    # A trace everywhere: values between full bins are possible.
    share = share / share.sum() + 1e-6
    return Marginal(edges, share / share.sum())


def maxima(scores: Floats, multiplier: float, rng: np.random.Generator) -> Floats:
    """Release the maxima [n] of n deposits as n values in ascending order that lie rather too high than too low.

    Too high a calibration misses a danger, too low a one breaks the promised rate of false alarms: each count of how
    many deposits reach a score gets SLACK deviations of its own noise on top, and values lie at their bin's upper edge.
    """
    count = counts(scores, np.ones_like(scores), MAXIMA_EDGES, 1, multiplier, rng)
    bins = np.arange(1, count.size + 1)
    reached = np.cumsum(count[::-1]) + SLACK * multiplier * np.sqrt(bins)
    reached = np.clip(np.maximum.accumulate(reached), 0.0, scores.size)
    # The k-th value from above lies in the first bin, from above, which k deposits reach.
    bin_from_above = np.searchsorted(reached, np.arange(1, scores.size + 1) - 0.5)
    upper = MAXIMA_EDGES[1:][::-1]
    return np.sort(upper[np.minimum(bin_from_above, upper.size - 1)])


def _coarse_edges() -> Floats:
    """Return signed logarithmic bin edges, zero among them, that need no look at the data."""
    positive = 10.0 ** np.arange(DECADES[0], DECADES[1] + 1e-9, 1.0 / PER_DECADE)
    return np.concatenate([-positive[::-1], [0.0], positive])
