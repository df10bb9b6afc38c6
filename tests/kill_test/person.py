"""A depositor who only looks: whatever the screen shows after a kill, they do the next sensible thing."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from kiosk.messages import Depositor, Identify, Ok, Reply, Request, Resume, Status
from scripts.depositor import ACCOUNTS
from scripts.stage import Stage
from tests.kill_test.plan import Plan

_LOOK_S: Final = 0.1
STUCK_S: Final = 150.0  # nothing new for so long: nobody would wait any longer
_UNDER_WAY: Final = ("throat", "path")


@dataclass
class Told:
    """What the person did and was promised."""

    plan: Plan
    fed: list[int] = field(default_factory=list)  # the world's ids of the notes that left the hand
    code: str = ""
    confirmed_minor: int | None = None  # shown when `confirm` was answered
    left: bool = False
    stuck: str = ""


class Person:
    """One schedule at one stage."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self._stage = stage
        self._left = list(plan.notes)
        self._began = False
        self._tried = False
        self.told = Told(plan)

    async def play(self) -> Told:
        """Until the kiosk is idle again, or nothing has changed for `STUCK_S`."""
        seen: tuple[str, int] | None = None
        since_s = time.monotonic()
        while True:
            status = await self._stage.status()
            if (status.state, len(self.told.fed)) != seen:
                seen, since_s = (status.state, len(self.told.fed)), time.monotonic()
            if time.monotonic() - since_s > STUCK_S:
                self.told.stuck = f"in {status.state}: {'; '.join(status.out_of_service_reasons)}"
                return self.told
            if status.deposit is not None and not self._began and self._tried:
                self._began = True
            if self._began and status.deposit is not None and status.deposit.code:
                self.told.code = status.deposit.code
            if status.state == "idle" and self._began:
                return self.told
            await self._act(status)
            await asyncio.sleep(_LOOK_S)

    async def _act(self, status: Status) -> None:
        if not status.devices_connected:
            if status.state == "returning":  # whoever sees notes at the bezel takes them, whatever the screen says
                await self._stage.take()
            return
        match status.state:
            case "idle" if status.in_service:
                self._tried = True
                self._began = isinstance(await self._stage.ask(Identify(ACCOUNTS["first"])), Ok)
            case "cash_in":
                await self._feed()
            case "refusing" | "returning" | "closing":
                await self._stage.take()
            case "suspended":
                await self._come_back()
            case "review":
                await self._decide(status)
            case "done":
                await self._touch("finish")

    async def _feed(self) -> None:
        world = await self._stage.world("/state")
        if world["bezel"]:
            await self._stage.take()
        elif any(note["place"] in _UNDER_WAY for note in world["notes"]):
            return
        elif not self._left:
            await self._touch("done")
        elif (number := await self._insert(*self._left[0])) is not None:
            self.told.fed.append(number)
            self._left.pop(0)

    async def _insert(self, value_minor: int, kind: str) -> int | None:
        before = {note["id"] for note in await self._notes()}
        if not await self._stage.insert("CNY", value_minor, kind):
            return None
        return int(next(note["id"] for note in await self._notes() if note["id"] not in before))

    async def _notes(self) -> list[dict[str, Any]]:
        notes: list[dict[str, Any]] = (await self._stage.world("/state"))["notes"]
        return notes

    async def _come_back(self) -> None:
        if self.told.plan.ending == "leave":
            self.told.left = True
        elif self.told.code:
            await self._stage.ask(Resume(self.told.code))

    async def _decide(self, status: Status) -> None:
        await self._stage.take()  # what a reset validator may have put there
        if self.told.plan.ending == "leave":
            self.told.left = True
        elif self.told.plan.ending == "cancel":
            await self._touch("cancel")
        elif status.deposit is not None and isinstance(await self._touch("confirm"), Ok):
            self.told.confirmed_minor = sum(amount.minor for amount in status.deposit.total)

    async def _touch(self, action: Any) -> Reply:
        request: Request = Depositor(action)
        return await self._stage.ask(request)
