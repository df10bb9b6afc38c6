"""Pictures of every screen of the terminal, drawn by its own templates: `python -m scripts.screenshots --to DIR`.

With `--size 800x480 --language en --only NAME` just these; with `--docs docs/images` those of the documentation are
renewed, too. The moments are those of `scripts.gallery`.
"""

import argparse
import asyncio
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.async_api import Page, Route, WebSocketRoute, async_playwright

from kiosk.terminal.render import House, Renderer
from kiosk.terminal.screens import Deadline, screen
from kiosk.terminal.session import OPTIONS
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
LANGUAGES: Final = ("zh", "en", "ru")
SIZES: Final = ("800x480", "1280x800")
COLOURS_MAX: Final = 64  # of a picture in the documentation, which is then a third of its size
# Picture, language, size -> docs/images/screen-NAME.png
DOCUMENTED: Final = {
    "start": ("attract", "en", "800x480"),
    "identify": ("identify", "en", "800x480"),
    "ticket": ("identify-ticket", "en", "800x480"),
    "staff": ("staff-approve", "en", "800x480"),
    "label": ("label-found", "en", "800x480"),
    "insert": ("insert", "en", "800x480"),
    "refused": ("insert-refused", "en", "800x480"),
    "review": ("review", "en", "800x480"),
    "bundling": ("bundling", "en", "800x480"),
    "result": ("result-medium", "en", "800x480"),
    "resume": ("resume", "en", "800x480"),
    "jam": ("jam", "zh", "800x480"),
    "insert-zh": ("insert", "zh", "1280x800"),
    "result-zh": ("result", "zh", "1280x800"),
}
HOST: Final = "http://kiosk.invalid"


def fragment(renderer: Renderer, picture: Picture, language: str, options: frozenset[str] = frozenset()) -> str:
    """The screen of a picture's moment, for somebody who asked for these options."""
    session, status = picture.session(language), picture.status
    session.options |= options
    deposit = status.deposit if status is not None else None
    deadline = None if deposit is not None or status is None else Deadline(50.0, 60.0)
    if deposit is not None and deposit.deadline_s is not None:
        deadline = Deadline(deposit.deadline_s, deposit.deadline_total_s or deposit.deadline_s)
    return renderer.fragment(screen(status, session, deadline, LANGUAGES), status, session)


async def serve(page: Page, renderer: Renderer) -> None:
    """Answer the page's requests as the terminal would, with no screen yet and a WebSocket that stays silent."""
    folder = resources.files("kiosk.terminal") / "static"
    html = renderer.page('<main data-screen=""></main>', None)

    async def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if not name:
            await route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            kind = "text/css" if name.endswith("css") else "text/javascript"
            await route.fulfill(body=(folder / name).read_bytes(), content_type=kind)

    def silent(_: WebSocketRoute) -> None:
        """Open, and nothing to say: the screens are put in by `show`."""

    await page.route("**/*", answer)
    await page.route_web_socket("**/screen?*", silent)
    await page.goto(f"{HOST}/")


async def show(page: Page, shown: str) -> None:
    """Put a fragment on the screen, with its bars as far as they are."""
    await page.evaluate(
        """html => {
            document.getElementById("stage").innerHTML = html;
            document.querySelector("main").classList.add("same");  // takes touches at once, as after its first moment
            for (const bar of document.querySelectorAll(".bar")) {
                const share = Number(bar.dataset.leftS) / Number(bar.dataset.totalS);
                bar.firstElementChild.style.transform = `scaleX(${share})`;
            }
            return document.fonts.ready.then(() => null);
        }""",
        shown,
    )


async def shoot_all(
    to: Path, sizes: Iterable[str], languages: Iterable[str], only: frozenset[str], options: frozenset[str]
) -> int:
    """Every picture asked for, as NAME-LANGUAGE-SIZE.png; how many there are."""
    to.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, on a local disk
    renderer = Renderer(House(LANGUAGES, "zh", "0000 123 4567", speech=True))
    count = 0
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for size in sizes:
            width, height = (int(part) for part in size.split("x"))
            page = await browser.new_page(viewport={"width": width, "height": height})
            await serve(page, renderer)
            for language in languages:
                for picture in pictures():
                    if only and picture.name not in only:
                        continue
                    await show(page, fragment(renderer, picture, language, options))
                    await page.screenshot(path=to / f"{picture.name}-{language}-{size}.png", animations="disabled")
                    count += 1
        await browser.close()
    return count


def document(shots: Path, to: Path) -> None:
    """Copy the pictures of the documentation, small."""
    to.mkdir(parents=True, exist_ok=True)
    for name, parts in DOCUMENTED.items():
        with Image.open(shots / f"{'-'.join(parts)}.png") as picture:
            picture.convert("RGB").quantize(COLOURS_MAX).save(to / f"screen-{name}.png", optimize=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("run/screens"))
    parser.add_argument("--size", action="append", choices=SIZES)
    parser.add_argument("--language", action="append", choices=LANGUAGES)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--option", action="append", default=[], choices=OPTIONS)
    parser.add_argument("--docs", type=Path, help="also renew the pictures of the documentation, there")
    asked = parser.parse_args()
    sizes, languages = asked.size or SIZES, asked.language or LANGUAGES
    count = asyncio.run(shoot_all(asked.to, sizes, languages, frozenset(asked.only), frozenset(asked.option)))
    if asked.docs is not None:
        document(asked.to, asked.docs)
    print(f"{count} pictures in {asked.to}")


if __name__ == "__main__":
    main()
