"""Habits and sessions: kept one by one, they are what a pass over the whole past gives; the future changes nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.core import facts as f
from kiosk.core.habits import BINS, DAY_S, HOUR_S, MONTH_S, SIMILAR_S, WEEK_S, Habit, bin_of
from kiosk.core.transaction import NAMES, Session, features

PASTS = st.lists(st.tuples(st.floats(0, 40 * DAY_S), st.floats(1, 50_000), st.integers(0, 23)), max_size=30).map(sorted)
FACTS = st.lists(
    st.one_of(
        st.builds(f.NoteRead, st.integers(1, 3)),
        st.builds(f.NoteCredited, st.integers(1, 3)),
        st.builds(f.NoteRefused, st.just("reject_by_host")),
        st.just(f.Cancel()),
        st.just(f.MoreTime()),
    ),
    max_size=40,
)


def lived(past: list[tuple[float, float, int]]) -> Habit:
    habit = Habit()
    for at_s, amount, hour in past:
        habit = habit.after(at_s, amount, hour)
    return habit


@given(PASTS, st.floats(0, 20 * DAY_S))
def test_sums_kept_one_by_one_are_those_of_the_whole_past(past: list[tuple[float, float, int]], later_s: float) -> None:
    now_s = (past[-1][0] if past else 0.0) + later_s
    habit = lived(past).at(now_s)

    def whole(tau_s: float, weigh: list[float]) -> float:
        return sum(w * math.exp(-(now_s - at_s) / tau_s) for w, (at_s, _, _) in zip(weigh, past, strict=True))

    ones, logs = [1.0] * len(past), [math.log1p(amount) for _, amount, _ in past]
    assert habit.hour == pytest.approx(whole(HOUR_S, ones), abs=1e-9)
    assert habit.day == pytest.approx(whole(DAY_S, ones), abs=1e-9)
    assert habit.week == pytest.approx(whole(WEEK_S, ones), abs=1e-9)
    assert habit.day_amount == pytest.approx(whole(DAY_S, [amount for _, amount, _ in past]), rel=1e-9, abs=1e-6)
    assert habit.month_log == pytest.approx(whole(MONTH_S, logs), rel=1e-9, abs=1e-9)
    assert habit.month_log2 == pytest.approx(whole(MONTH_S, [x * x for x in logs]), rel=1e-9, abs=1e-9)
    for hour in range(24):
        assert habit.hours[hour] == pytest.approx(whole(MONTH_S, [float(h == hour) for _, _, h in past]), abs=1e-9)
    for index in range(BINS):
        same = [float(bin_of(amount) == index) for _, amount, _ in past]
        assert habit.similar[index] == pytest.approx(whole(SIMILAR_S, same), abs=1e-9)


@given(PASTS, st.floats(0, DAY_S), st.floats(0, DAY_S))
def test_fading_in_two_steps_is_fading_in_one(past: list[tuple[float, float, int]], one_s: float, two_s: float) -> None:
    habit = lived(past)
    twice, once = habit.at(habit.at_s + one_s).at(habit.at_s + one_s + two_s), habit.at(habit.at_s + one_s + two_s)
    assert twice.day_amount == pytest.approx(once.day_amount, rel=1e-9, abs=1e-12)
    assert twice.hours == pytest.approx(once.hours, rel=1e-9, abs=1e-12)


def test_a_clock_that_steps_back_fades_nothing_and_revives_nothing() -> None:
    habit = Habit().after(1000.0, 100.0, 9)
    assert habit.at(0.0) == habit


@given(FACTS, st.lists(st.floats(0.05, 20), min_size=40, max_size=40))
def test_a_session_counts_what_a_recount_would_and_every_row_is_finite(facts: list[f.Fact], gaps: list[float]) -> None:
    session, now_s = Session(((1, 100), (2, 500), (3, 10_000)), 0.0), 0.0
    for fact, gap_s in zip(facts, gaps, strict=False):
        now_s += gap_s
        session = session.heard(fact, now_s)
        row = features(session, Habit(), Habit(), now_s=now_s, wall_s=now_s, hour=9)
        assert len(row) == len(NAMES)
        assert all(math.isfinite(value) for value in row)
    worth = dict(session.worth)
    assert session.minor == sum(worth[fact.channel] for fact in facts if isinstance(fact, f.NoteCredited))
    assert session.accepted == sum(isinstance(fact, f.NoteCredited) for fact in facts)
    assert session.refused == sum(isinstance(fact, f.NoteRefused) for fact in facts)
    assert session.corrections == sum(isinstance(fact, f.Cancel | f.MoreTime) for fact in facts)


def test_many_small_deposits_in_a_day_show_and_so_does_a_far_greater_amount() -> None:
    regular = lived([(day * DAY_S, 400.0, 9) for day in range(30)])
    kiosk = lived([(n * DAY_S / 12, 400.0, 9 + n % 8) for n in range(300)])
    now_s, name = 30 * DAY_S, NAMES.index
    calm = features(_with(400), regular, kiosk, now_s=20.0, wall_s=now_s, hour=10)
    busy = regular
    for n in range(5):
        busy = busy.after(now_s - (5 - n) * 1200, 400.0, 10)
    often = features(_with(400), busy, kiosk, now_s=20.0, wall_s=now_s, hour=10)
    assert often[name("own_day")] > calm[name("own_day")] + 1
    large = features(_with(9000), regular, kiosk, now_s=20.0, wall_s=now_s, hour=2)
    assert large[name("own_amount_gap")] > calm[name("own_amount_gap")] + 2
    assert large[name("hour_rarity")] > calm[name("hour_rarity")] + 2
    by_day = features(_with(9000), regular, kiosk, now_s=20.0, wall_s=now_s, hour=10)
    small = features(_with(400), regular, kiosk, now_s=20.0, wall_s=now_s, hour=2)
    assert by_day[name("odd_amount")] == 0.0
    assert large[name("odd_amount")] > small[name("odd_amount")] + 5


def _with(amount: int) -> Session:
    return Session(((1, 100),), 0.0, last_s=1.0, minor=100 * amount, faces=((100 * amount, 1),))
