"""What was seen during one deposit: per stage the worst moment of each stream, and what befell the lens. Pure."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from kiosk.appraisal.conformal import Levels, Smoother
from kiosk.appraisal.fusion import Moment, Verdict, fuse, verdict
from kiosk.appraisal.manifest import Manifest
from kiosk.appraisal.model import Judged, Row
from kiosk.messages import CELLS_MAX, Grade, Stage
from kiosk.monitoring.lens import ORDER as LENS_ORDER
from kiosk.monitoring.lens import Lens

Image = npt.NDArray[np.uint8]
STAGES_MAX: Final = 4
SILENT_AFTER_S: Final = 3.0  # a stream that must be heard of; the board is read four times a second in a deposit
DEFAULT_LEVELS: Final = Levels()


@dataclass(slots=True)
class StageView:
    """One stage of one deposit."""

    since_s: float
    lens: Lens
    worst: dict[str, Moment] = field(default_factory=dict)  # by stream
    faults: set[str] = field(default_factory=set)  # streams that could not be judged
    silent: set[str] = field(default_factory=set)  # streams that were not heard of
    rows: int = 0  # of the scene stream
    image: Image | None = None  # at the scene's worst moment, or the first one


@dataclass(frozen=True, slots=True)
class Summary:
    """A stage graded."""

    stage: Stage
    grade: Grade
    verdicts: tuple[Verdict, ...]
    faults: tuple[str, ...]  # streams whose values could not be judged
    silent: tuple[str, ...]  # streams that were not heard of
    lens: Lens
    image: Image | None


@dataclass(frozen=True, slots=True)
class Whole:
    """A deposit from its beginning to its end: each stream's worst moment, and where on its map its rows fell."""

    seen: tuple[tuple[Verdict, Moment, tuple[tuple[int, int], ...]], ...]
    duration_s: float
    sound: bool  # seen from its beginning, every stream judged, the lens clear throughout


class DepositWatch:
    """Scores of one deposit from its first stage on. Smoothing starts anew with each deposit, as in training."""

    def __init__(
        self,
        code: str,
        stage: Stage,
        now_s: float,
        lens: Lens,
        *,
        streams: int,
        whole: bool = True,
        levels: Levels = DEFAULT_LEVELS,
        heard: Iterable[str] = (),
    ) -> None:
        """Streams: how many models judge together. Whole: the deposit was seen from its beginning.

        `heard`: streams that must be heard of; their silence is a fault.
        """
        self._levels = levels
        self._heard_s = dict.fromkeys(heard, now_s)
        self.code = code
        self.stage: Stage = stage
        self._began_s = now_s
        self._whole = whole
        self._streams = max(1, streams)
        self._smoothers: dict[str, Smoother] = {}
        self._latest: dict[str, Moment] = {}
        self._stages: dict[Stage, StageView] = {stage: StageView(now_s, lens)}
        self._cells: dict[str, Counter[int]] = {}  # by stream: judged rows in each cell of its map

    def enter(self, stage: Stage, now_s: float, lens: Lens) -> None:
        """The deposit is in `stage` now; what is going on right now counts there, too."""
        self.stage = stage
        if stage not in self._stages:
            self._stages[stage] = StageView(now_s, lens, worst=dict(self._latest))

    def rows(self, stage: Stage) -> int:
        """How many frames were judged in a stage."""
        view = self._stages.get(stage)
        return view.rows if view else 0

    def score(self, manifest: Manifest, row: Row, judged: Judged, now_s: float, image: Image | None = None) -> None:
        """Take a judged row of one stream (and the frame it was made from)."""
        name = manifest.stream
        self._hear(name, now_s)
        smoother = self._smoothers.setdefault(name, Smoother(manifest.calibration.smoothing_rows))
        smoothed = smoother.update(judged.score)
        moment = Moment(manifest, smoothed, judged, row, now_s - self._began_s)
        self._latest[name] = moment
        cell = judged.bmu[0] * manifest.map.columns + judged.bmu[1]
        self._cells.setdefault(name, Counter())[cell] += 1
        view = self._stages[self.stage]
        known = view.worst.get(name)
        worse = known is None or smoothed > known.smoothed
        if worse:
            view.worst[name] = moment
        if image is not None:
            view.rows += 1
            if worse or view.image is None:
                view.image = image

    def _hear(self, stream: str, now_s: float) -> None:
        if stream in self._heard_s:
            # What is told at steps of the deposit only is not missed while nothing happens.
            self._heard_s[stream] = math.inf if stream == "transaction" else now_s

    def silence(self, now_s: float) -> None:
        """Note the streams that have not been heard of for too long."""
        for stream, last_s in self._heard_s.items():
            if now_s - last_s > SILENT_AFTER_S:
                self._stages[self.stage].silent.add(stream)

    def late(self, stream: str) -> None:
        """Nothing of a stream was judged in time for an answer about this stage."""
        self._stages[self.stage].silent.add(stream)

    def fault(self, stream: str, image: Image | None = None, now_s: float | None = None) -> None:
        """A stream's values could not be judged in this stage (nor the frame that they were made from)."""
        if now_s is not None:
            self._hear(stream, now_s)
        view = self._stages[self.stage]
        view.faults.add(stream)
        if view.image is None:
            view.image = image

    def see_lens(self, lens: Lens) -> None:
        """Keep the worst of what happened to the lens in this stage."""
        view = self._stages[self.stage]
        if LENS_ORDER[lens] > LENS_ORDER[view.lens]:
            view.lens = lens

    def whole(self, now_s: float) -> Whole:
        """The deposit as a whole, when it has ended."""
        views = self._stages.values()
        worst: dict[str, Moment] = {}
        for view in views:
            for name, moment in view.worst.items():
                if name not in worst or moment.smoothed > worst[name].smoothed:
                    worst[name] = moment
        clean = all(view.lens == "clear" and not view.faults and not view.silent for view in views)
        seen = tuple(
            (verdict(moment, self._streams, self._levels), moment, tuple(self._cells[name].most_common(CELLS_MAX)))
            for name, moment in sorted(worst.items())
        )
        return Whole(seen, now_s - self._began_s, sound=self._whole and clean)

    def summary(self, stage: Stage) -> Summary:
        """Grade one stage as it stands. One that never was is low, unless it may have been missed."""
        view = self._stages.get(stage) or StageView(0.0, "clear" if self._whole else "absent")
        verdicts = tuple(
            verdict(view.worst[name], self._streams, self._levels) for name in sorted(view.worst, reverse=True)
        )
        graded = fuse(verdicts)
        if (view.faults or view.silent) and graded == "low":
            graded = "medium"
        faults, silent = tuple(sorted(view.faults)), tuple(sorted(view.silent - view.faults))
        return Summary(stage, graded, verdicts, faults, silent, view.lens, view.image)
