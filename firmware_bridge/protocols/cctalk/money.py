"""Bill identities and what they are worth (P2 3.94, P3 appendix 15)."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from firmware_bridge.protocols.cctalk.errors import CctalkError

_ID_CHARACTERS: Final = 7  # CCVVVVI
_UNPROGRAMMED: Final = b"." * _ID_CHARACTERS
_VALUE_CHARACTERS: Final = frozenset("0123456789.")
_ASCII_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")

# Where a country's letters are not the first two of its currency's. ccTalk names countries (ISO 3166-1, and EU).
_CURRENCIES: Final[dict[str, str]] = {"EU": "EUR", "RU": "RUB", "PL": "PLN", "BY": "BYN", "UA": "UAH", "MX": "MXN"}
_THIRD_LETTERS: Final[dict[str, str]] = {
    "AE": "D", "AR": "S", "AU": "D", "BR": "L", "CA": "D", "CH": "F", "CN": "Y", "CZ": "K", "DK": "K", "GB": "P",
    "HK": "D", "HU": "F", "ID": "R", "IL": "S", "IN": "R", "JP": "Y", "KR": "W", "KZ": "T", "MO": "P", "MY": "R",
    "NO": "K", "NZ": "D", "PH": "P", "RO": "N", "SE": "K", "SG": "D", "TH": "B", "TR": "Y", "TW": "D", "US": "D",
    "VN": "D", "ZA": "R",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BillId:
    """What one position of the device's table is programmed for: `value` as printed in it, `issue` a letter."""

    country: str
    value: Decimal
    issue: str


@dataclass(frozen=True, slots=True)
class Scaling:
    """One country's factor: the lowest unit is `value` x `factor`, shown with `decimals` places."""

    factor: int
    decimals: int

    @property
    def known(self) -> bool:
        """0, 0, 0 means that the device does not know the country."""
        return self.factor > 0


def decode_bill_id(data: bytes) -> BillId | None:
    """`CCVVVVI`, e.g. EU0020A; None for a position that is not programmed. `CctalkError` for anything else."""
    if data == _UNPROGRAMMED:
        return None
    text = data.decode("latin-1")
    country, digits, issue = text[:2], text[2:6], text[6:]
    good = (
        len(text) == _ID_CHARACTERS and set(country) | set(issue) <= _ASCII_LETTERS and set(digits) <= _VALUE_CHARACTERS
    )
    try:
        value = Decimal(digits) if good else None
    except InvalidOperation:
        value = None
    if value is None:
        msg = f"{text!r} is no bill identity"
        raise CctalkError(msg)
    return BillId(country, value, issue)


def encode_bill_id(bill: BillId | None) -> bytes:
    """The seven characters; `CctalkError` when the identity does not fit them."""
    if bill is None:
        return _UNPROGRAMMED
    digits = str(bill.value).rjust(4, "0") if bill.value.is_finite() else ""
    data = f"{bill.country}{digits}{bill.issue}".encode("latin-1", "replace")
    if decode_bill_id(data) != bill:
        msg = f"{bill} does not fit {_ID_CHARACTERS} characters"
        raise CctalkError(msg)
    return data


def decode_scaling(data: bytes) -> Scaling:
    """Factor LSB, MSB, decimals; `CctalkError` when they are not three bytes."""
    if len(data) != 3:  # noqa: PLR2004 - the three just named
        msg = f"{len(data)} bytes are no scaling factor"
        raise CctalkError(msg)
    return Scaling(data[0] | data[1] << 8, data[2])


def encode_scaling(scaling: Scaling) -> bytes:
    """The three bytes."""
    try:
        return scaling.factor.to_bytes(2, "little") + bytes((scaling.decimals,))
    except (OverflowError, ValueError) as error:
        msg = f"{scaling} does not fit three bytes"
        raise CctalkError(msg) from error


def minor_units(bill: BillId, scaling: Scaling) -> int:
    """The value in the lowest unit of the currency; `CctalkError` unless that is a whole number above 0."""
    minor = bill.value * scaling.factor
    if minor <= 0 or minor != int(minor):
        msg = f"{bill.country} {bill.value} x {scaling.factor} is no amount"
        raise CctalkError(msg)
    return int(minor)


def currency_of(country: str) -> str:
    """The ISO 4217 code of a country's money; the country itself where this table does not know it.

    The kiosk's own table of notes says which channels it takes and as what, so an unknown country is refused there.
    """
    third = _THIRD_LETTERS.get(country)
    return country + third if third else _CURRENCIES.get(country, country)
