"""Deterministic CBOR: one value, one encoding (RFC 8949 section 4.2.1), and nothing else is accepted.

What we sign, hash and seal must have exactly one byte form, or a changed byte could pass as "the same" record.
Values are a small set: None, bool, integers of 64 bits, finite floats, text, bytes, arrays, and maps whose keys are
all text or all unsigned integers. With such keys the length-first order that cbor2 writes is the bytewise order that
RFC 8949 asks for (they differ only in maps that mix key types). There are no tags: COSE's own is handled in `cose`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import Any, Final, NoReturn

import cbor2

from kiosk.errors import VerificationError

DEPTH_MAX: Final = 16
_BYTES: Final = 2 << 5  # major types, RFC 8949 section 3.1
_ARRAY: Final = 4 << 5
_TEXT: Final = {str}
_PLAIN: Final = frozenset({str, bytes, bool, type(None)})
_READ_PLAIN: Final = _PLAIN | {int}
INT_MIN: Final = -(2**64)
INT_MAX: Final = 2**64 - 1
# Every tag that cbor2 would turn into a Python object (dates, regular expressions, shared references, ...).
_KNOWN_TAGS: Final = (
    *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799),
)


class _RefusedError(ValueError):
    """Inside this module: the value or the encoding is outside the profile."""


def encode(value: object) -> bytes:
    """`value` as deterministic CBOR.

    Raises ValueError for anything outside the profile (a set, a datetime, a NaN, mixed keys, 17 levels): that is
    a mistake of the program that made the value, not of a peer.
    """
    ordered, floats = _ordered(value, DEPTH_MAX)
    # Only the canonical mode writes floats in their shortest form; it is three times slower, maps being sorted twice.
    return cbor2.dumps(ordered, canonical=floats)


def byte_string(data: bytes) -> bytes:
    """What `encode` makes of bytes: for messages that are put together of byte strings, many times a second."""
    length = len(data)
    if length < 24:  # noqa: PLR2004 - RFC 8949 section 3
        return bytes((_BYTES | length,)) + data
    if length <= 0xFF:  # noqa: PLR2004
        return bytes((_BYTES | 24, length)) + data
    if length <= 0xFFFF:  # noqa: PLR2004
        return bytes((_BYTES | 25,)) + length.to_bytes(2) + data
    return bytes((_BYTES | 26,)) + length.to_bytes(4) + data


def byte_strings(*items: bytes) -> bytes:
    """What `encode` makes of a list of at most 23 byte strings."""
    return bytes((_ARRAY | len(items),)) + b"".join(map(byte_string, items))


def decode(data: bytes, bytes_max: int) -> Any:  # noqa: ANN401 - what is inside is for the caller to check
    """The value in `data`, which must be its deterministic encoding and at most `bytes_max` bytes.

    Raises VerificationError for duplicate keys, indefinite lengths, trailing bytes, tags, longer forms of numbers,
    keys out of order, invalid UTF-8, too many bytes or levels.
    """
    if len(data) > bytes_max:
        raise VerificationError(f"CBOR of {len(data)} bytes where at most {bytes_max} are allowed")
    try:
        value = cbor2.loads(
            bytes(data),
            tag_hook=_refuse_tag,
            semantic_decoders=_REFUSING,
            max_depth=DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        # Maps are read in the order of their bytes: once that is checked, writing them as they are tells the rest.
        again = cbor2.dumps(value, canonical=_floats_inside(value, DEPTH_MAX))
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise VerificationError(f"not CBOR of our profile: {error}") from error
    if again != data:
        raise VerificationError("CBOR is not in its deterministic form (trailing bytes, key order or a longer form)")
    return value


def _refuse_tag(*_: object) -> NoReturn:
    raise _RefusedError("tags are not part of the profile")


_REFUSING: Final = dict.fromkeys(_KNOWN_TAGS, _refuse_tag)


def _floats_inside(value: object, depth_left: int) -> bool:
    """Whether a float is in what cbor2 has read. Raises _RefusedError outside the profile, map keys out of order too.

    An integer that was read has no more than 64 bits: longer ones are tags.
    """
    kind = type(value)
    if kind in _READ_PLAIN:
        return False
    if kind is float:
        return _is_finite(value)
    if depth_left == 0:
        raise _RefusedError(f"more than {DEPTH_MAX} levels")
    items: Iterable[object]
    if kind is dict:
        if not _in_key_order(value):  # type: ignore[arg-type]  # kind says dict
            raise _RefusedError("map keys are out of order")
        items = value.values()  # type: ignore[attr-defined]  # kind says dict
    elif kind is list:
        items = value  # type: ignore[assignment]  # kind says list
    else:
        raise _RefusedError(f"{kind.__name__} is not part of the profile")
    floats = False
    for item in items:
        if type(item) not in _READ_PLAIN and _floats_inside(item, depth_left - 1):
            floats = True
    return floats


def _is_finite(value: object) -> bool:
    if not isfinite(value):  # type: ignore[arg-type]  # the caller has seen that it is a float
        raise _RefusedError("a float that is not a number or not finite")
    return True


def _in_key_order(value: Mapping[object, object]) -> bool:
    keys = tuple(value)
    found = _is_text_order(keys)
    if found is None:
        if not all(type(key) is int and key >= 0 for key in keys):
            raise _RefusedError("map keys must be all text or all unsigned integers")
        return all(before < after for before, after in pairwise(keys))  # type: ignore[operator]  # just checked
    return found


def _ordered(value: object, depth_left: int) -> tuple[object, bool]:
    """A copy with maps in key order, and whether a float is inside. Exact types: a bool is no int, an enum no str."""
    kind = type(value)
    if kind in _PLAIN:
        return value, False
    if kind is int:
        if not INT_MIN <= value <= INT_MAX:  # type: ignore[operator]  # kind says int
            raise _RefusedError("integer of more than 64 bits")
        return value, False
    if kind is float:
        return value, _is_finite(value)
    if depth_left == 0:
        raise _RefusedError(f"more than {DEPTH_MAX} levels")
    if kind is dict or isinstance(value, Mapping):
        return _ordered_map(value, depth_left - 1)  # type: ignore[arg-type]  # a dict is one
    if kind is list or isinstance(value, list | tuple):
        return _ordered_array(value, depth_left - 1)  # type: ignore[arg-type]  # a list is one
    raise _RefusedError(f"{kind.__name__} is not part of the profile")


def _ordered_array(value: Sequence[object], depth_left: int) -> tuple[object, bool]:
    items = []
    floats = False
    for item in value:
        if type(item) in _PLAIN:  # most of what there is: worth the saved call
            items.append(item)
            continue
        ordered, inside = _ordered(item, depth_left)
        items.append(ordered)
        floats = floats or inside
    return items, floats


def _ordered_map(value: Mapping[object, object], depth_left: int) -> tuple[object, bool]:
    ordered: dict[object, object] = {}
    floats = False
    for key in _key_order(value):
        item = value[key]
        if type(item) in _PLAIN:
            ordered[key] = item
            continue
        ordered[key], inside = _ordered(item, depth_left)
        floats = floats or inside
    return ordered, floats


def _key_order(value: Mapping[object, object]) -> Iterable[object]:
    """The keys in the order of their encodings."""
    kinds = set(map(type, value))
    if kinds == _TEXT:
        return _text_order(tuple(value))
    if kinds <= {int} and all(0 <= key <= INT_MAX for key in value):  # type: ignore[operator]  # just checked
        return sorted(value)  # type: ignore[type-var]
    raise _RefusedError("map keys must be all text or all unsigned integers")


@lru_cache(maxsize=256)  # the same few shapes of map come again and again
def _text_order(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(keys, key=lambda text: (len(text.encode()), text.encode())))


@lru_cache(maxsize=256)  # also safe for keys that are equal and of other types, like 1 and True: they are no text
def _is_text_order(keys: tuple[object, ...]) -> bool | None:
    """Whether these texts are in the order of their encodings; None when not all are texts."""
    if set(map(type, keys)) != _TEXT:
        return None
    return _text_order(keys) == keys
