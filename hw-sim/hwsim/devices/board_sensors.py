"""What the board's sensors read: a pure function of the machine's state, a seed and the time.

Also used to make training data for the machine stream, so nothing here knows why the state is as it is.
Orders of magnitude: a 24 V supply with 0.12 ohm of wiring, DC motors of one to two amperes with an inrush of
about 60 ms, MEMS accelerometer with 2 mg of noise, MOX gas sensor on a permille scale.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from hwsim.config import SensorConfig

TICK_S: Final = 0.02  # readings are constant within one sample of the board's converter
THERMAL_S: Final = 600.0  # time constant of the cabinet
INRUSH_S: Final = 0.06
WIRE_OHM: Final = 0.12
DAY_S: Final = 86_400.0


class Activity(StrEnum):
    """Which motor runs."""

    NONE = "none"
    BELT = "belt"
    STRAPPER = "strapper"
    APPLICATOR = "applicator"
    GATE = "gate"


_CURRENT_MA: Final = {
    Activity.NONE: 85.0,
    Activity.BELT: 620.0,
    Activity.STRAPPER: 1450.0,
    Activity.APPLICATOR: 780.0,
    Activity.GATE: 930.0,
}
_VIBRATION_MG: Final = {
    Activity.NONE: 2.2,
    Activity.BELT: 14.0,
    Activity.STRAPPER: 46.0,
    Activity.APPLICATOR: 22.0,
    Activity.GATE: 31.0,
}


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What somebody or something does to the cabinet; all zero normally."""

    vibration_mg: float = 0.0
    tilt_mg: float = 0.0
    gas_permille: float = 0.0
    heat_c: float = 0.0
    supply_mv: float = 0.0  # added, so a sag is negative
    current_ma: float = 0.0


@dataclass(frozen=True, slots=True)
class SensorState:
    """The state that the sensors see."""

    surroundings: SensorConfig
    activity: Activity = Activity.NONE
    activity_s: float = 0.0  # since the motor started
    load: float = 0.0  # 0..1, share of the last minutes that motors ran
    disturbance: Disturbance = Disturbance()


@dataclass(frozen=True, slots=True)
class Readings:
    """Register values: 0.1 C, mV, mg (signed), mg rms, permille, mA."""

    temperature_decicelsius: int
    supply_mv: int
    tilt_mg: int
    vibration_mg_rms: int
    gas_permille: int
    motor_current_ma: int


def read_sensors(state: SensorState, seed: int, at_s: float) -> Readings:
    """One sample at `at_s` seconds; the same arguments give the same readings."""
    rng = Random(seed * 1_000_003 + math.floor(at_s / TICK_S))
    around, odd = state.surroundings, state.disturbance
    current = _current_ma(state, rng)
    vibration = _VIBRATION_MG[state.activity] * (1.0 + 1.2 * around.wear) + odd.vibration_mg
    supply = around.supply_mv + odd.supply_mv - WIRE_OHM * current + 30.0 * math.sin(at_s / 47.0) + rng.gauss(0.0, 12.0)
    heat = 11.0 * state.load * (1.0 + 0.6 * around.wear) + odd.heat_c
    day = 2.0 * math.sin(2.0 * math.pi * at_s / DAY_S)
    gas = around.gas_permille + odd.gas_permille + 2.5 * math.sin(at_s / 310.0) + rng.gauss(0.0, 1.2)
    return Readings(
        temperature_decicelsius=_clip(10.0 * (around.ambient_c + day + heat) + rng.gauss(0.0, 1.0), -550, 1250),
        supply_mv=_clip(supply, 0, 0xFFFF),
        tilt_mg=_clip(around.tilt_mg + odd.tilt_mg + rng.gauss(0.0, 1.0 + 0.02 * vibration), -0x8000, 0x7FFF),
        vibration_mg_rms=_clip(vibration * abs(rng.gauss(1.0, 0.13)) + abs(rng.gauss(0.0, 0.7)), 0, 0xFFFF),
        gas_permille=_clip(gas, 0, 1000),
        motor_current_ma=_clip(current, 0, 0xFFFF),
    )


def _current_ma(state: SensorState, rng: Random) -> float:
    base = _CURRENT_MA[state.activity]
    if state.activity is Activity.NONE:
        return base + state.disturbance.current_ma + rng.gauss(0.0, 3.0)
    inrush = 1.6 * math.exp(-max(0.0, state.activity_s) / INRUSH_S)
    ripple = 0.05 * math.sin(2.0 * math.pi * 7.3 * state.activity_s) + rng.gauss(0.0, 0.035)
    worn = 1.0 + 0.45 * state.surroundings.wear
    return _CURRENT_MA[Activity.NONE] + base * worn * (1.0 + inrush + ripple) + state.disturbance.current_ma


def _clip(value: float, low: int, high: int) -> int:
    return max(low, min(high, round(value)))


class ThermalLoad:
    """Exponential average of motor activity, advanced in closed form."""

    def __init__(self, now_s: float) -> None:
        self._load = 0.0
        self._since_s = now_s
        self._running = False

    def at(self, now_s: float) -> float:
        goal = 1.0 if self._running else 0.0
        return goal + (self._load - goal) * math.exp(-(now_s - self._since_s) / THERMAL_S)

    def set_running(self, running: bool, now_s: float) -> None:  # noqa: FBT001
        self._load, self._since_s, self._running = self.at(now_s), now_s, running
