"""A model that is missing or altered: the watcher goes on, says why, and grades at least medium."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kiosk.appraisal.manifest import Stream
from kiosk.appraisal.model import StreamModel
from kiosk.messages import RiskReport
from kiosk.monitoring.still import StillRing
from kiosk.monitoring.watcher import Watcher
from kiosk.processes.watcher import load_models
from tests.unit.test_watcher import ALONE, Kiosk, reading, running

ROOT = Path(__file__).parents[2]


def missing(folder: Path) -> None:
    shutil.rmtree(folder)


def altered(folder: Path) -> None:
    graph = folder / "model.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(bytes(data))


def cut_short(folder: Path) -> None:
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def of_the_other_stream(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    other: Stream = "machine" if manifest["stream"] == "scene" else "scene"
    (folder / "manifest.json").write_text(json.dumps({**manifest, "stream": other}))


@pytest.mark.parametrize(
    ("stream", "spoil"),
    [
        ("scene", missing),
        ("scene", altered),
        ("scene", cut_short),
        ("scene", no_manifest),
        ("scene", of_the_other_stream),
        ("machine", missing),
        ("machine", altered),
    ],
)
async def test_without_a_trustworthy_model_the_watcher_goes_on_and_the_grade_rises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stream: Stream, spoil: Callable[[Path], None]
) -> None:
    folder = tmp_path / "artifacts"
    shutil.copytree(ROOT / "models" / "artifacts", folder)
    spoil(folder / stream)
    with caplog.at_level(logging.ERROR):
        models = load_models(folder)
    assert stream not in models
    assert len(models) == 2  # the other streams are still judged
    assert f"the {stream} stream goes unjudged" in caplog.text
    assert "Install the model's folder again" in caplog.text
    report = await _asked(tmp_path, models)
    assert report.grade == "medium"
    assert [one.grade for one in report.streams if one.stream == stream] == ["medium"]
    assert [one.reasons for one in report.streams if one.stream == stream] == [
        (f"the {stream} could not be judged: no model, the empty shop not seen yet, or values that make no sense",)
    ]


async def _asked(folder: Path, models: dict[Stream, StreamModel]) -> RiskReport:
    made = Kiosk(folder, models=False)
    made.watcher = Watcher(made.camera, models, made.clock, StillRing(folder / "stills"))
    reports = []
    async for kiosk in running(made):
        kiosk.stage("A1", "access")
        await kiosk.camera.show(ALONE, 0.5)
        for number in range(10):
            kiosk.watcher.on_push(reading(number / 5))
        reports.append(await kiosk.ask("A1", "access"))
    return reports[0]
