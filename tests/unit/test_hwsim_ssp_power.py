"""Power cuts at each stage and what the simulated validator reports afterwards: ssp.md 6.3, every row and version."""

from collections.abc import Callable

import pytest

from hwsim.config import SspProfile
from hwsim.notes import Note, Place
from tests.unit.hwsim_tools import Events, SspHost, codes, where

VERSIONS = [4, 5, 6, 7, 8]
TOLD_BY = {0xE1: 4, 0xE2: 5, 0xDC: 4, 0xCA: 8, 0xCB: 8}  # event -> first protocol version that has it
AFTERMATH = set(TOLD_BY) | {0xEE}


def _cycle(host: SspHost, pv: int = 8) -> Events:
    """Cut and restore the validator's power; what it reports, F1 first."""
    host.world.power("validator", on=False)
    host.scheduler.advance(3.0)
    host.world.power("validator", on=True)
    host.start(pv, enable=False)
    events = host.poll_for(1.5)
    assert codes(events)[0] == 0xF1
    assert 0xE8 in codes(events)
    host.world.totals()  # checks conservation
    return [(code, values) for code, values in events if code in AFTERMATH]


def _expect(events: Events, pv: int, *expected: int) -> None:
    assert codes(events) == [code for code in expected if pv >= TOLD_BY.get(code, 4)]


def _fed(
    pv: int, kind: str, until_s: float, profile: SspProfile | None = None, *, polls: bool = True
) -> tuple[SspHost, Note]:
    """A host whose note has come so far: drawn in at 0, in escrow at 0.4, accepted by the poll at 0.5."""
    host = SspHost(profile)
    host.start(pv)
    host.poll()
    note = host.world.insert("CNY", 1000, kind)
    host.scheduler.advance(0.45)
    if until_s > 0.5:
        host.poll()
        host.poll()  # accepts: the safe point comes 0.2 s later, store or stacker 0.3 s after that
        host.scheduler.advance(until_s - 0.5)
        if polls:
            host.poll()
    return host, note


def _stacker(host: SspHost) -> None:
    """Route CNY 10 to the stacker, as without a store."""
    arguments = b"\x01" + (1000).to_bytes(4, "little") + (b"CNY" if host.pv >= 6 else b"")
    assert host.send(0x3B, arguments) == b"\xf0"


@pytest.mark.parametrize("pv", VERSIONS)
def test_while_scanning_it_is_handed_back(pv: int) -> None:
    host = SspHost()
    host.start(pv)
    host.poll()
    note = host.world.insert("CNY", 1000)
    host.scheduler.advance(0.2)
    events = _cycle(host, pv)
    assert events == [(0xE1, {"channel": 0})]
    assert where(note) is Place.BEZEL
    assert not note.inserted


@pytest.mark.parametrize("pv", VERSIONS)
def test_in_escrow_it_is_handed_back(pv: int) -> None:
    host, note = _fed(pv, "genuine", 0.45)
    assert _cycle(host, pv) == [(0xE1, {"channel": 3})]
    assert where(note) is Place.BEZEL


@pytest.mark.parametrize("pv", VERSIONS)
@pytest.mark.parametrize("choice", ["front", "cashbox"])
def test_accepted_before_the_safe_point(pv: int, choice: str) -> None:
    host, note = _fed(pv, "genuine", 0.55, SspProfile(cut_before_safe_point=choice))  # type: ignore[arg-type]
    assert not note.inserted
    events = _cycle(host, pv)
    if choice == "front":
        _expect(events, pv, 0xE1)
        assert where(note) is Place.BEZEL
    else:
        _expect(events, pv, 0xE2)
        assert where(note) is Place.TRANSPORT
        assert note.inserted


@pytest.mark.parametrize("pv", VERSIONS)
@pytest.mark.parametrize("survives", [True, False])
def test_credit_queued_but_not_polled(*, pv: int, survives: bool) -> None:
    host = SspHost(SspProfile(unread_credit_survives=survives))
    host.start(pv)
    host.poll()
    _stacker(host)
    note = host.world.insert("CNY", 1000)
    host.scheduler.advance(0.45)
    host.poll()
    host.poll()
    host.scheduler.advance(0.25)
    assert note.inserted
    events = _cycle(host, pv)
    _expect(events, pv, *([0xEE] if survives else []), 0xE2)
    assert where(note) is Place.TRANSPORT


@pytest.mark.parametrize("pv", VERSIONS)
@pytest.mark.parametrize("survives", [True, False])
def test_credit_delivered_but_not_acknowledged(*, pv: int, survives: bool) -> None:
    host = SspHost(SspProfile(unacknowledged_credit_survives=survives))
    host.start(pv)
    host.poll()
    _stacker(host)
    host.world.insert("CNY", 1000)
    host.scheduler.advance(0.45)
    host.poll()
    host.poll()
    host.scheduler.advance(0.25)
    assert 0xEE in codes(host.poll(ack=False))
    _expect(_cycle(host, pv), pv, *([0xEE] if survives else []), 0xE2)


@pytest.mark.parametrize("pv", VERSIONS)
def test_credited_and_still_stacking(pv: int) -> None:
    host, note = _fed(pv, "genuine", 0.45)
    _stacker(host)
    host.plain(0x08)
    host.poll_for(1.0)
    host.world.take()
    note = host.world.insert("CNY", 1000)
    host.scheduler.advance(0.45)
    host.poll()
    host.poll()
    host.scheduler.advance(0.25)
    assert 0xEE in codes(host.poll())  # delivered and acknowledged
    assert where(note) is Place.PATH
    events = _cycle(host, pv)
    _expect(events, pv, 0xE2)
    assert where(note) is Place.TRANSPORT


@pytest.mark.parametrize("pv", VERSIONS)
@pytest.mark.parametrize("choice", ["store", "stacker"])
def test_on_its_way_to_the_store(pv: int, choice: str) -> None:
    host, note = _fed(pv, "genuine", 0.8, SspProfile(cut_on_way_to_store=choice))  # type: ignore[arg-type]
    assert where(note) is Place.PATH
    events = _cycle(host, pv)
    if choice == "store":
        _expect(events, pv, 0xCB)
        assert where(note) is Place.STORE
        escrow = host.send(0x78)
        assert escrow is not None
        assert escrow[1] == 1  # still the depositor's
    else:
        _expect(events, pv, 0xCA)
        assert where(note) is Place.TRANSPORT


@pytest.mark.parametrize("pv", VERSIONS)
@pytest.mark.parametrize(
    ("after_s", "paid", "then", "place"),
    [
        (0.1, 0, 0xCA, Place.TRANSPORT),  # between store and validator
        (0.3, 0, 0xE2, Place.TRANSPORT),  # in the validator, not validated
        (0.5, 1000, None, Place.BEZEL),  # validated, on its way out
    ],
)
def test_during_a_return(pv: int, after_s: float, paid: int, then: int | None, place: Place) -> None:
    host, note = _fed(pv, "genuine", 0.5)
    host.poll_for(2.0)
    host.send(0x09)
    assert host.send(0x76) == b"\xf0"
    host.scheduler.advance(after_s - 0.02)
    assert where(note) is Place.PATH
    events = _cycle(host, pv)
    _expect(events, pv, 0xDC, *([then] if then is not None else []))
    values = events[0][1]
    if pv >= 6:
        assert values == {"amounts": ((paid, 1000, "CNY"),)}
    else:
        assert values == {"paid": paid, "requested": 1000}
    assert where(note) is place


@pytest.mark.parametrize("choice", ["store", "stacker"])
def test_while_emptying(choice: str) -> None:
    host = SspHost(SspProfile(cut_while_emptying=choice))  # type: ignore[arg-type]
    host.start()
    for _ in range(2):
        host.feed(1000)
    host.send(0x77)
    host.send(0x52)
    host.scheduler.advance(0.15)
    events = _cycle(host)
    _expect(events, 8, *([0xCA] if choice == "stacker" else []))
    assert host.world.notes.count(Place.STORE) == (1 if choice == "stacker" else 2)


@pytest.mark.parametrize("kept", [True, False])
def test_escrow_over_a_cut(*, kept: bool) -> None:
    host = SspHost(SspProfile(escrow_survives=kept))
    host.start()
    host.feed(1000)
    _cycle(host)
    value = host.send(0x78)
    assert value is not None
    assert value[1] == int(kept)
    assert host.world.notes.count(Place.STORE) == 1
    counters = host.send(0x58)
    assert counters is not None
    assert int.from_bytes(counters[6:10], "little") == 1  # stored, non-volatile


def test_keys_version_routes_and_inhibits_are_forgotten() -> None:
    host = SspHost()
    host.start()
    host.world.power("validator", on=False)
    assert host.plain(0x07) is None
    host.world.power("validator", on=True)
    host.sync()
    assert host.plain(0x38) == b"\xfa"
    unit = host.plain(0x0D)
    assert unit is not None
    assert unit[-1] == 4
    assert host.plain(0x0A) == b"\xf5"  # not before it has initialised
    host.keys()
    host.send(0x06, b"\x08")
    assert 0xB6 in codes(host.poll())
    host.scheduler.advance(0.6)
    assert 0xB6 not in codes(host.poll())
    assert host.send(0x3C, (1000).to_bytes(4, "little") + b"CNY") == b"\xf0\x01"
    assert host.plain(0x0A) == b"\xf0"
    note = host.world.insert("CNY", 1000)
    host.poll_for(1.0)
    assert where(note) is Place.THROAT  # every channel is inhibited


@pytest.mark.parametrize("how", ["command", "fault", "reset_to_default"])
def test_a_restart_is_a_power_cut(how: str) -> None:
    host, note = _fed(8, "genuine", 0.45)
    restart: dict[str, Callable[[], object]] = {
        "command": lambda: host.plain(0x01),
        "fault": lambda: host.world.fault("validator", "restart"),
        "reset_to_default": lambda: host.plain(0x61),
    }
    restart[how]()
    host.scheduler.advance(0.6)
    host.start(enable=False)
    events = host.poll_for(1.0)
    assert codes(events)[0] == 0xF1
    assert where(note) is Place.BEZEL


def test_a_cut_during_a_restart_stays_dark() -> None:
    host = SspHost()
    host.start()
    host.plain(0x01)
    host.world.power("all", on=False)
    host.scheduler.advance(2.0)
    assert not host.device.powered
    host.world.power("all", on=True)
    assert host.device.powered
