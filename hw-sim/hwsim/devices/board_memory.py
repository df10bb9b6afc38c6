"""The deposit board's memory: register map of DESIGN.md section 4, event ring, command sequences."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

MAP_VERSION: Final = 1
RING_SLOTS: Final = 8
NO_SLOT: Final = 0xFFFF
BLOCK_WORDS: Final = 10
WATCHDOG_ADDRESS: Final = 16


class Opcode(IntEnum):
    """What a command block asks for."""

    HOME = 1
    COLLECT = 2
    STRAP = 3
    APPLY_LABEL = 4
    STORE = 5
    RETURN_TRAY = 6
    PURGE = 7
    SELF_TEST = 8
    SET_LAMP = 9


class Result(IntEnum):
    """How a command ended (input 5)."""

    OK = 0
    JAM = 2
    TIMEOUT = 3
    REFUSED = 4
    NO_TRAY = 5
    INTERLOCK = 6
    COUNT_MISMATCH = 7
    VERIFICATION_FAILED = 8


class State(IntEnum):
    """Input 6."""

    IDLE = 0
    COLLECTING = 1
    STRAPPING = 2
    MARKING = 3
    STORING = 4
    RETURNING = 5
    FAULT = 6


class EventCode(IntEnum):
    """Codes of the ring."""

    NOTE_IN_TRAY = 1
    TRAY_REMOVED = 2
    TRAY_EMPTIED_BY_HAND = 3
    GATE_OPENED = 4
    STRAP_OK = 5
    STRAP_FAILED = 6
    LABEL_OK = 7
    LABEL_FAILED = 8
    STORED = 9
    PURGED = 10
    JAM = 11
    DOOR = 12
    SUPPLY_LOW = 13


class JamPlace(IntEnum):
    """Argument of event 11."""

    TRANSPORT = 1
    TRAY = 2
    GATE = 3


@dataclass(frozen=True, slots=True)
class Block:
    """One command block, holding 0-9."""

    words: tuple[int, ...]

    @property
    def sequence(self) -> int:
        return self.words[0]

    @property
    def opcode(self) -> int:
        return self.words[1]

    @property
    def arguments(self) -> tuple[int, ...]:
        return self.words[2:8]

    @property
    def boot_id(self) -> int:
        return self.words[8] << 16 | self.words[9]


@dataclass(slots=True)
class NonVolatile:
    """What the flash keeps."""

    total_collected: int = 0
    total_stored: int = 0


@dataclass(slots=True)
class Memory:
    """Volatile registers, as at power-up."""

    boot_id: int
    watchdog_ms: int
    block: Block | None = None  # last accepted
    accepted: int = 0
    finished: int = 0
    result: int = 0
    state: State = State.IDLE
    event_counter: int = 0
    ring: list[int] = field(default_factory=lambda: [0] * (4 * RING_SLOTS))
    counted: int = 0  # notes the board believes in the tray
    gate_open: bool = False
    slot: int = 0
    last_collected: int = 0
    serial: int = 0
    last_slot: int = NO_SLOT
    bundle_bits: int = 0
    lamps: int = 0

    @property
    def busy(self) -> bool:
        return self.accepted != self.finished

    def event(self, code: EventCode, argument: int, time_ms: int) -> None:
        """Put one event into the ring; the counter is 0 only after power-up."""
        self.event_counter = self.event_counter % 0xFFFF + 1
        at = 4 * (self.event_counter % RING_SLOTS)
        self.ring[at : at + 4] = [code, argument & 0xFFFF, time_ms >> 16 & 0xFFFF, time_ms & 0xFFFF]


def high_low(value: int) -> list[int]:
    """32 bits, high word first."""
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


def signed(value: int) -> int:
    """A signed 16-bit register."""
    return value & 0xFFFF
