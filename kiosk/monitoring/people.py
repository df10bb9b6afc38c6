"""Who stands where, from a foreground mask: pure geometry of outlines, no recognition of anybody.

The mask is 60 rows x 80 columns. Whoever stands at the kiosk, or a step behind it, reaches down to the lower quarter of
the picture; what hangs in the air above it, column by column, is somebody far away. Things that are narrower than a
head are opened away. Values are medians over the last second, because somebody who walks past is gone by then and
somebody who looks over a shoulder is not.

People are of many widths, and one broad person fills as much as two narrow ones. The depositor does not get broader
within seconds, though: growth beside what has been usual since they stand there is somebody who has come.
"""

from collections import deque
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

OUTLINE_NAMES: Final[tuple[str, ...]] = (  # of one mask
    "front_area",  # taken by people near the kiosk
    "head_top",  # height of the topmost point of the people in front
    "head_width",  # their width at the height of that head
    "shoulder_width",  # their width at shoulder height
    "beside_most",  # taken at head height on the fuller side of that head
    "beside_least",  # ... and on the emptier side
    "second_head",  # height by which a second head stands out beside the first
    "asymmetry",  # difference of the two halves of the people in front
)
NAMES: Final[tuple[str, ...]] = (
    *OUTLINE_NAMES,
    "front_growth",  # front_area beside the usual one since somebody stands there
)
NEAR_ROW: Final = 44  # whatever reaches below this row stands at the kiosk or a step behind it
GAP_ROWS: Final = 4  # a belt or a shadow of the shop's colour does not cut anybody in two
NECK_ROWS: Final = 9  # in bad light a neck is lost, and what hangs above the middle of the body is its head
NECK_COLUMNS: Final = 7  # from the middle of the body outwards
PIXELS_MIN: Final = 10
HEAD_PIXELS: Final = 6  # the narrowest head near the kiosk; hands, poles and people far away are narrower
HEAD_ROWS: Final = (3, 14)  # below the topmost point: the head, and not yet the shoulders
BESIDE_COLUMNS: Final = (9, 26)  # from the middle of the head outwards: past the own head, up to an arm's length
BESIDE_ROWS: Final = (2, 12)  # below the topmost point: farther down, people far away stand behind the shoulder
SHOULDER_ROWS: Final = (32, 40)
SUMMIT_ROWS_MIN: Final = 8
SUMMIT_ROW_MAX: Final = 40  # a summit below this row is a hand or a basket
WINDOW_S: Final = 1.0
WINDOW_ROWS_MAX: Final = 48
USUAL_S: Final = 6.0  # front_growth: beside the median of so long
USUAL_ROWS_MAX: Final = 192
PRESENT_AREA: Final = 0.08
PRESENT_S: Final = 2.0  # who is still arriving grows
USUAL_ROWS_MIN: Final = 6

NOBODY: Final = (0.0,) * len(OUTLINE_NAMES)


class People:
    """Median of the last second of outlines, and what has been usual before."""

    def __init__(self) -> None:
        self._window: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=WINDOW_ROWS_MAX)
        self._usual: deque[tuple[float, float]] = deque(maxlen=USUAL_ROWS_MAX)  # area of the people in front
        self._present_since_s: float | None = None

    def update(self, mask: Mask, at_s: float) -> tuple[float, ...]:
        """Take a mask (1 is foreground); returns the features in the order of NAMES."""
        self._window.append((at_s, outline(mask)))
        while at_s - self._window[0][0] > WINDOW_S:
            self._window.popleft()
        now: list[float] = np.median([values for _, values in self._window], axis=0).tolist()
        return (*now, self._growth(now[0], at_s))

    def _growth(self, area: float, at_s: float) -> float:
        if area < PRESENT_AREA:
            self._present_since_s = None
            self._usual.clear()
            return 0.0
        if self._present_since_s is None:
            self._present_since_s = at_s
        if at_s - self._present_since_s < PRESENT_S:
            return 0.0
        while self._usual and at_s - self._usual[0][0] > USUAL_S:
            self._usual.popleft()
        usual = [one for _, one in self._usual]
        self._usual.append((at_s, area))
        return area - float(np.median(usual)) if len(usual) >= USUAL_ROWS_MIN else 0.0


def outline(mask: Mask) -> tuple[float, ...]:
    """Features of one mask, in the order of OUTLINE_NAMES; shares of the picture or of the named zone."""
    body = cv2.morphologyEx(standing(mask), cv2.MORPH_OPEN, np.ones((HEAD_PIXELS, HEAD_PIXELS), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(body, connectivity=8)
    bottoms = stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT]
    near = np.zeros(count, bool)
    near[1:] = (bottoms[1:] > NEAR_ROW) & (stats[1:, cv2.CC_STAT_AREA] >= PIXELS_MIN)
    front: Bools = near[labels]
    if not front.any():
        return NOBODY
    rows, columns = mask.shape
    top: npt.NDArray[np.int64] = np.where(front.any(axis=0), front.argmax(axis=0), rows)
    highest = int(top.min())
    middle = float(np.flatnonzero(top <= highest + 2).mean())
    left, right = _beside(front, highest, middle)
    half = columns // 2
    return (
        float(front.mean()),
        1.0 - highest / rows,
        _head_width(front, highest),
        float(front[slice(*SHOULDER_ROWS)].mean()),
        max(left, right),
        min(left, right),
        second_summit(rows - top) / rows,
        abs(float(front[:, :half].mean()) - float(front[:, half:].mean())),
    )


def standing(mask: Mask) -> Mask:
    """What of the mask reaches down to NEAR_ROW, column by column; gaps of GAP_ROWS are bridged, a neck's filled."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((GAP_ROWS + 1, 1), np.uint8)) > 0
    columns = np.flatnonzero(closed[NEAR_ROW])
    filled = mask.copy()
    if columns.size:
        middle = round(float(columns.mean()))
        neck = slice(max(0, middle - NECK_COLUMNS), middle + NECK_COLUMNS + 1)
        filled[:, neck] = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((NECK_ROWS + 1, 1), np.uint8))[:, neck]
        closed[:, neck] = filled[:, neck] > 0
    closed[NEAR_ROW:] = True
    reaching = np.logical_and.accumulate(closed[::-1], axis=0)[::-1]
    return (filled * reaching).astype(np.uint8)


def _head_width(front: Bools, highest: int) -> float:
    """Mean width of the wider half of the rows of the head: a brim is only a row or two."""
    widths = np.sort(front[highest + HEAD_ROWS[0] : highest + HEAD_ROWS[1]].mean(axis=1))
    return float(widths[widths.size // 2 :].mean()) if widths.size else 0.0


def _beside(front: Bools, highest: int, middle: float) -> tuple[float, float]:
    """How full the places left and right of the topmost head are."""
    rows = slice(highest + BESIDE_ROWS[0], highest + BESIDE_ROWS[1])
    near, wide = BESIDE_COLUMNS
    column = round(middle)
    sides = (front[rows, max(0, column - wide) : max(0, column - near)], front[rows, column + near : column + wide])
    zone = (BESIDE_ROWS[1] - BESIDE_ROWS[0]) * (wide - near)
    left, right = (float(side.sum()) / zone for side in sides)
    return left, right


def second_summit(heights: npt.NDArray[np.int64]) -> float:
    """How far the second summit of the outline rises above the dip between it and the first, in rows.

    0 below SUMMIT_ROWS_MIN: shoulders, bags and somebody small behind a shoulder make smaller ones.
    """
    outline_rows = cv2.blur(heights.astype(np.float32).reshape(1, -1), (5, 1)).ravel()
    first = int(outline_rows.argmax())
    lowest = 60 - SUMMIT_ROW_MAX
    best = 0.0
    for direction in (-1, 1):
        dip = float(outline_rows[first])
        column = first + direction
        while 0 <= column < outline_rows.size:
            here = float(outline_rows[column])
            dip = min(dip, here)
            if here > lowest:
                best = max(best, here - max(dip, lowest))
            column += direction
    return best if best >= SUMMIT_ROWS_MIN else 0.0
