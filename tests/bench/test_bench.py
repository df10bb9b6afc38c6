"""The benchmark's own code: it measures something, and says it whole. Speed is asserted nowhere."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from kiosk.processes.table import PROCESSES, process_named
from tests.bench import empty_graph
from tests.bench.__main__ import main
from tests.bench.figures import Figure, figure, machine, number, percentile, results, table
from tests.bench.inference import ARTIFACTS, empty_session
from tests.bench.starting import NEEDS, _without_hardware, bare_import, start_to_ready


def one(better: str = "lower", limit: tuple[float, ...] = (2.0, 1.0, 3.0)) -> Figure:
    return figure(
        "x", "ms", (6.0, 4.0, 5.0), limit, ours_is="a", limit_is="b", better="higher" if better == "higher" else "lower"
    )


def test_a_figure_is_a_median_and_a_ratio_of_costs() -> None:
    assert (one().ours, one().limit, one().ratio) == (5.0, 2.0, 2.5)
    assert one("higher").ratio == 0.4
    assert one(limit=()).limit is None
    assert one(limit=()).ratio is None


def test_percentiles_and_numbers() -> None:
    assert percentile([float(n) for n in range(100)], 99) == 99
    assert percentile([1.0], 99) == 1
    assert [number(value) for value in (12345.6, 12.34, 1.234, 0.1234)] == ["12,346", "12.3", "1.23", "0.123"]


def test_table_and_results_say_everything() -> None:
    figures = [one(), one(limit=())]
    lines = table(figures).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "5.00 ms" in lines[2]
    assert "2.50" in lines[2]
    said = json.loads(json.dumps(results(figures, machine(), datetime.now(UTC), 1.0)))
    assert said["figures"][0]["ours_all"] == [6.0, 4.0, 5.0]
    assert said["figures"][0]["ratio"] == 2.5
    assert said["machine"]["cores"] >= 1


@pytest.mark.parametrize("stream", ["scene", "machine"])
def test_the_empty_graph_has_the_models_shape(stream: str) -> None:
    graph = ARTIFACTS / stream / "model.onnx"
    real = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    width = real.get_inputs()[0].shape[1]
    empty = empty_session(graph, width)
    row = {"x": np.arange(width, dtype=np.float32).reshape(1, -1)}
    ours, bare = real.run(None, row), empty.run(None, row)
    assert [output.name for output in empty.get_outputs()] == [output.name for output in real.get_outputs()]
    assert [(np.shape(a), np.asarray(a).dtype) for a in bare] == [(np.shape(a), np.asarray(a).dtype) for a in ours]
    names = [output.name for output in empty.get_outputs()]
    assert np.array_equal(bare[names.index("nearest_normal")], row["x"])


def test_long_fields_are_encoded_as_protobuf_wants() -> None:
    data = empty_graph.model([("y", empty_graph.FLOAT, (1, 300))], 7)
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert np.shape(session.run(None, {"x": np.zeros((1, 7), np.float32)})[0]) == (1, 300)


def test_the_quick_suite_measures_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "results.json"
    parts = ["watching", "inference", "screen", "sealing", "receiving", "large-log", "edges"]
    assert main(["--quick", "--only", *parts, "--output", str(output)]) == 0
    said = json.loads(output.read_text())
    assert len(said["figures"]) == 15
    told = capsys.readouterr().out
    for each in said["figures"]:
        assert f"| {each['name']} " in told
        assert each["ours"] > 0
        assert each["limit"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]  # what it ran in is gone


def test_processes_start_alone_without_hardware(tmp_path: Path) -> None:
    _without_hardware(tmp_path)
    assert set(NEEDS) == {process.name for process in PROCESSES}
    assert 0 < start_to_ready(process_named("uplink"), tmp_path) < 30
    seconds, peak_mib = bare_import("json")
    assert seconds > 0
    assert peak_mib > 1
