"""Carries out what a schedule's physics, power, lines, disk and clock do, each at its moment."""

import contextlib
import random
import sqlite3
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hwsim.errors import UnknownFault
from kiosk.messages import AssessRequest, RiskReport
from tests.simulation import kinds
from tests.simulation.noise import LineNoise
from tests.simulation.rig import reported
from tests.simulation.schedule import Crash, Strike

if TYPE_CHECKING:
    from tests.simulation.play import Play

_ALTERING: Final = frozenset({"line.corrupt", "line.loss", "line.duplicate"})
_BY_LABEL = {kind.label: kind for kind in kinds.FAULTS}
SWAPPED_SERIAL = 815
SLOW_COMMIT_S = 0.4  # a worn SD card that moves its blocks about


class Fate:
    """Armed when a deposit begins; the second and third crash are armed when the controller is back."""

    def __init__(self, play: "Play") -> None:
        self._play = play
        self._rig = play.rig
        self.struck: Counter[str] = Counter()
        self.spoiled: set[int] = set()  # receipts whose bytes were altered on their way: nothing on that line tells
        self.disk = ""  # full, read_only: what stands in the way of writes until somebody mends it
        self.noise = LineNoise(random.Random(f"noise/{play.schedule.seed}"), self._line_troubled)
        self._crashes = list(play.schedule.crashes)
        self._armed: Crash | None = None
        self._grade = "low"
        self._lens = "clear"
        self._rig.grade = self._graded

    # --- when -------------------------------------------------------------------------------------------

    def deposit_began(self, number: int) -> None:
        """The n-th visit's deposit is durable: everything that belongs to it is set going."""
        loop = self._rig.loop
        for strike in self._play.schedule.strikes:
            if strike.deposit == number:
                loop.call_later(max(strike.at_s, 0.0), self.strike, strike)
        for noise in self._play.schedule.noises:
            if noise.deposit == number:
                loop.call_later(max(noise.at_s, 0.0), self._begin_noise, noise)
        if self._crashes and self._crashes[0].deposit == number and self._armed is None and not self._play.crashes:
            self._arm()

    def restarted(self) -> None:
        """The controller is up again: the next crash counts from here. The disk is as bad as it was."""
        self.spoil_disk()
        if self._crashes and self._armed is None and self._play.crashes:
            self._arm()

    def _arm(self) -> None:
        crash = self._armed = self._crashes.pop(0)
        rig = self._rig
        if crash.where == "time":
            rig.loop.call_later(crash.at_s, self._crash, crash)
            return
        rig.crash_at = (crash.where, rig.counts.get(crash.where, 0) + crash.nth)
        rig.on_crash_point = lambda: self._crash(crash)

    def _crash(self, crash: Crash) -> bool:
        """At the crash point. Whether the controller died of it."""
        if self._rig.crashed or self._armed is not crash:
            return False
        self._armed = None
        self.happened(f"crash.{crash.what}")
        if crash.what in ("all", "controller"):
            self._rig.crash_takes_power = crash.what == "all"
            self._play.dark_s = crash.dark_s
            self._rig.die()
            return True
        self._play.crashes += 1
        self._rig.world.power(crash.what, on=False)
        self._rig.loop.call_later(min(crash.dark_s, 40.0), self._power_back, crash.what)
        self._rig.loop.call_later(min(crash.dark_s, 40.0) + 1.0, self.restarted)
        return False

    def _power_back(self, device: str) -> None:
        if not (self._rig.crashed and self._rig.crash_takes_power):
            self._rig.world.power(device, on=True)

    # --- what -------------------------------------------------------------------------------------------

    def happened(self, label: str) -> None:
        """Count it, and remember it against the deposit that it fell into."""
        self.struck[label] += 1
        self._play.cause(label)

    def _line_troubled(self, label: str, line: str) -> None:
        self._play.cause(label)
        if line == "receipt>" and label in _ALTERING:
            printed = self._rig.receipts.printed
            self.spoiled.add(printed[-1].number + 1 if printed else 1)
        self._play.tell(f"{label} on {line}")

    def _begin_noise(self, noise: Any) -> None:
        self.struck[f"line.{noise.kind}"] += 1
        self.noise.begin(noise)
        self._rig.line_noise = self.noise

    def strike(self, strike: Strike) -> None:
        """One trouble of a schedule, now."""
        kind = _BY_LABEL.get(strike.kind)
        if kind is None:
            self.happened(strike.kind)
            self._other(strike)
            return
        parameters = dict(strike.parameters)
        if "line" in parameters:
            parameters["line"] = parameters["line"].rstrip("!")
        if kind.fault == "line_pulse":
            parameters["seconds"] = strike.seconds
        with contextlib.suppress(UnknownFault):  # of another validator than the one that is built in
            self._rig.world.fault(kind.device, kind.fault, **parameters)
            self.happened(strike.kind)

    def _other(self, strike: Strike) -> None:
        group, _, what = strike.kind.partition(".")
        match group:
            case "hand":
                self._rig.world.set_scene(hand=True)
                self._rig.loop.call_later(strike.seconds, lambda: self._rig.world.set_scene(hand=False))
            case "stock":
                self._stock(what)
            case "disk":
                self._disk(what, strike.seconds)
            case "clock":
                self._clock(what)
            case "mains":
                self._mains_fail(strike.seconds, goes=what == "gone")
            case "people" if what == "reset":
                self._rig.loop.create_task(self._play.staff.reset())
            case "people":
                self._play.staff.wants_exchange = True
            case _ if what == "covered":
                self._lens = "covered"
            case _:
                self._grade = what

    def _stock(self, what: str) -> None:
        world = self._rig.world
        if what == "straps_out":
            world.restock(straps=0)
        else:
            world.slots = ["earlier" if number else slot for number, slot in enumerate(world.slots)]

    def _disk(self, what: str, seconds: float) -> None:
        if what == "slow":
            self._rig.commit_s = SLOW_COMMIT_S
            self._rig.loop.call_later(seconds, setattr, self._rig, "commit_s", self._play.schedule.commit_s)
        else:
            self.disk = what
            self.spoil_disk()

    def _clock(self, what: str) -> None:
        if what == "unsynchronised":
            self._rig.synchronised = False
        else:
            self._rig.clock.step += timedelta(days=-1 if what == "back_a_day" else 365)

    def _mains_fail(self, seconds: float, *, goes: bool) -> None:
        """The kiosk runs on by its own supply; in the end it is dark, unless the mains comes back before."""
        world = self._rig.world
        world.set_line("power_good", False)
        if goes:
            self._rig.loop.call_later(self._rig.hold_up_s, self._supply_empty, seconds)
        else:
            self._rig.loop.call_later(seconds, world.set_line, "power_good", True)

    def _supply_empty(self, dark_s: float) -> None:
        rig = self._rig
        rig.loop.call_later(dark_s, rig.world.set_line, "power_good", True)
        if rig.crashed and rig.crash_takes_power:
            return  # dark already
        self._play.cause("crash.all")
        self._play.dark_s, rig.crash_takes_power = dark_s, True
        rig.die()

    def spoil_disk(self) -> None:
        """What a full or read-only disk is to SQLite, by its own means: the engine itself refuses the write."""
        if not self.disk or self._rig.crashed:
            return
        connection: sqlite3.Connection = self._rig.journal._connection  # noqa: SLF001 - there is no other way in
        with contextlib.suppress(sqlite3.Error):
            if self.disk == "read_only":
                connection.execute("PRAGMA query_only = ON")
            else:
                connection.execute("PRAGMA max_page_count = 1")  # never less than it has: no page more

    def mended(self) -> None:
        """The technician was there: disk, lines, scene and watcher are good again."""
        if self.disk and not self._rig.crashed:
            connection: sqlite3.Connection = self._rig.journal._connection  # noqa: SLF001
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA query_only = OFF")
                connection.execute("PRAGMA max_page_count = 1073741823")
        self.disk = ""
        self.noise.end()
        self._grade, self._lens = "low", "clear"

    def _graded(self, request: AssessRequest) -> RiskReport | None:
        return None if self._grade == "silent" else reported(request, self._grade, self._lens)
