"""At each state: a browser that is closed, a page that is loaded anew and a terminal that dies come back to it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, Page, async_playwright, expect

from kiosk.bus import BusServer, run_with_reconnect
from kiosk.clock import SystemClock
from kiosk.core.state import State
from kiosk.messages import Status
from kiosk.processes.loopback import listening, server
from kiosk.terminal.render import House
from kiosk.terminal.screens import SCREEN_OF, STEP_OF, WAITS_FOR_DEPOSITOR
from kiosk.terminal.terminal import Terminal
from kiosk.terminal.web import Web
from scripts.screenshots import CHROMIUM, FLAGS
from tests.unit.test_terminal_service import STATUSES, WAIT_S, Controller

WAIT_MS: Final = WAIT_S * 1000


@asynccontextmanager
async def terminal_at(port: int, bus: Path) -> AsyncIterator[tuple[int, Terminal]]:
    """A whole terminal, until it dies with all that it knew; its port, and itself."""
    clock = SystemClock()
    terminal = Terminal(House(("en", "zh", "ru"), "en"), clock, idle_s=3600)
    web = server(Web(terminal, clock).app())
    with listening("terminal.port", "127.0.0.1", port) as listener:
        connected = run_with_reconnect(bus, "terminal", terminal.session, clock, on_push=terminal.pushed)
        work = [asyncio.ensure_future(each) for each in (web.serve(sockets=[listener]), connected)]
        yield listener.getsockname()[1], terminal
        web.should_exit = web.force_exit = True
        await work[0]
        work[1].cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def opened(browser: Browser, port: int) -> Page:
    page = await browser.new_page(viewport={"width": 800, "height": 480})
    await page.goto(f"http://127.0.0.1:{port}/")
    return page


def moment(state: State) -> Status:
    """The kiosk in this state, with a deposit as it may be then."""
    name = {State.DONE: "result", State.JAMMED: "jam-inside", State.SUSPENDED: "resume"}.get(state)
    status = STATUSES[name or ("bundling" if state in STEP_OF else "insert")]
    assert status.deposit is not None
    timed = {"deadline_s": 600.0, "deadline_total_s": 600.0} if state in WAITS_FOR_DEPOSITOR else {}
    return replace(status, state=state, deposit=replace(status.deposit, state=state, **timed))


async def shows(page: Page, name: str, words: str) -> None:
    """This screen, with these words, in the language and the letters that somebody chose."""
    main = page.locator("main")
    await expect(main).to_have_attribute("data-screen", name, timeout=WAIT_MS)
    await expect(main).to_have_text(words, use_inner_text=True, timeout=WAIT_MS)
    await expect(main).to_have_attribute("lang", "ru")
    await expect(main).to_contain_class("large")


async def told_how(terminal: Terminal) -> None:
    """The page has found the terminal that began anew, and has said in which language it is shown."""
    async with asyncio.timeout(WAIT_S):
        with terminal.watching() as changed:
            while 'data-language="ru"' not in terminal.fragment():
                await changed.wait()
                changed.clear()


@pytest.mark.timeout(180)  # of a busy machine
async def test_each_state_comes_back_to_the_same_screen() -> None:
    controller = Controller()
    async with async_playwright() as playwright, AsyncExitStack() as ends:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="kiosk-t-")))
        controller.bus = BusServer(folder, controller.handle, {}, single_user=True)
        await controller.bus.start()
        life = terminal_at(0, folder)
        port, terminal = await life.__aenter__()
        page = await opened(browser, port)
        await page.locator("[data-act='option:large']").click()
        await page.locator("[data-act='language:ru']").click()
        await shows(page, "identify", await page.locator("main").inner_text())
        for state in (state for state in State if state is not State.IDLE):
            controller.status = moment(state)
            terminal.pushed(controller.status)
            name = "bundling" if state in STEP_OF else SCREEN_OF[state]
            other = await opened(browser, port)
            words = await other.locator("main").inner_text()
            await shows(page, name, words)
            await page.reload()
            await shows(page, name, words)
            await page.close()
            page = other
            await life.__aexit__(None, None, None)
            life = terminal_at(port, folder)
            _, terminal = await life.__aenter__()
            await told_how(terminal)
            await shows(page, name, words)
        await life.__aexit__(None, None, None)
        await browser.close()
        await controller.bus.close()
