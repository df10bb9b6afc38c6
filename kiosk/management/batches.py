"""The validator's poll: each batch becomes facts, durable, before it is acknowledged.

A poll after READ accepts the held note, so after READ nothing is polled until an order has decided. While the
controller reconciles, polls only listen: a note found held is given back first (its intent durable), because a poll
would swallow it.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from firmware_bridge.errors import CommandRefused, DeviceFault
from firmware_bridge.interfaces import Line, NoteEvent, NoteEventKind, PollResult
from kiosk.core import facts as f
from kiosk.core.deposit import allowed
from kiosk.core.facts import Fact
from kiosk.core.records import service
from kiosk.core.state import Deposit, State
from kiosk.management.translate import JAMS, STOPS, fact_of

if TYPE_CHECKING:
    from kiosk.management.controller import Controller

_log = logging.getLogger(__name__)
_K = NoteEventKind
POLL_S: Final = 0.2
# At rest the validator is disabled and no note can move: it is asked five times less often, which leaves the
# processor of a small box to the others. Far inside the 5 s after which a validator gives its host up.
REST_POLL_S: Final = 1.0
AT_REST: Final = frozenset({State.IDLE, State.SUSPENDED, State.JAMMED, State.DONE})
BEZEL: Final = "a note waits at the bezel: staff or technician must take it out"
QUIET_POLLS: Final = 2
HEAR_OUT_S_MAX: Final = 90.0  # long enough to take notes that were on their way out
_SILENT: Final = frozenset({_K.DISABLED, _K.RESET, _K.OTHER, *STOPS, *JAMS})

_AT_BEZEL: Final = frozenset({_K.HELD_IN_BEZEL, _K.DISPENSING})


class Batches:
    """Polls on behalf of the controller. `lock` is held for every exchange with the validator."""

    def __init__(self, controller: "Controller") -> None:
        self._controller = controller
        self.lock = asyncio.Lock()
        self.held = False  # a note is held and nobody has decided

    async def poll(self) -> None:
        """Poll for ever, pausing while a note is held."""
        while True:
            at_rest = self._controller.deposit.state in AT_REST
            await self._controller.clock.sleep(REST_POLL_S if at_rest else POLL_S)
            async with self.lock:
                if not self.held:
                    await self.take(await self._controller.devices.validator.poll())

    async def hear_out(self) -> None:
        """Everything the validator has to tell after a start, until it is quiet."""
        self.held = False
        validator = self._controller.devices.validator
        async with self.lock:
            try:
                await validator.hold()
            except CommandRefused:
                pass  # no note is held
            else:
                await self._controller.record(service("held_note_given_back", {}))
                await validator.reject()
            quiet, kinds = 0, set[NoteEventKind]()
            end_s = self._controller.clock.monotonic_s() + HEAR_OUT_S_MAX
            while self._controller.clock.monotonic_s() < end_s:
                result = await validator.poll()
                await self.take(result)
                if self.held:  # it was still being read when `hold` was refused
                    await self._controller.record(service("held_note_given_back", {}))
                    await validator.reject()
                    self.held = False
                if any(event.kind is _K.HELD_IN_BEZEL for event in result.events):
                    self._offer()
                kinds = {event.kind for event in result.events}
                busy = bool(kinds - self._silent())
                quiet = 0 if busy else quiet + 1
                if quiet >= QUIET_POLLS:
                    return
                await self._controller.clock.sleep(POLL_S)
            if kinds <= self._silent() | _AT_BEZEL:  # nobody took it in all that time: go on without them
                return
        raise DeviceFault("validator", "it does not come to rest after its start")

    def _silent(self) -> frozenset[NoteEventKind]:
        """What may be said for ever. A note that waits at the bezel is waited for while notes are being returned."""
        waiting = self._controller.deposit.state is State.RETURNING
        return _SILENT if waiting else _SILENT | _AT_BEZEL

    def _offer(self) -> None:
        """A note that was on its way back when the controller died waits at the bezel: let it be taken."""
        if self._controller.deposit.state is State.RETURNING:
            self._controller.devices.lines.write(Line.SHUTTER_OPEN_CMD, True)  # noqa: FBT003 - a level

    async def take(self, result: PollResult) -> None:
        """Facts of one batch, each durable, then the acknowledgement, then that it was taken."""
        seen = {event.kind for event in result.events}
        await self._bezel(seen)
        for kind, words in (STOPS | JAMS).items():  # a jam may hold a note of the deposit before: no other begins
            if kind in seen or not result.needs_ack:  # what tells an event may say nothing of how things are now
                self._controller.kick_off(kind, words if kind in seen else None)
        for event in result.events:
            await self._take(event, seen)
        if not result.needs_ack:
            return
        await self._controller.devices.validator.acknowledge()
        fact = f.Acknowledged(result.bookmark, result.gap)

        def waited_for(deposit: Deposit) -> Fact | None:
            waiting = deposit.unacknowledged or result.bookmark is not None
            return fact if waiting and allowed(deposit.state, f.Acknowledged) else None

        await self._controller.tell(waited_for)

    async def _bezel(self, seen: set[NoteEventKind]) -> None:
        """A note that nobody takes: no device here can draw it in again, so a person is waited for, and it is said."""
        controller = self._controller
        waits = _K.HELD_IN_BEZEL in seen and controller.deposit.state is not State.RETURNING
        if _K.HELD_IN_BEZEL in controller.machine.stopped and _K.HELD_IN_BEZEL not in seen:
            await controller.record(service("bezel_cleared", {}))
        controller.kick_off(_K.HELD_IN_BEZEL, BEZEL if waits else None)

    async def _take(self, event: NoteEvent, seen: set[NoteEventKind]) -> None:
        controller = self._controller
        if event.kind is _K.EMPTIED:
            escrow = controller.devices.validator.escrow
            if escrow is not None and allowed(controller.deposit.state, f.StoreEmptied):
                report = await escrow.empty_report()
                moved = tuple((level.value_minor, level.currency, level.count) for level in report.moved)
                await controller.offer(f.StoreEmptied(moved, report.unknown_count))
            return
        if event.kind is _K.READ:
            self.held = True
        await controller.tell(lambda deposit: fact_of(event, deposit, seen))
