"""The port's shutter: a spring closes it, the command line holds it open, a hand can block it."""

from enum import StrEnum

from hwsim.lines import LineLevels, Role
from hwsim.scheduler import Scheduler, Timers


class ShutterState(StrEnum):
    """What its two sensors would say, in one word."""

    OPEN = "open"
    CLOSED = "closed"
    MOVING = "moving"  # also: held half-way by a hand or jammed


class Shutter:
    """Position 0 (closed) to 1 (open), linear in time; sensors only at the ends."""

    def __init__(self, lines: LineLevels, scheduler: Scheduler, move_s: float) -> None:
        self._lines = lines
        self._scheduler = scheduler
        self._timers = Timers(scheduler)
        self._move_s = max(move_s, 1e-6)
        self._start = 0.0
        self._goal = 0.0
        self._since_s = scheduler.time()
        self._hand = False
        self._jammed = False
        self._powered = True
        lines.observe(self._line_changed)

    @property
    def position(self) -> float:
        """0 closed .. 1 open, now."""
        travelled = (self._scheduler.time() - self._since_s) / self._move_s
        if self._goal >= self._start:
            return min(self._goal, self._start + travelled)
        return max(self._goal, self._start - travelled)

    @property
    def state(self) -> ShutterState:
        if self.position >= 1.0:
            return ShutterState.OPEN
        return ShutterState.CLOSED if self.position <= 0.0 else ShutterState.MOVING

    def set_hand(self, present: bool) -> None:  # noqa: FBT001
        """A hand in the port: the shutter stops against it and goes on when it leaves."""
        self._hand = present
        self._head()

    def set_jam(self, jammed: bool) -> None:  # noqa: FBT001
        self._jammed = jammed
        self._head()

    def set_power(self, on: bool) -> None:  # noqa: FBT001
        """Without power the spring closes it, whatever the command says."""
        self._powered = on
        self._head()

    def _line_changed(self, role: Role, _level: bool) -> None:  # noqa: FBT001
        if role is Role.SHUTTER_OPEN_CMD:
            self._head()

    def _head(self) -> None:
        """Set out for where command, power, hand and jam let it go."""
        here = self.position
        wanted = 1.0 if self._powered and self._lines.read(Role.SHUTTER_OPEN_CMD) else 0.0
        blocked = self._jammed or (self._hand and wanted < here)
        self._start, self._goal, self._since_s = here, (here if blocked else wanted), self._scheduler.time()
        self._sense()
        self._timers.stop("arrive")
        if self._goal != here:
            # A sensor trips as the blade leaves its end, and again when it arrives.
            self._lines.put(Role.SHUTTER_CLOSED, level=False)
            self._lines.put(Role.SHUTTER_OPENED, level=False)
            self._timers.start("arrive", abs(self._goal - here) * self._move_s, self._arrived)

    def _arrived(self) -> None:
        self._start = self._goal
        self._sense()

    def _sense(self) -> None:
        here = self._start
        self._lines.put(Role.SHUTTER_CLOSED, here <= 0.0)
        self._lines.put(Role.SHUTTER_OPENED, here >= 1.0)
