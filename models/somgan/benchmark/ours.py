"""The SOM-GAN as one detector among others: one setting for every table, whatever its size."""

from dataclasses import replace

import numpy as np

from somgan.arrays import Floats, Floats32
from somgan.fusion import tail_curve
from somgan.model import raw_scores, shares
from somgan.training import Settings, Trained, fit_layers
from somgan.views import fit_views

HELD_OUT_SHARE = 0.25
ROWS_MAX = 20_000
SETTINGS = Settings()


class Ours:
    """Maps on all training rows; generator and tails from a twin that has not seen a quarter of them.

    A quarter is a lot to take from a table of 500 rows, and maps are what needs rows most. The twin has the same views
    and settings, so its held-out scores say what a normal score is. Held out is the last quarter in file order: where
    a table drifts, the views that drift most are the least surprised by it.
    """

    def __init__(self, seed: int, settings: Settings = SETTINGS) -> None:
        self._settings = replace(settings, seed=seed)
        self.trained: Trained | None = None

    def fit(self, x: Floats) -> None:
        """Fit on normal rows [n, d]; over ROWS_MAX of them, on so many at random."""
        kept, held = split(x, self._settings.seed)
        rows = np.concatenate([kept, held])
        views = fit_views(rows.astype(np.float64))
        twin = fit_layers(kept, self._settings, _silent, views).model
        self.trained = fit_layers(rows, self._settings, _silent, views, twin)
        self.trained.model.set_tails([tail_curve(column) for column in raw_scores(twin, held).T])

    def parts(self, x: Floats) -> Floats:
        """Each part's share of the score in nats, [m, parts] in the order of PART_NAMES."""
        assert self.trained is not None
        return shares(self.trained.model, x.astype(np.float32))

    def score(self, x: Floats) -> Floats:
        """Fused surprise in nats, [m]: what the kiosk's graph calls score."""
        return np.asarray(self.parts(x).sum(axis=1), dtype=np.float64)


def split(x: Floats, seed: int) -> tuple[Floats32, Floats32]:
    """Rows to fit and, from the end of the file, rows to hold out; of over ROWS_MAX rows, so many at random."""
    chosen = np.sort(np.random.default_rng(seed).permutation(x.shape[0])[:ROWS_MAX])
    held = max(1, round(HELD_OUT_SHARE * chosen.size))
    rows = x[chosen].astype(np.float32)
    return rows[:-held], rows[-held:]


def _silent(_line: str) -> None:
    """Progress is by table."""
