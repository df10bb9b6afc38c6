"""Leaf entries: what the log says about a record without saying what is in it (DESIGN.md section 6)."""

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, merkle
from kiosk.guarantee.cbor_reader import BYTES, TEXT, UINT, read

SALT_BYTES: Final = 32
ENTRY_BYTES_MAX: Final = 256
SEQUENCE_MAX: Final = 2**53 - 1  # also exact in languages whose only number is a double
# Fit for an MQTT topic level, a file name and a signed note's key name.
_KIOSK: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MINUTE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z")
_MINUTE_CHARACTERS: Final = len("2026-11-21T08:30")
_DOMAIN: Final = b"kiosk-leaf-v1\x00"
_ARRAY_OF_5: Final = b"\x85"
_FIELDS: Final = (TEXT, UINT, TEXT, TEXT, BYTES)


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """A leaf entry taken apart. `minute` is like `2026-11-21T08:30Z`."""

    kiosk: str
    sequence: int
    kind: str
    minute: str
    commitment: bytes


def minute(moment: datetime) -> str:
    """`moment` in UTC, cut (not rounded) to the minute: `2026-11-21T08:30Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def minute_of(at: str) -> str:
    """The same of a moment as `kiosk.clock.rfc3339` writes it."""
    return f"{at[:_MINUTE_CHARACTERS]}Z"


def commitment(salt: bytes, signed: bytes) -> bytes:
    """SHA-256("kiosk-leaf-v1" || 0x00 || salt || signed): binds the record, and hides it behind 32 random bytes."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return hashlib.sha256(_DOMAIN + salt + signed).digest()


def entry(kiosk: str, sequence: int, kind: str, minute: str, commitment: bytes) -> bytes:
    """The bytes of a leaf entry. Raises ValueError when a field is out of bounds."""
    fields = Leaf(kiosk, sequence, kind, minute, commitment)
    problem = _problem(fields)
    if problem:
        raise ValueError(problem)
    return cbor.encode([kiosk, sequence, kind, minute, commitment])


def parse(data: bytes) -> Leaf:
    """Take a leaf entry apart. Raises VerificationError unless it is exactly what `entry` makes."""
    found = Leaf(*read(data, _ARRAY_OF_5, _FIELDS, ENTRY_BYTES_MAX))
    problem = _problem(found)
    if problem:
        raise VerificationError(f"leaf entry: {problem}")
    return found


def leaf_hash(entry: bytes) -> bytes:
    """The RFC 6962 leaf hash of an entry, 32 bytes."""
    return merkle.leaf_hash(entry)


def kiosk_id_fits(kiosk: str) -> bool:
    """Whether `kiosk` may name a kiosk: 1..64 letters, digits, dots, dashes, underscores."""
    return _KIOSK.fullmatch(kiosk) is not None


def _problem(fields: Leaf) -> str:
    if isinstance(fields.sequence, bool) or not 0 <= fields.sequence <= SEQUENCE_MAX:
        return f"sequence {fields.sequence!r} is not in 0..{SEQUENCE_MAX}"
    if len(fields.commitment) != merkle.HASH_BYTES:
        return f"commitment of {len(fields.commitment)} bytes"
    return _problem_of_texts(fields.kiosk, fields.kind, fields.minute)


@lru_cache(maxsize=256)  # the records of one minute have most of it in common
def _problem_of_texts(kiosk: str, kind: str, minute: str) -> str:
    if not kiosk_id_fits(kiosk):
        return f"kiosk {kiosk!r} is not 1..64 letters, digits, dots, dashes, underscores"
    if not _KIND.fullmatch(kind):
        return f"kind {kind!r} is not a lower-case word of at most 32"
    if not _MINUTE.fullmatch(minute):
        return f"time {minute!r} is not like 2026-11-21T08:30Z"
    return ""
