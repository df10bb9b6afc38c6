"""Where the watcher's reports arrive, and where assessments are asked for with a time limit."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from kiosk.core.facts import Assessment, Stage
from kiosk.core.risk import judge, silent
from kiosk.core.state import State
from kiosk.messages import AssessRequest, Grade, RiskReport

_STAGES: dict[State, Stage] = {
    **dict.fromkeys((State.IDLE, State.WATCHING, State.CONSENTING, State.STARTING, State.DONE), "access"),
    **dict.fromkeys(
        (
            State.CASH_IN,
            State.REFUSING,
            State.ACCEPTING,
            State.STACKING,
            State.PURGING,
            State.SETTLING,
            State.REVIEW,
            State.RETURNING,
            State.SUSPENDED,
            State.JAMMED,
            State.RETRACTING,
            State.RESETTING,
        ),
        "escrow",
    ),
    **dict.fromkeys(
        (State.CLEARING, State.COMMITTING, State.COLLECTING, State.REALIGNING, State.STRAPPING, State.MARKING),
        "bundling",
    ),
    **dict.fromkeys((State.STORING, State.CLOSING, State.RECEIPT), "storing"),
}


def stage_of(state: State) -> Stage:
    """The stage of DESIGN.md section 7 that a state belongs to."""
    return _STAGES[state]


@dataclass
class RiskDesk:
    """Pairs requests with reports. `ask` pushes to the watcher; `hazards` are the cabinet's own, now."""

    ask: Callable[[AssessRequest], None]
    hazards: Callable[[], tuple[str, ...]]
    timeout_s: float
    latest: RiskReport | None = None
    _waiting: dict[int, asyncio.Future[RiskReport]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def grade(self) -> Grade | None:
        """The latest grade under the hard rules; None when no watcher has reported."""
        if self.latest is None:
            return None
        return judge(self.latest.grade, (), self.latest.lens, self.hazards())[0]

    @property
    def models(self) -> dict[str, str]:
        """Stream -> SHA-256 of the model that judged it, as the watcher last said; empty: none did, or it is gone."""
        return {} if self.latest is None else {each.stream: each.model_sha256 for each in self.latest.streams}

    def absent(self) -> None:
        """The watcher is gone: nothing it said is current any more."""
        self.latest = None

    def report(self, report: RiskReport) -> Assessment | None:
        """Take a report; returns the assessment when nobody had asked for it."""
        self.latest = report
        waiting = self._waiting.get(report.request_id) if report.request_id is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(report)
            return None
        return self._assessment(report) if report.request_id is None else None

    async def assess(self, deposit_code: str, stages: tuple[Stage, ...]) -> tuple[Assessment, ...]:
        """One assessment a stage, each by the hard rules; a silent watcher counts as medium."""
        numbers = {next(self._numbers): stage for stage in stages}
        loop = asyncio.get_running_loop()
        try:
            for number, stage in numbers.items():
                self._waiting[number] = loop.create_future()
                self.ask(AssessRequest(number, deposit_code, stage))
            futures = [self._waiting[number] for number in numbers]
            await asyncio.wait(futures, timeout=self.timeout_s)
            return tuple(
                self._assessment(future.result(), stage) if future.done() else silent((stage,), self.hazards())[0]
                for future, stage in zip(futures, stages, strict=True)
            )
        finally:
            for number in numbers:
                self._waiting.pop(number, None)

    def _assessment(self, report: RiskReport, stage: Stage | None = None) -> Assessment:
        told = tuple(reason for stream in report.streams if stream.grade != "low" for reason in stream.reasons)
        grade, reasons = judge(report.grade, told, report.lens, self.hazards())
        return Assessment(
            stage=stage or report.stage,
            grade=grade,
            reasons=reasons,
            streams=tuple((stream.stream, stream.p_value) for stream in report.streams),
            still_sha256=report.still_sha256 or "",
        )
