"""manifest.json of a model: parsed and checked before its graph is run.

The manifest is written by `models/somgan`; unknown keys are allowed (the trainer may say more), missing or
ill-typed ones are not.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from kiosk.appraisal.conformal import CALIBRATED_S
from kiosk.errors import KioskError

SCHEMA: Final = 1
MODEL_BYTES_MAX: Final = 16 << 20
MANIFEST_BYTES_MAX: Final = 1 << 20
EXAMPLES_MIN: Final = 4  # golden examples: fewer show nothing

Stream = Literal["scene", "machine", "transaction"]
Alpha = Annotated[float, Meta(gt=0, lt=1)]


class ModelError(KioskError, RuntimeError):
    """A model is missing, altered, or was given what it cannot judge."""

    remedy = "Install the model's folder again from the release, or train one with `make train`."


class Feature(msgspec.Struct, frozen=True):
    """One input: its usual range (1st to 99th percentile of training rows) and the words for leaving it."""

    name: str
    unit: str
    normal_low: float
    normal_high: float
    words_high: str
    words_low: str


class MapSize(msgspec.Struct, frozen=True):
    """Size of the map in cells."""

    rows: Annotated[int, Meta(ge=1, le=256)]
    columns: Annotated[int, Meta(ge=1, le=256)]


class Calibration(msgspec.Struct, frozen=True):
    """Maxima of the smoothed score over held-out normal deposits, and what the grades promise."""

    deposit_max_scores: Annotated[tuple[float, ...], Meta(min_length=19, max_length=100_000)]
    alpha_medium: Alpha
    alpha_high: Alpha
    smoothing_rows: Annotated[int, Meta(ge=1, le=1000)]
    calibrated_s: Annotated[float, Meta(gt=0, le=3600)] = CALIBRATED_S  # the longest of those deposits


class Golden(msgspec.Struct, frozen=True):
    """A row in raw units, and what the model said of it where it was made."""

    x: Annotated[tuple[float, ...], Meta(min_length=1, max_length=256)]
    score: float
    bmu: tuple[int, int]  # row, column


class Manifest(msgspec.Struct, frozen=True):
    """What the kiosk needs of manifest.json."""

    schema: int
    stream: Stream
    version: str
    onnx: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]  # a file name, not a path
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    features: Annotated[tuple[Feature, ...], Meta(min_length=1, max_length=256)]
    map: MapSize
    calibration: Calibration
    golden: Annotated[tuple[Golden, ...], Meta(max_length=64)] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in the order of the graph's input."""
        return tuple(feature.name for feature in self.features)


def read_checked(folder: Path, stream: Stream) -> tuple[Manifest, bytes]:
    """The manifest of a model's folder and the bytes of its graph, which are those that the manifest names.

    Raises ModelError, with the remedy, when anything is missing, oversized, of another stream or altered.
    """
    path = folder / "manifest.json"
    manifest = parsed(_bounded(path, MANIFEST_BYTES_MAX), stream, str(path))
    graph = _bounded(folder / manifest.onnx, MODEL_BYTES_MAX)
    check_graph(manifest, graph, str(folder / manifest.onnx))
    return manifest, graph


def parsed(content: bytes, stream: Stream, where: str) -> Manifest:
    """The manifest in `content`, which came from `where`. Raises ModelError."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{where} is not a model's manifest: {error}"
        raise ModelError(message) from error
    if manifest.schema != SCHEMA or manifest.stream != stream:
        message = (
            f"{where} has schema {manifest.schema} for the stream {manifest.stream}; {SCHEMA} for {stream} is needed"
        )
        raise ModelError(message)
    return manifest


def check_graph(manifest: Manifest, graph: bytes, where: str) -> None:
    """Raise ModelError unless `graph`, which came from `where`, is the one that the manifest names."""
    if hashlib.sha256(graph).hexdigest() != manifest.sha256:
        message = f"{where} is not the file that its manifest names: it was altered or mixed up"
        raise ModelError(message)


def _bounded(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ModelError(message) from error
    if len(content) > bytes_max:
        message = f"{path} is larger than {bytes_max} bytes"
        raise ModelError(message)
    return content
