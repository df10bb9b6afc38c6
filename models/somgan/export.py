"""Export to ONNX, opset 17, plain operators, and prove that onnxruntime computes what torch computes."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from somgan.arrays import Floats, Floats32
from somgan.errors import ExportError
from somgan.model import OUTPUT_NAMES, SomGan, batched
from somgan.runtime import OnnxModel, Outputs

OPSET = 17
TOLERANCE = 1e-4
BYTES_MAX = 1_000_000
ROW_MICROSECONDS_MAX = 1000.0
TIMED_RUNS = 300


@dataclass(frozen=True)
class Agreement:
    """Largest difference between torch and onnxruntime relative to max(1, |torch|), size and latency of the graph."""

    difference_max: float
    rows: int
    bmu_different: int
    size_bytes: int
    row_microseconds: float


def export(model: SomGan, features: int, path: Path) -> None:
    """Write the graph: input x float32 [n, d]; outputs score, bmu, nearest_normal, discriminator, view_scores."""
    model.eval()
    axes = {name: {0: "n"} for name in ("x", *OUTPUT_NAMES)}
    with warnings.catch_warnings():
        # The TorchScript exporter is deprecated but needs no onnxscript, and writes opset 17 as it is; torch is pinned.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(2, features),),
            str(path),
            input_names=["x"],
            output_names=list(OUTPUT_NAMES),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(str(path), full_check=True)


def probe_rows(x: Floats32, count: int, seed: int) -> Floats32:
    """Return rows to compare on: real ones, real ones with noise, and extreme ones far outside the training range."""
    chance = np.random.default_rng(seed)
    real = x[chance.integers(0, x.shape[0], count)]
    spread = x.std(axis=0) + 1e-3
    noisy = real + chance.standard_normal(real.shape) * spread
    extreme = real + chance.standard_normal(real.shape) * spread * 10.0 ** chance.uniform(0, 5, (count, 1))
    return np.concatenate([real, noisy, extreme]).astype(np.float32)


def verify(model: SomGan, path: Path, probes: Floats32) -> Agreement:
    """Compare onnxruntime with torch on `probes` and measure one-row latency.

    Raises: ExportError: an output differs by more than TOLERANCE (relative to max(1, |torch|)), or the graph is too
    large or slow.

    """
    graph = OnnxModel(path)
    score, bmu, nearest, real, parts = batched(model, probes)
    expected, got = Outputs(score, bmu.astype(np.int64), nearest, real, parts), graph.run(probes)
    # Nearly equal distances may be ordered differently; the nearest normal of such rows is then another unit's.
    same = (expected.bmu == got.bmu).all(axis=1)
    deviation = model.input_layer.deviation.numpy()
    differences = {
        "score": relative(expected.score, got.score),
        "nearest_normal": relative(expected.nearest_normal[same] / deviation, got.nearest_normal[same] / deviation),
        "discriminator": relative(expected.discriminator, got.discriminator),
        "view_scores": relative(expected.view_scores, got.view_scores),
    }
    worst = max(differences, key=lambda name: differences[name])
    size = path.stat().st_size
    latency = row_microseconds(graph, probes)
    agreement = Agreement(differences[worst], probes.shape[0], int((~same).sum()), size, latency)
    if not differences[worst] <= TOLERANCE or agreement.bmu_different > 0.001 * probes.shape[0]:
        msg = f"{worst} differs by {differences[worst]:.2g}; bmu differs in {agreement.bmu_different} rows"
        raise ExportError(msg)
    if size > BYTES_MAX or latency > ROW_MICROSECONDS_MAX:
        msg = (
            f"graph of {size} bytes and {latency:.0f} microseconds a row; limits {BYTES_MAX} and {ROW_MICROSECONDS_MAX}"
        )
        raise ExportError(msg, remedy="Use a smaller map or fewer features.")
    return agreement


def relative(expected: Floats, got: Floats) -> float:
    """Return the largest |expected - got| / max(1, |expected|); NaN counts as infinitely different."""
    difference = np.abs(expected - got) / np.maximum(1.0, np.abs(expected))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def row_microseconds(graph: OnnxModel, rows: Floats32) -> float:
    """Return the median time of one row in microseconds."""
    elapsed = []
    for index in range(TIMED_RUNS):
        row = rows[index % rows.shape[0]][None, :]
        start = time.perf_counter()
        graph.run(row)
        elapsed.append(time.perf_counter() - start)
    return float(np.median(elapsed) * 1e6)
