"""Keeps the screen's own browser: started when there is a page to show, killed and started again when it is frozen.

Nothing of a deposit lies in it, so it may be killed at any moment: the next one shows the screen of that moment. It is
asked for signs of life through the terminal: its page says every 2 s that it has drawn a frame (`terminal.js`).
"""

import asyncio
import contextlib
import http.client
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from kiosk.clock import Clock, Turns

_log = logging.getLogger(__name__)

CHROMIUM_UNDER_CAGE: Final = (
    "/usr/bin/cage",
    "-d",
    "--",
    "/usr/bin/chromium",
    "--kiosk",
    "--ozone-platform=wayland",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-pinch",
    "--overscroll-history-navigation=0",
    "--autoplay-policy=no-user-gesture-required",
    "--user-data-dir=/run/kiosk-screen/profile",  # memory: nothing of it outlives the machine's day
)
OWN: Final = "#kiosk"  # the page in the machine's own browser, not in a technician's
LOOK_S: Final = 1.0
ANSWER_S: Final = 5.0
FIRST_FRAME_S_MAX: Final = 60.0  # of a browser that is starting on a slow machine
DELAY_S_MAX: Final = 30.0  # between starts of one that ends at once
DELAY_S: Final = 0.5

Drawn = Callable[[], Awaitable[float | None]]  # seconds since the last frame; None: none ever. OSError: nobody to ask


class Pulse:
    """Whether a browser is frozen. Pure: times in, verdict out."""

    def __init__(self, started_s: float, frozen_s: float) -> None:
        self._started_s = self._well_s = started_s
        self._limit_s, self._frozen_s = max(FIRST_FRAME_S_MAX, frozen_s), frozen_s

    def nobody_to_ask(self, now_s: float) -> None:
        """The terminal is not there: its page cannot say anything, and no time passes."""
        self._well_s = now_s

    def frozen(self, now_s: float, drawn_s: float | None) -> bool:
        """`drawn_s` ago a frame was drawn; one from before the start was another browser's."""
        if drawn_s is not None and drawn_s < min(self._frozen_s, now_s - self._started_s):
            self._well_s, self._limit_s = now_s, self._frozen_s
        return now_s - self._well_s > self._limit_s


class Keeper:
    """One browser at a time, for ever."""

    def __init__(self, command: Sequence[str], drawn: Drawn, clock: Clock, *, frozen_s: float) -> None:
        self._command = tuple(command)
        self._drawn = drawn
        self._clock = clock
        self._frozen_s = frozen_s
        self.starts = 0
        # The longest rounds: a look that goes unanswered, and the wait before another start.
        self._turns = Turns("the keeper of the browser", clock, DELAY_S_MAX + ANSWER_S + LOOK_S)

    async def self_check(self) -> None:
        """That somebody still looks after the browser, whether or not it draws. Raises `TimeoutError`."""
        self._turns.check()

    async def run(self) -> None:
        """Until cancelled; then no browser is left. Raises `OSError` for a command that cannot be run."""
        delay_s = DELAY_S
        while True:
            await self._page_is_served()
            begun_s = self._clock.monotonic_s()
            why = await self._one_life()
            delay_s = DELAY_S if self._clock.monotonic_s() - begun_s > DELAY_S_MAX else min(2 * delay_s, DELAY_S_MAX)
            _log.warning("the browser %s; it is started again in %g s", why, delay_s)
            await self._clock.sleep(delay_s)

    async def _page_is_served(self) -> None:
        """A browser that finds nobody shows its own page of error, and would stay there."""
        while True:
            self._turns.turn()
            with contextlib.suppress(OSError):
                await self._drawn()
                return
            await self._clock.sleep(LOOK_S)

    async def _one_life(self) -> str:
        """From its start to its end, and how it ended."""
        browser = await asyncio.create_subprocess_exec(*self._command, start_new_session=True)
        self.starts += 1
        ended = asyncio.ensure_future(browser.wait())
        try:
            return await self._watched(ended)
        finally:
            # The whole session: cage, Chromium and all of its own processes, stopped ones too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
            await asyncio.shield(ended)

    async def _watched(self, ended: "asyncio.Future[int]") -> str:
        pulse = Pulse(self._clock.monotonic_s(), self._frozen_s)
        while True:
            self._turns.turn()
            looking = asyncio.ensure_future(self._clock.sleep(LOOK_S))
            either: set[asyncio.Future[Any]] = {ended, looking}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                looking.cancel()
            if ended.done():
                return f"ended with {ended.result()}"
            try:
                drawn_s = await self._drawn()
            except OSError:
                pulse.nobody_to_ask(self._clock.monotonic_s())
                continue
            if pulse.frozen(self._clock.monotonic_s(), drawn_s):
                return "drew nothing any more"


def asking(host: str, port: int) -> Drawn:
    """Asks the terminal that serves the page there."""

    def ask() -> float | None:
        connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
        try:
            connection.request("GET", "/alive")
            answer = json.loads(connection.getresponse().read(1024))["drawn_s"]
        except (http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            message = f"{host}:{port} is not the touch screen"
            raise ConnectionError(message) from error
        finally:
            connection.close()
        return None if answer is None else float(answer)

    return lambda: asyncio.to_thread(ask)
