"""Virtual time: an asyncio loop whose clock jumps to the next timer, and the product's ends for it."""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from selectors import SelectorKey
from typing import Any

from firmware_bridge.errors import LinkDown
from firmware_bridge.interfaces import Line
from hwsim.lines import OUTPUTS, LineLevels, Role

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
IDLE_SPINS_MAX = 100_000


class _JumpingSelector(selectors.BaseSelector):
    """Never sleeps: a wait becomes a jump of the loop's clock."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._jump = jump

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> SelectorKey:
        return self._real.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            message = "deadlock: nothing is scheduled in virtual time"
            raise RuntimeError(message)
        found = self._real.select(0)
        if not found and timeout > 0:
            self._jump(timeout)
        return found

    def get_map(self) -> Mapping[Any, SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 1000 s and moves only when nothing is ready."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        super().__init__(_JumpingSelector(self._advance))

    def _advance(self, seconds: float) -> None:
        self._now_s += seconds

    def time(self) -> float:
        return self._now_s


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


class MemoryLink:
    """A serial line between a driver and a simulated device, with a hook on each chunk: it may drop it or cut power."""

    DELAY_S = 0.002

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        feed: Callable[[bytes], None],
        hook: Callable[[str, bytes], bool],
        name: str,
    ) -> None:
        self._loop = loop
        self._feed = feed
        self._hook = hook
        self._name = name
        self._receiver: Callable[[bytes], None] | None = None
        self._open = True

    def write(self, data: bytes) -> None:
        if not self._open:
            raise LinkDown(self._name, "closed")
        if self._hook(f"{self._name}>", data):
            self._loop.call_later(self.DELAY_S, self._feed, data)

    def from_device(self, data: bytes) -> None:
        if self._open and self._hook(f"{self._name}<", data):
            self._loop.call_later(self.DELAY_S, self._deliver, data)

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

    def read(self, line: Line) -> bool:
        return self._levels.read(line.value)

    def write(self, line: Line, value: bool) -> None:
        self._levels.drive(line.value, value)

    def set_listener(self, listener: Callable[[Line, bool], None] | None) -> None:
        self._listener = listener

    def _changed(self, role: Role, level: bool) -> None:
        if self._listener is not None and role not in OUTPUTS:
            self._listener(Line(role.value), level)

    def close(self) -> None:
        """De-energise the outputs, as the real driver does when it comes and when it goes."""
        self._listener = None
        for role in OUTPUTS:
            self._levels.drive(role, level=False)
