"""Time as an argument: anything with `time()` and `call_later()` drives the world.

An asyncio loop satisfies `Scheduler`; so does `VirtualScheduler`, which is moved by hand and runs days in
milliseconds.
"""

import heapq
import itertools
from collections.abc import Callable
from typing import Any, Protocol

TIMERS_RUN_MAX = 5_000_000  # one `advance` never runs more: two timers that feed each other are a bug


class TimerHandle(Protocol):
    """One pending call."""

    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """What the world may know of time."""

    def time(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    def call_later(self, delay: float, callback: Callable[..., Any], /, *args: object) -> TimerHandle:
        """Run `callback(*args)` once, `delay` seconds from now."""


class _Timer:
    """A pending call of `VirtualScheduler`."""

    __slots__ = ("args", "callback")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.callback: Callable[..., Any] | None = callback
        self.args = args

    def cancel(self) -> None:
        self.callback = None
        self.args = ()


class VirtualScheduler:
    """Virtual time: `advance` runs what is due, in order of time and then of call."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._queue: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self._now_s

    def call_later(self, delay: float, callback: Callable[..., Any], /, *args: object) -> _Timer:
        timer = _Timer(callback, args)
        heapq.heappush(self._queue, (self._now_s + max(0.0, delay), next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move time forward, running every timer that falls due."""
        end_s = self._now_s + seconds
        for _ in range(TIMERS_RUN_MAX):
            if not self._queue or self._queue[0][0] > end_s:
                self._now_s = end_s
                return
            self._run_next()
        message = f"more than {TIMERS_RUN_MAX} timers in {seconds} s"
        raise RuntimeError(message)

    def run_until(self, predicate: Callable[[], bool], limit_s: float) -> None:
        """Run timers until `predicate` holds; `TimeoutError` after `limit_s` of virtual time."""
        end_s = self._now_s + limit_s
        for _ in range(TIMERS_RUN_MAX):
            if predicate():
                return
            if not self._queue or self._queue[0][0] > end_s:
                break
            self._run_next()
        message = f"not reached within {limit_s} s of virtual time"
        raise TimeoutError(message)

    def _run_next(self) -> None:
        due_s, _, timer = heapq.heappop(self._queue)
        self._now_s = max(self._now_s, due_s)
        if timer.callback is not None:
            timer.callback(*timer.args)


class Timers:
    """The pending timers of one device, dropped together when its power goes."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._named: dict[str, TimerHandle] = {}

    def start(self, name: str, delay_s: float, callback: Callable[[], None]) -> None:
        """(Re)start the timer `name`."""
        self.stop(name)
        self._named[name] = self._scheduler.call_later(delay_s, self._fire, name, callback)

    def running(self, name: str) -> bool:
        return name in self._named

    def stop(self, name: str) -> None:
        handle = self._named.pop(name, None)
        if handle is not None:
            handle.cancel()

    def stop_all(self) -> None:
        for name in list(self._named):
            self.stop(name)

    def _fire(self, name: str, callback: Callable[[], None]) -> None:
        self._named.pop(name, None)
        callback()
