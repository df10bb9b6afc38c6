"""A person at the touch screen: sees what Chromium shows, touches what it offers, and has notes in the hand."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Page, WebSocket, async_playwright, expect

from scripts.screenshots import CHROMIUM, FLAGS
from scripts.stage import Stage

# Of a busy machine: what is waited for may need the watcher, a belt and two printers, ten seconds on an idle one.
SEE_MS: Final = 60_000
PORT_TRIES_MAX: Final = 300


class Person:
    """Everything by touch; `complaints` is what the browser's console had to say."""

    def __init__(self, page: Page, stage: Stage) -> None:
        self.page = page
        self.stage = stage
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def sees(self, words: str) -> None:
        """These words come up on the screen."""
        await expect(self.page.locator("main")).to_contain_text(words, timeout=SEE_MS)

    async def touches(self, words: str) -> None:
        """The button that begins with these words (or is labelled so)."""
        await self.page.get_by_role("button", name=re.compile(f"^{re.escape(words)}")).tap(timeout=SEE_MS)

    async def types(self, digits: str) -> None:
        """On the screen's keypad."""
        for digit in digits:
            await self.touches(digit)

    async def text(self) -> str:
        """All that the screen says now."""
        return await self.page.locator("main").inner_text()

    async def reloads(self) -> None:
        """The browser starts anew; the screen must be the one that was there."""
        before = await self.text()
        await self.page.reload()
        assert await self.text() == before

    async def outlives(self, end: Callable[[], None]) -> None:
        """The screen's server ends by `end`; until another one has drawn the screen.

        What is touched in between may go into a socket whose other end is dead already.
        """
        drawn = asyncio.Event()

        def connected(socket: WebSocket) -> None:
            socket.on("framereceived", lambda _: drawn.set())

        self.page.on("websocket", connected)
        end()
        async with asyncio.timeout(SEE_MS / 1000):
            await drawn.wait()
        self.page.remove_listener("websocket", connected)

    async def inserts(self, value_minor: int, kind: str = "genuine") -> None:
        """One note, as soon as the port takes it."""
        for _ in range(PORT_TRIES_MAX):
            if await self.stage.insert("CNY", value_minor, kind):
                return
            await self.stage.pause(0.1)
        raise AssertionError("the port takes no note")

    async def takes(self) -> None:
        """The note that came back."""
        for _ in range(PORT_TRIES_MAX):
            if await self.stage.take():
                return
            await self.stage.pause(0.1)
        raise AssertionError("no note lies at the bezel")


@asynccontextmanager
async def person_at(stage: Stage) -> AsyncIterator[Person]:
    """Somebody before the screen of a stage that is up: 7 inch, 800 x 480, touch."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = await browser.new_context(viewport={"width": 800, "height": 480}, has_touch=True)
        person = Person(await context.new_page(), stage)
        await person.page.goto(stage.screen_url)
        yield person
        await browser.close()
