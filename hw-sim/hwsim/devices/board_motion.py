"""What the board's motors do, one operation at a time. Effects come part-way, reports at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hwsim.config import BoardConfig
from hwsim.devices.board_memory import EventCode, JamPlace, Memory, NonVolatile, Opcode, Result, State
from hwsim.devices.board_sensors import Activity, ThermalLoad
from hwsim.lines import Role
from hwsim.notes import Note, Place
from hwsim.scheduler import Timers
from hwsim.world import PeeledLabel, World

ANY_COUNT: Final = 0xFFFF
STRAP_BIT: Final = 1
LABEL_BIT: Final = 2
STORED_BIT: Final = 4

_STATES: Final = {
    Opcode.COLLECT: State.COLLECTING,
    Opcode.STRAP: State.STRAPPING,
    Opcode.APPLY_LABEL: State.MARKING,
    Opcode.STORE: State.STORING,
    Opcode.RETURN_TRAY: State.RETURNING,
    Opcode.PURGE: State.RETURNING,
}
_ACTIVITIES: Final = {
    Opcode.HOME: Activity.GATE,
    Opcode.COLLECT: Activity.BELT,
    Opcode.STRAP: Activity.STRAPPER,
    Opcode.APPLY_LABEL: Activity.APPLICATOR,
    Opcode.STORE: Activity.GATE,
    Opcode.RETURN_TRAY: Activity.BELT,
    Opcode.PURGE: Activity.BELT,
}
_ALLOWED_IN_FAULT: Final = frozenset({Opcode.HOME, Opcode.PURGE, Opcode.SELF_TEST, Opcode.SET_LAMP})
_STILL: Final = frozenset({Opcode.SELF_TEST, Opcode.SET_LAMP})  # no motor moves: no interlock


@dataclass(slots=True)
class Machine:
    """Physical facts of the board: they outlive a power cut."""

    strap_present: bool = False
    label: PeeledLabel | None = None  # on the bundle
    tray_out: bool = False
    jam: JamPlace | None = None
    jam_stubborn: bool = False


@dataclass(slots=True)
class Plans:
    """What faults have laid in the way; counts down."""

    jam: JamPlace | None = None
    jam_stubborn: bool = False
    strap_fails: int = 0
    label_fails: int = 0
    counter_misses: int = 0


class Motion:
    """Runs one operation at a time on the world's notes."""

    def __init__(
        self, world: World, config: BoardConfig, timers: Timers, now_ms: Callable[[], int], faulty: Callable[[], bool]
    ) -> None:
        self.machine = Machine()
        self.plans = Plans()
        self.flash = NonVolatile()
        self.activity = Activity.NONE
        self.activity_since_s = 0.0
        self.load = ThermalLoad(world.now_s())
        self._world = world
        self._config = config
        self._timers = timers
        self._now_ms = now_ms
        self._faulty = faulty  # a sensor is stuck: self-test says so
        self._memory = Memory(0, 0)
        self._opcode: Opcode | None = None
        self._arguments: tuple[int, ...] = ()
        self._found = 0
        self._effects: dict[Opcode, Callable[[], None]] = {
            Opcode.HOME: self._home,
            Opcode.STRAP: self._strap,
            Opcode.APPLY_LABEL: self._apply_label,
            Opcode.STORE: self._store,
            Opcode.RETURN_TRAY: self._return_tray,
            Opcode.PURGE: self._purge,
        }
        self._reports: dict[Opcode, Callable[[], Result]] = {
            Opcode.HOME: self._report_home,
            Opcode.STRAP: self._report_strap,
            Opcode.APPLY_LABEL: self._report_label,
            Opcode.STORE: self._report_store,
            Opcode.RETURN_TRAY: self._report_return,
            Opcode.PURGE: self._report_purge,
            Opcode.SELF_TEST: self._report_self_test,
            Opcode.SET_LAMP: self._report_lamp,
        }
        world.notes.observe(self._note_moved)
        world.lines.observe(self._line_changed)

    # --- power and events ------------------------------------------------------------------------------

    def power_on(self, memory: Memory) -> None:
        """Sensors tell what lies there; everything else starts anew."""
        self._memory = memory
        memory.counted = self.in_tray
        memory.bundle_bits = STRAP_BIT * self.machine.strap_present | LABEL_BIT * (self.machine.label is not None)
        if self.machine.jam is not None:
            memory.state = State.FAULT

    def power_off(self) -> None:
        self._opcode = None
        self._run(Activity.NONE)

    @property
    def in_tray(self) -> int:
        """What the tray really holds."""
        return 0 if self.machine.tray_out else self._world.notes.count(Place.TRAY, Place.BUNDLE)

    @property
    def interlocked(self) -> bool:
        lines = self._world.lines
        return not lines.read(Role.DOOR_CLOSED) or lines.read(Role.E_STOP)

    @property
    def door_bits(self) -> int:
        lines = self._world.lines
        return (not lines.read(Role.DOOR_CLOSED)) | self.machine.tray_out << 1 | lines.read(Role.E_STOP) << 2

    def event(self, code: EventCode, argument: int = 0) -> None:
        self._memory.event(code, argument, self._now_ms())
        self._world.announce("board", code.name.lower(), argument=argument)

    # --- start and end ---------------------------------------------------------------------------------

    def start(self, opcode: int, arguments: tuple[int, ...]) -> None:
        """Begin an accepted command; a missing precondition ends it at once with its result."""
        self._found = 0
        known = opcode in set(Opcode)
        refusal = self._refusal(Opcode(opcode), arguments) if known else Result.REFUSED
        if refusal is not None:
            self._opcode = None
            self._end(refusal)
            return
        self._opcode, self._arguments = Opcode(opcode), arguments
        self._world.announce("board", "started", opcode=self._opcode.name.lower())
        self._memory.state = _STATES.get(self._opcode, self._memory.state)
        self._run(_ACTIVITIES.get(self._opcode, Activity.NONE))
        if self._opcode is Opcode.COLLECT:
            self._begin_collect()
            return
        if self._opcode in {Opcode.STORE, Opcode.PURGE}:
            self._open_gate()
        duration_s = self._durations()[self._opcode]
        self._timers.start("effect", duration_s * self._config.commit_fraction, self._effect)
        self._timers.start("end", duration_s, self._report)

    def _durations(self) -> dict[Opcode, float]:
        config = self._config
        return {
            Opcode.HOME: config.home_s,
            Opcode.STRAP: config.strap_s,
            Opcode.APPLY_LABEL: config.label_s,
            Opcode.STORE: config.store_s,
            Opcode.RETURN_TRAY: config.return_s,
            Opcode.PURGE: config.purge_s,
            Opcode.SELF_TEST: config.self_test_s,
            Opcode.SET_LAMP: config.lamp_s,
        }

    def _refusal(self, opcode: Opcode, arguments: tuple[int, ...]) -> Result | None:
        if opcode in _STILL:
            return None
        if self.interlocked:
            return Result.INTERLOCK
        if self._memory.state is State.FAULT and opcode not in _ALLOWED_IN_FAULT:
            return Result.REFUSED
        if self.machine.tray_out:
            return Result.NO_TRAY
        if opcode is Opcode.APPLY_LABEL and self._world.peel_bar is None:
            self.event(EventCode.LABEL_FAILED, arguments[2])
        return None if self._possible(opcode, arguments) else Result.REFUSED

    def _possible(self, opcode: Opcode, arguments: tuple[int, ...]) -> bool:
        strapped, counted = self.machine.strap_present, self._memory.counted
        if opcode is Opcode.COLLECT:
            return not strapped
        if opcode is Opcode.STRAP:
            return not strapped and counted > 0 and self._world.straps > 0
        if opcode is Opcode.APPLY_LABEL:
            return self._world.peel_bar is not None and (strapped or counted > 0)
        if opcode is Opcode.STORE:
            slot = arguments[0]
            return slot < len(self._world.slots) and not self._world.slots[slot] and (strapped or counted > 0)
        if opcode is Opcode.RETURN_TRAY:
            return not strapped and not self._world.notes.count(Place.BEZEL, Place.THROAT, Place.PATH)
        return True

    def _end(self, result: Result) -> None:
        memory = self._memory
        for timer in ("effect", "end", "note", "quiet", "settle"):
            self._timers.stop(timer)
        self._run(Activity.NONE)
        memory.finished, memory.result = memory.accepted, result
        if result is Result.JAM:
            memory.state = State.FAULT
        elif memory.state is not State.FAULT or self._opcode is Opcode.HOME:
            memory.state = State.FAULT if self.machine.jam is not None else State.IDLE
        if self._opcode in {Opcode.STORE, Opcode.PURGE}:
            memory.gate_open = False
        name = self._opcode.name.lower() if self._opcode is not None else "refused"
        self._opcode = None
        self._world.announce("board", "finished", opcode=name, result=result.name.lower())

    def stop(self, result: Result) -> None:
        """Interlock or watchdog: motors stop where they are, the gate closes."""
        self._memory.gate_open = False
        if self._opcode is not None and (self._opcode not in _STILL or result is not Result.INTERLOCK):
            self._end(result)

    # --- effects and reports ---------------------------------------------------------------------------

    def _effect(self) -> None:
        """The physical change. After it a power cut leaves the fact without its report."""
        if not self._jams(self._opcode) and self._opcode in self._effects:
            self._effects[self._opcode]()

    def _apply_label(self) -> None:
        label = self._world.take_label()
        if self.plans.label_fails > 0 or label is None:
            self.plans.label_fails = max(0, self.plans.label_fails - 1)
            self._found = 1  # torn
        else:
            self.machine.label = label

    def _return_tray(self) -> None:
        self._found = self._carry(Place.BEZEL, Place.TRAY)

    def _purge(self) -> None:
        self._found = self._carry(Place.RETRACT, Place.TRAY, Place.BUNDLE, Place.TRANSPORT)
        self.machine.strap_present, self.machine.label = False, None

    def _home(self) -> None:
        self._memory.gate_open = False
        if self.machine.jam is not None and not self.machine.jam_stubborn:
            self.machine.jam = None
        self._memory.counted = self.in_tray

    def _strap(self) -> None:
        self._world.straps -= 1
        if self.plans.strap_fails > 0:
            self.plans.strap_fails -= 1
            self._found = 1  # the strap did not close
            return
        self.machine.strap_present = True
        self._carry(Place.BUNDLE, Place.TRAY)

    def _store(self) -> None:
        slot = self._arguments[0]
        moved = self._carry(Place.SLOT, Place.TRAY, Place.BUNDLE)
        if moved:
            self._world.slots[slot] = f"bundle {self._memory.serial}"
        self._found = moved
        self._memory.slot = slot
        self.machine.strap_present, self.machine.label = False, None
        self.flash.total_stored = (self.flash.total_stored + moved) & 0xFFFF

    def _carry(self, goal: Place, *origins: Place) -> int:
        """Move all notes of these places; how many."""
        slot = self._arguments[0] if goal is Place.SLOT else None
        notes = [note for origin in origins for note in self._world.notes.at(origin)]
        for note in notes:
            self._world.notes.move(note, note.place, goal, slot)
        return len(notes)

    def _report(self) -> None:
        report = self._reports.get(self._opcode) if self._opcode is not None else None
        self._end(report() if report is not None else Result.OK)

    def _report_home(self) -> Result:
        return Result.OK if self.machine.jam is None else Result.JAM

    def _report_strap(self) -> Result:
        return self._checked(EventCode.STRAP_OK, EventCode.STRAP_FAILED, self._memory.counted, STRAP_BIT)

    def _report_label(self) -> Result:
        self._memory.serial = self._arguments[0] << 16 | self._arguments[1]
        return self._checked(EventCode.LABEL_OK, EventCode.LABEL_FAILED, self._arguments[2], LABEL_BIT)

    def _report_store(self) -> Result:
        slot = self._arguments[0]
        self._memory.counted, self._memory.last_slot = 0, slot
        if not self._found:
            return Result.VERIFICATION_FAILED
        self._memory.bundle_bits |= STORED_BIT
        self.event(EventCode.STORED, slot)
        return Result.OK

    def _report_return(self) -> Result:
        self._memory.counted = 0
        return Result.OK

    def _report_purge(self) -> Result:
        self._memory.counted = 0
        self.event(EventCode.PURGED, self._found)
        return Result.OK if self._arguments[0] in {ANY_COUNT, self._found} else Result.COUNT_MISMATCH

    def _report_self_test(self) -> Result:
        return Result.VERIFICATION_FAILED if self._faulty() else Result.OK

    def _report_lamp(self) -> Result:
        mask = 1 << (self._arguments[0] & 0xF)
        lamps = self._memory.lamps
        self._memory.lamps = lamps | mask if self._arguments[1] else lamps & ~mask
        return Result.OK

    def _checked(self, good: EventCode, bad: EventCode, argument: int, bit: int) -> Result:
        if self._found:
            self.event(bad, argument)
            return Result.VERIFICATION_FAILED
        self._memory.bundle_bits |= bit
        self.event(good, argument)
        return Result.OK

    # --- collecting ------------------------------------------------------------------------------------

    def _begin_collect(self) -> None:
        self._memory.last_collected = 0
        self._memory.bundle_bits = 0
        self._timers.start("quiet", self._config.collect_quiet_s, self._quiet)
        self._belt(self._config.note_to_tray_s)
        if not self._arguments[0]:
            self._timers.start("settle", self._config.collect_settle_s, self._settled)

    def _belt(self, delay_s: float) -> None:
        if self._world.notes.at(Place.TRANSPORT) and not self._timers.running("note"):
            self._timers.start("note", delay_s, self._note_in_tray)

    def _note_moved(self, note: Note, _origin: Place) -> None:
        if note.place is Place.TRANSPORT and self._opcode is Opcode.COLLECT:
            self._timers.start("quiet", self._config.collect_quiet_s, self._quiet)
            self._belt(self._config.note_to_tray_s)

    def _note_in_tray(self) -> None:
        if self._jams(Opcode.COLLECT):
            return
        waiting = self._world.notes.at(Place.TRANSPORT)
        if not waiting:  # a hand was quicker
            return
        self._world.notes.move(waiting[0], Place.TRANSPORT, Place.TRAY)
        if self.plans.counter_misses > 0:
            self.plans.counter_misses -= 1
        else:
            memory = self._memory
            memory.counted += 1
            memory.last_collected += 1
            self.flash.total_collected = (self.flash.total_collected + 1) & 0xFFFF
            self.event(EventCode.NOTE_IN_TRAY, memory.counted)
        self._timers.start("quiet", self._config.collect_quiet_s, self._quiet)
        if self._memory.last_collected >= self._arguments[0]:
            self._timers.start("settle", self._config.collect_settle_s, self._settled)
        self._belt(self._config.note_spacing_s)

    def _settled(self) -> None:
        if self._timers.running("note"):  # one more is on the belt
            self._timers.start("settle", self._config.collect_settle_s, self._settled)
            return
        exact = self._memory.last_collected == self._arguments[0]
        self._end(Result.OK if exact else Result.COUNT_MISMATCH)

    def _quiet(self) -> None:
        self._end(Result.TIMEOUT)

    # --- trouble ---------------------------------------------------------------------------------------

    def _jams(self, opcode: Opcode | None) -> bool:
        """A planned or standing jam on this operation's way stops it."""
        places = {
            Opcode.COLLECT: {JamPlace.TRANSPORT},
            Opcode.PURGE: {JamPlace.TRANSPORT},
            Opcode.STRAP: {JamPlace.TRAY},
            Opcode.APPLY_LABEL: {JamPlace.TRAY},
            Opcode.STORE: {JamPlace.GATE},
        }.get(opcode or Opcode.SELF_TEST, set())
        if self.plans.jam in places:
            self.machine.jam, self.machine.jam_stubborn = self.plans.jam, self.plans.jam_stubborn
            self.plans.jam = None
        if self.machine.jam not in places:
            return False
        self.event(EventCode.JAM, int(self.machine.jam or 0))
        self._end(Result.JAM)
        return True

    def _line_changed(self, role: Role, _level: bool) -> None:  # noqa: FBT001
        if role not in {Role.DOOR_CLOSED, Role.E_STOP} or self._memory.boot_id == 0:
            return
        if role is Role.DOOR_CLOSED:
            self.event(EventCode.DOOR, self.door_bits)
        if self.interlocked:
            self.stop(Result.INTERLOCK)

    def _open_gate(self) -> None:
        self._memory.gate_open = True
        self.event(EventCode.GATE_OPENED, self._arguments[0])

    def _run(self, activity: Activity) -> None:
        now_s = self._world.now_s()
        self.activity, self.activity_since_s = activity, now_s
        self.load.set_running(activity is not Activity.NONE, now_s)
