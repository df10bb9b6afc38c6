"""Deterministic CBOR read where the shape is known: one flat array, for a fraction of what `cbor.decode` costs.

Nothing but the shortest form of each head is accepted, lengths are definite, and nothing may be left over: so what is
read has one spelling, as `cbor` asks for (RFC 8949 section 4.2.1).
"""

from collections.abc import Iterable
from typing import Any, Final

from kiosk.errors import VerificationError

UINT, BYTES, TEXT = 0 << 5, 2 << 5, 3 << 5  # major types, RFC 8949 section 3.1
NO_MAP: Final = 5 << 5  # a map, which must be empty; nothing is returned for it
_SMALL, _ONE_BYTE = 24, 24
_LEAST: Final = (24, 1 << 8, 1 << 16, 1 << 32)  # that needs 1, 2, 4, 8 bytes behind the head


def read(data: bytes, prefix: bytes, kinds: Iterable[int], bytes_max: int) -> list[Any]:
    """The values behind `prefix`, which are all that is left of `data`: one of each kind, in order.

    An integer has at most 64 bits, a text is valid UTF-8. Raises VerificationError for anything else. One loop without
    a call for each element, since a receiver reads a score of them for every record.
    """
    if len(data) > bytes_max:
        raise VerificationError(f"CBOR of {len(data)} bytes where at most {bytes_max} are allowed")
    if not data.startswith(prefix):
        raise VerificationError("CBOR that begins otherwise than belongs here")
    try:
        found, end = _values(data, len(prefix), kinds)
    except IndexError:
        raise VerificationError("CBOR ends too early") from None
    except UnicodeDecodeError as error:
        raise VerificationError("a CBOR text is not UTF-8") from error
    if end != len(data):
        raise VerificationError(f"CBOR of {len(data)} bytes where {end} belong")
    return found


def _values(data: bytes, at: int, kinds: Iterable[int]) -> tuple[list[Any], int]:
    """The values, and where the last one ends or would end."""
    found: list[Any] = []
    for kind in kinds:
        number = data[at] - kind
        at += 1
        if number == _ONE_BYTE and data[at] >= _SMALL:
            number = data[at]
            at += 1
        elif not 0 <= number < _SMALL:
            number, at = _long(data, at, number)
        if kind == UINT:
            found.append(number)
        elif kind == NO_MAP:
            if number:
                raise VerificationError("a CBOR map with something in it where nothing belongs")
        else:
            begin = at
            at += number
            found.append(data[begin:at] if kind == BYTES else data[begin:at].decode())
    return found, at


def _long(data: bytes, at: int, value: int) -> tuple[int, int]:
    """A number that stands behind its head, and where it ends."""
    if not _SMALL <= value < _SMALL + len(_LEAST):
        raise VerificationError("CBOR of another type than belongs here, or of no definite length")
    end = at + (1 << (value - _SMALL))
    if end > len(data):
        raise VerificationError("CBOR ends too early")
    number = int.from_bytes(data[at:end])
    if number < _LEAST[value - _SMALL]:
        raise VerificationError("a CBOR number is longer than it needs to be")
    return number, end
