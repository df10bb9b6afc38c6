"""Depositors grouped on the map of the model that ships."""

import json
from pathlib import Path

import numpy as np
import pytest

from somgan.__main__ import main
from somgan.errors import DataError
from somgan.manifest import read_manifest
from somgan.segments import grouped, segments, silhouette

MODEL = Path(__file__).parents[2] / "models" / "artifacts" / "transaction"
KEEPER = {"amount": 3.2, "notes": 4.9, "mean_note": 1.8, "dwell": 6.2, "own_day_amount": 3.4, "interval": 0.2}
PASSER = {"amount": 1.6, "notes": 1.2, "mean_note": 1.2, "dwell": 3.5, "own_day_amount": 1.7, "interval": 1.4}


def table(path: Path, keepers: int, passers: int, *, deposits: int = 8, pseudonyms: bool = True) -> Path:
    """Each depositor comes again and again, a little differently; a deposit has a row at its beginning and its end."""
    rng = np.random.default_rng(4)
    features = read_manifest(MODEL)["features"]
    names = [feature["name"] for feature in features]
    usual = np.array([(feature["normal_low"] + feature["normal_high"]) / 2 for feature in features])
    width = np.array([feature["normal_high"] - feature["normal_low"] for feature in features])
    rows, owner, who = [], [], []
    for person in range(keepers + passers):
        habits = KEEPER if person < keepers else PASSER
        base = usual.copy()
        base[[names.index(name) for name in habits]] = list(habits.values())
        base += rng.normal(0, 0.03, base.size) * width
        for number in range(deposits):
            rows += [np.zeros(base.size), base + rng.normal(0, 0.05, base.size) * width]
            owner += [person * 100 + number] * 2
            who += [f"{'keeper' if person < keepers else 'passer'}-{person}"] * 2
    arrays = {"X": np.array(rows, np.float32), "deposit": np.array(owner), "names": np.array(names)}
    np.savez(path, **arrays, **({"depositor": np.array(who)} if pseudonyms else {}))  # type: ignore[arg-type]
    return path


def test_groups_are_those_who_do_alike_and_words_say_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = table(tmp_path / "t.npz", 14, 26)
    assert main(["segments", "--model", str(MODEL), "--data", str(data), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["depositors"] == 40
    assert report["silhouette"] > 0.5
    kinds = [{name.partition("-")[0] for name in group["pseudonyms"]} for group in report["groups"]]
    assert all(len(kind) == 1 for kind in kinds)
    keepers = next(group for group in report["groups"] if group["pseudonyms"][0].startswith("keeper"))
    assert any("higher" in line and "unusually many notes" in line for line in keepers["words"])
    assert main(["segments", "--model", str(MODEL), "--data", str(data)]) == 0
    assert "40 depositors in" in capsys.readouterr().out


def test_few_people_are_not_described(tmp_path: Path) -> None:
    data = table(tmp_path / "t.npz", 3, 20)
    report = segments(MODEL, data, 2, 1)
    assert report["ungrouped"] == 3
    assert not any(name.startswith("keeper") for group in report["groups"] for name in group["pseudonyms"])
    with pytest.raises(DataError, match="too few"):
        segments(MODEL, table(tmp_path / "u.npz", 4, 4), None, 1)
    with pytest.raises(DataError, match="too few"):
        segments(MODEL, table(tmp_path / "v.npz", 20, 20, deposits=3), None, 1)
    with pytest.raises(DataError, match="smaller than"):
        segments(MODEL, data, 9, 1)


def test_a_table_without_pseudonyms_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = table(tmp_path / "t.npz", 10, 10, pseudonyms=False)
    assert main(["segments", "--model", str(MODEL), "--data", str(data)]) == 2
    assert "pseudonym" in capsys.readouterr().err


def test_what_is_one_cloud_has_no_groups() -> None:
    rng = np.random.default_rng(1)
    cloud = rng.normal(0, 1, (200, 8))
    two = np.concatenate([cloud, cloud + 12.0])
    assert silhouette(cloud, grouped(cloud, 2, rng), rng) < 0.2
    groups = grouped(two, 2, rng)
    assert silhouette(two, groups, rng) > 0.7
    assert np.unique(groups[:200]).size == np.unique(groups[200:]).size == 1
