"""Every change of a single byte, as many of each byte as there is time for.

`make test` changes each byte in each of its bits, or in one bit where a look takes long; `make tamper` (TAMPER=all)
puts every other value in the place of every byte.
"""

import os
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from kiosk.errors import ConfigError, VerificationError

ALL: Final = os.environ.get("TAMPER") == "all"
T = TypeVar("T")


def changes(data: bytes, *, slow: bool = False) -> Iterator[tuple[int, bytes]]:
    """(where, the changed bytes); `slow` where one look takes long."""
    for at, byte in enumerate(data):
        for mask in masks(at, slow=slow):
            yield at, data[:at] + bytes([byte ^ mask]) + data[at + 1 :]


def masks(at: int, *, slow: bool) -> Iterator[int]:
    """What to flip in the byte at this place."""
    if ALL:
        yield from range(1, 256)
    elif slow:
        yield 1 << at % 8
    else:
        yield from (1 << bit for bit in range(8))


def survivors(data: bytes, look: Callable[[bytes], T], *, slow: bool = False) -> list[int]:
    """Where a change was not refused; what was verified then is the same as before, or this fails."""
    expected = look(data)
    found: list[int] = []
    for at, changed in changes(data, slow=slow):
        try:
            seen = look(changed)
        except (VerificationError, ConfigError):
            continue
        assert seen == expected, f"byte {at} changed from {data[at]:#04x} to {changed[at]:#04x} and was believed"
        found.append(at)
    return found
