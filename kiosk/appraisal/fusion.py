"""Streams to one grade. Facts about the lens are not graded here: core's hard rules do that.

Each stream's promise is a false-alarm rate per deposit; looking at k streams would multiply it by k, so every
p-value is multiplied by k before it is graded (Bonferroni). The fused grade is the worst stream's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kiosk.appraisal.conformal import Grade, Levels, grade, p_value, worst
from kiosk.appraisal.explain import reasons
from kiosk.appraisal.manifest import Manifest
from kiosk.appraisal.model import Judged, Row


@dataclass(frozen=True, slots=True)
class Moment:
    """A stream's worst moment: the smoothed score there, and the row that was judged."""

    manifest: Manifest
    smoothed: float
    judged: Judged
    row: Row
    duration_s: float  # how long the deposit had lasted


@dataclass(frozen=True, slots=True)
class Verdict:
    """One stream's grade with its reasons; none when it is low."""

    stream: str
    score: float
    p_value: float  # of this stream alone
    grade: Grade
    bmu: tuple[int, int]
    reasons: tuple[str, ...]
    model_sha256: str


def verdict(moment: Moment, streams: int, levels: Levels) -> Verdict:
    """Grade a stream's worst moment when `streams` of them are watched together."""
    calibration = moment.manifest.calibration
    p = p_value(moment.smoothed, calibration.deposit_max_scores, moment.duration_s, calibration.calibrated_s)
    graded = grade(min(1.0, p * streams), levels.medium, levels.high)
    return Verdict(
        stream=moment.manifest.stream,
        score=moment.smoothed,
        p_value=p,
        grade=graded,
        bmu=moment.judged.bmu,
        reasons=() if graded == "low" else reasons(moment.manifest, moment.row, moment.judged),
        model_sha256=moment.manifest.sha256,
    )


def told(moment: Moment) -> tuple[str, ...]:
    """Why this moment is as it is, in words, whatever its grade: for whoever looks at the map."""
    return reasons(moment.manifest, moment.row, moment.judged)


def fuse(verdicts: Sequence[Verdict]) -> Grade:
    """The worst grade of the streams; low for none."""
    return worst([each.grade for each in verdicts])
