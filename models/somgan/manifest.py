"""manifest.json: what the kiosk needs to know about model.onnx, and what an auditor asks for."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Floats, Floats32
from somgan.conformal import ALPHA_HIGH, ALPHA_MEDIUM
from somgan.data import Feature
from somgan.errors import ArtifactError

SCHEMA = 1
ONNX_NAME = "model.onnx"
MANIFEST_NAME = "manifest.json"
CARD_NAME = "card.md"
CALIBRATION_KIND = "split-conformal over whole deposits"
SMOOTHING = "trailing mean over the last smoothing_rows scores of the deposit, fewer at its start"
REQUIRED = ("schema", "stream", "version", "onnx", "sha256", "features", "map", "calibration", "training", "quality")


@dataclass(frozen=True)
class Calibration:
    """Sorted maxima of the smoothed score over the calibration deposits, and how the score was smoothed."""

    deposit_max_scores: Floats
    smoothing_rows: int

    def as_json(self) -> dict[str, Any]:
        """Return the manifest's `calibration` object."""
        return {
            "kind": CALIBRATION_KIND,
            "deposit_max_scores": [round(float(value), 5) for value in np.sort(self.deposit_max_scores)],
            "alpha_medium": ALPHA_MEDIUM,
            "alpha_high": ALPHA_HIGH,
            "smoothing_rows": self.smoothing_rows,
            "smoothing": SMOOTHING,
        }


def described_features(features: tuple[Feature, ...], x: Floats32) -> list[dict[str, Any]]:
    """Return the features with their normal range: 1st to 99th percentile of the training rows `x` [n, d]."""
    low, high = np.percentile(x.astype(np.float64), [1.0, 99.0], axis=0)
    return [
        {
            "name": feature.name,
            "unit": feature.unit,
            "normal_low": float(f"{low[column]:.6g}"),
            "normal_high": float(f"{high[column]:.6g}"),
            "words_high": feature.words_high,
            "words_low": feature.words_low,
            "resolution": feature.resolution,
        }
        for column, feature in enumerate(features)
    ]


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def quality_json(quality: object) -> dict[str, Any]:
    """Round the measures of a quality dataclass for the manifest; what could not be measured is null."""
    measured = asdict(quality).items()  # type: ignore[call-overload]
    return {name: None if np.isnan(value) else round(float(value), 4) for name, value in measured}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that diffs well."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a manifest and check it against its graph.

    Raises:
        ArtifactError: missing, of another schema, incomplete, or the graph's hash differs.

    """
    path = folder / MANIFEST_NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: {error}"
        raise ArtifactError(msg) from error
    missing = [key for key in REQUIRED if key not in manifest]
    if missing or manifest["schema"] != SCHEMA:
        msg = f"{path}: schema {manifest.get('schema')}, missing {', '.join(missing) or 'nothing'}"
        raise ArtifactError(msg)
    onnx = folder / manifest["onnx"]
    if not onnx.is_file() or digest(onnx) != manifest["sha256"]:
        msg = f"{onnx}: missing, or not the file of the manifest"
        raise ArtifactError(msg)
    result: dict[str, Any] = manifest
    return result
