"""The simulator's own codecs: what is encoded is decoded, and no bytes do harm."""

from hypothesis import given
from hypothesis import strategies as st

from hwsim.config import BoardConfig, LabelPrinterConfig, ValidatorConfig, WorldConfig
from hwsim.devices import modbus_rtu
from hwsim.devices.board import DepositBoard
from hwsim.devices.label_printer import LabelPrinter
from hwsim.devices.ssp_codes import COMMANDS, FORMS, decode_events, encode_event
from hwsim.devices.ssp_frame import Frame, FrameDecoder, crc16
from hwsim.devices.ssp_layout import Layout, LayoutError, Values, layout
from hwsim.devices.ssp_validator import SspValidator
from hwsim.devices.zpl_parser import Format, ZplParser
from hwsim.scheduler import VirtualScheduler
from hwsim.world import World

# 0x7F is what stuffing is about: make it common.
payloads = st.lists(st.one_of(st.just(0x7F), st.integers(0, 255)), min_size=1, max_size=255).map(bytes)
frames = st.builds(Frame, st.integers(0, 0x7D), st.integers(0, 1), payloads)
noise = st.binary(max_size=40).map(lambda data: data.replace(b"\x7f", b""))
u4 = st.integers(0, 0xFFFFFFFF)
country = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)

_VALUES: dict[str, st.SearchStrategy[object]] = {
    "u1": st.integers(0, 0xFF),
    "u2": st.integers(0, 0xFFFF),
    "u4": u4,
    "u8": st.integers(0, 2**64 - 1),
    "U3": st.integers(0, 0xFFFFFF),
    "U4": u4,
    "s3": country,
    "hex": st.binary(max_size=20).map(bytes.hex),
    "amounts": st.lists(st.tuples(u4, country), max_size=4).map(tuple),
    "amounts2": st.lists(st.tuples(u4, u4, country), max_size=4).map(tuple),
    "levels": st.lists(st.tuples(st.integers(0, 0xFFFF), u4, country), max_size=4).map(tuple),
}


def _values(form: Layout) -> st.SearchStrategy[Values]:
    return st.fixed_dictionaries({name: _VALUES[kind] for name, kind in form.fields})


def test_catalogue_check_values() -> None:
    assert crc16(b"123456789") == 0xAEE7
    assert modbus_rtu.crc16(b"123456789") == 0x4B37


@given(st.lists(frames, max_size=4), st.data())
def test_frames_survive_stuffing_noise_and_any_split(sent: list[Frame], data: st.DataObject) -> None:
    wire = b"".join(data.draw(noise) + frame.encode() for frame in sent)
    decoder, received = FrameDecoder(), []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        received += list(decoder.feed(wire[:cut]))
        wire = wire[cut:]
    assert received == sent


@given(st.binary(max_size=300), frames)
def test_any_bytes_then_one_good_frame_resynchronises(rubbish: bytes, frame: Frame) -> None:
    decoder = FrameDecoder()
    list(decoder.feed(rubbish))
    # A lone STX ends whatever was pending; the frame after it must come through.
    received = [*decoder.feed(b"\x7f\x00"), *decoder.feed(frame.encode()), *decoder.feed(frame.encode())]
    assert frame in received


@given(frames)
def test_a_frame_is_not_delivered_early(frame: Frame) -> None:
    decoder, wire = FrameDecoder(), frame.encode()
    assert list(decoder.feed(wire[:-1])) == []
    assert list(decoder.feed(wire[-1:])) == [frame]


@given(st.sampled_from(sorted(COMMANDS)), st.sampled_from([5, 8]), st.data())
def test_command_parameters_round_trip(code: int, pv: int, data: st.DataObject) -> None:
    form = layout(COMMANDS[code].layout_at(pv))
    values = data.draw(_values(form))
    assert form.decode(form.encode(values)) == values


@given(st.lists(st.sampled_from(sorted(FORMS)), max_size=6), st.data())
def test_event_lists_round_trip(codes: list[int], data: st.DataObject) -> None:
    events = [(code, data.draw(_values(layout(FORMS[code].fields)))) for code in codes]
    encoded = b"".join(encode_event(code, values, 8) for code, values in events)
    assert decode_events(encoded) == events


@given(st.binary(max_size=60))
def test_any_event_bytes_are_events_or_an_error(data: bytes) -> None:
    try:
        events = decode_events(data)
    except LayoutError:
        return
    assert b"".join(encode_event(code, values, 8) for code, values in events) == data


@given(st.integers(0, 0xFFFF), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123), st.data())
def test_modbus_writes_survive_any_split(address: int, values: list[int], data: st.DataObject) -> None:
    body = address.to_bytes(2, "big") + len(values).to_bytes(2, "big") + bytes((2 * len(values),))
    body += b"".join(value.to_bytes(2, "big") for value in values)
    wire = modbus_rtu.seal(1, bytes((16,)) + body)
    receiver, received = modbus_rtu.RequestReceiver(1.0), []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        received += list(receiver.feed(wire[:cut], 0.0))
        wire = wire[cut:]
    (request,) = received
    assert modbus_rtu.written_values(request) == (address, tuple(values))


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_no_bytes_hurt_a_device(chunks: list[bytes]) -> None:
    scheduler = VirtualScheduler()
    world = World(WorldConfig(), scheduler, 1)
    for device in (
        SspValidator(world, ValidatorConfig()),
        DepositBoard(world, BoardConfig()),
        LabelPrinter(world, LabelPrinterConfig()),
    ):
        for chunk in chunks:
            device.feed(chunk)
            device.feed(modbus_rtu.seal(1, chunk) if chunk else b"")
            if chunk:
                device.feed(Frame(0, 1, chunk).encode())
            scheduler.advance(0.1)
    world.totals()


LABEL = b"^XA^FO10,10^A0N,30,30^FDB-17^FS^XZ"


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"^XA", b"^FD", b"^FH", b"~", b"^XZ", LABEL]), max_size=6))
def test_after_any_noise_the_second_label_is_read_at_the_latest(noise: list[bytes]) -> None:
    formats: list[Format] = []
    parser = ZplParser(formats.append, lambda _name, _parameters: None)
    for chunk in (*noise, LABEL, LABEL):
        parser.feed(chunk)
    assert formats[-1].lines == ("B-17",)
    assert not parser.partial


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(0, 0xFFFF), st.integers(1, 125))
def test_modbus_requests_are_heard_again_after_a_gap(noise: list[bytes], address: int, count: int) -> None:
    receiver = modbus_rtu.RequestReceiver(1.0)
    for chunk in noise:
        list(receiver.feed(chunk, 0.0))
    body = address.to_bytes(2, "big") + count.to_bytes(2, "big")
    (request,) = receiver.feed(modbus_rtu.seal(1, b"\x04" + body), 2.0)
    assert request.words() == (address, count)
