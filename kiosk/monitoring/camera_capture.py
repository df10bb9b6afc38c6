"""`kioskctl capture camera`: what the camera gives for some seconds, for whoever looks after it.

Pictures of people are personal data, and nobody's deposit is looked into: every picture is blurred as a whole, the
depositor as well, and kept like the seconds before an alarm, in memory under a key of its own (`FrameRing`). What is
wrong with a camera can be seen nevertheless: figures of each frame are taken before the blur. Bounded in time, frames
and bytes; who asked is a leaf before it begins.
"""

import json
import os
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from kiosk.messages import CAPTURE_S_MAX
from kiosk.monitoring.frames import Frame
from kiosk.monitoring.ring import EVERY_S, HEIGHT, WIDTH, FrameRing

FRAMES_MAX: Final = int(CAPTURE_S_MAX / EVERY_S)
BYTES_MAX: Final = 2 << 20
NAME: Final = "capture.json"
_Grey = npt.NDArray[np.float32]


class CameraCapture:
    """One capture. `take` every frame, in order, on one thread; `content` when it is `over`."""

    def __init__(
        self, number: int, began_s: float, for_s: float, randomness: Callable[[int], bytes] = os.urandom
    ) -> None:
        """`number`: whose answer it is. `for_s` at most `CAPTURE_S_MAX`."""
        self.number = number
        self._began_s, self._end_s = began_s, began_s + min(for_s, CAPTURE_S_MAX)
        self._ring = FrameRing(randomness, kept_s=CAPTURE_S_MAX + 1.0, frames_max=FRAMES_MAX, bytes_max=BYTES_MAX)
        self._rows: dict[int, dict[str, Any]] = {}  # by the ring's number of the picture
        self._frames, self._last_s, self._gap_s = 0, began_s, 0.0
        self._before: _Grey | None = None

    def over(self, now_s: float) -> bool:
        """Whether the time has passed."""
        return now_s >= self._end_s

    def take(self, frame: Frame) -> None:
        """Count a frame, and keep two a second."""
        if self.over(frame.at_s):
            return
        self._frames += 1
        self._gap_s, self._last_s = max(self._gap_s, frame.at_s - self._last_s), frame.at_s
        kept = self._ring.take(frame.image, frame.at_s, None)
        if kept is None:
            return
        small = cv2.resize(frame.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
        changed = 0.0 if self._before is None else float(np.abs(grey - self._before).mean())
        self._before = grey
        height, width = frame.image.shape[:2]
        self._rows[kept] = {
            "at_s": round(frame.at_s - self._began_s, 2),
            "width": width,
            "height": height,
            "brightness": round(float(grey.mean()), 1),  # 0 to 255
            "sharpness": round(float(cv2.Laplacian(grey, cv2.CV_32F).var()), 1),  # near 0: covered, or out of focus
            "changed": round(changed, 2),  # mean grey levels since the picture before; 0.00 again and again: frozen
        }

    def content(self, trouble: str) -> bytes:
        """A ZIP of JPEG pictures with `capture.json` beside them. `trouble`: why there are no frames, if so."""
        pictures: list[dict[str, Any]] = []
        made = BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
            for kept, jpeg in self._ring.pictures():
                name = f"{len(pictures):03d}.jpg"
                archive.writestr(zipfile.ZipInfo(name), jpeg)
                pictures.append({"name": name, **self._rows[kept]})
            about = {
                "kind": "camera-capture",
                "frames": self._frames,
                "longest_gap_s": round(self._gap_s, 2),
                "trouble": trouble,
                "pictures": pictures,
            }
            archive.writestr(zipfile.ZipInfo(NAME), json.dumps(about, sort_keys=True))
        return made.getvalue()
