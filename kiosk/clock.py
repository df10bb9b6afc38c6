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


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T08:30:00.125Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
