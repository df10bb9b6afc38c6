"""A slip of paper with a QR code that the depositor holds up to the camera: tilted, swaying, drawn with its edges."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import segno

Frame = npt.NDArray[np.uint8]
QUIET: Final = 4  # modules of white around the code: ISO/IEC 18004
MODULE_PIXELS: Final = 8  # of the drawing that is scaled down into the picture
INK: Final = 38
PAPER: Final = 226


@dataclass(frozen=True, slots=True)
class Held:
    """How it is held at one moment: `side` pixels of the picture, turned by `degrees`, its middle at (x, y)."""

    text: str
    side: float
    degrees: float
    x: float
    y: float


def hold(text: str, near: float, sway: tuple[float, float], at_s: float, size: tuple[int, int]) -> Held:
    """`near`: 0 below the picture .. 1 held up; `sway`: of the person; `size`: width and height of the picture."""
    width, height = size
    unrest = math.sin(1.1 * at_s + sway[0]) * 1.5
    return Held(
        text=text,
        side=0.86 * height * (0.8 + 0.2 * near),
        degrees=4.0 * math.sin(0.4 * at_s + sway[0]),
        x=width / 2 + 4.0 * math.sin(0.7 * at_s + sway[1]) + unrest,
        y=height * (0.5 + 1.05 * (1 - near)) + unrest,
    )


def draw(canvas: Frame, held: Held) -> None:
    """Draw it over what is there."""
    slip = _slip(held.text)
    scale = held.side / slip.shape[0]
    move = cv2.getRotationMatrix2D((slip.shape[1] / 2, slip.shape[0] / 2), held.degrees, scale)
    move[:, 2] += (held.x - slip.shape[1] / 2, held.y - slip.shape[0] / 2)
    size = (canvas.shape[1], canvas.shape[0])
    # A lens gathers the light of the whole pixel: drawn large and then shrunk, or fine modules would flicker.
    fine = np.vstack([move, (0, 0, 1)])
    fine = (np.diag((3.0, 3.0, 1.0)) @ fine)[:2]
    large = (3 * size[0], 3 * size[1])
    ink = cv2.resize(cv2.warpAffine(slip, fine, large, flags=cv2.INTER_AREA), size, interpolation=cv2.INTER_AREA)
    cover = cv2.warpAffine(np.full_like(slip, 255), fine, large)
    alpha = cv2.merge([cv2.resize(cover, size, interpolation=cv2.INTER_AREA)] * 3)
    kept = cv2.multiply(canvas, cv2.bitwise_not(alpha), scale=1 / 255)
    canvas[:] = cv2.add(kept, cv2.multiply(cv2.merge([ink] * 3), alpha, scale=1 / 255))


@lru_cache(maxsize=4)
def _slip(text: str) -> Frame:
    """Grey picture of the paper."""
    rows = segno.make(text, error="m", micro=False, boost_error=False).matrix_iter(border=QUIET)
    modules = np.where(np.array([list(row) for row in rows], np.uint8) > 0, INK, PAPER).astype(np.uint8)
    return np.kron(modules, np.ones((MODULE_PIXELS, MODULE_PIXELS), np.uint8))
