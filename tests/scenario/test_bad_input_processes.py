"""Bad input at the door of the real processes: they end with one clear line, a remedy and the right exit code."""

import contextlib
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from kiosk.config import load_config
from kiosk.processes.controller import open_journal
from kiosk.processes.entry import EXIT_CONFIG, EXIT_FAILED
from kiosk_cloud.provision import Plan, provision

LIMIT_S: Final = 30.0
TOML: Final = """
[kiosk]
id = "demo-0001"
branch = "demo"
staff = "staff-1"
[paths]
state_dir = "kiosk"
bus_dir = "bus"
[bus]
single_user = true
[validator]
port = "dev/validator"
[board]
port = "dev/board"
[label_printer]
port = "dev/label"
[gpio]
factory = "pigpio"
port = 1
[camera]
source = "/dev/video9"
[uplink]
ca = "pki/ca.pem"
cert = "pki/kiosk.pem"
key = "pki/kiosk.key"
[[uplink.brokers]]
host = "localhost"
port = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    provision(Plan(tmp_path, "demo-0001", port=1), datetime.now(UTC))
    (tmp_path / "kiosk.toml").write_text(TOML)
    return tmp_path


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Exit code and everything that was said."""
    ended = subprocess.run(
        [sys.executable, "-m", "kiosk", *command, "--config", str(folder / "kiosk.toml")],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert "Traceback" not in ended.stdout, ended.stdout
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(
    ("process", "setting", "words"),
    [
        ("up", "watchdog = 5", ["board.watchdog is no", "watchdog_ms"]),
        ("controller", "unit = 300", ["board.unit cannot be 300", "from 1 to 247"]),
        ("watcher", "watchdog = 5", ["board.watchdog is no", "watchdog_ms"]),
        ("uplink", 'unit = "one"', ["board.unit cannot be 'one'", "a whole number"]),
    ],
)
def test_a_wrong_setting_ends_every_process_with_its_name_and_what_is_allowed(
    folder: Path, process: str, setting: str, words: list[str]
) -> None:
    (folder / "kiosk.toml").write_text(TOML.replace('port = "dev/board"', f'port = "dev/board"\n{setting}'))
    code, said = run(folder, process)
    assert code == EXIT_CONFIG
    for word in words:
        assert word in said


def test_a_second_controller_says_that_there_is_one(folder: Path) -> None:
    journal = open_journal(load_config(folder / "kiosk.toml"))
    try:
        code, said = run(folder, "controller")
    finally:
        journal.close()
    assert code == EXIT_FAILED
    assert "another controller uses" in said
    assert "Stop the other controller first" in said


def test_a_journal_of_a_newer_version_says_what_to_install(folder: Path) -> None:
    open_journal(load_config(folder / "kiosk.toml")).close()
    with contextlib.closing(sqlite3.connect(folder / "kiosk" / "journal.db")) as other:
        other.execute("PRAGMA user_version = 99")
    code, said = run(folder, "controller")
    assert code == EXIT_FAILED
    assert "written by a newer version (schema 99" in said
    assert "Install the newer version again" in said


def test_a_missing_key_says_which_and_is_not_tried_again(folder: Path) -> None:
    (folder / "kiosk" / "keys" / "record.key").unlink()
    code, said = run(folder, "up", "--only", "controller")
    assert code == EXIT_CONFIG
    assert "record.key" in said
    assert "is not started again" in said
