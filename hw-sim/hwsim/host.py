"""The simulated machine as a process: one world, its devices on ptys, pigpio, camera and control page."""

import asyncio
import json
import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hwsim.camera import CameraServer
from hwsim.control import ControlServer
from hwsim.devices.board import DepositBoard
from hwsim.devices.cctalk_validator import CctalkValidator
from hwsim.devices.ebds_validator import EbdsValidator
from hwsim.devices.label_printer import LabelPrinter
from hwsim.devices.receipt_printer import ReceiptPrinter
from hwsim.devices.ssp_validator import SspValidator
from hwsim.gpio_server import GpioServer
from hwsim.pty_edge import PtyEdge
from hwsim.scenario import Scenario, arm
from hwsim.world import Happening, World

_log = logging.getLogger("hwsim")

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Where the process lives; port 0 takes a free one."""

    directory: Path  # RUN/sim
    seed: int = 1
    http_port: int = 0
    pigpio_port: int = 0
    camera_port: int = 0


class Machine:
    """A world with all its devices, on any scheduler."""

    def __init__(self, scenario: Scenario, scheduler: Any, seed: int) -> None:  # noqa: ANN401 - an asyncio loop or a Scheduler
        self.world = World(scenario.world, scheduler, seed)
        self.validator = _validator(scenario, self.world)
        self.board = DepositBoard(self.world, scenario.board)
        self.printer = LabelPrinter(self.world, scenario.label_printer)
        self.receipts = ReceiptPrinter(self.world, scenario.receipt_printer)
        arm(scenario, self.world)


def _validator(scenario: Scenario, world: World) -> SspValidator | EbdsValidator | CctalkValidator:
    """The one whose table the scenario has; SSP by default."""
    if scenario.ebds is not None:
        return EbdsValidator(world, scenario.ebds)
    if scenario.cctalk is not None:
        return CctalkValidator(world, scenario.cctalk)
    return SspValidator(world, scenario.validator)


class Host:
    """Brings a machine up on real interfaces, and down again."""

    def __init__(self, settings: HostSettings, scenario: Scenario) -> None:
        self._settings = settings
        self.machine = Machine(scenario, asyncio.get_running_loop(), settings.seed)
        world = self.machine.world
        ports = settings.directory / "dev"
        self._edges = {
            "validator": PtyEdge(self.machine.validator, ports / "validator"),
            "board": PtyEdge(self.machine.board, ports / "board"),
            "label": PtyEdge(self.machine.printer, ports / "label"),
            "receipt": PtyEdge(self.machine.receipts, ports / "receipt"),
        }
        self._gpio = GpioServer(world.lines, LOOPBACK, settings.pigpio_port)
        self._camera = CameraServer(lambda: world.scene, LOOPBACK, settings.camera_port, seed=settings.seed)
        self._control = ControlServer(
            world,
            self.machine.validator,
            self.machine.board,
            self.machine.printer,
            self.machine.receipts,
            self._camera.jpeg,
            LOOPBACK,
            settings.http_port,
        )
        self._control.exchanges = lambda: {name: edge.exchanges for name, edge in self._edges.items()}
        world.observe(_log_happening)

    async def start(self) -> dict[str, Any]:
        """Everything up; what ready.json says."""
        for edge in self._edges.values():
            edge.open()
        await self._gpio.start()
        await self._camera.start()
        await self._control.start()
        ready = {
            "http": self._control.port,
            "pigpio": self._gpio.port,
            "camera": self._camera.port,
            "camera_url": self._camera.url,
            "devices": {name: str(edge.link.absolute()) for name, edge in self._edges.items()},
            "pid": os.getpid(),
            "seed": self._settings.seed,
        }
        self._write_ready(ready)
        return ready

    async def stop(self) -> None:
        """Take everything down; ready.json first, so that nobody is misled."""
        (self._settings.directory / "ready.json").unlink(missing_ok=True)
        await self._control.stop()
        await self._camera.stop()
        await self._gpio.stop()
        for edge in self._edges.values():
            edge.close()

    def _write_ready(self, ready: dict[str, Any]) -> None:
        path = self._settings.directory / "ready.json"
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(ready, indent=1) + "\n", encoding="utf-8")
        fresh.replace(path)


def _log_happening(happening: Happening) -> None:
    _log.info("%9.3f %s.%s %s", happening.time_s, happening.source, happening.what, happening.facts or "")


async def run_host(settings: HostSettings, scenario: Scenario) -> None:
    """Until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    settings.directory.mkdir(parents=True, exist_ok=True)
    (settings.directory / "ready.json").unlink(missing_ok=True)
    host = Host(settings, scenario)
    try:
        ready = await host.start()
        print(f"hwsim: seed {settings.seed}, control page http://{LOOPBACK}:{ready['http']}/", flush=True)  # noqa: T201
        await done.wait()
    finally:
        await host.stop()
