"""The empty shop as it was last seen, kept over restarts: 80 x 60 pixels without anybody in them.

A watcher that starts in the middle of a deposit would otherwise take the depositor for a part of the shop. What is kept
counts only if the camera still sees that shop (`SceneFeatures.recall`).
"""

import io
import logging
from pathlib import Path
from typing import Final

import numpy as np

from kiosk.monitoring.features import SceneFeatures, Shop

_log = logging.getLogger(__name__)
KEEP_EVERY_S: Final = 120.0
FILE: Final = "empty-shop.npz"
BYTES_MAX: Final = 1 << 20


class ShopFile:
    """One file in the watcher's own directory; a disk that fails costs the memory, nothing else."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._kept_s = float("-inf")

    def recall(self, scene: SceneFeatures) -> None:
        """Give the features what is kept, if there is anything that can be read."""
        try:
            if self._path.stat().st_size <= BYTES_MAX:
                with np.load(self._path, allow_pickle=False) as kept:
                    scene.recall(Shop(kept["background"], kept["usual"]))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError) as error:
            _log.warning("the picture of the empty shop cannot be read: %s", error)

    def keep(self, scene: SceneFeatures, now_s: float) -> None:
        """Write it now and then; only between deposits."""
        if now_s - self._kept_s < KEEP_EVERY_S or (shop := scene.shop) is None:
            return
        self._kept_s = now_s
        content = io.BytesIO()
        np.savez_compressed(content, background=shop.background, usual=shop.usual)
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_bytes(content.getvalue())
            part.chmod(0o600)
            part.replace(self._path)
        except OSError as error:
            _log.warning("the picture of the empty shop could not be kept: %s", error)
