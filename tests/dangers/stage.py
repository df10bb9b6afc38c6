"""One deposit before the watcher that ships, in virtual time; the controller's own code makes of it what it makes."""

import asyncio
import heapq
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np

from firmware_bridge.interfaces import BoardSnapshot, Line
from hwsim.devices.board_sensors import Activity, Disturbance, SensorState, ThermalLoad, read_sensors
from kiosk.appraisal.manifest import Stream
from kiosk.appraisal.model import StreamModel
from kiosk.core import facts as f
from kiosk.core.deposit import step
from kiosk.core.facts import Assessment, Stage
from kiosk.core.policy import NoteKind, Policy
from kiosk.core.state import Deposit as DepositState
from kiosk.core.state import State
from kiosk.core.steps import ALL_STAGES
from kiosk.management.handling import Handling
from kiosk.management.machine import hazards, port_forced
from kiosk.management.riskdesk import RiskDesk
from kiosk.management.transactions import Habits, Transactions, pseudonym
from kiosk.messages import HandOver, Ok, Reply, Request, RiskReport, StageChanged, Subscribe
from kiosk.monitoring.frames import Frame
from kiosk.monitoring.still import StillRing
from kiosk.monitoring.watcher import Watcher
from kiosk.processes.sensing import Sensing
from tests.dangers.money import WORTH
from tests.dangers.painter import Painter, recoded
from tests.dangers.script import Play, Work

BUSY_SNAPSHOT_S: Final = 0.25  # as the controller reads the board
REST_SNAPSHOT_S: Final = 1.0
STIR_S: Final = 0.65  # a danger that is half there has been coming for so long: seen then, it is seen after 0 s
Happening = Literal["frame", "board", "stage", "lines", "ask", "fact"]
KEY: Final = b"k" * 32
POLICY: Final = Policy(tuple(NoteKind(channel, "CNY", minor) for channel, minor in WORTH.items()), (), 40)


class VirtualClock:
    """Time stands still but for `advance`."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.began = datetime(2026, 11, 22, 10, tzinfo=UTC)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    def monotonic_s(self) -> float:
        return self.now_s

    def now_utc(self) -> datetime:
        return self.began + timedelta(seconds=self.now_s)

    async def sleep(self, seconds: float) -> None:
        self._number += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, self._number, future))
        await future

    async def advance(self, to_s: float) -> None:
        while self._sleepers and self._sleepers[0][0] <= to_s:
            self.now_s, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
            await settle()
        self.now_s = to_s


async def settle() -> None:
    """Let what is ready run."""
    for _ in range(6):
        await asyncio.sleep(0)


class Camera:
    """Gives each frame once and waits until the watcher is done with it; freezes or loops as the play says."""

    trouble = ""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._painter = Painter(play.seed)
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._asked = asyncio.Event()
        self._number = 0
        self._kept: list[tuple[float, Any]] = []
        self._tape: list[Any] = []
        self._shown = 0

    async def newer(self, number: int, timeout_s: float) -> Frame | None:
        self._asked.set()
        return await self._queue.get()

    async def show(self, at_s: float) -> None:
        self._number += 1
        async with asyncio.timeout(30):
            await self._asked.wait()
            self._asked.clear()
            self._queue.put_nowait(Frame(self._picture(at_s), at_s, self._number))
            await self._asked.wait()

    def _picture(self, at_s: float) -> Any:
        play = self._play
        happening = play.danger[0] <= at_s < play.danger[1]
        if not (happening and play.picture != "live"):
            live = self._painter.paint(play.look(at_s))
            self._kept.append((at_s, live))
            self._kept = [(when_s, one) for when_s, one in self._kept if at_s - when_s <= play.loop_s]
            return self._stamped(live, at_s)
        if play.picture.startswith("frozen"):
            return self._stamped(self._kept[-1][1], at_s)
        if not self._tape:
            again = play.picture == "looped_again"
            self._tape = [recoded(one, 75) if again else one for _, one in self._kept]
        self._shown += 1
        return self._tape[(self._shown - 1) % len(self._tape)]

    def _stamped(self, picture: Any, at_s: float) -> Any:
        """The camera's own clock in the corner goes on although the picture does not."""
        if self._play.picture != "frozen_clock":
            return picture
        words = f"{int(at_s) // 60:02d}:{int(at_s) % 60:02d}"
        return cv2.putText(picture.copy(), words, (6, 14), cv2.FONT_HERSHEY_PLAIN, 1.0, (230, 230, 230), 1)


class Cabinet:
    """Lines and board as the controller reads them."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._load = ThermalLoad(0.0)
        self._load.set_running(False, 0.0)
        self.now_s = 0.0
        self._notes = max(4, play.money.notes) if play.money else 4

    def read(self, line: Line) -> bool:
        happening, signs = self._happening(self.now_s), self._play.signs
        if line is Line.DOOR_CLOSED:
            return not (happening and "door" in signs)
        if line is Line.TAMPER:
            return happening and "tamper" in signs
        if line is Line.SHUTTER_CLOSED:
            return not (happening and "port_forced" in signs)
        return False

    def _happening(self, at_s: float) -> bool:
        return self._play.danger[0] <= at_s < self._play.danger[1]

    def working(self, at_s: float) -> Work | None:
        return next((work for work in self._play.work if work.from_s <= at_s < work.to_s), None)

    def snapshot(self, at_s: float) -> BoardSnapshot:
        play, work = self._play, self.working(at_s)
        odd = Disturbance()
        for force in play.forces:
            beating = force.pulses_s == 0 or (at_s - force.from_s) % (2 * force.pulses_s) < force.pulses_s
            if force.from_s <= at_s < force.to_s and beating:
                odd = Disturbance(odd.vibration_mg + force.vibration_mg, odd.tilt_mg + force.tilt_mg)
        motor = work.motor if work else Activity.NONE
        state = SensorState(play.surroundings, motor, at_s - work.from_s if work else 0.0, 0.1, odd)
        read = read_sensors(state, play.seed, at_s)
        started = sum(one.from_s <= at_s for one in play.work)
        finished = sum(one.to_s <= at_s for one in play.work)
        happening = self._happening(at_s)
        values: dict[str, Any] = {one.name: 0 for one in fields(BoardSnapshot)} | {
            "events": (),
            "state": 0 if work is None or work.homing else work.state,
            "accepted_sequence": started,
            "finished_sequence": finished,
            "tray_notes": self._tray(at_s),
            "transport_occupied": (work is not None and work.state in (1, 5))
            or (happening and "transport" in play.signs),
            "door_bits": int(happening and "door_bits" in play.signs),
            **{name: getattr(read, name) for name in read.__dataclass_fields__},
        }
        return BoardSnapshot(**values)

    def _tray(self, at_s: float) -> int:
        collect = next(work for work in self._play.work if work.state == 1)
        store = self._play.work[-1]
        if at_s < collect.from_s or at_s >= store.to_s:
            return 0
        share = min(1.0, (at_s - collect.from_s) / (collect.to_s - collect.from_s))
        stolen = min(3, self._notes) if self._happening(at_s) and "tray" in self._play.signs else 0
        return max(0, int(self._notes * share) - stolen)


@dataclass
class Seen:
    """What the kiosk made of a deposit."""

    play: Play
    grades: list[tuple[float, Assessment]] = field(default_factory=list)

    @property
    def alarms(self) -> list[tuple[float, Assessment]]:
        return [(at_s, one) for at_s, one in self.grades if one.grade != "low"]

    @property
    def early(self) -> list[tuple[float, Assessment]]:
        """Alarms before there was any danger."""
        begin_s = self.play.danger[0] - STIR_S
        return [] if math.isinf(begin_s) else [(at_s, one) for at_s, one in self.alarms if at_s < begin_s]

    @property
    def found_s(self) -> float | None:
        """Seconds from the danger's beginning to the first grade above low; None: not found, or alarmed before."""
        play = self.play
        begin_s = play.begin_s if math.isinf(play.danger[0]) else play.danger[0]
        times = [max(0.0, at_s - begin_s) for at_s, _ in self.alarms if at_s >= begin_s - STIR_S]
        return times[0] if times and not self.early else None


class Deposit:
    """The watcher on one side, the controller's risk desk on the other."""

    def __init__(self, play: Play, models: Mapping[Stream, StreamModel], folder: Path) -> None:
        self.seen = Seen(play)
        self._play = play
        self._clock = VirtualClock()
        self._camera = Camera(play)
        self._cabinet = Cabinet(play)
        self._watcher = Watcher(self._camera, models, self._clock, StillRing(folder))
        self._sensing = Sensing()
        self._desk = RiskDesk(self._watcher.on_push, lambda: hazards(self._cabinet), 60.0)  # type: ignore[arg-type]
        self._handling = Handling()
        self._transactions = transactions(play, self._clock, self._watcher, self._warn)
        self._shut = True
        self._hazards: tuple[str, ...] = ()
        self._questions: list[asyncio.Task[None]] = []

    async def request(self, message: Request) -> Reply:
        """The controller's end of the bus."""
        if isinstance(message, RiskReport):
            found = self._desk.report(message)
            if found is not None and message.deposit_code is not None:
                self._take(found)
        else:
            assert isinstance(message, Subscribe | HandOver)
        return Ok()

    def _take(self, found: Assessment) -> None:
        self.seen.grades.append((self._clock.now_s, found))

    def _warn(self, words: str) -> None:
        self._take(Assessment("access", "medium", (words,)))

    async def _ask(self, stages: tuple[Stage, ...]) -> None:
        for found in await self._desk.assess("D", stages):
            self._take(found)

    async def run(self) -> Seen:
        tasks = [asyncio.create_task(self._watcher.run_frames()), asyncio.create_task(self._watcher.run_session(self))]
        try:
            for at_s, kind, what in sorted(_happenings(self._play), key=lambda one: one[0]):
                await self._clock.advance(at_s)
                self._cabinet.now_s = at_s
                await self._happen(at_s, kind, what)
                await settle()
            async with asyncio.timeout(60):
                await asyncio.gather(*self._questions)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._watcher.close()
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                raise RuntimeError("the watcher ended") from task.exception()
        return self.seen

    async def _happen(self, at_s: float, kind: Happening, what: Any) -> None:
        match kind:
            case "frame":
                await self._camera.show(at_s)
            case "board":
                self._read_board(at_s)
            case "stage":
                self._watcher.on_push(StageChanged("D", what))
            case "ask":
                self._questions.append(asyncio.create_task(self._ask(what)))
            case "lines":
                self._read_lines()
            case "fact":
                self._hear(what)

    def _read_board(self, at_s: float) -> None:
        """As the controller watches the board: every snapshot is told, hands in it are high at once."""
        snapshot = self._cabinet.snapshot(at_s)
        self._watcher.on_push(self._sensing.reading(snapshot, at_s))
        words = self._handling.seen(snapshot, DepositState(state=self._state(at_s)))
        if words:
            self._take(Assessment("escrow", "high", (words,)))

    def _state(self, at_s: float) -> State:
        play = self._play
        marks = (play.begin_s, State.IDLE), (play.escrow_s, State.WATCHING), (play.review_s, State.CASH_IN)
        later = (play.bundling_s, State.REVIEW), (play.storing_s, State.STRAPPING), (math.inf, State.STORING)
        return next(state for until_s, state in (*marks, *later) if at_s < until_s)

    def _hear(self, fact: f.Fact) -> None:
        """A durable fact: the transaction stream hears it, and the core's own handler grades what it must."""
        if isinstance(fact, f.Begin):
            self._transactions.identified(fact.deposit_id, "somebody")
        self._transactions.heard(fact, DepositState(state=State.CASH_IN, code="D"))
        if isinstance(fact, f.FraudSeen | f.PortTampered):
            state = State.CASH_IN if isinstance(fact, f.FraudSeen) else State.REVIEW
            graded = step(DepositState(state=state, code="D"), fact).deposit
            for found in graded.assessments:
                self._take(found)

    def _read_lines(self) -> None:
        """As the controller watches its lines: a new hazard is high at once."""
        found = hazards(self._cabinet)  # type: ignore[arg-type]
        news = tuple(item for item in found if item not in self._hazards)
        self._hazards = found
        if news:
            self._take(Assessment("escrow", "high", news))
        forced, self._shut = port_forced(self._cabinet, shut=self._shut)  # type: ignore[arg-type]
        if forced:
            self._hear(f.PortTampered("the port was opened by force"))


def _happenings(play: Play) -> Iterator[tuple[float, Happening, Any]]:
    rng = np.random.default_rng((play.seed, 0xF4))
    at_s = 0.05
    while at_s < play.end_s:
        yield at_s, "frame", None
        late = 0.5 if rng.random() < 0.01 else 0.0
        at_s += max(0.02, (1 + late) / play.frames_per_second + float(rng.normal(0, 0.006)))
    at_s = 0.0
    while at_s < play.end_s:
        yield at_s, "board", None
        at_s += BUSY_SNAPSHOT_S if at_s >= play.begin_s else REST_SNAPSHOT_S
    yield play.begin_s, "stage", "access"
    yield play.begin_s + 0.01, "ask", ("access",)
    yield play.escrow_s, "stage", "escrow"
    yield play.bundling_s, "stage", "bundling"
    yield play.storing_s, "stage", "storing"
    yield play.end_s - 0.2, "ask", ALL_STAGES
    for moment in play.danger:
        if play.signs and moment < math.inf:
            yield moment, "lines", None
    if "fraud" in play.signs:
        yield play.danger[0], "fact", f.FraudSeen(1)
    if play.money is None:
        return
    yield play.begin_s, "fact", f.Begin("", b"d", "D", b"", "", "", POLICY, 0, 0)
    for since_s, fact in play.money.events:
        yield play.escrow_s + 0.7 + since_s, "fact", fact
    yield play.bundling_s - 0.3, "fact", f.Confirm("")


def transactions(play: Play, clock: VirtualClock, watcher: Watcher, warn: Callable[[str], None]) -> Transactions:
    """The controller's listener, with the past that the play gives it."""
    paid = play.money
    habits = Habits() if paid is None else Habits(paid.kiosk, {pseudonym(KEY, "somebody"): paid.own})
    clock.began = paid.begins if paid is not None else clock.began
    return Transactions(clock, KEY, habits, tell=watcher.on_push, save=lambda _: None, warn=warn, zone=UTC)


def perform(play: Play, models: Mapping[Stream, StreamModel]) -> Seen:
    """One deposit from the camera's first frame to the receipt."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="kiosk-dangers-") as folder:
        return asyncio.run(Deposit(play, models, Path(folder)).run())
