"""The cabinet's discrete lines: hazards, the port, the service key - each change becomes a fact or a record."""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from firmware_bridge.interfaces import Line
from kiosk.clock import rfc3339
from kiosk.core import facts as f
from kiosk.core.deposit import IllegalTransition, allowed
from kiosk.core.records import alert
from kiosk.management.machine import TAMPERED, hazards, headphones, port_forced, service_key
from kiosk.management.riskdesk import stage_of

if TYPE_CHECKING:
    from kiosk.management.controller import Controller

_log = logging.getLogger(__name__)


class CabinetLines:
    """Looks at all lines when one has changed; what was seen already is no news."""

    def __init__(self, controller: "Controller") -> None:
        self._c = controller
        self._moved = asyncio.Event()
        self._hazards: tuple[str, ...] = ()
        self._port_shut = self._key = False
        self.headphones = False  # plugged in

    def changed(self, line: Line, value: bool) -> None:  # noqa: FBT001 - a level
        """The listener of the lines."""
        _log.info("line %s is %s", line, "active" if value else "inactive")
        self._moved.set()

    async def watch(self) -> None:
        """For ever. Hazards are hard rules: they close the port without asking the watcher."""
        while True:
            found = hazards(self._c.devices.lines)
            news = tuple(item for item in found if item not in self._hazards)
            self._hazards = found
            await self._c.storage.noticed(news)
            if news and allowed(self._c.deposit.state, f.Assessed):
                item = f.Assessment(stage_of(self._c.deposit.state), "high", news)
                with contextlib.suppress(IllegalTransition):
                    await self._c.apply(f.Assessed(rfc3339(self._c.clock.now_utc()), asked=False, assessments=(item,)))
            elif news:
                await self._c.record(alert(self._c.deposit, "cabinet", news))
            await self._watch_port(tampered=TAMPERED in news)
            await self._watch_key()
            self.headphones = headphones(self._c.devices.lines)
            self._c.changed()
            await self._moved.wait()
            self._moved.clear()

    async def _watch_port(self, *, tampered: bool) -> None:
        """The port's own evidence, beside the grade: what was counted may have left by it."""
        forced, self._port_shut = port_forced(self._c.devices.lines, shut=self._port_shut)
        how = "the port was opened by force" if forced else "the tamper line tripped" if tampered else ""
        if how and allowed(self._c.deposit.state, f.PortTampered):
            with contextlib.suppress(IllegalTransition):
                await self._c.apply(f.PortTampered(how))
        elif forced:
            await self._c.record(alert(self._c.deposit, "port_tamper", (how,)))

    async def _watch_key(self) -> None:
        before, self._key = self._key, service_key(self._c.devices.lines)
        if before or not self._key:
            return
        if allowed(self._c.deposit.state, f.KeyTurned):
            with contextlib.suppress(IllegalTransition):
                await self._c.apply(f.KeyTurned())
        else:
            await self._c.record(alert(self._c.deposit, "service_key", ("the service key was turned",)))
