"""Frames to readable fields and back, for captures from the field (`kioskctl decode|encode ssp`).

`ok` speaks of the frame, `message` of its content: a sound frame with unknown, ambiguous, encrypted or
malformed content is `ok` with `message` null and the reason in `why`. Encoding uses address, sequence,
code and data only, so that every sound frame is rebuilt byte for byte.
"""

from collections.abc import Mapping
from typing import Final

from firmware_bridge.protocols.ssp.commands import (
    COMMANDS,
    FOREIGN_COMMANDS,
    command_of,
    parse_command,
)
from firmware_bridge.protocols.ssp.crypto import is_encrypted
from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.fields import BYTE_MAX, Content
from firmware_bridge.protocols.ssp.framing import Frame, decode_frame, encode_frame
from firmware_bridge.protocols.ssp.replies import (
    REJECT_CODES,
    Generic,
    generic_of,
    parse_reply,
    reason_name,
)

HOST: Final = "host"
DEVICE: Final = "device"
_LAST_REJECT_CODE: Final = 0x17


def command_code(text: str) -> int:
    """A command code as typed on the command line, in hex with or without 0x."""
    try:
        code = int(text.strip(), 16)
    except ValueError:
        code = -1
    if not 0 <= code <= BYTE_MAX:
        msg = f"{text!r} is no command code; give one byte in hex, e.g. 0x07"
        raise SspError(msg)
    return code


def decode(hexline: str, sender: str, command: int | str | None = None) -> dict[str, object]:
    """Describe one frame given as hex (spaces allowed).

    `sender` is "host" or "device"; `command` is the code that a device's frame answers. Returns the object
    of the issue: ok, address, sequence, code, data, message, why, encoded - or ok false and error. Raises
    `SspError` only for a wrong `sender` or `command`, never for a wrong line.
    """
    if sender not in {HOST, DEVICE}:
        msg = f"sender {sender!r} is neither {HOST!r} nor {DEVICE!r}"
        raise SspError(msg)
    answered = command_code(command) if isinstance(command, str) else command
    try:
        frame = decode_frame(_bytes_of(hexline))
    except SspError as error:
        return {"ok": False, "error": str(error)}
    message: Content | None = None
    why: str | None = None
    try:
        message = _describe_host(frame.data) if sender == HOST else _describe_device(frame.data, answered)
    except SspError as error:
        why = str(error)
    return {
        "ok": True,
        "address": frame.address,
        "sequence": frame.sequence,
        "code": frame.data[0],
        "data": frame.data[1:].hex(),
        "message": message,
        "why": why,
        "encoded": encode_frame(frame).hex(),
    }


def encode(described: Mapping[str, object]) -> str:
    """Hex of the whole frame from `address`, `sequence`, `code` and `data`; `SspError` if they make none."""
    data = described.get("data", "")
    if not isinstance(data, str):
        msg = f"data: {data!r} is not hex"
        raise SspError(msg)
    code = _integer(described, "code")
    if not 0 <= code <= BYTE_MAX:
        msg = f"code: {code} is not a byte"
        raise SspError(msg)
    body = bytes((code,)) + _bytes_of(data)
    return encode_frame(Frame(_integer(described, "address"), _integer(described, "sequence"), body)).hex()


def _bytes_of(hexline: str) -> bytes:
    try:
        return bytes.fromhex(hexline)
    except ValueError:
        msg = "not hexadecimal"
        raise SspError(msg) from None


def _integer(described: Mapping[str, object], name: str) -> int:
    value = described.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{name}: {value!r} is not an integer"
        raise SspError(msg)
    return value


def _refuse_encrypted(data: bytes) -> None:
    if is_encrypted(data):
        msg = "encrypted (eSSP): not readable without the negotiated key"
        raise SspError(msg)


def _describe_host(data: bytes) -> Content:
    _refuse_encrypted(data)
    command, content = parse_command(data)
    return {"name": command.name, **content}


def _describe_device(data: bytes, answered: int | None) -> Content:
    _refuse_encrypted(data)
    if data[0] not in set(Generic):
        known = data[0] in COMMANDS or data[0] in FOREIGN_COMMANDS
        hint = "; it looks like a frame of the host" if known else ""
        msg = f"0x{data[0]:02X} is no generic response{hint}"
        raise SspError(msg)
    if answered is None:
        msg = "a reply can only be read with the command that it answers"
        raise SspError(msg)
    if answered in FOREIGN_COMMANDS and len(data) == 1:  # no layout is needed for a bare response
        return {
            "name": generic_of(data).name.replace("_", " "),
            "command": FOREIGN_COMMANDS[answered],
        }
    name = command_of(answered).name
    reply = parse_reply(answered, data)
    message: Content = {
        "name": generic_of(data).name.replace("_", " "),
        "command": name,
        **reply.content,
    }
    if reply.reason is not None:
        message |= {
            "reason": reply.reason,
            "reason_name": reason_name(answered, reply.reason),
        }
    reject_code = reply.content.get("reject_code")
    if answered == _LAST_REJECT_CODE and isinstance(reject_code, int):
        message["reject_name"] = REJECT_CODES.get(reject_code, "unknown")
    return message
