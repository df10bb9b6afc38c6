"""One stream's SOM-GAN at the edge: onnxruntime, one thread, no torch.

The graph takes raw features and gives score, best-matching unit, nearest normal and the discriminator's
opinion; models/somgan writes it, and its names are checked at load.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from kiosk.appraisal.manifest import Calibration, Manifest, ModelError, Stream, read_checked

ort.disable_telemetry_events()  # nothing leaves a kiosk but its records
Row = npt.NDArray[np.float32]
OUTPUTS: Final = ("score", "bmu", "nearest_normal", "discriminator")


@dataclass(frozen=True, slots=True)
class Judged:
    """What the model says of one row."""

    score: float  # larger is stranger
    bmu: tuple[int, int]  # row, column on the map
    nearest_normal: Row  # [d], raw units
    discriminator: float


class StreamModel:
    """A loaded and checked model; safe to use from one thread at a time."""

    def __init__(self, manifest: Manifest, graph: bytes) -> None:
        """Build the session; raises ModelError when the graph is not one of ours."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime raises many private classes of its own, all derived from RuntimeError or ValueError.
            if not isinstance(error, RuntimeError | ValueError):
                raise
            message = f"onnxruntime cannot run the {manifest.stream} model: {error}"
            raise ModelError(message) from error
        outputs = {output.name for output in self._session.get_outputs()}
        inputs = self._session.get_inputs()
        if not set(OUTPUTS) <= outputs or [entry.name for entry in inputs] != ["x"]:
            message = f"the {manifest.stream} model has inputs and outputs other than the agreed ones"
            raise ModelError(message)
        self.manifest = manifest
        self.judge(np.array([(f.normal_low + f.normal_high) / 2 for f in manifest.features], np.float32))

    @classmethod
    def load(cls, folder: Path, stream: Stream, names: Sequence[str]) -> "StreamModel":
        """Read, check and start the model of `stream`; `names` are the features that this program makes.

        Raises ModelError when it is missing, altered, or was trained on other features.
        """
        manifest, graph = read_checked(folder, stream)
        return cls.started(manifest, graph, names, str(folder))

    @classmethod
    def started(cls, manifest: Manifest, graph: bytes, names: Sequence[str], where: str) -> "StreamModel":
        """Start a checked model, which came from `where`; as `load` otherwise."""
        if manifest.names != tuple(names):
            differing = sorted(set(manifest.names) ^ set(names)) or ["their order"]
            message = f"the {manifest.stream} model in {where} was trained on other features: {', '.join(differing)}"
            raise ModelError(message)
        return cls(manifest, graph)

    def calibrated(self, calibration: Calibration) -> "StreamModel":
        """The same model with other grades; the session is shared."""
        other = copy.copy(self)
        other.manifest = msgspec.structs.replace(self.manifest, calibration=calibration)
        return other

    def judge(self, row: Row) -> Judged:
        """Judge one row, float32 [d] in raw units; raises ModelError for a wrong shape, NaN or infinity."""
        if row.shape != (len(self.manifest.features),) or not np.isfinite(row).all():
            message = f"the {self.manifest.stream} stream gave values that cannot be judged (shape {row.shape}, or NaN)"
            raise ModelError(message, remedy="Look at the sensor or camera that they come from.")
        score, bmu, nearest, discriminator = self._session.run(list(OUTPUTS), {"x": row.reshape(1, -1)})
        value = float(np.ravel(score)[0])
        if not np.isfinite(value):
            message = f"the {self.manifest.stream} model gave no finite score"
            raise ModelError(message)
        cell = np.ravel(bmu)
        return Judged(
            value,
            (int(cell[0]), int(cell[1])),
            np.asarray(nearest, np.float32).reshape(-1),
            float(np.ravel(discriminator)[0]),
        )
