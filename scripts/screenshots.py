"""Pictures of every screen of the terminal, drawn by its own templates: `python -m scripts.screenshots --to DIR`.

With `--size 800x480 --language en --only NAME` just these. The moments are those of `scripts.gallery`.
"""

import argparse
import asyncio
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Final

from playwright.async_api import Page, Route, WebSocketRoute, async_playwright

from kiosk.terminal.render import House, Renderer
from kiosk.terminal.screens import Deadline, screen
from scripts.gallery import Picture, pictures

CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LANGUAGES: Final = ("zh", "en")
SIZES: Final = ("800x480", "1280x800")
SETTLE_MS: Final = 500  # a new screen takes touches after 400 ms; then its buttons look as they do for a person
_HOST: Final = "http://kiosk.invalid"


def fragment(renderer: Renderer, picture: Picture, language: str) -> str:
    """The screen of a picture's moment."""
    session, status = picture.session(language), picture.status
    deposit = status.deposit if status is not None else None
    deadline = None
    if deposit is not None and deposit.deadline_s is not None:
        deadline = Deadline(deposit.deadline_s, deposit.deadline_total_s or deposit.deadline_s)
    return renderer.fragment(screen(status, session, deadline, LANGUAGES), status, session)


async def shoot(page: Page, html: str, shown: str, to: Path) -> None:
    """One picture: the page as the server would send it, the fragment as its WebSocket would."""
    folder = resources.files("kiosk.terminal") / "static"

    async def serve(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if not name:
            await route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            kind = "text/css" if name.endswith("css") else "text/javascript"
            await route.fulfill(body=(folder / name).read_bytes(), content_type=kind)

    def speak(socket: WebSocketRoute) -> None:
        socket.send(shown)

    await page.route("**/*", serve)
    await page.route_web_socket("**/screen", speak)
    await page.goto(f"{_HOST}/")
    await page.evaluate("document.fonts.ready")
    await page.wait_for_timeout(SETTLE_MS)
    await page.screenshot(path=to)
    await page.unroute_all()


async def shoot_all(to: Path, sizes: Iterable[str], languages: Iterable[str], only: frozenset[str]) -> int:
    """Every picture asked for, as NAME-LANGUAGE-SIZE.png; how many there are."""
    to.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, on a local disk
    renderer = Renderer(House(LANGUAGES, "zh", "0000 123 4567"))
    count = 0
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for size in sizes:
            width, height = (int(part) for part in size.split("x"))
            page = await browser.new_page(viewport={"width": width, "height": height})
            for language in languages:
                for picture in pictures():
                    if only and picture.name not in only:
                        continue
                    shown = fragment(renderer, picture, language)
                    name = f"{picture.name}-{language}-{size}.png"
                    await shoot(page, renderer.page(shown, language), shown, to / name)
                    count += 1
        await browser.close()
    return count


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("run/screens"))
    parser.add_argument("--size", action="append", choices=SIZES)
    parser.add_argument("--language", action="append", choices=LANGUAGES)
    parser.add_argument("--only", action="append", default=[])
    asked = parser.parse_args()
    sizes, languages = asked.size or SIZES, asked.language or LANGUAGES
    count = asyncio.run(shoot_all(asked.to, sizes, languages, frozenset(asked.only)))
    print(f"{count} pictures in {asked.to}")


if __name__ == "__main__":
    main()
