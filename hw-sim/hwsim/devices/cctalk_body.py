"""What the parts of the ccTalk validator share: settings, the note in the path, events, inhibits, timers."""

from dataclasses import dataclass, field
from typing import Final

from hwsim.config import CctalkConfig
from hwsim.devices.cctalk_events import EventList
from hwsim.devices.ssp_body import Jam, Phase
from hwsim.notes import Kind, Note, Place
from hwsim.scheduler import Timers
from hwsim.world import World

NAME: Final = "validator"
TYPES: Final = 16
MODE_STACKER: Final = 1
MODE_ESCROW: Final = 2


@dataclass(slots=True)
class CctalkPlans:
    """What a fault has laid in the way of coming notes."""

    jam: str = ""  # "unsafe", "safe", "stacker"
    jam_stubborn: bool = False
    fraud: str = ""  # "pulled", "kept"
    misread: int = 0


@dataclass(slots=True)
class CctalkBody:
    """One validator. The note in the path and the cassette are physical; `forget` sets the rest anew."""

    world: World
    config: CctalkConfig
    timers: Timers
    serial_number: int
    phase: Phase = Phase.IDLE
    note: Note | None = None
    bill: int = 0  # its type, once it is recognised
    jam: Jam = Jam.NONE
    jam_cleared: bool = True
    plans: CctalkPlans = field(default_factory=CctalkPlans)
    cassette_removed: bool = False
    cassette_full: bool = False
    # Volatile
    events: EventList = field(default_factory=EventList)
    initialising: bool = False
    inhibits: int = 0  # bit 0 = type 1; 1 = accept
    master: bool = False  # True: normal operation
    mode: int = MODE_STACKER | MODE_ESCROW

    @property
    def out_of_order(self) -> bool:
        return self.jam is not Jam.NONE or self.cassette_removed or self.cassette_full

    @property
    def cassette(self) -> tuple[Note, ...]:
        return self.world.notes.at(Place.CASSETTE)

    def forget(self) -> None:
        """Power-up values of everything volatile."""
        self.events.clear()
        opened = self.config.profile.inhibits_at_power_up == "open"
        self.inhibits = (1 << TYPES) - 1 if opened else 0
        self.master = opened
        self.mode = MODE_STACKER | MODE_ESCROW

    def recognise(self, note: Note) -> int:
        """The type that the sensors see, 0 when they see none. A suspect note is none: ccTalk has no word for it."""
        if note.kind is not Kind.GENUINE or note.currency != self.config.currency:
            return 0
        worth = [value * self.config.factor for value in self.config.bills]
        return worth.index(note.value_minor) + 1 if note.value_minor in worth else 0

    def announce(self, what: str, note: Note | None = None, **facts: object) -> None:
        named = {} if note is None else {"note": note.id}
        self.world.announce(NAME, what, **named, **facts)

    def leave_path(self) -> None:
        self.phase, self.note, self.bill = Phase.IDLE, None, 0

    def the_note(self) -> Note:
        if self.note is None:
            message = "no note in the path"
            raise RuntimeError(message)
        return self.note
