"""Drift and the collected deposits: what is promised holds while nothing changes, and a change is noticed."""

import random
from bisect import insort
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.appraisal.conformal import deposits_needed, p_value, score_at
from kiosk.core import field_book, map_use
from kiosk.core.drift import Run, rank_p
from kiosk.core.field_book import COLLECTED_MAX, Collected, StreamBook, collected

Draw = Callable[[random.Random], float]


def normal(mean: float) -> Draw:
    return lambda chance: chance.gauss(mean, 1)


def noticed(seed: int, after: Draw, *, at: int = 0, deposits: int = 1000) -> int | None:
    """After how many deposits the test speaks, when they change from normal(0) at `at`."""
    chance, run = random.Random(seed), Run()
    before = sorted(chance.gauss(0, 1) for _ in range(64))
    for number in range(deposits):
        score = (after if number >= at else normal(0))(chance)
        run = run.after(rank_p(score, before, chance.random()))
        insort(before, score)
        if run.alarmed is not None:
            return run.alarmed
    return None


def test_while_nothing_changes_at_most_one_run_in_a_hundred_speaks() -> None:
    assert sum(noticed(seed, normal(0), deposits=300) is not None for seed in range(80)) <= 2  # 1 expected at most


@pytest.mark.parametrize(("mean", "within"), [(1.0, 80), (2.0, 20), (-1.0, 110)])
@pytest.mark.parametrize("at", [0, 200])
def test_a_change_is_noticed_soon_whichever_way_and_whenever_it_comes(mean: float, within: int, at: int) -> None:
    delays = sorted((noticed(seed, normal(mean), at=at) or 9999) - at for seed in range(10))
    assert delays[5] <= within, delays


@given(st.lists(st.floats(1e-9, 1.0), max_size=60))
@settings(max_examples=100, deadline=None)
def test_the_gamblers_capital_stays_a_number_and_outlives_a_restart(values: list[float]) -> None:
    run = Run()
    for p in values:
        run = run.after(p)
    assert 0 < run.evidence <= 1e12
    assert run.greatest >= run.evidence or run.evidence <= 1
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(run), type=Run) == run


def test_the_odds_are_fair() -> None:
    """The mean payoff over a fine grid of p-values is 1: nothing is won by chance alone."""
    steps = 50_000
    mean = sum(Run().after((i + 0.5) / steps).evidence for i in range(steps)) / steps
    assert mean == pytest.approx(1.0, abs=0.01)
    assert mean <= 1.0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 5), st.floats(0, 1))
def test_a_rank_is_a_share(before: list[int], score: int, tau: float) -> None:
    p = rank_p(score, sorted(map(float, before)), tau)
    greater = sum(each > score for each in before) / (len(before) + 1)
    assert greater <= p <= greater + (before.count(score) + 1) / (len(before) + 1)


def book_of(scores: list[float], calibration: tuple[float, ...] = (1.0, 2.0, 3.0)) -> StreamBook:
    book, chance = StreamBook("ab" * 32), random.Random(1)
    for score in scores:
        deposit = Collected(0, "2026-11-22T10:00:00.000Z", score, 40.0, "low")
        book = collected(book, deposit, {3: 10, 4: 5}, calibration, chance.random())
    return book


def test_the_book_is_bounded_and_outlives_a_restart() -> None:
    book = book_of([random.Random(i).random() for i in range(COLLECTED_MAX + 30)])
    assert len(book.deposits) == COLLECTED_MAX
    assert (book.deposits[0].n, book.last) == (31, COLLECTED_MAX + 30)
    assert book.run.deposits == 30  # another run began
    encoded = msgspec.msgpack.encode(book)
    assert len(encoded) < 150_000
    assert msgspec.msgpack.decode(encoded, type=StreamBook) == book


def test_what_people_sign_names_exactly_these_deposits() -> None:
    book = book_of([3.0, 1.0, 2.0, 9.0])
    chosen = book.chosen(3, (2,))
    assert [each.n for each in chosen] == [1, 3]
    assert field_book.maxima(chosen) == (2.0, 3.0)
    digest = field_book.maxima_sha256("scene", "ab" * 32, (2.0, 3.0))
    assert digest != field_book.maxima_sha256("machine", "ab" * 32, (2.0, 3.0))
    assert digest != field_book.maxima_sha256("scene", "ab" * 32, (2.0, 3.00001))


def test_rows_where_the_training_was_are_no_news_and_others_are() -> None:
    rows, columns = 12, 12
    trained = [0.0] * 144
    for cell in (0, 1, 12, 13):
        trained[cell] = 0.25
    use: dict[int, float] = {}
    for deposit in range(60):
        use = map_use.faded(use, {0: 30, 13: 30}, deposit)
    assert map_use.elsewhere(use, trained, rows, columns) == pytest.approx(0.0, abs=1e-9)
    for deposit in range(60, 400):
        use = map_use.faded(use, {143: 5}, deposit)
    assert map_use.elsewhere(use, trained, rows, columns) > 0.95
    assert map_use.faded(use, {}, 400) == use


def test_so_many_deposits_let_each_grade_be_said() -> None:
    needed = deposits_needed(3, 0.01, 0.001)
    assert needed == 299
    scores = [index / needed for index in range(needed)]
    assert p_value(1e9, scores) * 3 <= 0.001
    assert p_value(scores[-1] + 1e-12, scores) * 3 <= 0.01
    assert p_value(scores[-1], scores) * 3 > 0.01
    fewer = scores[: needed - 1]
    assert not p_value(fewer[-1] + 1e-12, fewer) * 3 <= 0.01


@given(st.lists(st.floats(0, 50), min_size=50, max_size=80), st.floats(0.001, 0.5))
@settings(max_examples=60, deadline=None)
def test_a_threshold_is_where_the_p_value_crosses(values: list[float], level: float) -> None:
    scores = sorted(values)
    found = score_at(level, scores)
    if found < float("inf"):
        assert p_value(found, scores) <= level
        assert p_value(found - 1e-3, scores) > level or found - 1e-3 < scores[0]
    else:
        assert p_value(scores[-1] * 10 + 10, scores) > level
