"""Frames to named scene features: pure, no clock, no camera, bounded memory.

The camera does not move, so most of what matters is a comparison: with the empty shop (who stands there, how
broad, one head or two), with the last frame (who moves, where) and with the picture's usual sharpness (is the
lens free). Work is done on 160 x 120 and 80 x 60 grey pictures; about 2 ms a frame on one x86 core.
Speeds are per second, so the frame rate may vary; shares are 0..1 of the picture.

Sources: background by a gain-compensated running mean and sigma-delta updates (Manzanera and Richefeu, 2007),
optical flow by Farneback (2003).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from kiosk.monitoring import people
from kiosk.monitoring.replay import Trace, trace_of

Grey = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Row = npt.NDArray[np.float32]

NAMES: Final[tuple[str, ...]] = (
    "brightness",  # log2 of mean grey beside the empty shop's
    "sharpness",  # log(1 + variance of the Laplacian), less the empty shop's
    "edge_share",  # log2 of the pixels on an edge beside the empty shop's
    "lost_edges",  # of the empty shop's edges, the share that cannot be seen now
    "grain",  # log of the grey levels that quiet pixels change by between frames, less the empty shop's: sensor noise
    "flicker",  # change of overall brightness, share a second
    "flow_peak",  # mean of the three strongest of 20 cells, picture widths a second
    "flow_mean",  # mean over the picture
    "flow_port",  # at the lower middle, where hands feed notes
    "flow_beside",  # the busier of the two sides beside the depositor's head
    "activity",  # pixels that changed since the last frame
    *people.NAMES,
)
WIDTH: Final = 160
HEIGHT: Final = 120
HALF: Final = (80, 60)  # width, height of the small picture
SMOOTHING_S: Final = 0.35
STEP_S_RANGE: Final = (0.04, 0.5)
FOREGROUND_GREY: Final = 8.0  # difference that counts, after compensation of light
CLEAR_EDGE_GREY: Final = 14.0  # grey levels a pixel: an edge of the empty shop worth missing
FIRST_FRAMES: Final = 12  # the background is their running mean
LEARNT_AFTER_S: Final = 3.0  # of frames without a deposit: before that, "empty shop" means nothing
LEARN_GREY_PER_S: Final = 15.0  # sigma-delta step while the kiosk is idle and nobody stands in front
LEARN_OCCUPIED_GREY_PER_S: Final = 0.5  # ... idle, somebody in front: heals what was learnt with a person in it
LEARN_BUSY_GREY_PER_S: Final = 0.15  # ... during a deposit: whoever stands still must not vanish
CADENCE_KEEP: Final = 0.85  # of the smoothed frame interval: arrival times jitter, the camera's own clock does not
GAIN_RANGE: Final = (0.45, 2.2)
GAIN_KEEP: Final = 0.6  # of the light's level from frame to frame, while it hardly changes
LAMP_STEP: Final = 0.02  # beside the level so far; FOREGROUND_GREY and 6 % of a pixel are what counts as somebody
GRAIN_FLOOR: Final = 0.05  # grey levels; a picture without any noise is a frozen one
GRAIN_CHANGE_MAX: Final = 0.9  # of its log: what the codec leaves of faint noise changes by more than the noise does
RECOGNISED_LOST_EDGES: Final = 0.36  # a depositor hides fewer
USUAL_S: Final = 3.0  # over which the empty shop's picture is averaged
CHANGED_SHARE: Final = 0.03  # of the pixels; noise changes most of them, a clock in the picture one in a hundred
OCCUPIED_ROW: Final = 50
OCCUPIED_SHARE: Final = 0.15  # of the rows below it


@dataclass(frozen=True, slots=True)
class SceneRow:
    """One frame's features and the facts that hard rules need unsmoothed."""

    at_s: float
    values: Row  # float32 [d], order of NAMES
    changed: bool  # more differs from the frame before than a clock in the picture
    trace: Trace | None  # what changed, for `replay`
    lost_edges: float
    edge_share: float


@dataclass(frozen=True, slots=True)
class Shop:
    """The empty shop: its picture, float32 [60, 80, 3], and what that measures, float32 [4]. ValueError for others."""

    background: Plane
    usual: Row

    def __post_init__(self) -> None:
        """A file may hold anything."""
        shapes = self.background.shape == (HALF[1], HALF[0], 3) and self.usual.shape == (4,)
        if not shapes or not (np.isfinite(self.background).all() and np.isfinite(self.usual).all()):
            message = "not a picture of a shop"
            raise ValueError(message)


class SceneFeatures:
    """Remembers one background and one frame; feed it every frame in order."""

    def __init__(self) -> None:
        self._background: Plane | None = None  # [60, 80, 3]
        self._background_edges: Plane | None = None
        self._frames = 0
        self._previous: Grey | None = None
        self._previous_small: Grey | None = None
        self._previous_s = 0.0
        self._interval_s: float | None = None
        self._gain = 1.0
        self._mask: Grey = np.zeros((HALF[1], HALF[0]), np.uint8)
        self._smoothed: Row | None = None
        self._usual: Row | None = None
        self._recalled: Shop | None = None
        self._people = people.People()
        self._idle_s = 0.0

    @property
    def mask(self) -> Grey:
        """What is there that the empty shop had not, in the last frame: uint8 [60, 80], 1 where."""
        return self._mask

    @property
    def learnt(self) -> bool:
        """Whether the empty shop has been seen for long enough to compare with it.

        A watcher that starts in the middle of a deposit has learnt the depositor as part of the shop, and would
        see ghosts beside whoever moves.
        """
        return self._idle_s >= LEARNT_AFTER_S

    @property
    def shop(self) -> Shop | None:
        """What may be kept: None until the empty shop has been learnt, or while somebody stands in front."""
        if self._background is None or self._usual is None or not self.learnt or self._occupied():
            return None
        return Shop(self._background.copy(), self._usual.copy())

    def recall(self, shop: Shop) -> None:
        """Take what an earlier watcher has learnt; the next frame decides whether it is still the same shop."""
        self._recalled = shop

    def _recognise(self, plane: Plane) -> None:
        """The shop of before, if most of its edges can still be seen; somebody may stand in front of the others."""
        shop, self._recalled = self._recalled, None
        if shop is None:
            return
        self._background_edges = _gradient(cv2.cvtColor(shop.background.astype(np.float32), cv2.COLOR_BGR2GRAY))  # type: ignore[arg-type]
        self._gain = float(np.clip(np.median(plane / np.maximum(shop.background, 4.0)), *GAIN_RANGE))
        seen = _gradient(cv2.cvtColor(plane, cv2.COLOR_BGR2GRAY))  # type: ignore[arg-type]
        if self._lost_edges(seen) < RECOGNISED_LOST_EDGES:
            self._background, self._usual = shop.background.astype(np.float32), shop.usual.astype(np.float32)
            self._frames, self._idle_s = FIRST_FRAMES, LEARNT_AFTER_S
        else:
            self._background_edges, self._gain = None, 1.0

    def _occupied(self) -> bool:
        return bool(self._mask[OCCUPIED_ROW:].mean() > OCCUPIED_SHARE)

    def update(self, frame_bgr: npt.NDArray[np.uint8], at_s: float, *, idle: bool) -> SceneRow | None:
        """Features of this frame; None for the first one, which has nothing to be compared with.

        frame_bgr: uint8 [h, w, 3] of any size (4:3 is assumed); `at_s` in seconds, increasing;
        `idle`: no deposit is under way, so that the background may be learnt quickly.
        """
        colour = cv2.resize(frame_bgr, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        grey: Grey = np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8)
        plane = cv2.resize(colour, HALF, interpolation=cv2.INTER_AREA).astype(np.float32)
        small: Grey = np.asarray(cv2.resize(grey, HALF, interpolation=cv2.INTER_AREA), np.uint8)
        previous, previous_small = self._previous, self._previous_small
        elapsed_s = self._elapsed(at_s)
        self._previous, self._previous_small, self._previous_s = grey, small, at_s
        self._recognise(plane)
        self._compare(plane)
        if previous is None or previous_small is None:
            self._learn(plane, elapsed_s, idle=idle)
            return None
        edges = _gradient(small)
        lost = self._lost_edges(edges)
        picture = _picture(grey, edges)
        change: Grey = np.asarray(cv2.absdiff(grey, previous), np.uint8)
        motion = _motion(previous_small, small, change, elapsed_s)
        grain, activity = _grain(change)
        flicker = abs(float(grey.mean()) - float(previous.mean())) / max(8.0, float(grey.mean())) / elapsed_s
        measured = np.array([np.log2(1.0 + picture[0]), picture[1], np.log2(0.01 + picture[2]), grain], np.float32)
        self._learn(plane, elapsed_s, idle=idle)
        brightness, sharpness, edge_share, quiet = (
            measured - self._usual_picture(measured, elapsed_s, idle=idle)
        ).tolist()
        grain = float(np.clip(quiet, -GRAIN_CHANGE_MAX, GRAIN_CHANGE_MAX))
        raw = np.array([brightness, sharpness, edge_share, lost, grain, flicker, *motion, activity], np.float32)
        keep = float(np.exp(-elapsed_s / SMOOTHING_S))
        self._smoothed = (
            raw if self._smoothed is None else (keep * self._smoothed + (1 - keep) * raw).astype(np.float32)
        )
        standing = np.array(self._people.update(self._mask, at_s), np.float32)
        return SceneRow(
            at_s,
            np.concatenate([self._smoothed, standing]),
            float((change > 0).mean()) > CHANGED_SHARE,
            trace_of(grey, previous),
            lost,
            picture[2],
        )

    def _usual_picture(self, measured: Row, elapsed_s: float, *, idle: bool) -> Row:
        """What the picture of the empty shop measures: cameras and rooms differ, and only the difference is news."""
        if self._usual is None:
            self._usual = measured
        elif idle and not self._occupied():
            self._usual = (self._usual + (measured - self._usual) * min(1.0, elapsed_s / USUAL_S)).astype(np.float32)
        return self._usual

    def _elapsed(self, at_s: float) -> float:
        step_s = float(np.clip(at_s - self._previous_s, *STEP_S_RANGE))
        if self._previous is None:
            return step_s
        known_s = step_s if self._interval_s is None else self._interval_s
        self._interval_s = CADENCE_KEEP * known_s + (1 - CADENCE_KEEP) * step_s
        return self._interval_s

    def _compare(self, plane: Plane) -> None:
        """Foreground mask against the background, after compensation of overall light."""
        if self._background is None:
            return
        calm = self._mask == 0
        if int(calm.sum()) <= calm.size // 6:  # nearly all is foreground: rather the light than a crowd
            calm = np.ones_like(calm)
        ratio = float(np.median(plane[calm] / np.maximum(self._background[calm], 4.0)))
        # A lamp that goes out is followed at once: a gain that lags makes the whole shop stand in front.
        keep = GAIN_KEEP if abs(ratio / self._gain - 1.0) < LAMP_STEP else 0.0
        self._gain = float(np.clip(keep * self._gain + (1.0 - keep) * ratio, *GAIN_RANGE))
        expected = np.minimum(self._background * self._gain, 255.0)  # a sensor saturates
        excess = np.abs(plane - expected) - np.maximum(FOREGROUND_GREY * min(1.0, self._gain), 0.06 * expected)
        raw = (excess.max(axis=2) > 0).astype(np.uint8)
        opened = cv2.medianBlur(raw, 3)
        self._mask = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))  # type: ignore[assignment]

    def _learn(self, plane: Plane, elapsed_s: float, *, idle: bool) -> None:
        self._frames += 1
        self._idle_s = min(LEARNT_AFTER_S, self._idle_s + elapsed_s) if idle else self._idle_s
        if self._background is None:
            self._background = plane.copy()
        elif self._frames <= FIRST_FRAMES:
            self._background += (plane / self._gain - self._background) / self._frames
        else:
            rate = LEARN_OCCUPIED_GREY_PER_S if self._occupied() else LEARN_GREY_PER_S
            step = (rate if idle else LEARN_BUSY_GREY_PER_S) * elapsed_s
            self._background += np.clip(plane / self._gain - self._background, -step, step)
        if self._background_edges is None or self._frames <= FIRST_FRAMES or self._frames % 20 == 0:
            self._background_edges = _gradient(cv2.cvtColor(self._background, cv2.COLOR_BGR2GRAY))  # type: ignore[arg-type]

    def _lost_edges(self, edges: Plane) -> float:
        """Share of the background's clear edges that are gone: high when something lies on the lens."""
        if self._background_edges is None:
            return 0.0
        clear = self._background_edges > CLEAR_EDGE_GREY
        count = int(clear.sum())
        if count < 40:  # noqa: PLR2004 - too few edges to say anything: then edge_share decides
            return 0.0
        expected = 0.3 * max(0.5, self._gain) * self._background_edges[clear]
        return float((edges[clear] < expected).sum()) / count


def _gradient(plane: Plane | Grey) -> Plane:
    dx = cv2.Sobel(plane, cv2.CV_32F, 1, 0, ksize=3, scale=0.5)
    dy = cv2.Sobel(plane, cv2.CV_32F, 0, 1, ksize=3, scale=0.5)
    return cv2.magnitude(dx, dy)  # type: ignore[return-value]


def _picture(grey: Grey, edges: Plane) -> tuple[float, float, float]:
    """brightness, sharpness, edge_share."""
    _, sharp = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    edge = float((edges > 12.0).mean())  # noqa: PLR2004 - grey levels a pixel, above noise and JPEG blocks
    return float(grey.mean()), float(np.log1p(sharp[0, 0] ** 2)), edge


def _grain(change: Grey) -> tuple[float, float]:
    """grain, activity: what the quieter half of the picture changes by, and how much of it really changed."""
    counts = np.bincount(change.ravel(), minlength=256)
    cumulative = np.cumsum(counts)
    half = int(np.searchsorted(cumulative, change.size // 2))
    below = counts[: half + 1]
    grain = float((below * np.arange(half + 1)).sum()) / max(1, int(below.sum()))
    return float(np.log(GRAIN_FLOOR + grain)), 1.0 - float(cumulative[14]) / change.size


def _motion(previous: Grey, small: Grey, change: Grey, elapsed_s: float) -> tuple[float, float, float, float]:
    """flow_peak, flow_mean, flow_port, flow_beside in picture widths a second."""
    flow = cv2.calcOpticalFlowFarneback(previous, small, np.empty((0, 0), np.float32), 0.5, 2, 9, 1, 5, 1.1, 0)
    moving = cv2.resize(change, HALF, interpolation=cv2.INTER_AREA) > 4  # noqa: PLR2004 - flow of pure noise is none
    speed = cv2.magnitude(flow[..., 0], flow[..., 1]) * moving / (HALF[0] * elapsed_s)
    cells = cv2.resize(speed.astype(np.float32), (5, 4), interpolation=cv2.INTER_AREA)
    strongest = np.sort(cells.ravel())[-3:]
    beside = max(float(speed[8:40, :26].mean()), float(speed[8:40, 54:].mean()))
    return float(strongest.mean()), float(cells.mean()), float(speed[44:, 24:56].mean()), beside
