"""What the parts of the EBDS acceptor share: settings, the note in the path, what it still has to tell, timers."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from hwsim.config import EbdsConfig
from hwsim.devices.ssp_body import Jam, Phase
from hwsim.notes import Kind, Note, Place
from hwsim.scheduler import Timers
from hwsim.world import World

NAME: Final = "validator"
# Data 0
IDLING, ACCEPTING, ESCROWED, STACKING, STACKED, RETURNING, RETURNED = (1 << bit for bit in range(7))
# Data 1
CHEATED, REJECTED, JAMMED, FULL, ATTACHED = (1 << bit for bit in range(5))
# Data 2
POWER_UP, INVALID, FAILURE, OPEN = 1, 2, 4, 0x40
POLICY_B: Final = 1
MINOR_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class Happened:
    """A one-shot event: bits of Data 0, 1 and 2, and the note it speaks of (0: a blank one)."""

    state: int = 0
    status: int = 0
    trouble: int = 0
    note: int = 0
    suspect: bool = False


@dataclass(slots=True)
class EbdsPlans:
    """What a fault has laid in the way of coming notes."""

    jam: str = ""  # "unsafe", "safe"
    jam_stubborn: bool = False
    cheat: str = ""  # "pulled", "kept"
    misread: int = 0


@dataclass(slots=True)
class EbdsBody:
    """One acceptor. The note in the path, the cassette and the last policy outlive a power cut."""

    world: World
    config: EbdsConfig
    timers: Timers
    phase: Phase = Phase.IDLE
    note: Note | None = None
    index: int = 0  # of the note, once it is recognised
    suspect: bool = False  # so classified
    jam: Jam = Jam.NONE
    jam_cleared: bool = True
    held_out_of_order: bool = False  # a note of before the cut lies in escrow and the device does nothing
    plans: EbdsPlans = field(default_factory=EbdsPlans)
    cassette_removed: bool = False
    cassette_full: bool = False
    failed: bool = False
    policy: int = 0  # Data 2 bits 3..2 as heard last
    # Volatile
    events: deque[Happened] = field(default_factory=deque)
    initialising: bool = False
    enables: int = 0
    inhibited: set[int] = field(default_factory=set)
    extended: bool = False

    @property
    def out_of_order(self) -> bool:
        stopped = self.held_out_of_order or self.cassette_removed or self.cassette_full or self.failed
        return stopped or self.jam is not Jam.NONE

    @property
    def cassette(self) -> tuple[Note, ...]:
        return self.world.notes.at(Place.CASSETTE)

    def forget(self) -> None:
        """Power-up values of everything volatile."""
        self.events.clear()
        self.enables = 0
        self.inhibited.clear()
        self.extended = False

    def value_minor(self, index: int) -> int:
        row = self.config.notes[index - 1]
        return int(row.base * 10 ** (row.exponent + MINOR_DIGITS))

    def recognise(self, note: Note) -> tuple[int, bool]:
        """The table's index of a note, 0 when it is not taken for one, and whether it is classified as suspect."""
        tells = self.config.profile.classifies and self.extended  # a value index alone cannot say suspect
        known = {Kind.GENUINE, Kind.SUSPECT} if tells else {Kind.GENUINE}
        for index, row in enumerate(self.config.notes, start=1):
            if note.kind in known and (note.currency, note.value_minor) == (row.currency, self.value_minor(index)):
                return index, note.kind is Kind.SUSPECT
        return 0, False

    def accepts(self, index: int) -> bool:
        if self.extended:
            return bool(self.enables) and index not in self.inhibited
        return index <= 7 and bool(self.enables >> (index - 1) & 1)  # noqa: PLR2004 - seven enables

    def announce(self, what: str, note: Note | None = None, **facts: object) -> None:
        named = {} if note is None else {"note": note.id}
        self.world.announce(NAME, what, **named, **facts)

    def leave_path(self) -> None:
        self.phase, self.note, self.index, self.suspect = Phase.IDLE, None, 0, False
        self.held_out_of_order = False

    def the_note(self) -> Note:
        if self.note is None:
            message = "no note in the path"
            raise RuntimeError(message)
        return self.note
