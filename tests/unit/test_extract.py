"""`hwsim dataset` to `kiosk features`: the tables that models are trained on, made by the product's own code."""

import argparse
import json
from pathlib import Path

import numpy as np

from hwsim import dataset
from hwsim.dataset import Script, script
from kiosk.monitoring import extract
from kiosk.monitoring.feature_words import sidecar
from kiosk.monitoring.features import NAMES


def make(folder: Path, *arguments: str) -> Path:
    parser = argparse.ArgumentParser()
    dataset.add_arguments(parser)
    assert dataset.run(parser.parse_args(["--out", str(folder), *arguments])) == 0
    return folder


def features(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    extract.add_arguments(parser)
    return extract.run(parser.parse_args(arguments))


def shown(made: Script) -> list[tuple[bool, bool, bool, str]]:
    states = [made.state(n / 10) for n in range(int(made.end_s * 10))]
    return [(state.depositor, state.onlooker, state.hand, state.lens) for state in states]


def test_scripts_are_repeatable_and_dangers_happen_within_the_deposit() -> None:
    for number in range(50):
        normal, watched = script(number, 3, "none"), script(number, 3, "onlooker")
        assert shown(normal) == shown(script(number, 3, "none"))
        assert not any(onlooker or lens != "clear" for _, onlooker, _, lens in shown(normal))
        assert 9.0 <= normal.end_s - normal.start_s <= 42.0
        assert watched.start_s < watched.event[0] < watched.event[1] <= watched.end_s
        assert watched.event[1] - watched.event[0] >= 3.0
        assert any(onlooker for _, onlooker, _, _ in shown(watched))


def test_scene_tables_carry_labels_words_and_rows_of_the_deposit_only(tmp_path: Path) -> None:
    clips = make(tmp_path / "d", "--deposits", "2", "--seed", "5", "--events", "none,covered", "--only", "scene")
    out = tmp_path / "scene.npz"
    assert features("--clips", str(clips), "--out", str(out)) == 0
    index = {entry["deposit"]: entry for entry in json.loads((clips / "deposits.json").read_text())}
    with np.load(out) as table:
        assert tuple(table["names"]) == NAMES
        assert table["X"].shape == (table["deposit"].size, len(NAMES))
        assert np.isfinite(table["X"]).all()
        for number, entry in index.items():
            at_s = table["at_s"][table["deposit"] == number]
            assert at_s.min() >= entry["start_s"]
            assert at_s.max() <= entry["end_s"]
            assert at_s.size >= 0.95 * (entry["end_s"] - entry["start_s"]) * entry["frames_per_second"]
        assert set(table["what"][table["deposit"] == 0]) == {""}
        assert set(table["what"][table["deposit"] == 1]) == {"", "covered"}
        assert (table["y"] == (table["what"] != "")).all()
        assert set(table["lens"][table["deposit"] == 0]) == {"clear"}
        assert "covered" in set(table["lens"][table["what"] == "covered"])
    assert json.loads((tmp_path / "scene.features.json").read_text()) == sidecar("scene")


def test_machine_tables_and_joining(tmp_path: Path) -> None:
    for first in (0, 2):
        folder = make(
            tmp_path / f"d{first}", "--deposits", "2", "--first", str(first), "--seed", "5", "--only", "machine"
        )
        assert features("--clips", str(folder), "--stream", "machine", "--out", str(tmp_path / f"{first}.npz")) == 0
    parts = [str(tmp_path / "0.npz"), str(tmp_path / "2.npz")]
    assert features("--join", *parts, "--stream", "machine", "--out", str(tmp_path / "all.npz")) == 0
    with np.load(tmp_path / "all.npz") as table:
        assert set(table["deposit"]) == {0, 1, 2, 3}
        assert np.isfinite(table["X"]).all()
        assert (np.diff(table["at_s"][table["deposit"] == 3]) >= 0.24).all()
