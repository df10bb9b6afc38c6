"""The last 20 seconds of the camera, in case something happens: small, blurred but for the depositor, encrypted.

What is not the depositor's own outline is blurred before a frame is kept, so nothing sharper of anybody else exists
anywhere in this process for longer than a frame. Frames are kept in memory only, under a key that is drawn at the start
and never leaves it; they fall out after 20 s. They leave as a clip when the grade rises, and only then.
"""

import json
import os
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kiosk.appraisal.conformal import ORDER
from kiosk.messages import Grade, Stage
from kiosk.monitoring import people
from kiosk.monitoring.people import Mask

Image = npt.NDArray[np.uint8]
KEPT_S: Final = 20.0
EVERY_S: Final = 0.5
AFTER_S: Final = 3.0  # what follows the alarm belongs to it; a deposit that is refused ends soon
FRAMES_MAX: Final = 40
BYTES_MAX: Final = 2 << 20
WIDTH, HEIGHT = 320, 240
BLUR_PIXELS: Final = 31  # odd; a head is about 50 pixels wide at this size
JPEG_QUALITY: Final = 70
HEAD_COLUMNS: Final = people.BESIDE_COLUMNS[0]  # of the mask's 80: what is farther from the middle is not the own head
MARGIN_ROWS: Final = 2
BESIDE_MAX: Final = 0.1  # of the place beside the head: more is somebody else, or a coat that could be
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Kept:
    """One frame under the ring's key."""

    at_s: float
    number: int
    sealed: bytes


class FrameRing:
    """Give it frames as they come; it keeps two a second."""

    def __init__(
        self,
        randomness: Callable[[int], bytes] = os.urandom,
        *,
        kept_s: float = KEPT_S,
        frames_max: int = FRAMES_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._aead = AESGCM(randomness(32))
        self._frames: deque[Kept] = deque(maxlen=frames_max)
        self._kept_s, self._bytes_max = kept_s, bytes_max
        self._number = 0

    def __len__(self) -> int:
        return len(self._frames)

    def take(self, image: Image, at_s: float, mask: Mask | None) -> int | None:
        """Keep a BGR frame if it is time; its number. `mask`: who stands there, [60, 80]; None: all is blurred."""
        if self._frames and at_s - self._frames[-1].at_s < EVERY_S:
            return None
        encoded = cv2.imencode(".jpg", blurred(image, mask), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        self._number += 1  # a nonce is never used twice under this key
        nonce = self._number.to_bytes(_NONCE_BYTES)
        self._frames.append(Kept(at_s, self._number, self._aead.encrypt(nonce, encoded, None)))
        self.forget(at_s)
        return self._number

    def forget(self, now_s: float) -> None:
        """Let go of what is older than 20 s, and of the oldest when they are too large together."""
        while self._frames and now_s - self._frames[0].at_s > self._kept_s:
            self._frames.popleft()
        while sum(len(each.sealed) for each in self._frames) > self._bytes_max:
            self._frames.popleft()

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """Number and JPEG of each that is kept, the oldest first."""
        for kept in self._frames:
            yield kept.number, self._opened(kept)

    def _opened(self, kept: Kept) -> bytes:
        return self._aead.decrypt(kept.number.to_bytes(_NONCE_BYTES), kept.sealed, None)

    def clip(self, now_s: float, grade: Grade, stage: Stage) -> bytes:
        """What is kept, as a ZIP of JPEG pictures with `clip.json` beside them; empty when there is nothing.

        clip.json: grade and stage at the alarm, and each picture's age in seconds at `now_s`. No code, no account.
        """
        self.forget(now_s)
        if not self._frames:
            return b""
        content = BytesIO()
        ages: dict[str, float] = {}
        with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
            for place, kept in enumerate(self._frames):
                name = f"{place:03d}.jpg"
                ages[name] = round(now_s - kept.at_s, 2)
                archive.writestr(
                    zipfile.ZipInfo(name), self._opened(kept)
                )  # ZipInfo's own fixed date: the hash says content only
            about = {"grade": grade, "stage": stage, "age_s": ages}
            archive.writestr(zipfile.ZipInfo("clip.json"), json.dumps(about, sort_keys=True))
        return content.getvalue()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A grade that rose in a deposit, and when its clip is whole."""

    code: str
    stage: Stage
    grade: Grade
    due_s: float


class ClipPlan:
    """When a clip is made: once for each grade above low that a deposit comes to, some seconds after it."""

    def __init__(self) -> None:
        self._code = ""
        self._told: Grade = "low"
        self._alarm: Alarm | None = None

    def graded(self, code: str, stage: Stage, grade: Grade, now_s: float) -> None:
        """The deposit's grade now, in this stage."""
        if code != self._code:
            self._code, self._told = code, "low"
        if ORDER[grade] > ORDER[self._told]:
            self._told = grade
            due_s = now_s + AFTER_S if self._alarm is None else self._alarm.due_s  # one clip shows both
            self._alarm = Alarm(code, stage, grade, due_s)

    def due(self, now_s: float) -> Alarm | None:
        """The alarm whose clip is to be made now; once."""
        if self._alarm is None or now_s < self._alarm.due_s:
            return None
        alarm, self._alarm = self._alarm, None
        return alarm


def blurred(image: Image, mask: Mask | None) -> Image:
    """A small copy, [240, 320, 3], in which only the depositor's own outline is as it was."""
    small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    result = cv2.GaussianBlur(small, (BLUR_PIXELS, BLUR_PIXELS), 0)
    own = None if mask is None else depositor(mask)
    if own is not None:
        sharp = cv2.resize(own, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST).astype(bool)
        result[sharp] = small[sharp]
    return np.asarray(result, dtype=np.uint8)


def depositor(mask: Mask) -> Mask | None:
    """The outline of whoever stands alone at the kiosk, no farther from the middle of the head than the own shoulders.

    None when nobody stands there or when it is not clear who is who (two heads, somebody beside, several people): then
    everything is blurred.
    """
    front = np.asarray(people.standing(mask), np.uint8)
    opened = cv2.morphologyEx(front, cv2.MORPH_OPEN, np.ones((people.HEAD_PIXELS, people.HEAD_PIXELS), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    bottoms = stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT]
    areas = stats[:, cv2.CC_STAT_AREA]
    near = [n for n in range(1, count) if bottoms[n] > people.NEAR_ROW and areas[n] >= people.PIXELS_MIN]
    if len(near) != 1:
        return None
    body: Mask = np.asarray(labels == near[0], np.uint8)
    rows, columns = body.shape
    seen = dict(zip(people.OUTLINE_NAMES, people.outline(mask), strict=True))
    if seen["second_head"] > 0 or seen["beside_most"] > BESIDE_MAX:
        return None
    top = np.where(body.any(axis=0), body.argmax(axis=0), rows)
    highest = int(top.min())
    middle = round(float(np.flatnonzero(top <= highest + 2).mean()))
    own: Mask = np.zeros((rows, columns), np.uint8)
    columns_kept = slice(max(0, middle - HEAD_COLUMNS), min(columns, middle + HEAD_COLUMNS + 1))
    own[max(0, highest - MARGIN_ROWS) :, columns_kept] = body[max(0, highest - MARGIN_ROWS) :, columns_kept]
    return own
