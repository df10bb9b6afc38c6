"""Two numbers a frame: how fast the fastest thing goes, against what is usual at its height in the picture.

Dense flow at 180 x 120 (Farneback, "Two-frame motion estimation based on polynomial expansion", 2003), averaged over a
person's size where something stands before the background (`speed`) and over a head's size anywhere (`peak`). What is
fast for a moment may be a leg; what stays fast on its way is a vehicle: each cell's value is carried along with the
flow and averaged with memory MEMORY. Every row of cells is scaled by its own mean and deviation in training, since far
people are small and slow. Costs about 15 ms a frame on one x86 core.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from somgan.arrays import Floats, Floats32
from somgan.errors import DataError

Frame = NDArray[np.uint8]
WIDTH, HEIGHT, CELL = 180, 120, 4
PERSON, HEAD = (15, 21), (7, 7)
FOREGROUND_LEVELS = 18.0
FOREGROUND_SHARE = 0.15
MEMORY = 0.25
STRONGEST = 3
BACKGROUND_EVERY = 20
ROW_CELLS_MIN = 200
FRAMES_MAX = 100_000
KINDS = ("peak", "speed")


def frames(path: Path) -> Iterator[Frame]:
    """Yield the grey frames of a video, HEIGHT x WIDTH. Raises: DataError: it has none that can be decoded."""
    video = cv2.VideoCapture(str(path))
    count = 0
    try:
        while count < FRAMES_MAX:
            there, picture = video.read()
            if not there:
                break
            count += 1
            grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            yield np.asarray(cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    finally:
        video.release()
    if count == 0:
        msg = f"{path}: no video that OpenCV can decode"
        raise DataError(msg, remedy="Give MJPEG or MPEG-4 files.")


def background(clips: Iterable[Iterable[Frame]]) -> Floats32:
    """Median of every BACKGROUND_EVERY-th frame, [HEIGHT, WIDTH]."""
    chosen = [frame for clip in clips for index, frame in enumerate(clip) if index % BACKGROUND_EVERY == 0]
    return np.asarray(np.median(np.stack(chosen), axis=0), dtype=np.float32)


class Motion:
    """Cells of one clip, frame by frame: sustained peak and speed, [rows, columns, 2], 0 where nothing moves."""

    def __init__(self, empty: Floats32) -> None:
        self._empty = empty
        self._before: Frame | None = None
        rows, columns = HEIGHT // CELL, WIDTH // CELL
        self._kept = np.zeros((rows, columns, len(KINDS)), dtype=np.float32)
        place_y, place_x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        self._place: tuple[Any, Any] = (place_x, place_y)

    def cells(self, frame: Frame) -> Floats32:
        """Take the next frame in."""
        before, self._before = self._before, frame
        if before is None:
            return self._kept
        flow: Any = cv2.calcOpticalFlowFarneback(before, frame, np.empty(0), 0.5, 3, 15, 3, 5, 1.2, 0)
        size = np.linalg.norm(flow, axis=2)
        there = (np.abs(frame.astype(np.float32) - self._empty) > FOREGROUND_LEVELS).astype(np.float32)
        share = _mean(there, PERSON) + 0.02
        speed, along, down = (_mean(part * there, PERSON) / share for part in (size, flow[..., 0], flow[..., 1]))
        now = np.stack([_mean(size, HEAD), speed, along, down, share], axis=2)[CELL // 2 :: CELL, CELL // 2 :: CELL]
        origin = (self._place[0] - now[..., 2] / CELL, self._place[1] - now[..., 3] / CELL)
        carried = np.asarray(cv2.remap(self._kept, *origin, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))
        moving = (now[..., 4] > FOREGROUND_SHARE)[..., None]
        self._kept = np.where(moving, (1.0 - MEMORY) * carried + MEMORY * now[..., :2], 0.0).astype(np.float32)
        return self._kept


def _mean(picture: Floats32, size: tuple[int, int]) -> Floats32:
    return np.asarray(cv2.boxFilter(picture, -1, size), dtype=np.float32)


@dataclass(frozen=True)
class Usual:
    """Mean and deviation of moving cells in training, both [rows, 1, 2]."""

    mean: Floats
    deviation: Floats

    def features(self, cells: Floats32) -> Floats:
        """Mean of the STRONGEST cells of each kind in row deviations, [2]; only more than usual counts."""
        z = np.where(cells > 0.0, (cells - self.mean) / self.deviation, 0.0).reshape(-1, len(KINDS))
        strongest = np.partition(z, -STRONGEST, axis=0)[-STRONGEST:]
        return np.asarray(np.maximum(strongest.mean(axis=0), 0.0), dtype=np.float64)


def usual(cells: Floats32) -> Usual:
    """Measure training cells [n, rows, columns, 2]; rows where hardly anything moves take their neighbours' figures.

    Raises: DataError: nothing moves anywhere.

    """
    rows = np.arange(cells.shape[1])
    result = np.empty((2, rows.size, len(KINDS)))
    for kind in range(len(KINDS)):
        by_row = [cells[:, row, :, kind][cells[:, row, :, kind] > 0.0] for row in rows]
        known = np.array([row for row in rows if by_row[row].size >= ROW_CELLS_MIN])
        if not known.size:
            msg = "nothing moves in the training clips"
            raise DataError(msg, remedy="Train on clips with ordinary movement.")
        result[0, :, kind] = np.interp(rows, known, [float(by_row[row].mean()) for row in known])
        result[1, :, kind] = np.interp(rows, known, [float(by_row[row].std()) for row in known])
    return Usual(result[0][:, None, :], np.maximum(result[1][:, None, :], 1e-6))
