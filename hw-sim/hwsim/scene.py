# ruff: noqa: PLR2004 - the measures and chances of a drawing explain themselves where they stand
"""What the camera above the screen sees: a village shop, and whoever stands before the kiosk.

`SceneRenderer.render(state, at_s)` turns the state of the world into one BGR frame. The picture depends on
nothing but (seed, states and times so far); people ease in and out, sway and feed notes smoothly. Nothing in
the pixels names a class: sensor noise goes on under a covered lens, every step runs for every state, and
bodies, cover and light vary continuously with the seeds. A frozen lens repeats the last live frame, as a
hung camera does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from hwsim import paper

Frame = npt.NDArray[np.uint8]
Bgr = tuple[int, int, int]
Lens = Literal["clear", "covered", "frozen"]

WIDTH: Final = 320
HEIGHT: Final = 240
NOISE_FIELDS: Final = 5
NOISE_MARGIN: Final = 48
FAR_SCALES: Final = (0.13, 0.36)  # of passers-by, beside somebody at the kiosk
WAITING_SCALES: Final = (0.24, 0.35)
LINGERING_SHARE: Final = 0.3  # of the passers-by
SLOT_S: Final = 7.0  # at most one passer-by sets out in each slot of this length
CROSSING_S_MAX: Final = 14.0
STEP_S_MAX: Final = 0.5  # a late frame moves nobody further than this

_SKINS: Final[Sequence[Bgr]] = ((150, 180, 222), (120, 155, 205), (98, 134, 190), (80, 112, 165), (62, 88, 132))
_HAIRS: Final[Sequence[Bgr]] = ((24, 22, 22), (38, 34, 32), (52, 60, 78), (120, 122, 126), (176, 178, 180))


@dataclass(frozen=True, slots=True)
class Person:
    """Body and habits, all drawn from one seed. Lengths are relative to an average adult."""

    height: float  # -1..1
    size: float  # 0.9..1.12, how large they look at the kiosk: large people, and people who stand close
    build: float  # 0.85..1.2, width of shoulders
    hat: Literal["none", "cap", "brim"]
    clothes: Bgr
    second: Bgr  # stripes, vest or collar
    striped: bool
    skin: Bgr
    hair: Bgr
    long_hair: bool
    sway: float  # pixels of slow body movement
    fidget: float  # pixels of quicker movement
    pace_hz: float  # hand movements a second while feeding
    two_handed: bool
    side: int  # -1 or 1: handedness; as an onlooker, the shoulder they look over
    closeness: float  # 0..1, as an onlooker
    phase: float


@lru_cache(maxsize=256)
def person(seed: int) -> Person:
    """The person of a seed, always the same."""
    rng = np.random.default_rng((seed & 0x7FFFFFFF, 0x9E3779))
    clothes = _colour(rng, 25, 215)
    return Person(
        height=float(rng.uniform(-1, 1)),
        build=float(rng.uniform(0.85, 1.2)),
        hat=("none", "none", "cap", "brim")[int(rng.integers(4))],
        clothes=clothes,
        second=_colour(rng, 25, 225),
        striped=bool(rng.random() < 0.3),
        skin=_SKINS[int(rng.integers(len(_SKINS)))],
        hair=_HAIRS[int(rng.integers(len(_HAIRS)))],
        long_hair=bool(rng.random() < 0.35),
        sway=float(rng.uniform(1.0, 6.0)),
        fidget=float(rng.uniform(0.2, 1.6)),
        pace_hz=float(rng.uniform(0.3, 0.9)),
        two_handed=bool(rng.random() < 0.35),
        side=1 if rng.random() < 0.5 else -1,
        closeness=float(rng.random()),
        phase=float(rng.uniform(0, 2 * math.pi)),
        size=float(rng.uniform(0.9, 1.12)),
    )


def _colour(rng: np.random.Generator, low: int, high: int) -> Bgr:
    b, g, r = (int(v) for v in rng.integers(low, high, 3))
    return b, g, r


@dataclass(frozen=True, slots=True)
class SceneState:
    """What is true in front of the camera at one moment."""

    depositor: bool = False
    onlooker: bool = False
    crowd: bool = False  # with an onlooker: another one over the other shoulder
    waiting: bool = False  # the next one stands in line, at a distance
    hand: bool = False  # the depositor's hand is at the port
    lens: Lens = "clear"
    light: float = 0.7  # 0 dusk .. 1 bright
    depositor_seed: int = 1
    onlooker_seed: int = 2
    waiting_seed: int = 3
    passers_by: float = 0.35  # chance of a passer-by in each slot of 7 s
    ticket: str = ""  # what is in the QR code on the paper that the depositor holds up; empty: none


@dataclass(slots=True)
class _Eased:
    """Values that follow the state at a human pace."""

    depositor: float = 0.0
    onlooker: float = 0.0
    crowd: float = 0.0
    waiting: float = 0.0
    hand: float = 0.0
    cover: float = 0.0
    light: float = 0.7
    ticket: float = 0.0

    def step(self, state: SceneState, elapsed_s: float) -> None:
        self.depositor = _toward(self.depositor, float(state.depositor), elapsed_s / 1.3)
        self.onlooker = _toward(self.onlooker, float(state.onlooker), elapsed_s / 1.1)
        self.crowd = _toward(self.crowd, float(state.crowd and state.onlooker), elapsed_s / 1.1)
        self.waiting = _toward(self.waiting, float(state.waiting), elapsed_s / 3.0)
        self.hand = _toward(self.hand, float(state.hand and state.depositor), elapsed_s / 0.45)
        self.ticket = _toward(self.ticket, float(bool(state.ticket)), elapsed_s / 0.6)
        self.cover = _toward(self.cover, float(state.lens == "covered"), elapsed_s / 0.4)
        self.light = _toward(self.light, min(1.0, max(0.0, state.light)), elapsed_s / 3.0)


def _toward(value: float, goal: float, step: float) -> float:
    return min(goal, value + step) if goal > value else max(goal, value - step)


def _smooth(x: float) -> float:
    return x * x * (3 - 2 * x)


class SceneRenderer:
    """One camera in one shop. Not thread-safe; `render` with times that do not go back."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng((seed & 0x7FFFFFFF, 0x51CE))
        self._seed = seed & 0x7FFFFFFF
        self._shop = _draw_shop(rng)
        self._ground_y = int(rng.integers(128, 150))  # where people far away stand
        self._exposure = float(rng.uniform(0.92, 1.08))
        self._noise_level = float(rng.uniform(0.6, 1.3))
        self._flicker = float(rng.uniform(0.002, 0.015))
        self._drift_phase = float(rng.uniform(0, 2 * math.pi))
        self._noise = [_noise_field(rng) for _ in range(NOISE_FIELDS)]
        self._cover_alpha, self._cover_colour = _draw_cover(rng)
        self._mount = _mount(rng)
        self._eased = _Eased()
        self._ticket = ""  # the one that is held up, or is being put down
        self._at_s: float | None = None
        self._live: Frame | None = None

    def render(self, state: SceneState, at_s: float) -> Frame:
        """The BGR frame (240 x 320) at `at_s` seconds of world time."""
        first = self._at_s is None
        elapsed_s = 0.0 if self._at_s is None else min(STEP_S_MAX, max(0.0, at_s - self._at_s))
        self._at_s = at_s
        if first:
            self._eased.light = min(1.0, max(0.0, state.light))
            self._eased.waiting = float(state.waiting)
        self._eased.step(state, elapsed_s)
        rng = np.random.default_rng((self._seed, round(at_s * 1000) & 0x7FFFFFFFFFFF))
        canvas = self._shop.copy()
        self._draw_passers_by(canvas, state, at_s)
        self._draw_waiting(canvas, state, at_s)
        self._draw_people(canvas, state, at_s)
        seen = cv2.warpAffine(canvas, self._mount, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        shown: Frame = np.array(seen, np.uint8)
        self._draw_ticket(shown, state, at_s)
        lit = self._expose(shown, at_s, rng)
        frame = self._sense(lit, at_s, rng)
        if state.lens == "frozen" and self._live is not None:
            return self._live.copy()
        self._live = frame
        return frame.copy()

    # --- people ---------------------------------------------------------------------------------------

    def _draw_passers_by(self, canvas: Frame, state: SceneState, at_s: float) -> None:
        slot_now = int(at_s // SLOT_S)
        for slot in range(slot_now - math.ceil(CROSSING_S_MAX / SLOT_S), slot_now + 1):
            rng = np.random.default_rng((self._seed, 77, slot & 0x7FFFFFFF))
            chance, start, crossing_s, depth, who, stop = rng.random(6)
            if chance >= state.passers_by:
                continue
            crossing_s = 4.0 + crossing_s * (CROSSING_S_MAX - 4.0)
            progress = (at_s - (slot + start * 0.9) * SLOT_S) / crossing_s
            if not 0.0 <= progress <= 1.0:
                continue
            lingering = who < LINGERING_SHARE
            path = _lingering_path(progress, stop - 0.5) if lingering else progress
            x = -30 + (WIDTH + 60) * (path if chance * 1000 % 2 < 1 else 1 - path)
            bob = 1.2 * math.sin(2 * math.pi * 1.8 * at_s) * (0.2 if lingering else 1.0)
            scale = FAR_SCALES[0] + (FAR_SCALES[1] - FAR_SCALES[0]) * depth
            _draw_far_person(canvas, person(int(who * 1e6)), x, self._foot_y(scale) + bob, scale)

    def _draw_waiting(self, canvas: Frame, state: SceneState, at_s: float) -> None:
        """The next one in line: in the picture all the time, shifting from foot to foot."""
        if self._eased.waiting <= 0:
            return
        who = person(state.waiting_seed)
        scale = WAITING_SCALES[0] + (WAITING_SCALES[1] - WAITING_SCALES[0]) * who.closeness
        place = WIDTH / 2 + who.side * (40 + 105 * abs(math.sin(who.phase)))
        x = place + who.side * 190 * (1 - _smooth(self._eased.waiting)) + 0.6 * _sway(who, at_s)
        _draw_far_person(canvas, who, x, self._foot_y(scale), scale)

    def _foot_y(self, scale: float) -> float:
        """Where somebody so far away stands: the nearer, the lower in the picture."""
        return self._ground_y + 40 * (scale - 0.15) / 0.13

    def _draw_people(self, canvas: Frame, state: SceneState, at_s: float) -> None:
        eased = self._eased
        depositor, onlooker = person(state.depositor_seed), person(state.onlooker_seed)
        here = _smooth(eased.depositor)
        x = WIDTH / 2 + 10 * math.sin(depositor.phase) + _sway(depositor, at_s) + (1 - here) * depositor.side * 240
        head_y = 92 - 15 * depositor.height + 4 * math.sin(0.31 * at_s + depositor.phase) * depositor.fidget
        head_y += 5 * _smooth(eased.hand)  # looks down at the port
        anchor = x if eased.depositor > 0.5 else WIDTH / 2
        if eased.crowd > 0:
            other = person(state.onlooker_seed + 1)
            _draw_onlooker(canvas, other, (anchor, -onlooker.side), _smooth(eased.crowd), at_s)
        if eased.onlooker > 0:
            _draw_onlooker(canvas, onlooker, (anchor, onlooker.side), _smooth(eased.onlooker), at_s)
        if eased.depositor > 0:
            _draw_person(canvas, depositor, x, head_y, depositor.size)
            _draw_arms(canvas, depositor, (x, head_y), _smooth(eased.hand), at_s)

    def _draw_ticket(self, seen: Frame, state: SceneState, at_s: float) -> None:
        """Nearer to the lens than everything else."""
        self._ticket = state.ticket or self._ticket
        if self._eased.ticket > 0 and self._ticket:
            who = person(state.depositor_seed)
            near = _smooth(self._eased.ticket)
            paper.draw(seen, paper.hold(self._ticket, near, (who.phase, 2 * who.phase), at_s, (WIDTH, HEIGHT)))

    # --- camera ---------------------------------------------------------------------------------------

    def _expose(self, canvas: Frame, at_s: float, rng: np.random.Generator) -> Frame:
        light = self._eased.light
        drift = 0.03 * math.sin(0.21 * at_s + self._drift_phase) + 0.02 * math.sin(0.067 * at_s)
        flicker = float(rng.normal(0, self._flicker))
        gain = self._exposure * (0.38 + 0.72 * light**0.8) * (1 + drift + flicker)
        return cv2.convertScaleAbs(canvas, alpha=gain, beta=2.0)  # type: ignore[return-value]

    def _sense(self, lit: Frame, at_s: float, rng: np.random.Generator) -> Frame:
        """Cover, softness of the lens, sensor noise."""
        cover = _smooth(self._eased.cover)
        mixed = lit if cover <= 0 else self._covered(lit, cover, at_s)
        soft = cv2.GaussianBlur(mixed, (3, 3), 0)
        field = self._noise[int(rng.integers(NOISE_FIELDS))]
        ox, oy = (int(v) for v in rng.integers(0, NOISE_MARGIN, 2))
        level = self._noise_level * (1.35 - 0.6 * self._eased.light)
        noise = field[oy : oy + HEIGHT, ox : ox + WIDTH]
        return cv2.addWeighted(soft, 1.0, noise, level, -128.0 * level)  # type: ignore[return-value]

    def _covered(self, lit: Frame, cover: float, at_s: float) -> Frame:
        """The picture with a hand or cloth that has come over `cover` (0..1) of the way from below."""
        shift = (6 * math.sin(0.9 * at_s + self._drift_phase), 4 * math.sin(1.3 * at_s))
        slide = (1 - cover) * (HEIGHT + 90)
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1] + slide]], np.float32)
        alpha = cv2.warpAffine(self._cover_alpha, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        if cover < 1.0:
            edge = max(0, min(HEIGHT, int(slide)))
            alpha[:edge] = 0
        glow = self._cover_colour * (0.25 + 0.75 * self._eased.light)
        shade = np.empty_like(lit)
        shade[:] = np.clip(glow, 0, 255).astype(np.uint8)
        alpha3 = cv2.merge([alpha, alpha, alpha])
        kept = cv2.multiply(lit, cv2.bitwise_not(alpha3), scale=1 / 255)
        return cv2.add(kept, cv2.multiply(shade, alpha3, scale=1 / 255))  # type: ignore[return-value]


def _mount(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """How the camera was screwed on: a little askew, nearer or farther, aside; affine [2, 3]."""
    angle, zoom = float(rng.normal(0, 1.5)), float(rng.uniform(0.94, 1.08))
    mount = np.asarray(cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), angle, zoom), np.float64)
    mount[:, 2] += rng.uniform(-7, 7, 2)
    return mount


def _lingering_path(progress: float, aside: float) -> float:
    """0..1 to 0..1 with a long stop on the way, `aside` (-0.5..0.5) of the middle of the picture."""
    way = 2 * progress - 1
    return 0.5 + 0.5 * way**3 + 0.7 * aside * (1 - way * way)


def _sway(who: Person, at_s: float) -> float:
    slow = math.sin(0.53 * at_s + who.phase) + 0.6 * math.sin(0.29 * at_s + 2.1 * who.phase)
    quick = math.sin(2.3 * at_s + 3 * who.phase) * math.sin(0.37 * at_s + who.phase)
    return who.sway * slow + who.fidget * quick


def _noise_field(rng: np.random.Generator) -> Frame:
    """Noise of standard deviation 4 grey levels around 128, partly shared by the colours."""
    shape = (HEIGHT + NOISE_MARGIN, WIDTH + NOISE_MARGIN)
    shared = rng.normal(0, 3.2, (*shape, 1))
    own = rng.normal(0, 2.4, (*shape, 3))
    return np.clip(np.rint(128 + shared + own), 0, 255).astype(np.uint8)


# --- drawing ------------------------------------------------------------------------------------------


def _draw_shop(rng: np.random.Generator) -> Frame:
    """Wall, shelves with goods, a doorway to the street, floor."""
    wall = rng.uniform(95, 185, 3)
    left, right = (float(v) for v in rng.uniform(0.9, 1.1, 2))
    ramp = np.linspace(1.05, 0.8, HEIGHT)[:, None, None] * np.linspace(left, right, WIDTH)[None, :, None]
    shop = np.clip(wall * ramp, 0, 255).astype(np.uint8)
    floor_y = int(rng.integers(135, 165))
    shop[floor_y:] = np.clip(rng.uniform(60, 130, 3) * ramp[floor_y:] * 1.05, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(2, 4))):  # shelves
        x, width, y = int(rng.integers(-20, 250)), int(rng.integers(60, 130)), int(rng.integers(8, 40))
        for row in range(int(rng.integers(2, 5))):
            top = y + row * 28
            cv2.rectangle(shop, (x, top + 24), (x + width, top + 27), _colour(rng, 40, 120), -1)
            at = x
            while at < x + width:
                w, h = int(rng.integers(5, 16)), int(rng.integers(10, 23))
                cv2.rectangle(shop, (at, top + 24 - h), (at + w - 1, top + 23), _colour(rng, 30, 225), -1)
                at += w + int(rng.integers(0, 4))
    door_x, door_w = int(rng.integers(10, 240)), int(rng.integers(45, 75))
    bright = int(rng.integers(185, 235))
    cv2.rectangle(shop, (door_x, 20), (door_x + door_w, floor_y + 8), (bright, bright, bright - 12), -1)
    cv2.rectangle(shop, (door_x, 20), (door_x + door_w, floor_y + 8), (60, 70, 80), 3)
    texture = cv2.resize(rng.normal(0, 5, (HEIGHT // 4, WIDTH // 4)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    textured: Frame = np.clip(shop + texture[:, :, None], 0, 255).astype(np.uint8)
    return textured


def _draw_cover(rng: np.random.Generator) -> tuple[Frame, npt.NDArray[np.float64]]:
    """(alpha, colour) of what lies on a covered lens: tape, cloth, or a finger that glows."""
    yy, xx = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    angle, gap = rng.uniform(0, 2 * math.pi), rng.uniform(-0.6, 0.22)  # gap > 0 leaves an edge uncovered
    ramp = (np.cos(angle) * (xx / WIDTH - 0.5) + np.sin(angle) * (yy / HEIGHT - 0.5)) * 1.4 + 0.5
    alpha = np.clip((ramp - gap) / 0.12, 0, 1) * rng.uniform(0.93, 1.0)
    colour = rng.choice(np.array([[6, 6, 8], [18, 17, 20], [40, 52, 140], [30, 34, 60], [70, 72, 74]], np.float64))
    return (alpha * 255).astype(np.uint8), colour * rng.uniform(0.7, 1.25)


def _shaded(colour: Bgr, factor: float) -> Bgr:
    b, g, r = (min(255, int(c * factor)) for c in colour)
    return b, g, r


def _draw_far_person(canvas: Frame, who: Person, x: float, foot_y: float, scale: float) -> None:
    tall = 300 * scale * (1 + 0.08 * who.height)
    half = 34 * scale * who.build
    top = foot_y - tall
    cx, head = int(x), max(2, int(24 * scale))
    legs_y = int(foot_y - 0.42 * tall)
    cv2.rectangle(
        canvas, (int(x - half * 0.8), legs_y), (int(x + half * 0.8), int(foot_y)), _shaded(who.second, 0.6), -1
    )
    cv2.ellipse(canvas, (cx, int(top + 0.42 * tall)), (int(half), int(0.26 * tall)), 0, 0, 360, who.clothes, -1)
    cv2.circle(canvas, (cx, int(top + head)), head, who.skin, -1)
    cv2.ellipse(canvas, (cx, int(top + head)), (head, head), 0, 180, 360, who.hair, -1)


def _draw_onlooker(canvas: Frame, who: Person, over: tuple[float, int], near: float, at_s: float) -> None:
    """Somebody who comes up to a shoulder; `over`: x of the depositor, which side; `near`: how far they have come."""
    anchor, side = over
    lean = 1.5 * math.sin(0.7 * at_s + who.phase) * who.fidget
    offset = 84 - 30 * who.closeness
    x = anchor + side * (offset + (1 - near) * 190) + _sway(who, at_s)
    y = 94 - 13 * who.height + lean - 8 * who.closeness
    _draw_person(canvas, who, x, y, 0.68 + 0.22 * who.closeness)


def _draw_person(canvas: Frame, who: Person, x: float, y: float, scale: float) -> None:
    """Head and shoulders, seen from a little above; `(x, y)` is the middle of the head."""
    s = scale
    shoulder, head_w, head_h = 62 * s * who.build, 23 * s, 30 * s
    cx, cy = int(x), int(y)
    shoulders_y = int(y + 50 * s)
    if who.long_hair:
        cv2.ellipse(canvas, (cx, int(y + 10 * s)), (int(head_w * 1.3), int(head_h * 1.35)), 0, 0, 360, who.hair, -1)
    outline = np.array(
        [
            (x - 14 * s, y + 24 * s),
            (x - shoulder * 0.72, shoulders_y - 6 * s),
            (x - shoulder, shoulders_y + 14 * s),
            (x - shoulder * 1.12, HEIGHT + 20),
            (x + shoulder * 1.12, HEIGHT + 20),
            (x + shoulder, shoulders_y + 14 * s),
            (x + shoulder * 0.72, shoulders_y - 6 * s),
            (x + 14 * s, y + 24 * s),
        ],
        np.int32,
    )
    cv2.fillPoly(canvas, [outline], who.clothes)
    if who.striped:
        for row in range(4):
            at = int(shoulders_y + (18 + 30 * row) * s)
            cv2.line(canvas, (int(x - shoulder), at), (int(x + shoulder), at), who.second, max(2, int(6 * s)))
    else:
        lapel = np.array([(x, y + 36 * s), (x - 16 * s, HEIGHT), (x + 16 * s, HEIGHT)], np.int32)
        cv2.fillPoly(canvas, [lapel], who.second)
    cv2.rectangle(
        canvas, (int(x - 9 * s), int(y + 15 * s)), (int(x + 9 * s), int(y + 40 * s)), _shaded(who.skin, 0.82), -1
    )
    cv2.ellipse(canvas, (cx, cy), (int(head_w), int(head_h)), 0, 0, 360, who.skin, -1)
    cv2.ellipse(canvas, (cx, int(y - 5 * s)), (int(head_w * 1.06), int(head_h * 0.93)), 0, 180, 360, who.hair, -1)
    for side in (-1, 1):
        cv2.circle(canvas, (int(x + side * 9 * s), int(y + 2 * s)), max(1, int(2.6 * s)), (30, 30, 34), -1)
    cv2.line(canvas, (cx, int(y + 5 * s)), (cx, int(y + 11 * s)), _shaded(who.skin, 0.75), max(1, int(3 * s)))
    cv2.line(
        canvas, (int(x - 7 * s), int(y + 18 * s)), (int(x + 7 * s), int(y + 18 * s)), (70, 70, 130), max(1, int(2 * s))
    )
    if who.hat != "none":
        brim = 1.15 if who.hat == "cap" else 1.75
        cv2.ellipse(canvas, (cx, int(y - 12 * s)), (int(head_w * 1.1), int(head_h * 0.85)), 0, 180, 360, who.second, -1)
        cv2.ellipse(
            canvas, (cx, int(y - 12 * s)), (int(head_w * brim), int(5 * s)), 0, 0, 360, _shaded(who.second, 0.8), -1
        )


def _draw_arms(canvas: Frame, who: Person, head: tuple[float, float], reach: float, at_s: float) -> None:
    """Forearms to the port below the picture; at rest they are out of sight."""
    x, y = head
    shoulder = 62 * who.build
    beat = math.sin(2 * math.pi * who.pace_hz * at_s + who.phase)
    for side in (who.side, -who.side):
        active = reach if side == who.side or who.two_handed else 0.0
        elbow = (int(x + side * (shoulder * 1.05 + 6 * active)), int(y + 118 - 10 * active))
        hand_y = HEIGHT + 24 - active * (46 + 9 * beat)
        hand_x = x + active * (WIDTH / 2 - x) + side * (26 - 8 * active) + 5 * active * math.cos(1.7 * at_s + who.phase)
        hand = (int(hand_x), int(hand_y))
        cv2.line(canvas, elbow, hand, _shaded(who.clothes, 0.85), 26)
        cv2.circle(canvas, hand, 14, who.skin, -1)
