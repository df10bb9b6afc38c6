"""Service mode: somebody works on the machine. No deposit begins, and what they move is ordered, on record, and seen.

The request that a person signed is the durable intent (`kiosk.core.authority`), together with the memory of a pending
movement; the record `service_moved` with what was seen ends it. A crash in between: the next start says that nobody saw
the end. Nothing here moves a note: shutter, lamps, alarm, the board's HOME and self-test.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import BoardOpcode, BoardResult, Line
from kiosk.clock import rfc3339
from kiosk.core.actions import ClearJam, Move, ServiceEnter, ServiceLeave, ServiceMove
from kiosk.core.deposit import allowed
from kiosk.core.facts import ResetOrdered
from kiosk.core.money import Place
from kiosk.core.records import service
from kiosk.core.state import State
from kiosk.guarantee.journal import Journal
from kiosk.management.authority import Allowed, AuthorityDesk, Performer
from kiosk.management.controller import SERVICE_MODE, Controller
from kiosk.messages import Refused, ServiceView

_log = logging.getLogger(__name__)
PENDING: Final = "service_pending"  # in the journal's memory: what was ordered and not seen to end
MOVE_S_MAX: Final = 150.0
JOG_S: Final = 1.0
_STUCK: Final = frozenset({Place.VALIDATOR, Place.TRANSPORT, Place.TRAY, Place.UNKNOWN})
EXPECTED: Final[dict[Move, str]] = {
    "open": "the shutter reaches its open end",
    "close": "the shutter reaches its closed end",
    "home": "the board finds every axis and says ok",
    "shutter": "the shutter opens, and closes again",
    "lamp": "the port lamp was lit for a second",
    "alarm": "the alarm sounded for a second",
    "self_test": "the board tests itself and says ok",
}


class ServiceDesk:
    """Who works here, and what moves."""

    def __init__(self, controller: Controller, authority: AuthorityDesk, randomness: Callable[[int], bytes]) -> None:
        self.c = controller
        self._last = ServiceView("", "", 0, "", moving=False, ok=True, expected="", seen="")
        self._task: asyncio.Task[None] | None = None
        authority.register(ServiceEnter, _Enter(self))
        authority.register(ServiceLeave, _Leave(self))
        authority.register(ServiceMove, _Move(self))
        authority.register(ClearJam, _Clear(self, randomness))

    def view(self) -> ServiceView:
        """How it stands."""
        mode, last = self.c.machine.service, self._last
        return ServiceView(
            by=mode[0] if mode else "",
            since=mode[1] if mode else "",
            number=last.number,
            move=last.move,
            moving=last.moving,
            ok=last.ok,
            expected=last.expected,
            seen=last.seen,
        )

    def hindrance(self) -> Refused | None:
        """Why nothing may be moved by hand now."""
        c = self.c
        if c.deposit.state not in (State.IDLE, State.DONE):
            return Refused("not_now", "A deposit is under way.", "Wait until it has ended.")
        if not c.machine.connected:
            return Refused("not_now", c.machine.fault or "The devices are starting.", c.machine.remedy or "Wait.")
        if self._last.moving:
            return Refused("not_now", f"{self._last.move} is under way.", "Wait until it has ended.")
        if c.devices.lines.read(Line.E_STOP):
            return Refused("not_now", "The emergency stop is pressed.", "Release it first.")
        return None

    def begin(self, allowed: Allowed[ServiceMove]) -> None:
        """Start moving; what is seen goes on record."""
        move = allowed.action.move
        self._last = ServiceView("", "", allowed.number, move, moving=True, ok=False, expected=EXPECTED[move], seen="")
        self._task = asyncio.get_running_loop().create_task(self._run(allowed))

    async def _run(self, allowed: Allowed[ServiceMove]) -> None:
        move = allowed.action.move
        try:
            async with asyncio.timeout(MOVE_S_MAX):
                ok, seen = await self._move(move)
        except DeviceFault as fault:
            ok, seen = False, str(fault)
        except TimeoutError:
            ok, seen = False, f"not finished after {MOVE_S_MAX:g} s"
        await self._seen(allowed.signers[0], allowed.number, move, seen, ok=ok)

    async def _seen(self, by: str, number: int, move: Move, seen: str, *, ok: bool) -> None:
        draft = service("service_moved", {"by": by, "number": number, "move": move, "ok": ok, "seen": seen})
        await self.c.runner.run(self.c.journal.remember, PENDING, "", draft, self.c.clock.now_utc())
        self._last = ServiceView("", "", number, move, moving=False, ok=ok, expected=EXPECTED[move], seen=seen)
        self.c.recorded()

    async def after_restart(self) -> None:
        """What was ordered before the last end of this process, and nobody saw finish."""
        kept = await self.c.runner.run(self.c.journal.memory, PENDING)
        if kept:
            order = json.loads(kept)
            seen = "the controller was restarted meanwhile: look yourself"
            await self._seen(order["by"], order["number"], order["move"], seen, ok=False)

    async def _move(self, move: Move) -> tuple[bool, str]:
        match move:
            case "open" | "close":
                ok = await self.c.hands.shutter(opened=move == "open")
                return ok, f"{'open' if move == 'open' else 'closed'} end {'reached' if ok else 'not reached'}"
            case "shutter":
                opened = await self.c.hands.shutter(opened=True)
                closed = await self.c.hands.shutter(opened=False)
                return opened and closed, f"opened: {_yes(opened)}, closed again: {_yes(closed)}"
            case "lamp" | "alarm":
                await self._lit(Line.PORT_LAMP if move == "lamp" else Line.ALARM)
                return True, "switched on and off; did you see it?" if move == "lamp" else "did you hear it?"
        result = await self.c.hands.exercise(BoardOpcode.HOME if move == "home" else BoardOpcode.SELF_TEST)
        return result == BoardResult.OK, f"the board says {BoardResult(result).name.lower()}"

    async def _lit(self, line: Line) -> None:
        lines = self.c.devices.lines
        lines.write(line, True)  # noqa: FBT003 - a level is what is written
        try:
            await self.c.clock.sleep(JOG_S)
        finally:
            lines.write(line, False)  # noqa: FBT003


def _yes(value: bool) -> str:  # noqa: FBT001 - it is what is said
    return "yes" if value else "no"


class _Enter(Performer[ServiceEnter]):
    at_rest = True

    def __init__(self, desk: ServiceDesk) -> None:
        self._desk = desk
        self._mode: tuple[str, str] | None = None

    async def ready(self, action: ServiceEnter) -> Refused | None:
        del action
        c = self._desk.c
        if c.machine.service is not None:
            return Refused("already", f"{c.machine.service[0]} works here already.", "They leave first.")
        if c.deposit.state not in (State.IDLE, State.DONE):
            return Refused("not_now", "A deposit is under way.", "Wait until it has ended.")
        return None

    def settle(self, journal: Journal, allowed: Allowed[ServiceEnter], now: datetime) -> None:
        self._mode = (allowed.signers[0], rfc3339(now))
        draft = service("service_entered", {"by": allowed.signers[0]})
        journal.remember(SERVICE_MODE, json.dumps(self._mode), draft, now)

    def settled(self) -> None:
        self._desk.c.machine.service = self._mode
        self._desk.c.announce()


class _Leave(Performer[ServiceLeave]):
    at_rest = True

    def __init__(self, desk: ServiceDesk) -> None:
        self._desk = desk

    async def ready(self, action: ServiceLeave) -> Refused | None:
        del action
        c = self._desk.c
        if c.machine.service is None:
            return Refused("not_entered", "Nobody works here.", "There is nothing to leave.")
        if c.machine.connected and not c.devices.lines.read(Line.SHUTTER_CLOSED):
            return Refused("port_open", "The shutter is not closed.", "Close it first: kioskctl service close")
        return None

    def settle(self, journal: Journal, allowed: Allowed[ServiceLeave], now: datetime) -> None:
        journal.remember(SERVICE_MODE, "", service("service_left", {"by": allowed.signers[0]}), now)

    def settled(self) -> None:
        self._desk.c.machine.service = None
        self._desk.c.announce()


class _Move(Performer[ServiceMove]):
    at_rest = True

    def __init__(self, desk: ServiceDesk) -> None:
        self._desk = desk

    async def ready(self, action: ServiceMove) -> Refused | None:
        c = self._desk.c
        if c.machine.service is None:
            return Refused("not_entered", "The kiosk is not in service mode.", "First: kioskctl service enter")
        refused = self._desk.hindrance()
        if refused is not None:
            return refused
        board = c.machine.snapshot
        if action.move in ("open", "shutter") and (
            any(level.count for level in c.machine.levels) or (board is not None and board.transport_occupied)
        ):
            return Refused("notes_inside", "Notes lie in the store or on the belt.", "First: kioskctl reset")
        return None

    def settle(self, journal: Journal, allowed: Allowed[ServiceMove], now: datetime) -> None:
        del now
        order = {"by": allowed.signers[0], "number": allowed.number, "move": allowed.action.move}
        journal.remember(PENDING, json.dumps(order))

    async def carry_out(self, allowed: Allowed[ServiceMove]) -> None:
        self._desk.begin(allowed)


class _Clear(Performer[ClearJam]):
    """The hand's count is on record before the machine counts; then everything goes as with a reset."""

    def __init__(self, desk: ServiceDesk, randomness: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._randomness = randomness

    async def ready(self, action: ClearJam) -> Refused | None:
        del action
        state = self._desk.c.deposit.state
        if state is State.DONE or allowed(state, ResetOrdered):
            return None
        return Refused("not_now", f"A jam cannot be cleared in the state {state}.", "Look at `kioskctl status`.")

    def settle(self, journal: Journal, allowed: Allowed[ClearJam], now: datetime) -> None:
        notes = self._desk.c.deposit.notes
        expected = sum(1 for note in notes if note.place in _STUCK)
        action = allowed.action
        details: dict[str, object] = {"where": action.where, "found": action.found, "expected": expected}
        journal.append(service("jam_cleared", {"by": allowed.signers[0], "number": allowed.number, **details}), now)

    async def carry_out(self, allowed: Allowed[ClearJam]) -> None:
        await self._desk.c.reset(self._randomness(16), allowed.signers[0])
