"""One exchange with one device: echo, reply, retries (P1 12.1, P4 1.1.26, 1.2.11). Pure: bytes and time in and out.

The data line is shared, so whoever sends hears itself. The echo is compared byte for byte: if it differs, somebody
else was talking and nothing that follows can be trusted. There are no sequence numbers; commands may be repeated
because each says what shall be, not what shall change.
"""

from typing import Final

from firmware_bridge.protocols.cctalk.errors import CctalkError
from firmware_bridge.protocols.cctalk.framing import HOST, Checksum, Packet, PacketReceiver, encode_packet
from firmware_bridge.protocols.cctalk.headers import FORMS, Header

ATTEMPTS_MAX: Final = 4  # P1 12.1 recommends at least three tries


class HostLink:
    """The host's end. `send`, then `receive` until a reply or `deadline_s`, then `expire` for the next try."""

    def __init__(
        self, address: int, checksum: Checksum, *, echo: bool = True, attempts_max: int = ATTEMPTS_MAX
    ) -> None:
        self._address = address
        self._checksum = checksum
        self._echo = echo
        self._attempts_max = attempts_max
        self._receiver = PacketReceiver(checksum)
        self._header: Header | None = None
        self._wire = b""
        self._attempts_left = 0
        self._echo_left = b""
        self._spoiled = False  # this try cannot succeed any more
        self.deadline_s = 0.0
        self.bus_faults = 0  # echoes that differed from what was sent

    @property
    def waiting(self) -> bool:
        """Whether a command is under way."""
        return self._header is not None

    def send(self, header: Header, data: bytes, now_s: float, *, attempts_max: int | None = None) -> bytes:
        """The wire bytes of a new command; `CctalkError` when its data do not fit it or one is under way.

        `attempts_max` bounds the tries of this command alone.
        """
        least, most = FORMS[header].sent
        if self.waiting or not least <= len(data) <= most:
            msg = f"{header.name} with {len(data)} data bytes" if not self.waiting else "a command is under way"
            raise CctalkError(msg)
        source = None if self._checksum is Checksum.CRC16 else HOST
        self._wire = encode_packet(Packet(self._address, source, header, data), self._checksum)
        self._header = header
        self._attempts_left = self._attempts_max if attempts_max is None else attempts_max
        return self._next(now_s)

    def _next(self, now_s: float) -> bytes:
        assert self._header is not None
        self._attempts_left -= 1
        self._receiver.reset()
        self._echo_left = self._wire if self._echo else b""
        self._spoiled = False
        self.deadline_s = now_s + FORMS[self._header].timeout_s
        return self._wire

    def receive(self, chunk: bytes, now_s: float) -> Packet | None:
        """Take bytes, split anywhere; the reply (header 0) or BUSY once one is whole, and the exchange is over.

        NAK, strange packets and replies of a wrong size are no answer: the next try follows at the deadline.
        """
        if self._header is None or self._spoiled:
            return None
        echoed = min(len(chunk), len(self._echo_left))
        if chunk[:echoed] != self._echo_left[:echoed]:
            self.bus_faults += 1
            self._spoiled = True
            return None
        self._echo_left = self._echo_left[echoed:]
        for packet in self._receiver.feed(chunk[echoed:], now_s):
            if self._answers(packet):
                self._header = None
                return packet
        return None

    def _answers(self, packet: Packet) -> bool:
        assert self._header is not None
        if packet.destination != HOST or packet.source not in {None, self._address}:
            return False
        least, most = FORMS[self._header].told
        return packet.header == Header.BUSY or (packet.header == Header.REPLY and least <= len(packet.data) <= most)

    def expire(self, now_s: float) -> bytes | None:
        """The deadline has passed: the wire bytes again, or None when every try was made."""
        if self._header is None or self._attempts_left <= 0:
            self._header = None
            return None
        return self._next(now_s)

    def abandon(self) -> None:
        """Forget the command that is under way."""
        self._header = None
