"""The simulated ccTalk validator, spoken to in bytes: its answers, its events, its power cuts."""

import json
from pathlib import Path

import pytest

from hwsim.config import CctalkConfig, CctalkProfile
from hwsim.devices.cctalk_packet import CcPacket, PacketCounter, crc_ccitt
from hwsim.devices.cctalk_validator import CctalkValidator
from hwsim.notes import Place
from tests.unit.hwsim_tools import open_world

VECTORS = [
    json.loads(row)
    for row in (Path(__file__).parents[1] / "vectors/cctalk_frames.jsonl").read_text("utf-8").splitlines()
]
CRC_VECTORS = {f"C{number}" for number in range(79, 86)}
READY_S = 0.6


class Line:
    """A host that sends packets and collects what comes back, echo and all."""

    def __init__(self, **profile: object) -> None:
        self.config = CctalkConfig(profile=CctalkProfile(**profile))  # type: ignore[arg-type]  # a table of a test
        self.crc = self.config.profile.checksum == "crc16"
        self.world, self.scheduler = open_world()
        self.device = CctalkValidator(self.world, self.config)
        self.heard = b""
        self.device.output = self._receive
        self.scheduler.advance(READY_S)

    def _receive(self, data: bytes) -> None:
        self.heard += data

    def raw(self, data: bytes) -> bytes:
        self.heard = b""
        self.scheduler.advance(0.06)
        self.device.feed(data)
        self.scheduler.advance(0.01)
        return self.heard

    def ask(self, header: int, data: bytes = b"") -> bytes | None:
        sent = CcPacket(40, 1, header, data).encode(crc=self.crc)
        heard = self.raw(sent)
        assert heard.startswith(sent)
        if heard == sent:
            return None
        reply = CcPacket.decode(heard[len(sent) :], crc=self.crc)
        assert reply is not None
        assert (reply.destination, reply.header) == (1, 0)
        return reply.data

    def events(self) -> tuple[int, list[tuple[int, int]]]:
        data = self.ask(159)
        assert data is not None
        return data[0], [(data[at], data[at + 1]) for at in range(1, 11, 2)]

    def open(self) -> None:
        """As a host does: mode, inhibits, master inhibit, first poll."""
        for header, data in ((153, b"\x03"), (231, b"\xff\xff"), (228, b"\x01")):
            assert self.ask(header, data) == b""
        self.events()

    def wait(self, seconds: float) -> None:
        """Time passes with polls."""
        for _ in range(round(seconds / 0.2)):
            self.scheduler.advance(0.13)
            self.events()  # takes the other 0.07 s


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["id"])
def test_every_frame_of_the_sheet_is_rebuilt(row: dict[str, str]) -> None:
    wire, crc = bytes.fromhex(row["frame"]), row["id"] in CRC_VECTORS
    packet = CcPacket.decode(wire, crc=crc)
    assert packet is not None
    assert packet.encode(crc=crc) == wire
    assert list(PacketCounter(crc=crc).feed(wire, 0.0)) == [packet]


def test_crc_check_values() -> None:
    assert crc_ccitt(bytes((40, 0, 1))) == 0x3F46
    assert crc_ccitt(bytes.fromhex("49d5f2")) == 0xA6B3


@pytest.mark.parametrize("checksum", ["sum8", "crc16"])
def test_who_it_is(checksum: str) -> None:
    line = Line(checksum=checksum)
    assert line.ask(254) == b""
    assert line.ask(245) == b"Bill Validator"
    assert line.ask(242) == (1_605_042).to_bytes(3, "little")
    assert line.ask(157, b"\x06") == b"CN0100A"
    assert line.ask(157, b"\x07") == b"......."
    assert line.ask(156, b"CN") == bytes((100, 0, 2))
    assert line.ask(156, b"XX") == bytes(3)
    assert line.ask(213) == b"\x03"
    assert line.events() == (0, [(0, 0)] * 5)


def test_what_it_does_not_understand_is_answered_with_silence() -> None:
    line = Line()
    assert line.ask(99) is None
    assert line.ask(1, b"\x00") is None, "a reset with data is the null byte of section 2.4"
    assert line.ask(228) is None
    assert line.raw(bytes.fromhex("280001fed8")) == bytes.fromhex("280001fed8"), "a bad sum: echo alone"
    assert line.raw(bytes.fromhex("290001fed8")) == bytes.fromhex("290001fed8"), "another address"
    assert Line(checksum="crc16").raw(bytes.fromhex("280001fed9")) == bytes.fromhex("280001fed9")


def test_a_gap_within_a_packet_drops_it() -> None:
    line = Line()
    line.device.feed(bytes.fromhex("2800"))
    line.scheduler.advance(0.06)
    assert line.ask(254) == b""


def test_a_note_is_held_routed_and_credited_in_this_order() -> None:
    line = Line()
    line.open()
    note = line.world.insert("CNY", 10000)
    line.wait(0.6)
    assert line.events() == (1, [(6, 1), (0, 0), (0, 0), (0, 0), (0, 0)])
    assert note.place == Place.PATH
    assert line.ask(154, b"\x01") == b""
    assert line.ask(154, b"\x01") == bytes((254,)), "it is on its way already"
    line.wait(0.8)
    assert line.events()[1][:2] == [(6, 0), (6, 1)]
    assert (note.place, note.inserted) == (Place.CASSETTE, True)


def test_a_repeated_route_may_be_silent() -> None:
    line = Line(repeated_route="silent")
    line.open()
    assert line.ask(154, b"\x01") == bytes((254,))
    line.world.insert("CNY", 500)
    line.wait(0.6)
    assert line.ask(154, b"\x00") == b""
    assert line.ask(154, b"\x00") is None


@pytest.mark.parametrize("by", ["host", "timeout"])
def test_a_held_note_goes_back(by: str) -> None:
    line = Line(escrow_timeout_s=3.0)
    line.open()
    note = line.world.insert("CNY", 500)
    line.wait(0.6)
    if by == "host":
        assert line.ask(154, b"\x00") == b""
    else:
        line.wait(2.0)
        assert line.ask(154, b"\xff") == b"", "the time-out starts anew"
        line.wait(2.4)
        assert note.place == Place.PATH
    line.wait(1.6)
    assert (note.place, note.inserted) == (Place.BEZEL, False)
    assert line.events() == (2, [(0, 1), (2, 1), (0, 0), (0, 0), (0, 0)])


@pytest.mark.parametrize(("kind", "cause"), [("suspect", 2), ("unreadable", 2), ("double", 3), ("long", 3)])
def test_what_it_does_not_take_goes_back_with_two_events(kind: str, cause: int) -> None:
    line = Line()
    line.open()
    note = line.world.insert("CNY", 500, kind)
    line.wait(1.0)
    assert line.events()[1][:2] == [(0, 1), (0, cause)]
    assert note.place == Place.BEZEL


def test_an_inhibited_type_goes_back() -> None:
    line = Line()
    line.open()
    assert line.ask(231, b"\x01\x00") == b""
    line.world.insert("CNY", 500)
    line.wait(1.0)
    assert line.events()[1][:2] == [(0, 1), (0, 4)]


def test_a_host_that_does_not_poll_for_five_seconds_is_shut_out() -> None:
    line = Line()
    line.open()
    line.scheduler.advance(4.8)
    assert line.events()[0] == 0
    line.scheduler.advance(5.1)
    assert line.events() == (1, [(0, 0)] * 5)
    note = line.world.insert("CNY", 500)
    line.wait(1.0)
    assert note.place == Place.THROAT
    assert line.ask(228, b"\x01") == b""
    line.wait(1.0)
    assert line.world.notes.at(Place.PATH) == (note,)


def test_the_counter_goes_from_255_to_1() -> None:
    line = Line()
    line.world.fault("validator", "event_burst", count=255)
    assert line.events()[0] == 255
    line.world.fault("validator", "event_burst", count=1)
    assert line.events()[0] == 1


@pytest.mark.parametrize(("where", "event"), [("unsafe", 6), ("safe", 16), ("stacker", 7)])
def test_jams(where: str, event: int) -> None:
    line = Line()
    line.open()
    line.world.fault("validator", "jam", where=where)
    note = line.world.insert("CNY", 500)
    line.wait(0.6)
    line.ask(154, b"\x01")
    line.wait(0.6)
    assert line.events()[1][0] == (0, event)
    assert note.inserted == (where != "unsafe")
    assert line.ask(154, b"\x01") == bytes((255,))
    assert line.ask(232) == bytes((39,))


def test_the_cassette_out_and_in_wants_to_be_enabled_again() -> None:
    line = Line()
    line.open()
    line.world.fault("validator", "stacker_removed")
    assert line.ask(232) == bytes((44,))
    line.world.fault("validator", "stacker_replaced")
    assert line.events()[1][:2] == [(0, 12), (0, 11)]
    assert line.ask(227) == b"\x00"
    line.world.fault("validator", "stacker_full")
    assert line.events()[1][:2] == [(0, 0), (0, 14)]


CUTS = {
    "scanning": (0.3, None, "returned", "stacked_credited", Place.BEZEL, []),
    "escrow": (0.6, None, "returned", "stacked_credited", Place.BEZEL, []),
    "escrow b": (0.6, None, "stacked_unknown", "stacked_credited", Place.CASSETTE, [(0, 21)]),
    "escrow c": (0.6, None, "stacked_credited", "stacked_credited", Place.CASSETTE, [(2, 0)]),
    "moving": (0.6, 0.1, "returned", "unreported", Place.BEZEL, []),
    "moving b": (0.6, 0.1, "returned", "stacked_unknown", Place.CASSETTE, [(0, 21)]),
    "past safe": (0.6, 0.3, "returned", "unreported", Place.CASSETTE, []),
    "past safe c": (0.6, 0.3, "returned", "stacked_credited", Place.CASSETTE, [(2, 0)]),
}


@pytest.mark.parametrize("case", CUTS)
def test_a_power_cut_leaves_the_note_where_the_profile_says(case: str) -> None:
    before_s, after_route_s, in_escrow, stacking, place, told = CUTS[case]
    line = Line(cut_in_escrow=in_escrow, cut_while_stacking=stacking)
    line.open()
    note = line.world.insert("CNY", 500)
    line.wait(before_s)
    if after_route_s is not None:
        assert line.ask(154, b"\x01") == b""
        line.scheduler.advance(after_route_s)
    line.world.power("validator", on=False)
    assert line.ask(254) is None, "mute without power; the line still echoes"
    line.world.power("validator", on=True)
    line.scheduler.advance(READY_S)
    assert note.place == place
    assert note.inserted == (place == Place.CASSETTE)
    assert line.events() == (len(told), told + [(0, 0)] * (5 - len(told)))
    assert line.ask(227) == b"\x00", "inhibited until the host says otherwise"


def test_reset_is_acknowledged_and_forgets_the_events() -> None:
    line = Line()
    line.world.fault("validator", "event_burst", count=3)
    assert line.ask(1) == b""
    line.scheduler.advance(1.2)
    assert line.events()[0] == 0


def test_the_first_event_after_a_counter_of_zero() -> None:
    line = Line(first_event="0,2")
    assert line.events()[0] == 0
    assert line.events() == (1, [(0, 2)] + [(0, 0)] * 4)


def test_bad_lines() -> None:
    line = Line()
    line.world.fault("validator", "lost_reply", command=254)
    assert line.ask(244) is not None
    assert line.ask(254) is None
    line.world.fault("validator", "lost_echo")
    sent = CcPacket(40, 1, 254).encode(crc=False)
    assert line.raw(sent) == CcPacket(1, 40, 0).encode(crc=False)
    line.world.fault("validator", "corrupt_reply")
    assert CcPacket.decode(line.raw(sent)[len(sent) :], crc=False) is None
    line.world.fault("validator", "mute", seconds=1.0)
    assert line.ask(254) is None
    line.scheduler.advance(1.0)
    assert line.ask(254) == b""
