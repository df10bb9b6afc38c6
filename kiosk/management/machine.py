"""The hardware as the controller holds it, and what of it is known right now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import (
    BoardEventCode,
    BoardResult,
    BoardSnapshot,
    Counters,
    DepositBoard,
    LabelPrinter,
    LabelPrinterStatus,
    Level,
    Line,
    Lines,
    ReceiptPrinter,
    ReceiptPrinterStatus,
    Tappable,
    Validator,
    ValidatorIdentity,
)
from kiosk.core.facts import BoardEvidence, Evidence, ValidatorEvidence

CABINET_FULL_PERMILLE = 1000
TAMPERED: Final = "the cabinet is being tampered with"


@dataclass(frozen=True)
class Devices:
    """Drivers, already bound to their transports."""

    validator: Validator
    board: DepositBoard
    printer: LabelPrinter
    lines: Lines
    receipts: ReceiptPrinter | None = None  # without one, receipts are only shown on the screen
    ports: Mapping[str, Tappable] = field(default_factory=dict)  # serial lines that can be listened to, by device

    def close(self) -> None:
        """Give every port back."""
        for device in (self.validator, self.board, self.printer, self.lines, self.receipts):
            if device is not None:
                device.close()


@dataclass
class Machine:
    """The latest news of each device; the controller's loop is the only writer."""

    connected: bool = False
    fault: str = ""  # why not connected
    remedy: str = ""
    identity: ValidatorIdentity | None = None
    stranger: int | None = None  # serial number of a validator that answers and is not the accepted one
    snapshot: BoardSnapshot | None = None
    printer: LabelPrinterStatus | None = None
    receipt_printer: ReceiptPrinterStatus | None = None  # None: there is none
    levels: tuple[Level, ...] = ()
    units: tuple[str, ...] = ()  # why the storage units take nothing now
    stopped: dict[str, str] = field(default_factory=dict)  # device -> why it takes nothing now
    service: tuple[str, str] | None = None  # who works on it, and since when
    bank_hold: str = ""  # why the bank has commanded it out of service
    distrust: str = ""  # why the record log must not grow by another deposit
    damage: str = ""  # what is wrong with the record log in itself, as the check at the start found it


def board_evidence(snapshot: BoardSnapshot) -> BoardEvidence:
    """The part of a snapshot that tells where notes are."""
    return BoardEvidence(
        boot_id=snapshot.boot_id,
        accepted_sequence=snapshot.accepted_sequence,
        finished_sequence=snapshot.finished_sequence,
        finished_result=snapshot.finished_result,
        tray_notes=snapshot.tray_notes,
        transport_occupied=snapshot.transport_occupied,
        strap_present=snapshot.strap_present,
        label_present=snapshot.label_present,
        total_collected=snapshot.total_collected,
        total_stored=snapshot.total_stored,
        event_counter=snapshot.event_counter,
        purged=_purged(snapshot),
    )


def _purged(snapshot: BoardSnapshot) -> int | None:
    """How many notes the newest event tells were purged; None when it tells of something else."""
    newest = snapshot.events[-1] if snapshot.events else None
    return newest.argument if newest is not None and newest.code == BoardEventCode.PURGED else None


async def evidence(devices: Devices, snapshot: BoardSnapshot) -> Evidence:
    """What the validator can tell of the past, beside the board's snapshot. Raises `DeviceFault`."""
    found = await devices.validator.evidence()
    counters = found.counters or Counters(stacked=0, stored=0, dispensed=0, transferred=0, rejected=0)
    return Evidence(
        validator=ValidatorEvidence(
            stacked=counters.stacked,
            stored=counters.stored,
            dispensed=counters.dispensed,
            transferred=counters.transferred,
            levels=tuple((level.value_minor, level.currency, level.count) for level in found.levels if level.count),
            counted=found.counters is not None,
            bookmark=found.bookmark,
            heard_all=found.heard_all,
            note_held=found.note_held,
        ),
        board=board_evidence(snapshot),
    )


async def store_levels(devices: Devices) -> tuple[Level, ...]:
    """What lies in the validator's note store; nothing where there is none."""
    escrow = devices.validator.escrow
    return () if escrow is None else await escrow.levels()


async def label_printer_status(devices: Devices) -> LabelPrinterStatus:
    """What the label printer says; a port that is gone is a printer that does not answer. It holds up no deposit."""
    try:
        return await devices.printer.status()
    except DeviceFault:
        return LabelPrinterStatus(answered=False, ready=False)


def hazards(lines: Lines) -> tuple[str, ...]:
    """What the cabinet's own lines say against handling money, in words."""
    try:
        found = {
            "the emergency stop is pressed": lines.read(Line.E_STOP),
            TAMPERED: lines.read(Line.TAMPER),
            "the cabinet door is open": not lines.read(Line.DOOR_CLOSED),
        }
    except DeviceFault:
        return ("the cabinet's lines cannot be read",)  # a cabinet that cannot be seen is not a safe one
    return tuple(words for words, present in found.items() if present)


def port_forced(lines: Lines, *, shut: bool) -> tuple[bool, bool]:
    """Whether a port that was shut has left its end without a command; and whether it is shut now."""
    try:
        closed, commanded = lines.read(Line.SHUTTER_CLOSED), lines.read(Line.SHUTTER_OPEN_CMD)
    except DeviceFault:
        return False, False  # nothing is known of it
    return shut and not closed and not commanded, closed and not commanded


def service_key(lines: Lines) -> bool:
    """Whether the key is known to be turned."""
    try:
        return lines.read(Line.SERVICE_KEY)
    except DeviceFault:
        return False


def headphones(lines: Lines) -> bool:
    """Whether headphones are known to be plugged in."""
    try:
        return lines.read(Line.HEADPHONES)
    except DeviceFault:
        return False


def _supply(lines: Lines) -> Iterator[str]:
    try:
        if not lines.read(Line.POWER_GOOD):
            yield "the mains power has failed"
        if lines.read(Line.SERVICE_KEY):
            yield "the service key is turned"
    except DeviceFault:
        yield "the cabinet's lines cannot be read"


# Of the board's last command: what a person must see to. `Controller` lets it look again until it is gone.
OBSTACLES: Final[dict[int, str]] = {
    BoardResult.JAM: "the board is jammed",
    BoardResult.NO_TRAY: "the tray is out",
    BoardResult.INTERLOCK: "the board may not move: door or emergency stop",
}


def not_ready(machine: Machine, devices: Devices) -> Iterator[str]:
    """Why no deposit may begin now; nothing when one may. Cash-in start needs all of it (DESIGN.md section 3)."""
    lines = devices.lines
    if machine.distrust:
        yield f"the record log is not the one that the bank knows [{machine.distrust}]"
    if machine.bank_hold:
        yield f"the bank has put it out of service [{machine.bank_hold}]"
    if machine.service is not None:
        yield f"the machine is being serviced [{machine.service[0]}, service mode]"
    if machine.damage:
        yield f"the record log does not add up [{machine.damage}]"
    if not machine.connected:
        yield machine.fault or "devices are starting"
        return
    danger = hazards(lines)
    yield from danger
    if not danger:
        yield from _supply(lines)
    yield from machine.stopped.values()
    yield from machine.units
    if machine.snapshot is not None and (machine.snapshot.tray_notes or machine.snapshot.transport_occupied):
        yield "notes lie in the tray or on the transport"
    if devices.validator.capabilities.bunch_escrow:
        yield from _bundling(machine)
    if machine.receipt_printer is not None and not machine.receipt_printer.ready:
        yield f"the receipt printer is not ready: {machine.receipt_printer.trouble}"


def _bundling(machine: Machine) -> Iterator[str]:
    """What only a deposit that becomes a bundle needs."""
    board = machine.snapshot
    if board is not None and board.finished_result in OBSTACLES:
        yield OBSTACLES[board.finished_result]
    if board is not None and board.strap_stock == 0:
        yield "no straps are left"
    if board is not None and board.cabinet_fill_permille >= CABINET_FULL_PERMILLE:
        yield "the cabinet is full"
    if any(level.count for level in machine.levels):
        yield "the note store is not empty"
    if machine.printer is not None and not machine.printer.ready:
        yield "the label printer is not ready"


async def receipt_printer_status(devices: Devices) -> ReceiptPrinterStatus | None:
    """What the receipt printer says of itself; None when there is none.

    A link that is down is a printer that is not ready: it keeps new deposits away, and never disturbs one that is
    under way.
    """
    if devices.receipts is None:
        return None
    try:
        return await devices.receipts.status()
    except DeviceFault:
        return ReceiptPrinterStatus(answered=False)
