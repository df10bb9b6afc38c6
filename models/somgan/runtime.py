"""The exported graph in onnxruntime, as the kiosk runs it; used to compare with torch and to evaluate without torch."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from somgan.arrays import Floats, Floats32, Ints

CHUNK_ROWS = 1024


class Outputs(NamedTuple):
    """Outputs of the graph for n rows, in the order and with the names of the contract."""

    score: Floats
    bmu: Ints
    nearest_normal: Floats
    discriminator: Floats
    view_scores: Floats


class OnnxModel:
    """A session on one thread, as on the kiosk, where the frame loop needs the other cores."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, x: Floats32) -> Outputs:
        """Run rows [n, d], n >= 1, in bounded chunks."""
        chunks = [
            self._session.run(list(Outputs._fields), {"x": x[begin : begin + CHUNK_ROWS]})
            for begin in range(0, x.shape[0], CHUNK_ROWS)
        ]
        score, bmu, nearest, real, parts = (np.concatenate(column) for column in zip(*chunks, strict=True))
        return Outputs(
            score.astype(np.float64),
            bmu,
            nearest.astype(np.float64),
            real.astype(np.float64),
            parts.astype(np.float64),
        )
