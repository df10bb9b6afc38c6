"""A real Chromium freezes in the middle of a deposit: it is noticed and started again, and asks for nothing."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from kiosk.clock import SystemClock
from kiosk.terminal.browser import OWN, Keeper, asking
from scripts.screenshots import CHROMIUM, FLAGS
from tests.unit.test_terminal_service import place

FROZEN_S = 6.0  # of a busy machine; a page says every 2 s that it draws
LIMIT_S = 100.0


def renderers(profile: str) -> Iterator[int]:
    """Chromium's processes that draw, of the one with this profile."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # Chromium's processes write their own titles, and all of them are of one session.
            if b"--type=renderer" in (folder / "cmdline").read_bytes() and profile.encode() in _leader(folder):
                yield int(folder.name)
        except OSError:
            continue  # it has ended meanwhile


def _leader(folder: Path) -> bytes:
    return Path("/proc", str(os.getsid(int(folder.name))), "cmdline").read_bytes()


async def until_drawn(port: int) -> None:
    drawn = asking("127.0.0.1", port)
    async with asyncio.timeout(LIMIT_S):
        while (since_s := await drawn()) is None or since_s > 1.0:  # noqa: ASYNC110 - the browser is another process
            await asyncio.sleep(0.1)


@pytest.mark.timeout(240)  # of a busy machine; 15 s on an idle one
async def test_a_frozen_browser_is_replaced_and_the_deposit_is_where_it_was() -> None:
    with tempfile.TemporaryDirectory(prefix="kiosk-b-", ignore_cleanup_errors=True) as profile:
        async with place() as at:
            at.terminal._clock = SystemClock()  # noqa: SLF001 - how long ago a frame was drawn, for a real browser
            at.controller.tell("review")
            port = int(at.address.rpartition(":")[2])
            own = (
                f"--user-data-dir={profile}",
                "--headless",
                "--remote-debugging-port=0",
                f"http://{at.address}/{OWN}",
            )
            keeper = Keeper((CHROMIUM, *FLAGS, *own), asking("127.0.0.1", port), SystemClock(), frozen_s=FROZEN_S)
            keeping = asyncio.ensure_future(keeper.run())
            await until_drawn(port)
            drawing = list(renderers(profile))
            assert drawing
            for pid in drawing:
                os.kill(pid, signal.SIGSTOP)
            before = keeper.starts
            async with asyncio.timeout(LIMIT_S):
                while keeper.starts == before:  # noqa: ASYNC110 - it has no event for it
                    await asyncio.sleep(0.1)
            await until_drawn(port)
            async with async_playwright() as playwright:
                debugging = (Path(profile) / "DevToolsActivePort").read_text().splitlines()[0]
                browser = await playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{debugging}")
                await expect(browser.contexts[0].pages[0].locator("main")).to_have_attribute("data-screen", "review")
            assert at.controller.asked == []
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            assert not list(renderers(profile))
