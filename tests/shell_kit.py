"""A kiosk for its technician: simulated hardware and the real controller as processes, `kioskctl` at a terminal."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pexpect
from click.testing import CliRunner, Result

from kiosk.bus import BusClient
from kiosk.errors import BusError
from kiosk.guarantee.one_time import code_at
from kiosk.messages import GetStatus, Reply, Request, Role, Status
from kiosk.processes.kioskctl import main
from scripts.stage import KIOSK_ID, KIOSK_TOML, READY_S_MAX, STOP_S_MAX, free_port

PINS: Final = {"anna": "739155", "ben": "402867", "carl": "918234", "dora": "665093", "emil": "157380"}
ROLES: Final = {"anna": "supervisor", "ben": "staff", "carl": "technician", "dora": "courier", "emil": "auditor"}
EXPECT_S: Final = 30
PROGRAMS: Final = Path(sys.executable).parent  # of this environment, whatever PATH says
ENTERED: Final = r"\x1b\[\?2004l"  # the line editor is done with a line
PROMPT: Final = r"(?:demo-0001|kiosk not) [^\n]*>(?=\x1b)"
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")


class Field:
    """Simulated hardware and the controller, without bank, broker, camera and screen."""

    def __init__(self, folder: Path, tables: str = "") -> None:
        self.folder = folder
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        broker = free_port()
        subprocess.run(
            [PROGRAMS / "kiosk-cloud", "provision", "--dir", ".", "--kiosk", KIOSK_ID, "--port", str(broker)],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            self._come_up(broker, tables)
        except BaseException:
            self.close()
            raise

    def _come_up(self, broker: int, tables: str) -> None:
        self._start("hwsim", "hwsim", "run", "--dir", "sim", "--seed", "1")
        ready = self.folder / "sim" / "ready.json"
        self._wait(ready.exists, "hwsim")
        self.ready: dict[str, Any] = json.loads(ready.read_text())
        words: dict[str, Any] = {
            "kiosk": KIOSK_ID,
            "broker": broker,
            "terminal": free_port(),
            "observer": free_port(),
            "timing": "",
            "protocol": "ssp",
        }
        (self.folder / "kiosk.toml").write_text(KIOSK_TOML.format(**words, **self.ready) + tables)
        self.start()

    def look(self) -> None:
        """The watcher, until it says what it sees."""
        self._start("watcher", "kiosk", "watcher", "--config", "kiosk.toml")
        self._wait(lambda: self._status().scene_grade is not None, "watcher")

    def start(self) -> None:
        """The controller, until its devices are connected."""
        self._start("controller", "kiosk", "controller", "--config", "kiosk.toml")
        self._wait(self._connected, "controller")

    def stop(self, name: str = "controller", number: int = signal.SIGTERM) -> None:
        process = self._processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        for name in reversed(tuple(self._processes)):
            self.stop(name)

    def world(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The simulator's control page."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ready['http']}{path}", data)
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - our own simulator
            return json.loads(reply.read() or b"null")

    def ask(self, message: Request, role: Role = "maintenance") -> Reply:
        async def asked() -> Reply:
            client = await BusClient.connect(self.folder / "kiosk" / "bus", role)
            try:
                return await client.request(message)
            finally:
                await client.close()

        return asyncio.run(asked())

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / "logs" / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [PROGRAMS / command[0], *command[1:]], cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def _wait(self, reached: Callable[[], bool], name: str) -> None:
        end_s = time.monotonic() + READY_S_MAX
        while not reached():
            if self._processes[name].poll() is not None or time.monotonic() > end_s:
                raise AssertionError((self.folder / "logs" / f"{name}.log").read_text()[-3000:])
            time.sleep(0.1)

    def _connected(self) -> bool:
        try:
            return self._status().devices_connected
        except BusError:
            return False

    def _status(self) -> Status:
        reply = self.ask(GetStatus())
        assert isinstance(reply, Status), reply
        return reply


def kioskctl(folder: Path, *words: str, typed: str = "") -> Result:
    """One command of its own, as a script uses it; in this process, since to start another takes longer."""
    with contextlib.chdir(folder):
        return CliRunner(env={"KIOSK_CONFIG": str(folder / "kiosk.toml")}).invoke(main, words, typed)


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "KIOSK_CONFIG": str(folder / "kiosk.toml"),
        "XDG_STATE_HOME": str(folder / "home"),
        "TERM": "xterm",
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }


class Terminal:
    """Somebody at the shell."""

    def __init__(self, folder: Path, *words: str) -> None:
        """`words`: a command of its own; without one the shell."""
        self.folder = folder
        self.child = pexpect.spawn(
            sys.executable, ["-m", "kiosk.processes.kioskctl", *words],
            cwd=str(folder), env=environment(folder), encoding="utf-8", timeout=EXPECT_S, dimensions=(50, 160),
        )  # fmt: skip
        self.child.delaybeforesend = None

    def see(self, words: str) -> str:
        """Wait for this; what was shown before it."""
        self.child.expect(words)
        return _ESCAPES.sub("", str(self.child.before) + str(self.child.after))

    def prompt(self) -> str:
        return self.see(PROMPT)

    def type(self, line: str) -> str:
        """A line, and all that it shows until the next prompt."""
        self.child.send(f"{line}\r")
        self.see(ENTERED)
        return self.prompt()

    def answer(self, question: str, line: str) -> None:
        self.see(question)
        self.child.sendline(line)

    def sign_in(self, staff: str, secret: bytes | None = None, at_s: int = 0) -> str:
        self.child.send(f"sign-in {staff}\r")
        self.answer(f"PIN of {staff}", PINS[staff])
        if secret is not None:
            self.answer(f"Code of {staff}", code_at(secret, at_s))
        return self.prompt()

    def leave(self) -> int:
        self.child.send("exit\r")
        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus or 0)
