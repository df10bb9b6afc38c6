"""SSP frames, tables, encryption and keys against the fact sheet's numbers."""

import pytest

from firmware_bridge.protocols.ssp.commands import COMMANDS, build_command, parse_command
from firmware_bridge.protocols.ssp.crypto import SecureChannel, decrypt_packet, encrypt_packet
from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.events import EVENTS, parse_events
from firmware_bridge.protocols.ssp.framing import Frame, FrameReceiver, crc16, decode_frame, encode_frame
from firmware_bridge.protocols.ssp.keys import KeyOffer, aes_key, is_prime
from firmware_bridge.protocols.ssp.link import HostLink
from firmware_bridge.protocols.ssp.replies import REJECT_CODES, Generic, Reply, build_reply, parse_reply
from firmware_bridge.protocols.ssp.setup import channels_of
from tests.bridge_kit import DATASET, setup_reply

SHEET_KEY = bytes.fromhex("67452301674523012E1F020000000000")


def test_crc_is_cms() -> None:
    assert crc16(b"123456789") == 0xAEE7
    assert crc16(bytes.fromhex("800111")) == 0x8265


def test_sync_frame_is_the_sheets() -> None:
    assert encode_frame(Frame(0, 1, b"\x11")) == bytes.fromhex("7F8001116582")


def test_stuffing_counts_unstuffed_bytes() -> None:
    wire = encode_frame(Frame(0, 1, b"\x01\x7f\x02"))
    assert wire[:3] == b"\x7f\x80\x03"
    assert b"\x01\x7f\x7f\x02" in wire
    assert decode_frame(wire) == Frame(0, 1, b"\x01\x7f\x02")


def _frame_with_crc(wanted: bytes) -> Frame:
    """A frame whose CRC contains `wanted`, found by trying."""
    for n in range(1 << 18):
        frame = Frame(0, 1, n.to_bytes(3, "little"))
        body = bytes((0x80, 3)) + frame.data
        if crc16(body).to_bytes(2, "little").endswith(wanted):
            return frame
    raise AssertionError("none found")


@pytest.mark.parametrize("wanted", [b"\x7f", b"\x7f\x7f"])
def test_a_frame_whose_crc_ends_with_7f_is_not_delivered_early(wanted: bytes) -> None:
    frame = _frame_with_crc(wanted)
    wire = encode_frame(frame)
    receiver = FrameReceiver()
    assert receiver.feed(wire[:-1]) == []
    assert receiver.feed(wire[-1:]) == [frame]


def test_every_split_point_delivers_the_frame() -> None:
    frame = Frame(3, 0, b"\x7f\x7e\x7f")
    wire = encode_frame(frame)
    for at in range(len(wire) + 1):
        receiver = FrameReceiver()
        assert receiver.feed(wire[:at]) + receiver.feed(wire[at:]) == [frame]


@pytest.mark.parametrize("kept", range(1, 6))
def test_a_lone_stx_inside_any_field_starts_a_new_frame(kept: int) -> None:
    good = Frame(0, 1, b"\x07")
    torn = encode_frame(Frame(0, 1, b"\x02\x07\x00"))[:kept]
    assert FrameReceiver().feed(torn + encode_frame(good)) == [good]


def test_noise_and_bad_crc_are_dropped_in_silence() -> None:
    good = encode_frame(Frame(0, 1, b"\x07"))
    bad = good[:-1] + bytes((good[-1] ^ 1,))
    receiver = FrameReceiver()
    assert receiver.feed(b"\x00\x11noise\x7f" + bad + good + good) == [Frame(0, 1, b"\x07")] * 2
    assert receiver.dropped == 1


@pytest.mark.parametrize(
    ("count", "data", "plain_and_wire"),
    [
        (0, "07", "7E2F9D3F43A27B87C4F4A924C6431B5B56"),
        (1, "F0", "7E6CB28FE66C6B1C55169320EFB2B2B6A0"),
        (1, "0A", "7EA504C4C7E62345F2BC56D1F59E299569"),
        (3, "F0EE03CC", "7E5874C6EF0C2A0BFCB1DDA27E62FED125"),
        (3, "3B00F4010000455552", "7E5019AAB25E4B5237E4F6961F478703CF"),
        (4, "56", "7EF8513B183E73FD978F2E08D2AB7018C6"),
        (5, "57", "7E23496225B8E2F149692BA362669C6918"),
        (
            6,
            "F0B401E8030000455552E8",
            "7EEC048A39F5E473B43B0CE89AEBC9FB9A00E98B53780F1BBBC5D8B6DF8CFEF4BA",
        ),
    ],
)
def test_encryption_matches_the_sheets_vectors(count: int, data: str, plain_and_wire: str) -> None:
    wire = bytes.fromhex(plain_and_wire)
    assert encrypt_packet(SHEET_KEY, count, bytes.fromhex(data), bytes) == wire
    assert decrypt_packet(SHEET_KEY, wire) == (count, bytes.fromhex(data))


def test_wrong_key_and_wrong_count_are_refused() -> None:
    wire = encrypt_packet(SHEET_KEY, 1, b"\xf0", bytes)
    with pytest.raises(SspError):
        decrypt_packet(bytes(16), wire)
    channel = SecureChannel(SHEET_KEY, bytes)
    channel.seal(b"\x07")
    with pytest.raises(SspError, match="stale"):
        channel.open(encrypt_packet(SHEET_KEY, 2, b"\xf0", bytes))
    assert channel.open(wire) == b"\xf0"
    with pytest.raises(SspError):
        channel.open(wire)  # replayed


def test_key_exchange_matches_the_sheets_examples() -> None:
    offer = KeyOffer(982451653, 1287821, 0x1234567)
    assert offer.host_key == 79617
    assert offer.shared_key(134225) == 139054
    assert aes_key(0x0123456701234567, 139054) == SHEET_KEY
    assert KeyOffer(0x1D, 0x35, 0x53).host_key == 0x2B
    assert KeyOffer(0x1D, 0x35, 0x53).shared_key(0x1D) == 0x2B


def test_own_primes_are_64_bit_primes_and_the_generator_is_larger() -> None:
    offer = KeyOffer.draw()
    assert is_prime(offer.generator)
    assert is_prime(offer.modulus)
    assert offer.generator > offer.modulus
    assert offer.modulus.bit_length() == 64


@pytest.mark.parametrize("degenerate", [0, 1, 1287820, 1287821])
def test_degenerate_device_keys_are_refused(degenerate: int) -> None:
    with pytest.raises(SspError):
        KeyOffer(982451653, 1287821, 5).shared_key(degenerate)


@pytest.mark.parametrize("number", [3215031751, 341550071728321, 3825123056546413051, 561, 2**61 + 1])
def test_strong_pseudoprimes_do_not_pass(number: int) -> None:
    assert not is_prime(number)


@pytest.mark.parametrize("number", [2, 3, 982451653, 1287821, 2**61 - 1, 18446744073709551557])
def test_primes_pass(number: int) -> None:
    assert is_prime(number)


def test_setup_reply_of_protocol_version_8() -> None:
    reply = parse_reply(0x05, setup_reply(DATASET), 8)
    setup = reply.content["setup"]
    assert isinstance(setup, dict)
    channels = channels_of(setup)
    assert [(c.number, c.value_minor, c.country) for c in channels][5:7] == [(6, 10000, "CNY"), (7, 100, "CNX")]
    assert build_reply(0x05, reply, 8) == setup_reply(DATASET)


def test_events_follow_each_other_and_an_unknown_one_ends_the_list() -> None:
    found = parse_events(bytes.fromhex("EE03CCEBE7"), 8)
    assert [event.type.name for event in found.events] == ["NOTE CREDIT", "STACKING", "STACKED", "STACKER FULL"]
    assert found.needs_ack
    found = parse_events(bytes.fromhex("EE0300EE04"), 8)
    assert len(found.events) == 1
    assert found.rest == bytes.fromhex("00EE04")
    assert parse_events(bytes.fromhex("CCEE"), 8).rest == b"\xee"


@pytest.mark.parametrize("data", ["C9F4010000455552", "C901F4010000455552"])
def test_both_printed_forms_of_transferred_to_stacker_are_read(data: str) -> None:
    (event,) = parse_events(bytes.fromhex(data), 8).events
    assert event.content == {"value": 500, "country": "EUR"}


def test_totals_depend_on_the_protocol_version() -> None:
    assert parse_events(bytes.fromhex("D5E6000000"), 5).events[0].content == {"value": 230}
    (floated,) = parse_events(bytes.fromhex("D80102080000455552"), 6).events
    assert floated.content == {"values": [{"value": 2050, "country": "EUR"}]}


def test_replies_with_reason_and_without() -> None:
    assert parse_reply(0x33, b"\xf5\x02", 8) == Reply(Generic.CANNOT_BE_PROCESSED, reason=2)
    assert parse_reply(0x18, b"\xf8", 8) == Reply(Generic.FAIL)
    with pytest.raises(SspError):
        parse_reply(0x07, b"\xf1", 8)
    with pytest.raises(SspError):
        parse_reply(0x4C, b"\xf0", 8)


def test_arguments_by_protocol_version() -> None:
    assert build_command(0x02, {"channels": {"width": 16, "accepted": [1, 2, 3]}}) == b"\x02\x07\x00"
    route = {"route": 1, "value": 10000, "country": "CNX"}
    data = build_command(0x3B, route, 8)
    assert data == bytes.fromhex("3B0110270000434E58")
    assert parse_command(data, 8)[1] == route
    with pytest.raises(SspError):
        build_command(0x3B, route, 5)
    with pytest.raises(SspError):
        parse_command(b"\xfe")


def test_tables_are_complete() -> None:
    documented = (
        "01 02 03 04 05 06 07 08 09 0A 0C 0D 0E 0F 11 17 18 20 21 23 24 25 26 27 4A 4B 4C 4D 4F 54 56 57 60 61 72"
    )
    store = "22 30 33 34 35 38 3B 3C 3D 3E 3F 41 42 43 44 45 46 52 53 58 59 5B 5C 76 77 78 79 7A 65 66 67 68 69"
    assert set(bytes.fromhex(documented + store)) <= set(COMMANDS)
    flagged = {code for code, event in EVENTS.items() if event.flagged}
    assert flagged == set(bytes.fromhex("EEE6E2D1D2D8D9DCDDB4B1C9CACBCD"))
    assert set(REJECT_CODES) == set(range(0x1E))


def test_the_flag_flips_only_after_a_reply_and_a_retry_is_identical() -> None:
    link = HostLink(timeout_s=1.0, retries_max=2)
    with pytest.raises(SspError, match="SYNC"):
        link.send(b"\x07", 0.0)
    sync = link.send(b"\x11", 0.0)
    assert link.expire(1.0) == sync
    assert link.had_gap
    assert link.receive(encode_frame(Frame(0, 0, b"\xf0"))) == []  # wrong flag: not the answer
    assert link.receive(sync[:1] + encode_frame(Frame(0, 1, b"\xf0"))[1:]) == [b"\xf0"]
    link.settle()
    first = link.send(b"\x07", 2.0)
    assert decode_frame(first).sequence == 0
    assert link.receive(encode_frame(Frame(0, 0, b"\xf0"))) == [b"\xf0"]
    link.settle()
    second = link.send(b"\x07", 3.0)
    assert decode_frame(second).sequence == 1
    assert link.expire(4.0) == link.expire(5.0) == second
    assert link.expire(6.0) is None
    assert not link.synchronised
