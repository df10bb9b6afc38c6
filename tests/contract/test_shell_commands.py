"""Every command of the shell, typed at a real pseudo-terminal, at the real controller: `make shell-test`.

What each does to money and machine is shown elsewhere; here each is reached, understood and answered in words, by
somebody who may, one after another as in a long day. A command that is not in the table fails.
"""

import os
import re
from pathlib import Path
from typing import Final

import pytest

from kiosk.maintenance.cli import build
from kiosk.maintenance.session import Exit
from kiosk.processes.kioskctl import SSP
from tests.shell_kit import ENTERED, PINS, ROLES, Field, Terminal, kioskctl

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not os.environ.get("SHELL_TEST"), reason="make shell-test: some ninety commands at a terminal"),
]
NOBODY: Final = "00" * 16
POLL: Final = "7f8001071202"
POLL_SAID: Final = '{"address": 0, "sequence": 1, "code": 7, "data": ""}'
END: Final = "\x04"  # Ctrl-D: the end of what is typed into a command
NEW: Final = (("New PIN of [a-z]+", "271828"), ("(?i)repeat", "271828"))
# Who types it (empty: nobody is signed in), what, what is asked and answered then, what is shown.
Row = tuple[str, str, tuple[tuple[str, str], ...], str]
DAY: Final[tuple[Row, ...]] = (
    ("", "status", (), "waits for a depositor"),
    ("", "watch --count 1 status", (), "waits for a depositor"),
    ("", "show status", (), "waits for a depositor"),
    ("", "show devices", (), "validator"),
    ("", "show notes", (), "no notes"),
    ("", "show units", (), "cabinet"),
    ("", "units", (), "cabinet"),
    ("", "show risk", (), "scene"),
    ("", "risk map machine", (), "machine"),
    ("", "show config", (), r"kiosk\.id +="),
    ("", "config show kiosk.toml", (), r"kiosk\.id +="),
    ("", "config check kiosk.toml", (), "can be used"),
    ("", "set show", (), r"timing\.confirm_s"),
    ("", "service show", (), "."),
    ("", "exchange show", (), "cabinet"),
    ("", "report x", (), "."),
    ("", "report list", (), "."),
    ("", "approvals", (), "."),
    ("", "dispute list", (), "."),
    ("", "keys show", (), "record"),
    ("", "model list", (), "scene"),
    ("", "people list", (), "anna"),
    ("", "whoami", (), "nobody is signed in"),
    ("", "people found anna:supervisor", NEW, "enrolled here already"),
    ("", "decode ssp --sender host", (("", POLL), ("encoded", END)), '"ok": ?true'),
    ("", "encode ssp", (("", POLL_SAID), (f"{POLL}\r", END)), POLL),
    ("", "commission next --config kiosk.toml", (), "done +configuration"),
    ("", "commission devices", (), "."),
    (
        "", "commission configure --kiosk a --branch b --staff S-1 --broker h --by T-7 --config kiosk.toml", (),
        "is there already",
    ),
    ("", "commission request --by T-7 --config kiosk.toml", (), "fingerprint"),
    ("", "commission enrol kiosk.toml --bank ab --by T-7 --config kiosk.toml", (), "kioskctl:"),
    ("", "commission pins --only tamper --seconds 1 --by T-7 --config kiosk.toml", (), "WRONG tamper: expected"),
    ("", "commission camera --seconds 3 --by T-7 --config kiosk.toml", (), "the lens is absent"),
    ("", "commission calibration --by T-7 --config kiosk.toml", (), "packaged grades"),
    ("", "commission golden --by T-7 --config kiosk.toml", (), "nobody has deposited anything today"),
    ("", "bundle verify kiosk.toml", (), "kioskctl:"),
    ("", "replay kiosk.toml", (), "is none of a capture"),
    ("", "restore kiosk.toml --dry-run", (), "kioskctl:"),
    ("emil", "show journal", (), "Reconciled"),
    ("emil", "show log", (), "leaves, root"),
    ("emil", "show outbox", (), "records wait"),
    ("emil", "bundle make day.zip", (), "personal data and secrets are taken out"),
    ("emil", "backup day.copy", (), "the journal, all of it"),
    ("emil", "capture board day.capture --seconds 1", (), "rows; read it with"),
    ("emil", "people pin", NEW, "."),
    ("carl", "test lines", (), "every step is as expected"),
    ("carl", "service enter", (), "to undo it"),
    ("carl", "service open", (), "open end reached"),
    ("carl", "service close", (), "closed end reached"),
    ("carl", "service home", (), "seen"),
    ("carl", "service jog lamp", (), "seen"),
    ("carl", "service leave", (), "service mode has ended"),
    ("carl", "service clear --where tray --found 0", (), "."),
    ("carl", "reset", (), "carried out|cannot begin in the state resetting"),
    ("carl", "accept-device validator 1", (), "."),
    ("carl", "set timing.confirm_s 90", (), r"\+ timing\.confirm_s = 90"),
    ("carl", "set confirm", (), "carried out"),
    ("carl", "set value timing.confirm_s 120", (), r"\+ timing\.confirm_s = 120"),
    ("carl", "set revert", (), "carried out"),
    ("carl", "model install kiosk.toml", (), "kioskctl:"),
    ("carl", "model rollback scene --to 0", (), "kioskctl:"),
    ("carl", "model calibrate scene", (), "are needed"),
    ("carl", "keys rotate record", (), "kioskctl:"),
    ("carl", "people second-factor", (("Code of carl", "000000"),), "This is not the code"),
    ("carl", "people duress", (("PIN for duress of carl", "314159"), ("(?i)repeat", "314159")), "done"),
    ("carl", "sign-out", (), "signed out"),
    ("ben", "people enrol gus --role courier", NEW, "waits for supervisor"),
    ("ben", "withdraw 10", (), "."),
    ("ben", "people renew dora", NEW, "waits for supervisor"),
    ("ben", "people revoke dora", (), "waits for supervisor"),
    ("anna", "approve 1", (), "."),
    ("anna", "carry-out 1", (), "."),
    ("anna", "exchange start --unit cabinet", (), "waits for"),
    ("anna", "exchange take B00000001", (), "kioskctl:"),
    ("anna", "exchange miss B00000001", (), "kioskctl:"),
    ("anna", "exchange remove cabinet", (), "kioskctl:"),
    ("anna", "exchange insert cabinet --serial 1", (), "kioskctl:"),
    ("anna", "exchange end", (), "kioskctl:"),
    ("anna", "exchange slip", (), "."),
    ("anna", "count post B00000001 --cash 1x100:CNY", (), "."),
    (
        "anna", f"dispute clear {NOBODY} --note 1 --resolution bank --evidence twelve-letters", (),
        "kioskctl:",
    ),
    ("anna", "report z", (), "carried out"),
    ("anna", "report show", (), "."),
)  # fmt: skip
OWN: Final = {"sign-in", "shell"}  # typed for every person here; the shell itself


def commands() -> set[str]:
    """As they are typed in the shell."""

    def below(group: object, path: str) -> set[str]:
        found: set[str] = set()
        for name, command in getattr(group, "commands", {}).items():
            here = f"{path} {name}".strip()
            found |= below(command, here) if hasattr(command, "commands") else {here}
        return found

    return below(build([SSP], inside=True), "")


def test_every_command_is_typed() -> None:
    typed = {command for command in commands() for _, line, _, _ in DAY if f"{line} ".startswith(f"{command} ")}
    typed |= {"set value"}
    assert commands() - typed - OWN == set()


def test_a_long_day(tmp_path: Path) -> None:
    field = Field(tmp_path, "\n[sign_in]\nsecond_factor = []\nidle_s = 3600\n")
    try:
        everybody = [f"{staff}:{role}" for staff, role in ROLES.items()]
        founded = kioskctl(tmp_path, "people", "found", *everybody, "--pin-stdin", typed="\n".join(PINS.values()))
        assert founded.exit_code == Exit.OK, founded.stderr
        shell, present, wrong = Terminal(tmp_path), "", []
        shell.prompt()
        for who, line, answers, expected in DAY:
            if who != present:
                assert f"{who} (" in shell.sign_in(who)
                present = who
            shell.child.send(f"{line}\r")
            shown = shell.see(ENTERED)
            for question, answer in answers:
                shown += shell.see(question)
                (shell.child.send if answer == END else shell.child.sendline)(answer)
            shown += shell.prompt()
            present = "" if line == "sign-out" else present
            if not re.search(expected, shown) or "Traceback" in shown or "No such command" in shown:
                wrong.append(f"--- {line}\n{shown}")
        assert not wrong, "\n".join(wrong)
        assert shell.leave() == Exit.OK
    finally:
        field.close()
