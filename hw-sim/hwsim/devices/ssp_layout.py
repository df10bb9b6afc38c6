"""Field layouts of SSP commands and events as short texts, e.g. "route:u1 value:u4 country:s3"."""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

Values = dict[str, Any]

_FIXED: Final = {
    "u1": struct.Struct("<B"),
    "u2": struct.Struct("<H"),
    "u4": struct.Struct("<I"),
    "u8": struct.Struct("<Q"),
    "U4": struct.Struct(">I"),
}
_LISTS: Final = {  # n, then n rows
    "amounts": "value:u4 country:s3",
    "amounts2": "paid:u4 requested:u4 country:s3",
    "levels": "count:u2 value:u4 country:s3",
    "bytes": "byte:u1",
}


class LayoutError(ValueError):
    """The bytes or values do not fit the layout."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and kinds of fields, in order. `hex` takes the rest; a list is a tuple of row tuples."""

    fields: tuple[tuple[str, str], ...]

    def decode(self, data: bytes) -> Values:
        """All fields; `LayoutError` when bytes are missing or left over."""
        values, offset = self.decode_from(data, 0)
        if offset != len(data):
            message = f"{len(data) - offset} bytes left over"
            raise LayoutError(message)
        return values

    def decode_from(self, data: bytes, offset: int) -> tuple[Values, int]:
        """The fields at `offset`, and where they end."""
        values: Values = {}
        for name, kind in self.fields:
            values[name], offset = _read(kind, data, offset)
        return values, offset

    def encode(self, values: Values) -> bytes:
        """The bytes of exactly these fields."""
        if set(values) != {name for name, _ in self.fields}:
            message = f"fields {sorted(values)} given"
            raise LayoutError(message)
        return b"".join(_write(kind, values[name]) for name, kind in self.fields)


@lru_cache(maxsize=256)
def layout(text: str) -> Layout:
    """The layout of a text such as "channel:u1"; the empty text has no fields."""
    fields = (field.split(":") for field in text.split())
    return Layout(tuple((name, kind) for name, kind in fields))


def _read(kind: str, data: bytes, offset: int) -> tuple[Any, int]:
    if kind in _FIXED:
        return _take(data, offset, _FIXED[kind])
    if kind == "U3":
        end = _end(data, offset, 3)
        return int.from_bytes(data[offset:end], "big"), end
    if kind[0] == "s":
        end = _end(data, offset, int(kind[1:]))
        return data[offset:end].decode("latin-1"), end
    if kind == "hex":
        return data[offset:].hex(), len(data)
    count, offset = _take(data, offset, _FIXED["u1"])
    rows = []
    for _ in range(count):
        row, offset = layout(_LISTS[kind]).decode_from(data, offset)
        rows.append(tuple(row.values()))
    return tuple(rows), offset


def _end(data: bytes, offset: int, size: int) -> int:
    if offset + size > len(data):
        message = f"{offset + size - len(data)} bytes missing"
        raise LayoutError(message)
    return offset + size


def _take(data: bytes, offset: int, form: struct.Struct) -> tuple[int, int]:
    end = _end(data, offset, form.size)
    return form.unpack_from(data, offset)[0], end


def _write(kind: str, value: Any) -> bytes:  # noqa: ANN401 - the layout says what it is
    try:
        if kind in _FIXED:
            return _FIXED[kind].pack(value)
        if kind == "U3":
            return int(value).to_bytes(3, "big")
        if kind[0] == "s":
            text = str(value).encode("latin-1")
            if len(text) == int(kind[1:]):
                return text
        elif kind == "hex":
            return bytes.fromhex(value)
        else:
            row_layout = layout(_LISTS[kind])
            rows = [dict(zip((name for name, _ in row_layout.fields), row, strict=True)) for row in value]
            return bytes((len(rows),)) + b"".join(row_layout.encode(row) for row in rows)
    except (struct.error, ValueError, OverflowError, TypeError) as error:
        message = f"{value!r} is no {kind}"
        raise LayoutError(message) from error
    message = f"{value!r} is no {kind}"
    raise LayoutError(message)
