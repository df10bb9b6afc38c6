"""Every printed frame of the manual against the simulator's own codec, byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest

from hwsim.devices.ssp_codes import COMMANDS, decode_events, encode_event
from hwsim.devices.ssp_frame import Frame, FrameDecoder
from hwsim.devices.ssp_layout import LayoutError, layout

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "ssp_frames.jsonl"
pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason=f"NOT CHECKED: {VECTORS} is not there")

POLL_PAGES = range(212, 300)
# Frames whose content the sheet calls malformed, or that belong to other devices (section 8, E8, E9, E16, E19).
MALFORMED_PAGES = {212, 233, 234, 240, 243, 244, 247, 252, 260}
OTHER_DEVICES = 0x80  # SEQ/ID of everything that our validator would hear or say at address 0


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in VECTORS.read_text().splitlines()] if VECTORS.exists() else []


def _decode(row: dict[str, Any]) -> tuple[bytes, Frame]:
    wire = bytes.fromhex(row["frame"])
    (frame,) = FrameDecoder().feed(wire)
    return wire, frame


def test_every_frame_is_rebuilt_from_its_printed_fields() -> None:
    rows = _rows()
    assert len(rows) == 233
    for row in rows:
        wire, frame = _decode(row)
        printed = row["frame"].split()
        address, flag = int(printed[1], 16) & 0x7F, int(printed[1], 16) >> 7
        data = bytes.fromhex("".join(printed[3:-2]))
        assert (frame.address, frame.flag, frame.data) == (address, flag, data)
        assert Frame(address, flag, data).encode() == wire


def test_host_frames_are_rebuilt_from_their_parameters() -> None:
    understood = set()
    for row in _rows():
        _, frame = _decode(row)
        command = COMMANDS.get(frame.data[0])
        if row["sender"] != "host" or frame.sequence_id != OTHER_DEVICES or command is None:
            continue
        for pv in (8, 5):
            form = layout(command.layout_at(pv))
            try:
                values = form.decode(frame.data[1:])
            except LayoutError:
                continue
            assert bytes((command.code,)) + form.encode(values) == frame.data
            understood.add(command.code)
            break
    assert understood >= {0x01, 0x02, 0x06, 0x07, 0x0A, 0x11, 0x33, 0x35, 0x3B, 0x3C, 0x46, 0x4A, 0x4B, 0x52}


def test_poll_replies_are_rebuilt_from_their_events() -> None:
    understood = set()
    for row in _rows():
        _, frame = _decode(row)
        if row["sender"] != "device" or row["page"] not in POLL_PAGES or row["page"] in MALFORMED_PAGES:
            continue
        if frame.sequence_id != OTHER_DEVICES or frame.data[0] != 0xF0:
            continue
        for pv in (8, 5):
            try:
                events = decode_events(frame.data[1:], pv)
            except LayoutError:
                continue
            if pv == 8:
                assert b"".join(encode_event(code, values, pv) for code, values in events) == frame.data[1:]
            understood |= {code for code, _ in events}
            break
    assert understood >= {0xEF, 0xEE, 0xE9, 0xE8, 0xE7, 0xE3, 0xE4, 0xB3, 0xD8, 0xD5, 0xC9, 0xCE, 0xCA, 0xC2, 0xB0}
