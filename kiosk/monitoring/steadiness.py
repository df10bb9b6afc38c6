"""Do the board's sensors live? A stuck one stands still, a recording repeats itself, noise does neither. Pure.

The model judges what a reading says, and a reading that was normal once stays normal however often it is repeated. So
what is looked at here is not the values but that they change: a living sensor has noise in its last digit.
"""

from collections import OrderedDict, deque
from typing import Final

from kiosk.messages import SensorReading

# More than twice the longest run in 80 simulated lives. Only where a real one cannot rest for long either: a digital
# thermometer, a cabinet that nothing shakes and a gas sensor in clean air may well read the same for minutes.
STILL_READINGS_MAX: Final[dict[str, int]] = {"supply_mv": 10, "motor_current_ma": 12, "tilt_mg": 20}
ANALOGUE: Final = (*STILL_READINGS_MAX, "vibration_mg_rms", "temperature_decicelsius", "gas_permille")
SEQUENCE: Final = 3  # readings, all of whose analogue values come again together in the same order
KEPT: Final = 4096  # sequences: half an hour of deposits
SEEN_FOR_READINGS: Final = 12  # after a repetition, so long it is said


class SensorWatch:
    """Feed it every reading in order."""

    def __init__(self) -> None:
        self._still: dict[str, tuple[int, int]] = {}  # sensor -> its last value, how many readings it has stood
        self._recent: deque[tuple[int, ...]] = deque(maxlen=SEQUENCE)
        self._known: OrderedDict[tuple[tuple[int, ...], ...], None] = OrderedDict()
        self._repeated_for = 0

    def update(self, reading: SensorReading) -> frozenset[str]:
        """What is wrong with the sensors as of this reading: names of stuck ones, or "replayed". Empty: they live."""
        wrong = {name for name, limit in STILL_READINGS_MAX.items() if self._stood(name, reading) > limit}
        values = tuple(int(getattr(reading, name)) for name in ANALOGUE)
        # A reading that is delivered twice is no recording; and a standing one is told as stuck.
        if not self._recent or values != self._recent[-1]:
            self._recent.append(values)
            self._repeated_for = SEEN_FOR_READINGS if self._again() else max(0, self._repeated_for - 1)
        if self._repeated_for:
            wrong.add("replayed")
        return frozenset(wrong)

    def _stood(self, name: str, reading: SensorReading) -> int:
        value = int(getattr(reading, name))
        last, readings = self._still.get(name, (value, 0))
        readings = readings + 1 if value == last else 1
        self._still[name] = (value, readings)
        return readings

    def _again(self) -> bool:
        if len(self._recent) < SEQUENCE:
            return False
        sequence = tuple(self._recent)
        known = sequence in self._known
        self._known[sequence] = None
        self._known.move_to_end(sequence)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return known
