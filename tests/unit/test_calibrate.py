"""A model's grades made anew from a site's own deposits: the graph stays, the maxima are theirs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kiosk.appraisal.manifest import ModelError
from kiosk.appraisal.model import StreamModel
from kiosk.monitoring import machine
from kiosk.monitoring.calibrate import calibrate

ARTIFACTS = Path(__file__).parents[2] / "models" / "artifacts"


def table(path: Path, model: StreamModel, deposits: int) -> Path:
    rng = np.random.default_rng(1)
    low = np.array([feature.normal_low for feature in model.manifest.features])
    high = np.array([feature.normal_high for feature in model.manifest.features])
    rows = rng.uniform(low, high, (deposits * 5, low.size)).astype(np.float32)
    owners = np.repeat(np.arange(deposits), 5)
    np.savez(path, X=rows, deposit=owners, names=np.array(machine.NAMES))
    return path


def test_the_maxima_are_the_sites_and_the_graph_is_the_trainers(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ARTIFACTS / "machine", tmp_path / "machine"))
    before = StreamModel.load(folder, "machine", machine.NAMES)
    assert calibrate(folder, table(tmp_path / "t.npz", before, 60)) == 60
    after = StreamModel.load(folder, "machine", machine.NAMES).manifest
    assert after.sha256 == before.manifest.sha256
    assert len(after.calibration.deposit_max_scores) == 60
    assert list(after.calibration.deposit_max_scores) == sorted(after.calibration.deposit_max_scores)
    assert "60 normal deposits" in json.loads((folder / "manifest.json").read_text())["calibration"]["source"]


def test_too_few_deposits_promise_nothing(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ARTIFACTS / "machine", tmp_path / "machine"))
    model = StreamModel.load(folder, "machine", machine.NAMES)
    with pytest.raises(ModelError, match="has 10 deposits"):
        calibrate(folder, table(tmp_path / "t.npz", model, 10))
