"""Properties of every codec of the firmware bridge: round trips, no foreign exceptions, quick resynchronisation."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu import ExceptionResponse

from firmware_bridge.interfaces import BoardCommand, BoardOpcode, Label
from firmware_bridge.protocols.board import BoardMapError, command_registers, parse_snapshot
from firmware_bridge.protocols.modbus import ModbusRefusal, ResponseReader, read_input, write_holding
from firmware_bridge.protocols.ssp.commands import COMMANDS, POLLS, Command, build_command, parse_command
from firmware_bridge.protocols.ssp.crypto import PLAIN_BYTES_MAX, decrypt_packet, encrypt_packet
from firmware_bridge.protocols.ssp.describe import decode, encode
from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.events import EVENTS, Event, EventType, build_events, parse_events
from firmware_bridge.protocols.ssp.fields import (
    ChannelBits,
    Columns,
    Constant,
    CountedText,
    Country,
    DecimalPairs,
    Field,
    Hex,
    Layout,
    Listed,
    Text,
    Uint,
    Variant,
)
from firmware_bridge.protocols.ssp.framing import Frame, FrameReceiver, decode_frame, encode_frame
from firmware_bridge.protocols.ssp.replies import Generic, Reply, build_reply, parse_reply
from firmware_bridge.protocols.ssp.setup import SetupBlock
from firmware_bridge.protocols.zpl.errors import ZplError
from firmware_bridge.protocols.zpl.label import build_label
from firmware_bridge.protocols.zpl.status import StatusReader, parse_status

Values = st.SearchStrategy[object]
ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
LETTERS = st.text(st.characters(min_codepoint=0x41, max_codepoint=0x5A), min_size=3, max_size=3)

frames = st.builds(Frame, st.integers(0, 0x7D), st.integers(0, 1), st.binary(min_size=1, max_size=255))
noisy = st.binary(max_size=300) | st.lists(st.sampled_from([0x7F, 0x80, 0x01, 0x11, 0x7E, 0xF0]), max_size=100).map(
    bytes
)


def values_of(field: Field) -> Values:  # noqa: C901, PLR0911 - one case per kind of field
    """Everything that a field may carry."""
    match field:
        case Uint():
            return st.integers(0, (1 << 8 * field.size) - 1)
        case Text():
            return st.text(ASCII, min_size=field.size, max_size=field.size or 20)
        case Country():
            return LETTERS
        case Hex():
            return st.binary(min_size=field.size, max_size=field.size or 20).map(bytes.hex)
        case CountedText():
            return st.text(ASCII, max_size=24)
        case DecimalPairs():
            pairs = st.lists(st.integers(0, 99), min_size=field.size, max_size=field.size or 9)
            return pairs.map(lambda numbers: "".join(f"{number:02d}" for number in numbers))
        case ChannelBits():
            return st.integers(1, field.bytes_max).flatmap(
                lambda size: st.fixed_dictionaries(
                    {"width": st.just(8 * size), "accepted": st.sets(st.integers(1, 8 * size)).map(sorted)}
                )
            )
        case Listed():
            return st.lists(
                contents_of(field.row), min_size=field.count, max_size=field.count or min(field.count_max, 6)
            )
        case Columns():
            return st.lists(contents_of(field.columns), max_size=6)
        case SetupBlock():
            return setups()
    raise AssertionError(field)


def contents_of(layout: Layout) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {field.name: values_of(field) for field in layout if field.name and not isinstance(field, Constant)}
    )


@st.composite
def setups(draw: st.DrawFn) -> object:
    version = draw(st.integers(4, 9))
    row: Layout = (Uint("value"), Uint("security"))
    if version >= 6:
        row += (Text("country", 3), Uint("expanded_value", 4))
    head: Layout = (Uint("unit_type"), Text("firmware", 4), Text("country", 3), Uint("value_multiplier", 3))
    content = draw(contents_of((*head, Uint("real_value_multiplier", 3))))
    rows = draw(st.lists(contents_of(row), max_size=16))
    return content | {"protocol_version": version, "channels": rows}


def _with_variant(forms: Sequence[Variant]) -> st.SearchStrategy[tuple[Variant, int, dict[str, object]]]:
    return st.sampled_from(forms).flatmap(
        lambda form: st.tuples(st.just(form), st.integers(form.pv_min, form.pv_max), contents_of(form.layout))
    )


COMMAND_FORMS = st.sampled_from(sorted(COMMANDS.values(), key=lambda command: command.code)).flatmap(
    lambda command: st.tuples(st.just(command), _with_variant(command.arguments))
)
REPLY_FORMS = st.sampled_from([command for command in COMMANDS.values() if command.code not in POLLS]).flatmap(
    lambda command: st.tuples(st.just(command), _with_variant(command.reply))
)


@given(frames)
def test_frames_round_trip(frame: Frame) -> None:
    wire = encode_frame(frame)
    assert decode_frame(wire) == frame
    assert FrameReceiver().feed(wire) == [frame]
    described = decode(wire.hex(" "), "host")
    assert described["ok"]
    assert encode(described) == wire.hex()


@given(noisy, frames, st.lists(st.integers(0, 400), max_size=5))
def test_after_any_noise_the_second_good_frame_arrives_at_the_latest(
    noise: bytes, frame: Frame, cuts: list[int]
) -> None:
    stream = noise + encode_frame(frame) * 2
    receiver = FrameReceiver()
    found: list[Frame] = []
    last = 0
    for cut in [*sorted(min(cut, len(stream)) for cut in cuts), len(stream)]:
        found += receiver.feed(stream[last:cut])
        last = cut
    assert found[-1:] == [frame]


@given(noisy)
def test_arbitrary_bytes_raise_the_codecs_own_error_only(data: bytes) -> None:
    FrameReceiver().feed(data)
    for version in range(4, 10):
        found = parse_events(data, version)
        assert bool(found.rest) == bool(found.why)
    attempts: list[Callable[[], object]] = [
        partial(decode_frame, data),
        partial(decrypt_packet, bytes(16), data),
        partial(parse_command, data),
        *(partial(parse_reply, code, data) for code in COMMANDS),
        *(partial(parse_reply, code, b"\xf0" + data, 8) for code in COMMANDS),
    ]
    for attempt in attempts:
        with contextlib.suppress(SspError):
            attempt()
    for sender in ("host", "device"):
        decode(data.hex(), sender, 0x07)
        decode(encode_frame(Frame(0, 0, data[:255] or b"\x07")).hex(), sender, 0x07)


@given(st.text(max_size=40))
def test_arbitrary_lines_never_raise(line: str) -> None:
    assert decode(line, "device", 0x07)["ok"] in {True, False}


@given(COMMAND_FORMS)
def test_commands_round_trip(drawn: tuple[Command, tuple[Variant, int, dict[str, object]]]) -> None:
    command, (_, version, content) = drawn
    assert parse_command(build_command(command.code, content, version), version) == (command, content)


@given(REPLY_FORMS)
def test_replies_round_trip(drawn: tuple[Command, tuple[Variant, int, dict[str, object]]]) -> None:
    command, (_, version, content) = drawn
    reply = Reply(Generic.OK, content)
    wire = build_reply(command.code, reply, version)
    again = parse_reply(command.code, wire, version)
    # Two forms of one reply may share bytes (note positions by value or by channel): then bytes decide.
    assert again == reply or build_reply(command.code, again, version) == wire


@given(
    st.sampled_from([g for g in Generic if g is not Generic.OK]), st.sampled_from(sorted(COMMANDS)), st.integers(0, 255)
)
def test_refusals_round_trip(generic: Generic, code: int, reason: int) -> None:
    reply = Reply(generic, reason=reason if generic is Generic.CANNOT_BE_PROCESSED else None)
    assert parse_reply(code, build_reply(code, reply, 8), 8) == reply


@st.composite
def event_lists(draw: st.DrawFn) -> tuple[int, list[Event]]:
    version = draw(st.integers(4, 9))
    kinds: list[EventType] = [kind for kind in EVENTS.values() if any(form.used_by(version) for form in kind.forms)]
    events = []
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=6)):
        form = next(form for form in kind.forms if form.used_by(version))
        events.append(Event(kind, draw(contents_of(form.layout))))
    return version, events


@given(event_lists())
def test_events_round_trip_at_every_version(drawn: tuple[int, list[Event]]) -> None:
    version, events = drawn
    found = parse_events(build_events(events, version), version)
    assert list(found.events) == events
    assert not found.rest


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1), st.binary(min_size=1, max_size=PLAIN_BYTES_MAX))
def test_encryption_round_trips(key: bytes, count: int, data: bytes) -> None:
    field = encrypt_packet(key, count, data)
    assert len(field) <= 255
    assert decrypt_packet(key, field) == (count, data)


@given(
    st.integers(0, 0xFFFF),
    st.sampled_from(BoardOpcode),
    st.lists(st.integers(0, 0xFFFF), max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_command_blocks_carry_everything(
    sequence: int, opcode: BoardOpcode, arguments: list[int], boot_id: int
) -> None:
    block = command_registers(BoardCommand(sequence, opcode, tuple(arguments), boot_id))
    assert len(block) == 10
    assert block[:2] == [sequence, opcode]
    assert block[2 : 2 + len(arguments)] == arguments
    assert block[8] << 16 | block[9] == boot_id


@given(
    st.lists(st.integers(-1, 0x10000), max_size=66)
    | st.lists(st.integers(0, 0xFFFF), min_size=64, max_size=64).map(lambda r: [1, *r[1:]])
)
def test_any_registers_are_a_snapshot_or_the_maps_error(registers: list[int]) -> None:
    try:
        snapshot = parse_snapshot(registers)
    except BoardMapError:
        return
    counters = [event.counter for event in snapshot.events]
    assert len(counters) <= 8
    assert counters[-1:] in ([], [snapshot.event_counter])


@given(st.lists(st.binary(max_size=300), max_size=4), st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4))
def test_modbus_noise_never_raises_anything_foreign(chunks: list[bytes], values: list[int]) -> None:
    for request in (read_input(1, 0, 4), write_holding(1, 0, values)):
        reader = ResponseReader(request)
        for chunk in chunks:
            try:
                found = reader.feed(chunk)
            except ModbusRefusal:
                return
            assert found is None or len(found) in {0, 4}


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123), st.integers(1, 255), st.integers(0, 20))
def test_modbus_answers_are_read_in_any_split(values: list[int], code: int, cut: int) -> None:
    request = read_input(1, 0, len(values))
    payload = b"".join(value.to_bytes(2, "big") for value in values)
    frame = _adu(bytes((1, 4, len(payload))) + payload)
    reader = ResponseReader(request)
    assert reader.feed(frame[:cut]) in (None, values)
    assert cut >= len(frame) or reader.feed(frame[cut:]) == values
    refused = _adu(bytes((1, ExceptionResponse(4).function_code, code)))
    with pytest.raises(ModbusRefusal) as refusal:
        ResponseReader(request).feed(refused)
    assert refusal.value.code == code


def _adu(body: bytes) -> bytes:
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return body + crc.to_bytes(2, "little")


@given(
    st.builds(
        Label,
        st.text(max_size=45),
        st.integers(1, 9),
        st.lists(st.text(max_size=45), max_size=9).map(tuple),
        st.text(max_size=300),
        st.text(max_size=40),
    )
)
def test_any_label_is_one_format_or_the_codecs_error(label: Label) -> None:
    try:
        data = build_label(label)
    except ZplError:
        return
    text = data.decode("utf-8")
    assert text.count("^XA") == text.count("^XZ") == text.count("^PQ1") == 1
    assert text.count("^FD") == text.count("^FS") == len(label.lines) + 3
    assert "~" not in text


@given(st.binary(max_size=400))
def test_any_bytes_are_a_status_or_none(data: bytes) -> None:
    StatusReader().feed(data)
    with contextlib.suppress(ZplError):
        parse_status(tuple(data.decode("latin-1").split("\n")))


@given(st.binary(max_size=60).filter(lambda noise: b"\x02" not in noise))
def test_a_status_is_found_behind_noise(noise: bytes) -> None:
    strings = ("030,1,0,1245,007,0,0,0,000,0,0,0", "001,0,0,0,0,2,6,0,00000003,1,000", "1234,0")
    status = StatusReader().feed(noise + b"".join(b"\x02" + s.encode() + b"\x03\r\n" for s in strings))
    assert status is not None
    assert (status.paper_out, status.formats_waiting, status.labels_remaining) == (True, 7, 3)
