"""Which of the deposit board's snapshots the watcher is told of.

Homing and self-test have no state in the board's map: told as idle, the board's own motor would look like somebody
else's doing, and the deposit would be refused as high risk. They happen behind a closed shutter.
"""

from typing import Final

from firmware_bridge.interfaces import BoardSnapshot

IDLE: Final = 0
MOTOR_SETTLES_S: Final = 0.5  # its current tails off for so long after the board has come to rest


class Sensing:
    """Asked for each snapshot in turn."""

    def __init__(self) -> None:
        self._quiet_until_s = float("-inf")

    def tells(self, snapshot: BoardSnapshot, now_s: float) -> bool:
        """Whether this one says something about the machine's surroundings."""
        if snapshot.state == IDLE and snapshot.accepted_sequence != snapshot.finished_sequence:
            self._quiet_until_s = now_s + MOTOR_SETTLES_S
        return now_s >= self._quiet_until_s
