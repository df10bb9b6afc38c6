"""Seconds from start to ready and peak memory of each process, beside the bare imports of what it stands on."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kiosk.processes.table import PROCESSES, Process
from kiosk_cloud.provision import Plan, provision
from scripts.depositor import ScriptedDepositor, Step
from scripts.stage import KIOSK_ID, KIOSK_TOML, Stage, free_port
from tests.bench.figures import Figure, alternately, figure

NEEDS: Final = {  # the modules of others without which the process could not do its work
    "controller": "cryptography.hazmat.primitives.hpke, gpiozero, pymodbus.framer.rtu, serial, sqlite_utils",
    "watcher": "cv2, onnxruntime",
    "uplink": "asyncio, paho.mqtt.client, msgspec",
    "terminal": "jinja2, starlette.applications, uvicorn",
    "observer": "prometheus_client, starlette.applications, uvicorn",
}
READY_S: Final = 30.0
DEPOSIT: Final = (
    Step(do="identify"),
    Step(do="feed", notes=(10_000, 5000)),
    Step(do="done"),
    Step(do="confirm"),
    Step(do="until", state="done"),
)


def _imports(process: str) -> str:
    """What the limit does, in short: `import cv2, onnxruntime`."""
    packages = [module.strip().partition(".")[0] for module in NEEDS.get(process, "asyncio").split(",")]
    return f"import {', '.join(packages)}"


def _peak_mib(pid: int | str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def bare_import(modules: str) -> tuple[float, float]:
    """Seconds until a fresh interpreter has imported them, and its peak memory in MiB."""
    code = f"import {modules}; print(open('/proc/self/status').read())"
    begun = time.perf_counter()
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=READY_S, check=True)
    seconds = time.perf_counter() - begun
    line = next(line for line in said.stdout.splitlines() if line.startswith("VmHWM:"))
    return seconds, int(line.split()[1]) / 1024


def start_to_ready(process: Process, folder: Path) -> float:
    """Seconds from exec to READY=1, as systemd would wait for it; no device is there, and none is waited for."""
    address = folder / f"notify-{process.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(READY_S)
        begun = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "kiosk", process.name, "--config", "kiosk.toml"],
            cwd=folder,
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as child:
            try:
                while b"READY=1" not in listener.recv(4096).splitlines():
                    pass
                return time.perf_counter() - begun
            finally:
                child.kill()
                address.unlink()


def _without_hardware(folder: Path) -> None:
    provision(Plan(folder, KIOSK_ID, port=1), datetime.now(UTC))
    nowhere = {name: f"dev/{name}" for name in ("validator", "board", "label", "receipt")}
    text = KIOSK_TOML.format(
        kiosk=KIOSK_ID,
        broker=1,
        timing="",
        devices=nowhere,
        pigpio=1,
        camera_url="/dev/video99",
        terminal=free_port(),
        observer=free_port(),
        protocol="ssp",
    )
    (folder / "kiosk.toml").write_text(text)


async def _in_use(folder: Path) -> tuple[float, dict[str, float]]:
    """Seconds from `kiosk up` to in service, and peak memory of each process after a deposit."""
    begun = [0.0]

    def say(words: str) -> None:
        if words == "the kiosk's processes":
            begun[0] = time.perf_counter()

    stage = Stage(folder, say)
    try:
        await stage.up()
        seconds = time.perf_counter() - begun[0]
        depositor = ScriptedDepositor(stage)
        await depositor.perform(DEPOSIT)
        pids = {process.name: stage.kiosk_pid(process.name) for process in PROCESSES}
        return seconds, {name: _peak_mib(pid) for name, pid in pids.items() if pid is not None}
    finally:
        await stage.down()


def measure(repeats: int, folder: Path) -> Iterator[Figure]:
    """Ready alone, one after another; then all together, with one deposit, for the memory."""
    alone = folder / "alone"
    alone.mkdir()
    _without_hardware(alone)
    bare_mib: dict[str, list[float]] = {}
    for process in PROCESSES:
        modules = NEEDS.get(process.name, "asyncio")
        peaks = bare_mib.setdefault(process.name, [])

        def ours(process: Process = process) -> float:
            return start_to_ready(process, alone)

        def limit(modules: str = modules, peaks: list[float] = peaks) -> float:
            seconds, peak_mib = bare_import(modules)
            peaks.append(peak_mib)
            return seconds

        ours_all, limit_all = alternately(repeats, ours, limit)
        yield figure(
            f"{process.name}: start to ready",
            "s",
            ours_all,
            limit_all,
            ours_is=f"exec of `kiosk {process.name}` to READY=1",
            limit_is=_imports(process.name),
        )
    together = folder / "together"
    together.mkdir()
    seconds, peaks_mib = asyncio.run(_in_use(together))
    for name, peak_mib in peaks_mib.items():
        yield figure(
            f"{name}: peak memory",
            "MiB",
            [peak_mib],
            bare_mib[name],
            ours_is="VmHWM after a start and one deposit on the simulated machine",
            limit_is=_imports(name),
        )
    yield figure(
        "kiosk up to in service",
        "s",
        [seconds],
        [bare_import(NEEDS["watcher"])[0] for _ in range(repeats)],
        ours_is="`kiosk up`: all processes, devices identified and reconciled, first grade of the scene",
        limit_is=_imports("watcher"),
    )
