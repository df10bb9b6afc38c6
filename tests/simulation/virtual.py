"""Virtual time: an asyncio loop whose clock jumps to the next timer, and the product's ends for it."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any

from firmware_bridge.errors import LinkDown
from firmware_bridge.interfaces import Line
from hwsim.lines import OUTPUTS, LineLevels, Role

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


class VirtualLoop(asyncio.BaseEventLoop):
    """`time()` starts at 1000 s and jumps to the next timer when nothing is ready.

    No file, socket or thread is waited for, so there is nothing to select on; timers of the same moment run in the
    order in which they were set, so a run depends on its inputs alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1000.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_set = 0

    def time(self) -> float:
        return self._now_s

    def call_at(  # type: ignore[override]  # the base takes anything, too
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_set += 1
        heapq.heappush(self._timers, (when, self._timers_set, handle))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """At once: a thread takes real time, in which the clock would jump past whoever waits for it."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits it gets it
            done.set_exception(error)
        return done

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are dropped when their turn comes."""

    def _run_once(self) -> None:
        """What is ready runs; if nothing is, time jumps."""
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]  # the base's queue
        if not ready:
            self._jump(ready)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001 - this is the loop

    def _jump(self, ready: "deque[asyncio.Handle]") -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            message = "deadlock: nothing is scheduled in virtual time"
            raise RuntimeError(message)
        self._now_s = max(timers[0][0], self._now_s)
        while timers and timers[0][0] <= self._now_s:
            ready.append(heapq.heappop(timers)[2])


class VirtualClock:
    """The product's clock on a virtual loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.step = timedelta()  # the wall clock may step

    def monotonic_s(self) -> float:
        return self._loop.time()

    def now_utc(self) -> datetime:
        return START + timedelta(seconds=self._loop.time() - 1000.0) + self.step

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


Noise = Callable[[str, bytes], Sequence[tuple[float, bytes]]]


class MemoryLink:
    """A serial line between a driver and a simulated device, with a hook on each chunk: it may drop it or cut power.

    `noise()` is what the line does to a chunk now, if anything: the pieces that arrive, each with its extra delay.
    Bytes never overtake each other.
    """

    DELAY_S = 0.002

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        feed: Callable[[bytes], None],
        hook: Callable[[str, bytes], bool],
        name: str,
        noise: Callable[[], Noise | None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._feed = feed
        self._hook = hook
        self._name = name
        self._noise = noise
        self._receiver: Callable[[bytes], None] | None = None
        self._open = True
        self._free_s = {">": 0.0, "<": 0.0}  # when the last byte of each direction has arrived

    def write(self, data: bytes) -> None:
        if not self._open:
            raise LinkDown(self._name, "closed")
        if self._hook(f"{self._name}>", data):
            self._carry(">", data, self._feed)

    def from_device(self, data: bytes) -> None:
        if self._open and self._hook(f"{self._name}<", data):
            self._carry("<", data, self._deliver)

    def _carry(self, way: str, data: bytes, arrive: Callable[[bytes], None]) -> None:
        noise = self._noise()
        pieces = ((0.0, data),) if noise is None else noise(self._name + way, data)
        for delay_s, piece in pieces:
            at_s = max(self._loop.time() + self.DELAY_S + delay_s, self._free_s[way])
            self._free_s[way] = at_s
            self._loop.call_at(at_s, arrive, piece)

    def _deliver(self, data: bytes) -> None:
        if self._open and self._receiver is not None:
            self._receiver(data)

    def set_receiver(self, receiver: Callable[[bytes], None] | None) -> None:
        self._receiver = receiver

    def close(self) -> None:
        self._open = False


class WorldLines:
    """The world's discrete lines as the product's `Lines`."""

    def __init__(self, levels: LineLevels) -> None:
        self._levels = levels
        self._listener: Callable[[Line, bool], None] | None = None
        levels.observe(self._changed)
        self.close()
        self._open = True

    def read(self, line: Line) -> bool:
        return self._levels.read(line.value)

    def write(self, line: Line, value: bool) -> None:
        if self._open:  # a process that is dead moves nothing
            self._levels.drive(line.value, value)

    def set_listener(self, listener: Callable[[Line, bool], None] | None) -> None:
        self._listener = listener

    def _changed(self, role: Role, level: bool) -> None:
        if self._listener is not None and role not in OUTPUTS:
            self._listener(Line(role.value), level)

    def close(self) -> None:
        """De-energise the outputs, as the real driver does when it comes and when it goes."""
        self._listener = None
        self._open = False
        for role in OUTPUTS:
            self._levels.drive(role, level=False)
