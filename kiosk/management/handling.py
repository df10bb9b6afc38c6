"""Hands where none should be: what the board's own counts say against a deposit, without any model."""

from typing import Final

from firmware_bridge.interfaces import BoardSnapshot, BoardState
from kiosk.core.state import Deposit, State

TAKEN: Final = "notes were taken from the tray without a command"
REACHED_IN: Final = "something is on the transport although nothing moves there"
SNAPSHOTS: Final = 3  # in a row: one may fall between two reports of one happening
_TRAY_ONLY_FILLS: Final = (BoardState.IDLE, BoardState.COLLECTING, BoardState.STRAPPING, BoardState.MARKING)
_NOTHING_MOVES: Final = (State.REVIEW, State.SUSPENDED)


class Handling:
    """Shown every snapshot in order."""

    def __init__(self) -> None:
        self._before: BoardSnapshot | None = None
        self._occupied = 0

    def seen(self, snapshot: BoardSnapshot, deposit: Deposit) -> str:
        """What has just begun to be wrong, in words; empty when nothing has."""
        before, self._before = self._before, snapshot
        at_rest = snapshot.state == BoardState.IDLE and snapshot.accepted_sequence == snapshot.finished_sequence
        still = at_rest and deposit.state in _NOTHING_MOVES and not deposit.on_board
        self._occupied = self._occupied + 1 if still and snapshot.transport_occupied else 0
        if self._occupied == SNAPSHOTS:
            return REACHED_IN
        if before is None or not self._same_work(before, snapshot) or deposit.state is State.RESETTING:
            return ""
        return TAKEN if snapshot.tray_notes < before.tray_notes else ""

    def _same_work(self, before: BoardSnapshot, snapshot: BoardSnapshot) -> bool:
        """Whether no command began or ended between the two, and none that empties the tray is under way."""
        marks = (
            (one.boot_id, one.accepted_sequence, one.finished_sequence, one.map_version) for one in (before, snapshot)
        )
        return next(marks) == next(marks) and {before.state, snapshot.state} <= set(_TRAY_ONLY_FILLS)
