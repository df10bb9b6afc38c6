"""A recording that is played again, through whatever encoder, is told from a live picture that stands still."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from kiosk.monitoring.replay import ReplayWatch, trace_of

Picture = npt.NDArray[np.uint8]
RATE = 10.0


def live(seed: int, noise: float) -> Callable[[], Picture]:
    rng = np.random.default_rng(seed)
    shop = cv2.resize(rng.integers(30, 220, (12, 16), dtype=np.uint8), (160, 120))
    return lambda: recoded(np.clip(shop + rng.normal(0, noise, shop.shape), 0, 255).astype(np.uint8), 88)


def recoded(picture: Picture, quality: int = 75) -> Picture:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def first_told(pictures: list[Picture]) -> int | None:
    watch = ReplayWatch()
    for index in range(1, len(pictures)):
        if watch.update(trace_of(pictures[index], pictures[index - 1]), index / RATE):
            return index
    return None


@pytest.mark.parametrize("noise", [1.2, 4.0])
def test_a_still_scene_that_is_live_is_never_told(noise: float) -> None:
    take = live(3, noise)
    assert first_told([take() for _ in range(300)]) is None


@pytest.mark.parametrize("again", [lambda picture: picture, recoded])
def test_a_loop_is_told_within_a_second_of_its_first_repetition(again: Callable[[Picture], Picture]) -> None:
    take = live(4, 3.0)
    before, tape = [take() for _ in range(60)], [take() for _ in range(30)]
    told = first_told([*before, *tape, *[again(picture) for picture in tape * 2]])
    assert told is not None
    assert 90 <= told <= 90 + RATE


def test_a_frozen_picture_gives_nothing_to_compare() -> None:
    picture = live(5, 3.0)()
    assert trace_of(picture, picture) is None
    assert first_told([picture] * 60) is None
