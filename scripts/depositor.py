"""A scripted depositor: does the steps of a scenario file at whatever kiosk and world it can reach.

The same steps run against real processes (bus and control API, `scripts.stage`) and against the controller in
virtual time (`tests.simulation`). A step that does not come to its end within its time fails with what was seen.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec

from kiosk.messages import Depositor, Identify, Ok, Reply, Request, Resume, Status

LOOK_S: Final = 0.1
STEP_S_MAX: Final = 60.0
ACCOUNTS: Final = {"first": "0000111122223337", "second": "0000555566667773"}  # made up; check digits right


class ScenarioFailed(RuntimeError):
    """A step did not end as it should."""


class Reach(Protocol):
    """What a depositor can see and touch."""

    async def status(self) -> Status: ...

    async def ask(self, request: Request) -> Reply: ...

    async def insert(self, currency: str, value_minor: int, kind: str) -> bool:
        """Whether the port took the note from the hand."""

    async def bezel(self) -> int:
        """How many notes wait at the bezel."""

    async def take(self) -> int:
        """Take them."""

    async def scene(self, changes: dict[str, Any]) -> None: ...

    async def pause(self, seconds: float) -> None: ...


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One [[step]] of a scenario."""

    do: Literal["identify", "feed", "done", "confirm", "cancel", "finish", "resume", "scene", "wait", "until"]
    account: str = "first"
    notes: tuple[int, ...] = ()  # face values in minor units
    currency: str = "CNY"
    kind: str = "genuine"
    scene: dict[str, Any] = {}
    state: str = ""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0
    say: str = ""


class Scenario(msgspec.Struct, frozen=True):
    """The runner's part of a scenario file; the other tables are the simulator's."""

    step: tuple[Step, ...]
    expect: dict[str, Any] = {}


def load(path: Path) -> Scenario:
    """Read and check the runner's part."""
    return msgspec.convert(tomllib.loads(path.read_text()), Scenario)


def _silent(_words: str) -> None:
    """Whoever did not ask is told nothing."""


@dataclass
class ScriptedDepositor:
    """Does steps. `say` is told what happens, in words."""

    reach: Reach
    say: Callable[[str], None] = _silent
    code: str = ""

    async def perform(self, steps: tuple[Step, ...]) -> None:
        """All steps in order. Raises `ScenarioFailed`."""
        for step in steps:
            if step.say:
                self.say(step.say)
            await self._do(step)

    async def _do(self, step: Step) -> None:  # noqa: C901 - one case for each word of a scenario
        match step.do:
            case "identify":
                await self._identify(step)
            case "feed":
                for value in step.notes:
                    await self._feed(step, value)
            case "scene":
                await self.reach.scene(step.scene)
            case "wait":
                await self.reach.pause(step.seconds)
            case "until":
                await self.until(step.state)
            case "resume":
                await self.until("suspended")
                await self._ask(Resume(self.code))
            case "cancel":
                await self._ask(Depositor("cancel"))
                await self._take_back()
            case "done":
                if (await self.reach.status()).state not in {"settling", "review"}:
                    await self._ask(Depositor("done"))
                await self.until("review", "done", "idle")
            case "confirm" | "finish":
                await self._ask(Depositor(step.do))

    async def _identify(self, step: Step) -> None:
        await self._ask(Identify(ACCOUNTS.get(step.account, step.account)))
        status = await self.reach.status()
        self.code = status.deposit.code if status.deposit else ""

    async def _ask(self, request: Request) -> None:
        reply = await self.reach.ask(request)
        if not isinstance(reply, Ok):
            status = await self.reach.status()
            message = f"{request} was answered with {reply} in state {status.state}"
            raise ScenarioFailed(message)

    async def until(self, *states: str, limit_s: float = STEP_S_MAX) -> Status:
        """Wait for one of these states."""
        waited_s = 0.0
        while True:
            status = await self.reach.status()
            if status.state in states:
                return status
            if waited_s > limit_s:
                reasons = "; ".join(status.out_of_service_reasons)
                message = f"waited {limit_s:g} s for {' or '.join(states)}, the kiosk is in {status.state} ({reasons})"
                raise ScenarioFailed(message)
            await self.reach.pause(LOOK_S)
            waited_s += LOOK_S

    async def _feed(self, step: Step, value_minor: int) -> None:
        """One note: until it is counted or kept, or back in the hand."""
        if (await self.until("cash_in", "consenting")).state == "consenting":
            await self._ask(Depositor("consent"))
        before = _settled(await self.until("cash_in"))
        waited_s = 0.0
        while not await self.reach.insert(step.currency, value_minor, step.kind):
            await self.reach.pause(LOOK_S)
            waited_s += LOOK_S
            if waited_s > STEP_S_MAX:
                message = f"the port does not take a note of {value_minor}"
                raise ScenarioFailed(message)
        for _ in range(int(STEP_S_MAX / LOOK_S)):
            await self.reach.pause(LOOK_S)
            if await self.reach.bezel():
                await self.reach.take()
                return
            status = await self.reach.status()
            if _settled(status) != before and status.state in {"cash_in", "settling", "review"}:
                return
        message = f"the note of {value_minor} did not settle: {await self.reach.status()}"
        raise ScenarioFailed(message)

    async def _take_back(self) -> None:
        for _ in range(int(STEP_S_MAX / LOOK_S)):
            if await self.reach.bezel():
                await self.reach.take()
            status = await self.reach.status()
            if status.state in {"closing", "done", "idle"}:
                return
            await self.reach.pause(LOOK_S)
        message = f"the notes did not come back: {await self.reach.status()}"
        raise ScenarioFailed(message)


def _settled(status: Status) -> tuple[int, int]:
    """Notes counted and value kept so far."""
    if status.deposit is None:
        return 0, 0
    counted = sum(row.count for row in status.deposit.counted)
    return counted, sum(amount.minor for amount in status.deposit.retained)
