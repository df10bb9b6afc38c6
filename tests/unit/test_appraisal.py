"""Appraisal: only the model that the manifest names runs; grades come with reasons in words."""

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from kiosk.appraisal.conformal import Levels
from kiosk.appraisal.explain import reasons
from kiosk.appraisal.fusion import Moment, fuse, verdict
from kiosk.appraisal.manifest import Calibration, Feature, Manifest, MapSize, ModelError, Stream
from kiosk.appraisal.model import Judged, StreamModel
from kiosk.core import transaction
from kiosk.monitoring import features, machine

LEVELS = Levels(medium=0.05, high=0.01)
ARTIFACTS = Path(__file__).parents[2] / "models" / "artifacts"
NAMES: dict[Stream, tuple[str, ...]] = {
    "scene": features.NAMES,
    "machine": machine.NAMES,
    "transaction": transaction.NAMES,
}


def made_up(stream: Stream = "scene") -> Manifest:
    return Manifest(
        schema=1,
        stream=stream,
        version="t",
        onnx="model.onnx",
        sha256="0" * 64,
        features=(
            Feature("beside", "share", 0.0, 0.2, "somebody is close", "nobody is close"),
            Feature("light", "grey", 50.0, 150.0, "very bright", "very dark"),
        ),
        map=MapSize(12, 12),
        calibration=Calibration(tuple(float(n) for n in range(1, 200)), 0.05, 0.01, 10),
    )


def moment(smoothed: float, row: tuple[float, float] = (0.9, 100.0), stream: Stream = "scene") -> Moment:
    judged = Judged(smoothed, (2, 6), np.array([0.1, 100.0], np.float32), 0.0)
    return Moment(made_up(stream), smoothed, judged, np.array(row, np.float32), 20.0)


# --- words ----------------------------------------------------------------------------------------------


def test_the_strongest_difference_is_said_in_words_with_value_usual_range_and_cell() -> None:
    told = reasons(made_up(), np.array([0.9, 100.0], np.float32), moment(500.0).judged)
    assert told == ("somebody is close (beside 0.9 share, usually 0 to 0.2) [map cell 3,7 of 12 x 12]",)


def test_low_values_get_the_words_for_low_and_the_order_is_by_strength() -> None:
    told = reasons(made_up(), np.array([0.4, -300.0], np.float32), moment(500.0).judged)
    assert [reason.split(" (")[0] for reason in told] == ["very dark", "somebody is close"]


def test_a_value_without_any_range_is_told_only_when_it_leaves_it() -> None:
    still = msgspec.structs.replace(made_up().features[0], normal_high=0.0)
    manifest = msgspec.structs.replace(made_up(), features=(still, made_up().features[1]))
    judged = Judged(500.0, (0, 0), np.array([0.02, 100.0], np.float32), 0.0)
    inside = reasons(manifest, np.array([0.0, 300.0], np.float32), judged)
    outside = reasons(manifest, np.array([0.4, 300.0], np.float32), judged)
    assert [reason.split(" (")[0] for reason in inside] == ["very bright"]
    assert sorted(reason.split(" (")[0] for reason in outside) == ["somebody is close", "very bright"]


def test_a_strange_mixture_of_usual_values_is_said_to_be_one() -> None:
    told = reasons(made_up(), np.array([0.1, 100.0], np.float32), moment(500.0).judged)
    assert len(told) == 1
    assert "combination" in told[0]


# --- grades ---------------------------------------------------------------------------------------------


def test_grades_follow_the_calibration_and_share_the_promise_between_streams() -> None:
    assert verdict(moment(100.0), 2, LEVELS).grade == "low"
    assert verdict(moment(100.0), 2, LEVELS).reasons == ()
    assert verdict(moment(191.5), 1, LEVELS).grade == "medium"
    assert verdict(moment(191.5), 2, LEVELS).grade == "low"
    assert verdict(moment(1000.0), 2, LEVELS).grade == "high"
    assert verdict(moment(1000.0), 2, LEVELS).reasons


def test_the_worst_stream_decides() -> None:
    assert fuse([]) == "low"
    assert fuse([verdict(moment(1.0), 2, LEVELS), verdict(moment(1e6, stream="machine"), 2, LEVELS)]) == "high"


# --- models on disk -------------------------------------------------------------------------------------


@pytest.fixture(params=["scene", "machine", "transaction"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Stream, Path]:
    stream: Stream = request.param
    return stream, Path(shutil.copytree(ARTIFACTS / stream, tmp_path / stream))


def edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_shipped_models_run_on_the_features_this_program_makes(installed: tuple[Stream, Path]) -> None:
    stream, folder = installed
    model = StreamModel.load(folder, stream, NAMES[stream])
    middle = np.array([(f.normal_low + f.normal_high) / 2 for f in model.manifest.features], np.float32)
    judged = model.judge(middle)
    assert np.isfinite(judged.score)
    assert 0 <= judged.bmu[0] < model.manifest.map.rows
    assert judged.nearest_normal.shape == middle.shape
    assert model.judge(middle).score == judged.score


def test_an_altered_graph_is_refused_with_a_remedy(installed: tuple[Stream, Path]) -> None:
    stream, folder = installed
    graph = folder / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(ModelError, match=r"altered.*make train"):
        StreamModel.load(folder, stream, NAMES[stream])


def test_missing_and_foreign_models_are_refused(installed: tuple[Stream, Path], tmp_path: Path) -> None:
    stream, folder = installed
    with pytest.raises(ModelError, match="cannot read"):
        StreamModel.load(tmp_path / "nothing", stream, NAMES[stream])
    other: Stream = "machine" if stream == "scene" else "scene"
    with pytest.raises(ModelError, match="is needed"):
        StreamModel.load(folder, other, NAMES[other])
    with pytest.raises(ModelError, match="other features"):
        StreamModel.load(folder, stream, (*NAMES[stream], "more"))
    edit(folder, schema=2)
    with pytest.raises(ModelError, match="schema 2"):
        StreamModel.load(folder, stream, NAMES[stream])
    edit(folder, schema=1, onnx="../model.onnx")
    with pytest.raises(ModelError, match="not a model's manifest"):
        StreamModel.load(folder, stream, NAMES[stream])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_values_that_make_no_sense_are_refused(installed: tuple[Stream, Path], bad: float | None) -> None:
    stream, folder = installed
    model = StreamModel.load(folder, stream, NAMES[stream])
    row = np.zeros(len(NAMES[stream]) + (bad is None), np.float32)
    row[0] = 0.0 if bad is None else bad
    with pytest.raises(ModelError, match="cannot be judged"):
        model.judge(row)
