"""What the watcher is told of the board: not the board's own homing, which its state register calls idle."""

from dataclasses import fields
from typing import Any

from firmware_bridge.interfaces import BoardSnapshot
from kiosk.processes.sensing import MOTOR_SETTLES_S, Sensing


def snapshot(state: int, accepted: int, finished: int) -> BoardSnapshot:
    zeros: dict[str, Any] = {field.name: 0 for field in fields(BoardSnapshot)} | {"events": ()}
    return BoardSnapshot(**zeros | {"state": state, "accepted_sequence": accepted, "finished_sequence": finished})


def test_homing_is_not_told_as_an_idle_board_whose_motor_runs() -> None:
    sensing = Sensing()
    assert sensing.tells(snapshot(0, 1, 1), 0.0)
    assert not sensing.tells(snapshot(0, 2, 1), 1.0)  # it homes
    assert not sensing.tells(snapshot(0, 2, 2), 1.0 + MOTOR_SETTLES_S / 2)  # its motor runs down
    assert sensing.tells(snapshot(0, 2, 2), 1.0 + MOTOR_SETTLES_S)


def test_work_that_the_map_has_a_state_for_is_told() -> None:
    sensing = Sensing()
    assert all(sensing.tells(snapshot(state, 2, 1), float(state)) for state in range(1, 7))
