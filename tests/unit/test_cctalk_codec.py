"""The ccTalk codec against the 85 frames of the fact sheet, and its rules one by one."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from firmware_bridge.protocols.cctalk.errors import CctalkError
from firmware_bridge.protocols.cctalk.events import (
    BillEvent,
    Bookmark,
    EventBuffer,
    Meaning,
    News,
    advance,
    decode_buffer,
    news,
)
from firmware_bridge.protocols.cctalk.framing import (
    Checksum,
    Packet,
    PacketReceiver,
    crc16,
    decode_packet,
    encode_packet,
)
from firmware_bridge.protocols.cctalk.headers import Header
from firmware_bridge.protocols.cctalk.link import ATTEMPTS_MAX, HostLink
from firmware_bridge.protocols.cctalk.money import (
    BillId,
    Scaling,
    currency_of,
    decode_bill_id,
    decode_scaling,
    encode_bill_id,
    minor_units,
)

VECTORS = {
    row["id"]: row
    for row in map(
        json.loads, (Path(__file__).parents[1] / "vectors/cctalk_frames.jsonl").read_text("utf-8").splitlines()
    )
}
CRC_VECTORS = {f"C{number}" for number in range(79, 86)}
ACK = bytes.fromhex("01002800d7")


def wire(vector: str) -> bytes:
    return bytes.fromhex(VECTORS[vector]["frame"])


def data(vector: str) -> bytes:
    return decode_packet(wire(vector), Checksum.SUM8).data


@pytest.mark.parametrize("vector", sorted(VECTORS))
def test_every_frame_of_the_sheet_is_read_and_written(vector: str) -> None:
    checksum = Checksum.CRC16 if vector in CRC_VECTORS else Checksum.SUM8
    other = Checksum.SUM8 if vector in CRC_VECTORS else Checksum.CRC16
    packet = decode_packet(wire(vector), checksum)
    assert encode_packet(packet, checksum) == wire(vector)
    assert PacketReceiver(checksum).feed(wire(vector), 0.0) == [packet]
    with pytest.raises(CctalkError):
        decode_packet(wire(vector), other)


@pytest.mark.parametrize(
    ("numbers", "crc"),
    [
        ((40, 0, 1), 0x3F46),
        ((1, 0, 0), 0x3730),
        ((40, 0, 254), 0x21B6),
        ((0x49, 0xD5, 0xF2), 0xA6B3),
        ((0x70, 0xB8, 0xD9, 0x64, 0x04, 0x15), 0xFB00),
    ],
)
def test_crc_values_of_the_sheet(numbers: tuple[int, ...], crc: int) -> None:
    assert crc16(bytes(numbers)) == crc


def test_half_a_packet_is_dropped_after_50_ms() -> None:
    receiver = PacketReceiver(Checksum.SUM8)
    assert receiver.feed(wire("C34")[:7], 1.0) == []
    assert receiver.feed(ACK, 1.06) == [Packet(1, 40, 0)]
    assert receiver.feed(wire("C34")[:7], 2.0) == []
    assert len(receiver.feed(wire("C34")[7:], 2.05)) == 1


def test_after_a_bad_sum_nothing_is_heard_until_the_line_was_quiet() -> None:
    receiver = PacketReceiver(Checksum.SUM8)
    assert receiver.feed(b"\x01\x00\x28\x00\x00" + ACK, 0.0) == []
    assert receiver.feed(ACK, 0.01) == []
    assert receiver.dropped == 1
    assert receiver.feed(ACK, 0.07) == [Packet(1, 40, 0)]


@pytest.mark.parametrize(
    ("packet", "checksum"),
    [
        (Packet(40, None, 254), Checksum.SUM8),
        (Packet(40, 1, 254), Checksum.CRC16),
    ],
)
def test_a_source_belongs_to_the_8_bit_sum(packet: Packet, checksum: Checksum) -> None:
    with pytest.raises(CctalkError):
        encode_packet(packet, checksum)


def test_what_is_no_byte_is_no_packet() -> None:
    for bad in ((256, 1, 0, b""), (1, -1, 0, b""), (1, 1, 0, bytes(256))):
        with pytest.raises(CctalkError):
            Packet(*bad)


# --- events -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "now", "count"), [(255, 1, 1), (253, 3, 5), (48, 54, 6), (0, 3, 3), (7, 7, 0), (1, 255, 254)]
)
def test_the_counter_skips_zero_at_its_wrap(last: int, now: int, count: int) -> None:
    assert advance(last, now) == count


def buffer_of(counter: int, *events: tuple[int, int]) -> EventBuffer:
    """A buffer with these newest events."""
    return EventBuffer(counter, tuple(BillEvent(*pair) for pair in (*events, *[(0, 0)] * 5)[:5]))


def behind(counter: int, *events: tuple[int, int]) -> Bookmark:
    return Bookmark.of(buffer_of(counter, *events))


def test_new_events_come_oldest_first() -> None:
    buffer = decode_buffer(data("C37"))
    assert news(behind(2, (3, 0), (3, 1)), buffer) == News((BillEvent(0, 2), BillEvent(0, 1)))
    assert news(Bookmark.of(buffer), buffer) == News(())
    assert news(behind(0), buffer).events[:2] == (BillEvent(3, 1), BillEvent(3, 0))


def test_more_than_five_are_lost_and_counted() -> None:
    buffer = buffer_of(54, (5, 0), (4, 0), (3, 0), (2, 0), (1, 0))
    assert news(behind(49, (9, 0)), buffer).lost == 0
    told = news(behind(48, (9, 0)), buffer)
    assert told.lost == 1
    assert [event.a for event in told.events] == [1, 2, 3, 4, 5]
    assert news(behind(0), buffer).lost == 49


def test_a_counter_back_at_zero_is_a_reset() -> None:
    empty = decode_buffer(data("C33"))
    assert news(behind(7, (3, 0)), empty) == News((), reset=True)
    assert news(behind(0), empty) == News(())


def test_a_device_that_restarted_and_counted_on_is_told_by_its_events() -> None:
    """Held as event 1; power cut; stacked, and reported as event 1 after power-up. The counter alone says: no news."""
    assert news(behind(1, (3, 1)), buffer_of(1, (3, 0))) == News((BillEvent(3, 0),), reset=True)
    assert news(behind(1, (3, 1)), buffer_of(2, (3, 0), (3, 1))) == News((BillEvent(3, 0),))
    assert news(behind(2, (3, 1), (0, 2)), buffer_of(3, (0, 1), (0, 2), (0, 11))).reset


def test_two_bills_alike_are_told_apart_by_the_counter() -> None:
    buffer = buffer_of(4, (3, 0), (3, 1), (3, 0), (3, 1))
    assert news(behind(2, (3, 0), (3, 1)), buffer) == News((BillEvent(3, 1), BillEvent(3, 0)))


def test_a_bookmark_is_one_number() -> None:
    mark = behind(255, (255, 255), (255, 255), (255, 255))
    assert Bookmark.unpack(mark.pack()) == mark
    assert mark.pack() < 1 << 56
    for bad in (-1, 1 << 56):
        with pytest.raises(CctalkError):
            Bookmark.unpack(bad)


@pytest.mark.parametrize(
    ("vector", "meanings"),
    [
        ("C34", [Meaning.HELD]),
        ("C36", [Meaning.CREDIT, Meaning.HELD]),
        ("C37", [Meaning.RETURNED, Meaning.INVALID]),
        ("C38", [Meaning.RETURNED, Meaning.TRANSPORT_PROBLEM]),
        ("C43", [Meaning.RETURNED, Meaning.TAMPER]),
        ("C45", [Meaning.MASTER_INHIBIT, Meaning.STACKER_FULL]),
        ("C46", [Meaning.STACKER_REMOVED]),
        ("C47", [Meaning.STACKER_INSERTED]),
    ],
)
def test_the_sheets_buffers_mean(vector: str, meanings: list[Meaning]) -> None:
    events = decode_buffer(data(vector)).events
    assert [event.meaning for event in events[: len(meanings)]] == meanings


def test_the_ends_of_the_event_table() -> None:
    assert BillEvent(0, 21).meaning is Meaning.UNKNOWN_STACKED
    assert BillEvent(0, 22).meaning is Meaning.UNLISTED
    assert BillEvent(3, 2).meaning is Meaning.UNLISTED
    assert (BillEvent(3, 0).bill_type, BillEvent(0, 1).bill_type) == (3, None)
    for bad in (b"", bytes(10), bytes(12)):
        with pytest.raises(CctalkError):
            decode_buffer(bad)


# --- money --------------------------------------------------------------------------------------------


def test_a_bills_worth_is_value_times_factor() -> None:
    bill, scaling = decode_bill_id(b"EU0020A"), decode_scaling(data("C26"))
    assert bill == BillId("EU", Decimal(20), "A")
    assert scaling == Scaling(100, 2)
    assert bill is not None
    assert minor_units(bill, scaling) == 2000
    assert encode_bill_id(bill) == b"EU0020A"
    assert decode_bill_id(data("C24")) is None


def test_a_fraction_must_come_out_whole() -> None:
    bill = decode_bill_id(b"BN0.10A")
    assert bill is not None
    assert minor_units(bill, Scaling(1000, 2)) == 100
    with pytest.raises(CctalkError):
        minor_units(bill, Scaling(1, 0))
    with pytest.raises(CctalkError):
        minor_units(bill, Scaling(0, 0))


@pytest.mark.parametrize("text", [b"EU0020", b"eu0020A", b"EU00-1A", b"EU1.2.A", b"EU....A", b"\xff" * 7, b""])
def test_what_is_no_bill_identity(text: bytes) -> None:
    with pytest.raises(CctalkError):
        decode_bill_id(text)


def test_currencies_by_country() -> None:
    assert [currency_of(country) for country in ("EU", "CN", "GB", "MX", "XX")] == ["EUR", "CNY", "GBP", "MXN", "XX"]


# --- link ---------------------------------------------------------------------------------------------


def link(**options: bool) -> HostLink:
    return HostLink(40, Checksum.SUM8, **options)


def test_the_echo_is_taken_off_and_the_reply_delivered() -> None:
    host = link()
    sent = host.send(Header.SIMPLE_POLL, b"", 0.0)
    assert sent == wire("C1")
    assert host.receive(sent + ACK, 0.01) == Packet(1, 40, 0)
    assert not host.waiting


def test_echo_and_reply_may_be_split_anywhere() -> None:
    for cut in range(1, 10):
        host = link()
        both = host.send(Header.SIMPLE_POLL, b"", 0.0) + ACK
        assert host.receive(both[:cut], 0.01) is None
        assert host.receive(both[cut:], 0.02) == Packet(1, 40, 0)


@pytest.mark.parametrize("heard", [ACK, wire("C1")[:4] + b"\x00" + ACK, b"\x00" + wire("C1") + ACK])
def test_a_wrong_or_missing_echo_is_a_bus_fault(heard: bytes) -> None:
    host = link()
    sent = host.send(Header.SIMPLE_POLL, b"", 0.0)
    assert host.receive(heard, 0.01) is None
    assert host.bus_faults == 1
    assert host.expire(host.deadline_s) == sent
    assert host.receive(sent + ACK, 1.0) == Packet(1, 40, 0)


def test_a_line_without_echo_is_configuration() -> None:
    host = link(echo=False)
    host.send(Header.SIMPLE_POLL, b"", 0.0)
    assert host.receive(ACK, 0.01) == Packet(1, 40, 0)


@pytest.mark.parametrize("vector", ["C73", "C34", "C52", "C32"])
def test_nak_wrong_size_wrong_source_and_wrong_destination_are_no_answer(vector: str) -> None:
    host = link(echo=False)
    host.send(Header.SIMPLE_POLL, b"", 0.0)
    assert host.receive(wire(vector), 0.01) is None
    assert host.waiting


def test_busy_is_an_answer() -> None:
    host = link(echo=False)
    host.send(Header.SIMPLE_POLL, b"", 0.0)
    assert host.receive(wire("C74"), 0.01) == Packet(1, 40, Header.BUSY)


def test_tries_are_bounded() -> None:
    host = link()
    tries = [host.send(Header.SIMPLE_POLL, b"", 0.0)]
    while (again := host.expire(host.deadline_s)) is not None:
        tries.append(again)
    assert tries == [wire("C1")] * ATTEMPTS_MAX
    assert not host.waiting


def test_a_command_carries_what_its_header_takes() -> None:
    host = link()
    with pytest.raises(CctalkError):
        host.send(Header.ROUTE_BILL, b"", 0.0)
    assert host.send(Header.ROUTE_BILL, b"\x01", 0.0) == wire("C35")
    with pytest.raises(CctalkError):
        host.send(Header.SIMPLE_POLL, b"", 0.0)
