"""The EBDS codec against the frames of the fact sheet: published by two host libraries, and computed."""

import json
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.protocols.ebds.auxiliary import Query, decode_crc, decode_text, query
from firmware_bridge.protocols.ebds.errors import EbdsError
from firmware_bridge.protocols.ebds.extended import (
    NoteSpecification,
    Subtype,
    decode_extended,
    decode_inhibits,
    decode_note,
    encode_inhibits,
)
from firmware_bridge.protocols.ebds.framing import (
    GAP_S,
    Frame,
    FrameReceiver,
    MessageType,
    decode_frame,
    encode_frame,
)
from firmware_bridge.protocols.ebds.link import ATTEMPTS_MAX, HostLink
from firmware_bridge.protocols.ebds.omnibus import (
    OmnibusCommand,
    Orientation,
    PowerUpPolicy,
    State,
    Status,
    Trouble,
    decode_command,
    decode_reply,
)

VECTORS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parents[1] / "vectors" / "ebds_frames.jsonl").read_text().splitlines()
]
BY_NAME = {vector["name"]: bytes.fromhex(vector["wire"]) for vector in VECTORS}


def frame(name: str) -> Frame:
    return decode_frame(BY_NAME[name])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_frame_is_read_and_written_byte_for_byte(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["wire"])
    assert encode_frame(decode_frame(wire)) == wire
    assert FrameReceiver().feed(b"\x02\x7f" + b"\x02" * 130 + wire, 0.0)[-1:] == [decode_frame(wire)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_omnibus_messages_are_rebuilt_from_their_meaning(vector: dict[str, Any]) -> None:
    found = decode_frame(bytes.fromhex(vector["wire"]))
    if found.message_type is MessageType.OMNIBUS_REPLY:
        assert decode_reply(found.data).encode() == found.data
    if found.message_type is MessageType.EXTENDED and vector["sender"] == "device":
        assert decode_extended(found.data).encode() == found.data


def test_what_the_host_wants() -> None:
    plain = OmnibusCommand(enables=0x7F, orientation=Orientation.ONE_WAY, escrow=False, power_up=PowerUpPolicy.A)
    assert encode_frame(Frame(MessageType.OMNIBUS_COMMAND, 0, plain.encode())) == BY_NAME["B1"]
    wanted = OmnibusCommand(enables=0x7F, power_up=PowerUpPolicy.A, extended_notes=True)
    assert decode_command(frame("B36").data) == wanted
    assert decode_command(frame("B39").data).stack
    assert decode_command(frame("B40").data).give_back
    assert frame("B42").data == query(Query.RESET)
    assert frame("B46").data == query(Query.VARIANT_NAME)
    with pytest.raises(EbdsError):
        OmnibusCommand(stack=True, give_back=True).encode()
    with pytest.raises(EbdsError):
        decode_command(frame("B41").data)  # interrupt mode


def test_credit_is_stacked_with_a_value() -> None:
    for number in range(1, 8):
        reply = decode_reply(frame(f"B{20 + number}").data)
        assert reply.state == State.STACKED | State.IDLING
        assert reply.note == number
    assert decode_reply(frame("B13").data).note == 0
    reply = decode_reply(frame("B18").data)
    assert reply.trouble is Trouble.POWER_UP
    assert reply.status is Status.CASSETTE_ATTACHED


def test_notes_by_currency_and_value() -> None:
    def note(name: str) -> NoteSpecification | None:
        return decode_note(decode_extended(frame(name).data).extra)

    stacked = note("B56")
    assert stacked is not None
    assert (stacked.currency, stacked.value_minor(2)) == ("EUR", 2000)
    assert note("B57") is None
    yen = note("B58")
    assert yen is not None
    assert (yen.index, yen.value_minor(0)) == (1, 2000)
    half = NoteSpecification(1, "EUR", 5, -1)
    assert half.value_minor(2) == 50
    with pytest.raises(EbdsError):
        NoteSpecification(1, "JPY", 5, -1).value_minor(0)
    assert decode_extended(frame("B35").data).extra == b"0123456789ABCDEFGHIJKLMNOPQR"


def test_inhibits_and_texts() -> None:
    assert frame("B48").data[4:] == encode_inhibits({1, 2, 3}, 50)
    assert decode_inhibits(encode_inhibits({1, 50, 128}, 128)) == {1, 50, 128}
    with pytest.raises(EbdsError):
        encode_inhibits({57}, 50)
    assert decode_crc(frame("B44").data) == 0x1234
    assert decode_text(b"CNY_EUR\x00\x01") == "CNY_EUR"
    assert frame("B47").data[0] == Subtype.NOTE


def test_a_frame_that_was_cut_off_costs_no_other_after_a_silence() -> None:
    receiver = FrameReceiver()
    assert receiver.feed(b"\x02\x50\x20", 0.0) == []
    assert receiver.feed(BY_NAME["B4"], GAP_S + 0.01) == [frame("B4")]


def test_the_toggle_flips_only_with_a_reply_of_the_same_bit() -> None:
    link = HostLink()
    poll = OmnibusCommand().encode()
    first = link.send(MessageType.OMNIBUS_COMMAND, poll, 0.0)
    assert link.receive(BY_NAME["B5"], 0.1) is None  # toggle 1: the answer to an older message
    assert link.expire(link.deadline_s) == first
    assert link.receive(BY_NAME["B4"][:4], 0.5) is None
    assert link.receive(BY_NAME["B4"][4:], 0.5) == frame("B4")
    second = link.send(MessageType.OMNIBUS_COMMAND, poll, 1.0)
    assert decode_frame(second).toggle == 1
    for _ in range(ATTEMPTS_MAX - 1):
        assert link.expire(link.deadline_s) == second
    assert link.expire(link.deadline_s) is None
    assert link.send(MessageType.OMNIBUS_COMMAND, poll, 9.0) == second  # nobody knows whether it was heard
    with pytest.raises(EbdsError):
        link.send(MessageType.OMNIBUS_COMMAND, poll, 9.0)
