"""`kioskctl decode|encode ssp`: every frame of the shared vectors, and what the readable form says."""

import json
from pathlib import Path

import pytest

from firmware_bridge.protocols.ssp.describe import decode, encode
from firmware_bridge.protocols.ssp.errors import SspError

VECTORS = Path(__file__).parents[3] / "shared/vectors/ssp_frames.jsonl"
POLL_PAGES_FROM = 212  # event pages show replies to POLL


def _vectors() -> list[dict[str, str]]:
    if not VECTORS.exists():
        pytest.skip(f"LOUD: {VECTORS} is absent, the shared vectors were NOT checked")
    return [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]


def test_every_shared_frame_decodes_and_is_rebuilt_byte_for_byte() -> None:
    vectors = _vectors()
    assert len(vectors) == 233
    for vector in vectors:
        page = int(vector["page"])
        command = None if vector["sender"] == "host" else "0x07" if page >= POLL_PAGES_FROM else vector["code"]
        described = decode(vector["frame"], vector["sender"], command)
        wire = vector["frame"].replace(" ", "")
        assert described["ok"], vector
        assert described["encoded"] == wire
        printed = {name: described[name] for name in ("address", "sequence", "code", "data")}
        assert encode(printed) == wire
        assert (described["message"] is None) == bool(described["why"]), vector


def test_shared_errata_are_sound_frames_without_message() -> None:
    erratic = {79, 128, 212, 233, 234, 240, 252, 260}  # E18, E8, E8, E9, E9, E9, E16, E19
    for vector in _vectors():
        page = int(vector["page"])
        if page in erratic and vector["sender"] == "device":
            command = "0x07" if page >= POLL_PAGES_FROM else vector["code"]
            described = decode(vector["frame"], "device", command)
            assert described["ok"], vector
            assert described["message"] is None, vector
            assert described["why"], vector


def test_a_host_frame_is_named() -> None:
    described = decode("7F 80 03 02 07 00 2B B6", "host")
    assert described == {
        "ok": True,
        "address": 0,
        "sequence": 1,
        "code": 2,
        "data": "0700",
        "message": {"name": "SET INHIBITS", "channels": {"width": 16, "accepted": [1, 2, 3]}},
        "why": None,
        "encoded": "7f80030207002bb6",
    }


def test_a_reply_needs_its_command() -> None:
    frame = "7F8003F0EE04D7CC"
    bare = decode(frame, "device")
    assert bare["ok"]
    assert bare["message"] is None
    assert "command" in str(bare["why"])
    poll = decode(frame, "device", "07")
    assert poll["message"] == {
        "name": "OK",
        "command": "POLL",
        "events": [{"code": 0xEE, "name": "NOTE CREDIT", "channel": 4}],
    }
    reject = decode("7F8002F0080C20", "device", 0x17)
    assert reject["message"] == {
        "name": "OK",
        "command": "LAST REJECT CODE",
        "reject_code": 8,
        "reject_name": "reject_by_host",
    }


def test_encrypted_content_is_said_to_be_so() -> None:
    wire = encode({"address": 0, "sequence": 0, "code": 0x7E, "data": "00" * 16})
    described = decode(wire, "host")
    assert described["ok"]
    assert described["message"] is None
    assert "encrypted" in str(described["why"])


@pytest.mark.parametrize(
    "line", ["", "zz", "7F", "7F80", "7F8001116583", "7F800111658200", "8001116582", "7F80000000", "7FFF011100"]
)
def test_bad_lines_are_no_frames(line: str) -> None:
    described = decode(line, "host")
    assert described["ok"] is False
    assert described["error"]


def test_wrong_use_is_an_error() -> None:
    with pytest.raises(SspError):
        decode("7F8001116582", "bank")
    with pytest.raises(SspError):
        decode("7F8001116582", "device", "poll")
    for broken in (
        {},
        {"address": 0, "sequence": 2, "code": 7, "data": ""},
        {"address": 126, "sequence": 0, "code": 7},
    ):
        with pytest.raises(SspError):
            encode(broken)
