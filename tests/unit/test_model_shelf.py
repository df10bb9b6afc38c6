"""Editions of a model on their shelf: whatever is installed, tried and gone back to, somebody good judges."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core import model_shelf
from kiosk.core.model_shelf import EDITIONS_MAX, CannotInstall, Edition, Shelf, gone_back, installed, tried


def sha(number: int) -> str:
    return f"{number:064x}"


def edition(number: int) -> Edition:
    return Edition(number, f"1.{number}", sha(number))


def fresh() -> Shelf:
    return model_shelf.packaged(Shelf("scene"), "1.0", sha(0))


def passing(shelf: Shelf, number: int) -> Shelf:
    return tried(installed(shelf, edition(number)), number, sha(number), passed=True, why="")[0]


def events(drafts: Any) -> list[str]:
    return [str(draft.body["event"]) for draft in drafts]


def test_it_judges_only_once_its_examples_came_out_right() -> None:
    shelf = installed(fresh(), edition(3))
    assert (shelf.current, shelf.trial, shelf.wanted) == (0, 3, (3, 0))
    shelf, drafts = tried(shelf, 3, sha(3), passed=True, why="")
    assert (shelf.current, shelf.trial) == (3, None)
    assert events(drafts) == ["model_current"]
    assert tried(shelf, 3, sha(3), passed=True, why="") == (shelf, ())  # at the next start: no news


def test_a_trial_that_fails_leaves_the_present_one() -> None:
    shelf, drafts = tried(installed(passing(fresh(), 2), edition(5)), 5, sha(5), passed=False, why="scores 7")
    assert (shelf.current, shelf.trial) == (2, None)
    assert drafts[0].body == {
        "event": "model_failed", "stream": "scene", "number": 5, "version": "1.5", "model_sha256": sha(5),
        "why": "scores 7", "current": 2,
    }  # fmt: skip


def test_one_that_fails_at_a_start_is_rolled_back_to_the_newest_good_one_and_at_last_to_the_packaged() -> None:
    shelf = passing(passing(fresh(), 2), 3)
    shelf, _ = tried(shelf, 3, sha(3), passed=False, why="damaged")
    assert shelf.current == 2
    shelf, drafts = tried(shelf, 2, sha(2), passed=False, why="damaged")
    assert (shelf.current, events(drafts)) == (0, ["model_failed"])
    shelf, drafts = tried(shelf, 0, sha(0), passed=False, why="damaged")
    assert (shelf.current, events(drafts)) == (0, ["model_failed"])
    assert tried(shelf, 0, sha(0), passed=False, why="damaged") == (shelf, ())  # said once


@pytest.mark.parametrize("number", [1, 2])
def test_an_older_or_the_same_edition_is_not_installed(number: int) -> None:
    with pytest.raises(CannotInstall, match="not newer") as refused:
        installed(passing(fresh(), 2), edition(number))
    assert "rollback" in refused.value.remedy


def test_another_content_under_a_number_is_not_installed() -> None:
    shelf = gone_back(passing(passing(fresh(), 2), 3), 2)
    with pytest.raises(CannotInstall, match="another one"):
        installed(shelf, msgspec.structs.replace(edition(3), sha256=sha(9)))
    assert installed(shelf, edition(3)).trial == 3  # the same one may come back


def test_what_is_said_of_another_graph_changes_nothing() -> None:
    shelf = installed(fresh(), edition(3))
    assert tried(shelf, 3, sha(4), passed=True, why="") == (shelf, ())
    assert tried(shelf, 9, sha(9), passed=False, why="") == (shelf, ())


def test_nobody_goes_back_to_what_failed_or_is_newer() -> None:
    shelf = passing(passing(fresh(), 2), 3)
    failed, _ = tried(installed(shelf, edition(4)), 4, sha(4), passed=False, why="x")
    for number in (3, 4, 7):
        with pytest.raises(CannotInstall):
            gone_back(failed, number)
    assert gone_back(failed, None).current == 2
    assert gone_back(failed, 0).current == 0
    with pytest.raises(CannotInstall, match="packaged one already"):
        gone_back(fresh(), None)


steps = st.lists(
    st.tuples(st.sampled_from(["install", "pass", "fail", "back", "upgrade"]), st.integers(0, 12)), max_size=40
)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_the_shelf_stays_sound(script: list[tuple[str, int]]) -> None:
    shelf = fresh()
    for what, number in script:
        before = shelf
        try:
            if what == "install" and number:
                shelf = installed(shelf, edition(number))
            elif what in ("pass", "fail"):
                shelf, drafts = tried(shelf, number, sha(number), passed=what == "pass", why="x")
                assert bool(drafts) <= (shelf != before)
            elif what == "back":
                shelf = gone_back(shelf, number)
            elif what == "upgrade":
                shelf = model_shelf.packaged(shelf, "2.0", sha(100 + number))
        except CannotInstall:
            shelf = before
        numbers = [each.number for each in shelf.editions]
        assert numbers == sorted(set(numbers))
        assert len(numbers) <= EDITIONS_MAX + 1
        current = shelf.edition(shelf.current)
        assert current is not None
        assert current.standing == "good" or shelf.current == 0
        assert [each.number for each in shelf.editions if each.standing == "trial"] == [
            number for number in (shelf.trial,) if number is not None
        ]
        assert shelf.current <= before.current or (what, number) == ("pass", before.trial)
        assert msgspec.json.decode(msgspec.json.encode(shelf), type=Shelf) == shelf
