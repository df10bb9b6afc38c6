"""Every screen in Chromium, in both sizes and languages: nothing cut, nothing covered, targets and letters large."""

import asyncio
from typing import Final

import pytest
from playwright.async_api import WebSocketRoute, async_playwright

import kiosk.terminal.render
from kiosk.terminal.render import House, Renderer
from scripts.gallery import pictures
from scripts.screenshots import CHROMIUM, FLAGS, LANGUAGES, fragment, serve, show
from tests.unit.pseudo import pseudo

TARGET_MM_MIN: Final = 20.0
LETTER_MM_MIN: Final = 4.0  # the height of the type, as points are counted
SCREENS: Final = {"800x480": 7.0, "1280x800": 10.1}  # pixels: diagonal, inches

MEASURE: Final = """mmPerPixel => {
    const found = [];
    const [width, height] = [innerWidth, innerHeight];
    const name = element => `${element.tagName}.${element.className.baseVal ?? element.className} ` +
        (element.textContent || "").trim().slice(0, 30);
    const main = document.querySelector("main");
    for (const element of main.querySelectorAll("*")) {
        if (element.closest("svg") && element.tagName !== "svg") continue;
        const box = element.getBoundingClientRect();
        if (box.width && (box.left < -1 || box.top < -1 || box.right > width + 1 || box.bottom > height + 1))
            found.push(`outside: ${name(element)}`);
        if (element.scrollWidth > element.clientWidth + 2 && element.clientWidth)
            found.push(`too wide: ${name(element)}`);
        const parts = [...element.childNodes].filter(node => node.nodeType === 3 && node.data.trim());
        const letters = parseFloat(getComputedStyle(element).fontSize) * mmPerPixel;
        if (parts.length && letters < LETTERS) found.push(`letters of ${letters.toFixed(1)} mm: ${name(element)}`);
    }
    const buttons = [...main.querySelectorAll("button")];
    for (const button of buttons) {
        const box = button.getBoundingClientRect();
        const side = Math.min(box.width, box.height) * mmPerPixel;
        if (side < TARGET) found.push(`target of ${side.toFixed(1)} mm: ${name(button)}`);
        const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        if (!button.contains(top)) found.push(`covered: ${name(button)}`);
    }
    for (const element of main.querySelectorAll("p, td, dd, dt, li, h1, .notice"))
        for (const button of buttons) {
            if (button.contains(element)) continue;
            const [a, b] = [element.getBoundingClientRect(), button.getBoundingClientRect()];
            if (a.bottom > b.top + 1 && a.top < b.bottom - 1 && a.right > b.left + 1 && a.left < b.right - 1)
                found.push(`under a button: ${name(element)}`);
        }
    const header = main.querySelector("header"), section = main.querySelector("section");
    if (header && section)
        for (const element of section.querySelectorAll("p, td, dd, dt, li, .notice"))
            if (element.offsetParent && element.getBoundingClientRect().top < header.getBoundingClientRect().bottom - 1)
                found.push(`over the heading: ${name(element)}`);
    return found;
}""".replace("LETTERS", str(LETTER_MM_MIN)).replace("TARGET", str(TARGET_MM_MIN))


# A finger and a key that come down in the very moment in which another screen is drawn.
SECOND_TAP: Final = """([clientX, clientY]) => {
    new MutationObserver((_, observer) => {
        observer.disconnect();
        const there = document.elementFromPoint(clientX, clientY) ?? document.body;
        for (const kind of ["pointerdown", "pointerup"])
            there.dispatchEvent(new PointerEvent(kind, { clientX, clientY, bubbles: true }));
        dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
        window.tapped = document.querySelector("main").dataset.screen;
    }).observe(document.getElementById("stage"), { childList: true });
}"""


@pytest.mark.timeout(120)  # of a busy machine
@pytest.mark.parametrize(("size", "options"), [("800x480", ()), ("800x480", ("large",)), ("1280x800", ())])
async def test_nothing_is_cut_or_covered_and_everything_is_large(size: str, options: tuple[str, ...]) -> None:
    width, height = (int(part) for part in size.split("x"))
    mm_per_pixel = SCREENS[size] * 25.4 / (width**2 + height**2) ** 0.5
    renderer = Renderer(House(LANGUAGES, "zh", "0000 123 4567", speech=True))
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await browser.new_page(viewport={"width": width, "height": height})
        await serve(page, renderer)
        for language in LANGUAGES:
            for picture in pictures():
                await show(page, fragment(renderer, picture, language, frozenset(options)))
                faults += [
                    f"{picture.name} {language}: {fault}" for fault in await page.evaluate(MEASURE, mm_per_pixel)
                ]
        await browser.close()
    assert faults == []


@pytest.mark.timeout(120)  # of a busy machine
async def test_words_that_are_a_tenth_longer_than_english_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    words = pseudo()
    monkeypatch.setattr(kiosk.terminal.render, "words_of", lambda _: words)
    renderer = Renderer(House(("en",), "en", "0000 123 4567", speech=True))
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await browser.new_page(viewport={"width": 800, "height": 480})
        await serve(page, renderer)
        for picture in pictures():
            await show(page, fragment(renderer, picture, "en"))
            found = await page.evaluate(MEASURE, 7.0 * 25.4 / (800**2 + 480**2) ** 0.5)
            faults += [f"{picture.name}: {fault}" for fault in found]
        await browser.close()
    assert faults == []


async def test_a_second_tap_or_key_on_the_last_screen_does_not_touch_the_next_one() -> None:
    renderer = Renderer(House(LANGUAGES, "zh"))
    insert, review = (next(each for each in pictures() if each.name == name) for name in ("insert", "review"))
    said: asyncio.Queue[str] = asyncio.Queue()
    sockets: list[WebSocketRoute] = []

    def browser_speaks(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.on_message(lambda text: said.put_nowait(str(text)))
        socket.send(fragment(renderer, insert, "en"))

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await browser.new_page(viewport={"width": 800, "height": 480})
        await serve(page, renderer)
        await page.route_web_socket("**/screen?*", browser_speaks)
        await page.reload()
        done = page.get_by_role("button", name="That is all")
        box = await done.bounding_box()
        assert box is not None
        await done.click()
        assert "done" in await said.get()
        await page.evaluate(SECOND_TAP, [box["x"] + 50, box["y"] + 50])
        sockets[-1].send(fragment(renderer, review, "en"))
        await page.wait_for_function("() => window.tapped === 'review'")
        assert said.empty()
        await page.get_by_role("button", name="Yes, deposit it").click()  # it is ready a moment later
        assert "confirm" in await said.get()
        await browser.close()
