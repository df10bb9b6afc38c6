"""Competition layer: a batch self-organising map per view, and two scores of how far a row lies from it.

Batch training (Kohonen, "Essentials of the self-organizing map", 2013): in each epoch every row goes to its
best-matching unit; per unit the count and the sum of its rows are taken, both are smoothed over the map with a
Gaussian neighbourhood, and their quotient is the unit's new weight. Only counts and sums leave the rows, which is
also where privacy noise would go.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from somgan.arrays import Floats, Ints

CHUNK_ROWS = 4096
EPOCHS_MAX = 200
STABLE_CHANGE = 1e-3  # of the view's own spread
NEAREST_UNITS = 3
REACH_MIN = 1e-6


@dataclass(frozen=True)
class MapShape:
    """Size of the map and its annealing; `sigma_final` is in units (0.5 to 0.7 stays readable)."""

    rows: int = 16
    columns: int = 16
    sigma_final: float = 0.7
    epochs: int = 40

    @property
    def units(self) -> int:
        """How many units the map has."""
        return self.rows * self.columns

    def coordinates(self) -> Floats:
        """Return (row, column) of each unit, [units, 2]."""
        grid = np.indices((self.rows, self.columns)).reshape(2, -1).T
        return grid.astype(np.float64)


@dataclass(frozen=True)
class MapParameters:
    """A trained map of k units.

    `weights` [k, d]; `scale2` [k] mean squared residual; `spread` [k, d] its root per feature; `mass` [k] sums to 1.
    """

    shape: MapShape
    weights: Floats
    scale2: Floats
    spread: Floats
    mass: Floats
    epochs_run: int


def fit_map(view: Floats, shape: MapShape) -> MapParameters:
    """Train a map on one view [n, d]: anneal the neighbourhood, then repeat until the weights are stable."""
    weights = _principal_plane(view, shape)
    start = max(shape.rows, shape.columns) / 2.0
    spread = max(float(view.std()), REACH_MIN)
    epochs_run = 0
    for epoch in range(EPOCHS_MAX):
        part = min(1.0, epoch / max(1, shape.epochs - 1))
        sigma = start ** (1.0 - part) * shape.sigma_final**part
        updated = _epoch(view, weights, _neighbourhood(shape, sigma))
        change = float(np.abs(updated - weights).mean())
        weights, epochs_run = updated, epoch + 1
        if epochs_run >= shape.epochs and change < STABLE_CHANGE * spread:
            break
    return _with_scales(view, weights, shape, epochs_run)


def best_units(view: Floats, weights: Floats, count: int = 1) -> tuple[Ints, Floats]:
    """Return the `count` nearest units of each row, [n, count], nearest first, and their squared distances."""
    units = np.empty((view.shape[0], count), dtype=np.int64)
    squares = np.empty((view.shape[0], count))
    weight_squares = (weights**2).sum(axis=1)
    for begin in range(0, view.shape[0], CHUNK_ROWS):
        rows = view[begin : begin + CHUNK_ROWS]
        distance2 = np.maximum((rows**2).sum(axis=1, keepdims=True) - 2.0 * rows @ weights.T + weight_squares, 0.0)
        order = _smallest(distance2, count)
        units[begin : begin + CHUNK_ROWS] = order
        squares[begin : begin + CHUNK_ROWS] = np.take_along_axis(distance2, order, axis=1)
    return units, squares


def _smallest(distance2: Floats, count: int) -> Ints:
    """Return the columns of the `count` smallest values of each row, smallest first."""
    if count == 1:
        return np.asarray(np.argmin(distance2, axis=1)[:, None], dtype=np.int64)  # much faster than a sort
    return np.asarray(np.argsort(distance2, axis=1, kind="stable")[:, :count], dtype=np.int64)


def _principal_plane(view: Floats, shape: MapShape) -> Floats:
    """Spread the units over the plane of the two largest principal components: no chance, and no twisted map."""
    centre = view.mean(axis=0)
    covariance = (view - centre).T @ (view - centre) / view.shape[0]
    values, vectors = np.linalg.eigh(covariance)
    grid = shape.coordinates()
    weights = np.tile(centre, (shape.units, 1))
    for axis in range(min(2, view.shape[1])):
        vector = vectors[:, -1 - axis]
        # eigh leaves the sign open; fix it so that every machine draws the same map.
        vector = vector * np.sign(vector[np.argmax(np.abs(vector))])
        side = (shape.rows, shape.columns)[axis]
        place = 2.0 * grid[:, axis] / max(1, side - 1) - 1.0
        weights += 2.0 * np.sqrt(max(values[-1 - axis], 0.0)) * place[:, None] * vector
    return weights


def _neighbourhood(shape: MapShape, sigma: float) -> Floats:
    """Return the Gaussian neighbourhood [k, k] of squared grid distance."""
    grid = shape.coordinates()
    square = ((grid[:, None, :] - grid[None, :, :]) ** 2).sum(axis=2)
    result: Floats = np.exp(-square / (2.0 * sigma**2))
    return result


def _sums(values: Floats, units: Ints, count: int) -> Floats:
    """Sum the rows of `values` [n, d] per unit, [count, d]."""
    return np.stack([np.bincount(units, weights=column, minlength=count) for column in values.T], axis=1)


def _epoch(view: Floats, weights: Floats, neighbourhood: Floats) -> Floats:
    units = best_units(view, weights)[0][:, 0]
    counts = np.bincount(units, minlength=weights.shape[0]).astype(np.float64)
    reach = neighbourhood @ counts
    moved = (neighbourhood @ _sums(view, units, weights.shape[0])) / np.maximum(reach, REACH_MIN)[:, None]
    return np.where(reach[:, None] > REACH_MIN, moved, weights)


def _with_scales(view: Floats, weights: Floats, shape: MapShape, epochs_run: int) -> MapParameters:
    """Measure each unit's scale and mass, smoothed over the map: a unit with few rows borrows from its neighbours."""
    units = best_units(view, weights)[0][:, 0]
    counts = np.bincount(units, minlength=shape.units).astype(np.float64)
    residual2 = (view - weights[units]) ** 2
    overall = residual2.mean(axis=0)
    smooth = _neighbourhood(shape, max(1.0, shape.sigma_final))
    reach = (smooth @ counts + 1.0)[:, None]
    spread2 = (smooth @ _sums(residual2, units, shape.units) + overall) / reach
    floor = 1e-4 * max(float(overall.mean()), 1e-8)
    spread2 = np.maximum(spread2, floor)
    mass = (_neighbourhood(shape, shape.sigma_final) @ counts) + 1.0
    return MapParameters(shape, weights, spread2.sum(axis=1), np.sqrt(spread2), mass / mass.sum(), epochs_run)


class CompetitionLayer(nn.Module):
    """One trained map as plain operators: squared distances to its units and the two scores."""

    def __init__(self, parameters: MapParameters) -> None:
        super().__init__()
        features = parameters.weights.shape[1]
        self.features = features
        scale2 = parameters.scale2
        prior = np.log(parameters.mass) - 0.5 * features * np.log(scale2)
        for name, values in (
            ("weights", parameters.weights),
            ("spread", parameters.spread),
            ("prior", prior),
            ("precision", 0.5 * features / scale2),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        coordinates = torch.tensor(parameters.shape.coordinates(), dtype=torch.int64)
        self.register_buffer("coordinates", coordinates)

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        """View [n, d] -> squared distances [n, k]; differences first, since |x|^2 - 2xw + |w|^2 cancels in float32."""
        return ((view[:, None, :] - self.weights) ** 2).sum(dim=2)

    def scores(self, distance2: torch.Tensor) -> list[torch.Tensor]:
        """Return t3 and iso, each [n] (SOMGAN.md, scores per view): higher is stranger.

        t3 = log of the mean distance to the three nearest units; iso = -(1/d) log of an isotropic Gaussian mixture
        density with one component per unit, its width the unit's own scale.
        """
        nearest = torch.topk(distance2, NEAREST_UNITS, dim=1, largest=False).values
        t3 = torch.log(torch.sqrt(nearest).mean(dim=1) + 1e-6)
        exponent = self.prior - distance2 * self.precision
        # log-sum-exp by hand: a runtime that does not subtract the maximum would return -inf far away.
        largest = exponent.max(dim=1, keepdim=True).values
        total = largest[:, 0] + torch.log(torch.exp(exponent - largest).sum(dim=1))
        return [t3, -total / self.features]
