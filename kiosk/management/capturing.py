"""`kioskctl capture`: what goes over a serial line for some seconds, as text. It listens; it changes nothing.

Not of the receipt printer: what is printed there belongs to a depositor. Bounded in time and bytes; who listened to
what is a leaf before it begins.
"""

from collections.abc import Iterator
from typing import Final

from firmware_bridge.interfaces import Tappable
from kiosk.clock import Clock

BYTES_MAX: Final = 2 << 20
ROW_BYTES: Final = 16


class Listener:
    """Writes down one line's traffic. `text` is the capture, in the form of pyserial's `spy://`."""

    def __init__(self, port: Tappable, clock: Clock) -> None:
        self._port, self._clock = port, clock
        self._began_s = clock.monotonic_s()
        self._rows: list[str] = []
        self._octets = 0

    async def listen(self, seconds: float) -> None:
        """For so long."""
        self._port.set_tap(self._heard)
        try:
            await self._clock.sleep(seconds)
        finally:
            self._port.set_tap(None)

    def _heard(self, direction: str, data: bytes) -> None:
        self._octets += len(data)
        if self._octets <= BYTES_MAX:
            self._rows += rows(self._clock.monotonic_s() - self._began_s, direction, data)

    def text(self, device: str) -> str:
        """All of it, with a first line that says what it is."""
        cut = f"; cut after {BYTES_MAX} bytes" if self._octets > BYTES_MAX else ""
        return "\n".join((f"# {device}, TX to the device, RX from it{cut}", *self._rows)) + "\n"


def rows(at_s: float, direction: str, data: bytes) -> Iterator[str]:
    """Sixteen bytes a row: time, direction, offset, hex in two halves, what of it is ASCII."""
    for offset in range(0, len(data), ROW_BYTES):
        row = data[offset : offset + ROW_BYTES]
        octets = "  ".join(filter(None, (row[:8].hex(" ").upper(), row[8:].hex(" ").upper())))
        ascii_ = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in row)  # noqa: PLR2004 - printable ASCII
        yield f"{at_s:010.3f} {direction}   {offset:04X}  {octets:<49} {ascii_}"
