"""The watcher with a scripted camera, a scripted controller and a clock moved by hand: no real time passes."""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from hwsim.config import SensorConfig
from hwsim.devices.board_sensors import Disturbance, SensorState, read_sensors
from hwsim.scene import SceneRenderer, SceneState
from kiosk.appraisal.model import StreamModel
from kiosk.core import transaction
from kiosk.core.habits import DAY_S, Habit
from kiosk.messages import (
    AssessRequest,
    ClipTaken,
    DepositSeen,
    HandOver,
    Ok,
    Reply,
    Request,
    RiskReport,
    SensorReading,
    StageChanged,
    Subscribe,
    TransactionReading,
)
from kiosk.monitoring import features, machine
from kiosk.monitoring.frames import Frame
from kiosk.monitoring.ring import AFTER_S, FrameRing
from kiosk.monitoring.shop import ShopFile
from kiosk.monitoring.still import StillRing, blurred_jpeg
from kiosk.monitoring.watcher import Watcher

ARTIFACTS = Path(__file__).parents[2] / "models" / "artifacts"
RATE = 12.0
CALM = Disturbance()
EMPTY = SceneState(passers_by=0.0, light=0.65, depositor_seed=4, onlooker_seed=9)
ALONE = replace(EMPTY, depositor=True)
WATCHED = replace(ALONE, onlooker=True)


def begun() -> tuple[float, ...]:
    """A deposit that has just begun, by somebody who comes now and then."""
    own, kiosk = Habit(), Habit()
    for day in range(30):
        kiosk = kiosk.after(day * DAY_S + 3600 * (day % 9), 400.0, 8 + day % 9)
        own = own.after(day * DAY_S, 400.0, 10) if day % 6 == 0 else own
    session = transaction.Session(((1, 100),), 0.0)
    return transaction.features(session, own, kiosk, now_s=0.1, wall_s=30 * DAY_S, hour=11)


BEGUN = begun()


class HandClock:
    """Time is what the scripted camera says it is."""

    now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now_utc(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class ScriptedCamera:
    """Gives each frame once, and waits until the watcher is done with it; `None` stands for silence."""

    trouble = "the plug was pulled"

    def __init__(self, clock: HandClock, shop_seed: int) -> None:
        self._clock = clock
        self._renderer = SceneRenderer(shop_seed)
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._asked = asyncio.Event()
        self._number = 0
        self.passing: Callable[[float], None] = lambda _: None

    async def newer(self, number: int, timeout_s: float) -> Frame | None:
        self._asked.set()
        return await self._queue.get()

    async def show(self, state: SceneState, seconds: float) -> None:
        for _ in range(int(seconds * RATE)):
            self._clock.now_s += 1 / RATE
            self.passing(self._clock.now_s)
            self._number += 1
            at_s = self._clock.now_s
            await self.give(Frame(self._renderer.render(state, at_s), at_s, self._number))

    async def give(self, frame: Frame | None) -> None:
        async with asyncio.timeout(20):
            await self._asked.wait()
            self._asked.clear()
            self._queue.put_nowait(frame)
            await self._asked.wait()


class ScriptedController:
    """Collects reports."""

    def __init__(self) -> None:
        self.reports: list[RiskReport] = []
        self.subscribed: list[Subscribe] = []
        self.seen: list[DepositSeen] = []
        self.clips: list[ClipTaken] = []
        self.evidence: dict[str, bytes] = {}
        self.news = asyncio.Event()

    async def request(self, message: Request) -> Reply:
        if isinstance(message, RiskReport):
            self.reports.append(message)
            self.news.set()
        elif isinstance(message, ClipTaken):
            self.clips.append(message)
        elif isinstance(message, DepositSeen):
            self.seen.append(message)
        elif isinstance(message, Subscribe):
            self.subscribed.append(message)
        elif isinstance(message, HandOver):
            self.evidence[message.part.sha256] = self.evidence.get(message.part.sha256, b"") + message.part.data
            self.news.set()
        return Ok()

    async def handed_over(self, name: str) -> bytes:
        async with asyncio.timeout(20):
            while name not in self.evidence:
                self.news.clear()
                await self.news.wait()
        return self.evidence[name]

    async def answer(self, request_id: int) -> RiskReport:
        async with asyncio.timeout(20):
            while True:
                for report in self.reports:
                    if report.request_id == request_id:
                        return report
                self.news.clear()
                await self.news.wait()


class Kiosk:
    """A watcher between scripted ends."""

    def __init__(self, folder: Path, *, models: bool = True, kept: bool = False, shop_seed: int = 21) -> None:
        self.clock = HandClock()
        self.camera = ScriptedCamera(self.clock, shop_seed)
        self.controller = ScriptedController()
        self.stills = folder / "stills"
        loaded = {
            "scene": StreamModel.load(ARTIFACTS / "scene", "scene", features.NAMES),
            "machine": StreamModel.load(ARTIFACTS / "machine", "machine", machine.NAMES),
            "transaction": StreamModel.load(ARTIFACTS / "transaction", "transaction", transaction.NAMES),
        }
        shop = ShopFile(folder) if kept else None
        self.watcher = Watcher(
            self.camera,
            loaded if models else {},  # type: ignore[arg-type]
            self.clock,
            StillRing(self.stills),
            shop=shop,
            ring=FrameRing(),
        )
        self._requests = 0
        self._told_s = 0.0
        self.telling = True
        self.disturbance = CALM
        self.camera.passing = self._tell_board

    def _tell_board(self, now_s: float) -> None:
        """As the controller does: the board four times a second."""
        if self.telling and now_s - self._told_s >= 0.25:
            self._told_s = now_s
            self.watcher.on_push(reading(now_s, self.disturbance))

    async def ask(self, code: str, stage: str) -> RiskReport:
        self._requests += 1
        self.watcher.on_push(AssessRequest(self._requests, code, stage))  # type: ignore[arg-type]
        return await self.controller.answer(self._requests)

    def stage(self, code: str | None, stage: str) -> None:
        self.watcher.on_push(StageChanged(code, stage))  # type: ignore[arg-type]
        if code is not None and self.telling:
            self.watcher.on_push(TransactionReading(self.clock.now_s, code, BEGUN))


@pytest.fixture
async def kiosk(tmp_path: Path) -> AsyncIterator[Kiosk]:
    async for each in running(Kiosk(tmp_path)):
        yield each


async def running(kiosk: Kiosk) -> AsyncIterator[Kiosk]:
    tasks = [
        asyncio.create_task(kiosk.watcher.run_frames()),
        asyncio.create_task(kiosk.watcher.run_session(kiosk.controller)),
    ]
    yield kiosk
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await kiosk.watcher.close()


async def test_a_calm_deposit_is_low_and_an_onlooker_is_not_and_says_why(kiosk: Kiosk) -> None:
    await kiosk.camera.show(EMPTY, 4)
    await kiosk.camera.show(ALONE, 3)
    kiosk.stage("A1", "access")
    await kiosk.camera.show(replace(ALONE, hand=True), 5)
    calm = await kiosk.ask("A1", "access")
    assert calm.grade == "low"
    assert calm.lens == "clear"
    assert calm.frames_per_second == pytest.approx(RATE, abs=0.2)
    assert {each.stream for each in calm.streams} == {"transaction", "scene", "machine"}
    assert min(each.p_value for each in calm.streams) > 0.01
    assert {each.reasons for each in calm.streams} == {()}

    kiosk.stage("A1", "escrow")
    await kiosk.camera.show(replace(WATCHED, hand=True), 4)
    watched = await kiosk.ask("A1", "escrow")
    assert watched.grade in ("medium", "high")
    await kiosk.camera.show(replace(WATCHED, hand=True), AFTER_S)
    clip = kiosk.controller.clips[0]  # the seconds around the grade that rose, handed over before it is named
    assert (clip.deposit_code, clip.stage) == ("A1", "escrow")
    assert hashlib.sha256(kiosk.controller.evidence[clip.sha256]).hexdigest() == clip.sha256
    assert len(kiosk.controller.evidence[clip.sha256]) == clip.size
    scene = next(each for each in watched.streams if each.stream == "scene")
    assert scene.p_value <= 0.01
    assert scene.reasons
    assert (await kiosk.ask("A1", "access")).grade == "low"  # each stage keeps its own worst moment
    unasked = [report for report in kiosk.controller.reports if report.request_id is None]
    assert any(report.stage == "escrow" and report.grade != "low" for report in unasked)  # told without a question
    assert kiosk.controller.subscribed == [Subscribe(("sensor", "stage"))]


async def test_the_next_deposit_begins_with_a_clean_sheet(kiosk: Kiosk) -> None:
    await kiosk.camera.show(EMPTY, 4)
    kiosk.stage("B1", "access")
    await kiosk.camera.show(WATCHED, 4)
    assert (await kiosk.ask("B1", "access")).grade != "low"
    kiosk.stage(None, "access")
    await kiosk.camera.show(EMPTY, 4)
    await kiosk.camera.show(ALONE, 3)
    kiosk.stage("B2", "access")
    await kiosk.camera.show(ALONE, 4)
    assert (await kiosk.ask("B2", "access")).grade == "low"
    assert (await kiosk.ask("B1", "access")).grade != "low"  # the old one is still known
    (told,) = kiosk.controller.seen  # of the whole deposit, once it had ended
    scene = next(each for each in told.streams if each.stream == "scene")
    assert (told.deposit_code, told.grade, told.sound) == ("B1", scene.grade, True)
    assert scene.reasons
    assert 40 <= sum(rows for _, rows in scene.cells) <= 60  # four seconds
    assert len(scene.row) == len(scene.nearest) == len(features.NAMES)
    assert scene.duration_s == pytest.approx(4, abs=0.5)


async def test_eyes_that_open_in_the_middle_of_a_deposit_vouch_for_nothing_and_accuse_nobody(kiosk: Kiosk) -> None:
    await kiosk.camera.show(ALONE, 1)  # who stands there is taken for a part of the shop
    kiosk.stage("A2", "escrow")
    await kiosk.camera.show(replace(ALONE, hand=True), 6)
    seen = await kiosk.ask("A2", "escrow")
    assert seen.grade == "medium"
    assert any("the empty shop not seen yet" in reason for each in seen.streams for reason in each.reasons)
    assert {report.grade for report in kiosk.controller.reports} == {"medium"}
    kiosk.stage(None, "access")
    await kiosk.camera.show(EMPTY, 4)
    assert kiosk.controller.reports[-1].grade == "low"


async def test_the_empty_shop_is_known_again_after_a_restart_in_a_deposit_unless_it_is_another(tmp_path: Path) -> None:
    async for first in running(Kiosk(tmp_path, kept=True)):
        await first.camera.show(EMPTY, 5)
    for seed, grade in ((21, "low"), (22, "medium")):
        async for second in running(Kiosk(tmp_path, kept=True, shop_seed=seed)):
            await second.camera.show(ALONE, 1)
            second.stage("A3", "escrow")
            await second.camera.show(replace(ALONE, hand=True), 2)
            assert (await second.ask("A3", "escrow")).grade == grade


async def test_the_lens_is_reported_per_stage_with_its_worst(kiosk: Kiosk) -> None:
    await kiosk.camera.show(EMPTY, 3)
    kiosk.stage("C1", "access")
    await kiosk.camera.show(ALONE, 3)
    kiosk.stage("C1", "escrow")
    await kiosk.camera.show(replace(ALONE, lens="covered"), 3)
    kiosk.stage("C1", "bundling")
    await kiosk.camera.show(ALONE, 3)
    await kiosk.camera.show(replace(ALONE, lens="frozen"), 3)
    await kiosk.camera.show(ALONE, 2)
    kiosk.stage("C1", "storing")
    await kiosk.camera.give(None)
    lenses = [(await kiosk.ask("C1", stage)).lens for stage in ("access", "escrow", "bundling", "storing")]
    assert lenses[0] == "clear"
    assert lenses[1] == "covered"
    assert lenses[2] in ("frozen", "covered")  # it was still covered when the stage began
    assert lenses[3] == "absent"


async def test_the_still_is_a_blurred_picture_on_disk_named_by_its_hash(kiosk: Kiosk) -> None:
    await kiosk.camera.show(EMPTY, 2)
    kiosk.stage("D1", "access")
    await kiosk.camera.show(ALONE, 2)
    report = await kiosk.ask("D1", "access")
    assert report.still_sha256 is not None
    still = (kiosk.stills / f"{report.still_sha256}.jpg").read_bytes()
    assert still[:2] == b"\xff\xd8"
    assert await kiosk.controller.handed_over(report.still_sha256) == still


async def test_a_scene_that_is_judged_too_late_raises_the_grade_and_is_named(kiosk: Kiosk) -> None:
    await kiosk.camera.show(EMPTY, 4)
    await kiosk.camera.show(ALONE, 3)
    kiosk.stage("L1", "access")
    unseen = await kiosk.ask("L1", "access")  # no frame of this deposit has been judged within the time there is
    assert unseen.grade == "medium"
    assert any("scene" in each.stream and each.reasons for each in unseen.streams)
    kiosk.stage("L1", "escrow")
    await kiosk.camera.show(ALONE, 2)
    assert (await kiosk.ask("L1", "escrow")).grade == "low"
    for _ in range(16):  # a frame takes four seconds, or the camera's thread hangs; the board is heard of meanwhile
        kiosk.clock.now_s += 0.25
        kiosk.watcher.on_push(reading(kiosk.clock.now_s, CALM))
    assert (await kiosk.ask("L1", "escrow")).grade == "medium"
    assert any(report.stage == "escrow" and report.grade == "medium" for report in kiosk.controller.reports)
    assert (await kiosk.ask("L1", "access")).grade == "medium"


async def test_board_readings_are_judged_beside_the_scene(kiosk: Kiosk) -> None:
    await kiosk.camera.show(EMPTY, 2)
    await kiosk.camera.show(ALONE, 2)
    kiosk.stage("E1", "access")
    await kiosk.camera.show(ALONE, 4)
    calm = await kiosk.ask("E1", "access")
    assert {each.stream: each.grade for each in calm.streams} == dict.fromkeys(
        ("scene", "machine", "transaction"), "low"
    )
    kiosk.stage("E1", "escrow")
    kiosk.disturbance = Disturbance(vibration_mg=900.0, tilt_mg=150.0)
    await kiosk.camera.show(ALONE, 2)
    drilled = await kiosk.ask("E1", "escrow")
    worst = next(each for each in drilled.streams if each.stream == "machine")
    assert worst.grade == "high"
    assert any("shaken" in reason or "blow" in reason or "tilted" in reason for reason in worst.reasons)


async def test_without_models_the_grade_is_medium_and_says_so(tmp_path: Path) -> None:
    async for kiosk in running(Kiosk(tmp_path, models=False)):
        kiosk.stage("F1", "access")
        await kiosk.camera.show(ALONE, 1)
        report = await kiosk.ask("F1", "access")
        assert report.grade == "medium"
        assert "could not be judged" in report.streams[0].reasons[0]


async def test_streams_that_are_not_heard_of_raise_the_grade_and_are_named(kiosk: Kiosk) -> None:
    kiosk.telling = False
    await kiosk.camera.show(EMPTY, 4)
    await kiosk.camera.show(ALONE, 3)
    kiosk.stage("S1", "access")
    await kiosk.camera.show(ALONE, 2)
    assert (await kiosk.ask("S1", "access")).grade == "low"
    await kiosk.camera.show(ALONE, 2)
    report = await kiosk.ask("S1", "access")
    assert report.grade == "medium"
    told = {each.stream: each.reasons for each in report.streams if each.grade != "low"}
    assert told == {name: (f"nothing is heard of the {name}",) for name in ("machine", "transaction")}


async def test_a_transaction_unlike_any_is_told_and_rows_that_make_no_sense_are_faults(kiosk: Kiosk) -> None:
    await kiosk.camera.show(EMPTY, 4)
    await kiosk.camera.show(ALONE, 3)
    kiosk.stage("T1", "access")
    await kiosk.camera.show(ALONE, 1)
    strange = dict(zip(transaction.NAMES, BEGUN, strict=True)) | {"refused": 6.0, "refused_share": 0.9, "haste": 14.0}
    kiosk.watcher.on_push(TransactionReading(kiosk.clock.now_s, "T1", tuple(strange.values())))
    report = await kiosk.ask("T1", "access")
    told = next(each for each in report.streams if each.stream == "transaction")
    assert told.grade != "low"
    assert any("refused" in reason or "pushed in" in reason for reason in told.reasons)
    kiosk.stage("T2", "access")
    kiosk.watcher.on_push(TransactionReading(kiosk.clock.now_s, "T2", (math.nan, *BEGUN[1:])))
    kiosk.watcher.on_push(TransactionReading(kiosk.clock.now_s, "T2", BEGUN[1:]))
    report = await kiosk.ask("T2", "access")
    assert report.grade != "low"
    assert any("could not be judged" in reason for each in report.streams for reason in each.reasons)


async def test_a_watcher_that_missed_the_beginning_says_so(kiosk: Kiosk) -> None:
    await kiosk.camera.show(ALONE, 1)
    assert (await kiosk.ask("G1", "storing")).request_id == 1
    assert (await kiosk.ask("G1", "access")).lens == "absent"


async def test_reports_never_pile_up_while_the_controller_is_away(tmp_path: Path) -> None:
    kiosk = Kiosk(tmp_path)
    frames = asyncio.create_task(kiosk.watcher.run_frames())
    for n in range(100):
        kiosk.stage(f"H{n}", "access")
        await kiosk.camera.show(EMPTY, 0.1)
    session = asyncio.create_task(kiosk.watcher.run_session(kiosk.controller))
    assert (await kiosk.ask("H99", "access")).deposit_code == "H99"
    assert len(kiosk.controller.reports) <= 40
    for task in (frames, session):
        task.cancel()
    await asyncio.gather(frames, session, return_exceptions=True)
    await kiosk.watcher.close()


def reading(at_s: float, disturbance: Disturbance = CALM) -> SensorReading:
    """What the simulated board would read, as the controller forwards it."""
    sensed = read_sensors(SensorState(SensorConfig(), disturbance=disturbance), 3, at_s)
    return SensorReading(
        at_monotonic_s=at_s,
        board_state=0,
        temperature_decicelsius=sensed.temperature_decicelsius,
        supply_mv=sensed.supply_mv,
        tilt_mg=sensed.tilt_mg,
        vibration_mg_rms=sensed.vibration_mg_rms,
        gas_permille=sensed.gas_permille,
        motor_current_ma=sensed.motor_current_ma,
        door_bits=0,
        tray_notes=0,
        transport_occupied=False,
    )


def test_a_still_shows_that_somebody_was_there_and_not_who() -> None:
    frame = SceneRenderer(3).render(ALONE, 0.0)
    jpeg = blurred_jpeg(frame)
    assert len(jpeg) < 6000


def test_the_ring_of_stills_is_bounded(tmp_path: Path) -> None:
    ring = StillRing(tmp_path, files_max=5)
    names = [ring.keep(blurred_jpeg(np.full((120, 160, 3), shade, np.uint8))) for shade in range(0, 200, 10)]
    kept = {path.stem for path in tmp_path.glob("*.jpg")}
    assert len(kept) == 5
    assert names[-1] in kept
