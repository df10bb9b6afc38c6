"""What the models have seen on this kiosk: deposits as a whole, drift, and what a calibration on them would change."""

import math
from typing import Annotated, Final

import msgspec

from kiosk.messages.models import ModelStream
from kiosk.messages.shared import Grade, Message
from kiosk.messages.watcher import Reason, Sha256Hex

CELLS_MAX: Final = 1024  # of one deposit on one map; the most visited ones
FEATURES_MAX: Final = 256
SEEN_REASONS_MAX: Final = 4
COLLECTED_MAX: Final = 1000  # deposits of one stream that are kept
WITHOUT_MAX: Final = 64
Row = Annotated[tuple[float, ...], msgspec.Meta(max_length=FEATURES_MAX)]
Cell = tuple[Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)], Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]]


class StreamSeen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream's worst moment in a whole deposit, and where on its map all of it was. ValueError for no number."""

    stream: ModelStream
    model_sha256: Sha256Hex
    score: float  # smoothed, the greatest
    p_value: Annotated[float, msgspec.Meta(ge=0, le=1)]
    grade: Grade
    duration_s: Annotated[float, msgspec.Meta(ge=0, le=1e6)]  # of the deposit
    bmu: tuple[int, int]  # row, column at that moment
    cells: Annotated[tuple[Cell, ...], msgspec.Meta(max_length=CELLS_MAX)]  # cell (row by row), judged rows in it
    reasons: Annotated[tuple[Reason, ...], msgspec.Meta(max_length=SEEN_REASONS_MAX)]  # in words, also of a low grade
    row: Row  # at that moment, raw units
    nearest: Row  # the nearest normal row

    def __post_init__(self) -> None:
        """NaN and infinities pass every comparison, and JSON cannot hold them."""
        if not all(map(math.isfinite, (self.score, self.p_value, self.duration_s, *self.row, *self.nearest))):
            message = "figures must be finite"
            raise ValueError(message)


class DepositSeen(Message, frozen=True):
    """A deposit has ended. `sound`: seen from its beginning, every stream judged, the lens clear throughout. `Ok`."""

    deposit_code: Annotated[str, msgspec.Meta(max_length=64)]
    grade: Grade
    sound: bool
    streams: Annotated[tuple[StreamSeen, ...], msgspec.Meta(max_length=3)]


class PlanCalibration(Message, frozen=True):
    """What a calibration would rest on. `CalibrationPlan`, or `Refused` with what is missing."""

    stream: ModelStream
    without: Annotated[tuple[int, ...], msgspec.Meta(max_length=WITHOUT_MAX)] = ()


class CalibrationPlan(Message, frozen=True):
    """Everything that `CalibrateModel` is signed for, and what it would change."""

    stream: ModelStream
    model_sha256: Sha256Hex
    until: int  # the last collected deposit's number
    deposits: int
    without: tuple[int, ...]
    maxima_sha256: bytes
    alarmed: tuple[int, ...]  # deposits in it that were graded medium or high: were they normal?
    medium_before: float | None  # smoothed scores from which a deposit is medium or high; None: no score is
    medium_after: float | None
    high_before: float | None
    high_after: float | None


class GetRiskMap(Message, frozen=True):
    """A stream's map and what happened on it. `RiskMap` or `Refused`."""

    stream: ModelStream


class Plane(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature over the map."""

    name: str
    unit: str
    normal_low: float
    normal_high: float
    values: tuple[float, ...]  # by cell, row by row, raw units


class ScoreView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A deposit that counts for a calibration."""

    n: int
    at: str  # RFC 3339
    score: float
    grade: Grade


class RecentView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A deposit of late, as this stream saw it."""

    at: str  # RFC 3339
    fused: Grade
    sound: bool
    seen: StreamSeen


class DriftView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether deposits here are still like those that the grades rest on."""

    deposits: int  # in this run of the test
    evidence: float  # so many to one that they are not
    mean_p: float  # below a half: they score higher
    alarmed: int | None  # it came to 100 to one after so many deposits
    elsewhere: float | None  # share of rows on other regions of the map than in training; None: too few, or no map


class RiskMap(Message, frozen=True):
    """All that a picture of the map needs. Empty planes: this model came without its map."""

    stream: ModelStream
    version: str
    model_sha256: Sha256Hex
    rows: int
    columns: int
    distance: tuple[float, ...]  # U-matrix, by cell
    trained: tuple[float, ...]  # share of the training's rows, by cell
    here: tuple[tuple[int, float], ...]  # share of this kiosk's rows: cell, share
    hour: tuple[Cell, ...]  # judged rows of the last hour
    planes: tuple[Plane, ...]
    recent: tuple[RecentView, ...]  # newest last
    collected: tuple[ScoreView, ...]
    needed: int
    drift: DriftView
    medium_from: float | None  # the score from which a deposit is medium; None: no score is
    high_from: float | None
