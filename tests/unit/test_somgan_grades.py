"""The parts of somgan that need no torch: tables, conformal grades, metrics."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somgan.__main__ import main
from somgan.conformal import deposit_maxima, p_value, smooth, split_deposits
from somgan.data import Table, read_features, read_table, sidecar_path
from somgan.errors import DataError
from somgan.metrics import auroc, average_precision


def table(deposits: int, rows_each: int = 3) -> Table:
    owner = np.repeat(np.arange(deposits), rows_each)
    x = np.zeros((owner.size, 1), dtype=np.float32)
    return Table(x, owner, ("a",))


def test_no_deposit_is_in_two_sets_and_none_is_lost() -> None:
    split = split_deposits(table(300), seed=1)
    parts = np.concatenate([split.fit, split.tails, split.calibrate])
    assert sorted(parts.tolist()) == list(range(300))
    assert split.calibrate.size >= 99


def test_too_few_deposits_to_grade_is_refused() -> None:
    with pytest.raises(DataError, match="calibrate grades"):
        split_deposits(table(20), seed=1)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50), st.integers(1, 10))
def test_smoothing_is_the_mean_of_the_last_rows(values: list[float], rows: int) -> None:
    expected = [float(np.mean(values[max(0, end - rows) : end])) for end in range(1, len(values) + 1)]
    np.testing.assert_allclose(smooth(np.array(values), rows), expected, atol=1e-9)


def test_smoothing_does_not_cross_deposits() -> None:
    score = np.array([9.0, 9.0, 0.0, 0.0])
    deposits, maxima = deposit_maxima(score, np.array([4, 4, 2, 2]), smoothing_rows=4)
    assert deposits.tolist() == [2, 4]
    assert maxima.tolist() == [0.0, 9.0]


def test_false_alarms_of_exchangeable_deposits_stay_at_alpha() -> None:
    rng = np.random.default_rng(5)
    rates = []
    for _ in range(200):
        maxima = rng.gumbel(size=130 + 100)
        rates.append((p_value(maxima[130:], maxima[:130]) <= 0.05).mean())
    assert np.mean(rates) == pytest.approx(0.046, abs=0.01)  # floor(0.05 * 131) / 131


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40), st.floats(-20, 20))
def test_p_value_is_a_rank(calibration: list[float], maximum: float) -> None:
    expected = (1 + sum(value >= maximum for value in calibration)) / (len(calibration) + 1)
    assert p_value(np.array([maximum]), np.array(calibration))[0] == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_is_the_share_of_ordered_pairs(pairs: list[tuple[int, bool]]) -> None:
    score = np.array([float(value) for value, _ in pairs])
    positive = np.array([flag for _, flag in pairs])
    compared = [float(a > b) + 0.5 * float(a == b) for a, p in pairs for b, n in pairs if p and not n]
    got = auroc(score, positive)
    assert np.isnan(got) if not compared else got == pytest.approx(np.mean(compared))


def test_average_precision_of_known_order() -> None:
    assert average_precision(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False])) == pytest.approx(
        5 / 6
    )
    assert average_precision(np.ones(4), np.array([True, False, False, False])) == pytest.approx(0.25)


def write(path: Path, **arrays: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own keyword
    return path


def test_nan_is_refused_by_feature_name(tmp_path: Path) -> None:
    x = np.array([[1.0, np.nan]], dtype=np.float32)
    path = write(tmp_path / "t.npz", X=x, deposit=np.zeros(1, dtype=np.int64), names=np.array(["light", "motion"]))
    with pytest.raises(DataError, match="motion"):
        read_table(path)


def test_a_sidecar_of_other_features_is_refused(tmp_path: Path) -> None:
    entry = {"name": "light", "unit": "1", "words_high": "bright", "words_low": "dark"}
    sidecar = sidecar_path(tmp_path / "scene.npz")
    sidecar.write_text(json.dumps([entry]))
    assert read_features(sidecar, ("light",))[0].words_low == "dark"
    with pytest.raises(DataError, match="motion"):
        read_features(sidecar, ("light", "motion"))


@pytest.mark.parametrize("resolution", [-1.0, "0.1", True, float("inf"), float("nan"), None])
def test_a_resolution_is_a_number_of_the_features_unit(tmp_path: Path, resolution: object) -> None:
    entry = {"name": "light", "unit": "1", "words_high": "bright", "words_low": "dark"}
    sidecar = sidecar_path(tmp_path / "scene.npz")
    sidecar.write_text(json.dumps([entry | {"resolution": 0.5}]))
    assert read_features(sidecar, ("light",))[0].resolution == 0.5
    sidecar.write_text(json.dumps([entry | {"resolution": resolution}]))
    with pytest.raises(DataError, match="light"):
        read_features(sidecar, ("light",))


def test_a_missing_table_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--model", str(tmp_path), "--data", str(tmp_path / "none.npz")]) == 2
    assert "kiosk features" in capsys.readouterr().err
