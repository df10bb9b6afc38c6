"""The promise behind a grade: a false-alarm rate per deposit."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kiosk.appraisal.conformal import CALIBRATED_S, Smoother, grade, p_value, worst

scores = st.floats(-1e6, 1e6)
samples = st.lists(scores, min_size=19, max_size=200).map(sorted)


@given(samples, scores, scores, st.floats(0, 1000))
def test_p_is_a_probability_and_falls_with_the_score(sample: list[float], a: float, b: float, length_s: float) -> None:
    low, high = min(a, b), max(a, b)
    p_low, p_high = p_value(low, sample, length_s), p_value(high, sample, length_s)
    assert 0 < p_high <= p_low <= 1


@given(samples, scores, st.floats(0, 2000))
def test_longer_deposits_are_not_blamed_for_their_length(sample: list[float], score: float, length_s: float) -> None:
    plain = p_value(score, sample)
    assert p_value(score, sample, length_s) >= plain - 1e-12
    assert abs(p_value(score, sample, CALIBRATED_S / 2) - plain) < 1e-12


@given(samples)
def test_extremes(sample: list[float]) -> None:
    rank = 1 / (len(sample) + 1)
    assert abs(p_value(math.nextafter(sample[-1], math.inf), sample) - rank) < 1e-6
    assert p_value(sample[-1] + 1, sample) <= rank
    assert p_value(sample[0], sample) == 1.0


def test_normal_deposits_alarm_no_more_often_than_promised() -> None:
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(40):
        sample = sorted(rng.gumbel(size=300).tolist())
        rates.append(np.mean([p_value(float(x), sample) <= 0.05 for x in rng.gumbel(size=200)]))
    assert 0.03 < float(np.mean(rates)) < 0.06


def test_grades_and_the_worst_of_them() -> None:
    assert [grade(p, 0.05, 0.01) for p in (0.5, 0.05, 0.02, 0.01, 0.001)] == ["low", "medium", "medium", "high", "high"]
    assert worst([]) == "low"
    assert worst(["low", "high", "medium"]) == "high"


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50), st.integers(1, 20))
def test_smoothing_is_a_trailing_mean_with_fewer_at_the_start(values: list[float], rows: int) -> None:
    smoother = Smoother(rows)
    for index, value in enumerate(values):
        expected = float(np.mean(values[max(0, index + 1 - rows) : index + 1]))
        assert abs(smoother.update(value) - expected) < 1e-6
