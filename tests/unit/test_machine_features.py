"""Machine features: the numbers follow the reading they are named after, whatever the rate of readings."""

import msgspec
import numpy as np
import pytest

from kiosk.messages import SensorReading
from kiosk.monitoring.feature_words import describe
from kiosk.monitoring.machine import NAMES, MachineFeatures

CALM = SensorReading(
    at_monotonic_s=0.0,
    board_state=0,
    temperature_decicelsius=220,
    supply_mv=24_000,
    tilt_mg=3,
    vibration_mg_rms=4,
    gas_permille=12,
    motor_current_ma=20,
    door_bits=0,
    tray_notes=0,
    transport_occupied=False,
)


def feel(readings: list[SensorReading]) -> dict[str, float]:
    features = MachineFeatures()
    rows = [row for row in map(features.update, readings) if row is not None]
    return dict(zip(NAMES, rows[-1].tolist(), strict=True))


def calm(seconds: float, rate: float = 5.0, **changes: int) -> list[SensorReading]:
    return [msgspec.structs.replace(CALM, at_monotonic_s=n / rate, **changes) for n in range(int(seconds * rate))]


def test_every_feature_has_words() -> None:
    assert tuple(words.name for words in describe("machine")) == NAMES


def test_calm_readings_give_calm_features() -> None:
    row = feel(calm(10))
    assert row["temperature"] == pytest.approx(22.0)
    assert row["supply"] == pytest.approx(24.0)
    for name in ("temperature_drift", "supply_dip", "tilt_range", "gas_rise", "doors_open"):
        assert row[name] == pytest.approx(0.0)
    assert row["motor_idle"] == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("changes", "feature"),
    [
        ({"temperature_decicelsius": 400}, "temperature"),
        ({"tilt_mg": 300}, "tilt_range"),
        ({"vibration_mg_rms": 500}, "vibration_peak"),
        ({"gas_permille": 400}, "gas_rise"),
        ({"door_bits": 3}, "doors_open"),
        ({"supply_mv": 20_000}, "supply_dip"),
        ({"motor_current_ma": 900}, "motor_idle"),
    ],
)
def test_a_change_moves_its_feature(changes: dict[str, int], feature: str) -> None:
    before = calm(10)
    after = [msgspec.structs.replace(CALM, at_monotonic_s=10 + n / 5, **changes) for n in range(4)]
    assert feel(before + after)[feature] > feel(before)[feature] + 0.5


def test_rows_come_at_most_four_times_a_second_from_a_fast_link() -> None:
    features = MachineFeatures()
    rows = [features.update(reading) for reading in calm(10, rate=50.0)]
    assert 35 <= sum(row is not None for row in rows) <= 41


def test_the_rate_of_readings_hardly_matters() -> None:
    slow, fast = feel(calm(20, rate=3.0)), feel(calm(20, rate=30.0))
    assert np.allclose(list(slow.values()), list(fast.values()), atol=1e-3)


def test_a_few_readings_that_are_alike_say_nothing_of_a_sensor() -> None:
    features = MachineFeatures()
    rows = [features.update(reading) for reading in calm(12.0, rate=1.0)]  # a board at rest is read once a second
    assert [row is not None for row in rows] == [False] * 7 + [True] * 5
