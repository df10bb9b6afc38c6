"""Decoders of the firmware bridge: what a device, or noise on its line, may send."""

import contextlib
import json
from functools import partial
from pathlib import Path

from firmware_bridge.interfaces import Label, Receipt, ReceiptQr, ReceiptText
from firmware_bridge.protocols.board import BoardMapError, parse_snapshot
from firmware_bridge.protocols.cctalk.errors import CctalkError
from firmware_bridge.protocols.cctalk.events import Bookmark, decode_buffer, encode_buffer, news
from firmware_bridge.protocols.cctalk.framing import GAP_S, Checksum, PacketReceiver, decode_packet, encode_packet
from firmware_bridge.protocols.cctalk.headers import Header
from firmware_bridge.protocols.cctalk.link import HostLink
from firmware_bridge.protocols.cctalk.money import decode_bill_id, decode_scaling, encode_bill_id, minor_units
from firmware_bridge.protocols.ebds.auxiliary import decode_crc, decode_text
from firmware_bridge.protocols.ebds.errors import EbdsError
from firmware_bridge.protocols.ebds.extended import decode_extended, decode_inhibits, decode_note, decode_table
from firmware_bridge.protocols.ebds.framing import FrameReceiver as EbdsReceiver
from firmware_bridge.protocols.ebds.framing import decode_frame as decode_ebds
from firmware_bridge.protocols.ebds.framing import encode_frame as encode_ebds
from firmware_bridge.protocols.ebds.omnibus import decode_command, decode_reply
from firmware_bridge.protocols.escpos.errors import EscposError
from firmware_bridge.protocols.escpos.job import LETTERS_ON, build_job
from firmware_bridge.protocols.escpos.status import heard, told
from firmware_bridge.protocols.modbus import ModbusRefusal, ResponseReader, read_input, write_holding
from firmware_bridge.protocols.ssp.commands import COMMANDS, parse_command
from firmware_bridge.protocols.ssp.crypto import decrypt_packet, encrypt_packet
from firmware_bridge.protocols.ssp.describe import decode
from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.events import build_events, parse_events
from firmware_bridge.protocols.ssp.framing import Frame, FrameReceiver, decode_frame, encode_frame
from firmware_bridge.protocols.ssp.replies import parse_reply
from firmware_bridge.protocols.zpl.errors import ZplError
from firmware_bridge.protocols.zpl.label import build_label
from firmware_bridge.protocols.zpl.status import StatusReader
from tests.fuzz.target import Targets, pieces

TARGETS = Targets()
KEY = bytes(range(16))
_CCTALK = [
    bytes.fromhex(json.loads(row)["frame"])
    for row in (Path(__file__).parents[1] / "vectors/cctalk_frames.jsonl").read_text("utf-8").splitlines()
]
_EBDS = [
    bytes.fromhex(json.loads(row)["wire"])
    for row in (Path(__file__).parents[1] / "vectors/ebds_frames.jsonl").read_text("utf-8").splitlines()
]
_SSP = [encode_frame(Frame(0, 1, bytes.fromhex(data))) for data in ("11", "f0ee06", "f0efefef", "7f7f", "05", "f0")]
_EVENTS = [
    bytes.fromhex(data) for data in ("ee06cc", "ef00", "ef06", "da0110270000434e59", "b30110270000434e59", "e8f1")
]
_STATUS = b"\x02030,0,0,0600,000,0,0,0,000,0,0,0\x03\r\n\x02001,0,0,0,1,2,6,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"


@TARGETS.add(_SSP)
def ssp_frame(data: bytes) -> None:
    """Any chunks; afterwards the second good frame arrives at the latest."""
    receiver = FrameReceiver()
    for chunk in pieces(data):
        for frame in receiver.feed(chunk):
            assert decode_frame(encode_frame(frame)) == frame
    good = Frame(0, 1, b"\xf0\x7f")
    assert receiver.feed(encode_frame(good) * 2)[-1:] == [good]
    with contextlib.suppress(SspError):
        assert encode_frame(decode_frame(data)) == data


@TARGETS.add([bytes((code,)) for code in sorted(COMMANDS)], [bytes.fromhex("3b0164000000434e5900")])
def ssp_command(data: bytes) -> None:
    with contextlib.suppress(SspError):
        parse_command(data)


@TARGETS.add([bytes((code,)) + b"\xf0" + bytes(range(24)) for code in sorted(COMMANDS)])
def ssp_reply(data: bytes) -> None:
    """The first byte says which command was asked, the rest is the answer."""
    if not data:
        return
    for version in (None, 4, 6, 8):
        with contextlib.suppress(SspError):
            parse_reply(data[0], data[1:], version)


@TARGETS.add(_EVENTS)
def ssp_events(data: bytes) -> None:
    for version in (4, 6, 8):
        found = parse_events(data, version)
        assert bool(found.rest) == bool(found.why)
        again = parse_events(build_events(found.events, version) + found.rest, version)
        assert again == found  # the bytes may differ: some events have two forms


@TARGETS.add([encrypt_packet(KEY, 1, bytes.fromhex("f0ee06"), bytes)], [bytes(17)])
def ssp_crypto(data: bytes) -> None:
    with contextlib.suppress(SspError):
        decrypt_packet(KEY, data)


@TARGETS.add([frame.hex().encode() for frame in _SSP], [b"7f 80 01 11 65 82"])
def ssp_describe(data: bytes) -> None:
    """A line as somebody types it; and the bytes as the frame's content."""
    line = data.decode("utf-8", "replace")
    for sender in ("host", "device"):
        assert decode(line, sender, 0x07)["ok"] in {True, False}
        if 0 < len(data) <= 255:
            decode(encode_frame(Frame(0, 0, data)).hex(), sender, data[0])


@TARGETS.add([bytes.fromhex("010408000100020003000400"), bytes.fromhex("018403")], [bytes.fromhex("0110000000044009")])
def modbus_response(data: bytes) -> None:
    for request in (read_input(1, 0, 4), write_holding(1, 0, [1, 2, 3, 4])):
        reader = ResponseReader(request)
        with contextlib.suppress(ModbusRefusal):
            for chunk in pieces(data):
                found = reader.feed(chunk)
                assert found is None or len(found) in {0, 4}


@TARGETS.add([b"\x00\x01" + bytes(126), bytes(range(128))])
def board_map(data: bytes) -> None:
    registers = [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]
    with contextlib.suppress(BoardMapError):
        assert len(parse_snapshot(registers).events) <= 8


@TARGETS.add([_STATUS])
def zpl_status(data: bytes) -> None:
    reader = StatusReader()
    for chunk in pieces(data):
        reader.feed(chunk)


@TARGETS.add([b"B-17\n1\nCNY 100 x 3\nqr;content\nB-17-1", "水\n2\n^XZ~JA\n\n".encode()])
def zpl_label(data: bytes) -> None:
    """Any texts make one format, or the codec says what is wrong with them."""
    rows = [*data.decode("utf-8", "replace").split("\n"), "", "", "", ""]
    label = Label(rows[0], len(rows[1]), tuple(rows[2:-2]), qr=rows[-2], barcode=rows[-1])
    with contextlib.suppress(ZplError):
        wire = build_label(label)
        assert (wire.count(b"^XA"), wire.count(b"^XZ"), wire.count(b"~")) == (1, 1, 0)


@TARGETS.add([bytes((0x12, 0x16, 0x1A, 0x12, 0x7E)), bytes(range(256))])
def escpos_status(data: bytes) -> None:
    answers = [found.byte for chunk in pieces(data) for found in heard(chunk) if found.kind == "answer"]
    told(dict(enumerate(answers[:4], 1)))


@TARGETS.add(["收据 RECEIPT\n1234\n".encode(), b"\x00code to scan\nand text"])
def escpos_job(data: bytes) -> None:
    """Any parts make a job without a real-time command inside, or the codec says what is wrong."""
    text = data.decode("utf-8", "replace")
    for part in (ReceiptText(text, large=len(data) % 2 > 0), ReceiptQr(text)):
        for letters in LETTERS_ON:
            with contextlib.suppress(EscposError):
                assert all(b"\x10\x04" not in chunk for chunk in build_job(Receipt((part,)), letters=letters))


@TARGETS.add(_CCTALK, [frame + _CCTALK[1] for frame in _CCTALK[:4]])
def cctalk_packet(data: bytes) -> None:
    """Any chunks; after 50 ms of silence the next good packet arrives."""
    for checksum in Checksum:
        receiver = PacketReceiver(checksum)
        for number, chunk in enumerate(pieces(data)):
            for packet in receiver.feed(chunk, number / 1000):
                assert decode_packet(encode_packet(packet, checksum), checksum) == packet
        good = _CCTALK[1] if checksum is Checksum.SUM8 else _CCTALK[79]
        assert receiver.feed(good, len(data) + 2 * GAP_S) == [decode_packet(good, checksum)]
        with contextlib.suppress(CctalkError):
            assert encode_packet(decode_packet(data, checksum), checksum) == data


@TARGETS.add([_CCTALK[0] + _CCTALK[1], _CCTALK[0][:3]], _CCTALK[:8])
def cctalk_link(data: bytes) -> None:
    """Whatever comes back, an exchange ends with an answer of the right size or after its tries."""
    for header in (Header.SIMPLE_POLL, Header.READ_BUFFERED_BILL_EVENTS):
        link = HostLink(40, Checksum.SUM8, echo=bool(data) and data[0] % 2 > 0)
        link.send(header, b"", 0.0)
        for chunk in pieces(data):
            packet = link.receive(chunk, 0.01)
            assert packet is None or packet.header == Header.BUSY or len(packet.data) in {0, 11}
        tries = 0
        while link.expire(link.deadline_s) is not None:
            tries += 1
        assert tries < 4
        assert not link.waiting


@TARGETS.add([bytes(11), bytes.fromhex("0203000301000000000000"), bytes.fromhex("ff") * 22])
def cctalk_events(data: bytes) -> None:
    """Two buffers one after the other."""
    with contextlib.suppress(CctalkError):
        first, second = decode_buffer(data[:11]), decode_buffer(data[11:22])
        assert encode_buffer(first) == data[:11]
        mark = Bookmark.of(first)
        assert Bookmark.unpack(mark.pack()) == mark
        found = news(mark, second)
        assert len(found.events) <= 5
        assert not found.lost or len(found.events) == 5
        assert news(mark, first).events == ()


@TARGETS.add([b"EU0020A\x64\x00\x02", b"BN0.10A\xe8\x03\x02", b".......\x00\x00\x00"])
def cctalk_money(data: bytes) -> None:
    with contextlib.suppress(CctalkError):
        bill = decode_bill_id(data[:7])
        encode_bill_id(bill)
        scaling = partial(decode_scaling, data[7:])
        if bill is not None:
            assert minor_units(bill, scaling()) > 0


@TARGETS.add(_EBDS, [frame[:-2] + frame for frame in _EBDS[:6]])
def ebds_frame(data: bytes) -> None:
    """Any chunks; after a silence the next good frame arrives."""
    receiver = EbdsReceiver()
    for number, chunk in enumerate(pieces(data)):
        for frame in receiver.feed(chunk, number / 1000):
            assert decode_ebds(encode_ebds(frame)) == frame
    good = _EBDS[0]
    assert receiver.feed(good, len(data) + 1.0) == [decode_ebds(good)]
    with contextlib.suppress(EbdsError):
        assert encode_ebds(decode_ebds(data)) == data


@TARGETS.add([decode_ebds(frame).data for frame in _EBDS])
def ebds_content(data: bytes) -> None:
    """What lies in a frame, read as each kind of message."""
    for decode_as in (decode_text, decode_crc, decode_extended, decode_inhibits, decode_note, decode_table):
        with contextlib.suppress(EbdsError):
            decode_as(data)
    with contextlib.suppress(EbdsError):
        command = decode_command(data)
        assert decode_command(command.encode()) == command  # bits of no meaning are not kept
    with contextlib.suppress(EbdsError):
        reply = decode_reply(data)
        assert decode_reply(reply.encode()) == reply
