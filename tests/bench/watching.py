"""The watcher's frames a second and its slowest frames on one core, beside decoding and resizing alone."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hwsim.scene import SceneRenderer, SceneState
from kiosk.clock import SystemClock
from kiosk.messages import StageChanged
from kiosk.monitoring.features import HEIGHT, WIDTH
from kiosk.monitoring.frames import Frame
from kiosk.monitoring.still import StillRing
from kiosk.monitoring.watcher import Watcher
from kiosk.processes.watcher import load_models
from tests.bench.figures import Figure, alternately, figure, percentile
from tests.bench.inference import ARTIFACTS

RATE = 10.0
DISTINCT_FRAMES = 120
QUALITY = 80


def pictures(count: int) -> list[npt.NDArray[np.uint8]]:
    """JPEGs of the simulated camera, as they come over the network: a depositor, and later an onlooker."""
    renderer = SceneRenderer(7)
    calm, watched = SceneState(depositor=True, hand=True), SceneState(depositor=True, onlooker=True)
    found = []
    for number in range(count):
        image = renderer.render(calm if number < count // 2 else watched, number / RATE)
        ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        assert ok
        found.append(np.asarray(data, np.uint8))
    return found


class _Source:
    """Gives the next frame, decoded, whenever the watcher asks; notes when it asked."""

    def __init__(self, jpegs: list[npt.NDArray[np.uint8]], frames: int) -> None:
        self._jpegs = jpegs
        self._frames = frames
        self.asked: list[float] = []
        self.done = asyncio.Event()
        self.trouble = ""

    async def newer(self, number: int, timeout_s: float) -> Frame | None:
        self.asked.append(time.perf_counter())
        if len(self.asked) > self._frames:
            self.done.set()
            await asyncio.sleep(timeout_s)
            return None
        image = cv2.imdecode(self._jpegs[number % len(self._jpegs)], cv2.IMREAD_COLOR)
        return Frame(np.asarray(image, np.uint8), number / RATE, number + 1)


async def _watched(jpegs: list[npt.NDArray[np.uint8]], frames: int, folder: Path) -> list[float]:
    """Seconds of each frame, through the real watcher, in a deposit."""
    source = _Source(jpegs, frames)
    watcher = Watcher(source, load_models(ARTIFACTS), SystemClock(), StillRing(folder / "stills"))
    watcher.on_push(StageChanged("BENCH", "access"))
    task = asyncio.create_task(watcher.run_frames())
    waiter = asyncio.create_task(source.done.wait())
    try:
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (task, waiter):
            one.cancel()
        await asyncio.gather(task, waiter, return_exceptions=True)
        await watcher.close()
    assert len(source.asked) > frames, "the watcher stopped looking"
    return [after - before for before, after in zip(source.asked, source.asked[1:], strict=False)]


def _bare(jpegs: list[npt.NDArray[np.uint8]], frames: int) -> list[float]:
    seconds = []
    for number in range(frames):
        begun = time.perf_counter()
        image = cv2.imdecode(jpegs[number % len(jpegs)], cv2.IMREAD_COLOR)
        assert image is not None
        cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        seconds.append(time.perf_counter() - begun)
    return seconds


def measure(repeats: int, frames: int, folder: Path) -> Iterator[Figure]:
    """On one core: this process is bound to it meanwhile."""
    jpegs = pictures(min(frames, DISTINCT_FRAMES))
    cores, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    slow: dict[str, list[float]] = {"ours": [], "limit": []}

    def ours() -> float:
        seconds = asyncio.run(_watched(jpegs, frames, folder))
        slow["ours"].append(percentile(seconds, 99) * 1e3)
        return len(seconds) / sum(seconds)

    def limit() -> float:
        seconds = _bare(jpegs, frames)
        slow["limit"].append(percentile(seconds, 99) * 1e3)
        return len(seconds) / sum(seconds)

    try:
        os.sched_setaffinity(0, {min(cores)})
        cv2.setNumThreads(1)
        ours_all, limit_all = alternately(repeats, ours, limit)
    finally:
        os.sched_setaffinity(0, cores)
        cv2.setNumThreads(threads)
    ours_is = "the real watcher in a deposit, 320 x 240 JPEG: decode, features, model, lens, grade"
    limit_is = "JPEG decode + resize alone"
    yield figure(
        "watcher, one core", "frames/s", ours_all, limit_all, better="higher", ours_is=ours_is, limit_is=limit_is
    )
    yield figure("watcher, p99 of a frame", "ms", slow["ours"], slow["limit"], ours_is=ours_is, limit_is=limit_is)
