"""The deposit board: its orders, results and events, and what its driver offers."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class BoardOpcode(IntEnum):
    """What a command block may order."""

    HOME = 1
    COLLECT = 2
    STRAP = 3
    APPLY_LABEL = 4
    STORE = 5
    RETURN_TRAY = 6
    PURGE = 7
    SELF_TEST = 8
    SET_LAMP = 9


class BoardResult(IntEnum):
    """How the last finished command ended (input 5)."""

    OK = 0
    JAM = 2
    TIMEOUT = 3
    REFUSED = 4
    NO_TRAY = 5
    INTERLOCK = 6
    COUNT_MISMATCH = 7
    VERIFICATION_FAILED = 8


class BoardState(IntEnum):
    """What the board is doing (input 6)."""

    IDLE = 0
    COLLECTING = 1
    STRAPPING = 2
    MARKING = 3
    STORING = 4
    RETURNING = 5
    FAULT = 6


class BoardEventCode(IntEnum):
    """What an entry of the ring tells."""

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


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """One entry of the board's ring."""

    counter: int
    code: int
    argument: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class BoardSnapshot:
    """One consistent read of input registers 0-63 (DESIGN.md section 4 names each)."""

    map_version: int
    model: int
    boot_id: int
    finished_sequence: int
    finished_result: int
    state: int
    event_counter: int
    events: tuple[BoardEvent, ...]  # the ring, oldest first, empty slots left out
    tray_notes: int
    transport_occupied: bool
    strap_present: bool
    label_present: bool
    gate_open: bool
    slot: int
    cabinet_fill_permille: int
    strap_stock: int
    temperature_decicelsius: int
    supply_mv: int
    tilt_mg: int
    vibration_mg_rms: int
    gas_permille: int
    motor_current_ma: int
    door_bits: int
    accepted_sequence: int
    collected_count: int
    bundle_serial: int
    last_slot: int
    bundle_bits: int  # bit 0 strap, 1 label, 2 stored
    total_collected: int  # non-volatile, mod 65536
    total_stored: int


@dataclass(frozen=True, slots=True)
class BoardCommand:
    """One command block (holding 0-9)."""

    sequence: int  # u16, last accepted + 1
    opcode: BoardOpcode
    arguments: tuple[int, ...]  # at most six u16
    boot_id: int


class DepositBoard(Protocol):
    """The deposit board. Submitting the same block twice executes once."""

    async def snapshot(self) -> BoardSnapshot: ...

    async def submit(self, command: BoardCommand) -> None:
        """Returns when accepted (or known to be accepted already). `BoardBusy`, `BoardRefused` otherwise."""

    async def set_watchdog(self, milliseconds: int) -> None: ...

    def close(self) -> None: ...
