"""The machine at the other end of the wires, in a process of its own: raises a line, sees the command come.

    python -m tests.bench.edge_machine EDGES

Says where it is (JSON), waits for a line on standard input, then raises the e-stop line again and again; both moments
are taken here, on one clock: the edge, and the first byte of the next Modbus write on the board's pty. In the end it
says the latencies in milliseconds (JSON); an edge without a command counts as the time-out.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from hwsim.config import BoardConfig, WorldConfig
from hwsim.devices.board import DepositBoard
from hwsim.gpio_server import PINS, GpioServer
from hwsim.lines import Role
from hwsim.pty_edge import PtyEdge
from hwsim.world import World

TIMEOUT_S: Final = 1.0
REST_S: Final = 0.015  # between edges: the last exchange is over by then
WRITE: Final = 0x10  # function code: write multiple registers


class Stamped:
    """The board, with the moment of the first byte of each write."""

    def __init__(self, board: DepositBoard) -> None:
        self._board = board
        self.arrived = asyncio.Event()
        self.at_s = 0.0

    @property
    def output(self) -> object:
        return self._board.output

    @output.setter
    def output(self, value: object) -> None:
        self._board.output = value  # type: ignore[assignment]

    def feed(self, data: bytes) -> None:
        if not self.arrived.is_set() and len(data) > 1 and data[1] == WRITE:
            self.at_s = time.perf_counter()
            self.arrived.set()
        self._board.feed(data)


async def main(edges: int) -> None:
    """Serve, wait for the start, measure."""
    loop = asyncio.get_running_loop()
    world = World(WorldConfig(), loop, 1)
    board = Stamped(DepositBoard(world, BoardConfig(watchdog_ms=0, lamp_s=0.0, reply_delay_s=0.0)))
    gpio = GpioServer(world.lines)
    with tempfile.TemporaryDirectory(prefix="kiosk-bench-") as folder:
        edge = PtyEdge(board, Path(folder) / "board")  # type: ignore[arg-type]
        edge.open()
        await gpio.start()
        say({"pigpio": gpio.port, "board": str(edge.link), "pin": PINS[Role.E_STOP]})
        await asyncio.to_thread(sys.stdin.readline)
        latencies_ms = []
        for _ in range(edges):
            board.arrived.clear()
            begun = time.perf_counter()
            world.lines.put(Role.E_STOP, level=True)
            try:
                await asyncio.wait_for(board.arrived.wait(), TIMEOUT_S)
                latencies_ms.append((board.at_s - begun) * 1e3)
            except TimeoutError:
                latencies_ms.append(TIMEOUT_S * 1e3)
            await asyncio.sleep(REST_S)
            world.lines.put(Role.E_STOP, level=False)
            await asyncio.sleep(REST_S)
        say(latencies_ms)
        await asyncio.to_thread(sys.stdin.readline)  # until those who use us have let go
        await gpio.stop()
        edge.close()


def say(what: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
