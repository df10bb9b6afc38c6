"""systemd's watchdog (sd_notify(3), WatchdogSec=): fed only after the process has shown that it can do its work.

Four looks within each period, so that one slow answer ends nobody. Who does not pass is not fed and says why; systemd
then ends the process and starts it again, within its limits. Without a watchdog (`kiosk up`) there is nothing to feed.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from kiosk.clock import Clock
from kiosk.errors import KioskError
from kiosk.processes.notify import notify

_log = logging.getLogger(__name__)

LOOKS: Final = 4  # within a period
FED: Final = "WATCHDOG=1"
SelfCheck = Callable[[], Awaitable[None]]  # raises KioskError, OSError or TimeoutError; may hang


def period_s(environment: Mapping[str, str]) -> float | None:
    """How long systemd waits for a sign of life of this process; None when it does not."""
    try:
        limit_us = int(environment["WATCHDOG_USEC"])
    except (KeyError, ValueError):
        return None
    meant = environment.get("WATCHDOG_PID", str(os.getpid()))  # another process's, inherited
    return limit_us / 1e6 if limit_us > 0 and meant == str(os.getpid()) else None


async def feed(check: SelfCheck, clock: Clock, tell: Callable[[str], None] = notify) -> None:
    """Look and feed until cancelled; returns at once where nobody waits for it."""
    limit_s = period_s(os.environ)
    if limit_s is None:
        return
    while True:
        why = await _failing(check, clock, limit_s / LOOKS)
        if why:
            _log.critical("the self-check does not hold, so the watchdog is not fed: %s", why)
        else:
            tell(FED)
        await clock.sleep(limit_s / LOOKS)


async def _failing(check: SelfCheck, clock: Clock, within_s: float) -> str:
    """Why the check does not hold; empty when it does. On `clock`, so that virtual time can pass."""
    work = asyncio.ensure_future(check())
    timer = asyncio.ensure_future(clock.sleep(within_s))
    try:
        await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return f"no answer within {within_s:g} s"
        try:
            work.result()
        except (KioskError, OSError) as error:  # TimeoutError is an OSError
            return str(error) or type(error).__name__
        return ""
    finally:
        work.cancel()
        timer.cancel()
