"""Walkers at their pace, then one at three times it: the frames' scores say when. Needs no torch."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from somgan.benchmark import video
from somgan.benchmark.__main__ import main


def film(path: Path, frames: int, fast_from: int | None, seed: int) -> None:
    """Textured walkers 12 x 30 cross a textured ground of 180 x 120 at 1 pixel a frame."""
    ground = np.random.default_rng(0).integers(80, 120, (120, 180)).astype(np.uint8)
    chance = np.random.default_rng(seed)
    walkers = [(float(chance.uniform(0, 180)), y) for y in (20, 55, 85)]
    cloth = chance.integers(150, 255, (30, 12)).astype(np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (180, 120))
    for frame in range(frames):
        picture = ground.copy()
        for index, (x, y) in enumerate(walkers):
            fast = fast_from is not None and frame >= fast_from and index == 1
            walkers[index] = (x + (3.0 if fast else 1.0)) % 168, y
            at = int(walkers[index][0])
            picture[y : y + 30, at : at + 12] = cloth
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    writer.release()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for number in range(3):
        film(folder / f"train_{number}.avi", 100, None, number)
    film(folder / "test_1.avi", 90, 45, 7)
    label = {"test_1": {"frames": 90, "anomalous_first": 45, "anomalous_last": 89}}
    (folder / "labels.json").write_text(json.dumps(label))
    return folder


def test_the_line_says_when_somebody_was_fast(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["video", "--data", str(folder), "--detectors", "knn5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["frames"] == 90
    for name in ("flow", "knn5"):
        figures = report["detectors"][name]
        assert figures["auroc_micro"] > 0.9
        assert figures["auroc_micro"] == figures["auroc_macro"]
        assert figures["milliseconds_per_frame"] > 0


def test_smoothing_looks_both_ways_or_back_only() -> None:
    score = np.zeros(40)
    score[20] = 15.0
    assert video.smoothed(score).nonzero()[0].tolist() == list(range(13, 28))
    assert video.smoothed(score, causal=True).nonzero()[0].tolist() == list(range(20, 35))
    np.testing.assert_allclose(video.smoothed(np.ones(5)), 1.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [("labels.json", "{"), ("labels.json", '{"test_9": {}}'), ("labels.json", "{}"), ("test_1.avi", "no video")],
)
def test_folders_that_do_not_fit_are_refused(
    folder: Path, tmp_path: Path, name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_text(text)
    assert main(["video", "--data", str(tmp_path), "--detectors", "knn5"]) == 2
    assert str(tmp_path) in capsys.readouterr().err
