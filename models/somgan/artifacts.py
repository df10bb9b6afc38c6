"""From a feature table to an artifact folder: model.onnx, manifest.json, card.md."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Floats, Floats32
from somgan.atlas import write_atlas
from somgan.card import card
from somgan.conformal import Split, deposit_maxima, split_deposits
from somgan.data import Feature, Table
from somgan.evaluation import evaluate, record
from somgan.export import OPSET, Agreement, export, probe_rows, verify
from somgan.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    ONNX_NAME,
    SCHEMA,
    Calibration,
    described_features,
    digest,
    quality_json,
    read_manifest,
    write_json,
)
from somgan.model import PART_NAMES
from somgan.promise import Promise
from somgan.quality import Quality, measure
from somgan.runtime import OnnxModel
from somgan.training import Settings, Trained, fit

VERSION_BASE = "1.0.0"
PROBE_ROWS = 500
GOLDEN_ROWS = 4


@dataclass(frozen=True)
class Request:
    """One training job: the table, what its features mean, and what the manifest says about where it came from."""

    stream: str
    table: Table
    features: tuple[Feature, ...]
    data_name: str
    command: str
    smoothing_rows: int
    evaluation: Table | None = None


@dataclass(frozen=True)
class Fitted:
    """A model, what its manifest may be made of, and what becomes of the calibration deposits' maxima.

    `columns` [m, d] are spread as each feature is; `rows` and `unseen` [m, d] are like those that were fitted and like
    others. Without privacy they are just those; with it, made of what was released.
    """

    trained: Trained
    columns: Floats32
    rows: Floats32
    unseen: Floats32
    quality: Quality
    release: Callable[[Floats], Floats]
    privacy: dict[str, Any] | None = None


def build(
    request: Request,
    settings: Settings,
    folder: Path,
    progress: Callable[[str], None],
    promise: Promise | None = None,
) -> dict[str, Any]:
    """Train, export, verify, calibrate and write the folder; return the manifest.

    With a promise, all that is written keeps it: noise is drawn anew each time, so no two runs make the same file. The
    folder is only touched once the graph has been verified.

    Raises:
        DataError: too few deposits.
        ExportError: onnxruntime and torch disagree, or the graph breaks a bound.

    """
    table = request.table
    split = split_deposits(table, settings.seed)
    if promise is None:
        fitted = _fitted(table, split, settings, progress)
    else:
        from somgan.private_artifacts import fitted_privately  # noqa: PLC0415 - needs dp-accounting

        fitted = fitted_privately(table, split, settings, promise, progress)
    agreement = _write_graph(fitted, settings.seed, folder)
    progress(
        f"onnxruntime equals torch within {agreement.difference_max:.1e}; {agreement.row_microseconds:.0f} us a row"
    )
    graph = OnnxModel(folder / ONNX_NAME)
    # The exported graph calibrates itself: what is promised is promised of the file that runs.
    mine = table.rows(split.calibrate)
    maxima = deposit_maxima(graph.run(table.x[mine]).score, table.deposit[mine], request.smoothing_rows)[1]
    sha256 = digest(folder / ONNX_NAME)
    manifest = {
        "schema": SCHEMA,
        "stream": request.stream,
        "version": f"{VERSION_BASE}+{sha256[:8]}",
        "onnx": ONNX_NAME,
        "sha256": sha256,
        "opset": OPSET,
        "parts": list(PART_NAMES),
        "features": described_features(request.features, fitted.columns),
        "map": {"rows": settings.shape.rows, "columns": settings.shape.columns},
        "calibration": Calibration(fitted.release(maxima), request.smoothing_rows).as_json(),
        "training": _training_json(request, split, settings.seed),
        "quality": quality_json(fitted.quality),
        "graph": _graph_json(agreement),
        "golden": _golden(graph, fitted.unseen),
        "privacy": fitted.privacy,
    }
    write_json(folder / MANIFEST_NAME, manifest)
    write_atlas(folder)
    (folder / CARD_NAME).write_text(card(manifest), encoding="utf-8")
    if request.evaluation is not None:
        record(folder, evaluate(folder, request.evaluation))
    return read_manifest(folder)


def _fitted(table: Table, split: Split, settings: Settings, progress: Callable[[str], None]) -> Fitted:
    x, tails, calibrate = (table.x[table.rows(part)] for part in (split.fit, split.tails, split.calibrate))
    progress(f"rows: {x.shape[0]} to fit, {tails.shape[0]} for tails, {calibrate.shape[0]} to calibrate")
    trained = fit(x, tails, settings, progress)
    return Fitted(trained, x, x, calibrate, measure(trained, x, tails, settings.seed), lambda maxima: maxima)


def _write_graph(fitted: Fitted, seed: int, folder: Path) -> Agreement:
    """Export beside the old graph, verify, and only then take its place."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / ONNX_NAME
        export(fitted.trained.model, fitted.rows.shape[1], path)
        agreement = verify(fitted.trained.model, path, probe_rows(fitted.rows, PROBE_ROWS, seed))
        path.replace(folder / ONNX_NAME)
    return agreement


def _training_json(request: Request, split: Split, seed: int) -> dict[str, Any]:
    return {
        "data": request.data_name,
        "rows": int(request.table.x.shape[0]),
        "deposits": int(split.fit.size + split.tails.size + split.calibrate.size),
        "fit": int(split.fit.size),
        "tails": int(split.tails.size),
        "calibrate": int(split.calibrate.size),
        "seed": seed,
        "command": request.command,
    }


def _graph_json(agreement: Agreement) -> dict[str, Any]:
    return {
        "size_bytes": agreement.size_bytes,
        "row_microseconds": round(agreement.row_microseconds, 1),
        "difference_max": float(f"{agreement.difference_max:.3g}"),
        "probe_rows": agreement.rows,
    }


def _golden(graph: OnnxModel, rows: Floats32) -> list[dict[str, Any]]:
    """Return a few rows with the answers expected of them: a runtime that computes otherwise is not this model."""
    chosen = rows[np.linspace(0, rows.shape[0] - 1, GOLDEN_ROWS).astype(int)]
    outputs = graph.run(chosen)
    return [
        {"x": [float(cell) for cell in row], "score": float(f"{score:.6g}"), "bmu": [int(part) for part in bmu]}
        for row, score, bmu in zip(chosen, outputs.score, outputs.bmu, strict=True)
    ]
