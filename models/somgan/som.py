"""Competition layer: a batch self-organising map per view, and two scores of how little it expects a row.

Batch training (Kohonen, "Essentials of the self-organizing map", 2013): in each epoch every row goes to its
best-matching unit; per unit the count and the sum of its rows are taken, both are smoothed over the map with a
Gaussian neighbourhood, and their quotient is the unit's new weight. Only counts and sums leave the rows, which is
also where privacy noise goes (private.py).

Score `nearest` is the log of the mean distance to the three nearest units. For score `density` the trained map is read
as a mixture of t distributions, one per unit, each as wide in every feature as the unit's own rows and its neighbours'
are: a map as a constrained mixture, Bishop, Svensen and Williams, "GTM: the generative topographic mapping" (1998),
here with local, diagonal covariances; heavy tails so that a row far from every unit is not judged by the narrowest
feature alone, Peel and McLachlan, "Robust mixture modelling using the t distribution" (2000). README.md says how this
was chosen.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from somgan.arrays import Floats, Floats32, Ints

CHUNK_ROWS = 1024
EPOCHS_MAX = 60
STABLE_CHANGE = 1e-3  # of the view's own spread
NEAREST_UNITS = 3
FREEDOM = 4.0  # of the t distributions
WIDTH_FLOOR = 0.1  # of a unit's mean variance, added to each feature's
REACH_MIN = 1e-6


@dataclass(frozen=True)
class MapShape:
    """Size of the map and its annealing; `sigma_final` is in units (0.5 to 0.7 stays readable)."""

    rows: int = 24
    columns: int = 24
    sigma_final: float = 0.5
    epochs: int = 30

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

    `weights` [k, d]; `spread` [k, d] root of the mean squared residual per feature; `mass` [k] sums to 1.
    """

    shape: MapShape
    weights: Floats
    spread: Floats
    mass: Floats
    epochs_run: int


def fit_map(view: Floats, shape: MapShape) -> MapParameters:
    """Train a map on one view [n, d]: anneal the neighbourhood, then repeat until the weights are stable."""
    centre = view.mean(axis=0)
    weights = principal_plane(centre, (view - centre).T @ (view - centre) / view.shape[0], shape)
    narrow = view.astype(np.float32)  # who is nearest needs no more, and half the memory is half the time
    start = max(shape.rows, shape.columns) / 2.0
    spread = max(float(view.std()), REACH_MIN)
    epochs_run = 0
    for epoch in range(EPOCHS_MAX):
        part = min(1.0, epoch / max(1, shape.epochs - 1))
        sigma = start ** (1.0 - part) * shape.sigma_final**part
        updated = _epoch(view, narrow, weights, Neighbourhood.of(shape, sigma))
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


def principal_plane(centre: Floats, covariance: Floats, shape: MapShape) -> Floats:
    """Spread the units over the plane of the two largest principal components: no chance, and no twisted map."""
    values, vectors = np.linalg.eigh(covariance)
    grid = shape.coordinates()
    weights = np.tile(centre, (shape.units, 1))
    for axis in range(min(2, centre.size)):
        vector = vectors[:, -1 - axis]
        # eigh leaves the sign open; fix it so that every machine draws the same map.
        vector = vector * np.sign(vector[np.argmax(np.abs(vector))])
        side = (shape.rows, shape.columns)[axis]
        place = 2.0 * grid[:, axis] / max(1, side - 1) - 1.0
        weights += 2.0 * np.sqrt(max(values[-1 - axis], 0.0)) * place[:, None] * vector
    return weights


@dataclass(frozen=True)
class Neighbourhood:
    """The Gaussian neighbourhood of grid distance; it separates, so it is kept as one factor an axis."""

    rows: Floats
    columns: Floats

    @classmethod
    def of(cls, shape: MapShape, sigma: float) -> "Neighbourhood":
        """Return the neighbourhood of width `sigma` in units."""
        factors = []
        for side in (shape.rows, shape.columns):
            steps = np.arange(side)
            factors.append(np.exp(-((steps[:, None] - steps) ** 2) / (2.0 * sigma**2)))
        return cls(*factors)

    def smooth(self, values: Floats) -> Floats:
        """Sum `values` [k] or [k, d] over the map, weighted by nearness."""
        grid = values.reshape(self.rows.shape[0], self.columns.shape[0], -1)
        spread = np.tensordot(self.rows, np.matmul(self.columns, grid), axes=1)
        return np.asarray(spread.reshape(values.shape), dtype=np.float64)

    def gain(self) -> Floats:
        """Return by how much smoothing multiplies the deviation of independent noise, [k]."""
        squares = np.outer((self.rows**2).sum(axis=1), (self.columns**2).sum(axis=1))
        return np.asarray(np.sqrt(squares).ravel(), dtype=np.float64)


def unit_sums(values: Floats, units: Ints, count: int) -> Floats:
    """Sum the rows of `values` [n, d] per unit, [count, d]."""
    return np.stack([np.bincount(units, weights=column, minlength=count) for column in values.T], axis=1)


def nearest_unit(narrow: Floats32, weights: Floats) -> Ints:
    """Return the nearest unit of each row, [n]; the row's own square is the same for all units and left out."""
    doubled = (2.0 * weights.T).astype(np.float32)
    squares = (weights**2).sum(axis=1).astype(np.float32)
    chunks = [narrow[begin : begin + CHUNK_ROWS] for begin in range(0, narrow.shape[0], CHUNK_ROWS)]
    return np.concatenate([np.argmin(squares - chunk @ doubled, axis=1) for chunk in chunks])


def _epoch(view: Floats, narrow: Floats32, weights: Floats, neighbourhood: Neighbourhood) -> Floats:
    units = nearest_unit(narrow, weights)
    counts = np.bincount(units, minlength=weights.shape[0]).astype(np.float64)
    reach = neighbourhood.smooth(counts)
    moved = neighbourhood.smooth(unit_sums(view, units, weights.shape[0])) / np.maximum(reach, REACH_MIN)[:, None]
    return np.where(reach[:, None] > REACH_MIN, moved, weights)


def _with_scales(view: Floats, weights: Floats, shape: MapShape, epochs_run: int) -> MapParameters:
    """Measure each unit's scale and mass, smoothed over the map: a unit with few rows borrows from its neighbours."""
    units = best_units(view, weights)[0][:, 0]
    counts = np.bincount(units, minlength=shape.units).astype(np.float64)
    residual2 = (view - weights[units]) ** 2
    overall = residual2.mean(axis=0)
    wide = Neighbourhood.of(shape, max(1.0, shape.sigma_final))
    reach = (wide.smooth(counts) + 1.0)[:, None]
    spread2 = (wide.smooth(unit_sums(residual2, units, shape.units)) + overall) / reach
    floor = 1e-4 * max(float(overall.mean()), 1e-8)
    spread2 = np.maximum(spread2, floor)
    mass = Neighbourhood.of(shape, shape.sigma_final).smooth(counts) + 1.0
    return MapParameters(shape, weights, np.sqrt(spread2), mass / mass.sum(), epochs_run)


def widths2(parameters: MapParameters) -> Floats:
    """Return the variances [k, d] of the map's mixture: a feature that never moved near a unit keeps some width."""
    spread2 = parameters.spread**2
    return np.asarray(spread2 + WIDTH_FLOOR * spread2.mean(axis=1, keepdims=True), dtype=np.float64)


class CompetitionLayer(nn.Module):
    """One trained map as plain operators: squared distances to its units and the two scores."""

    def __init__(self, parameters: MapParameters) -> None:
        super().__init__()
        self.features = parameters.weights.shape[1]
        self.nearest = min(NEAREST_UNITS, parameters.shape.units)
        variance = widths2(parameters)
        prior = np.log(parameters.mass) - 0.5 * np.log(variance).sum(axis=1)
        for name, values in (
            ("weights", parameters.weights),
            ("spread", parameters.spread),
            ("precision", np.sqrt(1.0 / (FREEDOM * variance))),
            ("prior", prior),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        coordinates = torch.tensor(parameters.shape.coordinates(), dtype=torch.int64)
        self.register_buffer("coordinates", coordinates)

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        """View [n, d] -> squared distances [n, k]; differences first, since |x|^2 - 2xw + |w|^2 cancels in float32."""
        return ((view[:, None, :] - self.weights) ** 2).sum(dim=2)

    def scores(self, view: torch.Tensor) -> list[torch.Tensor]:
        """View [n, d] -> nearest and density, each [n]: higher is stranger.

        nearest = log of the mean distance to the NEAREST_UNITS nearest units; density = -(1/d) log density of the
        map's mixture.
        """
        apart = view[:, None, :] - self.weights
        distance = torch.sqrt(torch.topk((apart**2).sum(dim=2), self.nearest, dim=1, largest=False).values)
        squares = ((apart * self.precision) ** 2).sum(dim=2)
        exponent = self.prior - 0.5 * (FREEDOM + self.features) * torch.log1p(squares)
        # log-sum-exp by hand: a runtime that does not subtract the maximum would return -inf far away.
        largest = exponent.max(dim=1, keepdim=True).values
        total = largest[:, 0] + torch.log(torch.exp(exponent - largest).sum(dim=1))
        return [torch.log(distance.mean(dim=1) + 1e-6), -total / self.features]
