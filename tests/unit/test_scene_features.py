"""Scene features on rendered pictures: people, hands, light and lens move the numbers that are named after them."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim.scene import SceneRenderer, SceneState
from kiosk.monitoring.feature_words import describe
from kiosk.monitoring.features import NAMES, SceneFeatures
from kiosk.monitoring.lens import Lens, LensWatch
from kiosk.monitoring.people import OUTLINE_NAMES, outline

STEP_S = 1 / 12
SHOP = SceneState(passers_by=0.0, light=0.6)


class Watched:
    """A shop, its camera, and the features that come out."""

    def __init__(self, seed: int) -> None:
        self._renderer = SceneRenderer(seed)
        self._features = SceneFeatures()
        self._at_s = 0.0
        self.lens = LensWatch()

    def show(self, state: SceneState, frames: int, *, idle: bool = False) -> dict[str, float]:
        """Mean features of the last ten frames."""
        rows = []
        for _ in range(frames):
            row = self._features.update(self._renderer.render(state, self._at_s), self._at_s, idle=idle)
            self._at_s += STEP_S
            if row is not None:
                self.lens.update(row)
                rows.append(row.values)
        return dict(zip(NAMES, np.mean(rows[-10:], axis=0).tolist(), strict=True))


def test_every_feature_has_words_for_both_ends() -> None:
    assert tuple(words.name for words in describe("scene")) == NAMES
    assert all(words.words_high and words.words_low for words in (*describe("scene"), *describe("machine")))


def test_the_first_frame_has_nothing_to_be_compared_with() -> None:
    assert SceneFeatures().update(np.zeros((240, 320, 3), np.uint8), 0.0, idle=True) is None


@pytest.mark.parametrize("seed", [3, 11, 25])
def test_an_onlooker_is_a_second_head_and_a_body_beside(seed: int) -> None:
    watched = Watched(seed)
    empty = watched.show(SHOP, 30, idle=True)
    alone = watched.show(replace(SHOP, depositor=True, depositor_seed=seed), 40)
    both = watched.show(replace(SHOP, depositor=True, depositor_seed=seed, onlooker=True, onlooker_seed=seed + 1), 40)
    assert empty["front_area"] < 0.02
    assert 0.12 < alone["front_area"] < 0.45
    assert both["front_area"] > alone["front_area"] + 0.05
    assert both["beside_most"] > alone["beside_most"] + 0.1
    assert both["head_width"] > alone["head_width"] * 1.3
    assert watched.lens.state == "clear"


@pytest.mark.parametrize("seed", [3, 11, 25])
def test_somebody_who_comes_is_growth_and_an_arrival_is_not(seed: int) -> None:
    watched = Watched(seed)
    watched.show(SHOP, 30, idle=True)
    here = replace(SHOP, depositor=True, depositor_seed=seed)
    arriving = max(watched.show(here, 10)["front_growth"] for _ in range(3))
    alone = watched.show(replace(here, hand=True), 40)
    both = watched.show(replace(here, onlooker=True, onlooker_seed=seed + 1), 20)
    assert arriving < 0.05
    assert abs(alone["front_growth"]) < 0.05
    assert both["front_growth"] > 0.07


def test_a_head_whose_neck_is_lost_in_the_dark_is_still_a_head() -> None:
    whole = np.zeros((60, 80), np.uint8)
    whole[36:, 26:54] = 1  # shoulders and below
    whole[14:30, 36:45] = 1  # the head
    lost = dict(zip(OUTLINE_NAMES, outline(whole), strict=True))
    whole[30:36, 36:45] = 1
    seen = dict(zip(OUTLINE_NAMES, outline(whole), strict=True))
    assert lost == pytest.approx(seen, abs=0.02)
    far = np.zeros((60, 80), np.uint8)
    far[36:, 26:54] = 1
    far[14:30, 66:75] = 1  # hangs beside the body: somebody far away
    assert dict(zip(OUTLINE_NAMES, outline(far), strict=True))["head_top"] < 0.45


def test_hands_at_the_port_move_there() -> None:
    watched = Watched(5)
    watched.show(SHOP, 30, idle=True)
    still = watched.show(replace(SHOP, depositor=True), 60)
    feeding = watched.show(replace(SHOP, depositor=True, hand=True), 30)
    assert feeding["flow_port"] > 2 * still["flow_port"]


def test_people_far_away_are_not_at_the_kiosk() -> None:
    watched = Watched(6)
    seen = watched.show(replace(SHOP, passers_by=1.0), 60, idle=True)
    assert seen["activity"] > 0
    assert seen["front_area"] < 0.05


@pytest.mark.parametrize("seed", [2, 6, 14])
def test_the_next_one_in_line_is_not_at_the_kiosk(seed: int) -> None:
    watched = Watched(seed)
    alone = watched.show(SHOP, 30, idle=True)
    seen = watched.show(replace(SHOP, waiting=True, waiting_seed=seed), 60)
    assert seen["lost_edges"] > alone["lost_edges"]  # somebody is there, in front of the shelves
    assert seen["front_area"] < 0.05


@pytest.mark.parametrize("seed", [3, 11, 25])
def test_a_crowd_is_on_both_sides(seed: int) -> None:
    watched = Watched(seed)
    watched.show(SHOP, 30, idle=True)
    here = replace(SHOP, depositor=True, depositor_seed=seed)
    one = watched.show(replace(here, onlooker=True, onlooker_seed=seed + 1), 40)
    two = watched.show(replace(here, onlooker=True, crowd=True, onlooker_seed=seed + 1), 40)
    assert two["shoulder_width"] > one["shoulder_width"] + 0.05
    assert two["front_area"] > one["front_area"] + 0.03


def test_a_change_of_light_is_not_a_person() -> None:
    watched = Watched(7)
    watched.show(SHOP, 30, idle=True)
    dimmed = watched.show(replace(SHOP, light=0.3), 60)
    assert dimmed["front_area"] < 0.05
    assert dimmed["lost_edges"] < 0.2
    assert watched.lens.state == "clear"


@pytest.mark.parametrize(("before", "after"), [(0.75, 0.1), (0.5, 1.0)])
def test_a_lamp_that_goes_out_or_on_during_a_deposit_makes_no_crowd(before: float, after: float) -> None:
    watched = Watched(12)
    standing = replace(SHOP, light=before, depositor=True)
    watched.show(replace(standing, depositor=False), 30, idle=True)
    usual = watched.show(standing, 40)
    changed = watched.show(replace(standing, light=after), 90)
    assert changed["front_area"] == pytest.approx(usual["front_area"], abs=0.08)
    assert changed["head_width"] == pytest.approx(usual["head_width"], abs=0.08)
    assert watched.lens.state == "clear"


@pytest.mark.parametrize("seed", range(8))
def test_covered_and_frozen_lenses_are_told_and_recover(seed: int) -> None:
    watched = Watched(seed)
    busy = replace(SHOP, depositor=True, hand=True, depositor_seed=seed)
    watched.show(SHOP, 30, idle=True)
    told: list[Lens] = []
    for state in (busy, replace(busy, lens="covered"), busy, replace(busy, lens="frozen"), busy):
        watched.show(state, 30)
        told.append(watched.lens.state)
    assert told == ["clear", "covered", "clear", "frozen", "clear"]


def test_a_lens_that_was_covered_before_we_began_is_covered() -> None:
    watched = Watched(9)
    watched.show(replace(SHOP, lens="covered"), 30, idle=True)
    assert watched.lens.state == "covered"


def test_numbers_stay_finite_on_any_picture() -> None:
    features = SceneFeatures()
    rng = np.random.default_rng(1)
    pictures = [np.zeros((240, 320, 3), np.uint8), np.full((240, 320, 3), 255, np.uint8)]
    pictures += [rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in ((240, 320), (480, 640), (120, 160))]
    for index, picture in enumerate(pictures * 2):
        row = features.update(picture, index * 0.0, idle=True)  # the clock stands still, too
        if row is not None:
            assert np.isfinite(row.values).all()
