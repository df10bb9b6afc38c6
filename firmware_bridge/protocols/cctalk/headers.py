"""The headers of a bill validator that this host sends: what each carries, what is answered, how long that may take.

P2 3.1 to 3.152, P3 appendix 13 and table 8. Headers for uploads, encryption keys, multi-drop addressing and coin
devices are left out: nothing here sends them.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Header(IntEnum):
    """Numbers of commands; of replies only the three that are no command."""

    REPLY = 0
    RESET_DEVICE = 1
    COMMS_REVISION = 4
    NAK = 5
    BUSY = 6
    MODIFY_BILL_OPERATING_MODE = 153
    ROUTE_BILL = 154
    COUNTRY_SCALING_FACTOR = 156
    REQUEST_BILL_ID = 157
    READ_BUFFERED_BILL_EVENTS = 159
    BUILD_CODE = 192
    OPTION_FLAGS = 213
    MODIFY_MASTER_INHIBIT = 228
    REQUEST_INHIBIT = 230
    MODIFY_INHIBIT = 231
    SELF_CHECK = 232
    SOFTWARE_REVISION = 241
    SERIAL_NUMBER = 242
    PRODUCT_CODE = 244
    EQUIPMENT_CATEGORY = 245
    MANUFACTURER_ID = 246
    VARIABLE_SET = 247
    SIMPLE_POLL = 254


@dataclass(frozen=True, slots=True)
class Form:
    """Least and most data bytes of a command and of its reply; how long the reply may take (P1 11.2)."""

    sent: tuple[int, int]
    told: tuple[int, int]
    timeout_s: float = 0.25  # simple ones are answered within 10 ms; USB adapters add up to 2 x 16 ms


_NONE: Final = (0, 0)
_ASCII: Final = (1, 32)
_MECHANICAL_S: Final = 1.0
_SLOW_S: Final = 5.0

FORMS: Final[dict[Header, Form]] = {
    Header.RESET_DEVICE: Form(_NONE, _NONE),
    Header.COMMS_REVISION: Form(_NONE, (3, 3)),
    Header.MODIFY_BILL_OPERATING_MODE: Form((1, 1), _NONE),
    Header.ROUTE_BILL: Form((1, 1), (0, 1), _MECHANICAL_S),
    Header.COUNTRY_SCALING_FACTOR: Form((2, 2), (3, 3)),
    Header.REQUEST_BILL_ID: Form((1, 1), (7, 7)),
    Header.READ_BUFFERED_BILL_EVENTS: Form(_NONE, (11, 11)),
    Header.BUILD_CODE: Form(_NONE, _ASCII),
    Header.OPTION_FLAGS: Form(_NONE, (1, 1)),
    Header.MODIFY_MASTER_INHIBIT: Form((1, 1), _NONE),
    Header.REQUEST_INHIBIT: Form(_NONE, (1, 16)),
    Header.MODIFY_INHIBIT: Form((1, 16), _NONE),
    Header.SELF_CHECK: Form(_NONE, (1, 2), _SLOW_S),
    Header.SOFTWARE_REVISION: Form(_NONE, _ASCII),
    Header.SERIAL_NUMBER: Form(_NONE, (3, 4)),
    Header.PRODUCT_CODE: Form(_NONE, _ASCII),
    Header.EQUIPMENT_CATEGORY: Form(_NONE, _ASCII),
    Header.MANUFACTURER_ID: Form(_NONE, _ASCII),
    Header.VARIABLE_SET: Form(_NONE, (2, 255)),
    Header.SIMPLE_POLL: Form(_NONE, _NONE),
}

FAULTS: Final[dict[int, str]] = {  # P3 table 3, those of bill validators
    0: "no fault",
    1: "EEPROM checksum",
    9: "NVRAM checksum",
    22: "thermistor",
    28: "personality module missing",
    29: "personality checksum",
    30: "ROM checksum",
    31: "slave device missing",
    32: "internal communication",
    33: "supply voltage",
    34: "temperature",
    36: "bill validation sensor",
    37: "bill transport motor",
    38: "stacker",
    39: "bill jammed",
    40: "RAM test",
    41: "string sensor",
    42: "accept gate failed open",
    43: "accept gate failed closed",
    44: "stacker missing",
    45: "stacker full",
    46: "flash erase",
    47: "flash write",
    48: "slave device not responding",
    49: "opto sensor",
    50: "battery",
    51: "door open",
    52: "microswitch",
    53: "real-time clock",
    54: "firmware",
    55: "initialisation",
    56: "supply current",
    57: "forced bootloader",
    255: "unspecified",
}


def fault_name(code: int) -> str:
    """The words of a fault code, e.g. "stacker full"."""
    return FAULTS.get(code, f"fault {code}")
