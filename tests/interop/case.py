"""One thing put before a verifier that is not ours and before our own, and what both have to say of it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kiosk.guarantee.note import encode_base64 as base64

__all__ = ["Case", "Tampering", "base64"]


@dataclass(frozen=True)
class Case:
    """`question` goes to the peer as JSON; `ours` raises VerificationError when we refuse the same bytes."""

    what: str
    question: dict[str, Any]
    ours: Callable[[], object]
    good: bool
    says: object = None  # what a peer that accepts must have read in it; None: it only says yes


@dataclass
class Tampering:
    """Seeded changes of bytes; each is another than the bytes that it was given."""

    randomness: random.Random = field(default_factory=lambda: random.Random(5))

    def flip(self, data: bytes, begin: int = 0, end: int | None = None) -> bytes:
        """One bit, somewhere in data[begin:end]."""
        at = self.randomness.randrange(begin, len(data) if end is None else end)
        return data[:at] + bytes([data[at] ^ 1 << self.randomness.randrange(8)]) + data[at + 1 :]

    def flip_within(self, data: bytes, part: bytes) -> bytes:
        """One bit of `part`, which is somewhere in `data`."""
        begin = data.index(part)
        return self.flip(data, begin, begin + len(part))
