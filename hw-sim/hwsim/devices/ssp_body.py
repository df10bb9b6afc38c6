"""What the parts of the validator share: settings, memory, the note in the path, events, timers."""

from dataclasses import dataclass, field
from enum import StrEnum

from hwsim.config import SspProfile, ValidatorConfig
from hwsim.devices.ssp_events import EventQueue
from hwsim.devices.ssp_store import Channel, Dataset, Held, Store
from hwsim.notes import Note
from hwsim.scheduler import Timers
from hwsim.world import World


class Phase(StrEnum):
    """Where the one note in the path is on its way. It survives a power cut: notes do not jump."""

    IDLE = "idle"
    SCANNING = "scanning"
    ESCROW = "escrow"  # held, the depositor could still get it back
    MOVING = "moving"  # accepted, before the safe point
    PAST_SAFE = "past_safe"  # beyond reach, on its way to store or stacker
    REJECTING = "rejecting"
    OUT_OF_STORE = "out_of_store"  # payout: between store and validator
    OUT_INSIDE = "out_inside"  # payout: in the validator, not validated yet
    OUT_TO_BEZEL = "out_to_bezel"  # payout: validated, on its way out
    TRANSFER = "transfer"  # store to stacker


class Jam(StrEnum):
    """Where a note is stuck."""

    NONE = "none"
    UNSAFE = "unsafe"
    SAFE = "safe"
    PAYOUT = "payout"


@dataclass(slots=True)
class Path:
    """The note path. Physical: kept over a power cut."""

    phase: Phase = Phase.IDLE
    note: Note | None = None
    channel: Channel | None = None  # None: not recognised
    to_store: bool = False
    jam: Jam = Jam.NONE
    jam_cleared: bool = True  # a technician (or the power-up run) has freed it

    def clear(self) -> None:
        self.phase, self.note, self.channel, self.to_store = Phase.IDLE, None, None, False


@dataclass(slots=True)
class Plans:
    """What a fault has laid in the way of coming notes; counts down."""

    jam: str = ""  # "unsafe", "safe", "payout", "payout_recovers", "empty"
    jam_stubborn: bool = False
    fraud: str = ""  # "pulled", "kept"
    misread: int = 0


@dataclass(slots=True)
class Body:
    """Shared state of one validator. Volatile fields are set anew by `forget`."""

    world: World
    config: ValidatorConfig
    timers: Timers
    dataset: Dataset
    store: Store
    serial_number: int
    path: Path = field(default_factory=Path)
    plans: Plans = field(default_factory=Plans)
    events: EventQueue = field(default_factory=EventQueue)
    stacker_full: bool = False
    stacker_removed: bool = False
    path_open: bool = False
    # Volatile
    pv: int = 4
    initialising: bool = False
    enabled: bool = False
    inhibits: int = 0  # bit 0 = channel 1; 1 = accept
    payout_enabled: bool = False
    last_reject: int = 0
    read_shown: bool = False  # EF n has been reported for the note in escrow

    @property
    def profile(self) -> SspProfile:
        return self.config.profile

    @property
    def jammed(self) -> bool:
        return self.path.jam is not Jam.NONE

    @property
    def out_of_order(self) -> bool:
        """Disabled by its own condition, whatever the host says."""
        return self.jammed or self.stacker_full or self.stacker_removed or self.path_open

    def accepts(self, channel: Channel) -> bool:
        return bool(self.inhibits >> (channel.number - 1) & 1)

    def forget(self) -> None:
        """Power-up values of everything volatile."""
        self.pv = self.profile.power_up_pv
        self.enabled = self.payout_enabled = self.read_shown = False
        self.inhibits = 0
        self.last_reject = 0
        self.store.routes.clear()

    def held(self, note: Note, channel: Channel) -> Held:
        """The note as the store keeps it: in escrow whenever an escrow is configured."""
        return Held(note, channel, escrow=self.store.escrow_size > 0)

    def announce(self, what: str, note: Note | None = None, **facts: object) -> None:
        if note is not None:
            facts["note"] = note.id
        self.world.announce("validator", what, **facts)
