"""EBDS: what is encoded is decoded; no bytes raise anything but the codec's error; one whole frame is understood."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.protocols.ebds.auxiliary import decode_crc, decode_text
from firmware_bridge.protocols.ebds.errors import EbdsError
from firmware_bridge.protocols.ebds.extended import (
    NoteSpecification,
    decode_extended,
    decode_inhibits,
    decode_note,
    decode_table,
    encode_inhibits,
    encode_table,
)
from firmware_bridge.protocols.ebds.framing import (
    FRAME_BYTES_MAX,
    GAP_S,
    Frame,
    FrameReceiver,
    MessageType,
    decode_frame,
    encode_frame,
)
from firmware_bridge.protocols.ebds.omnibus import (
    Miscellany,
    OmnibusCommand,
    OmnibusReply,
    Orientation,
    PowerUpPolicy,
    State,
    Status,
    Trouble,
    decode_command,
    decode_reply,
)
from hwsim.config import EbdsConfig, WorldConfig
from hwsim.devices.ebds_frame import Listener, Message
from hwsim.devices.ebds_validator import EbdsValidator
from hwsim.scheduler import VirtualScheduler
from hwsim.world import World

SEVEN = st.integers(0, 0x7F)
LETTER = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
frames = st.builds(
    Frame,
    st.sampled_from(MessageType),
    st.integers(0, 1),
    st.lists(SEVEN, max_size=FRAME_BYTES_MAX - 5).map(bytes),
    st.integers(0, 7),
)
commands = st.builds(
    OmnibusCommand,
    enables=SEVEN,
    orientation=st.sampled_from(Orientation),
    escrow=st.booleans(),
    stack=st.just(value=False),
    give_back=st.booleans(),
    no_push=st.booleans(),
    barcode=st.booleans(),
    power_up=st.sampled_from(PowerUpPolicy),
    extended_notes=st.booleans(),
    extended_coupons=st.booleans(),
)
replies = st.builds(
    OmnibusReply,
    SEVEN.map(State),
    SEVEN.map(Status),
    SEVEN.map(lambda bits: Trouble(bits & 0x47)),
    st.integers(0, 7),
    SEVEN.map(Miscellany),
    SEVEN,
    SEVEN,
)
notes = st.builds(
    NoteSpecification,
    st.integers(1, 7),
    st.text(st.characters(min_codepoint=65, max_codepoint=90), min_size=3, max_size=3),
    st.integers(0, 999),
    st.integers(-9, 15),
    SEVEN,
    LETTER,
    LETTER,
    LETTER,
    LETTER,
    SEVEN,
)


@given(frames)
def test_frames(frame: Frame) -> None:
    wire = encode_frame(frame)
    assert decode_frame(wire) == frame
    (heard,) = Listener().feed(wire, 0.0)  # the simulator's own reading
    assert (heard.kind, heard.toggle, heard.data) == (frame.message_type, frame.toggle, frame.data)
    assert decode_frame(Message(heard.kind, heard.toggle, heard.data).wire()).data == frame.data


@given(commands, replies)
def test_polls(command: OmnibusCommand, reply: OmnibusReply) -> None:
    assert decode_command(command.encode()) == command
    assert decode_reply(reply.encode()) == reply


@given(notes, st.lists(notes, max_size=7, unique_by=lambda note: note.index))
def test_notes(note: NoteSpecification, table: list[NoteSpecification]) -> None:
    assert decode_note(note.encode()) == note
    plain = [(row.index, row.currency, row.base, row.exponent) for row in sorted(table, key=lambda row: row.index)]
    assert [(row.index, row.currency, row.base, row.exponent) for row in decode_table(encode_table(table))] == plain


@given(st.frozensets(st.integers(1, 128)), st.sampled_from([50, 128]))
def test_inhibits(enabled: frozenset[int], size: int) -> None:
    within = frozenset(index for index in enabled if index <= (56 if size == 50 else 128))
    assert decode_inhibits(encode_inhibits(within, size)) == within


DECODERS: list[Callable[[bytes], Any]] = [
    decode_frame,
    decode_command,
    decode_reply,
    decode_extended,
    decode_note,
    decode_inhibits,
    decode_table,
    decode_text,
    decode_crc,
]


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.__name__)
@given(data=st.one_of(st.binary(max_size=130), st.lists(SEVEN, max_size=130).map(bytes)))
def test_any_bytes_raise_nothing_but_the_codecs_error(decoder: Callable[[bytes], Any], data: bytes) -> None:
    with contextlib.suppress(EbdsError):
        decoder(data)


@given(st.lists(st.binary(max_size=40), max_size=6), frames)
def test_one_whole_frame_after_any_noise_and_a_silence_is_understood(noise: list[bytes], frame: Frame) -> None:
    receiver = FrameReceiver()
    for chunk in noise:
        receiver.feed(chunk, 0.0)
    assert receiver.feed(encode_frame(frame), GAP_S + 1e-6) == [frame]


@given(st.lists(frames, max_size=6), st.data())
def test_any_split_gives_the_same_frames(sent: list[Frame], data: st.DataObject) -> None:
    wire = b"".join(map(encode_frame, sent))
    receiver, received = FrameReceiver(), []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        received += receiver.feed(wire[:cut], 0.0)
        wire = wire[cut:]
    assert received == sent


@given(st.lists(st.one_of(st.binary(max_size=40), frames.map(encode_frame)), max_size=8))
def test_no_bytes_hurt_the_simulated_device(chunks: list[bytes]) -> None:
    scheduler = VirtualScheduler()
    world = World(WorldConfig(), scheduler, 1)
    device = EbdsValidator(world, EbdsConfig())
    for chunk in chunks:
        device.feed(chunk)
        scheduler.advance(0.3)
    world.totals()
