"""The small language in which commands, replies and events are written as tables.

A `Layout` is a tuple of fields; each field reads its value from bytes and writes it back. Values are
plain JSON types (int, str, list, dict), so that what `kioskctl decode` prints can be built again.
Integers are little endian unless a field says otherwise (fact sheet section 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from firmware_bridge.protocols.ssp.errors import SspError

Content = dict[str, object]

BYTE_MAX = 0xFF
PV_MIN = 4
PV_MAX = 9
_COUNTRY_CHARACTERS = 3  # ISO 4217
_PAIR_MAX = 99  # two decimal digits
_BYTE_BITS = 8


class Field(Protocol):
    """One named value on the wire. `name` "" means a constant without a value."""

    @property
    def name(self) -> str: ...

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        """The value at `at` and the offset behind it; `SspError` when it is not there."""

    def write(self, value: object) -> bytes:
        """The bytes of `value`; `SspError` when the field cannot carry it."""


Layout = tuple[Field, ...]


def _take(data: bytes, at: int, size: int, name: str) -> bytes:
    if at + size > len(data):
        msg = f"truncated at {name or 'constant'}: {size} bytes wanted, {len(data) - at} there"
        raise SspError(msg)
    return data[at : at + size]


def _refuse(name: str, value: object, wanted: str) -> SspError:
    return SspError(f"{name}: {value!r} is not {wanted}")


@dataclass(frozen=True, slots=True)
class Uint:
    """Unsigned integer of `size` bytes."""

    name: str
    size: int = 1
    order: Literal["little", "big"] = "little"

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        return int.from_bytes(_take(data, at, self.size, self.name), self.order), at + self.size

    def write(self, value: object) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << (8 * self.size):
            raise _refuse(self.name, value, f"an integer of {self.size} bytes")
        return value.to_bytes(self.size, self.order)


@dataclass(frozen=True, slots=True)
class Constant:
    """Bytes that are always the same; carries no value."""

    octets: bytes
    name: str = ""

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        found = _take(data, at, len(self.octets), self.name)
        if found != self.octets:
            msg = f"{found.hex()} where {self.octets.hex()} belongs"
            raise SspError(msg)
        return None, at + len(found)

    def write(self, value: object) -> bytes:
        if value is not None:
            raise _refuse("constant", value, "absent")
        return self.octets


@dataclass(frozen=True, slots=True)
class Text:
    """ASCII of `size` bytes; `size` 0 means to the end."""

    name: str
    size: int = 0

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        size = self.size or len(data) - at
        octets = _take(data, at, size, self.name)
        if not octets.isascii():
            raise _refuse(self.name, octets, "ASCII")
        return octets.decode("ascii"), at + size

    def write(self, value: object) -> bytes:
        if not isinstance(value, str) or not value.isascii() or (self.size and len(value) != self.size):
            raise _refuse(self.name, value, f"{self.size or 'any'} ASCII characters")
        return value.encode("ascii")


@dataclass(frozen=True, slots=True)
class Country:
    """ISO 4217 currency code, as SSP calls it; three capital letters, so that misaligned lists are noticed."""

    name: str = "country"

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        octets = _take(data, at, 3, self.name)
        if not octets.isalpha() or not octets.isupper():
            raise _refuse(self.name, octets, "three capital letters")
        return octets.decode("ascii"), at + 3

    def write(self, value: object) -> bytes:
        if not isinstance(value, str) or len(value) != _COUNTRY_CHARACTERS or not value.isascii():
            raise _refuse(self.name, value, "three capital letters")
        octets = value.encode("ascii")
        if not octets.isalpha() or not octets.isupper():
            raise _refuse(self.name, value, "three capital letters")
        return octets


@dataclass(frozen=True, slots=True)
class Hex:
    """Raw bytes of `size` (0: to the end), as lower-case hex."""

    name: str
    size: int = 0

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        size = self.size or len(data) - at
        return _take(data, at, size, self.name).hex(), at + size

    def write(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise _refuse(self.name, value, "hex")
        try:
            octets = bytes.fromhex(value)
        except ValueError:
            raise _refuse(self.name, value, "hex") from None
        if self.size and len(octets) != self.size:
            raise _refuse(self.name, value, f"{self.size} bytes of hex")
        return octets


@dataclass(frozen=True, slots=True)
class CountedText:
    """A length byte, then that much ASCII."""

    name: str

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        size = _take(data, at, 1, self.name)[0]
        octets = _take(data, at + 1, size, self.name)
        if not octets.isascii():
            raise _refuse(self.name, octets, "ASCII")
        return octets.decode("ascii"), at + 1 + size

    def write(self, value: object) -> bytes:
        if not isinstance(value, str) or not value.isascii() or len(value) > BYTE_MAX:
            raise _refuse(self.name, value, "at most 255 ASCII characters")
        return bytes((len(value),)) + value.encode("ascii")


@dataclass(frozen=True, slots=True)
class DecimalPairs:
    """Two decimal digits per byte, each held as a plain number 0-99, most significant first (TEBS barcodes)."""

    name: str
    size: int = 0  # bytes; 0 means to the end

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        size = self.size or len(data) - at
        pairs = _take(data, at, size, self.name)
        if any(pair > _PAIR_MAX for pair in pairs):
            raise _refuse(self.name, pairs, "two decimal digits per byte")
        return "".join(f"{pair:02d}" for pair in pairs), at + size

    def write(self, value: object) -> bytes:
        if not isinstance(value, str) or not set(value) <= set("0123456789") or len(value) % 2:
            raise _refuse(self.name, value, "an even number of digits")
        if self.size and len(value) != 2 * self.size:
            raise _refuse(self.name, value, f"{2 * self.size} digits")
        return bytes(int(value[i : i + 2]) for i in range(0, len(value), 2))


@dataclass(frozen=True, slots=True)
class ChannelBits:
    """One bit per channel, byte 0 bit 0 = channel 1. Value: `{"width": bits, "accepted": [channel, ...]}`."""

    name: str
    bytes_max: int = 4

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        size = len(data) - at
        if not 1 <= size <= self.bytes_max:
            msg = f"{self.name}: {size} bytes, 1 to {self.bytes_max} wanted"
            raise SspError(msg)
        mask = int.from_bytes(data[at:], "little")
        accepted = [bit + 1 for bit in range(8 * size) if mask >> bit & 1]
        return {"width": 8 * size, "accepted": accepted}, len(data)

    def write(self, value: object) -> bytes:
        if not isinstance(value, dict) or set(value) != {"width", "accepted"}:
            raise _refuse(self.name, value, "width and accepted channels")
        width, accepted = value["width"], value["accepted"]
        if not isinstance(width, int) or width % _BYTE_BITS or not _BYTE_BITS <= width <= _BYTE_BITS * self.bytes_max:
            raise _refuse(self.name, width, "a width of whole bytes")
        mask = 0
        for channel in _items(self.name, accepted):
            if isinstance(channel, bool) or not isinstance(channel, int) or not 1 <= channel <= width:
                raise _refuse(self.name, channel, f"a channel of 1..{width}")
            mask |= 1 << (channel - 1)
        return mask.to_bytes(width // 8, "little")


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows of the same layout. A count byte leads unless `count` fixes it or `to_end` takes what is there."""

    name: str
    row: Layout
    count: int = 0
    to_end: bool = False
    count_max: int = 0xFF

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        rows: list[object] = []
        if self.to_end:
            while at < len(data):
                row, at = read_layout(self.row, data, at)
                rows.append(row)
            return rows, at
        count = self.count
        if not count:
            count, at = _take(data, at, 1, self.name)[0], at + 1
            if count > self.count_max:
                raise _refuse(self.name, count, f"a count up to {self.count_max}")
        for _ in range(count):
            row, at = read_layout(self.row, data, at)
            rows.append(row)
        return rows, at

    def write(self, value: object) -> bytes:
        rows = _items(self.name, value)
        if len(rows) > self.count_max or (self.count and len(rows) != self.count):
            raise _refuse(
                self.name,
                len(rows),
                f"{self.count or 'up to ' + str(self.count_max)} rows",
            )
        lead = b"" if self.to_end or self.count else bytes((len(rows),))
        return lead + b"".join(write_layout(self.row, row) for row in rows)


@dataclass(frozen=True, slots=True)
class Columns:
    """A count n, then for each column n values in a row: `[{"value": .., "country": ..}, ...]` by index."""

    name: str
    columns: Layout

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        count = _take(data, at, 1, self.name)[0]
        return read_columns(self.columns, data, at + 1, count)

    def write(self, value: object) -> bytes:
        rows = _items(self.name, value)
        if len(rows) > BYTE_MAX:
            raise _refuse(self.name, len(rows), "up to 255 rows")
        return bytes((len(rows),)) + write_columns(self.columns, rows)


def read_columns(columns: Layout, data: bytes, at: int, count: int) -> tuple[list[Content], int]:
    """`count` rows that the wire holds column by column."""
    rows: list[Content] = [{} for _ in range(count)]
    for column in columns:
        for row in rows:
            row[column.name], at = column.read(data, at)
    return rows, at


def write_columns(columns: Layout, rows: Sequence[object]) -> bytes:
    """Rows back into columns."""
    out = bytearray()
    for column in columns:
        for row in rows:
            if not isinstance(row, dict) or column.name not in row:
                raise _refuse(column.name, row, "in each row")
            out += column.write(row[column.name])
    return bytes(out)


def _items(name: str, value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise _refuse(name, value, "a list")
    return value


def names_of(layout: Layout) -> frozenset[str]:
    """Names of the values that a layout carries."""
    return frozenset(field.name for field in layout if field.name)


def read_layout(layout: Layout, data: bytes, at: int) -> tuple[Content, int]:
    """The values of a layout from `at` on, and the offset behind it."""
    content: Content = {}
    for field in layout:
        value, at = field.read(data, at)
        if field.name:
            content[field.name] = value
    return content, at


def write_layout(layout: Layout, content: object) -> bytes:
    """The bytes of a layout; `content` has exactly its names."""
    if not isinstance(content, dict) or set(content) != names_of(layout):
        raise _refuse("content", content, f"exactly {sorted(names_of(layout))}")
    return b"".join(field.write(content[field.name] if field.name else None) for field in layout)


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of a message: its layout and the protocol versions that use it."""

    layout: Layout = ()
    pv_min: int = PV_MIN
    pv_max: int = PV_MAX

    def used_by(self, protocol_version: int | None) -> bool:
        """Whether that version (None: any) uses this form."""
        return protocol_version is None or self.pv_min <= protocol_version <= self.pv_max


def parse_exact(variants: Sequence[Variant], data: bytes, protocol_version: int | None) -> Content:
    """The first form that takes all of `data`; `SspError` with the last form's complaint if none does."""
    why = "no form of this message exists at this protocol version"
    for variant in variants:
        if not variant.used_by(protocol_version):
            continue
        try:
            content, at = read_layout(variant.layout, data, 0)
        except SspError as error:
            why = str(error)
            continue
        if at == len(data):
            return content
        why = f"{len(data) - at} bytes too many"
    raise SspError(why)


def parse_prefix(
    variants: Sequence[Variant], data: bytes, at: int, protocol_version: int | None
) -> tuple[Content, int]:
    """The first form that fits at `at`; for events, which follow each other without lengths."""
    why = "no form of this message exists at this protocol version"
    for variant in variants:
        if variant.used_by(protocol_version):
            try:
                return read_layout(variant.layout, data, at)
            except SspError as error:
                why = str(error)
    raise SspError(why)


def build_exact(variants: Sequence[Variant], content: Content, protocol_version: int | None) -> bytes:
    """The bytes of the first form of that version that carries exactly these names."""
    for variant in variants:
        if variant.used_by(protocol_version) and names_of(variant.layout) == set(content):
            return write_layout(variant.layout, content)
    msg = f"no form with exactly {sorted(content)} at protocol version {protocol_version}"
    raise SspError(msg)
