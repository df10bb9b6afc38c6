"""Fit every layer under differential privacy: the same parts as in `training.py`, made of noisy releases.

Maps: in each epoch a unit releases the noisy count and sum of its rows, clipped to a norm that the released spread of
the view says; smoothing over the map is post-processing, which is what makes maps so frugal. `privacy.py` says what the
noise is and what it promises, `releases.py` how a deposit's weight is bounded, `private_networks.py` trains the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from somgan.arrays import Floats, Floats32, Ints
from somgan.fusion import tail_curve
from somgan.generator import GeneratorSettings
from somgan.model import SomGan, raw_scores
from somgan.piecewise import Curve
from somgan.privacy import Noise, Workload
from somgan.private_networks import train_networks
from somgan.releases import Marginal, Owned, clipped, counts, marginals, noisy, released
from somgan.som import MapParameters, MapShape, Neighbourhood, nearest_unit, principal_plane, unit_sums
from somgan.synthetic import rows_of
from somgan.training import Progress, Settings, Trained, in_chunks
from somgan.views import LIMIT, VIEW_NAMES, ViewParameters, Views, views_of

EPOCHS = 10
CLIP_SPREADS = 2.0
SIGMA_FINAL_MIN = 1.0  # of the map's neighbourhood: a unit alone drowns in noise
DOUBT = 2.0 * 2**0.5  # two standard deviations of a release's noise, in units of its multiplier
SAMPLE_ROWS = 4096
TAIL_QUANTILES = np.linspace(0.02, 0.98, 13)
TAIL_REACH = (0.5, 1.0, 2.0, 4.0, 8.0)  # beyond them, in distances from the median
ROWS_OF_A_TAIL = 2000
STILL_SHARE = 0.999


@dataclass(frozen=True)
class Private:
    """A model of noisy releases; `columns` [m, d] raw are spread as each feature was seen to be, on its own."""

    trained: Trained
    columns: Floats32

    def synthetic(self, count: int, seed: int) -> Floats32:
        """Draw raw rows [count, d] of the released model: whatever is shown of them costs no privacy."""
        return rows_of(self.trained, count, seed)


def workload(deposits: int, generator: GeneratorSettings) -> Workload:
    """Say what a fit on so many deposits will release."""
    return Workload(len(VIEW_NAMES), EPOCHS, 2 * generator.steps, min(1.0, generator.batch_rows / deposits))


def fit_private(
    rows: Owned, held_out: Owned, settings: Settings, noise: Noise, rng: np.random.Generator, progress: Progress
) -> Private:
    """Train on normal deposits, calibrate the tails on others; release only what `noise` covers."""
    torch.set_num_threads(1)
    seen = marginals(rows, noise.statistics, rng)
    columns = np.stack([marginal.rows(SAMPLE_ROWS) for marginal in seen], axis=1)
    views, covariance = _views(rows, seen, columns, settings.resolution, noise.statistics, rng)
    layer = Views(views)
    with torch.no_grad():
        standardised = layer.standardise(torch.tensor(rows.x))
        each = [in_chunks(layer, index, standardised) for index in range(len(VIEW_NAMES))]
    plane = Plane(covariance, settings.shape, rows.weight)
    maps = [plane.fit(view, spread, noise.maps, rng) for view, spread in zip(each, _spreads(views), strict=True)]
    progress(f"maps: {EPOCHS} epochs of noisy counts and sums each")
    generator, discriminator = train_networks(standardised, rows, maps[0], settings, noise.networks, rng, progress)
    low, high = ((np.array([m.edges[end] for m in seen]) - views.mean) / views.deviation for end in (0, -1))
    limits = (np.clip(low, -LIMIT, LIMIT), np.clip(high, -LIMIT, LIMIT))
    model = SomGan(views, maps, generator, discriminator, limits)
    fitted = Private(Trained(model.eval(), maps), columns.astype(np.float32))
    model.set_tails(_tails(fitted, held_out, noise.single, rng))
    return fitted


def _views(
    rows: Owned,
    seen: list[Marginal],
    columns: Floats,
    resolution: Sequence[float],
    multiplier: float,
    rng: np.random.Generator,
) -> tuple[ViewParameters, Floats]:
    """Make the views of released marginals and a released covariance [d, d], which is returned, standardised."""
    mean = columns.mean(axis=0)
    width = np.array([marginal.edges[1] - marginal.edges[0] for marginal in seen])
    # A feature that never moved is known to within a bin only; one percent of its level, or of one unit, stands in.
    still = np.array([marginal.share.max() for marginal in seen]) > STILL_SHARE
    deviation = np.maximum(columns.std(axis=0), width)
    deviation = np.where(still, np.maximum(width, 0.01 * np.maximum(np.abs(mean), 1.0)), deviation)
    features = rows.x.shape[1]
    least = np.array(resolution or np.zeros(features))  # public: what is rare is lost in the noise, its size is not
    seldom = least > deviation
    deviation = np.maximum(deviation, least)
    clip = CLIP_SPREADS * features**0.5
    z = clipped((rows.x - mean) / deviation, clip)
    summed = noisy((z * rows.weight[:, None]).T @ z, clip**2, multiplier, rng)
    covariance = (summed + summed.T) / (2.0 * rows.deposits)
    shrinkage = min(1.0, multiplier * clip**2 * features**0.5 / rows.deposits)
    return views_of((mean, deviation), covariance, columns, max(0.01, shrinkage), seldom), covariance


def _spreads(views: ViewParameters) -> list[Floats]:
    one = np.ones_like(views.mean)
    return [one, views.range_scale, one, one]


class Plane:
    """Where maps start, and how they are fitted from noisy counts and sums of weighted rows."""

    def __init__(self, covariance: Floats, shape: MapShape, weight: Floats) -> None:
        self._covariance, self._shape, self._weight = covariance, shape, weight

    def fit(self, view: Floats, spread: Floats, multiplier: float, rng: np.random.Generator) -> MapParameters:
        """Fit one map to a view [n, d] whose columns spread by `spread` [d]."""
        shape, clip = self._shape, CLIP_SPREADS * float(np.linalg.norm(spread))
        weights = principal_plane(np.zeros_like(spread), self._covariance * np.outer(spread, spread), shape)
        rows = clipped(view, clip)
        start, end = max(shape.rows, shape.columns) / 2.0, max(shape.sigma_final, SIGMA_FINAL_MIN)
        for epoch in range(EPOCHS):
            near = Neighbourhood.of(shape, start * (end / start) ** (epoch / (EPOCHS - 1)))
            units = nearest_unit(rows.astype(np.float32), weights)
            held, sums = self._release(rows, units, clip, multiplier, rng)
            # Where counts drown in their noise the unit stays where it was.
            reach, doubt = near.smooth(held), DOUBT * multiplier * near.gain() + 1e-6
            moved = near.smooth(sums) / np.maximum(reach, doubt)[:, None]
            weights = np.where((reach > doubt)[:, None], moved, weights)
        return self._scaled(rows, weights, spread, multiplier, rng)

    def _scaled(
        self, rows: Floats, weights: Floats, spread: Floats, multiplier: float, rng: np.random.Generator
    ) -> MapParameters:
        shape, near = self._shape, Neighbourhood.of(self._shape, 1.5)
        units = nearest_unit(rows.astype(np.float32), weights)
        bound = float(np.linalg.norm(spread**2))
        residual2 = clipped((rows - weights[units]) ** 2, bound)
        held, sums = self._release(residual2, units, bound, multiplier, rng)
        overall = np.maximum(sums.sum(axis=0) / max(1.0, float(held.sum())), 1e-3 * spread**2)
        weight = np.maximum(near.smooth(held), 0.0)[:, None]
        doubt = (DOUBT * multiplier * near.gain() + 1.0)[:, None]
        spread2 = (near.smooth(np.maximum(sums, 0.0)) + doubt * overall) / (weight + doubt)
        mass = np.maximum(near.smooth(held), 0.0) + 1.0
        return MapParameters(shape, weights, np.sqrt(np.maximum(spread2, 0.01 * overall)), mass / mass.sum(), EPOCHS)

    def _release(
        self, rows: Floats, units: Ints, clip: float, multiplier: float, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Release counts [k] and sums [k, d] per unit: a row is (1, row / clip) of one unit, root two long at most."""
        whole = np.concatenate([np.ones((rows.shape[0], 1)), rows / clip], axis=1) * self._weight[:, None]
        both = noisy(unit_sums(whole, units, self._shape.units), 2**0.5, multiplier, rng)
        return both[:, 0], both[:, 1:] * clip


def _tails(fitted: Private, held_out: Owned, multiplier: float, rng: np.random.Generator) -> list[Curve]:
    """Release how the scores of held-out deposits are spread, in bins that suit the released model's own rows."""
    expected = raw_scores(fitted.trained.model, fitted.synthetic(SAMPLE_ROWS, 0))
    scores = raw_scores(fitted.trained.model, held_out.x)
    joint, curves = scores.shape[1], []
    for guess, column in zip(expected.T, scores.T, strict=True):
        edges = _tail_edges(guess)
        held = counts(column, held_out.weight, edges, joint, multiplier, rng)
        spread = released(held, edges, multiplier * float(np.sqrt(joint)))
        curves.append(tail_curve(spread.rows(ROWS_OF_A_TAIL)))
    return curves


def _tail_edges(guess: Floats) -> Floats:
    inner = np.quantile(guess, TAIL_QUANTILES)
    middle = inner[inner.size // 2]
    reach = np.array(TAIL_REACH)
    below = inner[0] - reach[::-1] * max(middle - inner[0], 1e-3)
    above = inner[-1] + reach * max(inner[-1] - middle, 1e-3)
    return np.asarray(np.unique(np.concatenate([below, inner, above])), dtype=np.float64)
