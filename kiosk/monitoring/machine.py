"""Board readings to named machine features: pure, over a short window of time, in any reading rate.

Readings come over the bus a few a second; rows leave at most four times a second, so that a fast link does
not weigh more than a slow one. Units: degrees Celsius, volts, milli-g, permille, milliamperes.
"""

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from kiosk.messages import SensorReading

Row = npt.NDArray[np.float32]

NAMES: Final[tuple[str, ...]] = (
    "temperature",
    "temperature_drift",  # degrees a minute, over the slow window
    "supply",
    "supply_dip",  # median minus minimum of the window
    "tilt",
    "tilt_range",
    "vibration",
    "vibration_peak",
    "gas",
    "gas_rise",  # now minus the slow mean
    "busy",  # share of the window in which the board worked
    "motor",  # mean current over the window
    "motor_idle",  # mean current while the board is idle, the last known one while it is not
    "doors_open",
)
WINDOW_S: Final = 5.0
SLOW_S: Final = 30.0  # time constant of the slow means
ROW_INTERVAL_S: Final = 0.25
READINGS_MIN: Final = 8  # a board at rest is read once a second
READINGS_MAX: Final = 256
IDLE_STATE: Final = 0
SETTLE_S: Final = 0.5  # a motor's current may tail off for this long after the board reports idle


class MachineFeatures:
    """Keeps the readings of the last five seconds, and never fewer than READINGS_MIN."""

    def __init__(self) -> None:
        self._window: deque[SensorReading] = deque(maxlen=READINGS_MAX)
        self._slow_temperature: float | None = None
        self._slow_gas = 0.0
        self._busy_until_s = float("-inf")
        self._idle_ma: float | None = None
        self._row_s = float("-inf")

    def update(self, reading: SensorReading) -> Row | None:
        """float32 [d] in the order of NAMES; None when the last row is younger than 0.25 s.

        None also before READINGS_MIN: of two readings that are alike nobody may say that a sensor does not move.
        """
        self._remember(reading)
        if len(self._window) < READINGS_MIN:
            return None
        if reading.at_monotonic_s - self._row_s < ROW_INTERVAL_S - 1e-6:
            return None
        self._row_s = reading.at_monotonic_s
        window = self._window
        supply = np.array([r.supply_mv for r in window], float) / 1000
        tilt = np.array([r.tilt_mg for r in window], float)
        vibration = np.array([r.vibration_mg_rms for r in window], float)
        motor = np.array([r.motor_current_ma for r in window], float)
        gas = float(np.mean([r.gas_permille for r in window]))
        temperature = float(np.mean([r.temperature_decicelsius for r in window])) / 10
        slow_temperature = temperature if self._slow_temperature is None else self._slow_temperature
        return np.array(
            [
                temperature,
                (temperature - slow_temperature) * 60 / SLOW_S,
                float(np.median(supply)),
                float(np.median(supply) - supply.min()),
                float(np.median(tilt)),
                float(np.ptp(tilt)),
                float(vibration.mean()),
                float(vibration.max()),
                gas,
                gas - self._slow_gas,
                float(np.mean([r.board_state != IDLE_STATE for r in window])),
                float(motor.mean()),
                float(motor.min()) if self._idle_ma is None else self._idle_ma,
                float(reading.door_bits.bit_count()),
            ],
            np.float32,
        )

    def _remember(self, reading: SensorReading) -> None:
        now_s = reading.at_monotonic_s
        elapsed_s = max(0.0, now_s - self._window[-1].at_monotonic_s) if self._window else 0.0
        self._window.append(reading)
        while len(self._window) > READINGS_MIN and now_s - self._window[0].at_monotonic_s > WINDOW_S:
            self._window.popleft()
        self._follow_motor(reading, elapsed_s)
        temperature, gas = reading.temperature_decicelsius / 10, float(reading.gas_permille)
        if self._slow_temperature is None:
            self._slow_temperature, self._slow_gas = temperature, gas
            return
        share = 1.0 - float(np.exp(-elapsed_s / SLOW_S))
        self._slow_temperature += share * (temperature - self._slow_temperature)
        self._slow_gas += share * (gas - self._slow_gas)

    def _follow_motor(self, reading: SensorReading, elapsed_s: float) -> None:
        """Mean over about two seconds of the current that flows while nothing should move."""
        share = 1.0 - float(np.exp(-min(elapsed_s, 1.0) / 2.0))
        current = float(reading.motor_current_ma)
        if reading.board_state != IDLE_STATE:
            self._busy_until_s = reading.at_monotonic_s + SETTLE_S
        elif reading.at_monotonic_s >= self._busy_until_s:
            self._idle_ma = current if self._idle_ma is None else self._idle_ma + share * (current - self._idle_ma)
