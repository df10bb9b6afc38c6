"""Time as an argument: whoever waits or stamps is given a clock.

The controller, the watcher and the uplink take a `Clock`; tests give them one that they move by hand,
and the simulation one that follows an event loop in virtual time.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the product may know of time."""

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    def now_utc(self) -> datetime:
        """The wall clock, timezone-aware UTC; may step in either direction."""

    async def sleep(self, seconds: float) -> None:
        """Wait at least `seconds`."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def now_utc(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Turns:
    """Whether a loop still comes round. Pure but for the clock: the loop says `turn`, a self-check asks `check`."""

    def __init__(self, what: str, clock: Clock, within_s: float) -> None:
        """`within_s`: the longest that one round may take when all is well."""
        self._what = what
        self._clock = clock
        self._within_s = within_s
        self._last_s = clock.monotonic_s()

    def turn(self) -> None:
        """It has come round."""
        self._last_s = self._clock.monotonic_s()

    def check(self) -> None:
        """Raises `TimeoutError` when it has not for too long."""
        ago_s = self._clock.monotonic_s() - self._last_s
        if ago_s > self._within_s:
            message = f"{self._what} has not come round for {ago_s:.0f} s"
            raise TimeoutError(message)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T08:30:00.125Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
