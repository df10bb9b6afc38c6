"""Feature tables on disk: `F.npz` with X, deposit, names (and y, what for evaluation) beside `F.features.json`.

`X` float32 [n, d] raw units, `deposit` int64 [n] (which deposit a row belongs to, rows in time order), `names` str [d];
evaluation sets add `y` int64 [n] (1 = danger present) and `what` str [n] (kind of danger, "" or "normal" otherwise).
"""

import json
import math
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Bools, Floats32, Ints, Strings
from somgan.errors import DataError

ROWS_MAX = 5_000_000
FEATURES_MAX = 256
SIDECAR_KEYS = ("name", "unit", "words_high", "words_low")


@dataclass(frozen=True)
class Feature:
    """One column: its unit and the words a branch manager reads when it is unusually high or low."""

    name: str
    unit: str
    words_high: str
    words_low: str
    resolution: float = 0.0  # the least deviation it is measured by, in its unit; 0: what training shows


@dataclass(frozen=True)
class Table:
    """Rows of one stream. `y` and `what` are None in training tables."""

    x: Floats32
    deposit: Ints
    names: tuple[str, ...]
    y: Ints | None = None
    what: Strings | None = None

    def rows(self, deposits: Ints) -> Bools:
        """Mask [n] of the rows that belong to `deposits`."""
        return np.isin(self.deposit, deposits)

    def without(self, names: Sequence[str]) -> "Table":
        """Return the table less some features.

        Raises:
            DataError: it has no such feature, or no other.

        """
        kept = [column for column, name in enumerate(self.names) if name not in names]
        unknown = sorted(set(names) - set(self.names))
        if unknown or not kept:
            msg = f"no feature {', '.join(unknown)}" if unknown else "no feature would be left"
            raise DataError(msg, remedy=f"The table has {', '.join(self.names)}.")
        return replace(self, x=self.x[:, kept], names=tuple(self.names[column] for column in kept))

    def each_deposit(self) -> Iterator[tuple[int, Ints]]:
        """Yield (deposit, row indices in file order), deposits in order of first appearance."""
        _, first = np.unique(self.deposit, return_index=True)
        for identity in self.deposit[np.sort(first)]:
            yield int(identity), np.flatnonzero(self.deposit == identity)


def read_table(path: Path) -> Table:
    """Read and check a feature table.

    Raises:
        DataError: the file is missing, lacks an array, or its shapes, types or values do not fit together.

    """
    arrays = _read_arrays(path)
    missing = [key for key in ("X", "deposit", "names") if key not in arrays]
    if missing:
        msg = f"{path}: no array {', '.join(missing)}; it has {', '.join(sorted(arrays))}"
        raise DataError(msg)
    x, deposit, names = arrays["X"], arrays["deposit"], tuple(str(name) for name in arrays["names"])
    _check_shapes(path, x, deposit, names)
    y = arrays["y"].astype(np.int64) if "y" in arrays else None
    what = arrays["what"].astype(np.str_) if "what" in arrays else None
    for name, column in (("y", y), ("what", what)):
        if column is not None and column.shape != deposit.shape:
            msg = f"{path}: {name} has shape {column.shape}, deposit {deposit.shape}"
            raise DataError(msg)
    return Table(x.astype(np.float32), deposit.astype(np.int64), names, y, what)


def read_tables(paths: Sequence[Path]) -> Table:
    """Read labelled tables of one stream as one; deposits of different tables stay different ones, numbered anew.

    Raises:
        DataError: as `read_table`; or their features differ, or one has no labels.

    """
    parts = [read_table(path) for path in paths]
    labels: list[Ints] = []
    kinds: list[Strings] = []
    owners: list[Ints] = []
    first = 0
    for path, part in zip(paths, parts, strict=True):
        if part.names != parts[0].names:
            msg = f"{path}: other features than {paths[0]}"
            raise DataError(msg)
        if part.y is None or part.what is None:
            msg = f"{path}: no y and what"
            raise DataError(msg, remedy="Evaluate on tables that were made with labels.")
        identities, index = np.unique(part.deposit, return_inverse=True)
        owners.append(index.astype(np.int64) + first)
        first += identities.size
        labels.append(part.y)
        kinds.append(part.what)
    x = np.concatenate([part.x for part in parts])
    return Table(x, np.concatenate(owners), parts[0].names, np.concatenate(labels), np.concatenate(kinds))


def _read_arrays(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        msg = f"{path}: no such feature table"
        raise DataError(msg) from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        msg = f"{path}: not a feature table: {error}"
        raise DataError(msg) from error


def _check_shapes(path: Path, x: Floats32, deposit: Ints, names: tuple[str, ...]) -> None:
    if deposit.ndim != 1 or x.shape != (deposit.size, len(names)):
        msg = f"{path}: X is {x.shape}, deposit {deposit.shape}, {len(names)} names: want [n, d], [n], d"
        raise DataError(msg)
    if not 0 < x.shape[0] <= ROWS_MAX or not 0 < x.shape[1] <= FEATURES_MAX:
        msg = f"{path}: {x.shape[0]} rows of {x.shape[1]} features; limits are {ROWS_MAX} and {FEATURES_MAX}"
        raise DataError(msg)
    bad = np.flatnonzero(~np.isfinite(x.astype(np.float32)).all(axis=0))
    if bad.size:
        msg = f"{path}: NaN or infinity in {', '.join(names[column] for column in bad)}"
        raise DataError(msg)
    if len(set(names)) != len(names):
        msg = f"{path}: feature names repeat"
        raise DataError(msg)


def sidecar_path(table: Path) -> Path:
    """`F.npz` -> `F.features.json` in the same folder."""
    return table.with_name(f"{table.stem}.features.json")


def read_features(path: Path, names: tuple[str, ...]) -> tuple[Feature, ...]:
    """Read the sidecar and put it in the order of `names`.

    Raises: DataError: the sidecar is missing, not a list of the four strings (and perhaps a resolution), or describes
    other features than the table has.

    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"{path}: the table's features are not described"
        remedy = f"Write a JSON list of objects with {', '.join(SIDECAR_KEYS)}; `kiosk features` does."
        raise DataError(msg, remedy=remedy) from None
    except ValueError as error:
        msg = f"{path}: not JSON: {error}"
        raise DataError(msg) from error
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        msg = f"{path}: want a list of objects with the strings {', '.join(SIDECAR_KEYS)}"
        raise DataError(msg)
    by_name = {
        entry["name"]: Feature(**{key: entry[key] for key in SIDECAR_KEYS}, resolution=_resolution(path, entry))
        for entry in entries
    }
    if set(by_name) != set(names):
        msg = f"{path}: features differ from the table's: {', '.join(sorted(set(by_name) ^ set(names)))}"
        raise DataError(msg)
    return tuple(by_name[name] for name in names)


def _resolution(path: Path, entry: dict[str, Any]) -> float:
    value = entry.get("resolution", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < math.inf:
        msg = f"{path}: the resolution of {entry['name']} is {value!r}, want a number of its unit, 0 or more"
        raise DataError(msg)
    return float(value)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in SIDECAR_KEYS)
