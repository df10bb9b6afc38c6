"""Pictures of docs/commissioning.md, from real commands at a pseudo-terminal: `python -m scripts.commission_pictures`.

Two kiosks play: one that is commissioned from nothing at a bank of its own, up to its enrolment, and the one of the
demonstration, whose simulated cabinet is moved by hand. The folder that they lie in is left out of the pictures.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pexpect

from scripts.depositor import ScriptedDepositor, Step
from scripts.stage import Stage
from scripts.terminal_picture import COLUMNS, svg

DOCS: Final = Path(__file__).parents[1] / "docs" / "images"
PINS: Final = {"S-0042": "739155", "S-0043": "402867", "T-0007": "918234"}
PEOPLE: Final = ("S-0042:supervisor", "S-0043:staff", "T-0007:technician")
WAIT_S: Final = 180
SIGN_IN: Final = "\n[sign_in]\nsecond_factor = []\n"  # a telephone would be one more picture
# What moves each line, and back: the simulator's control page, or a command of the technician's.
MOVES: Final = {
    "door_closed": (False, True),
    "tamper": (True, False),
    "e_stop": (True, False),
    "service_key": (True, False),
    "power_good": (False, True),
}
DEPOSIT: Final = (
    Step(do="identify"),
    Step(do="until", state="cash_in"),
    Step(do="feed", notes=(100, 500, 1000, 2000, 5000, 10_000)),
    Step(do="done"),
    Step(do="confirm"),
    Step(do="until", state="done"),
    Step(do="finish"),
)
Answers = list[tuple[str, str | Callable[[], object]]]  # what is waited for; what is typed, or done, then


class Pictured:
    """Types commands and keeps what the terminal shows."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder, self.config = folder, config
        self._shown = ""

    def type(self, line: str, *words: str, answers: Answers | None = None, exits: int = 0) -> str:
        """Show `line`, run `words` (or the line's own), answer; what it printed. Raises on another exit code."""
        command = list(words) or line.split()
        program = [sys.executable, "-m", _MODULES[command[0]], *command[1:]]
        environment = {**os.environ, "KIOSK_CONFIG": str(self.config), "TERM": "xterm", "COLUMNS": str(COLUMNS)}
        child = pexpect.spawn(
            program[0], program[1:], cwd=str(self.folder), env=environment, encoding="utf-8", timeout=WAIT_S,
            dimensions=(60, COLUMNS),
        )  # fmt: skip
        child.delaybeforesend = None
        printed = ""
        for awaited, answer in answers or []:
            child.expect(awaited)
            printed += str(child.before) + str(child.after)
            if callable(answer):
                answer()
            else:
                child.sendline(answer)
        child.expect(pexpect.EOF)
        printed += str(child.before)
        child.close()
        if child.exitstatus != exits:
            raise SystemExit(f"{line}: {child.exitstatus}\n{printed}")
        self._shown += f"\x1b[1m# {line}\x1b[0m\n{printed.rstrip()}\n"
        return printed

    def picture(self, name: str, label: str) -> None:
        """All that was typed since the last picture."""
        text = self._shown.replace(f"{self.folder}", "").replace("//", "/")
        (DOCS / f"commission-{name}.svg").write_text(svg(text, label), encoding="utf-8")
        self._shown = ""


_MODULES: Final = {"kioskctl": "kiosk.processes.kioskctl", "kiosk-cloud": "kiosk_cloud.cli"}


def enrolment(folder: Path) -> None:
    """From nothing to the bank's answer."""
    etc = folder / "etc" / "kiosk"
    at = Pictured(folder, etc / "kiosk.toml")
    subprocess.run(
        [sys.executable, "-m", "kiosk_cloud.cli", "provision", "--dir", "bank", "--kiosk", "first-0001"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    at.type("kioskctl commission next", exits=1)
    rules = f"{folder}/etc/udev/rules.d/60-kiosk.rules"
    Path(rules).parent.mkdir(parents=True)
    assign = "--assign validator=FT4ZX1 --assign board=A50285BI --assign label=FT51QA --by T-0007"
    at.type(f"kioskctl commission devices {assign}", *f"kioskctl commission devices {assign} --rules {rules}".split())
    site = "--kiosk village-0007 --branch branch-7 --staff S-0001 --broker mqtt.bank.example"
    at.type(f"kioskctl commission configure {site}", answers=[("staff id: ", "T-0007")])
    at.picture("1-configuration", "commission next, devices and configure at a terminal")
    for place in ("/var/lib/kiosk-watcher", "/var/lib/kiosk-uplink", "/var/lib/kiosk", "/run/kiosk", "/etc/kiosk"):
        text = at.config.read_text().replace(f'"{place}', f'"{folder}{place}')
        at.config.write_text(text)
    stick = folder / "media" / "stick"
    stick.mkdir(parents=True)
    request, answer = stick / "village-0007.request", stick / "village-0007.answer"
    at.type(f"kioskctl commission request --out {request} --by T-0007")
    at.picture("2-request", "commission request: the kiosk's own keys and the fingerprint to read out")
    shown = at.type(f"kiosk-cloud enrol show {request}")
    digits = re.findall(r"fingerprint +([0-9a-f ]+)", shown)[0].strip()
    approve = f"kiosk-cloud enrol approve --dir bank {request} --out {answer} --fingerprint"
    at.type(f'{approve} "{digits}"', *approve.split(), digits)
    letter = at.type("kiosk-cloud enrol bank --dir bank").strip()
    at.picture("3-bank", "At the bank: enrol show, approve, and the bank's own fingerprint")
    enrol = f"kioskctl commission enrol {answer} --by T-0007 --bank"
    at.type(f'{enrol} "{letter}"', *enrol.split(), letter)
    at.type("kioskctl commission next", exits=1)
    at.picture("4-enrolled", "commission enrol, and what comes next")


async def first_start(folder: Path) -> None:
    """People, pins, camera, models and a first deposit at the running kiosk."""
    stage = Stage(folder, print, tables=SIGN_IN)
    try:
        await stage.up()
        at = Pictured(folder, folder / "kiosk.toml")
        loop = asyncio.get_running_loop()

        def world(path: str, body: dict[str, Any]) -> object:
            return asyncio.run_coroutine_threadsafe(stage.world(path, body), loop).result(WAIT_S)

        await asyncio.to_thread(_looked_at, at, world)
        depositor = ScriptedDepositor(stage)
        await depositor.perform(DEPOSIT)
        await stage.wait(stage.settled, "kiosk")
        same: Answers = [(rf"Does the {name} have .*\]: ", "y") for name in ("screen", "receipt", "label", "bank")]
        await asyncio.to_thread(at.type, "kioskctl commission golden --by T-0007", answers=same)
        await asyncio.to_thread(at.type, "kioskctl commission next")
        at.picture("7-golden", "commission camera, calibration and golden, and every step with what was seen")
    finally:
        await stage.down()


def _looked_at(at: Pictured, world: Callable[[str, dict[str, Any]], object]) -> None:
    typed: Answers = []
    for staff in PINS:
        typed += [(f"PIN of {staff}[^:]*: ", PINS[staff]), ("epeat[^:]*: ", PINS[staff])]
    at.type(f"kioskctl people found {' '.join(PEOPLE)}", answers=typed)
    at.picture("5-people", "people found: the first people, each with a PIN")
    moved: Answers = [
        (f"{line}: [a-z' ]+\r?\n", partial(world, "/line", {"line": line, "value": level}))
        for line, levels in MOVES.items()
        for level in levels
    ]
    only = " ".join(f"--only {line}" for line in MOVES)
    at.type(f"kioskctl commission pins {only} --by T-0007", answers=moved)
    _service(at, "enter")
    for line in ("shutter_closed", "shutter_opened"):
        driven: Answers = [
            (f"{line}: at another terminal", partial(_service, at, "open")),
            (f"{line}: service close", partial(_service, at, "close")),
        ]
        at.type(f"kioskctl commission pins --only {line} --by T-0007", answers=driven)
    _service(at, "leave")
    at.picture("6-pins", "commission pins: each input moved by hand, expected and seen")
    at.type("kioskctl commission camera --by T-0007")
    at.type("kioskctl commission calibration --by T-0007")


def _service(at: Pictured, *words: str) -> None:
    """A technician at another terminal."""
    child = subprocess.Popen(
        [sys.executable, "-m", "kiosk.processes.kioskctl", "service", *words, "--as", "T-0007", "--pin-stdin"],
        cwd=at.folder, env={**os.environ, "KIOSK_CONFIG": str(at.config)}, stdin=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdin is not None
    child.stdin.write(f"{PINS['T-0007']}\n")
    child.stdin.close()
    child.wait(WAIT_S)


def main() -> None:
    """Both kiosks, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("enrolment", "start"), help="one half of the pictures")
    only = parser.parse_args().only
    DOCS.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="commission-"))
    try:
        if only != "start":
            enrolment(folder)
        if only != "enrolment":
            asyncio.run(first_start(folder / "start"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
