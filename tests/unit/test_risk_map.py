"""`kioskctl risk map`: what it says in the terminal, and a page that is one file and fetches nothing."""

import asyncio
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from playwright.async_api import async_playwright

from kiosk.bus import BusServer
from kiosk.maintenance.risk_page import page
from kiosk.maintenance.risk_text import map_text
from kiosk.messages import DriftView, GetRiskMap, Plane, RecentView, Refused, Reply, Request, RiskMap, Role, StreamSeen
from kiosk.processes.kioskctl import main as kioskctl
from scripts.screenshots import CHROMIUM

ROWS, COLUMNS = 6, 8
CELLS = ROWS * COLUMNS
REASON = "hurried hands at the port (flow port 0.9 widths a second, usually 0 to 0.1) <b>[map cell 2,3 of 6 x 8]</b>"
SEEN = StreamSeen(
    "scene", "ab" * 32, 9.25, 0.004, "medium", 61.0, (1, 2), ((10, 40), (11, 5)), (REASON,), (0.9, 4.0), (0.1, 4.1)
)
MAP = RiskMap(
    stream="scene",
    version="1.0.0+abababab",
    model_sha256="ab" * 32,
    rows=ROWS,
    columns=COLUMNS,
    distance=tuple(float(cell % 7) for cell in range(CELLS)),
    trained=tuple(1 / CELLS for _ in range(CELLS)),
    here=((10, 0.75), (11, 0.25)),
    hour=((10, 40), (11, 5)),
    planes=(
        Plane("flow_port", "widths a second", 0.0, 0.1, tuple(cell / CELLS for cell in range(CELLS))),
        Plane("brightness", "log2 of usual", 4.0, 4.2, (4.0,) * CELLS),
    ),
    recent=(
        RecentView("2026-11-22T10:00:00.000Z", "low", True, msgspec.structs.replace(SEEN, grade="low", score=3.0)),
        RecentView("2026-11-22T10:05:00.000Z", "high", False, SEEN),
    ),
    collected=(),
    needed=299,
    drift=DriftView(120, 230.0, 0.2, 31, 0.62),
    medium_from=8.5,
    high_from=None,
)
BARE = msgspec.structs.replace(MAP, stream="machine", distance=(), trained=(), planes=(), recent=(), hour=())


def test_the_terminal_shows_the_map_the_drift_and_why() -> None:
    lines = map_text(MAP, "distance").splitlines()
    grid = [line[2:] for line in lines if line.startswith("  ") and len(line) == 2 + 2 * COLUMNS]
    assert len(grid) == ROWS
    assert grid[1][5] == "1"  # the newest deposit's worst moment, in its cell
    text = "\n".join(lines)
    for words in (
        "medium from a score of 8.50, high from no score",
        "scores have drifted higher: noticed after 31 deposits, now 230 to 1",
        "62% of its rows fall elsewhere than in training",
        "0 deposits collected, 299 are needed",
        "1  2026-11-22T10:05:00.000Z  medium (all streams: high): score 9.25, p 0.0040, cell 2,3",
        "hurried hands at the port",
    ):
        assert words in text


@pytest.mark.parametrize("picture", ["trained", "here", "hour", "flow_port", "brightness"])
def test_every_picture_can_be_shown(picture: str) -> None:
    assert len(map_text(MAP, picture).splitlines()) > ROWS


def test_a_model_without_its_map_is_said_to_have_none() -> None:
    assert "came without its map" in map_text(BARE, "distance")
    assert "came without its map" in page([BARE], "2026-11-22T10:06:00.000Z")


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_is_one_file_that_fetches_nothing_and_runs_nothing() -> None:
    html = page([MAP, BARE], "2026-11-22T10:06:00.000Z")
    tags = Tags()
    tags.feed(html)
    names = {name for name, _ in tags.found}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "b"}
    assert not any({"src", "href", "xlink:href", "onclick", "onload"} & set(attributes) for _, attributes in tags.found)
    assert not re.search(r"url\(|@import|https?://", html)
    assert "&lt;b&gt;" in html  # a reason is text, whatever is in it
    assert "default-src &#x27;none&#x27;" in html or "default-src 'none'" in html
    assert len([name for name, _ in tags.found if name == "circle"]) == 2
    assert len(html) < 100_000


async def test_a_browser_shows_it_without_asking_anybody_for_anything(tmp_path: Path) -> None:
    file = tmp_path / "map.html"
    file.write_text(page([MAP, BARE], "2026-11-22T10:06:00.000Z"), encoding="utf-8")
    asked: list[str] = []
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        shown = await browser.new_page(viewport={"width": 1280, "height": 900})
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: complaints.append(message.text))
        await shown.goto(file.as_uri())
        pictures = await shown.locator("figure svg").all()
        boxes = [await each.bounding_box() for each in pictures]
        assert await shown.locator("details[open] li").inner_text() == REASON
        wide = await shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        await browser.close()
    assert asked == [file.as_uri()]
    assert complaints == []
    assert wide
    assert len(boxes) == 4 + len(MAP.planes)
    assert all(box is not None and box["width"] > 60 and box["height"] > 40 for box in boxes)


def ctl(folder: Path, *arguments: str) -> Result:
    async def handle(role: Role, request: Request) -> Reply:
        assert role == "maintenance"
        assert isinstance(request, GetRiskMap)
        if request.stream == "transaction":
            return Refused("no_model", "No transaction model can be used.", "Look at `kioskctl model list`.")
        return MAP if request.stream == "scene" else BARE

    async def play() -> Result:
        server = BusServer(folder, handle, {}, single_user=True)
        await server.start()
        try:
            words = ["risk", "map", *arguments, "--bus-dir", str(folder)]
            return await asyncio.to_thread(CliRunner().invoke, kioskctl, words)
        finally:
            await server.close()

    return asyncio.run(play())


def test_the_command(tmp_path: Path) -> None:
    assert "U-matrix" in ctl(tmp_path, "scene").output
    assert json.loads(ctl(tmp_path, "scene", "--json").output)["rows"] == ROWS
    unknown = ctl(tmp_path, "scene", "--show", "nothing")
    assert unknown.exit_code == 1
    assert "distance, trained, here, hour, flow_port, brightness" in unknown.output
    written = ctl(tmp_path, "scene", "--page", str(tmp_path / "m.html"))
    assert written.exit_code == 0
    assert "U-matrix" in (tmp_path / "m.html").read_text()
    refused = ctl(tmp_path, "--page", str(tmp_path / "all.html"))
    assert (refused.exit_code, "kioskctl model list" in refused.output) == (1, True)
