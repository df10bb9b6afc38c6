"""`kiosk up` with real child processes: started, restarted within limits, stopped in order, no exit hidden."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kiosk.errors import ConfigError
from kiosk.processes.entry import EXIT_CONFIG, EXIT_FAILED
from kiosk.processes.supervisor import Supervisor, selected
from kiosk.processes.table import PROCESSES, Process, process_named

READY = (
    "import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
    "s.sendto(b'READY=1\\nSTATUS=all is well', os.environ['NOTIFY_SOCKET']);"
)
WAIT = "import signal; signal.pause()"


class Console:
    """What was said, and a way to wait for it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = asyncio.Event()

    def say(self, process: str, line: str) -> None:
        self.lines.append(f"{process}: {line}")
        self._changed.set()

    async def until(self, words: str, times: int = 1) -> None:
        async with asyncio.timeout(20):
            while sum(words in line for line in self.lines) < times:
                self._changed.clear()
                await self._changed.wait()

    def index(self, words: str) -> int:
        return next(n for n, line in enumerate(self.lines) if words in line)


class InstantClock:
    """Restart delays pass at once; a stop's patience ends only when the test says so."""

    def __init__(self) -> None:
        self.patience = asyncio.Event()

    def monotonic_s(self) -> float:
        return 0.0

    def now_utc(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        if seconds in {10, 30}:  # stop_timeout_s of the table
            await self.patience.wait()


def python(**programs: str) -> Callable[[Process], Sequence[str]]:
    return lambda process: (sys.executable, "-c", programs[process.name])


def rows(*names: str) -> tuple[Process, ...]:
    return tuple(process_named(name) for name in names)


async def test_all_start_say_ready_and_stop_in_reverse_order(tmp_path: Path) -> None:
    console = Console()
    state_file = tmp_path / "state.json"
    supervisor = Supervisor(
        rows("controller", "watcher"),
        python(controller=READY + WAIT, watcher=READY + WAIT),
        InstantClock(),
        console.say,
        state_file=state_file,
    )
    running = asyncio.create_task(supervisor.run())
    await console.until("ready: all is well", times=2)
    state = json.loads(state_file.read_text())
    assert state["controller"]["ready"] is True
    assert state["controller"]["starts"] == 1
    os.kill(state["watcher"]["pid"], 0)  # it lives
    supervisor.stop()
    assert await running == 0
    assert console.index("watcher: was ended by SIGTERM") < console.index("controller: was ended by SIGTERM")
    assert json.loads(state_file.read_text())["watcher"]["pid"] is None


async def test_a_killed_process_is_started_again_and_the_exit_is_said() -> None:
    console = Console()
    supervisor = Supervisor(rows("watcher"), python(watcher=READY + WAIT), InstantClock(), console.say)
    running = asyncio.create_task(supervisor.run())
    await console.until("ready")
    pid = supervisor.states["watcher"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await console.until("ready", times=2)
    assert "watcher: was ended by SIGKILL" in console.lines
    assert supervisor.states["watcher"].pid != pid
    supervisor.stop()
    await running


async def test_a_process_that_keeps_dying_stays_down_and_an_essential_one_ends_all() -> None:
    console = Console()
    controller = replace(process_named("controller"), restarts_max=3)
    supervisor = Supervisor(
        (controller, process_named("uplink")),
        python(controller="raise SystemExit(3)", uplink=WAIT),
        InstantClock(),
        console.say,
    )
    assert await supervisor.run() == EXIT_FAILED
    assert console.lines.count("controller: exited with code 3") == 4
    assert any("ended 4 times within 60 s and stays down" in line for line in console.lines)
    restarts = [line for line in console.lines if "starts again in" in line]
    assert [line.split(" in ")[1] for line in restarts] == ["0.5 s", "1 s", "2 s"]


async def test_one_that_is_not_essential_stays_down_alone() -> None:
    console = Console()
    watcher = replace(process_named("watcher"), restarts_max=0)
    supervisor = Supervisor(
        (process_named("controller"), watcher),
        python(controller=READY + WAIT, watcher="raise SystemExit(0)"),
        InstantClock(),
        console.say,
    )
    running = asyncio.create_task(supervisor.run())
    await console.until("watcher: ended 1 times")
    await console.until("controller: ready")
    assert not running.done()
    supervisor.stop()
    assert await running == EXIT_FAILED  # the exit is not forgotten


async def test_a_refused_configuration_is_not_tried_again() -> None:
    console = Console()
    supervisor = Supervisor(
        rows("controller"), python(controller=f"raise SystemExit({EXIT_CONFIG})"), InstantClock(), console.say
    )
    assert await supervisor.run() == EXIT_CONFIG
    assert supervisor.states["controller"].starts == 1


async def test_one_that_ignores_sigterm_is_killed_and_that_is_said() -> None:
    console = Console()
    clock = InstantClock()
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY} {WAIT}"
    supervisor = Supervisor(rows("uplink"), python(uplink=stubborn), clock, console.say)
    running = asyncio.create_task(supervisor.run())
    await console.until("ready")
    supervisor.stop()
    clock.patience.set()
    await running
    assert any("did not stop within 10 s of SIGTERM: killed" in line for line in console.lines)


async def test_output_goes_to_the_log_line_by_line_or_to_the_console(tmp_path: Path) -> None:
    program = "print('first'); print('x' * 20000); print('last', end='')"
    console = Console()
    process = replace(process_named("uplink"), restarts_max=0)
    await Supervisor((process,), python(uplink=program), InstantClock(), console.say, log_dir=tmp_path).run()
    lines = (tmp_path / "uplink.log").read_text().splitlines()
    assert lines[0] == "first"
    assert lines[-1] == "last"
    assert "".join(lines[1:-1]) == "x" * 20000
    assert not any("first" in line for line in console.lines)
    await Supervisor((process,), python(uplink=program), InstantClock(), console.say).run()
    assert "uplink: first" in console.lines


async def test_a_command_that_cannot_be_started_is_an_error_not_a_hang() -> None:
    supervisor = Supervisor(rows("controller"), lambda _process: ("/no/such/program",), InstantClock(), Console().say)
    with pytest.raises(FileNotFoundError):
        await supervisor.run()


def test_only_names_of_the_table() -> None:
    assert selected(()) == PROCESSES
    assert [process.name for process in selected(("uplink", "controller"))] == ["controller", "uplink"]
    with pytest.raises(ConfigError, match="The processes are: controller, watcher, uplink"):
        selected(("kontroller",))
