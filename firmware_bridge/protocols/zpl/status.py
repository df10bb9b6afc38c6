"""`~HS` host status (fact sheet section 3): three strings, STX text ETX CR LF each."""

import re
from dataclasses import dataclass
from typing import Final

from firmware_bridge.protocols.zpl.errors import ZplError

HOST_STATUS: Final = b"~HS"
BUFFER_BYTES_MAX: Final = 1024
_FIELD_COUNTS: Final = (12, 11, 2)
_STRING: Final = re.compile(rb"\x02([^\x02\x03]*)\x03")


@dataclass(frozen=True, slots=True)
class HostStatus:
    """What `~HS` told, by the names of the guide."""

    paper_out: bool
    paused: bool
    label_length_dots: int
    formats_waiting: int
    buffer_full: bool
    partial_format: bool
    corrupt_ram: bool
    under_temperature: bool
    over_temperature: bool
    head_open: bool
    ribbon_out: bool
    thermal_transfer: bool
    print_mode: int
    label_waiting: bool
    labels_remaining: int

    @property
    def ready(self) -> bool:
        """Section 3.4: nothing stands in the way of printing. Ribbon matters in thermal transfer only."""
        return not (
            self.paper_out
            or self.paused
            or self.buffer_full
            or self.corrupt_ram
            or self.under_temperature
            or self.over_temperature
            or self.head_open
            or (self.ribbon_out and self.thermal_transfer)
        )

    @property
    def idle(self) -> bool:
        """Section 3.4: nothing received, half received or half printed is left over."""
        return self.labels_remaining == 0 and self.formats_waiting == 0 and not self.partial_format


def parse_status(strings: tuple[str, ...]) -> HostStatus:
    """The three strings without their framing; `ZplError` when counts or digits are wrong."""
    rows = [string.split(",") for string in strings]
    if tuple(len(row) for row in rows) != _FIELD_COUNTS:
        msg = f"{[len(row) for row in rows]} fields; {list(_FIELD_COUNTS)} wanted"
        raise ZplError(msg)
    first, second = ([_number(text) for text in row] for row in rows[:2])
    return HostStatus(
        paper_out=bool(first[1]),
        paused=bool(first[2]),
        label_length_dots=first[3],
        formats_waiting=first[4],
        buffer_full=bool(first[5]),
        partial_format=bool(first[7]),
        corrupt_ram=bool(first[9]),
        under_temperature=bool(first[10]),
        over_temperature=bool(first[11]),
        head_open=bool(second[2]),
        ribbon_out=bool(second[3]),
        thermal_transfer=bool(second[4]),
        print_mode=second[5],
        label_waiting=bool(second[7]),
        labels_remaining=second[8],
    )


def _number(text: str) -> int:
    text = text.strip()
    if not text.isascii() or not text.isdigit():
        msg = f"{text!r} is not a number"
        raise ZplError(msg)
    return int(text)


class StatusReader:
    """Collects the reply to one `~HS`. Noise is skipped; the buffer is bounded."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, chunk: bytes) -> HostStatus | None:
        """The status as soon as three fitting strings in a row are there."""
        self._buffer = (self._buffer + chunk)[-BUFFER_BYTES_MAX:]
        strings = [found.decode("ascii", errors="replace") for found in _STRING.findall(self._buffer)]
        for at in range(len(strings) - 2):
            try:
                return parse_status(tuple(strings[at : at + 3]))
            except ZplError:
                continue
        return None
