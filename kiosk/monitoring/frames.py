"""Where frames come from: a camera, an MJPEG stream or a file, read in a thread of its own.

The newest frame wins: a slow reader misses frames, none is queued. A source that fails is opened again,
waiting longer each time up to a limit. Frames are stamped with the injected clock as they arrive.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from kiosk.clock import Clock

_log = logging.getLogger(__name__)

BACKOFF_S: Final = (0.2, 5.0)
OPEN_TIMEOUT_MS: Final = 4000
READ_TIMEOUT_MS: Final = 2000
JOIN_S: Final = 6.0  # longer than a read may hang
FILE_FRAMES_PER_SECOND: Final = 10.0  # for files that do not say
# OpenCV and FFmpeg write to standard error, past our log, at every try: every five seconds while a camera is missing.
# What is wrong is `trouble`, said once when it changes. FFmpeg's level is read when the first source is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: BGR uint8 [h, w, 3], when it arrived, and its number since the source was made."""

    image: npt.NDArray[np.uint8]
    at_s: float
    number: int


class FrameSource(Protocol):
    """What the watcher needs of a camera."""

    async def newer(self, number: int, timeout_s: float) -> Frame | None:
        """The newest frame once there is one after `number`; None after `timeout_s` without one."""

    @property
    def trouble(self) -> str:
        """Why there are no frames; empty when there are."""


class CaptureSource:
    """A `cv2.VideoCapture` behind a thread. `start` on the event loop's thread, `close` when done."""

    def __init__(self, source: str, clock: Clock, *, width: int, height: int, frames_per_second: int) -> None:
        """Source: `/dev/video0`, an `http://` MJPEG address or a file; size and rate are wishes to a V4L2 camera."""
        self._source = source
        self._clock = clock
        self._wishes = (width, height, frames_per_second)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._trouble = "the camera has not been opened yet"
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()

    def start(self) -> None:
        """Begin to read; frames are announced on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Stop the thread; waits for a read that hangs, but not for ever."""
        self._stop.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, JOIN_S)

    @property
    def trouble(self) -> str:
        """Why there are no frames; empty when there are."""
        with self._lock:
            return self._trouble

    async def newer(self, number: int, timeout_s: float) -> Frame | None:
        """The newest frame once there is one after `number`; None after `timeout_s` without one."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._arrived.clear()
                    with self._lock:
                        frame = self._frame
                    if frame is not None and frame.number > number:
                        return frame
                    await self._arrived.wait()
        except TimeoutError:
            return None

    # --- the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff_s = BACKOFF_S[0]
        while not self._stop.is_set():
            before = self._frame
            why = self._read_until_failure()
            if self._frame is not before:
                backoff_s = BACKOFF_S[0]
            if self._stop.is_set():
                return
            with self._lock:
                known, self._trouble = self._trouble, why
            if why != known:
                _log.warning("camera: %s; trying again", why)
            self._stop.wait(backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_S[1])

    def _read_until_failure(self) -> str:
        """Read frames for as long as there are any; says why it ended."""
        capture = _open(self._source, self._wishes)
        try:
            if not capture.isOpened():
                return f"{self._source} cannot be opened"
            pace_s = _pace_s(self._source, capture)
            while not self._stop.is_set():
                good, image = capture.read()
                if not good or image is None:
                    return f"{self._source} gives no more frames"
                self._keep(np.asarray(image, np.uint8))
                if pace_s > 0:
                    self._stop.wait(pace_s)
        except cv2.error as error:
            return f"OpenCV failed on {self._source}: {error}"
        else:
            return ""
        finally:
            capture.release()

    def _keep(self, image: npt.NDArray[np.uint8]) -> None:
        with self._lock:
            number = self._frame.number + 1 if self._frame is not None else 1
            if self._trouble:
                _log.info("camera: %s gives frames of %d x %d", self._source, image.shape[1], image.shape[0])
            self._frame, self._trouble = Frame(image, self._clock.monotonic_s(), number), ""
        _announce(self._loop, self._arrived.set)


def _announce(loop: asyncio.AbstractEventLoop | None, callback: Callable[[], object]) -> None:
    if loop is None or loop.is_closed():
        return
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # the loop closed between the question and the call
        _log.debug("camera: the event loop is gone")


def _open(source: str, wishes: tuple[int, int, int]) -> cv2.VideoCapture:
    if source.startswith("/dev/"):
        capture = cv2.VideoCapture(source, cv2.CAP_V4L2)
        width, height, rate = wishes
        for key, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, rate),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            capture.set(key, value)
        return capture
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
    return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)


def _pace_s(source: str, capture: cv2.VideoCapture) -> float:
    """Files are played at their own rate; live sources set the pace themselves."""
    if not Path(source).is_file():
        return 0.0
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return 1.0 / (rate if 1.0 <= rate <= 120.0 else FILE_FRAMES_PER_SECOND)  # noqa: PLR2004 - sane rates of a file
