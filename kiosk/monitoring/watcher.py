"""The watcher: frames and board readings in, risk reports out.

One loop takes the newest frame, turns it into features (on a worker thread), judges it and keeps the worst
moment of each stage. The bus brings board readings, stage changes and questions; answers and changes leave
through one bounded queue, so that a slow controller never holds up the eyes.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol

import numpy as np

from kiosk.appraisal.conformal import Levels
from kiosk.appraisal.manifest import ModelError, Stream
from kiosk.appraisal.model import Judged, Row, StreamModel
from kiosk.clock import Clock, Turns
from kiosk.messages import (
    REASON_CHARACTERS_MAX,
    REASONS_MAX,
    AssessRequest,
    CameraCaptured,
    CaptureCamera,
    ClipTaken,
    DepositSeen,
    Grade,
    LookForTicket,
    ModelsChanged,
    Push,
    Refused,
    Reply,
    Request,
    RiskReport,
    SensorReading,
    Stage,
    StageChanged,
    StreamReport,
    Subscribe,
    TicketSeen,
    TransactionReading,
)
from kiosk.messages.watcher import UNHEARD, UNJUDGED
from kiosk.monitoring.camera_capture import CameraCapture
from kiosk.monitoring.deposit_seen import deposit_seen
from kiosk.monitoring.deposit_watch import DEFAULT_LEVELS, DepositWatch, Image, Summary
from kiosk.monitoring.features import SceneFeatures, SceneRow
from kiosk.monitoring.frames import Frame, FrameSource
from kiosk.monitoring.hand_over import hand_over
from kiosk.monitoring.lens import Lens, LensWatch
from kiosk.monitoring.machine import MachineFeatures
from kiosk.monitoring.model_keeper import ModelKeeper
from kiosk.monitoring.pace import Paces
from kiosk.monitoring.ring import Alarm, ClipPlan, FrameRing
from kiosk.monitoring.shop import ShopFile
from kiosk.monitoring.steadiness import SensorWatch
from kiosk.monitoring.still import StillRing, blurred_jpeg
from kiosk.monitoring.tickets import TicketEye
from kiosk.protection.bundles import usual_gate
from kiosk.protection.egress import Gate

_log = logging.getLogger(__name__)

ABSENT_AFTER_S: Final = 2.5  # without a frame
HEARTBEAT_S: Final = 2.0
LOOK_S_MAX: Final = 15.0  # to make features of a frame and judge it, on a busy machine
ANSWER_WITHIN_S: Final = 1.2  # of the controller's 2 s; waited for the first frames of a new deposit
ANSWER_ROWS: Final = 10  # about a second of frames: enough to have looked
ANSWER_STEP_S: Final = 0.05
DEPOSITS_KEPT: Final = 4  # the controller asks about a deposit shortly after it has ended
REPORTS_MAX: Final = 32
STILLS_KEPT: Final = 64
RATE_WINDOW_S: Final = 3.0
RATE_FRAMES_MAX: Final = 128
IDLE_STAGE: Final[Stage] = "access"
HEARD: Final = ("machine", "transaction")  # what the controller tells; the scene is looked at here, and may be late
_STREAMS: Final[dict[str, Stream]] = {"scene": "scene", "machine": "machine", "transaction": "transaction"}


class Controller(Protocol):
    """The bus, as far as the watcher needs it."""

    async def request(self, message: Request) -> Reply:
        """Send one request and wait for its reply; raises BusError."""


class Watcher:
    """Give it a frame source, the models there are, a clock and a place for stills; then run its loops."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a process has, given once
        self,
        source: FrameSource,
        models: Mapping[Stream, StreamModel],
        clock: Clock,
        stills: StillRing,
        levels: Levels = DEFAULT_LEVELS,
        shop: ShopFile | None = None,
        keeper: ModelKeeper | None = None,
        ring: FrameRing | None = None,
        gate: Gate | None = None,
    ) -> None:
        """Models: by stream; a missing one is reported as a fault of its stream. Levels: false alarms a deposit.

        `shop`: where the empty shop is kept over restarts. `keeper`: has the models, and follows the controller's word.
        `ring`: keeps the last seconds for the case that the grade rises; without it there are no clips.
        `gate`: what of a reason may be told (destination `caption`); by the package's catalogue where none is given.
        """
        self._gate = gate or usual_gate()
        self._shop = shop
        self._levels = levels
        self._source = source
        self._keeper = keeper
        self._ring = ring
        self._clips = ClipPlan()
        self._models = models if keeper is None else keeper.models
        self._clock = clock
        self._stills = stills
        self._scene = SceneFeatures()
        if shop is not None:
            shop.recall(self._scene)
        self._machine = MachineFeatures()
        self._sensors = SensorWatch()
        self._doubted: frozenset[str] = frozenset()  # sensors, as was logged
        self._lens = LensWatch()
        self._deposits: OrderedDict[str, DepositWatch] = OrderedDict()
        self._now: DepositWatch | None = None
        self._tickets = TicketEye()
        self._reports: asyncio.Queue[RiskReport | TicketSeen] = asyncio.Queue(REPORTS_MAX)
        self._told: tuple[str | None, Stage, Grade, Lens] | None = None
        self._told_s = float("-inf")
        self._arrivals: deque[float] = deque(maxlen=RATE_FRAMES_MAX)
        self._answers: set[asyncio.Task[None]] = set()
        self._stills_told: deque[str] = deque(maxlen=STILLS_KEPT)  # names in reports; each goes to the bank once
        self._stills_due: deque[str] = deque(maxlen=STILLS_KEPT)
        self._seen_due: deque[DepositSeen] = deque(maxlen=DEPOSITS_KEPT)
        self._capture: CameraCapture | None = None  # somebody asked for what the camera gives
        self._paces = Paces()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="features")
        self._turns = Turns("the watcher's look at the scene", clock, ABSENT_AFTER_S + LOOK_S_MAX)

    async def self_check(self) -> None:
        """That it still looks, or notices that there is nothing to see. Raises `TimeoutError`."""
        self._turns.check()

    # --- loops ----------------------------------------------------------------------------------------

    async def run_frames(self) -> None:
        """Look, for good. The deposit goes on when this fails, so it does not fail for a bad frame."""
        number = 0
        loop = asyncio.get_running_loop()
        while True:
            self._turns.turn()
            frame = await self._source.newer(number, ABSENT_AFTER_S)
            if frame is None:
                self._no_frame()
                continue
            number = frame.number
            if self._capture is not None:
                await loop.run_in_executor(self._worker, self._capture.take, frame)
            held, text = await loop.run_in_executor(self._worker, self._tickets.look, frame.image, frame.at_s)
            self._arrivals.append(frame.at_s)
            if text is not None:
                self._send(TicketSeen(text))
            if held:
                continue
            seen = await loop.run_in_executor(self._worker, self._look, frame, self._now is None)
            if seen is not None:
                self._take(frame, *seen)
            self._tell_changes()

    async def run_session(self, controller: Controller) -> None:
        """Serve one connection to the controller until it is lost."""
        reply = await controller.request(Subscribe(("sensor", "stage")))
        if isinstance(reply, Refused):
            _log.error("watcher: the controller refuses the subscription: %s %s", reply.message, reply.remedy)
        self._told = None  # a new connection is told the present state
        if self._keeper is not None:
            self._keeper.changed()
        while True:
            if self._reports.empty() and await self._aside(controller):  # reports are more urgent
                continue
            report = await self._reports.get()
            reply = await controller.request(report)
            if isinstance(reply, Refused):
                _log.warning("watcher: report refused: %s", reply.message)
            elif isinstance(report, TicketSeen):
                continue
            elif report.still_sha256 is not None and report.still_sha256 not in self._stills_told:
                self._stills_told.append(report.still_sha256)
                self._stills_due.append(report.still_sha256)

    async def _aside(self, controller: Controller) -> bool:
        """One of the things that can wait until there is no report to send; whether there was one."""
        if self._keeper is not None and self._keeper.due and self._idle():
            await self._keeper.follow(controller, self._idle)
        elif self._seen_due:
            await controller.request(self._seen_due.popleft())
        elif self._ring is not None and (alarm := self._clips.due(self._clock.monotonic_s())) is not None:
            await self._hand_over_clip(controller, self._ring, alarm)
        elif self._capture is not None and self._capture.over(self._clock.monotonic_s()):
            await self._hand_over_capture(controller, self._capture)
        elif self._stills_due:
            await self._hand_over(controller)
        else:
            return False
        return True

    def _idle(self) -> bool:
        """No deposit is under way."""
        return self._now is None

    async def _hand_over_clip(self, controller: Controller, ring: FrameRing, due: Alarm) -> None:
        """The seconds around an alarm go to the bank; a record names them once they are with the controller."""
        loop = asyncio.get_running_loop()
        now_s = self._clock.monotonic_s()
        content = await loop.run_in_executor(self._worker, ring.clip, now_s, due.grade, due.stage)
        if content and await hand_over(controller, content):
            name = hashlib.sha256(content).hexdigest()
            await controller.request(ClipTaken(due.code, name, len(content), due.grade, due.stage))

    async def _hand_over_capture(self, controller: Controller, made: CameraCapture) -> None:
        """What was asked for goes to whoever asked, not to the bank."""
        self._capture = None
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(self._worker, made.content, self._source.trouble)
        await hand_over(controller, content, partial(CameraCaptured, made.number))

    async def _hand_over(self, controller: Controller) -> None:
        """A still that a record may name goes to the bank; one that the ring has dropped meanwhile is lost."""
        content = self._stills.read(self._stills_due[0])
        if content is not None:
            await hand_over(controller, content)
        self._stills_due.popleft()

    async def close(self) -> None:
        """Stop what is under way."""
        for task in tuple(self._answers):
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        self._worker.shutdown(wait=True, cancel_futures=True)

    # --- bus ------------------------------------------------------------------------------------------

    def on_push(self, push: Push) -> None:
        """Take what the controller pushes; called on the loop, does not block."""
        if isinstance(push, SensorReading):
            self._feel(push)
        elif isinstance(push, TransactionReading):
            self._weigh(push)
        elif isinstance(push, StageChanged):
            self._enter(push.deposit_code, push.stage)
        elif isinstance(push, ModelsChanged) and self._keeper is not None:
            self._keeper.changed()  # looked at with the next report, two seconds from now at the latest
        elif isinstance(push, CaptureCamera):
            self._capture = CameraCapture(push.number, self._clock.monotonic_s(), push.for_s)
        elif isinstance(push, LookForTicket):
            self._tickets.seek(self._clock.monotonic_s(), push.for_s)
        elif isinstance(push, AssessRequest):
            task = asyncio.get_running_loop().create_task(self._answer(push))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    def _enter(self, code: str | None, stage: Stage, *, whole: bool = True) -> None:
        now_s, lens = self._clock.monotonic_s(), self._lens.state
        if self._now is not None and code != self._now.code:
            self._seen_due.append(deposit_seen(self._now, now_s, self._gate))
        if code is None:
            self._now = None
            return
        self._tickets.seek(now_s, 0.0)
        watch = self._deposits.get(code)
        if watch is None:
            whole = whole and stage == "access"
            streams = len(self._models)
            heard = (*HEARD, "scene") if "scene" in self._models else HEARD
            watch = DepositWatch(
                code, stage, now_s, lens, streams=streams, whole=whole, levels=self._levels, heard=heard
            )
            self._deposits[code] = watch
            while len(self._deposits) > DEPOSITS_KEPT:
                self._deposits.popitem(last=False)
        else:
            watch.enter(stage, now_s, lens)
        if not self._scene.learnt:
            watch.fault("scene")  # said from the outset: eyes that do not know the shop vouch for nothing
        self._now = watch

    async def _answer(self, question: AssessRequest) -> None:
        """Look for about a second when the deposit has only begun, then report."""
        if question.deposit_code not in self._deposits:
            self._enter(question.deposit_code, question.stage, whole=False)  # started in the middle of it
        watch = self._deposits[question.deposit_code]
        waited_s = 0.0
        while waited_s < ANSWER_WITHIN_S and watch is self._now and self._looked_too_little(watch, question.stage):
            await self._clock.sleep(ANSWER_STEP_S)
            waited_s += ANSWER_STEP_S
        if watch is self._now:
            watch.silence(self._clock.monotonic_s())
            if self._looked_too_little(watch, question.stage) and not watch.rows(question.stage):
                watch.late("scene")  # a frame is still being judged, or none came: nobody has looked
        self._send(self._report(watch, question.stage, question.request_id))

    def _looked_too_little(self, watch: DepositWatch, stage: Stage) -> bool:
        awaited = "scene" in self._models and self._lens.state != "absent"
        return awaited and watch.stage == stage == "access" and watch.rows(stage) < ANSWER_ROWS

    # --- looking --------------------------------------------------------------------------------------

    def _look(self, frame: Frame, idle: bool) -> tuple[SceneRow, Judged | None] | None:  # noqa: FBT001 - executor call
        """On the worker thread: features of a frame, and the model's view of them."""
        asked = self._tickets.seeking(frame.at_s)  # for something close to the lens: no part of the empty shop
        row = self._scene.update(frame.image, frame.at_s, idle=idle and not asked)
        if self._ring is not None:
            self._ring.take(frame.image, frame.at_s, None if idle else self._scene.mask)
        if row is None:
            return None
        if idle and self._shop is not None:
            self._shop.keep(self._scene, frame.at_s)
        return row, self._judge("scene", row.values) if self._scene.learnt else None

    def _judge(self, stream: Stream, values: Row) -> Judged | None:
        model = self._models.get(stream)
        if model is None:
            return None
        began_s = self._clock.monotonic_s()
        try:
            judged = model.judge(values)
        except ModelError as error:
            _log.warning("watcher: %s", error)
            return None
        self._paces.took(stream, self._clock.monotonic_s() - began_s)
        return judged

    def _take(self, frame: Frame, row: SceneRow, judged: Judged | None) -> None:
        if self._tickets.seeking(frame.at_s):  # a ticket that is coming up covers the lens, and is wanted there
            return
        lens = self._lens.update(row)
        if self._now is not None:
            self._now.see_lens(lens)
            self._keep("scene", row.values, judged, frame.image)

    def _feel(self, reading: SensorReading) -> None:
        values, wrong = self._machine.update(reading), self._sensors.update(reading)
        if wrong != self._doubted:
            self._doubted = wrong
            _log.warning("watcher: sensors of the board: %s", ", ".join(sorted(wrong)) or "they live again")
        if wrong and self._now is not None:
            self._now.fault("machine", now_s=self._clock.monotonic_s())  # what they say may be no news
        if values is not None and self._now is not None:
            self._keep("machine", values, self._judge("machine", values), None)
            self._tell_changes()

    def _weigh(self, reading: TransactionReading) -> None:
        if self._now is None or self._now.code != reading.deposit_code:
            if reading.deposit_code in self._deposits:
                return  # of one that has ended
            self._enter(reading.deposit_code, "access")  # its beginning was told before its first stage
        values = np.array(reading.values, np.float32)
        self._keep("transaction", values, self._judge("transaction", values), None)
        self._tell_changes()

    def _keep(self, stream: Stream, values: Row, judged: Judged | None, image: Image | None) -> None:
        watch = self._now
        if watch is None:
            return
        if judged is None:
            watch.fault(stream, image, self._clock.monotonic_s())
        else:
            watch.score(self._models[stream].manifest, values, judged, self._clock.monotonic_s(), image)

    def _no_frame(self) -> None:
        if self._lens.state != "absent" and not self._source.trouble:  # trouble is said by the source, once
            _log.warning("watcher: no frame for %.1f s: the camera hangs", ABSENT_AFTER_S)
        self._lens.absent()
        if self._now is not None:
            self._now.see_lens("absent")
        self._tell_changes()

    # --- telling --------------------------------------------------------------------------------------

    def _tell_changes(self) -> None:
        """Report when grade, lens, deposit or stage changed, and every two seconds as a sign of life."""
        watch, now_s = self._now, self._clock.monotonic_s()
        if watch is not None:
            watch.silence(now_s)
        stage = watch.stage if watch else IDLE_STAGE
        grade: Grade = watch.summary(stage).grade if watch else self._idle_grade()
        if watch is not None:
            self._clips.graded(watch.code, stage, grade, now_s)
        state = (watch.code if watch else None, stage, grade, self._lens.state)
        if state == self._told and now_s - self._told_s < HEARTBEAT_S:
            return
        self._told, self._told_s = state, now_s
        self._send(self._report(watch, stage, None))

    def _report(self, watch: DepositWatch | None, stage: Stage, request_id: int | None) -> RiskReport:
        if watch is None:
            return RiskReport(
                request_id=request_id,
                deposit_code=None,
                stage=stage,
                grade=self._idle_grade(),
                streams=(),
                lens=self._lens.state,
                frames_per_second=self._rate(),
                still_sha256=None,
                paces=self._paces.told(),
            )
        seen = watch.summary(stage)
        wanted = request_id is not None or seen.grade != "low"
        return RiskReport(
            request_id=request_id,
            deposit_code=watch.code,
            stage=stage,
            grade=seen.grade,
            streams=_streams(seen, self._gate),
            lens=seen.lens,
            frames_per_second=self._rate(),
            still_sha256=self._still(seen.image) if wanted else None,
            paces=self._paces.told(),
        )

    def _idle_grade(self) -> Grade:
        """Nobody is judged between deposits; but eyes that do not know the shop yet vouch for nothing."""
        return "medium" if "scene" in self._models and not self._scene.learnt else "low"

    def _still(self, image: Image | None) -> str | None:
        return None if image is None else self._stills.keep(blurred_jpeg(image))

    def _rate(self) -> float:
        """Frames a second over the last three seconds."""
        since_s = self._clock.monotonic_s() - RATE_WINDOW_S
        recent = [at_s for at_s in self._arrivals if at_s >= since_s]
        if len(recent) < 2 or recent[-1] <= recent[0]:  # noqa: PLR2004 - an interval has two ends
            return 0.0
        return round((len(recent) - 1) / (recent[-1] - recent[0]), 1)

    def _send(self, report: RiskReport | TicketSeen) -> None:
        if self._reports.full():
            self._reports.get_nowait()  # the oldest news is worth least
        self._reports.put_nowait(report)


def _streams(seen: Summary, gate: Gate) -> tuple[StreamReport, ...]:
    judged = tuple(
        StreamReport(
            stream=_STREAMS[each.stream],
            score=round(each.score, 4),
            p_value=round(each.p_value, 6),
            grade=each.grade,
            bmu=each.bmu,
            reasons=tuple(
                gate.text(reason, "caption").text[:REASON_CHARACTERS_MAX] for reason in each.reasons[:REASONS_MAX]
            ),
            model_sha256=each.model_sha256,
        )
        for each in seen.verdicts
    )
    # Those of which a figure is known come last: it is the figure that a record keeps.
    return (
        tuple(
            StreamReport(
                stream=_STREAMS[name],
                score=0.0,
                p_value=1.0,
                grade="medium",
                bmu=(0, 0),
                reasons=(words.format(name),),
                model_sha256="",
            )
            for words, names in ((UNJUDGED, seen.faults), (UNHEARD, seen.silent))
            for name in names
        )
        + judged
    )
