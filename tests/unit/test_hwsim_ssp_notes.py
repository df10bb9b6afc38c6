"""Notes through the simulated validator: accept, hold, reject, escrow, return, empty (ssp.md 5.5, 6.1)."""

import pytest

from hwsim.config import SspProfile, ValidatorConfig
from hwsim.errors import InsertionRefused
from hwsim.notes import Place
from tests.unit.hwsim_tools import SspHost, codes, where

SETUP_BYTES_PV8 = 16 + 9 * 12


def _ready(escrow: int = 40) -> SspHost:
    host = SspHost()
    host.start(escrow=escrow)
    host.poll()
    return host


def test_setup_reply_names_suspects_by_their_pseudo_currency() -> None:
    host = _ready()
    reply = host.plain(0x05)
    assert reply is not None
    data = reply[1:]
    assert len(data) == SETUP_BYTES_PV8
    assert data[0] == 0x06
    assert data[12:24] == bytes((1, 5, 10, 20, 50, 100)) * 2
    assert data[36:39] == bytes((0, 0, 100))
    assert data[39] == 8
    countries = data[40:76].decode()
    assert countries == "CNY" * 6 + "CNX" * 6


def test_a_note_is_accepted_by_the_poll_after_the_one_that_shows_it() -> None:
    host = _ready()
    note = host.world.insert("CNY", 1000)
    assert codes(host.poll()) == [0xEF]
    host.scheduler.advance(0.5)
    assert host.poll() == [(0xEF, {"channel": 3})]
    first = host.last_wire
    host.wire(first)  # a retransmission accepts nothing
    host.scheduler.advance(0.3)
    assert where(note) is Place.PATH
    assert not note.inserted
    assert codes(host.poll()) == [0xCC]
    host.scheduler.advance(0.25)
    assert host.poll() == [(0xEE, {"channel": 3}), (0xCC, {})]
    assert note.inserted
    host.scheduler.advance(0.4)
    assert codes(host.poll()) == [0xDB]
    assert where(note) is Place.STORE
    assert codes(host.poll()) == []


def test_suspects_take_the_stackers_way_to_the_transport() -> None:
    host = _ready()
    note, events = host.feed(10000, "suspect")
    assert (0xEE, {"channel": 12}) in events
    assert 0xEB in codes(events)
    assert where(note) is Place.TRANSPORT
    assert host.world.totals().retained_minor == {"CNY": 10000}


@pytest.mark.parametrize(("kind", "reasons"), [("unreadable", {2, 3, 4, 5}), ("long", {0x0B}), ("double", {0x1C})])
def test_refused_notes_wait_at_the_bezel(kind: str, reasons: set[int]) -> None:
    host = _ready()
    note, events = host.feed(5000, kind)
    assert codes(events)[-1] == 0xEC
    assert 0xED in codes(events)
    reply = host.plain(0x17)
    assert reply is not None
    assert reply[1] in reasons
    assert where(note) is Place.BEZEL
    with pytest.raises(InsertionRefused):
        host.world.insert("CNY", 100)
    assert host.world.take() == [note.id]
    assert host.world.totals().notes_inserted == 0
    host.world.insert("CNY", 100)


def test_reject_hold_and_window() -> None:
    host = _ready()
    assert host.plain(0x08) == b"\xf5"
    assert host.plain(0x18) == b"\xf8"
    note = host.world.insert("CNY", 100)
    host.poll_for(0.5)
    assert host.plain(0x18) == b"\xf0"
    assert host.plain(0x08) == b"\xf0"
    assert codes(host.poll_for(1.0))[-1] == 0xEC
    assert host.plain(0x17) == b"\xf0\x08"
    assert where(note) is Place.BEZEL


@pytest.mark.parametrize("window_s", [5, 10])
def test_the_escrow_window_restarts_with_any_command_but_a_poll(window_s: int) -> None:
    host = SspHost(SspProfile(escrow_window_s=window_s, poll_watchdog_s=10))  # type: ignore[arg-type]
    host.start()
    note = host.world.insert("CNY", 100)
    host.scheduler.advance(0.45)
    host.plain(0x18)
    host.scheduler.advance(window_s - 0.1)
    assert host.plain(0x0C) is not None  # just in time: another window
    host.scheduler.advance(window_s - 0.1)
    assert where(note) is Place.PATH
    assert host.plain(0x18) == b"\xf0"
    host.scheduler.advance(window_s + 0.5)
    assert where(note) is Place.BEZEL
    assert host.plain(0x17) == b"\xf0\x13"


def test_a_silent_host_finds_the_validator_disabled() -> None:
    host = _ready()
    host.scheduler.advance(10.5)
    assert codes(host.poll()) == [0xE8]


def test_inhibited_channels_and_a_disabled_validator() -> None:
    host = _ready()
    host.send(0x02, b"\x01\x00")  # channel 1 only
    _, events = host.feed(500)
    assert codes(events)[-1] == 0xEC
    assert host.plain(0x17) == b"\xf0\x0c"
    host.world.take()
    host.send(0x02, b"\x00\x00")
    assert 0xB5 in codes(host.poll())
    host.send(0x02, b"\xff\x0f")
    host.send(0x09)
    note = host.world.insert("CNY", 100)
    assert set(codes(host.poll_for(2.0))) == {0xE8}
    assert where(note) is Place.THROAT  # the belt does not run: the hand can have it back
    assert host.world.take() == [note.id]


def test_no_note_moves_while_a_credit_waits_for_its_acknowledgement() -> None:
    host = _ready()
    host.world.insert("CNY", 100)
    host.poll_for(0.8)
    while 0xEE not in codes(events := host.poll(ack=False)):
        host.scheduler.advance(0.2)
    host.scheduler.advance(1.0)
    assert 0xDB in codes(host.poll(ack=False))  # the move under way was finished
    note = host.world.insert("CNY", 500)
    for _ in range(5):
        events = host.poll(ack=False)
        assert codes(events)[0] == 0xEE  # repeated
        host.scheduler.advance(0.3)
    assert where(note) is Place.THROAT
    assert host.send(0x57) == b"\xf0"
    assert codes(host.poll()) == [0xEF]
    assert host.send(0x57) == b"\xf5"  # nothing pending


def test_cancel_returns_one_note_at_a_time() -> None:
    host = _ready()
    fed = [host.feed(value)[0] for value in (100, 2000, 10000)]
    host.send(0x09)
    assert host.send(0x78) == b"\xf0\x01" + (12100).to_bytes(4, "little") + b"CNY"
    assert host.send(0x76) == b"\xf0"
    assert host.send(0x76) == b"\xf5\x03"
    for note in reversed(fed):
        events = host.poll_for(2.0)
        assert (0xCE, {"value": note.value_minor, "country": "CNY"}) in events
        assert [held.id for held in host.world.notes.at(Place.BEZEL)] == [note.id]
        assert host.world.take() == [note.id]
    events = host.poll_for(0.5)
    assert (0xD2, {"amounts": ((12100, "CNY"),)}) in events
    assert host.world.totals().returned_minor == {"CNY": 12100}
    assert host.send(0x76) == b"\xf5"  # nothing left in escrow


def test_a_silent_host_stops_a_return() -> None:
    host = _ready()
    for value in (100, 500):
        host.feed(value)
    host.send(0x09)
    host.send(0x76)
    host.scheduler.advance(10.5)
    host.world.take()
    events = host.poll_for(0.5)
    assert (0xB1, {"amounts": ((500, "CNY"),), "error": 4}) in events
    assert host.world.notes.count(Place.STORE) == 1


def test_commit_then_smart_empty() -> None:
    host = _ready()
    for value in (100, 100, 5000):
        host.feed(value)
    assert host.send(0x52) == b"\xf5\x03"  # escrow is not committed
    assert host.send(0x77) == b"\xf0"
    assert host.send(0x78) == b"\xf0\x00"
    assert host.send(0x52) == b"\xf0"
    events = host.poll_for(4.0)
    assert codes(events).count(0xC9) == 3
    assert (0xB4, {"amounts": ((5200, "CNY"),)}) in events
    assert 0xB3 in codes(events)
    report = host.send(0x53)
    assert report is not None
    assert report[1] == 2
    assert host.world.notes.count(Place.TRANSPORT) == 3
    counters = host.send(0x58)
    assert counters is not None
    assert [int.from_bytes(counters[i : i + 4], "little") for i in range(2, 22, 4)] == [0, 3, 0, 3, 0]


def test_commit_makes_room_for_the_next_escrow() -> None:
    config = ValidatorConfig(store_capacity=4)
    host = SspHost(config=config)
    host.start(escrow=3)
    for _ in range(3):
        host.feed(100)
    assert host.send(0x77) == b"\xf0"  # one slot is free, three are configured
    events = host.poll_for(3.0)
    assert codes(events).count(0xC9) == 2
    assert host.world.notes.count(Place.STORE) == 1


def test_a_full_escrow_refuses_the_next_note() -> None:
    host = _ready(escrow=1)
    host.feed(100)
    _, events = host.feed(100)
    assert codes(events)[-1] == 0xEC
    assert host.plain(0x17) == b"\xf0\x1d"


def test_escrow_size_changes_only_while_disabled_and_empty() -> None:
    host = _ready()
    assert host.send(0x7A, b"\x05") == b"\xf5"
    host.feed(100)
    host.send(0x09)
    assert host.send(0x7A, b"\x05") == b"\xf5"
    host.send(0x77)
    assert host.send(0x7A, b"\x05") == b"\xf0"
    assert host.send(0x79) == b"\xf0\x05"


def test_routes_need_a_known_denomination() -> None:
    host = _ready()
    known = (10000).to_bytes(4, "little") + b"CNY"
    assert host.send(0x3C, known) == b"\xf0\x00"
    assert host.send(0x3C, known[:4] + b"CNX") == b"\xf0\x01"
    assert host.send(0x3B, b"\x00" + known[:4] + b"EUR") == b"\xf4"


def test_payout_by_amount_and_by_denomination() -> None:
    host = _ready()
    for value in (100, 500, 5000):
        host.feed(value)
    host.send(0x77)
    assert host.send(0x33, (700).to_bytes(4, "little") + b"CNY" + b"\x58") == b"\xf5\x02"
    assert host.send(0x33, (9900).to_bytes(4, "little") + b"CNY" + b"\x58") == b"\xf5\x01"
    assert host.send(0x33, (600).to_bytes(4, "little") + b"CNY" + b"\x19") == b"\xf0"  # a test moves nothing
    assert host.world.notes.count(Place.STORE) == 3
    wanted = b"\x01" + b"\x01\x00" + (5000).to_bytes(4, "little") + b"CNY" + b"\x58"
    assert host.send(0x46, wanted) == b"\xf0"
    host.poll_for(1.5)
    assert [note.value_minor for note in host.world.notes.at(Place.BEZEL)] == [5000]


@pytest.mark.parametrize("taken", [True, False])
def test_fraud_gives_e6_and_no_credit(*, taken: bool) -> None:
    host = _ready()
    host.world.fault("validator", "fraud", note="pulled" if taken else "kept")
    note, events = host.feed(10000)
    assert (0xE6, {"channel": 6}) in events
    assert 0xEE not in codes(events)
    assert where(note) is (Place.OUT if taken else Place.TRANSPORT)
    assert note.inserted is not taken


@pytest.mark.parametrize(("jam", "code", "inserted"), [("unsafe", 0xE9, False), ("safe", 0xEA, True)])
def test_jams_last_until_the_power_is_cycled(*, jam: str, code: int, inserted: bool) -> None:
    host = _ready()
    host.world.fault("validator", "jam", where=jam)
    note, events = host.feed(10000)
    assert codes(events)[-2:] == [code, 0xE8]
    assert 0xEE not in codes(events)
    assert note.inserted is inserted
    assert host.send(0x0A) == b"\xf5"
    host.world.power("validator", on=False)
    host.world.power("validator", on=True)
    host.start()
    seen = codes(host.poll_for(1.0))
    assert seen[0] == 0xF1
    assert (0xE2 if inserted else 0xE1) in seen
    assert where(note) is (Place.TRANSPORT if inserted else Place.BEZEL)


def test_a_technician_may_keep_the_jammed_note() -> None:
    host = _ready()
    host.world.fault("validator", "jam", where="safe", stubborn=True)
    note, _ = host.feed(10000)
    for _ in range(2):
        host.world.power("validator", on=False)
        host.world.power("validator", on=True)
        host.start(enable=False)
        assert 0xEA in codes(host.poll_for(1.0))
    host.world.fault("validator", "clear_jam", note="take")
    host.world.power("validator", on=False)
    host.world.power("validator", on=True)
    host.start()
    seen = codes(host.poll_for(1.0))
    assert not {0xE1, 0xE2, 0xEA} & set(seen)
    assert where(note) is Place.REMOVED
    assert host.world.totals().removed_minor == {"CNY": 10000}


def test_jam_during_a_return() -> None:
    host = _ready()
    host.feed(100)
    host.feed(500)
    host.send(0x09)
    host.world.fault("validator", "jam", where="payout_recovers")
    host.send(0x76)
    events = host.poll_for(6.0)
    assert (0xB1, {"amounts": (), "error": 1}) in events
    assert 0xB0 in codes(events)
    assert codes(events).count(0xC9) == 2
    assert host.world.notes.count(Place.TRANSPORT) == 2


def test_stacker_and_path_conditions_stop_acceptance() -> None:
    host = _ready()
    for fault, code, cure in (
        ("stacker_full", 0xE7, "stacker_emptied"),
        ("path_opened", 0xE0, "path_closed"),
        ("stacker_removed", 0xE3, "stacker_replaced"),
    ):
        host.world.fault("validator", fault)
        assert codes(host.poll()) == [code, 0xE8]
        host.world.fault("validator", cure)
    assert codes(host.poll()) == [0xE4]


def test_another_validator_has_another_number_and_empty_memory() -> None:
    host = _ready()
    host.feed(100)
    before = host.plain(0x0C)
    host.world.fault("validator", "swapped", serial_number=99)
    host.scheduler.advance(1.0)
    host.start(escrow=0)
    assert before == b"\xf0" + (4711042).to_bytes(4, "big")
    assert host.plain(0x0C) == b"\xf0" + (99).to_bytes(4, "big")
    assert host.world.totals().notes_removed == 1
    assert host.send(0x79) == b"\xf0\x00"
