"""Nobody is kept out: axe finds no barrier on any screen; a deposit begins by the keypad alone; guidance is asked for.

`AXE=all` looks at every screen in every language, size and option; without it each screen is looked at once, and
languages, sizes and options take turns.
"""

import os
from itertools import product
from typing import Any, Final

import pytest
from playwright.async_api import Page, async_playwright, expect

from kiosk.messages import Identify, LookUp
from kiosk.terminal.render import House, Renderer
from kiosk.terminal.speech import Voice
from scripts.gallery import ACCOUNT, Picture, pictures
from scripts.screenshots import CHROMIUM, FLAGS, LANGUAGES, SIZES, fragment, serve, show
from scripts.vendor import path
from tests.unit.test_terminal_service import place

OPTIONS: Final = ((), ("contrast",), ("large",), ("contrast", "large"))
AXE: Final = """async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 120)).join(" | ")}`);
}"""
Look = tuple[Picture, str, str, tuple[str, ...]]


def looks() -> list[Look]:
    """Picture, language, size, options."""
    ways = list(product(LANGUAGES, SIZES, OPTIONS))
    if os.environ.get("AXE") == "all":
        return [(picture, *way) for way in ways for picture in pictures()]
    return [(picture, *ways[7 * number % len(ways)]) for number, picture in enumerate(pictures())]


@pytest.mark.timeout(3600 if os.environ.get("AXE") == "all" else 180)  # of a busy machine
async def test_axe_finds_no_barrier_on_any_screen() -> None:
    renderer = Renderer(House(LANGUAGES, "zh", "0000 123 4567", speech=True))
    found: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await browser.new_page()
        await serve(page, renderer)
        await page.add_script_tag(path=path("axe.min.js"))
        for picture, language, size, options in looks():
            width, height = (int(part) for part in size.split("x"))
            await page.set_viewport_size({"width": width, "height": height})
            await show(page, fragment(renderer, picture, language, frozenset(options)))
            for fault in await page.evaluate(AXE):
                found.append(f"{picture.name} {language} {size} {options}: {fault}")  # noqa: PERF401 - awaits
        await show(page, '<main class="screen"><button></button></main>')  # it does find what is there
        spoiled = await page.evaluate(AXE)
        await browser.close()
    assert found == []
    assert any(fault.startswith("button-name") for fault in spoiled)


async def pressed(page: Page, *keys: str) -> None:
    """One after the other, each as soon as the screen takes it."""
    for key in keys:
        button = page.locator(f'[data-key="{key}"]')
        await button.click(trial=True)  # until it is armed
        await page.keyboard.press(key)


async def test_a_deposit_begins_by_keypad_alone_and_guidance_is_spoken_when_asked_for() -> None:
    recordings: list[Any] = []
    async with place() as at, async_playwright() as playwright:
        at.terminal._voice = Voice()  # noqa: SLF001 - the real one
        at.terminal._renderer = Renderer(House(("en", "zh"), "en", speech=True))  # noqa: SLF001
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await browser.new_page(viewport={"width": 800, "height": 480})
        page.on("response", lambda response: recordings.append(response) if "/speech" in response.url else None)
        await page.goto(f"http://{at.address}/")
        main = page.locator("main")
        await pressed(page, "8")
        await expect(main).to_contain_class("contrast")
        assert recordings == []
        async with page.expect_response("**/speech*") as answered:
            await pressed(page, "9")
        assert (await (await answered.value).body())[:4] == b"RIFF"
        await pressed(page, "1")
        await expect(main).to_have_attribute("data-screen", "identify")
        await expect(main).to_contain_class("contrast speech")
        for entered, digit in enumerate(ACCOUNT, 1):
            await pressed(page, digit)
            await expect(page.locator(".digits")).to_have_text(
                " ".join(ACCOUNT[start : min(start + 4, entered)] for start in range(0, entered, 4))
            )
        await pressed(page, "Enter")
        await expect(main).to_have_attribute("data-screen", "account")
        await pressed(page, "Enter")
        await expect(main).to_have_attribute("data-screen", "before")
        assert at.controller.asked == [LookUp(ACCOUNT)]
        await pressed(page, "Enter")
        at.controller.tell("insert")
        await expect(main).to_have_attribute("data-screen", "insert")
        assert at.controller.asked == [LookUp(ACCOUNT), Identify(ACCOUNT, "en")]
        await browser.close()
