"""Auxiliary queries (type 6): who the device is (section 6)."""

from enum import IntEnum
from typing import Final

from firmware_bridge.protocols.ebds.errors import EbdsError

CRC_NIBBLES: Final = 4


class Query(IntEnum):
    """The last byte of a query."""

    SOFTWARE_CRC = 0x00
    BOOT_PART = 0x06
    APPLICATION_PART = 0x07
    VARIANT_NAME = 0x08
    VARIANT_PART = 0x09
    CAPABILITIES = 0x0D
    APPLICATION_ID = 0x0E
    VARIANT_ID = 0x0F
    RESET = 0x7F


def query(what: Query) -> bytes:
    """The data of a query; a soft reset has its code three times."""
    return bytes((what, what, what)) if what is Query.RESET else bytes((0, 0, what))


def decode_text(data: bytes) -> str:
    """A part number or name: printable ASCII up to the first NUL. Raises `EbdsError`."""
    told = data.split(b"\x00", 1)[0]
    if not all(0x20 <= byte < 0x7F for byte in told):  # noqa: PLR2004 - printable ASCII
        raise EbdsError("not printable")
    return told.decode("ascii").strip()


def decode_crc(data: bytes) -> int:
    """Four nibbles, high first. Raises `EbdsError`."""
    if len(data) < CRC_NIBBLES or any(nibble > 0xF for nibble in data[:CRC_NIBBLES]):  # noqa: PLR2004 - 4 bits
        raise EbdsError("not four nibbles")
    value = 0
    for nibble in data[:CRC_NIBBLES]:
        value = value << 4 | nibble
    return value
