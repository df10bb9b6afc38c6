"""The host's end of the line: one message at a time, the toggle, time-outs and attempts (section 2.1, 8).

Pure: the caller brings bytes and the time, and carries away bytes. The toggle is flipped only when a reply with the
same bit has come, so that a device that repeats its last reply to a repeated bit loses no event.
"""

from typing import Final

from firmware_bridge.protocols.ebds.errors import EbdsError
from firmware_bridge.protocols.ebds.framing import Frame, FrameReceiver, MessageType, encode_frame

REPLY_TIMEOUT_S: Final = 0.25
BACK_OFF_S: Final = 0.05  # more for each attempt
ATTEMPTS_MAX: Final = 4


class HostLink:
    """Toggle and outstanding message."""

    def __init__(self, *, timeout_s: float = REPLY_TIMEOUT_S, attempts_max: int = ATTEMPTS_MAX) -> None:
        self._timeout_s = timeout_s
        self._attempts_max = attempts_max
        self._receiver = FrameReceiver()
        self._toggle = 0
        self._wire = b""
        self._attempts = 0
        self.deadline_s = 0.0  # when `expire` is due; meaningful while waiting

    @property
    def toggle(self) -> int:
        """Of the next message."""
        return self._toggle

    @property
    def waiting(self) -> bool:
        """Whether a message is unanswered."""
        return bool(self._wire)

    def send(self, message_type: MessageType, data: bytes, now_s: float) -> bytes:
        """Begin an exchange; returns what to write. Raises `EbdsError` while one is under way."""
        if self._wire:
            raise EbdsError("one message at a time")
        self._wire = encode_frame(Frame(message_type, self._toggle, data))
        self._receiver.reset()
        self._attempts = 0
        self._again(now_s)
        return self._wire

    def shout(self, message_type: MessageType, data: bytes) -> bytes:
        """What to write for a message that nobody answers, such as a soft reset; the toggle stays."""
        if self._wire:
            raise EbdsError("one message at a time")
        return encode_frame(Frame(message_type, self._toggle, data))

    def receive(self, chunk: bytes, now_s: float) -> Frame | None:
        """The reply, if the chunk completes it: one with our toggle. An older one is the answer to an older message."""
        for frame in self._receiver.feed(chunk, now_s):
            from_device = frame.message_type is not MessageType.OMNIBUS_COMMAND
            if self._wire and from_device and frame.toggle == self._toggle:
                self._wire = b""
                self._toggle ^= 1
                return frame
        return None

    def expire(self, now_s: float) -> bytes | None:
        """At the deadline: the same bytes again, or None when the device must be given up. The toggle stays."""
        if self._attempts >= self._attempts_max:
            self.abandon()
            return None
        self._again(now_s)
        return self._wire

    def abandon(self) -> None:
        """Forget the message; the next one carries the same toggle."""
        self._wire = b""
        self._receiver.reset()

    def _again(self, now_s: float) -> None:
        self.deadline_s = now_s + self._timeout_s + BACK_OFF_S * self._attempts
        self._attempts += 1
