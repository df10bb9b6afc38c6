"""The ccTalk codecs of product and simulator: round trips, any bytes, resynchronisation, the event counter."""

import contextlib
from collections import deque
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.protocols.cctalk.errors import CctalkError
from firmware_bridge.protocols.cctalk.events import BillEvent, Bookmark, EventBuffer, decode_buffer, encode_buffer, news
from firmware_bridge.protocols.cctalk.framing import (
    GAP_S,
    Checksum,
    Packet,
    PacketReceiver,
    decode_packet,
    encode_packet,
)
from firmware_bridge.protocols.cctalk.headers import FORMS, Header
from firmware_bridge.protocols.cctalk.link import ATTEMPTS_MAX, HostLink
from firmware_bridge.protocols.cctalk.money import (
    BillId,
    Scaling,
    decode_bill_id,
    decode_scaling,
    encode_bill_id,
    encode_scaling,
    minor_units,
)
from hwsim.devices.cctalk_events import EventList
from hwsim.devices.cctalk_packet import CcPacket, PacketCounter

byte = st.integers(0, 255)
checksums = st.sampled_from(Checksum)
bodies = st.tuples(byte, byte, st.binary(max_size=255))
cuts = st.lists(st.integers(0, 600), max_size=6)
pairs = st.tuples(byte, byte)


def packet_of(checksum: Checksum, body: tuple[int, int, bytes], source: int = 40) -> Packet:
    destination, header, data = body
    return Packet(destination, None if checksum is Checksum.CRC16 else source, header, data)


def split(stream: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(min(place, len(stream)) for place in at), len(stream)]
    return [stream[start:end] for start, end in pairwise(places)]


@given(checksums, bodies, byte)
def test_packets_round_trip(checksum: Checksum, body: tuple[int, int, bytes], source: int) -> None:
    packet = packet_of(checksum, body, source)
    assert decode_packet(encode_packet(packet, checksum), checksum) == packet


@given(checksums, st.lists(bodies, max_size=4), cuts)
def test_packets_arrive_in_any_split(checksum: Checksum, sent: list[tuple[int, int, bytes]], at: list[int]) -> None:
    packets = [packet_of(checksum, body) for body in sent]
    receiver = PacketReceiver(checksum)
    stream = b"".join(encode_packet(packet, checksum) for packet in packets)
    assert [found for chunk in split(stream, at) for found in receiver.feed(chunk, 0.0)] == packets


@given(checksums, st.lists(st.binary(max_size=40), max_size=6), bodies)
def test_after_any_noise_and_a_silence_the_next_packet_arrives(
    checksum: Checksum, noise: list[bytes], body: tuple[int, int, bytes]
) -> None:
    receiver, packet = PacketReceiver(checksum), packet_of(checksum, body)
    for number, chunk in enumerate(noise):
        receiver.feed(chunk, number * GAP_S / 10)
    later_s = len(noise) + 2 * GAP_S
    assert receiver.feed(encode_packet(packet, checksum), later_s) == [packet]


@given(st.binary(max_size=300))
def test_any_bytes_raise_the_codecs_own_error_only(data: bytes) -> None:
    for checksum in Checksum:
        with contextlib.suppress(CctalkError):
            assert encode_packet(decode_packet(data, checksum), checksum) == data
    with contextlib.suppress(CctalkError):
        assert encode_buffer(decode_buffer(data)) == data
    with contextlib.suppress(CctalkError):
        decode_bill_id(data)
    with contextlib.suppress(CctalkError):
        assert encode_scaling(decode_scaling(data)) == data


@given(checksums, bodies, byte)
def test_both_readings_of_the_sheet_agree(checksum: Checksum, body: tuple[int, int, bytes], source: int) -> None:
    destination, header, data = body
    crc = checksum is Checksum.CRC16
    wire = CcPacket(destination, source, header, data).encode(crc=crc)
    assert wire == encode_packet(packet_of(checksum, body, source), checksum)
    read = CcPacket.decode(wire, crc=crc)
    assert read is not None
    assert (read.destination, read.header, read.data) == body


@given(st.lists(st.binary(max_size=60), max_size=6), bodies, st.booleans())
def test_the_simulators_receiver_resynchronises_after_a_silence(
    noise: list[bytes], body: tuple[int, int, bytes], crc: bool
) -> None:
    counter = PacketCounter(crc=crc)
    for chunk in noise:
        list(counter.feed(chunk, 1.0))
    packet = CcPacket(body[0], 1, body[1], body[2])
    assert list(counter.feed(packet.encode(crc=crc), 1.1)) == [packet]


@given(byte, st.lists(pairs, min_size=5, max_size=5))
def test_event_buffers_and_bookmarks_round_trip(counter: int, events: list[tuple[int, int]]) -> None:
    buffer = EventBuffer(counter, tuple(BillEvent(*pair) for pair in events))
    assert decode_buffer(encode_buffer(buffer)) == buffer
    mark = Bookmark.of(buffer)
    assert Bookmark.unpack(mark.pack()) == mark


@given(st.integers(0, 600), st.lists(pairs, max_size=12))
def test_what_a_device_adds_is_what_is_told(before: int, added: list[tuple[int, int]]) -> None:
    """Against the simulator's list: any number of events before, some more, and the counter wraps as it likes."""
    device = EventList()
    for number in range(before):
        device.post(number % 255 + 1, number % 2)
    mark = Bookmark.of(decode_buffer(device.data()))
    for pair in added:
        device.post(*pair)
    found = news(mark, decode_buffer(device.data()))
    assert not found.reset or len(added) > 5
    if not found.reset:
        assert [(event.a, event.b) for event in found.events] == added[-5:]
        assert found.lost == max(0, len(added) - 5)


@given(st.lists(pairs, min_size=1, max_size=300), st.lists(pairs, max_size=12))
def test_a_restart_is_never_taken_for_a_credit_of_before(
    before: list[tuple[int, int]], since: list[tuple[int, int]]
) -> None:
    """What is told after a restart was really posted after it, or the restart is told, or the buffers are alike."""
    device = EventList()
    for pair in before:
        device.post(*pair)
    mark = Bookmark.of(decode_buffer(device.data()))
    device.clear()
    posted = deque(since, maxlen=5)
    for pair in since:
        device.post(*pair)
    found = news(mark, decode_buffer(device.data()))
    told = [(event.a, event.b) for event in found.events]
    assert told == list(posted)[len(posted) - len(told) :] or found.lost
    if not since:
        assert found.reset


bills = st.builds(
    BillId,
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2),
    st.decimals(0, 9999, places=0) | st.decimals("0.01", "9.99", places=2),
    st.sampled_from("ABCXYZ"),
)


@given(bills, st.integers(0, 0xFFFF), byte)
def test_bill_identities_and_factors_round_trip(bill: BillId, factor: int, decimals: int) -> None:
    again = decode_bill_id(encode_bill_id(bill))
    assert again is not None
    assert (again.country, again.value, again.issue) == (bill.country, bill.value, bill.issue)
    scaling = Scaling(factor, decimals)
    assert decode_scaling(encode_scaling(scaling)) == scaling
    with contextlib.suppress(CctalkError):
        assert minor_units(bill, scaling) == bill.value * factor


@given(st.sampled_from(sorted(FORMS)), st.lists(st.binary(max_size=80), max_size=8), st.booleans())
def test_an_exchange_ends_whatever_comes_back(header: Header, chunks: list[bytes], echo: bool) -> None:
    link = HostLink(40, Checksum.SUM8, echo=echo)
    sent = link.send(header, bytes(FORMS[header].sent[0]), 0.0)
    tries = 1
    for chunk in chunks:
        packet = link.receive(chunk, link.deadline_s)
        if packet is not None:
            least, most = FORMS[header].told
            assert packet.header == Header.BUSY or least <= len(packet.data) <= most
            break
        again = link.expire(link.deadline_s)
        tries += again == sent
    while link.expire(link.deadline_s) is not None:
        tries += 1
    assert tries <= ATTEMPTS_MAX
    assert not link.waiting
