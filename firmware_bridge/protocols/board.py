"""The deposit board's register map, version 1 (DESIGN.md section 4), as pure code."""

from collections.abc import Sequence
from typing import Final

from firmware_bridge.interfaces import BoardCommand, BoardEvent, BoardSnapshot

MAP_VERSION: Final = 1
INPUT_REGISTERS: Final = 64
COMMAND_ADDRESS: Final = 0
WATCHDOG_ADDRESS: Final = 16
ARGUMENTS_MAX: Final = 6
_RING_ADDRESS: Final = 8
_RING_SLOTS: Final = 8
_SLOT_REGISTERS: Final = 4
_U16_MAX: Final = 0xFFFF
_U32_MAX: Final = 0xFFFF_FFFF


class BoardMapError(ValueError):
    """Registers that are no map of version 1, or a command that does not fit the block."""


def parse_snapshot(registers: Sequence[int]) -> BoardSnapshot:
    """Input registers 0-63 of one FC04; `BoardMapError` for another map version."""
    if len(registers) != INPUT_REGISTERS or any(not 0 <= value <= _U16_MAX for value in registers):
        msg = f"{len(registers)} registers; {INPUT_REGISTERS} of 16 bits wanted"
        raise BoardMapError(msg)
    r = registers
    if r[0] != MAP_VERSION:
        msg = f"register map version {r[0]}; this driver knows {MAP_VERSION}"
        raise BoardMapError(msg)
    return BoardSnapshot(
        map_version=r[0],
        model=r[1],
        boot_id=_u32(r, 2),
        finished_sequence=r[4],
        finished_result=r[5],
        state=r[6],
        event_counter=r[7],
        events=_ring(r),
        tray_notes=r[40],
        transport_occupied=bool(r[41]),
        strap_present=bool(r[42]),
        label_present=bool(r[43]),
        gate_open=bool(r[44]),
        slot=r[45],
        cabinet_fill_permille=r[46],
        strap_stock=r[47],
        temperature_decicelsius=_signed(r[48]),
        supply_mv=r[49],
        tilt_mg=_signed(r[50]),
        vibration_mg_rms=r[51],
        gas_permille=r[52],
        motor_current_ma=r[53],
        door_bits=r[54],
        accepted_sequence=r[56],
        collected_count=r[57],
        bundle_serial=_u32(r, 58),
        last_slot=r[60],
        bundle_bits=r[61],
        total_collected=r[62],
        total_stored=r[63],
    )


def command_registers(command: BoardCommand) -> list[int]:
    """Holding registers 0-9 of a command: sequence, opcode, six arguments, boot id."""
    if len(command.arguments) > ARGUMENTS_MAX or any(not 0 <= value <= _U16_MAX for value in command.arguments):
        msg = f"arguments {command.arguments}: at most {ARGUMENTS_MAX} of 16 bits"
        raise BoardMapError(msg)
    if not 0 <= command.sequence <= _U16_MAX or not 0 <= command.boot_id <= _U32_MAX:
        msg = f"sequence {command.sequence} or boot id {command.boot_id} does not fit"
        raise BoardMapError(msg)
    padding = (0,) * (ARGUMENTS_MAX - len(command.arguments))
    return [
        command.sequence,
        int(command.opcode),
        *command.arguments,
        *padding,
        command.boot_id >> 16,
        command.boot_id & _U16_MAX,
    ]


def previous_counter(counter: int) -> int:
    """The event counter before this one: 1..65535 go round, 0 is only after power-up."""
    return counter - 1 if counter > 1 else _U16_MAX


def _ring(registers: Sequence[int]) -> tuple[BoardEvent, ...]:
    """The events that the ring still holds, oldest first.

    Walks back from the newest until a slot is empty or taken: where the counter jumps from 65535 to 1 it
    skips a slot, so the ring holds one event fewer then.
    """
    events: list[BoardEvent] = []
    counter, seen = registers[7], set[int]()
    while counter and len(events) < _RING_SLOTS:
        slot = counter % _RING_SLOTS
        at = _RING_ADDRESS + slot * _SLOT_REGISTERS
        if slot in seen or registers[at] == 0:
            break
        seen.add(slot)
        events.append(BoardEvent(counter, registers[at], registers[at + 1], _u32(registers, at + 2)))
        counter = previous_counter(counter)
    return tuple(reversed(events))


def _u32(registers: Sequence[int], at: int) -> int:
    return registers[at] << 16 | registers[at + 1]  # high word first


def _signed(value: int) -> int:
    return value - 0x1_0000 if value & 0x8000 else value
