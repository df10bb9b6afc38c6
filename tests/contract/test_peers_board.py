"""Modbus masters that we did not write, at the simulated board over a pty: Debian's mbpoll, pymodbus's own client."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient

from firmware_bridge.interfaces import BoardOpcode
from tests.contract.peer_kit import LIMIT_S, ON_X86, STACKED, MakersHost, Simulated, simulated

WORLD: Final = """
[world]
shutter_move_s = 0.05
straps = 17
occupied_slots = [0, 1, 2, 3]
[validator]
initialise_s = 0.1
scan_s = 0.1
[board]
watchdog_ms = 0
home_s = 0.1
[board.sensors]
tilt_mg = -40
"""
ILLEGAL_VALUE: Final = 3


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Simulated]:
    with simulated(tmp_path, WORLD) as running:
        yield running


def mbpoll(port: str, *options: str, count: int = 64) -> dict[int, int]:
    """Input registers (or pairs of them) by address, as Debian's mbpoll prints them."""
    command = ["mbpoll", "-m", "rtu", "-b", "115200", "-P", "none", "-a", "1", "-0", "-1", "-o", "2"]
    said = subprocess.run(
        [*command, *(options or ("-t", "3", "-r", "0")), "-c", str(count), port],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    # "[48]: \t65529 (-7)": the register, and what it is when it is signed
    return {int(at): int(value) for at, value in re.findall(r"^\[(\d+)\]:\s+(-?\d+)", said.stdout, re.MULTILINE)}


class Master:
    """pymodbus's synchronous serial client, with the board's command block."""

    def __init__(self, port: str) -> None:
        self._client = ModbusSerialClient(port, framer=FramerType.RTU, baudrate=115200, timeout=2, retries=1)
        assert self._client.connect()

    def inputs(self) -> list[int]:
        return list(self._client.read_input_registers(0, count=64, device_id=1).registers)

    def block(self, sequence: int, opcode: int, arguments: list[int], boot: list[int]) -> int:
        """Write one command block; 0, or the exception's number."""
        padded = [*arguments, *[0] * (6 - len(arguments))]
        answer = self._client.write_registers(0, [sequence, opcode, *padded, *boot], device_id=1)
        return answer.exception_code if answer.isError() else 0

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


def test_mbpoll_reads_what_the_world_knows(machine: Simulated) -> None:
    port = machine.device("board")
    seen = mbpoll(port)
    assert len(seen) == 64
    assert (seen[0], seen[1]) == (1, 7)
    assert seen[46] == 100  # 4 of 40 slots, permille
    assert seen[47] == 17
    assert seen[50] - 0x1_0000 == pytest.approx(-40, abs=8)  # signed, and it trembles
    assert seen[54] == 0
    boot_id = mbpoll(port, "-t", "3:int", "-B", "-r", "2", count=1)[2]
    assert boot_id & 0xFFFF_FFFF == seen[2] << 16 | seen[3]

    machine.world("/line", {"line": "door_closed", "value": False})
    machine.world("/stock", {"straps": 5})
    seen = mbpoll(port)
    assert seen[54] & 1
    assert seen[47] == machine.world("/state")["stock"]["straps"]


@ON_X86
def test_a_note_from_the_makers_host_is_collected_by_pymodbus_and_counted_by_mbpoll(machine: Simulated) -> None:
    port = machine.device("board")
    host, master = MakersHost(machine.device("validator")), Master(port)
    try:
        host.prepare()
        with machine.open_shutter():
            machine.world("/insert", {"currency": "CNY", "value_minor": 5000, "kind": "genuine"})
            host.poll_until(STACKED)  # without a route a note goes to the stacker: the board's transport
        before = mbpoll(port)
        assert (before[40], before[41]) == (0, 1)
        boot = [before[2], before[3]]

        assert master.block(1, BoardOpcode.COLLECT, [1], [boot[0] ^ 1, boot[1]]) == ILLEGAL_VALUE  # another boot
        assert master.block(2, BoardOpcode.COLLECT, [1], boot) == ILLEGAL_VALUE  # not the next sequence
        assert master.block(1, BoardOpcode.COLLECT, [1], boot) == 0
        assert master.block(1, BoardOpcode.COLLECT, [1], boot) == 0  # the exact repeat
        state = machine.until(lambda now: now["notes"][0]["place"] == "tray")
        machine.until(lambda _: master.inputs()[4] == 1)
        assert state["totals"]["inserted_minor"] == 5000

        after, read = mbpoll(port), master.inputs()
        assert (after[40], after[41], after[56], after[4], after[5]) == (1, 0, 1, 1, 0)
        assert after[62] == before[62] + 1  # once, though it was ordered twice
        # All but the sensors that drift: what two masters read is the same.
        assert [after[at] for at in range(47)] == read[:47]
    finally:
        master.close()
        host.close()
