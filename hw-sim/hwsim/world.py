"""The truth: notes, port, stocks, slots, lines and scene. Devices attach themselves and only reveal it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any, Protocol

from hwsim.config import WorldConfig
from hwsim.errors import InsertionRefused, UnknownFault
from hwsim.faults import FaultOrder, FaultRegistry, FaultSpec, Parameters
from hwsim.lines import BY_HAND, OUTPUTS, LineLevels, Role, role_of
from hwsim.notes import Kind, Note, NoteBook, Place, Totals
from hwsim.scene import SceneState
from hwsim.scheduler import Scheduler
from hwsim.shutter import Shutter, ShutterState

HAPPENINGS_KEPT = 2000


class Device(Protocol):
    """What the world may do to a device."""

    powered: bool

    def power_on(self) -> None:
        """Idempotent."""

    def power_off(self) -> None:
        """Idempotent; also ends a restart that is under way."""


class NoteIntake(Device, Protocol):
    """A validator: hears of the hand at the port."""

    def note_presented(self, note: Note) -> None:
        """A note lies in the throat; draw it in when ready."""

    def bezel_cleared(self) -> None:
        """The hand took what lay at the bezel."""

    def throat_cleared(self) -> None:
        """The hand took back a note that had not been drawn in."""


@dataclass(frozen=True, slots=True)
class PeeledLabel:
    """A printed label on the peel bar: its running number and what one can read on it."""

    number: int
    lines: tuple[str, ...]
    qr: str
    barcode: str


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, for logs, triggers and judges."""

    time_s: float
    source: str
    what: str
    facts: dict[str, Any]


class World:
    """Everything physical. Its randomness comes from `seed` only, its time from `scheduler` only."""

    def __init__(self, config: WorldConfig, scheduler: Scheduler, seed: int) -> None:
        self.config = config
        self.scheduler = scheduler
        self.seed = seed
        self._began_s = scheduler.time()
        self.notes = NoteBook(self.now_s)
        self.lines = LineLevels()
        self._mains = True
        self.shutter = Shutter(self.lines, scheduler, config.shutter_move_s)
        self.faults = FaultRegistry(scheduler, self.rng("faults"), self._fault_applied)
        self.scene = SceneState()
        self.straps = config.straps
        self.labels = config.labels
        self.receipt_mm = float(config.receipt_mm)
        self.slots: list[str] = ["" for _ in range(config.slots)]  # "" free, else what lies there
        for slot in config.occupied_slots:
            self.slots[slot] = "earlier"
        self.peel_bar: PeeledLabel | None = None
        self.on_label_taken: Callable[[], None] | None = None  # the printer hears of it
        self.on_restocked: Callable[[], None] | None = None
        self.on_receipt_paper: Callable[[], None] | None = None
        self.happenings: deque[Happening] = deque(maxlen=HAPPENINGS_KEPT)
        self._observers: list[Callable[[Happening], None]] = []
        self._devices: dict[str, Device] = {}
        self._intake: NoteIntake | None = None
        self.faults.add(*self._own_faults())

    def now_s(self) -> float:
        """Seconds since this world began."""
        return self.scheduler.time() - self._began_s

    def rng(self, purpose: str) -> Random:
        """A generator of its own for each purpose, so that one device's draws never shift another's."""
        return Random(f"{self.seed}/{purpose}")

    # --- devices ---------------------------------------------------------------------------------------

    def attach(self, name: str, device: Device, *faults: FaultSpec) -> None:
        self._devices[name] = device
        self.faults.add(*faults)

    def attach_intake(self, intake: NoteIntake) -> None:
        self._intake = intake

    @property
    def devices(self) -> dict[str, Device]:
        return dict(self._devices)

    def announce(self, source: str, what: str, **facts: Any) -> None:  # noqa: ANN401 - plain JSON values
        """A device or the world tells what happened."""
        happening = Happening(self.now_s(), source, what, facts)
        self.happenings.append(happening)
        for observer in tuple(self._observers):
            observer(happening)
        self.faults.happened(f"{source}.{what}")

    def observe(self, observer: Callable[[Happening], None]) -> None:
        self._observers.append(observer)

    # --- hands -----------------------------------------------------------------------------------------

    def insert(self, currency: str, value_minor: int, kind: str = Kind.GENUINE) -> Note:
        """A hand pushes a note into the throat. `InsertionRefused` when it cannot."""
        if self.shutter.state is not ShutterState.OPEN:
            message = f"the shutter is {self.shutter.state}"
            raise InsertionRefused(message)
        for place in (Place.THROAT, Place.BEZEL, Place.PATH):
            if self.notes.at(place):
                message = f"a note is in the way ({place})"
                raise InsertionRefused(message)
        note = self.notes.create(currency, value_minor, Kind(kind))
        self.notes.move(note, Place.HAND, Place.THROAT)
        self.announce("hand", "fed", note=note.id, currency=currency, value_minor=value_minor, kind=note.kind.value)
        if self._intake is not None:
            self._intake.note_presented(note)
        return note

    def take(self) -> list[int]:
        """The hand takes whatever it can reach; ids of the notes taken."""
        if self.shutter.position < self.config.shutter_reach:
            return []
        bezel, throat = self.notes.at(Place.BEZEL), self.notes.at(Place.THROAT)
        for note in (*bezel, *throat):
            self.notes.move(note, note.place, Place.OUT)
        taken = [note.id for note in (*bezel, *throat)]
        if taken:
            self.announce("hand", "took", notes=taken)
        if bezel and self._intake is not None:
            self._intake.bezel_cleared()
        if throat and self._intake is not None:
            self._intake.throat_cleared()
        return taken

    def set_scene(self, **changes: Any) -> None:  # noqa: ANN401 - checked field by field
        """Change fields of the scene; unknown ones are refused, types are those of the present values."""
        known = {field.name for field in fields(SceneState)}
        for name, value in changes.items():
            if name not in known:
                message = f"the scene has no {name!r}"
                raise UnknownFault(message, f"Fields: {', '.join(sorted(known))}.")
            _check_like(name, value, getattr(self.scene, name))
        if changes.get("lens", "clear") not in {"clear", "covered", "frozen"}:
            message = f"no lens {changes['lens']!r}"
            raise UnknownFault(message, "lens is clear, covered or frozen.")
        self.scene = replace(self.scene, **changes)
        self.shutter.set_hand(self.scene.hand)
        self.announce("scene", "changed", **changes)

    def set_line(self, role: str, level: bool) -> None:  # noqa: FBT001
        """The technician's hand: door, e-stop, service key, tamper, power-good."""
        known = role_of(role)
        if known not in BY_HAND:
            message = f"{known} is not moved by hand"
            raise UnknownFault(message, f"By hand: {', '.join(sorted(BY_HAND))}.")
        self.lines.put(known, level)
        self.announce("line", known.value, level=level)

    def restock(self, straps: int | None = None, labels: int | None = None, receipt_mm: float | None = None) -> None:
        if straps is not None:
            self.straps = straps
        if labels is not None:
            self.labels = labels
        if receipt_mm is not None:
            self.receipt_mm = receipt_mm
        self.announce("stock", "changed", straps=self.straps, labels=self.labels, receipt_mm=self.receipt_mm)
        if self.on_restocked is not None:
            self.on_restocked()
        if receipt_mm is not None and self.on_receipt_paper is not None:
            self.on_receipt_paper()

    def empty_cabinet(self) -> None:
        """The courier takes every bundle and what the retract bin holds."""
        for place in (Place.SLOT, Place.RETRACT):
            for note in self.notes.at(place):
                self.notes.move(note, place, Place.REMOVED)
        self.slots = ["" for _ in self.slots]
        self.announce("hand", "emptied_cabinet")

    def take_label(self) -> PeeledLabel | None:
        """The applicator (or a hand) takes the label from the printer's peel bar."""
        label, self.peel_bar = self.peel_bar, None
        if label is not None and self.on_label_taken is not None:
            self.on_label_taken()
        return label

    # --- power -----------------------------------------------------------------------------------------

    def power(self, device: str, on: bool) -> None:  # noqa: FBT001
        """Switch one device, or `all`: then outputs drop, power-good follows and the shutter falls shut."""
        if device != "all" and device not in self._devices:
            message = f"no device {device!r}"
            raise UnknownFault(message, f"Devices: all, {', '.join(sorted(self._devices))}.")
        self.announce("power", "on" if on else "off", device=device)
        if device == "all":
            self._mains = on
            self.lines.put(Role.POWER_GOOD, on)
            self.shutter.set_power(on)
            if not on:
                for role in OUTPUTS:
                    self.lines.put(role, level=False)
        for name in self._devices if device == "all" else (device,):
            target = self._devices[name]
            if on:
                target.power_on()
            else:
                target.power_off()

    # --- faults ----------------------------------------------------------------------------------------

    def fault(self, device: str, name: str, **parameters: Any) -> None:  # noqa: ANN401 - checked against the spec
        """Let a fault happen now; `UnknownFault` when its name or a parameter is not known."""
        self.faults.apply(device, name, parameters)

    def _fault_applied(self, device: str, name: str, parameters: Parameters) -> None:
        self.announce("fault", f"{device}.{name}", parameters=dict(parameters))

    def order_fault(self, order: FaultOrder) -> None:
        self.faults.order(order)

    def _own_faults(self) -> tuple[FaultSpec, ...]:
        def stick(line: str, level: bool) -> None:  # noqa: FBT001
            self.lines.stick(role_of(line), level)

        def unstick(line: str) -> None:
            self.lines.stick(role_of(line), None)

        def pulse(line: str, seconds: float) -> None:
            role = role_of(line)
            rest = self.lines.read(role)
            self.set_line(role, not rest)

            def end() -> None:  # the mains may have come or gone meanwhile
                self.set_line(role, self._mains if role is Role.POWER_GOOD else rest)

            self.scheduler.call_later(seconds, end)

        return (
            FaultSpec(
                "cabinet", "stuck_line", "a line keeps one level", stick, {"line": "shutter_closed", "level": False}
            ),
            FaultSpec("cabinet", "line_repaired", "the stuck line works again", unstick, {"line": "shutter_closed"}),
            FaultSpec(
                "cabinet",
                "line_pulse",
                "a line moved by hand changes for a while (power dip, e-stop)",
                pulse,
                {"line": "power_good", "seconds": 1.0},
            ),
            FaultSpec(
                "cabinet", "shutter_jam", "the shutter stays where it is", lambda: self.shutter.set_jam(jammed=True)
            ),
            FaultSpec(
                "cabinet", "shutter_freed", "the shutter moves again", lambda: self.shutter.set_jam(jammed=False)
            ),
            FaultSpec("cabinet", "slots_full", "every cabinet slot is taken", self._fill_slots),
            FaultSpec("cabinet", "emptied", "the courier takes all bundles and the retract bin", self.empty_cabinet),
            FaultSpec(
                "cabinet",
                "power_cut",
                "power of a device (or all) goes, and comes back after off_s",
                self._power_cut,
                {"device": "all", "off_s": 2.0},
            ),
        )

    def _fill_slots(self) -> None:
        self.slots = [held or "earlier" for held in self.slots]

    def _power_cut(self, device: str, off_s: float) -> None:
        self.power(device, on=False)
        self.scheduler.call_later(off_s, self.power, device, True)  # noqa: FBT003 - call_later passes by position

    # --- judging ---------------------------------------------------------------------------------------

    def totals(self) -> Totals:
        """Sums over all notes; conservation is asserted first."""
        return self.notes.totals()


def _check_like(name: str, value: object, like: object) -> None:
    """A scene value must be of the type of the present one (an int will do for a float)."""
    good = isinstance(value, bool) == isinstance(like, bool) and (
        isinstance(value, type(like)) or (isinstance(like, float) and isinstance(value, int))
    )
    if not good:
        message = f"{name} must be like {like!r}"
        raise UnknownFault(message)
