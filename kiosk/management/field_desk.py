"""What the models have seen here, asked and told: the watcher's summaries come in, technicians look and calibrate.

A calibration is arithmetic on scores that the watcher has told, so it is done here, where it is signed and recorded;
the model's graph stays, and the watcher takes the new grades like another model.
"""

import json
import math
from datetime import datetime
from typing import Any, Final, NamedTuple

from kiosk.appraisal.conformal import CALIBRATED_S, Levels, deposits_needed, score_at
from kiosk.appraisal.manifest import Manifest, ModelError, parsed
from kiosk.clock import rfc3339
from kiosk.core import field_book
from kiosk.core.actions import CalibrateModel
from kiosk.core.authority_facts import NotAuthorised
from kiosk.core.field_book import Collected
from kiosk.core.model_shelf import STREAMS, Stream
from kiosk.core.records import service
from kiosk.errors import KioskError
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.models import ATLAS, MANIFEST
from kiosk.management.authority import Allowed, Performer
from kiosk.management.controller import Controller
from kiosk.management.field import FieldBook, Judge, Map
from kiosk.management.models import ModelDesk, calibrations, keep_calibration
from kiosk.messages import (
    CalibrationPlan,
    CalibrationView,
    DepositSeen,
    GetRiskMap,
    Ok,
    PlanCalibration,
    Plane,
    Refused,
    Reply,
    RiskMap,
    ScoreView,
)

FieldRequest = DepositSeen | PlanCalibration | GetRiskMap
DURATION_S_MAX: Final = 3600.0
_LOOK: Final = "Look at `kioskctl model list`."


class Loaded(NamedTuple):
    """The model that judges a stream: its manifest, and its map where it has one."""

    manifest: Manifest
    atlas: dict[str, Any] | None
    judge: Judge


class FieldDesk:
    """Answers `FieldRequest`s."""

    def __init__(self, controller: Controller, models: ModelDesk, book: FieldBook, levels: Levels) -> None:
        """`levels`: the promised rates of all streams together."""
        self._c = controller
        self._models = models
        self.book = book
        self._levels = levels
        self._loaded: dict[Stream, Loaded] = {}

    async def handle(self, request: FieldRequest) -> Reply:
        """Answer one."""
        if isinstance(request, DepositSeen):
            await self.loaded()
            self.book.seen(request)
            self._c.announce()
            return Ok()
        found = (await self.loaded()).get(request.stream)
        if found is None:
            return Refused("no_model", f"No {request.stream} model can be used.", _LOOK)
        if isinstance(request, GetRiskMap):
            return self._map(request.stream, found)
        return self.plan(request, found)

    async def loaded(self) -> dict[Stream, Loaded]:
        """The models that judge now, with the grades that count now."""
        shelves = await self._models.shelves()
        kept = {each.model_sha256: each for each in await self._c.runner.run(calibrations, self._c.journal)}
        for stream in STREAMS:
            edition = shelves[stream].edition(shelves[stream].current)
            known = self._loaded.get(stream)
            if edition is None:
                self._loaded.pop(stream, None)
                continue
            if known is None or known.manifest.sha256 != edition.sha256:
                try:
                    known = await self._c.runner.run(self._read, stream, edition.number)
                except KioskError:
                    self._loaded.pop(stream, None)
                    continue
            made = kept.get(edition.sha256)
            maxima = known.manifest.calibration.deposit_max_scores if made is None else made.maxima
            self._loaded[stream] = known._replace(judge=known.judge._replace(maxima=maxima))
        self.book.judges = {stream: each.judge for stream, each in self._loaded.items()}
        return self._loaded

    def _read(self, stream: Stream, number: int) -> Loaded:
        files = self._models.files.contents(stream, number)
        if MANIFEST not in files:
            message = f"edition {number} of the {stream} model has no manifest"
            raise ModelError(message)
        manifest = parsed(files[MANIFEST], stream, "the manifest")
        atlas = _atlas(files.get(ATLAS), manifest)
        map_ = None if atlas is None else Map(atlas["rows"], atlas["columns"], tuple(atlas["hits"]))
        judge = Judge(manifest.sha256, manifest.calibration.deposit_max_scores, map_)
        return Loaded(manifest, atlas, judge)

    # --- calibration ------------------------------------------------------------------------------------

    def needed(self) -> int:
        """How many normal deposits a calibration takes here."""
        return deposits_needed(len(STREAMS), self._levels.medium, self._levels.high)

    def plan(self, request: PlanCalibration, found: Loaded) -> CalibrationPlan | Refused:
        """What a calibration would rest on and change."""
        book = self.book.book(request.stream, found.judge)
        chosen = book.chosen(book.last, request.without)
        needed = self.needed()
        if len(chosen) < needed:
            return Refused(
                "too_few",
                f"{len(chosen)} deposits without incident are collected for the {request.stream} model, {needed} are "
                f"needed: with fewer no deposit could be graded medium at the promised {self._levels.medium:g} of all, "
                f"or high at {self._levels.high:g}, while {len(STREAMS)} models judge together.",
                f"Wait for {needed - len(chosen)} more deposits; the present grades hold until then.",
            )
        after = field_book.maxima(chosen)
        levels = [each / len(STREAMS) for each in (self._levels.medium, self._levels.high)]
        before = found.judge.maxima
        medium_before, high_before, medium_after, high_after = (
            _finite(score_at(level, maxima)) for maxima in (before, after) for level in levels
        )
        return CalibrationPlan(
            stream=request.stream,
            model_sha256=found.manifest.sha256,
            until=book.last,
            deposits=len(chosen),
            without=request.without,
            maxima_sha256=field_book.maxima_sha256(request.stream, found.manifest.sha256, after),
            alarmed=tuple(each.n for each in chosen if each.grade != "low"),
            medium_before=medium_before,
            medium_after=medium_after,
            high_before=high_before,
            high_after=high_after,
        )

    def chosen(self, action: CalibrateModel) -> tuple[Collected, ...]:
        """The deposits that were signed for; ValueError when they are not these any more."""
        found = self._loaded.get(action.stream)
        if found is None or found.manifest.sha256 != action.model_sha256:
            raise ValueError("another model judges this stream now")
        book = self.book.book(action.stream, found.judge)
        chosen = book.chosen(action.until, action.without)
        digest = field_book.maxima_sha256(action.stream, action.model_sha256, field_book.maxima(chosen))
        if len(chosen) != action.deposits or digest != action.maxima_sha256 or len(chosen) < self.needed():
            raise ValueError("the deposits are not those that were signed for")
        return chosen

    def calibrated(self, stream: Stream) -> None:
        """It is durable: the watcher takes the new grades, and another run of the drift test begins."""
        self.book.calibrated(stream)
        self._models.announce()

    # --- map --------------------------------------------------------------------------------------------

    def _map(self, stream: Stream, found: Loaded) -> RiskMap:
        manifest, atlas = found.manifest, found.atlas
        book = self.book.book(stream, found.judge)
        medium, high = (
            _finite(score_at(level / len(STREAMS), found.judge.maxima))
            for level in (self._levels.medium, self._levels.high)
        )
        planes = (
            ()
            if atlas is None
            else tuple(
                Plane(
                    each.name,
                    each.unit,
                    each.normal_low,
                    each.normal_high,
                    tuple(unit[at] for unit in atlas["weights"]),
                )
                for at, each in enumerate(manifest.features)
            )
        )
        return RiskMap(
            stream=stream,
            version=manifest.version,
            model_sha256=manifest.sha256,
            rows=manifest.map.rows,
            columns=manifest.map.columns,
            distance=() if atlas is None else tuple(atlas["distance"]),
            trained=() if atlas is None else tuple(atlas["hits"]),
            here=tuple(sorted(book.use.items())),
            hour=self.book.hour(stream),
            planes=planes,
            recent=self.book.recent(stream),
            collected=tuple(ScoreView(each.n, each.at, each.score, each.grade) for each in book.deposits),
            needed=self.needed(),
            drift=self.book.drift(stream, found.judge),
            medium_from=medium,
            high_from=high,
        )


class CalibrateModels(Performer[CalibrateModel]):
    """Two people let the grades rest on this kiosk's own deposits. Between deposits."""

    at_rest = True

    def __init__(self, desk: FieldDesk) -> None:
        self._desk = desk

    async def ready(self, action: CalibrateModel) -> Refused | None:
        await self._desk.loaded()
        try:
            self._desk.chosen(action)
        except ValueError as error:
            return Refused("cannot_calibrate", f"This cannot be calibrated: {error}.", "Ask for it again.")
        return None

    def settle(self, journal: Journal, allowed: Allowed[CalibrateModel], now: datetime) -> None:
        action = allowed.action
        try:
            chosen = self._desk.chosen(action)
        except ValueError as error:
            raise NotAuthorised("cannot_calibrate", f"This cannot be calibrated: {error}.", "Ask again.") from error
        longest_s = max(each.duration_s for each in chosen)
        made = CalibrationView(
            model_sha256=action.model_sha256,
            maxima=field_book.maxima(chosen),
            calibrated_s=min(DURATION_S_MAX, max(CALIBRATED_S, longest_s)),
            at=rfc3339(now),
        )
        told = {
            "stream": action.stream,
            "model_sha256": action.model_sha256,
            "deposits": action.deposits,
            "without": len(action.without),
            "maxima_sha256": action.maxima_sha256,
            "by": list(allowed.signers),
        }
        keep_calibration(journal, made, service("model_calibrated", told), now)

    async def carry_out(self, allowed: Allowed[CalibrateModel]) -> None:
        self._desk.calibrated(allowed.action.stream)


def _atlas(content: bytes | None, manifest: Manifest) -> dict[str, Any] | None:
    """The map of this very model; None where there is none, or another's."""
    try:
        atlas = None if content is None else json.loads(content)
        if atlas is None or atlas["model_sha256"] != manifest.sha256:
            return None
        cells = manifest.map.rows * manifest.map.columns
        whole = len(atlas["hits"]) == len(atlas["distance"]) == len(atlas["weights"]) == cells
        same = (atlas["rows"], atlas["columns"]) == (manifest.map.rows, manifest.map.columns)
        planes = all(len(unit) == len(manifest.features) for unit in atlas["weights"])
    except (ValueError, KeyError, TypeError):
        return None
    return atlas if whole and same and planes else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
