"""What the tests with foreign peers share: the simulated machine as a process of its own, and a hand on it."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from gpiozero import DigitalOutputDevice
from gpiozero.pins.pigpio import PiGPIOFactory

LIMIT_S: Final = 20.0
_LOOK_S: Final = 0.02
SHUTTER_OPEN_CMD: Final = 17

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
        with urllib.request.urlopen(url, data, timeout=10) as answer:  # noqa: S310 - loopback
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
