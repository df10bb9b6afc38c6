"""One row through each model, beside one row through an empty graph of the same shape."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort

from kiosk.appraisal.manifest import Stream
from kiosk.appraisal.model import StreamModel
from kiosk.processes.watcher import NAMES
from tests.bench import empty_graph
from tests.bench.figures import Figure, alternately, figure

ARTIFACTS = Path(__file__).parents[2] / "models" / "artifacts"
_KINDS = {"tensor(float)": empty_graph.FLOAT, "tensor(int64)": empty_graph.INT64}


def empty_session(graph: Path, width: int) -> ort.InferenceSession:
    """A session of a graph with the same outputs for one row, as bare as the model's own session."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    real = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    answers = real.run(None, {"x": np.zeros((1, width), np.float32)})
    outputs = [
        (output.name, _KINDS[output.type], tuple(np.asarray(answer).shape))
        for output, answer in zip(real.get_outputs(), answers, strict=True)
    ]
    return ort.InferenceSession(empty_graph.model(outputs, width), options, providers=["CPUExecutionProvider"])


def measure(repeats: int, calls: int) -> Iterator[Figure]:
    """Microseconds of a call, median of each repeat's mean."""
    streams: tuple[Stream, ...] = ("scene", "machine")
    for stream in streams:
        model = StreamModel.load(ARTIFACTS / stream, stream, NAMES[stream])
        features = model.manifest.features
        row = np.array([(one.normal_low + one.normal_high) / 2 for one in features], np.float32)
        empty = empty_session(ARTIFACTS / stream / model.manifest.onnx, len(features))
        given = {"x": row.reshape(1, -1)}

        def ours(model: StreamModel = model, row: "np.ndarray[tuple[int], np.dtype[np.float32]]" = row) -> float:
            begun = time.perf_counter()
            for _ in range(calls):
                model.judge(row)
            return (time.perf_counter() - begun) / calls * 1e6

        def limit(
            empty: ort.InferenceSession = empty,
            given: "dict[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]" = given,
        ) -> float:
            begun = time.perf_counter()
            for _ in range(calls):
                empty.run(None, given)
            return (time.perf_counter() - begun) / calls * 1e6

        ours_all, limit_all = alternately(repeats, ours, limit)
        yield figure(
            f"{stream} model, one row",
            "us",
            ours_all,
            limit_all,
            ours_is=f"StreamModel.judge of one row of {len(features)} features: checks, graph, answer",
            limit_is="an empty ONNX graph of the same shape",
        )
