"""Where a deposit's notes are and what stands in their way, as the screen may tell the depositor."""

from collections import Counter
from typing import Final

from firmware_bridge.interfaces import BoardEventCode, BoardResult, BoardSnapshot
from kiosk.core.money import Place
from kiosk.core.state import Deposit, State
from kiosk.messages import Amount, NotesAt, Obstacle

_BOARD_JAMS: Final[dict[int, Obstacle]] = {1: "transport", 2: "tray", 3: "gate"}  # arguments of the board's event
_RESULTS: Final[dict[int, Obstacle]] = {BoardResult.NO_TRAY: "tray_out", BoardResult.INTERLOCK: "door"}


def notes_at(deposit: Deposit) -> tuple[NotesAt, ...]:
    """How many of its notes are where; those that are out again are in no machine."""
    counted = Counter(str(note.place) for note in deposit.notes if note.place is not Place.OUT)
    return tuple(NotesAt(place, counted[place]) for place in map(str, Place) if counted[place])


def obstacle(deposit: Deposit, board: BoardSnapshot | None) -> Obstacle:
    """Where a person must help before it goes on; empty when nothing stands in the way."""
    if deposit.state is State.JAMMED:
        return "validator" if deposit.jam_safe or deposit.in_flight is not None else "port"
    if not deposit.waiting:
        return ""
    if board is None or board.finished_result != BoardResult.JAM:
        return _RESULTS.get(board.finished_result, "board") if board is not None else "board"
    jams = [event.argument for event in board.events if event.code == BoardEventCode.JAM]
    return _BOARD_JAMS.get(jams[-1], "board") if jams else "board"


def room(deposit: Deposit, total: dict[str, int]) -> tuple[Amount, ...]:
    """How much more the limits let in, minor units; 0 where not even the smallest note fits any more."""
    policy = deposit.policy
    left = {limit.currency: policy.room_minor(limit.currency) - total.get(limit.currency, 0) for limit in policy.limits}
    smallest = {
        currency: min((kind.value_minor for kind in policy.kinds if kind.currency == currency), default=0)
        for currency in left
    }
    return tuple(
        Amount(minor if minor >= smallest[currency] else 0, currency) for currency, minor in sorted(left.items())
    )
