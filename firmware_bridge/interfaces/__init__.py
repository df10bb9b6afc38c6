"""What the controller sees of each device: plain values and protocols, no bytes.

Drivers in this package satisfy the protocols; the simulation's in-memory ends do too, because they sit
below the drivers, at the `Transport`. Nothing here imports anything else of ours. Money is in minor units
(`int`) with an ISO 4217 code. Every method that waits raises `firmware_bridge.errors.DeviceFault` or one
of its children; none retries an actuator on its own account.
"""

from firmware_bridge.interfaces.board import (
    BoardCommand,
    BoardEvent,
    BoardEventCode,
    BoardOpcode,
    BoardResult,
    BoardSnapshot,
    BoardState,
    DepositBoard,
)
from firmware_bridge.interfaces.lines import Line, Lines
from firmware_bridge.interfaces.link import Tappable, Transport
from firmware_bridge.interfaces.notes import (
    Channel,
    Counters,
    EmptyReport,
    Level,
    NoteEvent,
    NoteEventKind,
    PollResult,
    ValidatorCapabilities,
    ValidatorEvidence,
    ValidatorIdentity,
    Value,
)
from firmware_bridge.interfaces.printers import (
    Label,
    LabelPrinter,
    LabelPrinterStatus,
    Receipt,
    ReceiptPrinter,
    ReceiptPrinterStatus,
    ReceiptQr,
    ReceiptText,
)
from firmware_bridge.interfaces.validator import BunchEscrow, Resettable, Validator

__all__ = [
    "BoardCommand",
    "BoardEvent",
    "BoardEventCode",
    "BoardOpcode",
    "BoardResult",
    "BoardSnapshot",
    "BoardState",
    "BunchEscrow",
    "Channel",
    "Counters",
    "DepositBoard",
    "EmptyReport",
    "Label",
    "LabelPrinter",
    "LabelPrinterStatus",
    "Level",
    "Line",
    "Lines",
    "NoteEvent",
    "NoteEventKind",
    "PollResult",
    "Receipt",
    "ReceiptPrinter",
    "ReceiptPrinterStatus",
    "ReceiptQr",
    "ReceiptText",
    "Resettable",
    "Tappable",
    "Transport",
    "Validator",
    "ValidatorCapabilities",
    "ValidatorEvidence",
    "ValidatorIdentity",
    "Value",
]
