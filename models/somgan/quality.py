"""How good the map and the synthetic rows are, reported beside detection.

Sources: topographic error: Kiviluoto, "Topology preservation in self-organizing maps" (1996); trustworthiness: Venna
and Kaski, "Neighborhood preservation in nonlinear projection methods" (2001).
"""

from dataclasses import dataclass

import numpy as np
import torch

from somgan.arrays import Floats, Floats32
from somgan.generator import synthetic_rows
from somgan.metrics import auroc
from somgan.som import MapParameters, best_units
from somgan.training import Trained

TRUST_ROWS_MAX = 1000
TRUST_NEIGHBOURS = 10
SYNTHETIC_ROWS_MAX = 5000


@dataclass(frozen=True)
class Quality:
    """Measures of the primary map (on held-out normal rows, dead units on training rows) and of the discriminator.

    `quantisation_error` is in standard deviations; `discriminator_auroc` is of real against generated rows, 0.5 =
    cannot be told apart.
    """

    quantisation_error: float
    topographic_error: float
    trustworthiness: float
    dead_units: float
    discriminator_auroc: float


def measure(trained: Trained, x: Floats32, held_out: Floats32, seed: int) -> Quality:
    """Measure a trained model on its training rows `x` and on held-out normal rows, both [n, d] raw."""
    layer, primary = trained.model.input_layer, trained.maps[0]
    with torch.no_grad():
        fitted = layer.standardise(torch.tensor(x)).numpy().astype(np.float64)
        unseen = layer.standardise(torch.tensor(held_out)).numpy().astype(np.float64)
    used = np.unique(best_units(fitted, primary.weights)[0]).size
    _, squares = best_units(unseen, primary.weights)
    return Quality(
        quantisation_error=float(np.sqrt(squares[:, 0]).mean()),
        topographic_error=topographic_error(unseen, primary),
        trustworthiness=trustworthiness(unseen, primary, seed),
        dead_units=1.0 - used / primary.shape.units,
        discriminator_auroc=_discriminator_auroc(trained, unseen, seed),
    )


def topographic_error(view: Floats, parameters: MapParameters) -> float:
    """Share of rows whose two nearest units are not neighbours on the map (eight neighbours count)."""
    units, _ = best_units(view, parameters.weights, 2)
    places = parameters.shape.coordinates()[units]
    apart = np.abs(places[:, 0] - places[:, 1]).max(axis=1)
    return float((apart > 1).mean())


def trustworthiness(view: Floats, parameters: MapParameters, seed: int) -> float:
    """Are rows that are close on the map close in the view? 1 = always; on a sample of at most TRUST_ROWS_MAX rows.

    Rows of one unit are ordered among themselves by distance in the view: the grid itself cannot order them.
    """
    sample = np.random.default_rng(seed).permutation(view.shape[0])[:TRUST_ROWS_MAX]
    rows, count = view[sample], sample.size
    neighbours = min(TRUST_NEIGHBOURS, (count - 1) // 2)
    if neighbours < 1:
        return float("nan")
    distance = np.sqrt(np.maximum(((rows[:, None, :] - rows[None, :, :]) ** 2).sum(axis=2), 0.0))
    np.fill_diagonal(distance, np.inf)
    rank = np.argsort(np.argsort(distance, axis=1, kind="stable"), axis=1, kind="stable") + 1
    places = parameters.shape.coordinates()[best_units(rows, parameters.weights)[0][:, 0]]
    on_map = np.sqrt(((places[:, None, :] - places[None, :, :]) ** 2).sum(axis=2))
    np.fill_diagonal(on_map, np.inf)
    near_on_map = np.lexsort((distance, on_map), axis=1)[:, :neighbours]
    excess = np.maximum(np.take_along_axis(rank, near_on_map, axis=1) - neighbours, 0).sum()
    return 1.0 - 2.0 * float(excess) / (count * neighbours * (2 * count - 3 * neighbours - 1))


def _discriminator_auroc(trained: Trained, unseen: Floats, seed: int) -> float:
    real = unseen[:SYNTHETIC_ROWS_MAX].astype(np.float32)
    fake = synthetic_rows(trained.model.generator, trained.maps[0], real.shape[0], seed)
    with torch.no_grad():
        logits = trained.model.discriminator(torch.cat([torch.tensor(real), fake])).numpy().astype(np.float64)
    return auroc(logits, np.arange(logits.size) < real.shape[0])
