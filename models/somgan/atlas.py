"""map.json: the trained map in raw units, for pictures and for watching where a kiosk's own rows fall.

Read out of the graph that runs, not out of the trainer's memory: what is drawn is what judges, and an artifact that was
exported earlier can be given its map, too (`python -m somgan atlas --model DIR`). The map is the first view's
(standardised), whose cell the graph's `bmu` is. The U-matrix is Ultsch and Siemon's (1990): a unit's mean distance to
its neighbours, here in standard deviations per feature.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from somgan.arrays import Floats
from somgan.errors import ArtifactError
from somgan.manifest import read_manifest

ATLAS_NAME: Final = "map.json"
SCHEMA: Final = 1
DIGITS: Final = 5  # significant
_NEEDED: Final = ("mean", "deviation", "weights", "precision", "prior")


def write_atlas(folder: Path) -> dict[str, Any]:
    """Write map.json beside the graph of an artifact folder and return it. Raises ArtifactError."""
    manifest = read_manifest(folder)
    parts = _initializers(folder / manifest["onnx"])
    rows, columns = int(manifest["map"]["rows"]), int(manifest["map"]["columns"])
    weights = parts["weights"]
    if weights.shape != (rows * columns, len(manifest["features"])):
        msg = f"{folder}: the graph's map is {weights.shape}, not {rows} x {columns} units"
        raise ArtifactError(msg)
    raw = weights * parts["deviation"] + parts["mean"]
    atlas = {
        "schema": SCHEMA,
        "model_sha256": manifest["sha256"],
        "rows": rows,
        "columns": columns,
        "features": [feature["name"] for feature in manifest["features"]],
        "hits": _rounded(_mass(parts)),
        "distance": _rounded(distances(weights, rows, columns)),
        "weights": [_rounded(unit) for unit in raw],
    }
    text = json.dumps(atlas, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    (folder / ATLAS_NAME).write_text(text + "\n", encoding="utf-8")
    return atlas


def distances(weights: Floats, rows: int, columns: int) -> Floats:
    """U-matrix [k]: each unit's mean distance to those above, below and beside it, per feature (root mean square)."""
    grid = weights.reshape(rows, columns, -1)
    total, count = np.zeros((rows, columns)), np.zeros((rows, columns))
    for axis in (0, 1):
        step = np.sqrt((np.diff(grid, axis=axis) ** 2).mean(axis=2))
        first = [slice(None), slice(None)]
        second = [slice(None), slice(None)]
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        for part in (tuple(first), tuple(second)):
            total[part] += step
            count[part] += 1
    return np.asarray((total / np.maximum(count, 1)).reshape(-1), dtype=np.float64)


def _mass(parts: dict[str, Floats]) -> Floats:
    """The share of the training's rows at each unit, undone from the mixture's prior (`somgan.som`), [k]."""
    from somgan.som import FREEDOM  # noqa: PLC0415 - imports torch, which the other commands must not need

    variance = 1.0 / (FREEDOM * parts["precision"] ** 2)
    log_mass = parts["prior"] + 0.5 * np.log(variance).sum(axis=1)
    mass = np.exp(log_mass - log_mass.max())
    return np.asarray(mass / mass.sum(), dtype=np.float64)


def _initializers(path: Path) -> dict[str, Floats]:
    """The constants of the graph's input layer and first map. Raises ArtifactError."""
    import onnx  # noqa: PLC0415 - the extra `train`; evaluation does without
    from onnx import numpy_helper  # noqa: PLC0415

    named = {each.name: each for each in onnx.load(str(path)).graph.initializer}
    found: dict[str, Floats] = {}
    for part in _NEEDED:
        name = f"input_layer.{part}" if part in ("mean", "deviation") else f"competition.0.{part}"
        if name not in named:
            msg = f"{path}: no {name} in this graph; it was not exported by somgan"
            raise ArtifactError(msg)
        found[part] = numpy_helper.to_array(named[name]).astype(np.float64)
    return found


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
