"""The semi-supervised protocol of ADBench tables, as "On diffusion modeling for anomaly detection" ran it.

Train on the first half of the normal rows in file order, test on the other normal rows and all anomalous ones. Tables
over 50,000 rows are subsampled to 50,000 first, tables under 1,000 drawn with replacement to 1,000. Standardised with
the training part. Sources: Han et al., "ADBench: anomaly detection benchmark" (2022) and its data generator;
Livernoche et al. (2024), whose published means `published_semi_supervised_auroc.json` holds.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Bools, Floats
from somgan.errors import DataError

ROWS_MAX, ROWS_MIN = 50_000, 1_000
PUBLISHED_NAME = "published_semi_supervised_auroc.json"
REMEDY = "Give a folder of ADBench tables: .npz files with X [n, d] and y [n], y = 1 for anomalous rows."


@dataclass(frozen=True)
class LabelledTable:
    """One file: `x` [n, d] finite, `anomalous` [n]."""

    name: str
    x: Floats
    anomalous: Bools


@dataclass(frozen=True)
class Task:
    """What one seed sees, standardised: `train` [n, d] normal rows, `test` [m, d] and which of it is anomalous [m]."""

    train: Floats
    test: Floats
    anomalous: Bools


def table_name(path: Path) -> str:
    """Name a table as the published list does: `27_PageBlocks.npz` -> `pageblocks`."""
    head, _, tail = path.stem.partition("_")
    return (tail if head.isdigit() and tail else path.stem).lower()


def read_folder(folder: Path) -> list[LabelledTable]:
    """Read every .npz file of a folder, by name.

    Raises:
        DataError: no such folder, none in it, two of one name, or one that is no labelled table.

    """
    paths = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    if not paths:
        msg = f"{folder}: {'no .npz files' if folder.is_dir() else 'no such folder'}"
        raise DataError(msg, remedy=REMEDY)
    tables = [read_labelled(path) for path in paths]
    names = [table.name for table in tables]
    if len(set(names)) != len(names):
        msg = f"{folder}: two tables are named {max(names, key=names.count)}"
        raise DataError(msg, remedy="Rename one.")
    return sorted(tables, key=lambda table: table.name)


def read_labelled(path: Path) -> LabelledTable:
    """Read and check one table.

    Raises: DataError: damaged, without X and y, of shapes that do not fit, not finite, or without 4 rows of each kind.

    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            x, y = archive["X"], archive["y"]
            x, y = np.asarray(x, dtype=np.float64), np.asarray(y).ravel()
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        msg = f"{path}: not an ADBench table: {error}"
        raise DataError(msg, remedy=REMEDY) from error
    if x.ndim != 2 or x.shape[0] != y.size or not x.shape[1]:  # noqa: PLR2004 - rows and columns
        msg = f"{path}: X is {x.shape}, y {y.shape}"
        raise DataError(msg, remedy=REMEDY)
    if not np.isfinite(x).all():
        msg = f"{path}: NaN or infinity in X"
        raise DataError(msg, remedy="Leave such rows or columns out.")
    anomalous = y == 1
    if not np.isin(y, (0, 1)).all() or min(int(anomalous.sum()), int((~anomalous).sum()) // 4) < 1:
        msg = f"{path}: y has to be 0 and 1, with one anomalous row and four normal ones at least"
        raise DataError(msg, remedy=REMEDY)
    return LabelledTable(table_name(path), x, anomalous)


def task(table: LabelledTable, seed: int) -> Task:
    """Split a table for one seed; the seed matters only where the protocol draws rows."""
    x, anomalous = table.x, table.anomalous
    chance = np.random.default_rng(seed)
    if anomalous.size > ROWS_MAX:
        drawn = chance.choice(anomalous.size, ROWS_MAX, replace=False)
        x, anomalous = x[drawn], anomalous[drawn]
    if anomalous.size < ROWS_MIN:
        drawn = chance.choice(anomalous.size, ROWS_MIN, replace=True)
        x, anomalous = x[drawn], anomalous[drawn]
    normal = np.flatnonzero(~anomalous)
    half = round(0.5 * normal.size)
    test = np.concatenate([normal[half:], np.flatnonzero(anomalous)])
    mean, deviation = x[normal[:half]].mean(axis=0), x[normal[:half]].std(axis=0)
    deviation[deviation == 0.0] = 1.0  # as scikit-learn's StandardScaler
    z = (x - mean) / deviation
    return Task(z[normal[:half]], z[test], anomalous[test])


def published(folder: Path, names: list[str]) -> dict[str, float]:
    """Return each published method's mean AUROC (0 to 1) over `names`; empty where one of them was not published.

    Raises: DataError: the list is there but cannot be read.

    """
    path = folder / PUBLISHED_NAME
    if not path.exists():
        return {}
    try:
        listed: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        if not set(names) <= set(listed):
            return {}
        methods = set.intersection(*(set(listed[name]) for name in names))
        return {method: sum(float(listed[name][method]) for name in names) / len(names) / 100 for method in methods}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        msg = f"{path}: not a list of published figures: {error}"
        raise DataError(msg, remedy="Take the file away: it is only compared with.") from error
