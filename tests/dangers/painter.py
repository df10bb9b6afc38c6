"""A camera in a shop that no model was trained on: other rooms, bodies, light, lens and mounting than `hwsim.scene`.

Shares no drawing with it. `Painter.paint(stage)` gives the next frame (120 x 160, BGR, as decoded from a JPEG); what
people do is the caller's, in `Stage`. A shop, its light and its camera come from one seed. Drawn at twice the size.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
Bgr = tuple[int, int, int]

WIDTH: Final = 320
HEIGHT: Final = 240
SEEN: Final = (160, 120)  # what the camera gives
FIELDS: Final = 6
MARGIN: Final = 32


@dataclass(frozen=True)
class Body:
    """How somebody looks; lengths in pixels when standing at the kiosk."""

    head: tuple[float, float]  # half width, half height
    shoulders: float  # half width
    slope: float  # how far the shoulders fall
    top_y: float  # middle of the head
    skin: Bgr
    hair: Bgr
    coat: Bgr
    trim: Bgr
    wears: str  # nothing, scarf, hood, glasses, straw


def body(rng: np.random.Generator) -> Body:
    tone = float(rng.uniform(0.3, 1.0))
    shade = int(rng.integers(15, 170))
    return Body(
        head=(float(rng.uniform(19, 26)), float(rng.uniform(26, 34))),
        shoulders=float(rng.uniform(50, 74)),
        slope=float(rng.uniform(4, 16)),
        top_y=float(rng.uniform(74, 112)),
        skin=(int(140 * tone + 10), int(170 * tone + 12), int(210 * tone + 20)),
        hair=(shade, shade, min(255, shade + 12)),
        coat=_colour(rng),
        trim=_colour(rng),
        wears=str(rng.choice(["nothing", "nothing", "scarf", "hood", "glasses", "straw"])),
    )


@dataclass(frozen=True)
class Standing:
    """Somebody at a place: `x` of the middle of the head, `y` added to the body's own, `scale` 1 at the kiosk."""

    who: Body
    x: float
    y: float = 0.0
    scale: float = 1.0
    lean: float = 0.0  # pixels the head is ahead of the shoulders, sideways
    reach: float = 0.0  # 0..1: hands at the port
    beat: float = 0.0  # -1..1: where the feeding hand is
    tool: float = 0.0  # 0..1: something long in the hand


@dataclass(frozen=True)
class Stage:
    """What is before the lens at one moment; people from far to near."""

    people: tuple[Standing, ...] = ()
    light: float = 0.7  # 0.1 .. 1.1
    cover: float = 0.0  # 0..1: how far something has come over the lens


class Painter:
    """One camera; each frame has noise of its own."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng((seed, 0xDA27))
        self._rng = rng
        self._room = (_yard, _stall, _office)[int(rng.integers(3))](rng)
        cast = rng.uniform(0.85, 1.15, 3)
        across, down = np.linspace(-1, 1, SEEN[0]), np.linspace(-1, 1, SEEN[1])
        side = 1 + float(rng.uniform(-0.25, 0.25)) * across[None, :] + float(rng.uniform(-0.15, 0.1)) * down[:, None]
        round_ = 1 - float(rng.uniform(0.0, 0.25)) * (across[None, :] ** 2 + down[:, None] ** 2) / 2
        self._shade = (side * round_)[:, :, None].astype(np.float32) * cast.astype(np.float32)  # [120, 160, 3]
        angle, zoom = float(rng.uniform(-4, 4)), float(rng.uniform(0.92, 1.1))
        self._mount = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT * 0.6), angle, zoom)
        self._mount[0, 2] += float(rng.uniform(-9, 9))
        self._mount[1, 2] += float(rng.uniform(-8, 8))
        gamma = float(rng.uniform(0.85, 1.2))
        self._curve = np.clip(255 * (np.arange(256) / 255.0) ** gamma, 0, 255).astype(np.uint8)
        self._soft = float(rng.uniform(0.0, 0.6))
        grain = float(rng.uniform(0.9, 2.6))
        shape = (SEEN[1] + MARGIN, SEEN[0] + MARGIN, 3)
        self._grain = [np.clip(128 + rng.normal(0, grain, shape), 0, 255).astype(np.uint8) for _ in range(FIELDS)]
        self._quality = int(rng.integers(62, 92))
        self._cover = _cover(rng)

    def paint(self, stage: Stage) -> Frame:
        canvas = self._room.copy()
        for one in stage.people:
            _draw(canvas, one)
        seen = cv2.warpAffine(canvas, self._mount, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        small = cv2.resize(seen, SEEN, interpolation=cv2.INTER_AREA)
        lit = cv2.LUT(cv2.multiply(small, self._shade, scale=0.3 + 0.85 * stage.light, dtype=cv2.CV_8U), self._curve)
        if stage.cover > 0:
            edge = int(SEEN[1] * (1 - stage.cover))
            dark = np.clip(self._cover[edge:].astype(np.float32) * (0.4 + 0.6 * stage.light), 0, 255)
            lit[edge:] = dark.astype(np.uint8)
        if self._soft > 0.25:
            lit = cv2.GaussianBlur(lit, (3, 3), self._soft)
        field = self._grain[int(self._rng.integers(FIELDS))]
        y, x = (int(v) for v in self._rng.integers(0, MARGIN, 2))
        noisy = cv2.addWeighted(lit, 1.0, field[y : y + SEEN[1], x : x + SEEN[0]], 1.0, -128.0)
        return recoded(np.asarray(noisy, np.uint8), self._quality)


def recoded(frame: Frame, quality: int) -> Frame:
    """The frame after one more JPEG."""
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _colour(rng: np.random.Generator) -> Bgr:
    b, g, r = (int(v) for v in rng.integers(20, 230, 3))
    return b, g, r


# --- rooms --------------------------------------------------------------------------------------------


def _yard(rng: np.random.Generator) -> Frame:
    """Out of doors: sky, trees, a wall, a parked scooter."""
    sky, ground = rng.uniform(170, 235, 3), rng.uniform(80, 140, 3)
    room = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    horizon = int(rng.integers(70, 120))
    room[:horizon] = sky * np.linspace(1.0, 0.85, horizon)[:, None, None]
    room[horizon:] = ground * np.linspace(0.8, 1.05, HEIGHT - horizon)[:, None, None]
    yard = np.clip(room, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(3, 7))):
        x, r = int(rng.integers(0, WIDTH)), int(rng.integers(16, 38))
        green = (int(rng.integers(30, 70)), int(rng.integers(70, 130)), int(rng.integers(40, 90)))
        cv2.rectangle(yard, (x - 3, horizon - 6), (x + 3, horizon + 24), (40, 55, 70), -1)
        for _ in range(9):
            at = (x + int(rng.normal(0, r / 2)), horizon - r // 2 + int(rng.normal(0, r / 3)))
            tint = tuple(int(np.clip(c + rng.integers(-22, 22), 0, 255)) for c in green)
            cv2.circle(yard, at, max(4, r // 2), tint, -1)
    for row in range(horizon + 6, HEIGHT, 14):
        shift = int(rng.integers(0, 24))
        for x in range(-shift, WIDTH, 24):
            cv2.line(yard, (x, row), (x + 10, row), (70, 75, 80), 1)
    x = int(rng.integers(20, 260))
    cv2.circle(yard, (x, horizon + 40), 11, (30, 30, 30), 3)
    cv2.circle(yard, (x + 44, horizon + 40), 11, (30, 30, 30), 3)
    cv2.line(yard, (x, horizon + 40), (x + 34, horizon + 18), _colour(rng), 6)
    return yard


def _stall(rng: np.random.Generator) -> Frame:
    """A market stall: striped awning, crates of fruit."""
    stall = np.full((HEIGHT, WIDTH, 3), rng.uniform(90, 170, 3), np.float32).astype(np.uint8)
    wide, first, second = int(rng.integers(14, 30)), _colour(rng), _colour(rng)
    for number, x in enumerate(range(0, WIDTH, wide)):
        cv2.rectangle(stall, (x, 0), (x + wide, 34), first if number % 2 else second, -1)
    for row in range(int(rng.integers(3, 5))):
        y = 52 + row * 44
        for x in range(int(rng.integers(-30, 0)), WIDTH, 64):
            cv2.rectangle(stall, (x, y), (x + 58, y + 34), (60, 90, 120), -1)
            fruit = _colour(rng)
            for _ in range(14):
                at = (x + int(rng.integers(4, 54)), y + int(rng.integers(2, 18)))
                cv2.circle(stall, at, int(rng.integers(4, 7)), tuple(int(c * rng.uniform(0.7, 1.1)) for c in fruit), -1)
    return stall


def _office(rng: np.random.Generator) -> Frame:
    """Tiles, a notice board, a window with a bright view, a clock."""
    base = rng.uniform(130, 205, 3)
    plaster = np.full((HEIGHT, WIDTH, 3), base, np.float32)
    office = np.clip(plaster + rng.normal(0, 3, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)
    size = int(rng.integers(18, 34))
    for y in range(0, HEIGHT, size):
        for x in range(0, WIDTH, size):
            tile = tuple(int(v) for v in np.clip(base + rng.normal(0, 9), 0, 255))
            cv2.rectangle(office, (x + 1, y + 1), (x + size - 2, y + size - 2), tile, -1)
    left = int(rng.integers(0, 190))
    cv2.rectangle(office, (left, 14), (left + 96, 84), (70, 110, 150), -1)
    for _ in range(9):
        x, y = left + int(rng.integers(2, 70)), 16 + int(rng.integers(0, 46))
        cv2.rectangle(office, (x, y), (x + int(rng.integers(10, 24)), y + int(rng.integers(10, 20))), _colour(rng), -1)
    right = (left + 150) % 240
    cv2.rectangle(office, (right, 10), (right + 60, 110), (225, 228, 220), -1)
    cv2.line(office, (right + 30, 10), (right + 30, 110), (90, 90, 90), 3)
    cv2.circle(office, ((left + 125) % WIDTH, 30), 13, (240, 240, 240), -1)
    return office


def _cover(rng: np.random.Generator) -> Frame:
    """Cloth with a pattern, tape, paint, a hand held close."""
    kind = int(rng.integers(4))
    plain = rng.uniform(5, 130, 3)
    cover = np.full((HEIGHT, WIDTH, 3), plain, np.float32)
    if kind == 0:
        for x in range(0, WIDTH, int(rng.integers(30, 70))):
            cover[:, x : x + 18] *= 0.6
    if kind == 1:
        yy, xx = np.mgrid[0:HEIGHT, 0:WIDTH]
        cover *= (0.7 + 0.3 * np.sin(xx / 37.0 + yy / 53.0))[:, :, None]
    if kind == 2:
        cover = np.full_like(cover, 1.0) * np.array([60, 80, 160], np.float32) * float(rng.uniform(0.3, 1.1))
    soft = cv2.GaussianBlur(np.clip(cover, 0, 255).astype(np.uint8), (0, 0), 4)
    return np.asarray(cv2.resize(soft, SEEN, interpolation=cv2.INTER_AREA), np.uint8)


# --- people -------------------------------------------------------------------------------------------


def _draw(canvas: Frame, one: Standing) -> None:
    who, s = one.who, one.scale
    x, y = one.x, who.top_y + one.y
    bottom = y + (HEIGHT - who.top_y) * s + 20
    half, chest = who.shoulders * s, y + who.head[1] * 1.5 * s
    base_x = x - one.lean
    side = np.linspace(0, 1, 7)
    left = [(base_x - half * (0.25 + 0.75 * math.sqrt(t)), chest + who.slope * s * t * t) for t in side]
    right = [(base_x + half * (0.25 + 0.75 * math.sqrt(t)), chest + who.slope * s * t * t) for t in reversed(side)]
    torso = [*left, (base_x - half * 1.05, bottom), (base_x + half * 1.05, bottom), *right]
    cv2.fillPoly(canvas, [np.array(torso, np.int32)], who.coat, cv2.LINE_AA)
    cv2.line(canvas, (int(base_x), int(chest + 6 * s)), (int(base_x), int(bottom)), who.trim, max(1, int(7 * s)))
    neck = np.array(
        [(x - 8 * s, y), (x + 8 * s, y), (base_x + 11 * s, chest + 6 * s), (base_x - 11 * s, chest + 6 * s)]
    )
    cv2.fillPoly(canvas, [neck.astype(np.int32)], _dim(who.skin, 0.8), cv2.LINE_AA)
    _head(canvas, one, x, y)
    if one.reach > 0:
        _arms(canvas, one, base_x, chest)


def _head(canvas: Frame, one: Standing, x: float, y: float) -> None:
    who, s = one.who, one.scale
    at, half = (int(x), int(y)), (max(2, int(who.head[0] * s)), max(2, int(who.head[1] * s)))
    if who.wears in ("scarf", "hood"):
        cv2.ellipse(canvas, at, (int(half[0] * 1.25), int(half[1] * 1.2)), 0, 0, 360, who.trim, -1, cv2.LINE_AA)
    cv2.ellipse(canvas, at, half, 0, 0, 360, who.skin, -1, cv2.LINE_AA)
    if who.wears not in ("scarf", "hood"):
        cap = (at[0], int(y - who.head[1] * 0.25 * s))
        cv2.ellipse(canvas, cap, (int(half[0] * 1.05), int(half[1] * 0.8)), 0, 175, 365, who.hair, -1, cv2.LINE_AA)
    if who.wears == "straw":
        brim = (at[0], int(y - who.head[1] * 0.5 * s))
        cv2.ellipse(canvas, brim, (int(half[0] * 1.6), int(6 * s) + 1), 0, 0, 360, (120, 190, 215), -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = (int(x + side * 8 * s), int(y + 3 * s))
        cv2.circle(canvas, eye, max(1, int((4 if who.wears == "glasses" else 2) * s)), (25, 25, 25), -1, cv2.LINE_AA)


def _arms(canvas: Frame, one: Standing, x: float, chest: float) -> None:
    who, s = one.who, one.scale
    hand = (int(WIDTH / 2 + 0.3 * (x - WIDTH / 2)), int(HEIGHT + 22 - one.reach * (44 + 12 * one.beat)))
    elbow = (int(x + who.shoulders * s), int(chest + 76 * s))
    cv2.line(canvas, elbow, hand, _dim(who.coat, 0.85), int(22 * s), cv2.LINE_AA)
    if one.tool > 0:
        tip = (int(hand[0] + 10 * one.beat), min(HEIGHT - 1, hand[1] + int(40 * one.tool)))
        cv2.line(canvas, (hand[0] - 30, hand[1] - 60), tip, (190, 190, 195), 2, cv2.LINE_AA)
    cv2.circle(canvas, hand, int(13 * s), who.skin, -1, cv2.LINE_AA)


def _dim(colour: Bgr, factor: float) -> Bgr:
    b, g, r = (int(c * factor) for c in colour)
    return b, g, r
