"""Conformal grades over whole deposits: the promise is a false-alarm rate per deposit, not per row.

The calibration sample is the maximum of the smoothed score over each held-out deposit. A running deposit's p-value is
(1 + how many of those maxima are at least its own maximum so far) / (n + 1); with exchangeable deposits P(p <= alpha)
<= alpha (split conformal: Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2005; Laxhammar's
conformal anomaly detection). p can fall to alpha only if n >= 1/alpha - 1: 99 deposits for 0.01, 199 where a kiosk that
watches two streams halves alpha (Bonferroni), about 500 for a steady one. So half of the deposits go to calibration.
"""

from dataclasses import dataclass

import numpy as np

from somgan.arrays import Floats, Ints
from somgan.data import Table
from somgan.errors import DataError

ALPHA_MEDIUM = 0.05
ALPHA_HIGH = 0.01
FIT_SHARE, TAIL_SHARE = 0.35, 0.15


@dataclass(frozen=True)
class Split:
    """Disjoint sets of deposits: `fit` trains the layers, `tails` the fusion, `calibrate` the grades."""

    fit: Ints
    tails: Ints
    calibrate: Ints


def split_deposits(table: Table, seed: int) -> Split:
    """Split by deposit at random.

    Raises:
        DataError: too few deposits for even the medium grade to be reachable.

    """
    deposits = np.unique(table.deposit)
    fit, tails = round(FIT_SHARE * deposits.size), max(1, round(TAIL_SHARE * deposits.size))
    needed = int(np.ceil(1.0 / ALPHA_MEDIUM)) - 1
    if deposits.size - fit - tails < needed:
        msg = f"{deposits.size} deposits leave fewer than {needed} to calibrate grades on"
        raise DataError(msg, remedy="Record more deposits: 400 or more reach the high grade with two streams.")
    order = np.random.default_rng(seed).permutation(deposits)
    return Split(np.sort(order[:fit]), np.sort(order[fit : fit + tails]), np.sort(order[fit + tails :]))


def smooth(score: Floats, rows: int) -> Floats:
    """Trailing mean over the last `rows` scores of one deposit, fewer at its start: [n] -> [n], causal."""
    total = np.concatenate(([0.0], np.cumsum(score)))
    end = np.arange(1, score.size + 1)
    begin = np.maximum(0, end - rows)
    return np.asarray((total[end] - total[begin]) / (end - begin), dtype=np.float64)


def deposit_maxima(score: Floats, deposit: Ints, smoothing_rows: int) -> tuple[Ints, Floats]:
    """Return the deposits in ascending order and the maximum of the smoothed score over each."""
    deposits = np.unique(deposit)
    maxima = [smooth(score[deposit == identity], smoothing_rows).max() for identity in deposits]
    return deposits.astype(np.int64), np.array(maxima, dtype=np.float64)


def p_value(maximum: Floats, calibration: Floats) -> Floats:
    """Conformal p-values [m] of deposit maxima [m] against the calibration maxima [n]."""
    ordered = np.sort(calibration)
    at_least = ordered.size - np.searchsorted(ordered, maximum, side="left")
    return np.asarray((1.0 + at_least) / (ordered.size + 1.0), dtype=np.float64)
