"""How easily can what a model calls dangerous be changed until it passes? A gradient-free attack. Needs no torch.

The attacker knows the graph's answers (not its weights) and moves some features of a row, each within a budget: what a
person at the kiosk can really do - feed more slowly, bring other notes - while what they are after stays. An evolution
strategy, (1 + POPULATION) with a shrinking step, as query-only attacks on classifiers use (Chen et al., "ZOO", 2017;
Salimans et al., "Evolution strategies", 2017), tries QUERIES changes of each row.

Several models may judge together: each at its share of the false alarms, so the levels are divided by their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Bools, Floats, Floats32, Ints
from somgan.conformal import ALPHA_HIGH, ALPHA_MEDIUM
from somgan.data import Table
from somgan.errors import ArtifactError, DataError
from somgan.manifest import read_manifest
from somgan.runtime import OnnxModel

POPULATION, GENERATIONS = 12, 30
QUERIES = POPULATION * GENERATIONS
STEP, SHRINK = 0.5, 0.93  # of the budget, at first and from one generation to the next
ROWS_MAX = 200


@dataclass(frozen=True)
class Judge:
    """A model, the columns of the table that it reads, and the scores from which on it says medium and high."""

    graph: OnnxModel
    columns: Ints
    medium: float
    high: float

    @classmethod
    def of(cls, folder: Path, names: Sequence[str], judges: int) -> "Judge":
        """Read the model in `folder` as one of `judges` on a table with features `names`.

        Raises:
            ArtifactError: damaged, it reads what the table does not have, or it cannot say high.

        """
        manifest = read_manifest(folder)
        wanted = [feature["name"] for feature in manifest["features"]]
        missing = sorted(set(wanted) - set(names))
        if missing:
            msg = f"{folder}: reads {', '.join(missing)}, which the table does not have"
            raise ArtifactError(msg, remedy="Make the table with the same `kiosk features`.")
        maxima = np.sort(np.array(manifest["calibration"]["deposit_max_scores"]))
        columns = np.array([list(names).index(name) for name in wanted])
        limits = [_limit(maxima, alpha / judges, folder) for alpha in (ALPHA_MEDIUM, ALPHA_HIGH)]
        return cls(OnnxModel(folder / manifest["onnx"]), columns, *limits)

    def scores(self, x: Floats32) -> Floats:
        """Scores of rows [n, d] of the table."""
        return self.graph.run(np.ascontiguousarray(x[:, self.columns])).score

    def towards_normal(self, x: Floats) -> Floats:
        """Rows [n, d] with what the model itself answers as the nearest normal: whoever may ask it learns that, too."""
        moved = x.copy()
        moved[:, self.columns] = self.graph.run(np.ascontiguousarray(x[:, self.columns], np.float32)).nearest_normal
        return moved


@dataclass(frozen=True)
class Room:
    """What may be changed: `free` [d] and by how much at most, `reach` [d] raw units; `low` to `high` [d] is normal."""

    free: Bools
    reach: Floats
    low: Floats
    high: Floats

    def within(self, moved: Floats, start: Floats) -> Floats:
        """Bring changed rows back to what may be done: the budget, and no further out than normal or than it was."""
        lowest = np.maximum(start - self.reach, np.minimum(start, self.low))
        highest = np.minimum(start + self.reach, np.maximum(start, self.high))
        return np.where(self.free, np.clip(moved, lowest, highest), start)


def attack(folders: Sequence[Path], table: Table, free: Sequence[str], budget: float, seed: int) -> dict[str, Any]:
    """Return how many rows called high can be changed until they pass as low, by kind of danger.

    `budget` is in widths of the first model's normal ranges. Each dangerous deposit is tried at its strangest row.

    Raises:
        ArtifactError: see `Judge.of`.
        DataError: the table has no labels, or no such feature to change.

    """
    unknown = sorted(set(free) - set(table.names))
    if unknown or table.y is None or table.what is None:
        msg = f"no feature {', '.join(unknown)}" if unknown else "the table has no y and what"
        raise DataError(msg, remedy="Name features of a labelled table.")
    judges = [Judge.of(folder, table.names, len(folders)) for folder in folders]
    strangest = _strangest(table, _excess(judges, table.x, "high"))
    rows, kinds = table.x[strangest].astype(np.float64), table.what[strangest]
    before = _excess(judges, table.x[strangest], "high") >= 0
    tried = np.flatnonzero(before)[:ROWS_MAX]
    changed = _evolve(judges, rows[tried], _room(folders[0], table.names, free, budget), np.random.default_rng(seed))
    passed = _excess(judges, changed.astype(np.float32), "medium") < 0
    return {
        "models": len(judges),
        "budget": budget,
        "queries": QUERIES,
        "free": list(free),
        "high": int(tried.size),
        "passed": _share(passed),
        "kinds": {
            str(kind): {
                "n": int((kinds == kind).sum()),
                "high": int((kinds[tried] == kind).sum()),
                "passed": _share(passed[kinds[tried] == kind]),
            }
            for kind in np.unique(kinds)
        },
    }


def _limit(maxima: Floats, alpha: float, folder: Path) -> float:
    """Score from which on p <= alpha: (1 + how many maxima are at least as large) / (n + 1)."""
    allowed = int(np.floor(alpha * (maxima.size + 1))) - 1
    if allowed < 0:
        msg = f"{folder}: {maxima.size} calibration deposits are too few for p <= {alpha:g}"
        raise ArtifactError(msg, remedy="Calibrate on more deposits.")
    return float(np.nextafter(maxima[maxima.size - 1 - allowed], np.inf))


def _excess(judges: Sequence[Judge], x: Floats32, level: str) -> Floats:
    """By how much the most alarmed judge is above its limit, as a share of it, [n]; below 0: nobody is."""
    limits = [judge.medium if level == "medium" else judge.high for judge in judges]
    above = [judge.scores(x) / limit - 1.0 for judge, limit in zip(judges, limits, strict=True)]
    return np.asarray(np.max(above, axis=0), dtype=np.float64)


def _strangest(table: Table, excess: Floats) -> Ints:
    assert table.y is not None
    rows = [index[excess[index].argmax()] for _, index in table.each_deposit() if table.y[index].any()]
    return np.array(rows, dtype=np.int64)


def _room(folder: Path, names: Sequence[str], free: Sequence[str], budget: float) -> Room:
    described = {feature["name"]: feature for feature in read_manifest(folder)["features"]}
    if not set(free) <= set(described):
        msg = f"{folder}: does not read {', '.join(sorted(set(free) - set(described)))}"
        raise DataError(msg, remedy="Name the model that reads every feature first.")
    low, high = (
        np.array([described[name][side] if name in described else 0.0 for name in names])
        for side in ("normal_low", "normal_high")
    )
    return Room(np.isin(list(names), list(free)), budget * np.maximum(high - low, 1e-9), low, high)


def _evolve(judges: Sequence[Judge], start: Floats, room: Room, chance: np.random.Generator) -> Floats:
    """Return the least alarming row found for each of `start` [n, d]."""
    best, worth = start.copy(), _excess(judges, start.astype(np.float32), "medium")
    step = STEP
    for _ in range(GENERATIONS):
        noise = chance.standard_normal((POPULATION, *best.shape)) * step * room.reach
        moved = best + noise * (chance.random(noise.shape) < 0.5)  # noqa: PLR2004 - half of them
        moved[0] = judges[0].towards_normal(best)
        tried = room.within(moved, start)
        found = _excess(judges, tried.reshape(-1, best.shape[1]).astype(np.float32), "medium")
        ranked = found.reshape(POPULATION, -1)
        winner = ranked.argmin(axis=0)
        at = np.arange(best.shape[0])
        better = ranked[winner, at] < worth
        best[better], worth[better] = tried[winner, at][better], ranked[winner, at][better]
        step *= SHRINK
    return best


def _share(hits: Bools) -> float | None:
    return None if hits.size == 0 else round(float(hits.mean()), 4)
