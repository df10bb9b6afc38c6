"""The ring of the last seconds: who is not the depositor is blurred, nothing lies about in clear, all is bounded."""

import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from hwsim.scene import SceneRenderer, SceneState
from kiosk.monitoring.features import SceneFeatures
from kiosk.monitoring.ring import AFTER_S, BYTES_MAX, FRAMES_MAX, KEPT_S, ClipPlan, FrameRing, blurred, depositor

EMPTY = SceneState(passers_by=0.0, light=0.65, depositor_seed=4, onlooker_seed=9)
ALONE = replace(EMPTY, depositor=True)
WATCHED = replace(ALONE, onlooker=True)


class Shop:
    """A rendered shop, learnt while it was empty."""

    def __init__(self, seed: int = 21) -> None:
        self._renderer, self.features, self._at_s = SceneRenderer(seed), SceneFeatures(), 0.0
        self.show(EMPTY, 5, idle=True)

    def show(self, state: SceneState, seconds: float, *, idle: bool = False) -> Any:
        image = None
        for _ in range(int(seconds * 10)):
            self._at_s += 0.1
            image = self._renderer.render(state, self._at_s)
            self.features.update(image, self._at_s, idle=idle)
        return image


def detail(image: Any) -> float:
    """How much can be made out: variance of the Laplacian."""
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var())


@pytest.mark.parametrize("seed", [21, 3, 8])
def test_the_depositor_alone_stays_sharp_and_the_rest_of_the_shop_does_not(seed: int) -> None:
    shop = Shop(seed)
    image = shop.show(ALONE, 3)
    own = depositor(shop.features.mask)
    assert own is not None
    shown = blurred(image, shop.features.mask)
    small = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
    sharp = cv2.resize(own, (320, 240), interpolation=cv2.INTER_NEAREST).astype(bool)
    assert (shown[sharp] == small[sharp]).all()
    assert not (shown[~sharp] == small[~sharp]).all(axis=1).mean() > 0.05
    edge = np.flatnonzero(sharp.any(axis=0))[0]
    assert detail(shown[:, : edge - 20]) < 0.1 * detail(small[:, : edge - 20])


@pytest.mark.parametrize("seed", [21, 3, 8])
def test_with_somebody_beside_the_depositor_everybody_is_blurred(seed: int) -> None:
    shop = Shop(seed)
    shop.show(ALONE, 2)
    image = shop.show(WATCHED, 4)
    assert depositor(shop.features.mask) is None
    assert detail(blurred(image, shop.features.mask)) < 0.1 * detail(cv2.resize(image, (320, 240)))


def test_between_deposits_everybody_is_blurred() -> None:
    shop = Shop()
    image = shop.show(ALONE, 3)
    assert detail(blurred(image, None)) < 0.1 * detail(cv2.resize(image, (320, 240)))
    assert depositor(np.zeros((60, 80), np.uint8)) is None


def test_it_forgets_after_20_s_and_is_bounded_whatever_comes() -> None:
    ring = FrameRing()
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    for tenth in range(600):
        ring.take(noise, tenth / 10, np.ones((60, 80), np.uint8))
    assert len(ring) <= FRAMES_MAX
    clip = ring.clip(60.0, "high", "escrow")
    assert len(clip) < BYTES_MAX + 10_000
    ages = json.loads(zipfile.ZipFile(io.BytesIO(clip)).read("clip.json"))["age_s"]
    assert max(ages.values()) <= KEPT_S
    assert ring.clip(60.0 + KEPT_S + 1, "high", "escrow") == b""


def test_a_clip_opens_with_any_zip_program_and_says_when_and_why() -> None:
    ring = FrameRing()
    for tenth in range(50):
        ring.take(np.full((480, 640, 3), tenth, np.uint8), tenth / 10, None)
    with zipfile.ZipFile(io.BytesIO(ring.clip(5.0, "medium", "access"))) as archive:
        about = json.loads(archive.read("clip.json"))
        assert (about["grade"], about["stage"]) == ("medium", "access")
        assert sorted(about["age_s"]) == sorted(name for name in archive.namelist() if name != "clip.json")
        last = cv2.imdecode(np.frombuffer(archive.read("009.jpg"), np.uint8), cv2.IMREAD_COLOR)
    assert last is not None
    assert last.shape == (240, 320, 3)
    assert about["age_s"]["009.jpg"] == 0.5


def test_no_picture_lies_in_memory_in_clear() -> None:
    ring = FrameRing()
    ring.take(np.full((240, 320, 3), 7, np.uint8), 0.0, None)
    (kept,) = ring._frames  # noqa: SLF001 - just this is claimed of it
    assert b"JFIF" not in kept.sealed
    assert b"\xff\xd8\xff" not in kept.sealed[:16]


def test_a_clip_is_made_once_for_each_grade_that_rises_and_with_what_follows() -> None:
    plan = ClipPlan()
    plan.graded("A", "access", "low", 0.0)
    assert plan.due(100.0) is None
    plan.graded("A", "access", "medium", 10.0)
    assert plan.due(10.0) is None
    plan.graded("A", "escrow", "high", 11.0)  # before the first is made: one clip shows both
    alarm = plan.due(10.0 + AFTER_S)
    assert alarm is not None
    assert (alarm.code, alarm.grade, alarm.stage) == ("A", "high", "escrow")
    plan.graded("A", "escrow", "medium", 20.0)
    assert plan.due(100.0) is None
    plan.graded("B", "access", "medium", 200.0)
    assert plan.due(203.0) is not None
