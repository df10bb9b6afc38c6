"""The simulated deposit board: Modbus, exactly-once commands, motions, faults, power cuts (DESIGN.md section 4)."""

from typing import Self

import pytest

from hwsim.config import BoardConfig, LabelPrinterConfig, WorldConfig
from hwsim.devices.board import DepositBoard
from hwsim.devices.board_sensors import Readings
from hwsim.devices.label_printer import LabelPrinter
from hwsim.devices.modbus_rtu import crc16, seal
from hwsim.lines import Role
from hwsim.notes import Kind, Place
from hwsim.scheduler import VirtualScheduler
from hwsim.world import World
from tests.unit.hwsim_tools import open_world

LABEL = b"^XA^FO40,40^A0N,48,48^FDBundle 42^FS^FO520,40^BQN,2,6^FDQA,42;CNY^FS^XZ"


class BoardHost:
    """A Modbus master with the board's command block."""

    def __init__(self, config: BoardConfig | None = None, world: WorldConfig | None = None) -> None:
        opened, _ = open_world(world)
        board = DepositBoard(opened, config or BoardConfig(watchdog_ms=0))
        self.attach(board, LabelPrinter(opened, LabelPrinterConfig()), opened)

    @classmethod
    def on(cls, board: DepositBoard, printer: LabelPrinter, world: World) -> Self:
        """A master of a board that exists."""
        made = cls.__new__(cls)
        made.attach(board, printer, world)
        return made

    def attach(self, board: DepositBoard, printer: LabelPrinter, world: World) -> None:
        assert isinstance(world.scheduler, VirtualScheduler)
        self.world, self.scheduler, self.board, self.printer = world, world.scheduler, board, printer
        self.replies: list[bytes] = []
        self.board.output = self.replies.append
        self.sequence = 0

    def ask(self, pdu: bytes) -> bytes | None:
        """The reply's PDU, or None for silence."""
        self.replies.clear()
        self.board.feed(seal(1, pdu))
        self.scheduler.advance(0.01)
        if not self.replies or crc16(self.replies[0]) != 0:
            return None
        return self.replies[0][1:-2]

    def inputs(self) -> list[int]:
        reply = self.ask(bytes((4, 0, 0, 0, 64)))
        assert reply is not None
        return [int.from_bytes(reply[i : i + 2], "big") for i in range(2, 130, 2)]

    def block(self, opcode: int, *arguments: int, sequence: int | None = None, boot: list[int] | None = None) -> bytes:
        words = [self.sequence if sequence is None else sequence, opcode, *arguments]
        words += [0] * (8 - len(words)) + (self.inputs()[2:4] if boot is None else boot)
        return bytes((16, 0, 0, 0, 10, 20)) + b"".join(word.to_bytes(2, "big") for word in words)

    def command(self, opcode: int, *arguments: int) -> bytes | None:
        self.sequence = self.sequence + 1 & 0xFFFF
        return self.ask(self.block(opcode, *arguments))

    def run(self, opcode: int, *arguments: int) -> int:
        """Execute to the end; the result."""
        assert self.command(opcode, *arguments) == bytes((16, 0, 0, 0, 10))
        self.scheduler.run_until(lambda: not self.board.state()["busy"], 60.0)
        registers = self.inputs()
        assert registers[4] == registers[56] == self.sequence
        return registers[5]

    def drop(self, count: int, value: int = 1000) -> None:
        """Notes fall from the validator's stacker exit onto the transport."""
        for _ in range(count):
            note = self.world.notes.create("CNY", value, Kind.GENUINE)
            self.world.notes.move(note, Place.HAND, Place.PATH)
            self.world.notes.mark_inserted(note)
            self.world.notes.move(note, Place.PATH, Place.TRANSPORT)

    def events(self) -> list[tuple[int, int]]:
        registers = self.inputs()
        last = registers[7]
        numbers = range(max(1, last - 7), last + 1)
        return [(registers[8 + 4 * (n % 8)], registers[9 + 4 * (n % 8)]) for n in numbers]

    def count(self, place: Place) -> int:
        return self.world.notes.count(place)


def test_a_bundle_from_transport_to_cabinet() -> None:
    host = BoardHost()
    host.drop(3)
    assert host.inputs()[41] == 1
    assert host.run(2, 3) == 0
    assert host.inputs()[40:42] == [3, 0]
    assert host.run(3) == 0
    assert host.count(Place.BUNDLE) == 3
    host.printer.feed(LABEL)
    host.scheduler.advance(1.0)
    assert host.run(4, 1, 2, 1) == 0
    assert host.run(5, 7) == 0
    registers = host.inputs()
    assert registers[40:48] == [0, 0, 0, 0, 0, 7, 25, 49]
    assert registers[57:64] == [3, 1, 2, 7, 7, 3, 3]
    assert [note.slot for note in host.world.notes.at(Place.SLOT)] == [7, 7, 7]
    assert host.events() == [(1, 1), (1, 2), (1, 3), (5, 3), (7, 1), (4, 7), (9, 7)]


def test_exactly_once() -> None:
    host = BoardHost()
    host.drop(1)
    host.sequence = 1
    block = host.block(2, 1)
    assert host.ask(block) == bytes((16, 0, 0, 0, 10))
    assert host.ask(block) == bytes((16, 0, 0, 0, 10))  # a repeat while it runs
    assert host.ask(host.block(3, sequence=2)) == bytes((0x90, 6))  # busy records nothing
    assert host.inputs()[56] == 1
    assert host.ask(host.block(2, 2)) == bytes((0x90, 3))  # known sequence, other content
    host.scheduler.advance(5.0)
    assert host.ask(block) == bytes((16, 0, 0, 0, 10))  # a repeat long after
    host.scheduler.advance(5.0)
    assert host.inputs()[63 - 1] == 1
    assert host.ask(host.block(3, sequence=3)) == bytes((0x90, 3))
    assert host.ask(host.block(3, sequence=2, boot=[0, 1])) == bytes((0x90, 3))
    assert host.ask(host.block(3, sequence=2)) == bytes((16, 0, 0, 0, 10))


def test_a_new_boot_id_and_empty_memory_after_a_power_cut_but_the_facts_stay() -> None:
    host = BoardHost()
    host.drop(2)
    host.run(2, 2)
    host.run(3)
    before = host.inputs()
    host.world.power("board", on=False)
    assert host.ask(bytes((4, 0, 0, 0, 64))) is None
    host.world.power("board", on=True)
    after = host.inputs()
    assert before[2:4] != after[2:4]
    assert after[4:8] == [0, 0, 0, 0]
    assert after[40:44] == [2, 0, 1, 0]
    assert after[56:64] == [0, 0, 0, 0, 0xFFFF, 1, 2, 0]


@pytest.mark.parametrize(("after_s", "done"), [(0.5, False), (0.9, True)])
def test_a_cut_in_mid_motion_leaves_the_fact_or_not(*, after_s: float, done: bool) -> None:
    host = BoardHost()
    host.drop(2)
    host.run(2, 2)
    host.command(3)
    host.scheduler.advance(after_s)
    host.world.power("board", on=False)
    host.world.power("board", on=True)
    host.scheduler.advance(5.0)
    assert host.inputs()[42] == int(done)
    assert host.world.straps == (49 if done else 50)
    assert host.inputs()[7] == 0  # no report survives


@pytest.mark.parametrize(("there", "wanted", "result"), [(3, 3, 0), (2, 3, 3), (4, 3, 7), (0, 0, 0), (1, 0, 7)])
def test_collecting(there: int, wanted: int, result: int) -> None:
    host = BoardHost()
    host.drop(there)
    assert host.run(2, wanted) == result
    assert host.count(Place.TRAY) == there


def test_collecting_waits_for_notes_that_come_later() -> None:
    host = BoardHost()
    host.command(2, 3)
    for _ in range(3):
        host.scheduler.advance(4.0)
        host.drop(1)
    host.scheduler.advance(2.0)
    assert host.inputs()[4:7] == [1, 0, 0]


@pytest.mark.parametrize(("there", "wanted", "result"), [(2, 2, 0), (2, 1, 7), (3, 0xFFFF, 0)])
def test_purging(there: int, wanted: int, result: int) -> None:
    host = BoardHost()
    host.drop(there)
    assert host.run(7, wanted) == result
    assert host.count(Place.RETRACT) == there
    assert host.events()[-1] == (10, there)


def test_refusals() -> None:
    host = BoardHost(world=WorldConfig(straps=0, occupied_slots=(5,)))
    assert host.run(3) == 4  # nothing to strap
    assert host.run(4, 0, 1, 1) == 4  # no label
    assert host.events() == [(8, 1)]
    assert host.run(99) == 4
    host.drop(1)
    host.run(2, 1)
    assert host.run(3) == 4  # no strap
    assert host.run(5, 5) == 4  # taken
    assert host.run(5, 40) == 4  # no such slot
    assert host.run(5, 39) == 0
    assert host.run(5, 38) == 4  # nothing to store
    assert host.run(8) == 0
    assert host.run(9, 3, 1) == 0
    assert host.inputs()[55] == 8


def test_strap_and_label_failures() -> None:
    host = BoardHost()
    host.drop(1)
    host.run(2, 1)
    host.world.fault("board", "strap_fails")
    assert host.run(3) == 8
    assert host.run(3) == 0
    assert host.world.straps == 48
    host.printer.feed(LABEL * 2)
    host.scheduler.advance(1.0)
    host.world.fault("board", "label_fails")
    assert host.run(4, 0, 42, 1) == 8
    host.scheduler.advance(1.0)
    assert host.run(4, 0, 42, 2) == 0
    assert host.events()[-4:] == [(6, 1), (5, 1), (8, 1), (7, 2)]
    assert host.inputs()[61] == 3


@pytest.mark.parametrize(("place", "opcode", "arguments"), [("transport", 2, (1,)), ("tray", 3, ()), ("gate", 5, (0,))])
def test_jams_need_home(place: str, opcode: int, arguments: tuple[int, ...]) -> None:
    host = BoardHost()
    host.drop(1)
    if opcode != 2:
        host.run(2, 1)
    host.world.fault("board", "jam", place=place, stubborn=True)
    assert host.run(opcode, *arguments) == 2
    assert host.events()[-1][0] == 11
    assert host.inputs()[6] == 6
    assert host.run(opcode, *arguments) == 4
    assert host.run(1) == 2  # it is stuck for good
    host.world.power("board", on=False)
    host.world.power("board", on=True)
    host.sequence = 0
    assert host.inputs()[6] == 6
    host.world.fault("board", "clear_jam")
    assert host.run(1) == 0
    assert host.inputs()[6] == 0
    assert host.run(opcode, *arguments) == 0


@pytest.mark.parametrize(("line", "level"), [("door_closed", False), ("e_stop", True)])
def test_interlocks_stop_motion(*, line: str, level: bool) -> None:
    host = BoardHost()
    host.drop(1)
    host.command(2, 2)
    host.scheduler.advance(1.0)
    host.world.set_line(line, level)
    assert host.inputs()[4:7] == [1, 6, 0]
    assert host.run(1) == 6
    assert host.inputs()[54] == (1 if line == "door_closed" else 4)
    host.world.set_line(line, not level)
    assert host.run(2, 0) == 0


def test_watchdog_stops_the_motors_and_closes_the_gate() -> None:
    host = BoardHost(BoardConfig(watchdog_ms=1000, strap_s=5.0))
    host.drop(1)
    host.run(2, 1)
    host.command(3)
    host.scheduler.advance(2.0)
    assert host.inputs()[4:7] == [2, 3, 0]
    assert host.ask(bytes((6, 0, 16, 0, 50))) == bytes((0x86, 3))  # under the minimum
    assert host.ask(bytes((6, 0, 16, 0x27, 0x10))) == bytes((6, 0, 16, 0x27, 0x10))
    assert host.ask(bytes((3, 0, 16, 0, 1))) == bytes((3, 2, 0x27, 0x10))


def test_hands_in_the_cabinet() -> None:
    host = BoardHost()
    host.drop(3)
    host.run(2, 3)
    host.world.fault("board", "note_taken", count=1)
    assert host.inputs()[40] == 3  # nobody noticed
    assert host.run(1) == 0
    assert host.inputs()[40] == 2  # HOME counts again
    host.world.fault("board", "tray_removed")
    assert host.run(3) == 5
    assert host.inputs()[54] == 2
    host.world.fault("board", "tray_returned")
    host.run(1)
    assert host.inputs()[40] == 2
    host.world.fault("board", "tray_emptied")
    assert host.inputs()[40] == 0
    assert [code for code, _ in host.events()][-2:] == [2, 3]
    assert host.world.totals().removed_minor == {"CNY": 3000}


def test_a_note_that_the_counter_misses_is_found_by_home() -> None:
    host = BoardHost()
    host.drop(2)
    host.world.fault("board", "counter_misses")
    assert host.run(2, 2) == 3
    assert host.inputs()[40] == 1
    host.run(1)
    assert host.inputs()[40] == 2


def test_returning_the_tray_to_the_port() -> None:
    host = BoardHost()
    host.drop(2)
    host.run(2, 2)
    assert host.run(6) == 0
    assert host.count(Place.BEZEL) == 2
    assert len(host.world.take()) == 2


def test_ring_counter_goes_from_65535_to_1() -> None:
    host = BoardHost()
    for _ in range(0xFFFF + 2):
        host.world.lines.put(Role.DOOR_CLOSED, not host.world.lines.read(Role.DOOR_CLOSED))
    assert host.inputs()[7] == 2


@pytest.mark.parametrize(
    ("pdu", "reply"),
    [
        (bytes((4, 0, 0, 0, 65)), bytes((0x84, 2))),
        (bytes((4, 0, 0, 0, 126)), bytes((0x84, 3))),
        (bytes((4, 0, 63, 0, 1)), None),
        (bytes((3, 0, 17, 0, 1)), bytes((0x83, 2))),
        (bytes((6, 0, 0, 0, 1)), bytes((0x86, 2))),
        (bytes((16, 0, 0, 0, 1, 2, 0, 0)), bytes((0x90, 2))),
        (bytes((16, 0, 16, 0, 1, 4, 0, 0, 0, 0)), bytes((0x90, 3))),
        (bytes((1, 0, 0, 0, 1)), bytes((0x81, 1))),
    ],
)
def test_modbus_exceptions(pdu: bytes, reply: bytes | None) -> None:
    answer = BoardHost().ask(pdu)
    assert answer == reply if reply is not None else answer is not None


def test_framing_survives_splits_noise_and_abandoned_frames() -> None:
    host = BoardHost()
    frame = seal(1, bytes((4, 0, 0, 0, 1)))
    for byte in frame:
        host.board.feed(bytes((byte,)))
    host.scheduler.advance(0.01)
    assert len(host.replies) == 1
    host.board.feed(b"\x01\x10\x00\x00\x00\x0a\xff")  # a block that never ends
    host.scheduler.advance(0.1)
    host.board.feed(frame)
    host.board.feed(b"\x55\xff" + frame + seal(2, bytes((4, 0, 0, 0, 1))))  # noise, and another unit
    host.scheduler.advance(0.01)
    assert len(host.replies) == 3


def _sampled(host: BoardHost, count: int) -> list[Readings]:
    samples = []
    for _ in range(count):
        host.scheduler.advance(0.1)
        samples.append(host.board.readings())
    return samples


def test_readings_depend_on_what_runs() -> None:
    host = BoardHost()
    still = _sampled(host, 20)
    host.drop(1)
    host.run(2, 1)
    host.command(3)
    strapping = _sampled(host, 6)
    assert max(r.motor_current_ma for r in still) < 150
    assert min(r.motor_current_ma for r in strapping) > 1000
    assert min(r.vibration_mg_rms for r in strapping) > max(r.vibration_mg_rms for r in still)
    host.scheduler.advance(1.0)
    host.world.fault("board", "stuck_sensor", sensor="gas_permille", value=777)
    assert host.inputs()[52] == 777
    assert host.run(8) == 8


def test_readings_repeat_with_the_seed() -> None:
    def readings() -> list[int]:
        host = BoardHost()
        return [value for _ in range(5) for value in host.inputs()[48:54]]

    assert readings() == readings()


@pytest.mark.parametrize(
    ("fault", "silent"), [("lost_reply", True), ("mute", True), ("corrupt_reply", False), ("restart", False)]
)
def test_link_faults(*, fault: str, silent: bool) -> None:
    host = BoardHost()
    host.world.fault("board", fault)
    host.replies.clear()
    host.board.feed(seal(1, bytes((4, 0, 0, 0, 1))))
    host.scheduler.advance(0.01)
    assert (not host.replies) is silent
    assert all((crc16(reply) == 0) is (fault == "restart") for reply in host.replies)


def test_a_sagging_supply_is_reported() -> None:
    host = BoardHost()
    host.world.fault("board", "disturbance", supply_mv=-5000, seconds=2)
    assert host.events()[-1][0] == 13
    assert host.inputs()[49] < 20_000
    host.scheduler.advance(3.0)
    assert host.inputs()[49] > 23_000
