"""The depositor and the technician of a schedule. Both see what people see: the screen, the port, the cabinet."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from firmware_bridge.errors import DeviceFault
from hwsim.errors import InsertionRefused, UnknownFault
from kiosk.core.actions import AcceptDevice
from kiosk.core.state import State
from kiosk.management.machine import not_ready
from kiosk.messages import Asked, Depositor, Identify, Ok, Reply, Request, RequestAction, Resume
from tests.simulation.fate import SWAPPED_SERIAL
from tests.simulation.people import PINS
from tests.simulation.rig import ACCOUNT, PowerCut
from tests.simulation.schedule import Visit

if TYPE_CHECKING:
    from tests.simulation.play import Play

LOOK_S: Final = 0.2
AWAY_LOOK_S: Final = 2.0
PATIENCE_S: Final = 1800.0  # for a kiosk that is out of service or dark, before a depositor goes home
VISIT_S_MAX: Final = 4 * 3600.0
TRIES_MAX: Final = 2  # of one note
SILENCES_MAX: Final = 2
_UNDER_WAY: Final = (State.REFUSING, State.ACCEPTING, State.STACKING, State.PURGING)
_STEP_OF: Final = {
    State.WATCHING: "watching",
    State.CONSENTING: "watching",
    State.STARTING: "watching",
    State.CASH_IN: "cash_in",
    State.REVIEW: "review",
    State.RETURNING: "returning",
    State.COLLECTING: "storing",
    State.STORING: "storing",
}


class Stuck(Exception):
    """The kiosk neither came to an end nor said why."""


async def ask(play: "Play", role: Any, request: Request) -> Reply | None:
    """A request over the bus; None when the controller died or was dead meanwhile."""
    rig, deaths = play.rig, play.deaths
    if play.dark or rig.crashed:
        return None
    task = asyncio.ensure_future(rig.desk.handle(role, request))
    ended = asyncio.ensure_future(rig.ended())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    with contextlib.suppress(PowerCut, Exception, asyncio.CancelledError):
        return task.result() if play.alive(deaths) else None
    return None


class Customer:
    """One visit, from the first touch until the screen is free again or the depositor has gone for good."""

    def __init__(self, play: "Play", visit: Visit) -> None:
        self._play, self._visit = play, visit
        self._rig = play.rig
        self._left = list(visit.notes)
        self._tries = 0
        self._fed = self._taken = 0
        self._code = ""
        self._away_until_s: float | None = None
        self._has_left = False
        self._copies = visit.reprints
        self._wrong_codes = 0
        self._silences = 0  # odd while a review is being looked at

    async def visit(self) -> None:
        if not await self._begin():
            self._play.tell("the depositor goes home without a deposit")
            return
        loop, rig = self._rig.loop, self._rig
        end_s = loop.time() + VISIT_S_MAX
        while loop.time() < end_s:
            state = rig.deposit.state
            if self._play.dark or not rig.controller.machine.connected:
                if state is State.RETURNING and not self._away():
                    self._take()
                await asyncio.sleep(LOOK_S * 3)
                continue
            if state is State.IDLE:
                return
            self._code = self._code or rig.deposit.code
            if self._away():
                await asyncio.sleep(LOOK_S if state is State.DONE else AWAY_LOOK_S)
                continue
            if self._leaves(state):
                continue
            await self._act(state)
            await asyncio.sleep(LOOK_S)
        raise Stuck(f"a deposit in state {rig.deposit.state} for {VISIT_S_MAX:g} s")

    async def _begin(self) -> bool:
        end_s = self._rig.loop.time() + PATIENCE_S
        while self._rig.loop.time() < end_s:
            reply = await ask(self._play, "terminal", Identify(ACCOUNT))
            if isinstance(reply, Ok) or (not self._play.dark and self._rig.deposit.state is not State.IDLE):
                return True
            await asyncio.sleep(10.0)
        return False

    def _away(self) -> bool:
        if self._away_until_s is None:
            return False
        if self._rig.loop.time() < self._away_until_s:
            return True
        self._away_until_s = None
        self._play.tell("the depositor is back")
        return False

    def _leaves(self, state: State) -> bool:
        visit = self._visit
        if self._has_left or not visit.leaves or _STEP_OF.get(state) != visit.leaves:
            return False
        done = {"cash_in": self._fed, "returning": self._taken}.get(visit.leaves)
        if done is not None and done < visit.leaves_after:
            return False
        self._has_left = True
        self._away_until_s = self._rig.loop.time() + (visit.comes_back_s or 1e9)
        self._play.fate.happened(f"depositor.leaves:{visit.leaves}")
        return True

    async def _act(self, state: State) -> None:  # noqa: C901 - one answer to each screen
        decision = self._visit.decision
        match state:
            case State.CONSENTING:
                await self._touch("consent")
            case State.CASH_IN:
                await self._feed()
            case State.REVIEW if decision == "confirm":
                self._take()
                await asyncio.sleep(1.0)
                await self._touch("confirm")
            case State.REVIEW if decision in ("cancel", "cancel_early"):
                self._take()
                await self._touch("cancel")
            case State.REVIEW:
                self._silences += not self._silences % 2
                self._play.cause("depositor.silent")
            case State.SUSPENDED if self._silences > SILENCES_MAX:
                pass  # whoever says nothing twice does not come back
            case State.SUSPENDED:
                self._silences += self._silences % 2
                await self._resume()
            case State.RETURNING:
                self._take()
            case State.DONE if self._copies > 0:
                self._copies -= 1
                await self._touch("reprint")
            case State.DONE:
                self._take()
                await self._touch("finish")
            case _ if state in _UNDER_WAY:
                self._take()

    async def _feed(self) -> None:
        if self._visit.decision == "cancel_early" and self._fed * 2 >= len(self._visit.notes):
            await self._touch("cancel")
            return
        self._take()
        if not self._left:
            await self._touch("done")
            return
        value_minor, kind = self._left[0]
        with contextlib.suppress(InsertionRefused):
            note = self._rig.world.insert("CNY", value_minor, kind)
            self._play.fed(note.id)
            self._tries += 1
            await self._watch_note(note.id)
            taken_in = self._rig.world.notes.get(note.id).inserted
            if taken_in or self._tries >= TRIES_MAX:
                self._left.pop(0)
                self._tries = 0
            self._fed += taken_in

    async def _watch_note(self, number: int) -> None:
        """Until it has gone in or come back; a depositor waits a while."""
        end_s = self._rig.loop.time() + 20.0
        while self._rig.loop.time() < end_s and not self._play.dark:
            await asyncio.sleep(LOOK_S)
            note = self._rig.world.notes.get(number)
            state = self._rig.deposit.state
            if note.place in ("bezel", "out", "removed") or (note.inserted and state not in _UNDER_WAY):
                return
            if state is not State.CASH_IN and state not in _UNDER_WAY:
                return

    def _take(self) -> None:
        if self._visit.takes:
            self._taken += len(self._rig.world.take())
        elif self._rig.deposit.state is State.RETURNING:
            self._play.cause("depositor.leaves:returning")

    async def _resume(self) -> None:
        if self._visit.forgets_code:
            self._play.fate.struck["depositor.forgets_code"] += not self._wrong_codes
            self._play.cause("depositor.forgets_code")
            self._wrong_codes += 1
            await ask(self._play, "terminal", Resume("000000000000"))
            await asyncio.sleep(10.0)
            return
        await ask(self._play, "terminal", Resume(self._code))

    async def _touch(self, action: Any) -> None:
        self._play.touched(action, await ask(self._play, "terminal", Depositor(action)))


class Technician:
    """Comes some time after the kiosk has begun to need somebody, repairs everything, and looks in at the end."""

    def __init__(self, play: "Play") -> None:
        self._play = play
        self._rig = play.rig

    async def work(self) -> None:
        wanted_since_s: float | None = None
        while True:
            await asyncio.sleep(15.0)
            if not self.wanted():
                wanted_since_s = None
                continue
            now_s = self._rig.loop.time()
            wanted_since_s = now_s if wanted_since_s is None else wanted_since_s
            if now_s - wanted_since_s >= self._play.schedule.technician_s:
                wanted_since_s = None
                await self.repair()

    def wanted(self) -> bool:
        """Whether the kiosk, or the lack of one, asks for somebody."""
        rig = self._rig
        if self._play.fate.disk:
            return True
        if self._play.dark:
            return False
        machine = rig.controller.machine
        if not machine.connected or rig.deposit.state is State.JAMMED or rig.deposit.waiting:
            return True
        with contextlib.suppress(DeviceFault):
            return any(True for _ in not_ready(machine, rig.controller.devices))
        return True

    async def repair(self) -> None:
        """Everything that hands can mend."""
        self._play.tell("a technician repairs")
        self._play.cause("technician.visit")
        self._play.repairs += 1
        rig, world = self._rig, self._rig.world
        takes = self._play.schedule.technician_takes
        note = "take" if takes else "leave"
        jammed = rig.validator.state()["jam"] != "none"
        if takes and (jammed or rig.board.state()["jam"]):
            self._play.fate.happened("technician.takes_note")
        self._play.fate.mended()
        repairs: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("validator", "clear_jam", {"note": note}),
            ("board", "clear_jam", {"note": note}),
            ("validator", "stacker_emptied", {}),
            ("validator", "stacker_replaced", {}),
            ("validator", "path_closed", {}),
            ("validator", "repaired", {}),
            ("board", "tray_returned", {}),
            ("board", "sensors_repaired", {}),
            ("board", "forget_faults", {}),
            ("cabinet", "shutter_freed", {}),
            ("cabinet", "line_repaired", {"line": "shutter_closed"}),
            ("cabinet", "line_repaired", {"line": "shutter_opened"}),
            ("label", "paper_loaded", {}),
            ("receipt", "paper_loaded", {}),
            *(("label", name, {"on": False}) for name in ("head_open", "ribbon_out", "hot", "paused")),
            *(("receipt", name, {"on": False}) for name in ("cover_open", "cutter_stuck", "unrecoverable", "hot")),
        )
        for device, fault, details in repairs:
            with contextlib.suppress(UnknownFault):  # of another validator
                world.fault(device, fault, **details)
        world.restock(straps=50)
        for role, level in (("e_stop", False), ("tamper", False), ("service_key", False), ("door_closed", True)):
            world.set_line(role, level)
        if jammed:
            await self._cycle("validator")
        if all(world.slots):
            world.empty_cabinet()
        await self._accept_or_put_back()
        if rig.deposit.state is State.IDLE:
            self._clear_away()

    async def _cycle(self, device: str) -> None:
        world = self._rig.world
        world.power(device, on=False)
        await asyncio.sleep(1.0)
        if not (self._rig.crashed and self._rig.crash_takes_power):
            world.power(device, on=True)

    async def _accept_or_put_back(self) -> None:
        """The one that answers is accepted, or the other one comes back: also when the word of acceptance was lost."""
        stranger = self._rig.controller.machine.stranger
        if stranger is None:
            return
        action: Any = msgspec.to_builtins(AcceptDevice("validator", stranger))
        reply = await ask(self._play, "maintenance", RequestAction("carl", PINS["carl"], action))
        if not (isinstance(reply, Asked) and reply.done):
            other = self._play.serial if stranger == SWAPPED_SERIAL else SWAPPED_SERIAL
            self._rig.world.fault("validator", "swapped", serial_number=other)

    def _clear_away(self) -> None:
        """What lies about when no deposit is under way goes to the bank by hand."""
        self._rig.world.fault("board", "note_taken", place="transport", count=1000)
        self._rig.world.fault("board", "tray_emptied")
