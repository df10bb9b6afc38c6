"""Replies: the generic response byte and what follows it (fact sheet sections 3 and 5.3)."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, cast

from firmware_bridge.protocols.ssp.commands import POLLS, Command, command_of
from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.events import (
    EVENTS,
    Event,
    build_events,
    parse_events,
)
from firmware_bridge.protocols.ssp.fields import BYTE_MAX, Content, build_exact, parse_exact

# Newest first; 9 is not guessed, it exists for one device only and its READ has other data.
_VERSIONS_GUESSED: Final = (8, 7, 6, 5, 4)


class Generic(IntEnum):
    """First byte of every reply."""

    OK = 0xF0
    COMMAND_NOT_KNOWN = 0xF2
    WRONG_PARAMETER_COUNT = 0xF3
    PARAMETER_OUT_OF_RANGE = 0xF4
    CANNOT_BE_PROCESSED = 0xF5
    SOFTWARE_ERROR = 0xF6
    FAIL = 0xF8
    KEY_NOT_SET = 0xFA


REJECT_CODES: Final[dict[int, str]] = {
    0x00: "note_accepted",
    0x01: "length_fail",
    0x02: "average_fail",
    0x03: "coastline_fail",
    0x04: "graph_fail",
    0x05: "buried_fail",
    0x06: "channel_inhibit",
    0x07: "second_note_detected",
    0x08: "reject_by_host",
    0x09: "cross_channel_detected",
    0x0A: "rear_sensor_error",
    0x0B: "note_too_long",
    0x0C: "disabled_by_host",
    0x0D: "slow_mech",
    0x0E: "strim_attempt",
    0x0F: "fraud_channel",
    0x10: "no_notes_detected",
    0x11: "peak_detect_fail",
    0x12: "twisted_note",
    0x13: "escrow_time_out",
    0x14: "bar_code_scan_fail",
    0x15: "no_cam_activate",
    0x16: "slot_fail_1",
    0x17: "slot_fail_2",
    0x18: "lens_oversample",
    0x19: "width_detection_fail",
    0x1A: "short_note_detect",
    0x1B: "payout_note",
    0x1C: "double_note_detected",
    0x1D: "unable_to_stack",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `content` is filled for OK, `reason` for CANNOT_BE_PROCESSED when the device gave one.

    The content of a poll is `{"events": [{"code", "name", ...values}, ...]}`.
    """

    generic: Generic
    content: Content = field(default_factory=dict)
    reason: int | None = None


def generic_of(data: bytes) -> Generic:
    """The generic response of a reply's DATA field; `SspError` when it has none."""
    if not data or data[0] not in set(Generic):
        msg = f"0x{data[0]:02X} is no generic response" if data else "an empty reply"
        raise SspError(msg)
    return Generic(data[0])


def parse_reply(code: int, data: bytes, protocol_version: int | None = None) -> Reply:
    """The reply to command `code`, decrypted, DATA field from the generic response on; `SspError` if malformed."""
    generic = generic_of(data)
    rest = data[1:]
    if generic is Generic.OK:
        return Reply(generic, _parse_content(command_of(code), rest, protocol_version))
    if generic is Generic.CANNOT_BE_PROCESSED and len(rest) == 1:
        return Reply(generic, reason=rest[0])
    if rest:
        msg = f"{len(rest)} bytes behind {generic.name}"
        raise SspError(msg)
    return Reply(generic)


def build_reply(code: int, reply: Reply, protocol_version: int) -> bytes:
    """DATA field of a reply to command `code`."""
    lead = bytes((reply.generic,))
    if reply.generic is not Generic.OK:
        if reply.reason is not None and not 0 <= reply.reason <= BYTE_MAX:
            msg = f"reason {reply.reason} is not a byte"
            raise SspError(msg)
        return lead + (b"" if reply.reason is None else bytes((reply.reason,)))
    if code not in POLLS:
        return lead + build_exact(command_of(code).reply, reply.content, protocol_version)
    return lead + build_events(_events_of(reply.content), protocol_version)


def reason_name(code: int, reason: int) -> str:
    """In words, what the byte behind F5 means for that command."""
    return command_of(code).reasons.get(reason, f"reason {reason}")


def _parse_content(command: Command, rest: bytes, protocol_version: int | None) -> Content:
    if command.code not in POLLS:
        return parse_exact(command.reply, rest, protocol_version)
    why = ""
    for version in _VERSIONS_GUESSED if protocol_version is None else (protocol_version,):
        found = parse_events(rest, version)
        if not found.rest:
            return {
                "events": [{"code": e.type.code, "name": e.type.name, **e.content} for e in found.events],
            }
        why = why or found.why
    raise SspError(why)


def _events_of(content: Content) -> list[Event]:
    rows = content.get("events")
    if not isinstance(rows, list) or set(content) != {"events"}:
        msg = "a poll reply is a list of events"
        raise SspError(msg)
    events = []
    for row in rows:
        if not isinstance(row, dict) or row.get("code") not in EVENTS:
            msg = f"{row!r} is no event"
            raise SspError(msg)
        values = {name: value for name, value in row.items() if name not in {"code", "name"}}
        events.append(Event(EVENTS[cast("int", row["code"])], values))
    return events
