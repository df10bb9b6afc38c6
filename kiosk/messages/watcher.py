"""What the watcher reports, all of it bounded, and the evidence that it hands over."""

import math
from typing import Annotated, Final, Literal

import msgspec

from kiosk.messages.shared import Grade, Message, Stage

# The watcher may crash, and what it says goes into records for ever: everything it sends is bounded here.
STREAMS_MAX: Final = 6  # each may be judged and yet have a fault
REASONS_MAX: Final = 8
REASON_CHARACTERS_MAX: Final = 200
# Reasons that say nothing of what is going on, only that it was not seen.
UNJUDGED: Final = "the {} could not be judged: no model, the empty shop not seen yet, or values that make no sense"
UNHEARD: Final = "nothing is heard of the {}"
UNSEEN: Final = frozenset(
    words.format(stream) for words in (UNJUDGED, UNHEARD) for stream in ("scene", "machine", "transaction")
)
Reason = Annotated[str, msgspec.Meta(max_length=REASON_CHARACTERS_MAX)]
Sha256Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class StreamReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream's worst moment since the stage began. `ValueError` for a figure that is no number."""

    stream: Literal["scene", "machine", "transaction"]
    score: float
    p_value: Annotated[float, msgspec.Meta(ge=0, le=1)]
    grade: Grade
    bmu: tuple[int, int]  # row, column on the map
    reasons: Annotated[tuple[Reason, ...], msgspec.Meta(max_length=REASONS_MAX)]  # in words, strongest first
    model_sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]  # empty when no model judged

    def __post_init__(self) -> None:
        """NaN and infinities pass every comparison, and JSON cannot hold them."""
        if not (math.isfinite(self.score) and math.isfinite(self.p_value)):
            message = "score and p_value must be finite"
            raise ValueError(message)


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long judging a row of this stream took of late: 95 of 100 took no longer."""

    stream: Literal["scene", "machine", "transaction"]
    p95_ms: Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class RiskReport(Message, frozen=True):
    """What the watcher sees. `request_id` answers an `AssessRequest`; None is unasked, on a change."""

    request_id: int | None
    deposit_code: str | None
    stage: Stage
    grade: Grade  # fused over streams, before core's hard rules
    streams: Annotated[tuple[StreamReport, ...], msgspec.Meta(max_length=STREAMS_MAX)]
    lens: Literal["clear", "covered", "frozen", "looped", "absent"]
    frames_per_second: Annotated[float, msgspec.Meta(ge=0, le=1000)]
    still_sha256: Sha256Hex | None  # of one blurred still
    paces: Annotated[tuple[Pace, ...], msgspec.Meta(max_length=STREAMS_MAX)] = ()

    def __post_init__(self) -> None:
        """Not a number is no rate."""
        if not math.isfinite(self.frames_per_second):
            message = "frames_per_second must be finite"
            raise ValueError(message)


EVIDENCE_PART_BYTES: Final = 64 * 1024


class EvidencePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a still or clip: 64 KiB, the last one perhaps less; `index` of `chunks` of a file of `size` bytes."""

    sha256: Sha256Hex  # of the whole file
    index: Annotated[int, msgspec.Meta(ge=0)]
    chunks: Annotated[int, msgspec.Meta(ge=1)]
    size: Annotated[int, msgspec.Meta(ge=1)]
    data: Annotated[bytes, msgspec.Meta(max_length=EVIDENCE_PART_BYTES)]


class ClipTaken(Message, frozen=True):
    """The clip of this name was handed over: the seconds around a grade that rose. `Ok`, or `Refused`: too many."""

    deposit_code: Annotated[str, msgspec.Meta(max_length=64)]
    sha256: Sha256Hex
    size: Annotated[int, msgspec.Meta(ge=1, le=32 << 20)]
    grade: Grade
    stage: Stage


class HandOver(Message, frozen=True):
    """Evidence for the bank, part by part, in order. `Ok`, or `Refused`: begin again, or `no_room`: give it up."""

    part: EvidencePart


class CaptureCamera(Message, frozen=True):
    """A push: keep what the camera gives for so long, blurred, and answer with `CameraCaptured` of this number."""

    number: int
    for_s: Annotated[float, msgspec.Meta(ge=0, le=60)]


class CameraCaptured(Message, frozen=True):
    """What was asked for, part by part, in order. `Ok`, or `Refused`: nobody waits for it."""

    number: int
    part: EvidencePart


TICKET_CHARACTERS_MAX: Final = 640


class TicketSeen(Message, frozen=True):
    """A QR code was held up while a ticket was looked for: its text, if it says that it is one, else nothing. `Ok`."""

    text: Annotated[str, msgspec.Meta(max_length=TICKET_CHARACTERS_MAX)]


class LookForTicket(Message, frozen=True):
    """A push: look for a deposit ticket for so long from now; 0: not any more."""

    for_s: Annotated[float, msgspec.Meta(ge=0, le=60)]
