"""From a state change to the pixels that show it, with the watcher at work, beside the same HTML in a bare page.

The real `kiosk terminal` and `kiosk watcher` on the bus of a controller that only tells states; the simulated camera; a
real Chromium. The page's own clock is this machine's: the end is when the frame with the new screen has been painted.
"""

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as PlaywrightError
from websockets.asyncio.server import ServerConnection, serve

from kiosk.bus import BusServer
from kiosk.messages import GetStatus, Ok, Reply, Request, RiskReport, Role, StageChanged, Status
from kiosk.terminal.render import House, Renderer
from kiosk.terminal.screens import screen
from kiosk.terminal.session import Session
from kiosk_cloud.provision import Plan, provision
from scripts.gallery import pictures
from scripts.screenshots import CHROMIUM, FLAGS
from scripts.stage import KIOSK_ID, KIOSK_TOML, SYSTEM_PATH, free_port
from tests.bench.figures import Figure, figure

READY_S: Final = 30.0
WARM_UP: Final = 5  # changes before the first that counts
MOMENTS: Final = ("insert", "insert-moving", "review", "bundling", "result", "resume", "jam")  # each unlike the last
PAINTED: Final = """() => {
    const stage = document.getElementById("stage");
    new MutationObserver(() => requestAnimationFrame(() => {
        const after = new MessageChannel();  // its message comes behind the painting of this frame
        after.port1.onmessage = () => painted(performance.timeOrigin + performance.now());
        after.port2.postMessage(0);
    })).observe(stage, { childList: true });
}"""
BARE: Final = """() => {
    const stage = document.getElementById("stage");
    new WebSocket("ws://127.0.0.1:PORT/").onmessage = ({ data }) => { stage.innerHTML = data; };
}"""


def _statuses() -> list[Status]:
    found = {picture.name: picture.status for picture in pictures() if picture.status is not None}
    return [found[name] for name in MOMENTS]


class Told:
    """A controller that tells states and agrees to everything."""

    def __init__(self, folder: Path) -> None:
        self.status = _statuses()[-1]
        self.watched = asyncio.Event()  # the watcher judges the frames of a deposit
        self.bus = BusServer(folder, self._handle, {}, single_user=True)

    async def _handle(self, _: Role, request: Request) -> Reply:
        if isinstance(request, RiskReport) and request.deposit_code and request.frames_per_second:
            self.watched.set()
        return self.status if isinstance(request, GetStatus) else Ok()

    def tell(self, status: Status) -> None:
        self.status = status
        self.bus.push("status", status)


class Painted:
    """When a page had painted its last change, as Unix time in ms."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._frames: asyncio.Queue[float] = asyncio.Queue()

    async def watch(self) -> None:
        await self.page.expose_function("painted", self._frames.put_nowait)
        await self.page.evaluate(PAINTED)

    async def next(self) -> float:
        async with asyncio.timeout(READY_S):
            return await self._frames.get()


@asynccontextmanager
async def _process(folder: Path, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / "log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "PATH": SYSTEM_PATH}
        )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _until_there(path: Path) -> dict[str, Any]:
    async with asyncio.timeout(READY_S):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process writes it
            await asyncio.sleep(0.1)
    found: dict[str, Any] = json.loads(path.read_text())  # noqa: ASYNC240 - one look
    return found


async def _page(browser: Browser, url: str) -> Page:
    page = await browser.new_page(viewport={"width": 800, "height": 480})
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(PlaywrightError):  # nobody listens yet
                await page.goto(url)
                return page
            await asyncio.sleep(0.2)


async def _ours(told: Told, painted: Painted, changes: int) -> list[float]:
    """ms of each change, from the controller's push to the paint."""
    found, statuses = [], _statuses()
    for number in range(changes):
        begun = time.time() * 1e3
        told.tell(replace(statuses[number % len(statuses)], uptime_s=float(number)))
        found.append(await painted.next() - begun)
    return found


async def _limit(sockets: list[ServerConnection], painted: Painted, changes: int) -> list[float]:
    """The same HTML, drawn beforehand, over a bare WebSocket into a bare page."""
    renderer = Renderer(House(("en",), "en"))
    session = Session(language="en")
    drawn = [renderer.fragment(screen(status, session, None, ("en",)), status, session) for status in _statuses()]
    found = []
    for number in range(changes):
        begun = time.time() * 1e3
        await sockets[-1].send(drawn[number % len(drawn)])
        found.append(await painted.next() - begun)
    return found


async def _measured(repeats: int, changes: int, folder: Path) -> tuple[list[float], list[float]]:
    """Medians of each repeat, ours and the limit's in turn, while the watcher judges a deposit's frames."""
    provision(Plan(folder, KIOSK_ID, port=1), datetime.now(UTC))
    told, port, sockets = Told(folder / "kiosk" / "bus"), free_port(), list[ServerConnection]()

    async def bare(socket: ServerConnection) -> None:
        sockets.append(socket)
        await socket.wait_closed()

    async with (
        _process(folder, "hwsim", "run", "--dir", "sim"),
        serve(bare, "127.0.0.1", 0) as server,
        async_playwright() as playwright,
    ):
        ready = await _until_there(folder / "sim" / "ready.json")
        settings: dict[str, Any] = {"kiosk": KIOSK_ID, "broker": 1, "terminal": port, "timing": "", "protocol": "ssp"}
        settings["observer"] = free_port()
        (folder / "kiosk.toml").write_text(KIOSK_TOML.format(**settings, **ready))
        (folder / "kiosk" / "bus").mkdir(parents=True, exist_ok=True)
        await told.bus.start()
        async with (
            _process(folder, "kiosk", "watcher", "--config", "kiosk.toml"),
            _process(folder, "kiosk", "terminal", "--config", "kiosk.toml"),
        ):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            ours = Painted(await _page(browser, f"http://127.0.0.1:{port}/"))
            plain = await browser.new_page(viewport={"width": 800, "height": 480})
            await plain.set_content('<!doctype html><div id="stage"></div>')
            await plain.evaluate(BARE.replace("PORT", str(server.sockets[0].getsockname()[1])))
            limit = Painted(plain)
            async with asyncio.timeout(READY_S):
                while not sockets:  # noqa: ASYNC110 - the browser is another process
                    await asyncio.sleep(0.1)
            await ours.page.locator("main[data-screen='jam']").wait_for()
            await ours.watch()
            await limit.watch()
            async with asyncio.timeout(READY_S):
                while not told.watched.is_set():
                    told.bus.push("stage", StageChanged("BENCH", "access"))  # it may only be starting
                    await asyncio.sleep(0.1)
            medians: tuple[list[float], list[float]] = ([], [])
            for each in range(repeats + 1):  # the first warms up
                count = changes if each else WARM_UP
                for found, values in zip(
                    medians, (await _ours(told, ours, count), await _limit(sockets, limit, count)), strict=True
                ):
                    if each:
                        found.append(sorted(values)[len(values) // 2])
            await browser.close()
        await told.bus.close()
    return medians


def measure(repeats: int, changes: int) -> Iterator[Figure]:
    """One figure, ms."""
    with tempfile.TemporaryDirectory(prefix="kiosk-bench-") as folder:  # a short name: the bus is a socket in it
        ours, limit = asyncio.run(_measured(repeats, changes, Path(folder)))
    yield figure(
        "state change to pixels",
        "ms",
        ours,
        limit,
        ours_is="status push of the controller to the painted frame: bus, screen, WebSocket, page; the watcher works",
        limit_is="the same HTML over a bare WebSocket into a bare page",
    )
