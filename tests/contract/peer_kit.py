"""What the tests with foreign peers share: the simulated machine as a process of its own, and a hand on it."""

import contextlib
import json
import platform
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from gpiozero import DigitalOutputDevice
from gpiozero.pins.pigpio import PiGPIOFactory

LIMIT_S: Final = 20.0
ON_X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="eSSP6 has x86 assembler in its C")
_LOOK_S: Final = 0.02
SHUTTER_OPEN_CMD: Final = 17

# SSP codes as the eSSP6 package has them
OK: Final = 0xF0
RESET, INITIALISING, DISABLED = 0xF1, 0xB6, 0xE8
READ, CREDIT, REJECTED, STACKING, STACKED = 0xEF, 0xEE, 0xEC, 0xCC, 0xEB

BRISK: Final = """
[world]
shutter_move_s = 0.05
[validator]
initialise_s = 0.1
scan_s = 0.1
reject_s = 0.1
"""


class Simulated:
    """A running `hwsim`; `ready` is what it says about itself."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready

    def device(self, name: str) -> str:
        path: str = self.ready["devices"][name]
        return path

    def world(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the simulator's control API."""
        url = f"http://127.0.0.1:{self.ready['http']}{path}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(url, data, timeout=10) as answer:
            result: dict[str, Any] = json.load(answer)
            return result

    def until(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The world's state once it is as wanted; real processes leave nothing to do but to look again."""
        end_s = time.monotonic() + LIMIT_S
        while not reached(state := self.world("/state")):
            assert time.monotonic() < end_s, state
            time.sleep(_LOOK_S)
        return state

    @contextlib.contextmanager
    def open_shutter(self) -> Iterator[None]:
        """Drive the shutter's line with gpiozero and pigpio's own client."""
        factory = PiGPIOFactory(host="127.0.0.1", port=self.ready["pigpio"])
        line = DigitalOutputDevice(SHUTTER_OPEN_CMD, pin_factory=factory)
        try:
            line.on()
            self.until(lambda state: state["shutter"] == "open")
            yield
        finally:
            line.off()
            line.close()
            factory.close()


@contextlib.contextmanager
def simulated(folder: Path, scenario: str = BRISK) -> Iterator[Simulated]:
    """Start `hwsim run`, end it again."""
    file = folder / "world.toml"
    file.write_text(scenario)
    command = [sys.executable, "-m", "hwsim.cli", "run", "--dir", str(folder / "sim"), "--scenario", str(file)]
    with (folder / "hwsim.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            ready = folder / "sim" / "ready.json"
            end_s = time.monotonic() + LIMIT_S
            while not ready.exists():
                assert process.poll() is None, (folder / "hwsim.log").read_text()
                assert time.monotonic() < end_s, "hwsim does not get ready"
                time.sleep(_LOOK_S)
            yield Simulated(json.loads(ready.read_text()))
        finally:
            process.terminate()
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


class MakersHost:
    """eSSP6's C library in its process, one call at a time."""

    def __init__(self, port: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.essp6_host", port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._limit = threading.Timer(2 * LIMIT_S, self._process.kill)  # it blocks in C: nothing else ends it
        self._limit.start()

    def call(self, name: str, *arguments: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the host ended with {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ok(self, name: str, *arguments: int) -> dict[str, Any]:
        answer = self.call(name, *arguments)
        assert answer["reply"] == OK, (name, answer)
        return answer

    def poll_until(self, wanted: int) -> list[tuple[int, int]]:
        """Every event up to and with the wanted one; stops at once, for the next poll may mean something."""
        seen: list[tuple[int, int]] = []
        end_s = time.monotonic() + LIMIT_S
        while wanted not in {event for event, data in seen if event != READ or data}:
            assert time.monotonic() < end_s, seen
            seen += [(event, data) for event, data in self.ok("poll")["events"]]
        return seen

    def prepare(self) -> dict[str, Any]:
        """Sync, keys, protocol, set-up, inhibits, enable: what the package's own class does, in its order."""
        self.ok("sync")
        self.ok("encrypt")
        self.ok("host_protocol", 6)
        setup = self.ok("setup")
        while any(event in (RESET, INITIALISING) for event, _ in self.ok("poll")["events"]):  # it initialises
            pass
        self.ok("enable")
        self.ok("enable_payout", setup["unit_type"])
        self.ok("set_inhibits", 0xFF, 0xFF)
        return setup

    def close(self) -> None:
        self._limit.cancel()
        self._process.kill()
        self._process.communicate()
