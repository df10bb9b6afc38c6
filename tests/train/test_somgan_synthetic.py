"""Synthetic rows: a report that tells copies from likenesses, and rows that a detector can learn from."""

import json
from pathlib import Path

import numpy as np
import pytest

from somgan.__main__ import main
from somgan.data import read_features, read_table, sidecar_path
from somgan.synthetic import report
from tests.train.conftest import Tables

pytestmark = [pytest.mark.train, pytest.mark.timeout(300)]


def test_copies_are_told_from_new_rows() -> None:
    rng = np.random.default_rng(2)
    training, unseen, new = (rng.normal(0, 3, (600, 5)).astype(np.float32) for _ in range(3))
    copied = report(training, training, unseen, 1)["closeness"]
    # Both sides are samples of the same rows, and all of them: every synthetic row finds itself.
    assert copied["copies"] == 600
    assert copied["nearer_to_training"] == 1.0
    fresh = report(new, training, unseen, 1)
    assert fresh["closeness"]["copies"] == 0
    assert fresh["closeness"]["nearer_to_training"] == pytest.approx(0.5, abs=0.06)
    assert fresh["likeness"]["ks_max"] < 0.12
    assert report(2.0 * new + 1.0, training, unseen, 1)["likeness"]["ks_mean"] > 0.15
    near = training + rng.normal(0, 0.05, training.shape).astype(np.float32)
    assert report(near, training, unseen, 1)["closeness"]["nearer_to_training"] > 0.95


@pytest.mark.parametrize("privacy", [[], ["--epsilon", "8"]])
def test_rows_are_a_table_and_the_report_says_what_they_are_worth(
    tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str], privacy: list[str]
) -> None:
    out = tmp_path / "made.npz"
    data = ["--data", str(tables.training), "--evaluate", str(tables.evaluation), "--out", str(out)]
    assert main(["synthetic", *data, "--rows", "1500", "--steps", "100", *privacy, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    table = read_table(out)
    assert table.x.shape == (1500, 6)
    assert [feature.name for feature in read_features(sidecar_path(out), table.names)] == list(table.names)
    assert said["epsilon"] == (8.0 if privacy else None)
    assert said["closeness"]["copies"] == 0
    assert said["closeness"]["nearer_to_training"] < 0.6
    worth = said["utility"]
    assert worth["trained_on_real"]["auroc"] > 0.9
    if not privacy:
        assert worth["trained_on_synthetic"]["auroc"] > 0.85
