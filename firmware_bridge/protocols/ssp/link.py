"""The host's end of the line: one request at a time, sequence flag, time-out, retry (section 2.2, 2.3).

Pure: the caller brings bytes and the time, and carries away bytes. A retransmission is byte-identical,
so that a device that has already executed the command answers from memory.
"""

from typing import Final

from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.framing import Frame, FrameReceiver, encode_frame

REPLY_TIMEOUT_S: Final = 1.0
RETRIES_MAX: Final = 20
SYNC: Final = b"\x11"


class HostLink:
    """Sequence flag and outstanding request of one address.

    States: unsynchronised -> (SYNC answered) -> idle <-> waiting; exhausted retries lead back to
    unsynchronised, because nobody knows then which flag the device saw last.
    """

    def __init__(
        self,
        address: int = 0,
        *,
        timeout_s: float = REPLY_TIMEOUT_S,
        retries_max: int = RETRIES_MAX,
    ) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._retries_max = retries_max
        self._receiver = FrameReceiver()
        self._flag = 1  # of the next command
        self._frame: Frame | None = None
        self._wire = b""
        self._retries = 0
        self._deadline_s = 0.0
        self.synchronised = False

    @property
    def waiting(self) -> bool:
        """Whether a request is unanswered."""
        return self._frame is not None

    @property
    def deadline_s(self) -> float:
        """When `expire` is due; meaningful while waiting."""
        return self._deadline_s

    @property
    def had_gap(self) -> bool:
        """Whether the current or last request needed a retransmission: read the serial number again."""
        return self._retries > 0

    def send(self, data: bytes, now_s: float) -> bytes:
        """Start a request with this DATA field; returns what to write. `SspError` while one is waiting."""
        if self._frame is not None:
            msg = "one request at a time"
            raise SspError(msg)
        if data == SYNC:
            self._flag = 1
            self._receiver.reset()
        elif not self.synchronised:
            msg = "SYNC comes first"
            raise SspError(msg)
        self._frame = Frame(self._address, self._flag, data)
        self._wire = encode_frame(self._frame)
        self._retries = 0
        self._deadline_s = now_s + self._timeout_s
        return self._wire

    def receive(self, chunk: bytes) -> list[bytes]:
        """DATA fields of the chunk's frames that can answer the request: same SEQ/ID as it."""
        return [
            frame.data
            for frame in self._receiver.feed(chunk)
            if self._frame is not None and frame.sequence_id == self._frame.sequence_id
        ]

    def settle(self) -> None:
        """The caller took one of these fields for the reply: flip the flag, be idle."""
        if self._frame is None:
            msg = "nothing to settle"
            raise SspError(msg)
        if self._frame.data == SYNC:
            self.synchronised = True
        self._flag ^= 1
        self._frame = None

    def expire(self, now_s: float) -> bytes | None:
        """At the deadline: the same bytes again, or None when the device must be given up."""
        if self._frame is None:
            msg = "nothing to retry"
            raise SspError(msg)
        if self._retries >= self._retries_max:
            self.abandon()
            return None
        self._retries += 1
        self._deadline_s = now_s + self._timeout_s
        return self._wire

    def abandon(self) -> None:
        """Forget the request; only SYNC may follow."""
        self._frame = None
        self.synchronised = False
        self._receiver.reset()
