"""SSP command, event and reply codes with their layouts (ssp.md sections 3, 5 and 6)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hwsim.devices.ssp_layout import LayoutError, Values, layout

PV_LISTS: Final = 6  # from this protocol version on, amounts carry their country


class Generic(IntEnum):
    """First byte of every reply."""

    OK = 0xF0
    COMMAND_NOT_KNOWN = 0xF2
    WRONG_PARAMETER_COUNT = 0xF3
    PARAMETER_OUT_OF_RANGE = 0xF4
    CANNOT_PROCESS = 0xF5
    SOFTWARE_ERROR = 0xF6
    FAIL = 0xF8
    KEY_NOT_SET = 0xFA


class Reject(IntEnum):
    """Reply of 0x17: why the last note went back."""

    ACCEPTED = 0x00
    LENGTH = 0x01
    AVERAGE = 0x02
    COASTLINE = 0x03
    GRAPH = 0x04
    BURIED = 0x05
    BY_HOST = 0x08
    TOO_LONG = 0x0B
    DISABLED_BY_HOST = 0x0C
    STRIM = 0x0E
    ESCROW_TIMEOUT = 0x13
    DOUBLE = 0x1C
    UNABLE_TO_STACK = 0x1D


@dataclass(frozen=True, slots=True)
class Command:
    """One command: parameters by protocol version, and whether it must come encrypted."""

    code: int
    name: str
    parameters: str = ""
    encrypted: bool = False
    parameters_early: str | None = None  # below PV 6, when different

    def layout_at(self, pv: int) -> str:
        early = self.parameters_early
        return early if early is not None and pv < PV_LISTS else self.parameters


_AMOUNT = "value:u4 country:s3"
_COMMANDS: Final = (
    Command(0x01, "reset"),
    Command(0x02, "set_inhibits", "bits:hex"),
    Command(0x03, "display_on"),
    Command(0x04, "display_off"),
    Command(0x05, "setup_request"),
    Command(0x06, "host_protocol_version", "version:u1"),
    Command(0x07, "poll"),
    Command(0x08, "reject"),
    Command(0x09, "disable"),
    Command(0x0A, "enable"),
    Command(0x0C, "get_serial_number"),
    Command(0x0D, "unit_data"),
    Command(0x0E, "channel_value_data"),
    Command(0x0F, "channel_security_data"),
    Command(0x11, "sync"),
    Command(0x17, "last_reject_code"),
    Command(0x18, "hold"),
    Command(0x20, "get_firmware_version"),
    Command(0x21, "get_dataset_version"),
    Command(0x22, "get_all_levels"),
    Command(0x23, "get_barcode_configuration"),
    Command(0x24, "set_barcode_configuration", "enable:u1 format:u1 characters:u1"),
    Command(0x25, "get_barcode_inhibit"),
    Command(0x26, "set_barcode_inhibit", "bits:u1"),
    Command(0x27, "get_barcode_data"),
    Command(0x30, "set_refill_mode", "mode:hex"),
    Command(0x33, "payout_amount", f"{_AMOUNT} option:u1", encrypted=True, parameters_early="value:u4"),
    Command(0x35, "get_denomination_level", _AMOUNT, parameters_early="value:u4"),
    Command(0x38, "halt_payout", encrypted=True),
    Command(0x3B, "set_route", f"route:u1 {_AMOUNT}", encrypted=True, parameters_early="route:u1 value:u4"),
    Command(0x3C, "get_route", _AMOUNT, encrypted=True, parameters_early="value:u4"),
    Command(0x3E, "get_minimum_payout", "country:s3", parameters_early=""),
    Command(0x3F, "empty_all", encrypted=True),
    Command(0x46, "payout_by_denomination", "notes:levels option:u1", encrypted=True),
    Command(0x4A, "set_generator", "prime:u8"),
    Command(0x4B, "set_modulus", "prime:u8"),
    Command(0x4C, "request_key_exchange", "key:u8"),
    Command(0x4D, "set_baud_rate", "rate:u1 persist:u1"),
    Command(0x4F, "get_build_revision"),
    Command(0x52, "smart_empty", encrypted=True),
    Command(0x53, "cashbox_payout_data", encrypted=True),
    Command(0x54, "configure_bezel", "colour:hex"),
    Command(0x56, "poll_with_ack", encrypted=True),
    Command(0x57, "event_ack", encrypted=True),
    Command(0x58, "get_counters"),
    Command(0x59, "reset_counters"),
    Command(0x5B, "disable_payout", encrypted=True),
    Command(0x5C, "enable_payout", "options:hex", encrypted=True),
    Command(0x60, "set_encryption_key", "key:u8", encrypted=True),
    Command(0x61, "encryption_reset"),
    Command(0x72, "enable_tito_events"),
    Command(0x76, "cancel_escrow"),
    Command(0x77, "commit_escrow"),
    Command(0x78, "read_escrow_value"),
    Command(0x79, "get_escrow_size"),
    Command(0x7A, "set_escrow_size", "size:u1"),
)
COMMANDS: Final = {command.code: command for command in _COMMANDS}


class Ev(IntEnum):
    """Event codes that this validator can report."""

    SLAVE_RESET = 0xF1
    READ = 0xEF
    CREDIT = 0xEE
    REJECTING = 0xED
    REJECTED = 0xEC
    STACKING = 0xCC
    STACKED = 0xEB
    SAFE_JAM = 0xEA
    UNSAFE_JAM = 0xE9
    DISABLED = 0xE8
    STACKER_FULL = 0xE7
    FRAUD = 0xE6
    CASHBOX_REPLACED = 0xE4
    CASHBOX_REMOVED = 0xE3
    CLEARED_INTO_CASHBOX = 0xE2
    CLEARED_FROM_FRONT = 0xE1
    PATH_OPEN = 0xE0
    INCOMPLETE_PAYOUT = 0xDC
    STORED = 0xDB
    DISPENSING = 0xDA
    HALTED = 0xD6
    JAMMED = 0xD5
    DISPENSED = 0xD2
    HELD_IN_BEZEL = 0xCE
    INTO_STORE_AT_RESET = 0xCB
    INTO_STACKER_AT_RESET = 0xCA
    TRANSFERRED = 0xC9
    EMPTIED = 0xC3
    EMPTYING = 0xC2
    INITIALISING = 0xB6
    CHANNELS_DISABLED = 0xB5
    SMART_EMPTIED = 0xB4
    SMART_EMPTYING = 0xB3
    ERROR_DURING_PAYOUT = 0xB1
    JAM_RECOVERY = 0xB0


@dataclass(frozen=True, slots=True)
class EventForm:
    """How one event looks, from which protocol version on, and whether 0x56 repeats it until 0x57."""

    fields: str = ""
    pv_min: int = 4
    acknowledged: bool = False


_LIST = "amounts:amounts"
FORMS: Final[dict[int, EventForm]] = {
    **{code: EventForm() for code in (0xF1, 0xED, 0xEC, 0xCC, 0xEB, 0xEA, 0xE9, 0xE8, 0xE7, 0xDB)},
    Ev.READ: EventForm("channel:u1"),
    Ev.CREDIT: EventForm("channel:u1", acknowledged=True),
    Ev.FRAUD: EventForm("channel:u1", acknowledged=True),
    Ev.CASHBOX_REPLACED: EventForm(pv_min=5),
    Ev.CASHBOX_REMOVED: EventForm(pv_min=5),
    Ev.CLEARED_INTO_CASHBOX: EventForm("channel:u1", pv_min=5, acknowledged=True),
    Ev.CLEARED_FROM_FRONT: EventForm("channel:u1"),
    Ev.PATH_OPEN: EventForm(pv_min=6),
    Ev.INCOMPLETE_PAYOUT: EventForm("amounts:amounts2", acknowledged=True),
    Ev.DISPENSING: EventForm(_LIST),
    Ev.HALTED: EventForm(_LIST),
    Ev.JAMMED: EventForm(_LIST, pv_min=5),
    Ev.DISPENSED: EventForm(_LIST, acknowledged=True),
    Ev.HELD_IN_BEZEL: EventForm(_AMOUNT, pv_min=8),
    Ev.INTO_STORE_AT_RESET: EventForm(_AMOUNT, pv_min=8, acknowledged=True),
    Ev.INTO_STACKER_AT_RESET: EventForm(_AMOUNT, pv_min=8, acknowledged=True),
    Ev.TRANSFERRED: EventForm(_AMOUNT, pv_min=8, acknowledged=True),
    Ev.EMPTIED: EventForm(pv_min=5),
    Ev.EMPTYING: EventForm(pv_min=5),
    Ev.INITIALISING: EventForm(pv_min=7),
    Ev.CHANNELS_DISABLED: EventForm(pv_min=7),
    Ev.SMART_EMPTIED: EventForm(_LIST, pv_min=5, acknowledged=True),
    Ev.SMART_EMPTYING: EventForm(_LIST, pv_min=5),
    Ev.ERROR_DURING_PAYOUT: EventForm(f"{_LIST} error:u1", pv_min=7, acknowledged=True),
    Ev.JAM_RECOVERY: EventForm(pv_min=7),
    # Events of other units that the vector file shows; this validator never sends them.
    0xD1: EventForm(acknowledged=True),
    0xD7: EventForm(_LIST),
    0xD8: EventForm(_LIST, acknowledged=True),
    0x90: EventForm("reason:u1", pv_min=6),
    **{code: EventForm(pv_min=6) for code in (0x92, 0x93, 0xC6, 0xC7, 0xC8, 0xA5, 0xA6, 0xAD, 0xAE, 0xAF)},
}


def encode_event(code: int, values: Values, pv: int) -> bytes:
    """One event as this protocol version shows it: below PV 6 a list of amounts is one sum."""
    form = FORMS[code]
    if pv < PV_LISTS and form.fields == _LIST:
        total = sum(value for value, _ in values["amounts"])
        return bytes((code,)) + layout("value:u4").encode({"value": total})
    if pv < PV_LISTS and form.fields == "amounts:amounts2":
        paid, requested = (sum(row[i] for row in values["amounts"]) for i in (0, 1))
        return bytes((code,)) + layout("paid:u4 requested:u4").encode({"paid": paid, "requested": requested})
    return bytes((code,)) + layout(form.fields).encode(values)


def decode_events(data: bytes, pv: int = 8) -> list[tuple[int, Values]]:
    """Events of a poll reply after its F0, for tests and logs; `LayoutError` at an unknown code."""
    events: list[tuple[int, Values]] = []
    offset = 0
    while offset < len(data):
        code = data[offset]
        if code not in FORMS:
            message = f"unknown event {code:#04x}: its length is unknown"
            raise LayoutError(message)
        fields = FORMS[code].fields
        if pv < PV_LISTS and fields in {_LIST, "amounts:amounts2"}:
            fields = "value:u4" if fields == _LIST else "paid:u4 requested:u4"
        values, offset = layout(fields).decode_from(data, offset + 1)
        events.append((code, values))
    return events
