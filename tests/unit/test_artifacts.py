"""The shipped models are what their manifests say, and run without torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

ARTIFACTS = Path(__file__).parents[2] / "models" / "artifacts"
STREAMS = ("scene", "machine", "transaction")
BYTES_MAX_TOGETHER = 2_000_000
OUTPUTS = ["score", "bmu", "nearest_normal", "discriminator", "view_scores"]


@pytest.fixture(params=STREAMS)
def folder(request: pytest.FixtureRequest) -> Path:
    return ARTIFACTS / str(request.param)


@pytest.fixture
def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture
def session(folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])


def golden_rows(manifest: dict[str, Any]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array([golden["x"] for golden in manifest["golden"]], dtype=np.float32)


def test_hash_and_stream_are_the_manifests(folder: Path, manifest: dict[str, Any]) -> None:
    assert hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest() == manifest["sha256"]
    assert manifest["stream"] == folder.name
    assert manifest["sha256"] in (folder / "card.md").read_text(encoding="utf-8")


def test_inputs_and_outputs_are_those_of_the_contract(
    manifest: dict[str, Any], session: onnxruntime.InferenceSession
) -> None:
    features = len(manifest["features"])
    assert [(put.name, put.type, put.shape[1:]) for put in session.get_inputs()] == [("x", "tensor(float)", [features])]
    assert [put.name for put in session.get_outputs()] == OUTPUTS
    types = {put.name: put.type for put in session.get_outputs()}
    assert types.pop("bmu") == "tensor(int64)"
    assert set(types.values()) == {"tensor(float)"}


def test_golden_rows_give_the_recorded_answers(manifest: dict[str, Any], session: onnxruntime.InferenceSession) -> None:
    rows = golden_rows(manifest)
    score, bmu, nearest, real, parts = session.run(OUTPUTS, {"x": rows})
    np.testing.assert_allclose(score, [golden["score"] for golden in manifest["golden"]], rtol=1e-4, atol=1e-4)
    assert bmu.tolist() == [golden["bmu"] for golden in manifest["golden"]]
    assert nearest.shape == rows.shape
    assert real.shape == score.shape
    assert parts.shape == (rows.shape[0], len(manifest["parts"]))


def test_any_finite_row_has_a_finite_score_and_a_cell(
    manifest: dict[str, Any], session: onnxruntime.InferenceSession
) -> None:
    rng = np.random.default_rng(1)
    rows = golden_rows(manifest)
    probes = [rows, rows * 1000, -rows, np.zeros_like(rows), np.full_like(rows, 3e38), np.full_like(rows, -3e38)]
    probes.append((rng.standard_normal((200, rows.shape[1])) * 10.0 ** rng.uniform(-3, 6, (200, 1))).astype(np.float32))
    score, bmu, nearest, _, _ = session.run(OUTPUTS, {"x": np.concatenate(probes)})
    assert np.isfinite(score).all()
    assert np.isfinite(nearest).all()
    assert (bmu >= 0).all()
    assert (bmu < [manifest["map"]["rows"], manifest["map"]["columns"]]).all()


def test_every_feature_far_out_of_its_range_is_strange(
    manifest: dict[str, Any], session: onnxruntime.InferenceSession
) -> None:
    usual = np.array([[(f["normal_low"] + f["normal_high"]) / 2 for f in manifest["features"]]], dtype=np.float32)
    spans = [max(f["normal_high"] - f["normal_low"], 1.0) for f in manifest["features"]]
    rows = usual + np.diag(20 * np.array(spans)).astype(np.float32)
    medium = np.quantile(manifest["calibration"]["deposit_max_scores"], 0.95)
    score = session.run(["score"], {"x": rows})[0]
    calm = [f["name"] for f, value in zip(manifest["features"], score, strict=True) if value <= medium]
    assert calm == []


def test_calibration_can_reach_the_high_grade(manifest: dict[str, Any]) -> None:
    calibration = manifest["calibration"]
    maxima = calibration["deposit_max_scores"]
    assert maxima == sorted(maxima)
    # Beyond the greatest of them p falls as the upper tenth does: that must be some, and not all alike.
    upper = maxima[-(len(maxima) // 10) :]
    assert len(upper) >= 6
    assert upper[-1] > upper[0]
    assert 1 / (len(maxima) + 1) <= calibration["alpha_high"] / 2


def test_the_map_beside_it_is_this_graphs(
    folder: Path, manifest: dict[str, Any], session: onnxruntime.InferenceSession
) -> None:
    """Newly trained without it? `python -m somgan atlas --model DIR` reads it out of the graph."""
    atlas = json.loads((folder / "map.json").read_text())
    assert atlas["model_sha256"] == manifest["sha256"]
    rows, columns = manifest["map"]["rows"], manifest["map"]["columns"]
    assert (atlas["rows"], atlas["columns"]) == (rows, columns)
    assert atlas["features"] == [feature["name"] for feature in manifest["features"]]
    assert len(atlas["hits"]) == len(atlas["distance"]) == len(atlas["weights"]) == rows * columns
    assert sum(atlas["hits"]) == pytest.approx(1.0, abs=1e-3)
    assert min(atlas["hits"]) >= 0
    assert min(atlas["distance"]) >= 0
    # A row that lies on a unit falls on that unit: the pictures show the map that judges.
    cells = range(0, rows * columns, 37)
    x = np.array([atlas["weights"][cell] for cell in cells], np.float32)
    found = session.run(["bmu"], {"x": x})[0]
    right = [int(row) * columns + int(column) == cell for (row, column), cell in zip(found, cells, strict=True)]
    assert sum(right) >= len(right) - 1  # rounding may move one between twins


def test_together_they_stay_small() -> None:
    files = [path for path in ARTIFACTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < BYTES_MAX_TOGETHER
