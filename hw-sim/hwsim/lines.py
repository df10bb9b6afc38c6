"""Discrete lines by role, in positive logic. The kiosk drives the outputs, the world the inputs."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from hwsim.errors import UnknownFault


class Role(StrEnum):
    """What a line means."""

    SHUTTER_OPEN_CMD = "shutter_open_cmd"
    SHUTTER_CLOSED = "shutter_closed"
    SHUTTER_OPENED = "shutter_opened"
    DOOR_CLOSED = "door_closed"
    TAMPER = "tamper"
    E_STOP = "e_stop"
    SERVICE_KEY = "service_key"
    POWER_GOOD = "power_good"
    HEADPHONES = "headphones"
    ALARM = "alarm"
    PORT_LAMP = "port_lamp"


OUTPUTS: Final = frozenset({Role.SHUTTER_OPEN_CMD, Role.ALARM, Role.PORT_LAMP})
# What a hand moves, in the cabinet or at the jack; the shutter's sensors follow the shutter alone.
BY_HAND: Final = frozenset(
    {Role.DOOR_CLOSED, Role.TAMPER, Role.E_STOP, Role.SERVICE_KEY, Role.POWER_GOOD, Role.HEADPHONES}
)

_IDLE: Final = {
    Role.SHUTTER_OPEN_CMD: False,
    Role.SHUTTER_CLOSED: True,
    Role.SHUTTER_OPENED: False,
    Role.DOOR_CLOSED: True,
    Role.TAMPER: False,
    Role.E_STOP: False,
    Role.SERVICE_KEY: False,
    Role.POWER_GOOD: True,
    Role.HEADPHONES: False,
    Role.ALARM: False,
    Role.PORT_LAMP: False,
}

Observer = Callable[[Role, bool], None]


def role_of(name: str) -> Role:
    """The role of a name; `UnknownFault` with the list otherwise."""
    try:
        return Role(name)
    except ValueError:
        message = f"no line {name!r}"
        raise UnknownFault(message, f"Lines: {', '.join(Role)}.") from None


class LineLevels:
    """Levels of all lines; observers hear each change once, after it."""

    def __init__(self) -> None:
        self._levels = dict(_IDLE)
        self._stuck: dict[Role, bool] = {}
        self._observers: list[Observer] = []

    def read(self, role: str) -> bool:
        """The level that a reader sees (a stuck line keeps its own)."""
        known = role_of(role)
        return self._stuck.get(known, self._levels[known])

    def drive(self, role: str, level: bool) -> None:  # noqa: FBT001 - a level is what is written
        """The kiosk's side: outputs only."""
        known = role_of(role)
        if known not in OUTPUTS:
            message = f"{known} is an input of the kiosk"
            raise UnknownFault(message)
        self.put(known, level)

    def put(self, role: Role, level: bool) -> None:  # noqa: FBT001
        """The world's side: any line."""
        before = self.read(role)
        self._levels[role] = level
        self._tell(role, before)

    def stick(self, role: Role, level: bool | None) -> None:  # noqa: FBT001
        """A stuck sensor or a broken wire; None repairs it."""
        before = self.read(role)
        if level is None:
            self._stuck.pop(role, None)
        else:
            self._stuck[role] = level
        self._tell(role, before)

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    def all(self) -> dict[str, bool]:
        return {role.value: self.read(role) for role in Role}

    def _tell(self, role: Role, before: bool) -> None:  # noqa: FBT001
        after = self.read(role)
        if after != before:
            for observer in tuple(self._observers):
                observer(role, after)
