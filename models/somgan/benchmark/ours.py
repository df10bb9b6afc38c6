"""The SOM-GAN as one detector among others: one setting for every table, whatever its size."""

from dataclasses import replace

import numpy as np

from somgan.arrays import Floats, Floats32
from somgan.fusion import tail_curve
from somgan.generator import GeneratorSettings
from somgan.model import raw_scores
from somgan.piecewise import Curve
from somgan.training import Settings, Trained, fit_layers
from somgan.views import fit_views

HELD_OUT_SHARE = 0.25
ROWS_MAX = 20_000
# The networks take no part in the score (README.md says why), so they are not trained for it.
SETTINGS = Settings(generator=GeneratorSettings(steps=0))


class Ours:
    """Maps on all training rows; tails from a twin that has not seen a quarter of them.

    A quarter is a lot to take from a table of 500 rows, and maps are what needs rows most. The twin has the same views
    and settings, so its held-out scores say what a normal score is. Held out is the last quarter in file order: where
    a table drifts, the views that drift most are the least surprised by it.
    """

    def __init__(self, seed: int, settings: Settings = SETTINGS) -> None:
        self._settings = replace(settings, seed=seed)
        self._curves: list[Curve] = []
        self.trained: Trained | None = None

    def fit(self, x: Floats) -> None:
        """Fit on normal rows [n, d]; over ROWS_MAX of them, on so many at random."""
        kept, held = split(x, self._settings.seed)
        rows = np.concatenate([kept, held])
        views = fit_views(rows.astype(np.float64))
        twin = fit_layers(kept, self._settings, _silent, views).model
        self._curves = [tail_curve(column) for column in raw_scores(twin, held).T]
        self.trained = fit_layers(rows, self._settings, _silent, views, twin)

    def parts(self, x: Floats) -> Floats:
        """Surprise of each part in nats, [m, parts] in the order of PART_NAMES."""
        assert self.trained is not None
        scores = raw_scores(self.trained.model, x.astype(np.float32))
        return np.stack([surprise(curve, column) for curve, column in zip(self._curves, scores.T, strict=True)], axis=1)

    def score(self, x: Floats) -> Floats:
        """Fused surprise in nats, [m]."""
        return np.asarray(self.parts(x).sum(axis=1), dtype=np.float64)


def split(x: Floats, seed: int) -> tuple[Floats32, Floats32]:
    """Rows to fit and, from the end of the file, rows to hold out; of over ROWS_MAX rows, so many at random."""
    chosen = np.sort(np.random.default_rng(seed).permutation(x.shape[0])[:ROWS_MAX])
    held = max(1, round(HELD_OUT_SHARE * chosen.size))
    rows = x[chosen].astype(np.float32)
    return rows[:-held], rows[-held:]


def _silent(_line: str) -> None:
    """Progress is by table."""


def surprise(curve: Curve, scores: Floats) -> Floats:
    """Apply a tail curve in float64: between its knots by line, beyond them by its slopes."""
    beyond = np.maximum(scores - curve.x[-1], 0.0) * curve.slope_above
    return np.asarray(np.interp(scores, curve.x, curve.y) + beyond, dtype=np.float64)
