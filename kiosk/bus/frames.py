"""Frames of the bus: 4-byte big-endian length, then msgpack of `[number, message]`.

`number` pairs a reply with its request; 0 is a push. Whatever does not decode to one of our message
types, to the last field, is a `FrameError`: the connection that sent it is closed, nothing else.
"""

import asyncio
import struct
from pathlib import Path
from typing import Final

import msgspec

from kiosk.errors import BusError, ConfigError
from kiosk.messages import FRAME_BYTES_MAX, Message, Push, Reply, Request, Role

PUSH: Final = 0
NUMBER_MAX: Final = (1 << 31) - 1
LENGTH: Final = struct.Struct(">I")
SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of Linux is 108 with its closing zero

_ENCODER = msgspec.msgpack.Encoder()
_REQUESTS: msgspec.msgpack.Decoder[tuple[int, Request]] = msgspec.msgpack.Decoder(tuple[int, Request])
_ANSWERS: msgspec.msgpack.Decoder[tuple[int, Reply | Push]] = msgspec.msgpack.Decoder(tuple[int, Reply | Push])


class FrameError(BusError):
    """The other end sent something that is no frame of ours."""

    remedy = "Check that both ends are of the same version; this connection is closed."


def socket_path(bus_dir: Path, role: Role) -> Path:
    """Where the controller serves `role`; each role has a directory of its own to carry permissions."""
    path = bus_dir / role / "bus.sock"
    if len(str(path).encode()) > SOCKET_PATH_BYTES_MAX:
        message = f"paths.bus_dir is too long: {path} has more than {SOCKET_PATH_BYTES_MAX} bytes"
        raise ConfigError(message, remedy="Choose a shorter paths.bus_dir, e.g. /run/kiosk/bus.")
    return path


def encode_frame(number: int, message: Message) -> bytes:
    """One whole frame; raises `FrameError` when the message does not fit into FRAME_BYTES_MAX."""
    body = _ENCODER.encode((number, message))
    if len(body) > FRAME_BYTES_MAX:
        text = f"{type(message).__name__} of {len(body)} bytes is over the bound of {FRAME_BYTES_MAX}"
        raise FrameError(text, remedy="Ask for less at once.")
    return LENGTH.pack(len(body)) + body


async def read_body(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame's body; None when the other end closed between frames."""
    try:
        head = await reader.readexactly(LENGTH.size)
        (length,) = LENGTH.unpack(head)
        if not 0 < length <= FRAME_BYTES_MAX:
            message = f"a frame of {length} bytes is announced; 1 to {FRAME_BYTES_MAX} are allowed"
            raise FrameError(message)
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        if error.partial or error.expected != LENGTH.size:
            message = "the connection ended inside a frame"
            raise FrameError(message) from error
        return None


def decode_request(body: bytes) -> tuple[int, Request]:
    """A client's frame; raises `FrameError`."""
    try:
        number, message = _REQUESTS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = f"not a request: {error}"
        raise FrameError(text) from error
    if not 0 < number <= NUMBER_MAX:
        text = f"request number {number} is outside 1..{NUMBER_MAX}"
        raise FrameError(text)
    return number, message


def decode_answer(body: bytes) -> tuple[int, Reply | Push]:
    """The controller's frame; raises `FrameError`."""
    try:
        return _ANSWERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = f"not an answer: {error}"
        raise FrameError(text) from error
