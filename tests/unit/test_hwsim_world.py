"""The world itself: notes, port, lines, power, faults with triggers, virtual time."""

from collections.abc import Callable

import pytest

from hwsim.config import ValidatorConfig, WorldConfig
from hwsim.devices.ssp_validator import SspValidator
from hwsim.errors import ConservationError, InsertionRefused, UnknownFault
from hwsim.faults import FaultOrder
from hwsim.notes import Kind, NoteBook, Place
from hwsim.scheduler import VirtualScheduler
from hwsim.shutter import ShutterState
from hwsim.world import World
from tests.unit.hwsim_tools import SspHost, open_world


def _closed() -> tuple[World, VirtualScheduler]:
    scheduler = VirtualScheduler()
    return World(WorldConfig(), scheduler, 1), scheduler


def _state(world: World) -> ShutterState:
    return world.shutter.state


def test_virtual_time_runs_timers_in_order() -> None:
    scheduler = VirtualScheduler()
    seen: list[str] = []
    scheduler.call_later(2.0, seen.append, "late")
    scheduler.call_later(1.0, seen.append, "early")
    scheduler.call_later(1.0, seen.append, "then")
    scheduler.call_later(1.5, seen.append, "never").cancel()
    scheduler.advance(1.2)
    assert seen == ["early", "then"]
    scheduler.run_until(lambda: len(seen) == 3, 5.0)
    assert scheduler.time() == 2.0
    with pytest.raises(TimeoutError):
        scheduler.run_until(lambda: False, 1.0)


def test_a_note_is_never_in_two_places() -> None:
    book = NoteBook(lambda: 0.0)
    note = book.create("CNY", 100, Kind.GENUINE)
    book.move(note, Place.HAND, Place.THROAT)
    with pytest.raises(ConservationError):
        book.move(note, Place.HAND, Place.PATH)
    with pytest.raises(ConservationError):
        book.mark_inserted(note)
    with pytest.raises(ConservationError):
        book.move(note, Place.THROAT, Place.SLOT)
    note.place = Place.OUT  # a bug in a device
    with pytest.raises(ConservationError):
        book.totals()


def test_the_shutter_takes_its_time_and_its_sensors_tell_only_the_ends() -> None:
    world, scheduler = _closed()
    seen: list[tuple[str, bool]] = []
    sensors = {"shutter_closed", "shutter_opened"}
    world.lines.observe(lambda role, level: seen.append((role.value, level)) if role in sensors else None)
    world.lines.drive("shutter_open_cmd", level=True)
    scheduler.advance(0.15)
    assert _state(world) is ShutterState.MOVING
    assert not world.lines.read("shutter_closed")
    assert not world.lines.read("shutter_opened")
    world.lines.drive("shutter_open_cmd", level=False)  # half-way back takes half the time
    scheduler.advance(0.16)
    assert _state(world) is ShutterState.CLOSED
    assert seen == [("shutter_closed", False), ("shutter_closed", True)]


def test_a_hand_blocks_the_closing_shutter() -> None:
    world, scheduler = open_world()
    world.set_scene(hand=True)
    world.lines.drive("shutter_open_cmd", level=False)
    scheduler.advance(2.0)
    assert _state(world) is ShutterState.OPEN
    world.set_scene(hand=False)
    scheduler.advance(0.15)
    world.set_scene(hand=True)
    scheduler.advance(2.0)
    assert _state(world) is ShutterState.MOVING
    world.set_scene(hand=False)
    scheduler.advance(0.2)
    assert world.lines.read("shutter_closed")


def test_notes_go_in_only_through_an_open_shutter_one_at_a_time() -> None:
    world, scheduler = _closed()
    with pytest.raises(InsertionRefused) as refused:
        world.insert("CNY", 100)
    assert refused.value.remedy
    world.lines.drive("shutter_open_cmd", level=True)
    scheduler.advance(0.5)
    note = world.insert("CNY", 100)
    with pytest.raises(InsertionRefused):
        world.insert("CNY", 100)
    world.lines.drive("shutter_open_cmd", level=False)
    scheduler.advance(0.5)
    assert world.take() == []  # behind the shutter
    world.lines.drive("shutter_open_cmd", level=True)
    scheduler.advance(0.5)
    assert world.take() == [note.id]
    assert [place for _, place in note.history] == [Place.HAND, Place.THROAT, Place.OUT]


def test_power_of_all_drops_outputs_and_the_shutter_falls_shut() -> None:
    world, scheduler = open_world()
    validator = SspValidator(world, ValidatorConfig())
    world.power("all", on=False)
    scheduler.advance(1.0)
    assert not validator.powered
    assert not world.lines.read("power_good")
    assert not world.lines.read("shutter_open_cmd")
    assert _state(world) is ShutterState.CLOSED
    world.lines.drive("shutter_open_cmd", level=True)
    scheduler.advance(1.0)
    assert _state(world) is ShutterState.CLOSED  # nothing moves it without power
    world.power("all", on=True)
    scheduler.advance(1.0)
    assert validator.powered
    assert _state(world) is ShutterState.OPEN


def test_unknown_things_are_refused_with_a_remedy() -> None:
    world, _ = _closed()
    refused: list[Callable[[], object]] = [
        lambda: world.set_scene(rain=True),
        lambda: world.set_scene(depositor="yes"),
        lambda: world.set_scene(lens="dirty"),
        lambda: world.set_line("shutter_closed", level=True),
        lambda: world.set_line("lamp", level=True),
        lambda: world.lines.drive("door_closed", level=True),
        lambda: world.power("toaster", on=True),
        lambda: world.fault("cabinet", "meteor"),
        lambda: world.fault("cabinet", "stuck_line", line="shutter_closed", colour="red"),
        lambda: world.fault("cabinet", "power_cut", off_s="long"),
    ]
    for act in refused:
        with pytest.raises(UnknownFault) as error:
            act()
        assert error.value.remedy


def test_a_stuck_line_keeps_its_level() -> None:
    world, scheduler = _closed()
    world.fault("cabinet", "stuck_line", line="shutter_closed", level=True)
    world.lines.drive("shutter_open_cmd", level=True)
    scheduler.advance(1.0)
    assert world.lines.read("shutter_closed")
    assert world.lines.read("shutter_opened")
    world.fault("cabinet", "line_repaired", line="shutter_closed")
    assert not world.lines.read("shutter_closed")


def test_faults_strike_at_a_time_at_the_nth_time_or_by_chance() -> None:
    host = SspHost()
    struck: list[str] = []
    host.world.observe(lambda h: struck.append(f"{h.what} {h.time_s:.0f}") if h.source == "fault" else None)
    began_s = host.scheduler.time()
    host.world.order_fault(FaultOrder("cabinet", "line_pulse", {"line": "power_good"}, at_s=2.0))
    host.world.order_fault(FaultOrder("validator", "misread", {}, on="hand.fed", nth=2))
    host.start()
    host.feed(100)
    host.feed(100)
    host.world.take()
    assert host.world.notes.get(1).place is Place.STORE
    assert host.world.notes.get(2).place is Place.OUT
    assert struck == [f"cabinet.line_pulse {began_s + 2:.0f}", struck[1]]
    assert struck[1].startswith("validator.misread")
    assert host.world.lines.read("power_good")


def test_chance_comes_from_the_seed() -> None:
    def refused(seed: int) -> list[int]:
        scheduler = VirtualScheduler()
        world = World(WorldConfig(), scheduler, seed)
        world.lines.drive("shutter_open_cmd", level=True)
        scheduler.advance(1.0)
        host = SspHost(world=world)
        world.order_fault(FaultOrder("validator", "misread", {}, on="hand.fed", probability=0.4))
        host.start()
        for _ in range(12):
            host.feed(100)
            world.take()
        return [note.id for note in world.notes.at(Place.OUT)]

    assert refused(5) == refused(5)
    assert 0 < len(refused(5)) < 12
    assert refused(5) != refused(6)


def test_emptying_the_cabinet_frees_its_slots() -> None:
    world, _ = _closed()
    world.fault("cabinet", "slots_full")
    assert all(world.slots)
    world.fault("cabinet", "emptied")
    assert not any(world.slots)


def test_a_pulse_that_began_in_the_dark_ends_with_the_mains_as_it_is() -> None:
    world, scheduler = _closed()
    world.power("all", on=False)
    world.fault("cabinet", "line_pulse", line="power_good", seconds=5.0)
    scheduler.advance(1.0)
    world.power("all", on=True)
    scheduler.advance(5.0)
    assert world.lines.read("power_good")
