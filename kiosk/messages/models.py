"""The models that watch: editions side by side, bundles on their way in and out, what was found out about them."""

from typing import Annotated, Final, Literal

import msgspec

from kiosk.messages.shared import Message
from kiosk.messages.watcher import EvidencePart, Sha256Hex

ModelStream = Literal["scene", "machine", "transaction"]
ModelFile = Literal["manifest.json", "model.onnx"]
MODEL_PART_BYTES: Final = 512 * 1024  # of a file, well inside a bus frame
MODEL_FILE_BYTES_MAX: Final = 4 << 20
PARTS_MAX: Final = -(-MODEL_FILE_BYTES_MAX // MODEL_PART_BYTES)
MODEL_WHY_CHARACTERS_MAX: Final = 300
MAXIMA_MAX: Final = 1000
Finite = Annotated[float, msgspec.Meta(ge=-1e30, le=1e30)]  # neither NaN nor infinity


class StageModel(Message, frozen=True):
    """A signed bundle for `InstallModel`, part by part, in order. `Ok`; `StagedModel` for the last; `Refused`."""

    part: EvidencePart


class StagedModel(Message, frozen=True):
    """The bundle is here and is signed by the bank; nothing is installed yet."""

    stream: ModelStream
    number: int
    version: str
    model_sha256: Sha256Hex
    bundle_sha256: bytes
    current: int  # the number of the edition that judges now


class GetModels(Message, frozen=True):
    """Answered with `Models`."""


class EditionView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One edition: 0 is the packaged one."""

    number: int
    version: str
    sha256: Sha256Hex
    standing: Literal["trial", "good", "failed"]
    why: str = ""


class CalibrationView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Grades made anew on this kiosk, for the model of this hash only."""

    model_sha256: Sha256Hex
    maxima: Annotated[tuple[Finite, ...], msgspec.Meta(max_length=MAXIMA_MAX)]  # of whole deposits, ascending
    calibrated_s: float  # the longest of those deposits
    at: str  # RFC 3339


class ShelfView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream's models."""

    stream: ModelStream
    editions: tuple[EditionView, ...]
    current: int
    trial: int | None
    calibration: CalibrationView | None = None  # of the current model


class Models(Message, frozen=True):
    """Every stream's models."""

    streams: tuple[ShelfView, ...]


class FetchModel(Message, frozen=True):
    """A part of an installed edition's file. `ModelPart` or `Refused`."""

    stream: ModelStream
    number: int
    name: ModelFile
    index: Annotated[int, msgspec.Meta(ge=0, lt=PARTS_MAX)]


class ModelPart(Message, frozen=True):
    """`index` of `parts` of `MODEL_PART_BYTES` each, the last perhaps less."""

    parts: int
    data: bytes


class ModelTried(Message, frozen=True):
    """What an edition's golden examples have shown in the watcher. Answered with `Ok`."""

    stream: ModelStream
    number: int
    sha256: Sha256Hex
    passed: bool
    why: Annotated[str, msgspec.Meta(max_length=MODEL_WHY_CHARACTERS_MAX)] = ""


class ModelsChanged(Message, frozen=True):
    """Other models are wanted than before, or other grades: ask `GetModels`."""
