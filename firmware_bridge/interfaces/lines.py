"""GPIO lines of the cabinet."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol


class Line(StrEnum):
    """Discrete lines by role; the configuration maps each to a GPIO number and a polarity."""

    SHUTTER_OPEN_CMD = "shutter_open_cmd"  # out: energised = open
    SHUTTER_CLOSED = "shutter_closed"  # in: fully closed
    SHUTTER_OPENED = "shutter_opened"  # in: fully open
    DOOR_CLOSED = "door_closed"  # in
    TAMPER = "tamper"  # in: true = tampered
    E_STOP = "e_stop"  # in: true = pressed
    SERVICE_KEY = "service_key"  # in: true = service position
    POWER_GOOD = "power_good"  # in
    HEADPHONES = "headphones"  # in: true = plugged in, by the switch of the jack
    ALARM = "alarm"  # out
    PORT_LAMP = "port_lamp"  # out


class Lines(Protocol):
    """All discrete lines, debounced, in positive logic."""

    def read(self, line: Line) -> bool: ...

    def write(self, line: Line, value: bool) -> None: ...  # noqa: FBT001 - a level is what is written

    def set_listener(self, listener: Callable[[Line, bool], None] | None) -> None:
        """Called on the event loop after each change of an input."""

    def close(self) -> None: ...
