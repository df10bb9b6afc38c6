"""How a process begins and ends: exit codes for systemd, words for people, and what it does not import."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from kiosk import __version__
from kiosk.processes.entry import EXIT_CONFIG, EXIT_FAILED, PARENT_VARIABLE, run_process
from kiosk.processes.notify import ready
from kiosk.processes.table import PROCESSES, Process, process_named

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _as_before(logging_as_before: None) -> None:
    """A process sets up its own logging."""


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    """A process whose module is `body` below, in a file of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    return replace(process_named("uplink"), module=f"process_{tmp_path.name}".replace("-", "_"))


def write(process: Process, tmp_path: Path, body: str) -> None:
    text = f"from kiosk.errors import *\nimport asyncio, os, signal\nasync def run(config_path):\n    {body}\n"
    (tmp_path / f"{process.module}.py").write_text(text)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("raise ConfigError('no such key')", EXIT_CONFIG, "uplink cannot start: no such key"),
        ("raise JournalError('disk full')", EXIT_FAILED, "uplink ends: disk full"),
        ("raise ExceptionGroup('', [JournalError('disk full')])", EXIT_FAILED, "uplink ends: disk full"),
        ("raise ExceptionGroup('', [ConfigError('x'), OSError()])", EXIT_FAILED, "by a fault of its own"),
        ("raise ZeroDivisionError", EXIT_FAILED, "by a fault of its own"),
        ("raise asyncio.CancelledError", EXIT_FAILED, "by a fault of its own"),
        ("pass", 0, ""),
        ("os.kill(os.getpid(), signal.SIGTERM); await asyncio.Event().wait()", 0, ""),
        ("os.kill(os.getpid(), signal.SIGINT); await asyncio.Event().wait()", 0, ""),
    ],
)
def test_every_end_has_its_exit_code_and_its_words(
    process: Process, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, code: int, words: str
) -> None:
    write(process, tmp_path, body)
    assert run_process(process, tmp_path / "kiosk.toml") == code
    assert words in capsys.readouterr().err


def test_a_process_closes_what_it_opened_before_it_ends(process: Process, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    body = (
        "try:\n        os.kill(os.getpid(), signal.SIGTERM); await asyncio.Event().wait()\n"
        f"    finally:\n        open({str(closed)!r}, 'w').close()"
    )
    write(process, tmp_path, body)
    assert run_process(process, tmp_path / "kiosk.toml") == 0
    assert closed.exists()


def test_ready_is_told_to_whoever_started_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ready("nobody listens")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        ready("serving")
        assert listener.recv(100) == b"READY=1\nSTATUS=serving"


async def test_a_process_ends_when_kiosk_up_is_gone(tmp_path: Path) -> None:
    # The child is told of a parent that is not its own: as if that had died before the child could look.
    program = """
from kiosk.processes.entry import end_with_parent
end_with_parent()
raise SystemExit(7)
"""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=os.environ | {PARENT_VARIABLE: "1"}, cwd=ROOT
    )
    assert await child.wait() == -signal.SIGTERM


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_every_process_of_the_table_has_its_module_and_command(process: Process) -> None:
    program = f"import {process.module} as m, inspect; assert inspect.iscoroutinefunction(m.run)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=50)
    help_text = subprocess.run(
        [sys.executable, "-m", "kiosk", process.name, "--help"], check=True, cwd=ROOT, timeout=50, capture_output=True
    )
    assert b"--config" in help_text.stdout


def test_the_controller_loads_neither_opencv_nor_onnxruntime() -> None:
    program = (
        "import kiosk.__main__, kiosk.processes.controller, sys;"
        "print(sorted({'cv2', 'onnxruntime', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=50, capture_output=True)
    assert done.stdout.strip() == b"[]"


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
