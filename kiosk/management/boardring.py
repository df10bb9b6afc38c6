"""Reads the board's event ring: each event once, also across restarts of the controller, and says when some were lost.

The ring holds the newest eight events beside a counter that starts anew with each boot (DESIGN.md section 4). How far
it was read is durable: in the deposit's facts while one is open (`RingMark`), else in the journal's small memory.
"""

from typing import TYPE_CHECKING, Final

import msgspec

from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import BoardEventCode, BoardSnapshot
from kiosk.core import facts as f
from kiosk.core.board_news import QUIET, in_words
from kiosk.core.deposit import allowed
from kiosk.core.facts import BoardHappening, RingMark
from kiosk.core.records import alert
from kiosk.core.state import RecordDraft, State

if TYPE_CHECKING:
    from kiosk.management.controller import Controller

MEMORY: Final = "board_ring"
COUNTER_MAX: Final = 0xFFFF
_TOLD: Final[dict[int, BoardHappening]] = {
    BoardEventCode.TRAY_REMOVED: "tray_removed",
    BoardEventCode.TRAY_EMPTIED_BY_HAND: "tray_emptied",
    BoardEventCode.GATE_OPENED: "gate_opened",
    BoardEventCode.JAM: "jam",
    BoardEventCode.DOOR: "door",
    BoardEventCode.SUPPLY_LOW: "supply_low",
}


def unread(snapshot: BoardSnapshot, mark: RingMark) -> tuple[tuple[tuple[BoardHappening, int], ...], bool]:
    """What the ring tells beyond `mark` that no finished command tells anyway, oldest first; and whether some is lost.

    The counter goes from 65535 to 1; 0 is only after power-up, so another boot id means that all of it is new.
    """
    came = snapshot.event_counter
    if snapshot.boot_id == mark.boot_id:
        came = (snapshot.event_counter - mark.counter) % COUNTER_MAX if mark.counter else snapshot.event_counter
    held = snapshot.events[max(len(snapshot.events) - came, 0) :]
    events = tuple((_TOLD[event.code], event.argument) for event in held if event.code in _TOLD)
    return events, came > len(held)


def mark_of(snapshot: BoardSnapshot) -> RingMark:
    """Read up to here."""
    return RingMark(snapshot.boot_id, snapshot.event_counter)


def _newest(one: RingMark | None, other: RingMark | None, snapshot: BoardSnapshot) -> RingMark:
    """Of the deposit's mark, which outlives it in the idle kiosk, and the memory's: whichever was set later."""
    known = [mark for mark in (one, other) if mark is not None]
    here = [mark for mark in known if mark.boot_id == snapshot.boot_id]
    if len(here) == 2:  # noqa: PLR2004 - both
        ahead = (here[0].counter - here[1].counter) % COUNTER_MAX
        return here[0] if ahead < COUNTER_MAX // 2 else here[1]
    return (here or known or [mark_of(snapshot)])[0]


class BoardRing:
    """Reads on behalf of the controller."""

    def __init__(self, controller: "Controller") -> None:
        self._c = controller
        self._mark: RingMark | None = None
        self._durable: RingMark | None = None  # what the journal's memory says
        self.replayed: RingMark | None = None  # of the last deposit, finished or not, when the controller started

    async def connect(self, snapshot: BoardSnapshot) -> None:
        """After a start: go on where the journal says that it was read to; what was lost meanwhile is said."""
        if self._mark is None:
            told = await self._c.runner.run(self._c.journal.memory, MEMORY)
            self._durable = None if told is None else msgspec.json.decode(told, type=RingMark)
            self._mark = _newest(self._c.deposit.ring or self.replayed, self._durable, snapshot)
        await self._hear(snapshot, self._mark)

    async def seen(self, snapshot: BoardSnapshot) -> None:
        """With each snapshot, before the end of a command in it. Raises `DeviceFault` when events were lost."""
        mark, now = self._mark, mark_of(snapshot)
        if mark is None or (now == mark and (self._c.deposit.state is not State.IDLE or now == self._durable)):
            return
        if await self._hear(snapshot, mark):
            raise DeviceFault("board", "more events came than its ring holds: what is where must be looked at again")

    async def _hear(self, snapshot: BoardSnapshot, mark: RingMark) -> bool:
        events, lost = unread(snapshot, mark)
        now = self._mark = mark_of(snapshot)
        if self._c.deposit.state is State.IDLE:
            await self._idle(events, now)
            return lost
        if (events or lost) and allowed(self._c.deposit.state, f.BoardHappened):
            await self._c.offer(f.BoardHappened(events, lost, now))
        return lost

    async def keep(self) -> None:
        """Before a deposit or a reset begins: how far the ring was read must not hang on the facts of the last one."""
        if self._mark is not None:
            await self._remember(self._mark)

    async def _remember(self, mark: RingMark, draft: RecordDraft | None = None) -> None:
        if mark != self._durable:
            words = msgspec.json.encode(mark).decode()
            await self._c.runner.run(self._c.journal.remember, MEMORY, words, draft, self._c.clock.now_utc())
            self._durable = mark

    async def _idle(self, events: tuple[tuple[BoardHappening, int], ...], now: RingMark) -> None:
        """No deposit is open: nothing of ours moves, so whatever moved is news."""
        told = tuple(in_words(kind, argument) for kind, argument in events if kind not in QUIET)
        await self._remember(now, alert(self._c.deposit, "board", told) if told else None)
        if told:
            self._c.grown()
        await self._c.storage.board_told([kind for kind, _ in events])
