"""`make boot-test`: the package in a Debian that really boots systemd, in a container without a network.

A chroot can show that units are accepted, not that the programs live within them: here each one starts under its own
system call filter, address families, device list and user, is ended by the watchdog when it stands still, and the
controller that keeps dying ends out of service. Commissioned with `kioskctl commission` and `kiosk-cloud enrol`.
Needs root, systemd-nspawn (Debian package systemd-container) and `make deb`; ends with one line of JSON.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kiosk.processes.table import PROCESSES, SCREEN
from tests.packages import chroot

KIOSK: Final = "boot-0001"
WAIT_S_MAX: Final = 120.0
LOOK_S: Final = 0.5
KILLS_MAX: Final = 40


class Machine:
    """The booted container."""

    def __init__(self, root: Path) -> None:
        options = ("--register=no", "--keep-unit", "--private-network", "--console=pipe")
        self._nspawn = subprocess.Popen(
            ["systemd-nspawn", "-D", str(root), *options, "/usr/lib/systemd/systemd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run it inside as root."""
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        enter = ["nsenter", "-t", children[0] if children else "0", "-m", "-u", "-i", "-n", "-p"]
        return subprocess.run([*enter, *command], check=False, capture_output=True, text=True, timeout=60)

    def show(self, unit: str, what: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", unit, "--value", "-p", what).stdout.strip()

    def halt(self) -> None:
        """Shut it down; by force if it does not."""
        self._nspawn.terminate()
        try:
            self._nspawn.wait(30)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()


def until(reached: Callable[[], bool], limit_s: float = WAIT_S_MAX) -> bool:
    """Whether it was reached in time."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        if reached():
            return True
        time.sleep(LOOK_S)
    return False


@contextmanager
def installed(package: Path) -> Iterator[Path]:
    """A root with the package, commissioned at a bank of its own; gone afterwards."""
    lower = chroot.tree("amd64")
    with tempfile.TemporaryDirectory(prefix="boot-amd64-", dir=lower.parent) as name:
        folder = Path(name)
        inside = chroot.Chroot(lower, folder)
        inside.put(package, "/srv/package.deb")
        _well(inside.run("dpkg", "-i", "/srv/package.deb"))
        _commission(inside, folder / "bank")
        layers = f"lowerdir={lower},upperdir={folder / 'upper'},workdir={folder / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(folder / "root")], check=True)
        try:
            yield folder / "root"
        finally:
            subprocess.run(["umount", str(folder / "root")], check=True)


def _commission(inside: chroot.Chroot, bank: Path) -> None:
    def cloud(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "kiosk_cloud.cli", *words], check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()

    cloud("provision", "--dir", str(bank), "--kiosk", "first-0001")
    site = (
        "--kiosk",
        KIOSK,
        "--branch",
        "branch-1",
        "--staff",
        "S-0001",
        "--broker",
        "mqtt.bank.example",
        "--by",
        "T-0001",
    )
    _well(inside.run("kioskctl", "commission", "configure", *site))
    said = _well(inside.run("kioskctl", "commission", "request", "--out", "/srv/request", "--by", "T-0001", "--json"))
    asked, answer = inside.path("/srv/request"), inside.path("/srv/answer")
    printed = json.loads(said.splitlines()[-1])["fingerprint"]
    cloud("enrol", "approve", "--dir", str(bank), str(asked), "--fingerprint", printed, "--out", str(answer))
    letter = cloud("enrol", "bank", "--dir", str(bank))
    _well(inside.run("kioskctl", "commission", "enrol", "/srv/answer", "--bank", letter, "--by", "T-0001"))


def _well(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise SystemExit(f"boot-test: {done.args[-4:]}: {done.stdout[-2000:]}")
    return str(done.stdout)


def checked(machine: Machine) -> Iterator[tuple[str, bool]]:
    """What must hold, one after another."""
    running = ("running", "degraded")
    yield "systemd is up", until(lambda: machine.run("systemctl", "is-system-running").stdout.strip() in running)
    for process in PROCESSES:
        yield f"{process.unit} is ready", until(lambda unit=process.unit: machine.show(unit, "SubState") == "running")  # type: ignore[misc]
    retry = until(lambda: machine.show("kiosk-retry.timer", "ActiveState") == "active")
    yield "a screen without a display is tried again later", retry and machine.show(SCREEN.unit, "Result") != "success"
    asked = ("kioskctl", "status", "--json")
    done = machine.run("runuser", "-u", "kiosk-maintenance", "--", *asked)
    yield "the maintenance user is answered: out of service, there are no devices", done.returncode == 3
    yield "another user is not", machine.run("runuser", "-u", "kiosk-terminal", "--", *asked).returncode == 4
    pid = machine.show("kiosk-controller.service", "MainPID")
    network = machine.run("cat", f"/proc/{pid}/net/dev").stdout.splitlines()[2:]
    yield "the controller has no network", [line.split(":")[0].strip() for line in network] == ["lo"]
    before = machine.show("kiosk-terminal.service", "MainPID")
    machine.run("systemctl", "kill", "-s", "STOP", "kiosk-terminal.service")
    yield (
        "the watchdog ends what stands still, and it starts again",
        until(lambda: machine.show("kiosk-terminal.service", "MainPID") not in (before, "0")),
    )
    for _ in range(KILLS_MAX):
        machine.run("systemctl", "kill", "-s", "KILL", "kiosk-controller.service")
        time.sleep(1)
        if machine.show("kiosk-controller.service", "ActiveState") == "failed":
            break
    yield "a controller that keeps dying stays down", _down(machine)
    log = ("journalctl", "--no-pager", "-u", "kiosk-out-of-service")
    yield (
        "and the kiosk is out of service, with what to do",
        until(lambda: "OUT OF SERVICE" in (said := machine.run(*log).stdout) and "Guard the port" in said),
    )
    machine.run("systemctl", "start", "kiosk-retry.service")
    yield "trying the others again does not start it", _down(machine)
    machine.run("systemctl", "reset-failed")
    machine.run("systemctl", "restart", "kiosk.target")
    yield "a technician does", until(lambda: machine.show("kiosk-controller.service", "SubState") == "running")


def _down(machine: Machine) -> bool:
    return machine.show("kiosk-controller.service", "ActiveState") == "failed"


def main() -> int:
    """Boot, check, halt."""
    packages = sorted((chroot.ROOT / "dist").glob("deposit-kiosk_*_amd64.deb"))
    if not packages or shutil.which("systemd-nspawn") is None:
        print("boot-test: needs `make deb` and Debian's systemd-container", file=sys.stderr)
        return 2
    failed = []
    with installed(packages[-1]) as root:
        machine = Machine(root)
        try:
            for words, held in checked(machine):
                print(f"  {'ok  ' if held else 'FAIL'} {words}", flush=True)
                failed += [] if held else [words]
            if failed:
                print(machine.run("journalctl", "--no-pager", "-n", "60").stdout, file=sys.stderr)
        finally:
            machine.halt()
    print(json.dumps({"boot_test": "failed" if failed else "ok", "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
