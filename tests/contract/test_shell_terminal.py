"""The shell at a real terminal, against the real controller and simulated hardware."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from hwsim.scene import HEIGHT, WIDTH
from kiosk.guarantee.one_time import STEP_S, code_at
from kiosk.maintenance.session import Exit
from tests.shell_kit import ENTERED, PINS, ROLES, Field, Terminal, environment, kioskctl

IDLE_S = 30
pytestmark = pytest.mark.timeout(180)
WHOLE = pytest.mark.skipif(
    not os.environ.get("SHELL_TEST"), reason="make shell-test: the controller is started again and again"
)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    tables = f'\n[sign_in]\nsecond_factor = ["technician"]\nidle_s = {IDLE_S}\n'
    made = Field(tmp_path_factory.mktemp("field"), tables)
    try:
        everybody = [f"{staff}:{role}" for staff, role in ROLES.items()]
        founded = kioskctl(made.folder, "people", "found", *everybody, "--pin-stdin", typed="\n".join(PINS.values()))
        assert founded.exit_code == Exit.OK, founded.stderr
        yield made
    finally:
        made.close()


def test_a_technicians_day(field: Field) -> None:
    shell = Terminal(field.folder)
    assert "in service" in shell.prompt()
    enrolled = shell.sign_in("carl")
    assert "needs one here" in enrolled
    assert "people second-factor --as carl" in enrolled
    shell.child.send("people second-factor --as carl\r")
    shell.answer("PIN of carl", PINS["carl"])
    shown = shell.see(r"or type it: [A-Z2-7]+")
    assert "█" in shown or "▄" in shown, "a QR code"
    secret = base64.b32decode(re.findall(r"or type it: ([A-Z2-7]+)", shown)[0])
    at_s = int(time.time()) // STEP_S * STEP_S
    shell.answer("Code of carl", code_at(secret, at_s - STEP_S))
    assert "from now on" in shell.prompt()

    assert "carl (technician)>" in shell.sign_in("carl", secret, at_s)
    assert "every step is as expected" in shell.type("test board")
    assert "it could be done now" in shell.type("service enter --dry-run")
    assert "to undo it: kioskctl service leave" in shell.type("service enter")
    assert "OUT OF SERVICE" in shell.type("status | match OUT")
    assert "seen: opened: yes, closed again: yes" in shell.type("service jog shutter")
    assert "service mode has ended" in shell.type("service leave")
    assert re.search(r"\n\s*1\r?\n", "\n" + shell.type("show log | match signed_in | count"))
    assert "may not ask for this" in shell.type("report z")
    assert "signed out" in shell.type("sign-out")
    assert shell.leave() == Exit.OK


def test_completion_help_and_history(field: Field) -> None:
    shell = Terminal(field.folder)
    shell.prompt()
    shell.child.send("stat\t")
    shell.see("us\\x1b")  # the rest of the word
    shell.child.send("\r")
    shell.see(ENTERED)
    assert "waits for a depositor" in shell.prompt()
    shell.child.send("exchange st?")
    assert "Ask for an exchange" in shell.see("Ask for an exchange")
    shell.child.send("\x15")
    shell.type("739155")
    shell.type("approvals")
    shell.child.send("\x1b[A")
    shell.see("approvals")
    shell.child.send("\r")
    shell.see(ENTERED)
    shell.prompt()
    shell.leave()
    kept = (field.folder / "home" / "kioskctl" / "history").read_text()
    assert "739155" not in kept
    assert "approvals" in kept


def test_nobody_gets_out(field: Field) -> None:
    shell = Terminal(field.folder)
    shell.prompt()
    for key in ("\x1a", "\x18\x05", "\x1c", "\x1b!"):  # Ctrl-Z, Ctrl-X Ctrl-E, Ctrl-backslash, Meta-!
        shell.child.send(key)
    shell.child.send("\x15")
    for typed in ("!sh", "status; sh", "status | sh", "status > file", "$(sh)", "watch !sh"):
        assert "kioskctl:" in shell.type(typed), typed
    assert not (field.folder / "file").exists()
    assert shell.child.isalive()
    assert shell.leave() == Exit.OK


def test_a_script_gets_json_and_exit_codes(field: Field) -> None:
    looked = kioskctl(field.folder, "status", "--json")
    assert looked.exit_code == Exit.OK
    assert json.loads(looked.stdout)["in_service"]
    wrong = kioskctl(field.folder, "reset", "--as", "ben", "--pin-stdin", "--json", typed="000111\n")
    assert wrong.exit_code == Exit.NOT_ALLOWED
    assert json.loads(wrong.stdout)["code"] == "wrong_pin"
    assert kioskctl(field.folder, "watch", "-n", "0.5", "--count", "2", "show", "units").exit_code == Exit.OK
    assert kioskctl(field.folder, "watch", "reset").exit_code == Exit.FAILED
    alone = subprocess.run(
        [sys.executable, "-m", "kiosk.processes.kioskctl"],
        cwd=field.folder, env=environment(field.folder), stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    assert alone.returncode == Exit.USAGE, "no terminal, no shell"


def signed(field: Field, staff: str, *words: str) -> str:
    result = kioskctl(field.folder, *words, "--as", staff, "--pin-stdin", typed=f"{PINS[staff]}\n")
    assert result.exit_code == Exit.OK, result.stdout + result.stderr
    return result.stdout


def events(field: Field) -> list[str]:
    """What the newest leaves say, the newest first."""
    return [row["event"] for row in json.loads(signed(field, "emil", "show", "log", "--json"))["rows"]]


@pytest.mark.parametrize(("device", "begins"), [("validator", "7f"), ("board", "01 04")])  # STX; unit 1, FC04
def test_what_goes_over_a_line_is_written_down_and_read_again(field: Field, device: str, begins: str) -> None:
    name = f"{device}.capture"
    assert "rows; read it with" in signed(field, "emil", "capture", device, name, "--seconds", "2")
    assert "capture_begun" in events(field)[:2]  # the look itself may be the newest
    replayed = kioskctl(field.folder, "replay", name, "--json")
    assert replayed.exit_code == Exit.OK, replayed.output
    rows = [json.loads(line) for line in replayed.stdout.splitlines()]
    assert {row["from"] for row in rows} == {"host", "device"}, "polls and their answers"
    assert all(row["hex"].startswith(begins) for row in rows if row["from"] == "host")
    if device == "validator":
        explained = kioskctl(field.folder, "replay", name, "--json", "--protocol", "ssp")
        assert all(json.loads(line)["ok"] for line in explained.stdout.splitlines()[1:-1]), "sound frames"


@WHOLE
def test_what_the_camera_gives_is_kept_blurred_and_read_again(field: Field) -> None:
    field.look()
    try:
        assert "everybody in it is blurred" in signed(
            field, "emil", "capture", "camera", "camera.zip", "--seconds", "3"
        )
        assert "capture_begun" in events(field)[:2]  # the look itself may be the newest
        replayed = kioskctl(field.folder, "replay", "camera.zip", "--json", "--page", "camera.html")
        rows = [json.loads(line) for line in replayed.stdout.splitlines()]
        assert len(rows) >= 4
        assert all((row["width"], row["height"]) == (WIDTH, HEIGHT) and row["brightness"] > 10 for row in rows)
        assert (field.folder / "camera.html").read_text().count("<img") == len(rows)
    finally:
        field.stop("watcher")
    nobody = kioskctl(
        field.folder, "capture", "camera", "again.zip", "--as", "emil", "--pin-stdin", typed=f"{PINS['emil']}\n"
    )
    assert nobody.exit_code == Exit.FAILED
    assert "the watcher is not there" in nobody.stderr


@WHOLE
def test_pins_are_moved_by_hand_one_by_one(field: Field) -> None:
    words = ("--only", "e_stop", "--only", "door_closed", "--by", "T-0007", "--config", "kiosk.toml")
    pins = Terminal(field.folder, "commission", "pins", *words)
    for line, move, back in (
        ("door_closed", ("open the cabinet's door", False), ("close it", True)),
        ("e_stop", ("press the emergency stop", True), ("release it", False)),
    ):
        for asked, level in (move, back):
            pins.see(asked)
            field.world("/line", {"line": line, "value": level})
        pins.see(f"ok +{line}: expected .*; seen ")
    pins.child.expect(pexpect.EOF)
    pins.child.close()
    assert pins.child.exitstatus == Exit.OK
    assert events(field).count("commissioned") == 2


@WHOLE
def test_whoever_types_nothing_is_signed_out(tmp_path: Path) -> None:
    field = Field(tmp_path, "\n[sign_in]\nsecond_factor = []\nidle_s = 5\n")
    try:
        everybody = [f"{staff}:{role}" for staff, role in ROLES.items()]
        typed = "\n".join(PINS.values())
        assert kioskctl(tmp_path, "people", "found", *everybody, "--pin-stdin", typed=typed).exit_code == Exit.OK
        shell = Terminal(tmp_path)
        shell.prompt()
        assert "anna (supervisor)>" in shell.sign_in("anna")
        shell.see("signed out: nothing was typed for 5 s")
        assert "anna" not in shell.prompt()
        assert "nobody is signed in" in shell.type("whoami")
        assert shell.leave() == Exit.OK
    finally:
        field.close()


@WHOLE
def test_a_session_ends_when_nothing_is_typed_and_with_the_controller(field: Field) -> None:
    shell = Terminal(field.folder)
    shell.prompt()
    assert "anna (supervisor)>" in shell.sign_in("anna")
    field.stop("controller", signal.SIGKILL)
    assert "no controller serves" in shell.type("units")
    field.start()
    assert "This session has ended" in shell.type("show log")
    assert "nobody is signed in" in shell.type("whoami")
    shell.leave()


@WHOLE
def test_a_limit_takes_two_and_is_tentative(field: Field) -> None:
    key = "limits.CNY.deposit_minor_max"
    shown = kioskctl(field.folder, "set", key, "250000", "--dry-run").stdout
    assert f"- {key} = 5000000\n+ {key} = 250000\n" in shown
    assert "another supervisor" in shown
    number = re.findall(r"request (\d+) waits for supervisor", signed(field, "ben", "set", key, "250000"))[0]
    assert "carried out" in signed(field, "anna", "approve", number)
    field.stop("controller", signal.SIGKILL)
    field.start()
    shown = kioskctl(field.folder, "set", "show").stdout
    assert re.search(rf"{key} +250000  TENTATIVE, set by ben and anna, \S+Z; configured: 5000000", shown)
    assert "is undone in" in shown
    signed(field, "ben", "set", "revert")
    assert "TENTATIVE" not in kioskctl(field.folder, "set", "show").stdout


@WHOLE
def test_a_bundle_and_a_backup_are_carried_away_and_taken_back(field: Field) -> None:
    assert "bytes" in signed(field, "emil", "bundle", "make", "bundle.zip")
    keys = json.loads(kioskctl(field.folder, "keys", "show", "--json").stdout)
    kid = next(key["kid"] for key in keys if key["purpose"] == "record")
    verified = kioskctl(field.folder, "bundle", "verify", "bundle.zip", "--kid", kid)
    assert verified.exit_code == Exit.OK, verified.stderr
    with zipfile.ZipFile(field.folder / "bundle.zip") as archive:
        text = "".join(archive.read(name).decode(errors="replace") for name in archive.namelist())
    assert not any(staff in re.findall(r'"([a-z]+)"', text) for staff in PINS), "staff ids are replaced"
    assert "0123456701234567" not in text

    signed(field, "anna", "backup", "journal.copy")
    running = kioskctl(field.folder, "restore", "journal.copy")
    assert "the controller runs" in running.stderr
    field.stop("controller")
    restored = kioskctl(field.folder, "restore", "journal.copy")
    assert restored.exit_code == Exit.OK, restored.stderr
    assert "it rolls nothing back" in restored.stdout
    field.start()
    assert kioskctl(field.folder, "status").exit_code == Exit.OK
    field.stop("controller")
    refused = kioskctl(field.folder, "restore", "journal.copy")
    assert refused.exit_code == Exit.FAILED
    assert "nobody signed for that" in refused.stderr
    field.start()
