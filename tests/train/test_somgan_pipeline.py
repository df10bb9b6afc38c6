"""From a table on disk to a verified artifact, through the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from somgan.__main__ import main
from somgan.data import read_table
from somgan.manifest import digest, read_manifest
from somgan.runtime import OnnxModel
from tests.train.conftest import Tables

pytestmark = pytest.mark.train

QUICK = ["--map", "8", "--epochs", "10", "--steps", "200"]


def train(tables: Tables, out: Path, seed: int = 1) -> int:
    data = ["--data", str(tables.training), "--evaluate", str(tables.evaluation)]
    return main(["train", *data, "--stream", "scene", "--out", str(out), "--seed", str(seed), *QUICK])


@pytest.fixture(scope="module")
def artifact(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("artifact") / "scene"
    assert train(tables, out) == 0
    return out


def test_manifest_describes_the_graph_and_its_calibration(artifact: Path, tables: Tables) -> None:
    manifest = read_manifest(artifact)
    maxima = manifest["calibration"]["deposit_max_scores"]
    assert manifest["stream"] == "scene"
    assert manifest["map"] == {"rows": 8, "columns": 8}
    assert maxima == sorted(maxima)
    assert len(maxima) == manifest["training"]["calibrate"] == 120
    light = manifest["features"][0]
    column = read_table(tables.training).x[:, 0]
    assert column.min() < light["normal_low"] < np.median(column) < light["normal_high"] < column.max()
    assert (artifact / "card.md").read_text().count("| covered |") == 2  # a danger and a feature


def test_outputs_have_the_names_types_and_ranges_of_the_contract(artifact: Path, tables: Tables) -> None:
    x = read_table(tables.evaluation).x
    outputs = OnnxModel(artifact / "model.onnx").run(x)
    assert outputs.bmu.dtype == np.int64
    assert outputs.bmu.shape == (x.shape[0], 2)
    assert outputs.bmu.min() >= 0
    assert outputs.bmu.max() < 8
    assert outputs.nearest_normal.shape == x.shape
    np.testing.assert_allclose(outputs.view_scores.sum(axis=1), outputs.score, rtol=1e-4, atol=1e-3)
    assert ((outputs.discriminator >= 0) & (outputs.discriminator <= 1)).all()


def test_danger_is_found_and_normal_deposits_keep_the_promise(artifact: Path) -> None:
    report = read_manifest(artifact)["evaluation"]
    assert report["auroc_deposit"] > 0.95
    assert report["detection"]["covered"]["high"] == 1.0
    assert report["detection"]["relation"]["medium_or_high"] > 0.8
    assert report["false_alarm_medium"] <= 0.15  # 60 deposits at 0.05: 0.15 is beyond three standard deviations


def test_nearest_normal_names_the_feature_that_is_wrong(artifact: Path, tables: Tables) -> None:
    table = read_table(tables.evaluation)
    assert table.what is not None
    covered = table.x[table.what == "covered"]
    outputs = OnnxModel(artifact / "model.onnx").run(covered)
    spread = read_table(tables.training).x.std(axis=0) + 0.01
    moved = np.abs(outputs.nearest_normal - covered) / spread
    assert (moved.argmax(axis=1) == table.names.index("covered")).all()
    np.testing.assert_allclose(outputs.nearest_normal[:, 4], 0.0, atol=0.05)


def test_same_seed_makes_the_same_file(artifact: Path, tables: Tables, tmp_path: Path) -> None:
    assert train(tables, tmp_path / "again") == 0
    assert digest(tmp_path / "again" / "model.onnx") == digest(artifact / "model.onnx")
    assert train(tables, tmp_path / "other", seed=2) == 0
    assert digest(tmp_path / "other" / "model.onnx") != digest(artifact / "model.onnx")


def test_deposits_of_several_tables_stay_apart(
    artifact: Path, tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = [str(tables.evaluation)] * 2
    assert main(["evaluate", "--model", str(artifact), "--data", *twice, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deposits"] == 160


def test_evaluate_prints_one_json_object(artifact: Path, tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--model", str(artifact), "--data", str(tables.evaluation), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == read_manifest(artifact)["evaluation"]


def test_recording_a_report_leaves_the_graph_alone(artifact: Path, tables: Tables, tmp_path: Path) -> None:
    for name in ("model.onnx", "manifest.json"):
        (tmp_path / name).write_bytes((artifact / name).read_bytes())
    twice = [str(tables.evaluation)] * 2
    assert main(["evaluate", "--model", str(tmp_path), "--data", *twice, "--record"]) == 0
    before, after = read_manifest(artifact), read_manifest(tmp_path)
    assert after.pop("evaluation")["deposits"] == 160
    before.pop("evaluation")
    assert after == before
    assert "160 other deposits" in (tmp_path / "card.md").read_text()


def test_a_changed_graph_is_refused_with_a_remedy(
    artifact: Path, tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("model.onnx", "manifest.json"):
        (tmp_path / name).write_bytes((artifact / name).read_bytes())
    with (tmp_path / "model.onnx").open("ab") as graph:
        graph.write(b"\0")
    assert main(["evaluate", "--model", str(tmp_path), "--data", str(tables.evaluation)]) == 2
    assert "make train" in capsys.readouterr().err
