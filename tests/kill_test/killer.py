"""Kills the controller where the plan says: watches the status on the bus, waits a little, SIGKILL."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from kiosk.bus import BusClient
from kiosk.clock import rfc3339
from kiosk.errors import BusError
from kiosk.messages import Push, Status, Subscribe
from scripts.stage import Stage
from tests.kill_test.plan import STATES, Aim, Plan

_LOOK_S: Final = 0.05


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: when, by the wall clock, as the journal writes it."""

    schedule: int
    at: str
    moment: str


class Killer:
    """One at a time per stage. `kills` is what it did; each was granted by `may_kill`, which counts them."""

    def __init__(self, stage: Stage, may_kill: Callable[[], bool]) -> None:
        self._stage = stage
        self._may_kill = may_kill
        self._client: BusClient | None = None
        self._state = ""
        self._news = asyncio.Event()
        self.kills: list[Kill] = []

    async def pursue(self, plan: Plan) -> None:
        """Work through the plan's aims; to be cancelled when the schedule is over."""
        try:
            for aim in plan.aims:
                if await self._reached(aim):
                    await asyncio.sleep(aim.delay_s)
                    await self._kill(plan, aim)
        finally:
            await self._forget()

    async def _reached(self, aim: Aim) -> bool:
        """Wait for the aim's moment; False when the deposit has gone past it."""
        if aim.moment == "restarting":  # only right after a kill of this schedule: the new process has just begun
            return bool(self.kills) and self._state == "killed"
        if self._state == "killed":
            self._state = ""
        moments = list(STATES)
        while True:
            self._news.clear()
            now = next((moment for moment, states in STATES.items() if self._state in states), None)
            if now == aim.moment:
                return True
            if now is not None and moments.index(now) > moments.index(aim.moment):
                return False
            await self._hear()

    async def _hear(self) -> None:
        """Until the next status; a controller that is away is waited for."""
        try:
            if self._client is None:
                bus = self._stage.folder / "kiosk" / "bus"
                self._client = await BusClient.connect(bus, "maintenance", self._pushed)
                await self._client.request(Subscribe(("status",)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), 1.0)
                return
            await self._client.request(Subscribe(("status",)))  # a broken connection says so here
        except (BusError, OSError):
            await self._forget()
            await asyncio.sleep(_LOOK_S)

    def _pushed(self, push: Push) -> None:
        if isinstance(push, Status):
            self._state = push.state
            self._news.set()

    async def _kill(self, plan: Plan, aim: Aim) -> None:
        """Kill it, and wait until it was started again."""
        old = self._stage.kiosk_pid("controller")
        if old is None or not self._may_kill():
            return
        moment = rfc3339(datetime.now(UTC))
        self._stage.kill("controller")
        self.kills.append(Kill(plan.seed, moment, aim.moment))
        await self._forget()

        async def again() -> bool:
            return self._stage.kiosk_pid("controller") not in (None, old)

        await self._stage.wait(again, "kiosk")
        self._state = "killed"

    async def _forget(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()
