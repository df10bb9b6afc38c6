"""The byte pipe to a device, and listening to it."""

from collections.abc import Callable
from typing import Protocol


class Transport(Protocol):
    """A byte pipe to one device. The event loop's thread owns it."""

    def write(self, data: bytes) -> None:
        """Queue bytes for the device; raises `LinkDown` when the port is gone."""

    def set_receiver(self, receiver: Callable[[bytes], None] | None) -> None:
        """Who is called, on the loop, with each chunk that arrives (chunks split anywhere)."""

    def close(self) -> None:
        """Give the port back; idempotent."""


class Tappable(Protocol):
    """A link whose traffic can be listened to."""

    def set_tap(self, tap: Callable[[str, bytes], None] | None) -> None:
        """Called with `TX` (to the device) or `RX` and the bytes, as they go; None: nobody listens."""
