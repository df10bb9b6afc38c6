"""The detector in its benchmark: it finds what a distance to neighbours cannot, and says by which view."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from somgan.arrays import Floats
from somgan.benchmark import ablation, peers
from somgan.benchmark.__main__ import main
from somgan.benchmark.ours import Ours
from somgan.benchmark.protocol import read_folder
from somgan.generator import GeneratorSettings
from somgan.metrics import auroc
from somgan.model import PART_NAMES, raw_scores
from somgan.som import MapShape
from somgan.training import Settings

pytestmark = pytest.mark.train

SMALL = Settings(MapShape(8, 8, epochs=15), GeneratorSettings(steps=300))


def bands(rows: int, seed: int) -> Floats:
    """Two relations hold, loosely in wide columns and tightly in a narrow one."""
    chance = np.random.default_rng(seed)
    wide = chance.normal(size=(rows, 4))
    return np.concatenate([wide, wide[:, :1] + 0.05 * chance.normal(size=(rows, 1))], axis=1)


def test_a_broken_relation_is_found_and_the_whitened_view_says_so() -> None:
    detector = Ours(1, SMALL)
    detector.fit(bands(2000, 1))
    normal, broken = bands(500, 2), bands(500, 3)
    broken[:, 4] = np.random.default_rng(4).permutation(broken[:, 4])
    parts = detector.parts(np.concatenate([normal, broken]))
    assert detector.trained is not None
    label = np.arange(1000) >= 500
    assert auroc(parts.sum(axis=1), label) > 0.85
    assert auroc(parts[:, PART_NAMES.index("whitened")], label) > 0.95
    # New normal rows surprise as they should: -log of a uniform share is 1 nat on average.
    fusion = detector.trained.model.fusion
    assert fusion is not None
    raw = raw_scores(detector.trained.model, normal.astype(np.float32))
    assert 0.8 < float(fusion.tails(torch.tensor(raw, dtype=torch.float32)).mean()) < 1.25


def test_same_seed_same_scores() -> None:
    x = bands(600, 1)
    scores = []
    for seed in (1, 1):
        detector = Ours(seed, SMALL)
        detector.fit(x)
        scores.append(detector.score(x[:50]))
    np.testing.assert_array_equal(scores[0], scores[1])


def test_the_line_has_both_detectors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(peers.DETECTORS, "somgan", lambda seed, _features: Ours(seed, SMALL))
    x = bands(300, 5)
    x[:15, 4] += 2.0
    y = (np.arange(300) < 15).astype(np.int64)
    np.savez(tmp_path / "1_bands.npz", X=x, y=y)
    assert main(["tables", "--data", str(tmp_path), "--seeds", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["detectors"]["somgan"]["auroc_mean"] > 0.95
    assert {name: figures["rank_mean"] for name, figures in report["detectors"].items()}.keys() == {"somgan", "knn5"}


def test_the_ablation_names_every_variant(tmp_path: Path) -> None:
    x = bands(400, 6)
    x[:40, 4] = np.random.default_rng(7).permutation(x[:40, 4]) + 1.0
    np.savez(tmp_path / "1_bands.npz", X=x, y=(np.arange(400) < 40).astype(np.int64))
    results = ablation.run(
        read_folder(tmp_path), 1, lambda _line: None, Settings(MapShape(6, 6, epochs=5), GeneratorSettings(steps=30))
    )
    assert set(results) == set(ablation.ORDER)
    means = {name: by_table["bands"]["auroc"] for name, by_table in results.items()}
    assert means["only whitened"] > means["only range"]
    assert means["augmented"] != means["all"]
    assert len(ablation.lines(results)) == len(ablation.ORDER) + 2
