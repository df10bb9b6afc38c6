"""Input layer: four fixed views of the same row, fitted once on normal rows and then frozen.

Scaling decides more than the detector does (SOMGAN.md: one table 0.96 standardised and 1.00 by range, another 0.64
and 0.87 by rank), so each view gets a map of its own and their calibrated surprises are added.

Every view starts from the standardised row, limited to +-LIMIT standard deviations: beyond that a row is certainly
unusual, and float32 stays exact enough for the exported graph to equal torch.

Sources: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004), for the
shrinkage of the whitened view; the Gaussian rank transform is van der Waerden's normal scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from torch import nn

from somgan.arrays import Bools, Floats
from somgan.piecewise import Curve, PiecewiseLinear

VIEW_NAMES = ("standardised", "range", "whitened", "rank")
LIMIT = 30.0
RANK_KNOTS = 32
RANK_SCORE_MAX = 4.0
SHRINKAGE_MIN = 0.01
SPREAD_MIN = 1e-6
SELDOM_RANGE = 6.0  # of resolutions: as wide as a normal distribution of some hundred rows


@dataclass(frozen=True)
class ViewParameters:
    """Fitted constants: `mean` and `deviation` [d] raw, `range_scale` [d] and `whitening` [d, d] standardised."""

    mean: Floats
    deviation: Floats
    range_scale: Floats
    whitening: Floats
    rank: tuple[Curve, ...]


def fit_views(x: Floats, resolution: Sequence[float] = ()) -> ViewParameters:
    """Fit all views on normal rows `x` [n, d] in raw units.

    `resolution` [d], raw units: the least deviation each feature is measured by, 0 where its own decides. The deviation
    of a feature that is nearly always 0 in training says how seldom it is not, and in no view may it be what its first
    other value is divided by: there the resolution counts as its deviation, and SELDOM_RANGE of them as its range.
    """
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    # A feature that never moved has no scale of its own: one percent of its level, or of one unit, stands in.
    constant = np.ptp(x, axis=0) <= SPREAD_MIN * np.maximum(np.abs(mean), SPREAD_MIN)
    deviation = np.where(constant, 0.01 * np.maximum(np.abs(mean), 1.0), np.maximum(deviation, 1e-9))
    least = np.array(resolution or np.zeros(x.shape[1]))
    seldom = least > deviation
    deviation = np.maximum(deviation, least)
    z = np.clip((x - mean) / deviation, -LIMIT, LIMIT)
    spread = np.maximum(np.ptp(z, axis=0), SELDOM_RANGE * seldom)
    range_scale = 1.0 / np.where(spread > SPREAD_MIN, spread, 1.0)
    rank = tuple(_rank_curve(column) for column in z.T)
    return ViewParameters(mean, deviation, range_scale, _whitening(z, seldom), rank)


def views_of(
    moments: tuple[Floats, Floats], covariance: Floats, sample: Floats, shrinkage: float, seldom: Bools
) -> ViewParameters:
    """Views from statistics alone: (mean, deviation) [d] raw, covariance [d, d] standardised, what columns are like.

    `sample` [m, d] raw has every column distributed as the feature is; its rows need not go together. `seldom` [d]: its
    deviation is its resolution (see `fit_views`).
    """
    z = np.clip((sample - moments[0]) / moments[1], -LIMIT, LIMIT)
    spread = np.maximum(np.ptp(z, axis=0), SELDOM_RANGE * seldom)
    scale = 1.0 / np.where(spread > SPREAD_MIN, spread, 1.0)
    rank = tuple(_rank_curve(column) for column in z.T)
    return ViewParameters(*moments, scale, _inverse_root(covariance, shrinkage, seldom), rank)


def _inverse_root(covariance: Floats, shrinkage: float, seldom: Bools) -> Floats:
    target = max(float(np.trace(covariance)) / covariance.shape[0], SPREAD_MIN)
    shrunk = (1.0 - shrinkage) * covariance + shrinkage * target * np.eye(len(covariance))
    shrunk += np.diag(np.where(seldom, np.maximum(0.0, 1.0 - np.diag(shrunk)), 0.0))
    values, vectors = np.linalg.eigh(shrunk)
    whitening: Floats = (vectors / np.sqrt(np.maximum(values, 0.01 * target))) @ vectors.T
    return whitening


def _whitening(z: Floats, seldom: Bools) -> Floats:
    """Return the symmetric matrix [d, d] that whitens `z` after Ledoit-Wolf shrinkage towards the identity.

    The variance of features that are `seldom` [d] anything but 0 counts as 1, that of their resolution.
    """
    rows, columns = z.shape
    covariance = z.T @ z / rows
    target = float(np.trace(covariance)) / columns
    distance = float(((covariance - target * np.eye(columns)) ** 2).sum())
    fourth = float(((z**2).sum(axis=1) ** 2).mean()) - float((covariance**2).sum())
    shrinkage = min(1.0, max(SHRINKAGE_MIN, fourth / rows / max(distance, 1e-12)))
    shrunk = (1.0 - shrinkage) * covariance + shrinkage * max(target, 1e-6) * np.eye(columns)
    shrunk += np.diag(np.where(seldom, np.maximum(0.0, 1.0 - np.diag(shrunk)), 0.0))
    values, vectors = np.linalg.eigh(shrunk)
    whitening: Floats = (vectors / np.sqrt(values)) @ vectors.T
    return whitening


def _rank_curve(z: Floats) -> Curve:
    """Fit normal scores at RANK_KNOTS quantiles, even in score to resolve the tails; ties share their mean score."""
    normal = NormalDist()
    reach = min(RANK_SCORE_MAX, normal.inv_cdf(1.0 - 1.0 / (z.size + 1)))
    scores = np.linspace(-reach, reach, RANK_KNOTS)
    quantiles = np.quantile(z, [normal.cdf(score) for score in scores])
    quantiles[0], quantiles[-1] = z.min(), z.max()
    # float32 cannot tell knots apart that lie closer than this.
    quantiles = np.round(quantiles, 5)
    x, inverse, counts = np.unique(quantiles, return_inverse=True, return_counts=True)
    y = np.bincount(inverse, weights=scores) / counts
    # Beyond the training rows the scale is that of the standardised view: surprise must go on growing.
    return Curve(x, y, 1.0, 1.0)


class Views(nn.Module):
    """Input layer: raw rows [n, d] -> standardised rows and the four views, each [n, d]."""

    def __init__(self, parameters: ViewParameters) -> None:
        super().__init__()
        for name in ("mean", "deviation", "range_scale", "whitening"):
            self.register_buffer(name, torch.tensor(getattr(parameters, name), dtype=torch.float32))
        self.rank = PiecewiseLinear(list(parameters.rank))

    def standardise(self, x: torch.Tensor) -> torch.Tensor:
        """Raw [n, d] -> standard deviations, limited to +-LIMIT."""
        return torch.clamp((x - self.mean) / self.deviation, -LIMIT, LIMIT)

    def raw(self, z: torch.Tensor) -> torch.Tensor:
        """Undo `standardise` within the limit."""
        return z * self.deviation + self.mean

    def views(self, z: torch.Tensor) -> list[torch.Tensor]:
        """Standardised [n, d] -> the views in the order of VIEW_NAMES."""
        return [z, z * self.range_scale, z @ self.whitening, self.rank(z)]
