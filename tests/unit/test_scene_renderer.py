"""The simulated camera: repeatable, continuous, and without any mark that names what it shows."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hwsim.scene import HEIGHT, WIDTH, SceneRenderer, SceneState, person

STEP_S = 0.1
EMPTY = SceneState(passers_by=0.0)
CORNER = np.s_[:20, :40]  # nobody of the tested seeds reaches there


def play(seed: int, states: list[SceneState]) -> list[npt.NDArray[np.uint8]]:
    renderer = SceneRenderer(seed)
    return [renderer.render(state, index * STEP_S) for index, state in enumerate(states)]


def difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def test_same_seed_states_and_times_give_the_same_pictures() -> None:
    states = [replace(EMPTY, depositor=n > 3, hand=n > 8) for n in range(12)]
    for a, b in zip(play(3, states), play(3, states), strict=True):
        assert a.shape == (HEIGHT, WIDTH, 3)
        assert a.dtype == np.uint8
        assert np.array_equal(a, b)


def test_other_shops_and_other_people_look_different() -> None:
    assert difference(play(1, [EMPTY])[0], play(2, [EMPTY])[0]) > 10
    assert person(5) == person(5)
    assert person(5) != person(6)
    here = [replace(EMPTY, depositor=True)] * 20
    other = [replace(EMPTY, depositor=True, depositor_seed=99)] * 20
    assert difference(play(1, here)[-1], play(1, other)[-1]) > 2


def test_people_come_and_go_smoothly() -> None:
    frames = play(4, [EMPTY] * 5 + [replace(EMPTY, depositor=True)] * 30 + [EMPTY] * 30)
    steps = [difference(a, b) for a, b in pairwise(frames)]
    empty_to_full = difference(frames[4], frames[34])
    assert empty_to_full > 8
    coming = [difference(frames[4], frame) / empty_to_full for frame in frames[5:35]]
    assert coming[0] < 0.5  # not there at once
    assert sum(0.1 < share < 0.9 for share in coming) >= 3
    assert max(steps[30:34]) < empty_to_full / 2  # and then stands there
    assert np.array_equal(frames[-1], play(4, [EMPTY] * 65)[-1])  # and leaves nothing behind


def test_noise_goes_on_under_a_covered_lens() -> None:
    frames = play(4, [EMPTY] * 5 + [replace(EMPTY, lens="covered")] * 20)
    assert difference(frames[4], frames[-1]) > 20
    assert difference(frames[-2], frames[-1]) > 0.3
    assert len(np.unique(frames[-1])) > 10


def test_a_frozen_camera_repeats_its_last_live_frame_and_wakes_up() -> None:
    moving = replace(EMPTY, depositor=True, hand=True)
    frames = play(4, [moving] * 20 + [replace(moving, lens="frozen")] * 10 + [moving] * 3)
    assert all(np.array_equal(frames[19], frame) for frame in frames[20:30])
    assert not np.array_equal(frames[29], frames[30])


def test_nothing_but_people_and_lens_changes_the_picture() -> None:
    """The same noise, light and shop for every state: a corner that nobody enters is equal to the pixel."""
    many = 25
    plain = play(8, [EMPTY] * many)[-1]
    for change in ({"depositor": True}, {"depositor": True, "hand": True}, {"depositor": True, "onlooker": True}):
        crowded = play(8, [replace(EMPTY, **change)] * many)[-1]  # type: ignore[arg-type]
        assert difference(plain, crowded) > 3
        assert np.array_equal(plain[CORNER], crowded[CORNER])


def test_covers_differ_from_kiosk_to_kiosk() -> None:
    covered = [replace(EMPTY, lens="covered")] * 15
    levels = {round(float(play(seed, covered)[-1].mean())) for seed in range(8)}
    assert len(levels) > 4
