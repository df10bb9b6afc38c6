"""Synthetic rows to share instead of real ones, with a report on how good and how revealing they are.

The report compares with real rows that the generator has not seen. Utility: a detector trained on synthetic rows,
tested on real labelled ones, beside one trained on as many real rows (train on synthetic, test on real: Esteban, Hyland
and Raetsch, "Real-valued (medical) time series generation with recurrent conditional GANs", 2017). Likeness: the
Kolmogorov-Smirnov distance of each feature and the largest difference of a correlation. Closeness: distances to the
nearest real row of training and of the unseen ones; a generator that copies is nearer to the first.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from somgan.arrays import Floats, Floats32
from somgan.data import Table
from somgan.generator import GeneratorSettings, synthetic_rows
from somgan.metrics import auroc, average_precision
from somgan.model import shares
from somgan.som import MapShape
from somgan.training import Progress, Settings, Trained, fit

COMPARED_ROWS_MAX = 2000
COPY_DISTANCE = 1e-4  # standard deviations: nearer than this is the same row
JUDGE = (MapShape(12, 12), GeneratorSettings(steps=300))  # the detector of both trials, small and the same
CHUNK_ROWS = 256


@dataclass(frozen=True)
class Closeness:
    """Distances in standard deviations over root features; `nearer_to_training` is 0.5 when nothing is copied."""

    to_training_median: float
    to_unseen_median: float
    unseen_to_training_median: float
    nearer_to_training: float
    copies: int


@dataclass(frozen=True)
class Likeness:
    """Largest and mean Kolmogorov-Smirnov distance over features, largest difference between two correlations."""

    ks_mean: float
    ks_max: float
    correlation_difference_max: float


def report(synthetic: Floats32, training: Floats32, unseen: Floats32, seed: int) -> dict[str, Any]:
    """Compare synthetic rows [n, d] with the rows they were learnt from and with real rows never seen."""
    chance = np.random.default_rng(seed)
    count = min(COMPARED_ROWS_MAX, synthetic.shape[0], training.shape[0], unseen.shape[0])
    centre, scale = training.mean(axis=0), np.maximum(training.std(axis=0), 1e-6)
    made, known, other = (
        ((rows[chance.permutation(rows.shape[0])[:count]] - centre) / scale).astype(np.float64)
        for rows in (synthetic, training, unseen)
    )
    return {
        "rows_compared": count,
        "closeness": _rounded(asdict(closeness(made, known, other))),
        "likeness": _rounded(asdict(likeness(made, other))),
    }


def closeness(made: Floats, known: Floats, other: Floats) -> Closeness:
    """Measure how near synthetic rows are to rows of training and to as many others, all [n, d] standardised."""
    to_known, to_other, baseline = nearest(made, known), nearest(made, other), nearest(other, known)
    ties = to_known == to_other
    return Closeness(
        float(np.median(to_known)),
        float(np.median(to_other)),
        float(np.median(baseline)),
        float((to_known < to_other).mean() + 0.5 * ties.mean()),
        int((to_known < COPY_DISTANCE).sum()),
    )


def likeness(made: Floats, other: Floats) -> Likeness:
    """Measure how differently the features of synthetic and real rows are spread and go together."""
    distances = [_ks(left, right) for left, right in zip(made.T, other.T, strict=True)]
    moving = (made.std(axis=0) > 0) & (other.std(axis=0) > 0)
    apart = [0.0]
    if moving.sum() > 1:
        difference = np.corrcoef(made[:, moving].T) - np.corrcoef(other[:, moving].T)
        apart.append(float(np.abs(difference).max()))
    return Likeness(float(np.mean(distances)), float(np.max(distances)), max(apart))


def nearest(rows: Floats, among: Floats) -> Floats:
    """Distance of each row to the nearest of others, [n], by the root of the number of features."""
    parts = [
        np.sqrt(((rows[begin : begin + CHUNK_ROWS, None, :] - among[None, :, :]) ** 2).mean(axis=2).min(axis=1))
        for begin in range(0, rows.shape[0], CHUNK_ROWS)
    ]
    return np.concatenate(parts)


def utility(synthetic: Floats32, real: Floats32, labelled: Table, seed: int, progress: Progress) -> dict[str, Any]:
    """Train the same small detector on synthetic and on as many real rows; AUROC and AP on the rows of `labelled`."""
    assert labelled.y is not None
    result: dict[str, Any] = {}
    count = min(synthetic.shape[0], real.shape[0])
    chance = np.random.default_rng(seed)
    for name, rows in (("trained_on_real", real), ("trained_on_synthetic", synthetic)):
        progress(f"{name}: {count} rows")
        mixed = rows[chance.permutation(rows.shape[0])[:count]]
        held = max(1, count // 4)
        model = fit(mixed[held:], mixed[:held], Settings(*JUDGE, seed), lambda _: None).model
        score, danger = shares(model, labelled.x).sum(axis=1), labelled.y > 0
        result[name] = {"auroc": round(auroc(score, danger), 4), "ap": round(average_precision(score, danger), 4)}
    return result


def rows_of(trained: Trained, count: int, seed: int) -> Floats32:
    """Draw raw rows [count, d] of a trained model, within the ranges that it was trained on."""
    model = trained.model
    with torch.no_grad():
        z = synthetic_rows(model.generator, trained.maps[0], count, seed)
        within = torch.minimum(torch.maximum(z, model.nearest.lowest), model.nearest.highest)
        return np.asarray(model.input_layer.raw(within).numpy(), dtype=np.float32)


def _ks(left: Floats, right: Floats) -> float:
    both = np.concatenate([left, right])
    below = [np.searchsorted(np.sort(side), both, side="right") / side.size for side in (left, right)]
    return float(np.abs(below[0] - below[1]).max())


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: value if isinstance(value, int) else round(value, 4) for name, value in values.items()}
