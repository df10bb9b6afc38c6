"""Traffic of a serial line as text, in the form of pyserial's `spy://`, read again anywhere. Pure.

    000003.001 TX   0000  7F 80 01 07 12 02                                 ......

A capture is lines of at most 16 bytes with seconds since its beginning and `TX` (to the device) or `RX`. What follows
in one direction without the other in between is one message: our devices only answer.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

ROW_BYTES: Final = 16
_LINE: Final = re.compile(r"^(\d{6}\.\d{3}) (TX|RX)   ([0-9A-F]{4})  ((?:[0-9A-F]{2}  ?){1,16})")
_COMMENT: Final = "#"

Direction = Literal["TX", "RX"]


class BadCaptureError(ValueError):
    """This is no capture; the text says which line."""


@dataclass(frozen=True)
class Message:
    """What went one way before the other side spoke. `at_s`: of its first byte, since the capture began."""

    at_s: float
    direction: Direction
    data: bytes


def messages(lines: Iterable[str]) -> Iterator[Message]:
    """The messages of a capture, in order. Raises `BadCaptureError`."""
    at_s, direction, data = 0.0, "", b""
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(_COMMENT):
            continue
        match = _LINE.match(line)
        if match is None:
            raise BadCaptureError(f"line {number} is none of a capture")
        moment, way, _, octets = match.groups()
        if way != direction and data:
            yield _message(at_s, direction, data)
            data = b""
        if not data:
            at_s, direction = float(moment), way
        data += bytes.fromhex(octets)
    if data:
        yield _message(at_s, direction, data)


def _message(at_s: float, direction: str, data: bytes) -> Message:
    return Message(at_s, "TX" if direction == "TX" else "RX", data)
