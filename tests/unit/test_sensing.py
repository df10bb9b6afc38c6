"""What the watcher is told of the board: everything, homing as a state of its own."""

from dataclasses import fields
from typing import Any

from firmware_bridge.interfaces import BoardSnapshot
from kiosk.core.state import Deposit, State
from kiosk.management.handling import REACHED_IN, SNAPSHOTS, TAKEN, Handling
from kiosk.messages import HOMING
from kiosk.processes.sensing import MOTOR_SETTLES_S, Sensing


def snapshot(state: int, accepted: int, finished: int, **changes: Any) -> BoardSnapshot:
    zeros: dict[str, Any] = {field.name: 0 for field in fields(BoardSnapshot)} | {"events": ()}
    marks = {"state": state, "accepted_sequence": accepted, "finished_sequence": finished}
    return BoardSnapshot(**zeros | marks | changes)


def test_homing_is_told_as_such_until_its_motor_has_run_down() -> None:
    sensing = Sensing()
    assert sensing.reading(snapshot(0, 1, 1), 0.0).board_state == 0
    assert sensing.reading(snapshot(0, 2, 1), 1.0).board_state == HOMING
    assert sensing.reading(snapshot(0, 2, 2), 1.0 + MOTOR_SETTLES_S / 2).board_state == HOMING
    assert sensing.reading(snapshot(0, 2, 2), 1.0 + MOTOR_SETTLES_S).board_state == 0


def test_work_that_the_map_has_a_state_for_is_told_as_it_is() -> None:
    sensing = Sensing()
    assert [sensing.reading(snapshot(n, 2, 1), float(n)).board_state for n in range(1, 7)] == list(range(1, 7))


def test_notes_that_leave_the_tray_by_themselves_are_said_once_and_a_command_may_take_them() -> None:
    handling, deposit = Handling(), Deposit(state=State.STRAPPING)
    assert handling.seen(snapshot(0, 5, 5, tray_notes=9), deposit) == ""
    assert handling.seen(snapshot(0, 5, 5, tray_notes=7), deposit) == TAKEN
    assert handling.seen(snapshot(0, 5, 5, tray_notes=7), deposit) == ""
    assert handling.seen(snapshot(4, 6, 5, tray_notes=3), deposit) == ""  # it is being stored
    assert handling.seen(snapshot(0, 6, 6, tray_notes=0), deposit) == ""
    assert handling.seen(snapshot(0, 6, 6, boot_id=1), deposit) == ""  # another life of the board


def test_something_on_a_transport_that_stands_still_is_said_unless_a_note_waits_there() -> None:
    for state, told in ((State.REVIEW, REACHED_IN), (State.STACKING, "")):
        handling, deposit = Handling(), Deposit(state=state)
        heard = [handling.seen(snapshot(0, 5, 5, transport_occupied=True), deposit) for _ in range(SNAPSHOTS + 2)]
        assert [words for words in heard if words] == ([told] if told else [])
