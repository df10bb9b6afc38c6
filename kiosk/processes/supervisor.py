"""`kiosk up`: all processes of the table under one parent, for a desk, a demo and the tests.

An installed kiosk has systemd for this; both follow `kiosk.processes.table`. Every start, readiness and exit
is said, and written to the state file for whoever wants to know pids.
"""

import asyncio
import contextlib
import functools
import json
import os
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from kiosk.clock import Clock
from kiosk.errors import ConfigError
from kiosk.processes.entry import EXIT_CONFIG, EXIT_FAILED, PARENT_VARIABLE
from kiosk.processes.table import PROCESSES, Process
from kiosk.protection import logs

RESTART_DELAY_S_MAX: Final = 10.0
OUTPUT_TIMEOUT_S: Final = 1.0  # of the machine, not of the clock: a pipe is emptied, nobody waits
LINE_BYTES_MAX: Final = 8192  # longer lines are cut into pieces
_CHUNK_BYTES: Final = 4096
_NOTICE_BYTES_MAX: Final = 4096

Say = Callable[[str, str], None]  # (process, line)
CommandOf = Callable[[Process], Sequence[str]]


@dataclass
class State:
    """One process as the state file shows it."""

    pid: int | None = None
    ready: bool = False
    starts: int = 0
    last_exit: str | None = None


def python_command(config_path: Path) -> CommandOf:
    """The command that runs a process of the table with this interpreter."""
    return lambda process: (sys.executable, "-m", "kiosk", process.name, "--config", str(config_path))


def selected(only: Iterable[str]) -> tuple[Process, ...]:
    """The processes with these names, or all when there are none; raises `ConfigError` for an unknown one."""
    names = tuple(only)
    for name in names:
        if name not in {process.name for process in PROCESSES}:
            known = ", ".join(process.name for process in PROCESSES)
            message = f"there is no process {name!r}"
            raise ConfigError(message, remedy=f"The processes are: {known}.")
    return tuple(process for process in PROCESSES if not names or process.name in names)


class Supervisor:
    """Starts processes in order, restarts them within their limits, stops them in reverse order."""

    def __init__(
        self,
        processes: Sequence[Process],
        command_of: CommandOf,
        clock: Clock,
        say: Say,
        *,
        log_dir: Path | None = None,
        state_file: Path | None = None,
    ) -> None:
        self._processes = tuple(processes)
        self._command_of = command_of
        self._clock = clock
        self._say = say
        self._log_dir = log_dir
        self._state_file = state_file
        self.states = {process.name: State() for process in processes}
        self._stop = asyncio.Event()
        self._down: set[str] = set()
        self._code = 0

    def stop(self) -> None:
        """Ask for the orderly end; `run` returns when it is done."""
        self._stop.set()

    async def run(self) -> int:
        """Keep all alive until `stop`, or until an essential one stays down. Returns the exit code."""
        if self._log_dir is not None:
            self._log_dir.mkdir(parents=True, exist_ok=True)
        keepers = []
        for process in self._processes:
            gone = asyncio.Event()  # set to let this one go: the order of stopping is ours
            task = asyncio.create_task(self._keep(process, gone))
            task.add_done_callback(functools.partial(self._stays_down, process))
            keepers.append((gone, task))
        await self._stop.wait()
        for gone, task in reversed(keepers):
            gone.set()
            await asyncio.wait({task})
        for _gone, task in keepers:
            task.result()
        return self._code

    def _stays_down(self, process: Process, _task: asyncio.Task[None]) -> None:
        self._down.add(process.name)
        if process.essential or len(self._down) == len(self._processes):
            self._stop.set()

    async def _keep(self, process: Process, gone: asyncio.Event) -> None:
        ends: deque[float] = deque(maxlen=process.restarts_max + 1)
        while not gone.is_set():
            code = await self._run_once(process, gone)
            if gone.is_set():
                return
            now_s = self._clock.monotonic_s()
            ends.append(now_s)
            recent = sum(now_s - end_s <= process.restart_window_s for end_s in ends)
            if code == EXIT_CONFIG:
                self._code = EXIT_CONFIG
                self._say(process.name, "is not started again: its configuration is refused")
                return
            if recent > process.restarts_max:
                self._code = EXIT_FAILED
                self._say(process.name, f"ended {recent} times within {process.restart_window_s} s and stays down")
                return
            delay_s = min(process.restart_delay_s * 2 ** (recent - 1), RESTART_DELAY_S_MAX)
            self._say(process.name, f"starts again in {delay_s:g} s")
            await self._within(gone.wait(), delay_s)

    async def _run_once(self, process: Process, gone: asyncio.Event) -> int:
        """One life of a process, from start to exit; ends it when `gone` is set. Returns its exit code."""
        state = self.states[process.name]
        with tempfile.TemporaryDirectory(prefix="kiosk-up-") as folder:
            address = Path(folder) / "notify"
            with self._listening(process, address):
                child = await asyncio.create_subprocess_exec(
                    *self._command_of(process),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    env=os.environ | {"NOTIFY_SOCKET": str(address), PARENT_VARIABLE: str(os.getpid())},
                    start_new_session=True,  # Ctrl-C is for us; we stop the others in order
                )
                # Not `ready`: a quick child may have said so before the start of it came back here.
                state.pid, state.starts = child.pid, state.starts + 1
                self._say(process.name, f"started, pid {child.pid}")
                self._write_state()
                output = asyncio.create_task(self._copy(process, child))
                ended = asyncio.create_task(child.wait())
                released = asyncio.create_task(gone.wait())
                await asyncio.wait({ended, released}, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    await self._end(process, child, ended)
                code = await ended
                released.cancel()
                # A grandchild may hold the pipe open; what is not said by now is not waited for.
                await asyncio.wait({output}, timeout=OUTPUT_TIMEOUT_S)
                output.cancel()
        state.pid, state.ready, state.last_exit = None, False, _exit_in_words(code)
        self._say(process.name, state.last_exit)
        self._write_state()
        return code

    async def _end(self, process: Process, child: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        if not await self._within(asyncio.shield(ended), process.stop_timeout_s):
            self._say(process.name, f"did not stop within {process.stop_timeout_s} s of SIGTERM: killed")
            with contextlib.suppress(ProcessLookupError):
                child.kill()

    async def _within(self, work: Awaitable[object], seconds: float) -> bool:
        """Wait for `work`, at most `seconds` on the clock; says whether it came to its end."""
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        done = task.done()
        for one in (task, timer):
            one.cancel()
        return done

    async def _copy(self, process: Process, child: asyncio.subprocess.Process) -> None:
        """Pass the process's output on, line by line, to its log file or to whoever listens to us."""
        reader = child.stdout
        assert reader is not None
        with contextlib.ExitStack() as stack:
            log: BinaryIO | None = None
            if self._log_dir is not None:
                # A log line is on disk when it is written: a crash must not take the reason with it.
                log = stack.enter_context((self._log_dir / f"{process.name}.log").open("ab", buffering=0))
            rest = b""
            while chunk := await reader.read(_CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) >= LINE_BYTES_MAX:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    self._pass_on(process, line, log)
            if rest:
                self._pass_on(process, rest, log)

    def _pass_on(self, process: Process, line: bytes, log: BinaryIO | None) -> None:
        """What a library printed past the process's own logging goes through the gate here."""
        words = logs.gated(line.decode(errors="replace"))
        if log is None:
            self._say(process.name, words)
        else:
            log.write(words.encode(errors="replace") + b"\n")

    @contextlib.contextmanager
    def _listening(self, process: Process, address: Path) -> Iterator[None]:
        """Listen to the process's sd_notify messages while it lives."""
        loop = asyncio.get_running_loop()
        state = self.states[process.name]

        def received() -> None:
            with contextlib.suppress(BlockingIOError):
                notice = listener.recv(_NOTICE_BYTES_MAX).decode(errors="replace").splitlines()
                if "READY=1" in notice and not state.ready:
                    state.ready = True
                    words = next((line.removeprefix("STATUS=") for line in notice if line.startswith("STATUS=")), "")
                    self._say(process.name, f"ready{': ' if words else ''}{words}")
                    self._write_state()

        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(address))
            listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
            loop.add_reader(listener, received)
            try:
                yield
            finally:
                loop.remove_reader(listener)

    def _write_state(self) -> None:
        if self._state_file is None:
            return
        text = json.dumps({name: asdict(state) for name, state in self.states.items()}, indent=1)
        new = self._state_file.with_suffix(".new")
        new.write_text(text)
        new.replace(self._state_file)  # readers see the old or the new, never half of it


def _exit_in_words(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
