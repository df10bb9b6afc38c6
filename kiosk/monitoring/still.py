"""One blurred still of a stage: enough to see that and where people stood, too little to know who they are.

The record carries the still's SHA-256; the JPEG itself waits on disk, in a ring bounded by number and bytes.
"""

import hashlib
import logging
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

_log = logging.getLogger(__name__)

WIDTH: Final = 160
HEIGHT: Final = 120
BLUR_PIXELS: Final = 9  # odd; a head is about 25 pixels wide at this size
JPEG_QUALITY: Final = 70
FILES_MAX: Final = 500
BYTES_MAX: Final = 8 << 20


def blurred_jpeg(frame_bgr: npt.NDArray[np.uint8]) -> bytes:
    """A small, blurred JPEG of a BGR frame."""
    small = cv2.resize(frame_bgr, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (BLUR_PIXELS, BLUR_PIXELS), 0)
    _, encoded = cv2.imencode(".jpg", blurred, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


class StillRing:
    """Stills on disk by hash; the oldest go first. A full or broken disk costs the still, not the report."""

    def __init__(self, folder: Path, *, files_max: int = FILES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._folder = folder
        self._files_max = files_max
        self._bytes_max = bytes_max

    def keep(self, jpeg: bytes) -> str:
        """Store a still and return its SHA-256 in hex, whether or not the disk took it."""
        digest = hashlib.sha256(jpeg).hexdigest()
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"{digest}.jpg"
            part = path.with_suffix(".part")
            part.write_bytes(jpeg)
            part.chmod(0o600)
            part.replace(path)
            self._trim()
        except OSError as error:
            _log.warning("stills: %s could not be kept: %s", digest[:16], error)
        return digest

    def read(self, digest: str) -> bytes | None:
        """A still by its SHA-256 in hex; None when it is not here any more."""
        try:
            return (self._folder / f"{digest}.jpg").read_bytes()
        except OSError:
            return None

    def _trim(self) -> None:
        files = sorted(
            ((path.stat().st_mtime_ns, path.stat().st_size, path) for path in self._folder.glob("*.jpg")), reverse=True
        )
        total = 0
        for count, (_, size, path) in enumerate(files, start=1):
            total += size
            if count > self._files_max or total > self._bytes_max:
                path.unlink(missing_ok=True)
