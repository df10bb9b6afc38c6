"""Extended messages (type 7): notes by currency and value, inhibits, the value table (section 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from firmware_bridge.protocols.ebds.errors import EbdsError
from firmware_bridge.protocols.ebds.omnibus import REPLY_BYTES, OmnibusReply, decode_reply

NOTE_BYTES: Final = 18
INHIBIT_BYTES_SMALL: Final = 8  # CFSC: 50 notes
INHIBIT_BYTES_LARGE: Final = 19  # SC Adv, SCR: 128 notes
NOTES_SMALL: Final = 50
NOTES_MAX: Final = 128
EXPONENT_MAX: Final = 15
TABLE_ROWS: Final = 7
ROW_BYTES: Final = 10
_NULL: Final = bytes(NOTE_BYTES - 1)
_PER_BYTE: Final = 7


class Subtype(IntEnum):
    """The byte behind CTRL."""

    BARCODE = 0x01
    NOTE = 0x02
    INHIBITS = 0x03
    ESCROW_TIMEOUT = 0x04
    VALUE_TABLE = 0x06
    NOTE_RETRIEVED = 0x0B
    BOOKMARK = 0x0D
    CLEAR_AUDIT = 0x1D


class Classification(IntEnum):
    """What the device thinks of a note (SCR)."""

    OFF = 0
    UNIDENTIFIED = 1
    SUSPECTED_COUNTERFEIT = 2
    SUSPECTED_ZERO_VALUE = 3
    GENUINE = 4


@dataclass(frozen=True, slots=True)
class NoteSpecification:
    """One kind of note, of the table (`index` 1..) or in the path (`index` 0). Value = base x 10^exponent units."""

    index: int
    currency: str  # ISO 4217
    base: int
    exponent: int
    orientation: int = 0
    kind: str = "A"  # type, series, compatibility, version: one ASCII character each
    series: str = "A"
    compatibility: str = "A"
    version: str = "A"
    classification: int = Classification.OFF

    def value_minor(self, digits: int) -> int:
        """Minor units of a currency with so many decimals; integers only. `EbdsError` when it is no whole number."""
        power = self.exponent + digits
        if power >= 0:
            return int(self.base * 10**power)
        whole, rest = divmod(self.base, 10**-power)
        if rest:
            raise EbdsError(f"{self.base} x 10^{self.exponent} {self.currency} is less than a minor unit")
        return int(whole)

    def encode(self) -> bytes:
        """The 18 bytes. Raises `EbdsError`."""
        letters = self.kind + self.series + self.compatibility + self.version
        if not (0 <= self.index <= NOTES_MAX - 1 and 0 <= self.base <= 999 and abs(self.exponent) <= 99):  # noqa: PLR2004 - digits
            raise EbdsError("index, base or exponent have too many digits")
        if len(letters) != 4 or len(self.currency) != 3:  # noqa: PLR2004 - the layout
            raise EbdsError("a currency of three letters, and four letters of one character")
        sign = "-" if self.exponent < 0 else "+"
        text = f"{self.currency}{self.base:03}{sign}{abs(self.exponent):02}"
        try:
            named, told = text.encode("ascii"), letters.encode("ascii")
        except UnicodeEncodeError as error:
            raise EbdsError("only ASCII") from error
        tail = bytes((self.classification & 0x7F, 0, 0))
        return bytes((self.index,)) + named + bytes((self.orientation & 0x7F,)) + told + tail


def decode_note(data: bytes) -> NoteSpecification | None:
    """A note from its 18 bytes; None for the null note. Raises `EbdsError`."""
    if len(data) != NOTE_BYTES or any(byte > 0x7F for byte in data):  # noqa: PLR2004 - 7 bits
        raise EbdsError("a note specification has 18 bytes of 7 bits")
    if data[1:] == _NULL:
        return None
    currency, base, exponent = _value(data[1:10])
    kind, series, compatibility, version = (chr(byte) for byte in data[11:15])
    return NoteSpecification(
        data[0], currency, base, exponent, data[10], kind, series, compatibility, version, data[15]
    )


def _value(data: bytes) -> tuple[str, int, int]:
    """Currency, base and exponent of nine bytes: ISO 3, base 3, sign 1, exponent 2."""
    currency, base, sign, exponent = (data[a:b].decode("ascii") for a, b in ((0, 3), (3, 6), (6, 7), (7, 9)))
    if not (currency.isalpha() and currency.isupper() and base.isdigit() and exponent.isdigit() and sign in "+-"):
        raise EbdsError("no currency with a decimal value")
    power = int(sign + exponent)
    if abs(power) > EXPONENT_MAX:
        raise EbdsError(f"exponent {power}")
    return currency, int(base), power


def encode_inhibits(enabled: Iterable[int], notes: int) -> bytes:
    """Enable bits of the notes of a table with `notes` rows: bit k of byte j is note 7(j - 1) + k + 1."""
    size = INHIBIT_BYTES_SMALL if notes <= NOTES_SMALL else INHIBIT_BYTES_LARGE
    bits = bytearray(size)
    for index in enabled:
        if not 1 <= index <= min(NOTES_MAX, _PER_BYTE * size):
            raise EbdsError(f"note {index} has no enable bit")
        bits[(index - 1) // _PER_BYTE] |= 1 << (index - 1) % _PER_BYTE
    return bytes(bits)


def decode_inhibits(data: bytes) -> frozenset[int]:
    """The enabled notes. Raises `EbdsError`."""
    if len(data) not in (INHIBIT_BYTES_SMALL, INHIBIT_BYTES_LARGE) or any(byte > 0x7F for byte in data):  # noqa: PLR2004 - 7 bits
        raise EbdsError("8 or 19 bytes of 7 bits")
    return frozenset(_PER_BYTE * j + k + 1 for j, byte in enumerate(data) for k in range(_PER_BYTE) if byte >> k & 1)


@dataclass(frozen=True, slots=True)
class ExtendedReply:
    """A device's message of type 7: an omnibus reply with something behind it."""

    subtype: int
    reply: OmnibusReply
    extra: bytes

    def encode(self) -> bytes:
        """The frame's data."""
        return bytes((self.subtype,)) + self.reply.encode() + self.extra


def decode_extended(data: bytes) -> ExtendedReply:
    """Raises `EbdsError`."""
    if len(data) <= REPLY_BYTES:
        raise EbdsError("an extended message has a subtype and six bytes of reply")
    return ExtendedReply(data[0], decode_reply(data[1 : 1 + REPLY_BYTES]), data[1 + REPLY_BYTES :])


def decode_table(data: bytes) -> tuple[NoteSpecification, ...]:
    """The value table of a device without extended note reporting: used rows only. Raises `EbdsError`."""
    if len(data) != TABLE_ROWS * ROW_BYTES:
        raise EbdsError("a value table has seven rows of ten bytes")
    found = []
    for start in range(0, len(data), ROW_BYTES):
        row = data[start : start + ROW_BYTES]
        if any(row[1:]):
            if any(byte > 0x7F for byte in row):  # noqa: PLR2004 - 7 bits
                raise EbdsError("a byte of more than 7 bits")
            found.append(NoteSpecification(row[0], *_value(row[1:])))
    return tuple(found)


def encode_table(notes: Iterable[NoteSpecification]) -> bytes:
    """The value table of at most seven notes, by index."""
    rows = {note.index: note.encode()[:ROW_BYTES] for note in notes}
    if not set(rows) <= set(range(1, TABLE_ROWS + 1)):
        raise EbdsError("a value table has the notes 1 to 7")
    return b"".join(rows.get(index, bytes((index,)) + bytes(ROW_BYTES - 1)) for index in range(1, TABLE_ROWS + 1))
