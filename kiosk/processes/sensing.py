"""What the watcher is told of the deposit board.

Homing and self-test have no state in the board's map: told as idle, the board's own motor would look like somebody
else's doing. They are told as a state of their own, which counts as work; so nothing is hidden from the watcher while
they last.
"""

from typing import Final

from firmware_bridge.interfaces import BoardSnapshot
from kiosk.messages import HOMING, SensorReading

IDLE: Final = 0
MOTOR_SETTLES_S: Final = 0.5  # its current tails off for so long after the board has come to rest


class Sensing:
    """Asked for each snapshot in turn."""

    def __init__(self) -> None:
        self._homing_until_s = float("-inf")

    def reading(self, snapshot: BoardSnapshot, now_s: float) -> SensorReading:
        """The message to the watcher."""
        state = snapshot.state
        if state == IDLE and snapshot.accepted_sequence != snapshot.finished_sequence:
            self._homing_until_s = now_s + MOTOR_SETTLES_S
        if state == IDLE and now_s < self._homing_until_s:
            state = HOMING
        return SensorReading(
            at_monotonic_s=now_s,
            board_state=state,
            temperature_decicelsius=snapshot.temperature_decicelsius,
            supply_mv=snapshot.supply_mv,
            tilt_mg=snapshot.tilt_mg,
            vibration_mg_rms=snapshot.vibration_mg_rms,
            gas_permille=snapshot.gas_permille,
            motor_current_ma=snapshot.motor_current_ma,
            door_bits=snapshot.door_bits,
            tray_notes=snapshot.tray_notes,
            transport_occupied=snapshot.transport_occupied,
        )
