"""Kit for the firmware bridge's tests: an event loop in virtual time, a byte pipe in memory, small scripted peers.

The peers answer what a test tells them and keep the protocol's own rules (sequence flag, counter, exact
repeats); they are no simulator - that is `hwsim`, which shares no code with the product.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from firmware_bridge.errors import LinkDown
from firmware_bridge.protocols.ssp.crypto import decrypt_packet, encrypt_packet, is_encrypted
from firmware_bridge.protocols.ssp.framing import Frame, FrameReceiver, encode_frame
from firmware_bridge.protocols.ssp.keys import FIXED_KEY_DEFAULT, aes_key

T = TypeVar("T")
LOOP_TURNS_MAX = 200_000


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, moves the loop's time to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        assert self.turns < LOOP_TURNS_MAX, "the test runs for ever"
        found = super().select(0)
        if not found and timeout is None:
            raise AssertionError("deadlock: nothing will ever happen")
        if not found and timeout:
            self.now_s += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time moves only when nothing else is to do."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main()` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


class Pipe:
    """`interfaces.Transport` to a peer in memory; delivers on the running loop, later."""

    def __init__(self, peer: Callable[[bytes], bytes | None]) -> None:
        self._peer = peer
        self._receiver: Callable[[bytes], None] | None = None
        self.written: list[bytes] = []
        self.lose_requests = 0  # how many of the next writes never arrive
        self.lose_replies = 0
        self.down = False
        self.closed = False
        self.delay_s = 0.01

    def write(self, data: bytes) -> None:
        if self.down:
            raise LinkDown("pipe", "unplugged")
        self.written.append(data)
        if self.lose_requests:
            self.lose_requests -= 1
            return
        reply = self._peer(data)
        if reply and self.lose_replies:
            self.lose_replies -= 1
        elif reply:
            asyncio.get_running_loop().call_later(self.delay_s, self.deliver, reply)

    def plug(self) -> None:
        self.down = False

    def deliver(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver(data)

    def set_receiver(self, receiver: Callable[[bytes], None] | None) -> None:
        self._receiver = receiver

    def close(self) -> None:
        self.closed = True


def setup_reply(channels: list[tuple[int, str]], unit_type: int = 0x06) -> bytes:
    """A SETUP REQUEST reply at protocol version 8, by hand from fact sheet 5.2: (face value, country) each."""
    n = len(channels)
    return (
        bytes((0xF0, unit_type))
        + b"0416"
        + b"CNY"
        + b"\x00\x00\x01"
        + bytes((n,))
        + bytes(face for face, _ in channels)
        + b"\x02" * n
        + b"\x00\x00\x64"
        + b"\x08"
        + b"".join(country.encode() for _, country in channels)
        + b"".join(face.to_bytes(4, "little") for face, _ in channels)
    )


DATASET = [(face, "CNY") for face in (1, 5, 10, 20, 50, 100)] + [(face, "CNX") for face in (1, 5, 10, 20, 50, 100)]


class SspPeer:
    """A scripted validator: `replies[code]` is the DATA field to answer with, `polls` one list per poll.

    Keeps its own sequence flag, stored reply, key and packet count. `commands` is what it executed.
    """

    SECRET = 0x89ABCD

    def __init__(self) -> None:
        self.serial_number = 1_234_567
        self.polls: list[bytes] = []
        self.commands: list[bytes] = []
        self.replies: dict[int, bytes] = {
            0x05: setup_reply(DATASET),
            0x20: b"\xf0NV02004161498000",
            0x21: b"\xf0CNY01612",
        }
        self.key: bytes | None = None
        self.count = 0
        self.silent = False
        self.forged: bytes | None = None  # DATA field to answer instead of every encrypted reply
        self._receiver = FrameReceiver()
        self._last: tuple[int, bytes] | None = None
        self._numbers = {0x4A: 0, 0x4B: 0}

    def restart(self) -> None:
        """As after a power cut: keys and stored reply are gone."""
        self.key = None
        self._last = None

    def __call__(self, data: bytes) -> bytes | None:
        out = b"".join(self._answer(frame) for frame in self._receiver.feed(data))
        return None if self.silent else out

    def _answer(self, frame: Frame) -> bytes:
        if self._last is not None and self._last[0] == frame.sequence_id and frame.data != b"\x11":
            return self._last[1]
        reply = self._encrypted(frame.data) if is_encrypted(frame.data) else self._execute(frame.data)
        wire = encode_frame(Frame(frame.address, frame.sequence, reply))
        self._last = (frame.sequence_id, wire)
        return wire

    def _encrypted(self, field: bytes) -> bytes:
        if self.key is None:
            return b"\xfa"
        count, data = decrypt_packet(self.key, field)
        assert count == self.count, "the host's packet count is wrong"
        if self.forged is not None:
            return self.forged
        self.count += 1
        return encrypt_packet(self.key, self.count, self._execute(data), bytes)

    def _execute(self, data: bytes) -> bytes:
        self.commands.append(data)
        code = data[0]
        if code in self.replies:
            return self.replies[code]
        if code in self._numbers:
            self._numbers[code] = int.from_bytes(data[1:], "little")
        elif code == 0x4C:
            generator, modulus = self._numbers[0x4A], self._numbers[0x4B]
            host_key = int.from_bytes(data[1:], "little")
            self.key = aes_key(FIXED_KEY_DEFAULT, pow(host_key, self.SECRET, modulus))
            self.count = 0
            return b"\xf0" + pow(generator, self.SECRET, modulus).to_bytes(8, "little")
        elif code == 0x0C:
            return b"\xf0" + self.serial_number.to_bytes(4, "big")
        elif code == 0x56:
            return b"\xf0" + (self.polls.pop(0) if self.polls else b"")
        return b"\xf0"

    def codes(self) -> list[int]:
        """Codes of the commands executed so far."""
        return [command[0] for command in self.commands]
