"""All SSP commands of the fact sheet as data: code, name, arguments, reply, refusals (sections 5.1, 5.4-5.6).

`protocol_version` None means unknown: every documented form is tried, the newest first where they differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.escrow import SMART_PAYOUT_ESCROW
from firmware_bridge.protocols.ssp.fields import (
    ChannelBits,
    Columns,
    Constant,
    Content,
    CountedText,
    Country,
    DecimalPairs,
    Hex,
    Listed,
    Text,
    Uint,
    Variant,
    build_exact,
    parse_exact,
)
from firmware_bridge.protocols.ssp.setup import SetupBlock

POLL: Final = 0x07
POLL_WITH_ACK: Final = 0x56
POLLS: Final = frozenset({POLL, POLL_WITH_ACK})
REAL: Final = 0x58  # option byte of payout commands: do it
TEST: Final = 0x19  # option byte of payout commands: only say whether it could be done

_NOTHING: Final = (Variant(),)
_BUSY_REASONS: Final = {3: "busy"}
_ROUTE_REASONS: Final = {
    1: "no payout device",
    2: "invalid currency",
    3: "payout failure",
}
_PAYOUT_REASONS: Final = {
    1: "not enough value",
    2: "cannot pay exactly",
    3: "busy",
    4: "disabled",
}
_FLOAT_REASONS: Final = {1: "not connected", 2: "empty", 3: "busy", 4: "disabled"}
_POSITION_REASONS: Final = {1: "no float or error", 2: "currency mismatch", 3: "busy"}
TEBS_REASONS: Final = {
    1: "no device",
    2: "cannot read barcode",
    3: "cashbox out of position",
    4: "cashbox removed",
    5: "cashbox unlocked",
    6: "currency mismatch",
    7: "firmware error",
    8: "communication error",
}

_VALUE = Uint("value", 4)
_OPTION = Uint("option")
_COUNT = Uint("count", 2)
_LEVEL = Uint("level", 2)
_OLD_VALUE = Variant((_VALUE,), pv_max=5)
_NEW_VALUE = Variant((_VALUE, Country()), pv_min=6)
_COUNTED_NOTES = (_COUNT, _VALUE, Country())
_PRIME = (Variant((Uint("prime", 8),)),)
_KEY = (Variant((Uint("key", 8),)),)
_DENOMINATIONS = (Variant((Listed("denominations", _COUNTED_NOTES, count_max=20), _OPTION), pv_min=6),)
_BARCODE_SETTING = (Uint("enabled"), Uint("format"), Uint("characters"))
_REFILL_PREFIX = b"\x05\x81\x10"

_TEBS_LOG_OLD = Variant(
    (
        Uint("checksum"),  # rule unconfirmed (erratum E17): shown, not checked
        Uint("index"),
        DecimalPairs("barcode", 4),
        Text("country", 3),
        Uint("capacity", 2),
        Hex("spare", 3),
        Uint("other_count", 2),
        Listed("channel_counts", (_COUNT,), count=8),
    )
)
_TEBS_LOG_NEW = Variant(  # firmware from 4.28/5.28
    (
        Uint("index"),
        Uint("crc", 2),  # byte order unconfirmed: shown, not checked
        Hex("spare", 4),
        Text("country", 3),
        Uint("capacity", 2),
        Uint("barcode_length"),
        Uint("channel_count"),
        Hex("spare_2", 1),
        Uint("other_count", 2),
        Listed("channel_counts", (_COUNT,), count=16),
        Hex("barcode_bytes", 16),
    )
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `reply` is what follows F0; `reasons` names the byte that may follow F5."""

    code: int
    name: str
    arguments: tuple[Variant, ...] = _NOTHING
    reply: tuple[Variant, ...] = _NOTHING
    must_encrypt: bool = False  # on a device that has encryption enabled
    reasons: Mapping[int, str] = field(default_factory=dict)


def _get(code: int, name: str, *reply: Variant) -> Command:
    return Command(code, name, reply=reply)


_COMMON: Final = (
    Command(0x01, "RESET"),
    Command(0x02, "SET INHIBITS", (Variant((ChannelBits("channels"),)),)),
    Command(0x03, "DISPLAY ON"),
    Command(0x04, "DISPLAY OFF"),
    _get(0x05, "SETUP REQUEST", Variant((SetupBlock(),))),
    Command(0x06, "HOST PROTOCOL VERSION", (Variant((Uint("version"),)),)),
    Command(POLL, "POLL"),
    Command(0x08, "REJECT"),
    Command(0x09, "DISABLE"),
    Command(0x0A, "ENABLE"),
    _get(0x0C, "GET SERIAL NUMBER", Variant((Uint("serial_number", 4, "big"),))),
    _get(
        0x0D,
        "UNIT DATA",
        Variant(
            (
                Uint("unit_type"),
                Text("firmware", 4),
                Text("country", 3),
                Uint("value_multiplier", 3, "big"),
                Uint("protocol_version"),
            )
        ),
    ),
    _get(
        0x0E,
        "CHANNEL VALUE DATA",
        Variant(
            (
                Columns(
                    "channels",
                    (Uint("value"), Text("country", 3), Uint("expanded_value", 4)),
                ),
            ),
            pv_min=6,
        ),
        Variant((Columns("channels", (Uint("value"),)),), pv_max=5),
    ),
    _get(
        0x0F,
        "CHANNEL SECURITY DATA",
        Variant((Columns("channels", (Uint("security"),)),)),
    ),
    Command(0x11, "SYNC"),
    _get(0x17, "LAST REJECT CODE", Variant((Uint("reject_code"),))),
    Command(0x18, "HOLD"),
    _get(0x20, "GET FIRMWARE VERSION", Variant((Text("firmware"),))),
    _get(0x21, "GET DATASET VERSION", Variant((Text("dataset"),))),
    _get(
        0x23,
        "GET BARCODE READER CONFIGURATION",
        Variant((Uint("hardware"), *_BARCODE_SETTING)),
    ),
    Command(0x24, "SET BARCODE READER CONFIGURATION", (Variant(_BARCODE_SETTING),)),
    _get(0x25, "GET BARCODE INHIBIT", Variant((Uint("inhibit"),))),
    Command(0x26, "SET BARCODE INHIBIT", (Variant((Uint("inhibit"),)),)),
    _get(0x27, "GET BARCODE DATA", Variant((Uint("status"), CountedText("ticket")))),
    Command(0x4A, "SET GENERATOR", _PRIME),
    Command(0x4B, "SET MODULUS", _PRIME),
    Command(0x4C, "REQUEST KEY EXCHANGE", _KEY, _KEY),
    Command(0x4D, "SET BAUD RATE", (Variant((Uint("rate"), Uint("persist"))),)),
    _get(
        0x4F,
        "GET BUILD REVISION",
        Variant((Listed("modules", (Uint("type"), Uint("revision", 2)), to_end=True),)),
    ),
    Command(
        0x54,
        "CONFIGURE BEZEL",
        (
            Variant((Uint("red"), Uint("green"), Uint("blue"), Uint("storage"))),
            Variant(
                (
                    Uint("red"),
                    Uint("green"),
                    Uint("blue"),
                    Uint("storage"),
                    Uint("type"),
                )
            ),
        ),
    ),
    Command(POLL_WITH_ACK, "POLL WITH ACK", must_encrypt=True),
    Command(0x57, "EVENT ACK", must_encrypt=True),
    Command(0x60, "SSP SET ENCRYPTION KEY", _KEY, must_encrypt=True),
    Command(0x61, "ENCRYPTION RESET TO DEFAULT"),
    Command(0x72, "ENABLE TITO EVENTS"),
)

_STORE: Final = (
    Command(
        0x22,
        "GET ALL LEVELS",
        reply=(Variant((Listed("levels", (_LEVEL, _VALUE, Country())),)),),
        reasons=_BUSY_REASONS,
    ),
    Command(
        0x30,
        "SET REFILL MODE",
        (
            Variant((Constant(_REFILL_PREFIX + b"\x11"), Uint("enabled"))),
            Variant((Constant(_REFILL_PREFIX + b"\x01"),)),  # read the mode
        ),
        (Variant((Uint("enabled"),)), Variant()),
    ),
    Command(
        0x33,
        "PAYOUT AMOUNT",
        (Variant((_VALUE, Country(), _OPTION), pv_min=6), _OLD_VALUE),
        must_encrypt=True,
        reasons=_PAYOUT_REASONS,
    ),
    Command(
        0x34,
        "SET DENOMINATION LEVEL",
        (
            Variant(_COUNTED_NOTES, pv_min=6),
            Variant((_COUNT, Uint("value", 2)), pv_max=5),
        ),
        must_encrypt=True,
    ),
    Command(
        0x35,
        "GET DENOMINATION LEVEL",
        (_NEW_VALUE, _OLD_VALUE),
        (Variant((_LEVEL,)),),
        reasons=_BUSY_REASONS,
    ),
    Command(0x38, "HALT PAYOUT", must_encrypt=True),
    Command(
        0x3B,
        "SET DENOMINATION ROUTE",
        (
            Variant((Uint("route"), _VALUE, Country()), pv_min=6),
            Variant((Uint("route"), _VALUE), pv_max=5),
        ),
        must_encrypt=True,
        reasons=_ROUTE_REASONS,
    ),
    Command(
        0x3C,
        "GET DENOMINATION ROUTE",
        (_NEW_VALUE, _OLD_VALUE),
        (Variant((Uint("route"),)),),
        must_encrypt=True,
        reasons=_ROUTE_REASONS,
    ),
    Command(
        0x3D,
        "FLOAT AMOUNT",
        (
            Variant((Uint("minimum", 4), _VALUE, Country(), _OPTION), pv_min=6),
            Variant((Uint("minimum", 4), _VALUE), pv_max=5),
            Variant((Uint("minimum_hopper", 2), _VALUE, Country(), _OPTION), pv_min=6),
            Variant((Uint("minimum_hopper", 2), _VALUE), pv_max=5),
        ),
        must_encrypt=True,
        reasons=_PAYOUT_REASONS,
    ),
    Command(
        0x3E,
        "GET MIN PAYOUT",
        (Variant((Country(),), pv_min=6), Variant(pv_max=5)),
        (Variant((_VALUE,)),),
    ),
    Command(0x3F, "EMPTY ALL", must_encrypt=True, reasons=_BUSY_REASONS),
    Command(
        0x41,
        "GET NOTE POSITIONS",
        reply=(
            Variant((Listed("positions", (_VALUE,)),)),
            Variant((Listed("positions_by_channel", (Uint("channel"),)),)),
        ),
        must_encrypt=True,
        reasons=_POSITION_REASONS,
    ),
    Command(0x42, "PAYOUT NOTE", must_encrypt=True, reasons=_FLOAT_REASONS),
    Command(0x43, "STACK NOTE", must_encrypt=True, reasons=_FLOAT_REASONS),
    Command(
        0x44,
        "FLOAT BY DENOMINATION",
        _DENOMINATIONS,
        must_encrypt=True,
        reasons=_PAYOUT_REASONS,
    ),
    Command(
        0x45,
        "SET VALUE REPORT TYPE",
        (Variant((Uint("by_channel"),)),),
        must_encrypt=True,
        reasons=_FLOAT_REASONS,
    ),
    Command(
        0x46,
        "PAYOUT BY DENOMINATION",
        _DENOMINATIONS,
        must_encrypt=True,
        reasons=_PAYOUT_REASONS,
    ),
    Command(0x52, "SMART EMPTY", must_encrypt=True, reasons=_BUSY_REASONS),
    Command(
        0x53,
        "CASHBOX PAYOUT OPERATION DATA",
        reply=(Variant((Listed("moved", _COUNTED_NOTES), Uint("unknown_count", 4))),),
        must_encrypt=True,
    ),
    _get(
        0x58,
        "GET COUNTERS",
        Variant(
            (
                Constant(b"\x05"),
                Uint("stacked", 4),
                Uint("stored", 4),
                Uint("dispensed", 4),
                Uint("transferred", 4),
                Uint("rejected", 4),
            )
        ),
    ),
    Command(0x59, "RESET COUNTERS"),
    Command(
        0x5B,
        "DISABLE PAYOUT DEVICE",
        must_encrypt=True,
        reasons={1: "no device", 3: "busy"},
    ),
    Command(
        0x5C,
        "ENABLE PAYOUT DEVICE",
        (Variant(), Variant((Uint("options"),))),
        must_encrypt=True,
        reasons={
            1: "no device",
            2: "invalid currency",
            3: "busy",
            4: "empty only",
            5: "device error",
        },
    ),
    Command(0x76, "CANCEL ESCROW TRANSACTION"),
    Command(0x77, "COMMIT ESCROW TRANSACTION"),
    Command(0x78, "READ ESCROW VALUE", reply=SMART_PAYOUT_ESCROW.value),
    Command(0x79, "GET ESCROW SIZE", reply=SMART_PAYOUT_ESCROW.size),
    Command(0x7A, "SET ESCROW SIZE", SMART_PAYOUT_ESCROW.size),
)

_TEBS: Final = (
    Command(
        0x65,
        "GET TEBS BARCODE",
        reply=(Variant((DecimalPairs("barcode"),)),),
        reasons=TEBS_REASONS,
    ),
    Command(
        0x66,
        "GET TEBS LOG",
        (Variant((Uint("index"),)),),
        (_TEBS_LOG_OLD, _TEBS_LOG_NEW),
        reasons={5: "still fetching"},
    ),
    Command(0x67, "CASHBOX UNLOCK ENABLE", must_encrypt=True),
    Command(0x68, "CASHBOX LOCK ENABLE", must_encrypt=True),
    Command(0x69, "RESET TEBS LOGS"),
)

COMMANDS: Final[dict[int, Command]] = {command.code: command for command in (*_COMMON, *_STORE, *_TEBS)}

# Coin and printer commands whose layouts the sheet does not give: named, never interpreted.
FOREIGN_COMMANDS: Final[dict[int, str]] = {
    0x40: "SET COIN MECH INHIBITS",
    0x49: "COIN MECH GLOBAL INHIBIT",
    0x50: "SET OPTIONS",
    0x5A: "COIN MECH OPTIONS",
    0x5D: "COIN STIR",
    0x62: "GET REAL TIME CLOCK CONFIGURATION",
    0x63: "GET REAL TIME CLOCK",
    0x64: "SET REAL TIME CLOCK",
    0x70: "TICKET PRINT",
    0x71: "PRINTER CONFIGURATION",
}


def command_of(code: int) -> Command:
    """The table's row of a code; `SspError` for one that the sheet does not describe."""
    command = COMMANDS.get(code)
    if command is None:
        name = FOREIGN_COMMANDS.get(code)
        told = f"{name} (0x{code:02X}): its layout is not known" if name else f"0x{code:02X} is no known command"
        raise SspError(told)
    return command


def parse_command(data: bytes, protocol_version: int | None = None) -> tuple[Command, Content]:
    """A command's DATA field (code and arguments), decrypted, into its row and named values."""
    if not data:
        msg = "a command has at least its code"
        raise SspError(msg)
    command = command_of(data[0])
    return command, parse_exact(command.arguments, data[1:], protocol_version)


def build_command(code: int, content: Content | None = None, protocol_version: int | None = None) -> bytes:
    """The DATA field of a command, not encrypted."""
    return bytes((code,)) + build_exact(command_of(code).arguments, content or {}, protocol_version)
