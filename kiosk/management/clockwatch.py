"""Notices that the wall clock was set while the kiosk ran, and has the record say so.

Every timeout runs on the monotonic clock, so a step breaks none; but times in records before and after it cannot be
compared, and whoever reads them must know. (That the clock is not synchronised stands in every record anyway.)
"""

from collections.abc import Awaitable, Callable
from typing import Final

from kiosk.clock import Clock, rfc3339
from kiosk.core.records import service
from kiosk.core.state import RecordDraft

LOOK_S: Final = 5.0
STEP_MS: Final = 1000  # a disciplined clock is slewed by 2.5 ms in 5 s at most


class ClockWatch:
    """Compares the wall clock with the monotonic one; a drift slower than `STEP_MS` a look is no step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = self._now_ms()

    async def watch(self, record: Callable[[RecordDraft], Awaitable[None]]) -> None:
        """For ever; `record` is given a service record for each step."""
        while True:
            await self._clock.sleep(LOOK_S)
            offset_ms = self._now_ms()
            moved_ms = offset_ms - self._offset_ms
            self._offset_ms = offset_ms
            if abs(moved_ms) >= STEP_MS:
                now = rfc3339(self._clock.now_utc())
                await record(service("clock_stepped", {"moved_ms": moved_ms, "now": now}))

    def _now_ms(self) -> int:
        return round((self._clock.now_utc().timestamp() - self._clock.monotonic_s()) * 1000)
