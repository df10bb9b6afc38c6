"""Sensors that stand still or repeat themselves are noticed; living ones are not, however long they are watched."""

import msgspec
import numpy as np
import pytest

from kiosk.messages import SensorReading
from kiosk.monitoring.steadiness import STILL_READINGS_MAX, SensorWatch
from tests.unit.test_machine_features import CALM


def living(count: int, seed: int = 1, first: int = 0) -> list[SensorReading]:
    """Noise as in the sensors' data sheets, rounded to their digits."""
    rng = np.random.default_rng(seed)
    return [
        msgspec.structs.replace(
            CALM,
            at_monotonic_s=(first + index) / 6.0,
            supply_mv=round(rng.normal(24_000, 10)),
            motor_current_ma=round(rng.normal(85, 3)),
            tilt_mg=round(rng.normal(3, 1.2)),
            vibration_mg_rms=round(rng.normal(5, 0.8)),
            temperature_decicelsius=round(rng.normal(220, 1.2)),
        )
        for index in range(count)
    ]


def said(readings: list[SensorReading]) -> set[str]:
    watch = SensorWatch()
    return set().union(*(watch.update(reading) for reading in readings))


def test_living_sensors_are_left_alone() -> None:
    assert said(living(20_000)) == set()


@pytest.mark.parametrize("sensor", STILL_READINGS_MAX)
def test_a_stuck_sensor_is_named(sensor: str) -> None:
    before = living(60)
    stuck = {sensor: getattr(before[-1], sensor)}
    after = [msgspec.structs.replace(one, **stuck) for one in living(60, 2, 60)]
    assert said(before + after) == {sensor}


def test_a_recording_is_told_and_forgotten_when_it_ends() -> None:
    watch, before = SensorWatch(), living(80)
    again = [msgspec.structs.replace(one, at_monotonic_s=20.0 + n / 6) for n, one in enumerate(before[40:60])]
    assert not any(watch.update(one) for one in before)
    assert [watch.update(one) for one in again][-1] == {"replayed"}
    assert not [watch.update(one) for one in living(40, 3, 200)][-1]
