"""The four networks: onnxruntime, one thread, no torch. `models/cellkinds` writes the graphs."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import onnxruntime as ort

from kiosk.protection import encoding
from kiosk.protection.encoding import Encoded, Floats, Ints
from kiosk.protection.kinds import KINDS

ort.disable_telemetry_events()  # nothing leaves a kiosk but its records
WORDS: Final = ("letters", "parts", "phrases")  # those that see a cell alone
NETWORKS: Final = (*WORDS, "columns")
ALGORITHMS: Final = ("checks", "patterns", *NETWORKS)
MANIFEST: Final = "manifest.json"
GRAPHS_BYTES_MAX: Final = 3_000_000  # together
_MANIFEST_BYTES_MAX: Final = 1 << 18
_FEW: Final = 8  # so many texts are not worth to be sorted by length

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class ArtifactError(ValueError):
    """The folder holds no graphs, or others than its manifest says."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What belongs together: graphs, kinds in the order of their outputs, each algorithm's F-measure per kind."""

    schema: int
    kinds: tuple[str, ...]
    sha256: dict[str, str]
    weights: dict[str, tuple[Share, ...]]
    training: dict[str, str | int | float]

    @property
    def version(self) -> str:
        """Of the whole classifier: 16 hex digits over all hashes and weights."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]


def default_folder() -> Path:
    """That of the package, or of the checkout."""
    packaged = Path(__file__).with_name("artifacts")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "models" / "protection"


def read_manifest(folder: Path) -> Manifest:
    """Raises ArtifactError."""
    try:
        data = (folder / MANIFEST).read_bytes()
        if len(data) > _MANIFEST_BYTES_MAX:
            raise ArtifactError(f"{folder / MANIFEST} is too long")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise ArtifactError(f"no manifest of the classifier in {folder}: {error}") from error
    if manifest.schema != 1 or manifest.kinds != KINDS or set(manifest.sha256) != set(NETWORKS):
        raise ArtifactError(f"{folder} was trained for other kinds or networks; run make train-protection")
    if set(manifest.weights) != set(ALGORITHMS) or any(len(each) != len(KINDS) for each in manifest.weights.values()):
        raise ArtifactError(f"the weights in {folder} are of other algorithms")
    return manifest


class Networks:
    """Four loaded graphs; `run` and `run_columns` may be called from several threads."""

    def __init__(self, folder: Path, sha256: Mapping[str, str] | None = None) -> None:
        """Load; with `sha256`, graphs of other content are refused. Raises ArtifactError."""
        self._sessions = {
            name: _session(folder / f"{name}.onnx", sha256[name] if sha256 else None) for name in NETWORKS
        }

    def run(self, cells: Encoded) -> list[Floats]:
        """What the three that see a cell alone say, each [n, K]."""
        words, shapes = cells.words, cells.shapes
        return [
            self._sessions["letters"].run(None, {"codes": cells.codes})[0],
            self._sessions["parts"].run(None, {"parts": cells.parts})[0],
            self._sessions["phrases"].run(None, {"words": words, "shapes": shapes})[0],
        ]

    def run_columns(self, cell: Floats, column: Floats, rows: Floats, header: Ints) -> Floats:
        """What the reader of columns says, [n, K]; see `cellkinds.networks.Columns` for its inputs."""
        asked = {"cell": cell, "column": column, "rows": rows, "header": header}
        found: Floats = self._sessions["columns"].run(None, asked)[0]
        return found


def _session(path: Path, sha256: str | None) -> ort.InferenceSession:
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"no graph: {error}") from error
    if sha256 is not None and hashlib.sha256(graph).hexdigest() != sha256:
        raise ArtifactError(f"{path} is not the graph that its manifest names")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # As in kiosk.appraisal.model: onnxruntime's own classes all derive from these two.
        if not isinstance(error, RuntimeError | ValueError):
            raise
        raise ArtifactError(f"onnxruntime cannot run {path.name}: {error}") from error


def say(networks: Networks, folded: Sequence[str], batch: int) -> tuple[Floats, Floats]:
    """What the three say of texts, [3, n, K], and their stats [n, STATS]; short ones are not padded to the longest."""
    if len(folded) <= _FEW:
        few = encoding.encode(folded)
        return np.stack(networks.run(few)), few.stats
    order = sorted(range(len(folded)), key=lambda at: min(len(folded[at]), encoding.CHARACTERS_MAX))
    said = np.empty((len(WORDS), len(folded), len(KINDS)), dtype=np.float32)
    stats = np.empty((len(folded), encoding.STATS), dtype=np.float32)
    for at in range(0, len(order), batch):
        rows = order[at : at + batch]
        encoded = encoding.encode([folded[row] for row in rows])
        for which, each in enumerate(networks.run(encoded)):
            said[which, rows] = each
        stats[rows] = encoded.stats
    return said, stats
