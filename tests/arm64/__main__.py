"""`make arm64-test`: the arm64 package, installed in a Debian of that architecture under qemu-user, makes a deposit.

The kiosk's processes are the package's own, emulated; the simulated cabinet, the broker and the bank run on this
machine beside them, over the same ptys and sockets. Then the bank's store is verified, and each process's peak memory
held against its budget for a board of 512 MB (docs/install.md). Ends with one line of JSON; exit code 1 when something
is wrong.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kiosk.messages import LookedUp, LookUp
from kiosk.processes.table import PROCESSES
from scripts.demo import minor
from scripts.depositor import ACCOUNTS, ScenarioFailed, ScriptedDepositor, Step
from scripts.stage import Stage, StageFailed
from tests.arm64.memory import Peak, look
from tests.packages import chroot

READY_S_MAX: Final = 900.0  # a process imports for a minute under qemu on a busy machine
LOOK_S: Final = 1.0
NOTES: Final = (10_000, 5_000, 2_000)
# Emulation is some ten times slower: the board must not give the kiosk up, nor the kiosk the depositor.
TIMING: Final = "idle_s = 600\nconfirm_s = 600\nresult_s = 600\nassess_s = 10\ntake_s = 300"
BOARD_MIB: Final = 372  # of 512 MB: what Debian without a desktop leaves there, less a reserve
Say = Callable[[str], None]
_ENTER: Final = """
set -e
root=$1 folder=$2
shift 2
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mkdir -p "$root$folder"
mount --bind "$folder" "$root$folder"
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}


def installed(package: Path) -> Path:
    """A tree with the package in it; kept, and made anew for another package."""
    lower = chroot.tree("arm64")
    target = lower.parent / "installed-arm64"
    stamp = hashlib.sha256(package.read_bytes()).hexdigest()
    if not (target / "stamp").exists() or (target / "stamp").read_text() != stamp:
        print(f"arm64-test: installing {package.name} (minutes)", flush=True)
        shutil.rmtree(target, ignore_errors=True)
        inside = chroot.Chroot(lower, target)
        inside.put(package, "/srv/package.deb")
        done = inside.run("dpkg", "-i", "/srv/package.deb", timeout_s=1800)
        if done.returncode:
            raise StageFailed(f"the package does not install: {done.stdout[-2000:]}")
        (target / "upper/srv/package.deb").unlink()
        (target / "stamp").write_text(stamp)
    return target


@contextlib.contextmanager
def mounted(target: Path) -> Iterator[Path]:
    """The installed tree, as one directory for all of the kiosk's processes; what they change there is thrown away."""
    lower = chroot.tree("arm64")
    with tempfile.TemporaryDirectory(prefix="run-arm64-", dir=lower.parent) as name:
        folder = Path(name)
        for part in ("upper", "work", "root"):
            (folder / part).mkdir()
        layers = f"lowerdir={target / 'upper'}:{lower},upperdir={folder / 'upper'},workdir={folder / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(folder / "root")], check=True)
        try:
            yield folder / "root"
        finally:
            subprocess.run(["umount", str(folder / "root")], check=True)


@dataclass
class ArmStage(Stage):
    """The stage with the kiosk's processes emulated in `root`."""

    root: Path = field(kw_only=True)

    async def start(self, name: str, *command: str) -> None:
        if name != "kiosk":
            await super().start(name, *command)
            return
        settings = self.folder / "kiosk.toml"
        text = settings.read_text().replace("[board]\n", "[board]\nwatchdog_ms = 60000\n")
        settings.write_text(text.replace("[camera]\n", "[camera]\nframes_per_second = 1\n"))
        where = ("sh", "-c", _ENTER, "enter", str(self.root), str(self.folder))
        # In a mount namespace of its own, so that nothing stays mounted, but with our network and pids.
        await super().start(name, "unshare", "--mount", *where, "env", "-i", *_words(_ENVIRONMENT), *command)

    async def wait(self, reached: Callable[[], Awaitable[bool]], name: str, limit_s: float = READY_S_MAX) -> None:
        await super().wait(reached, name, max(limit_s, READY_S_MAX))

    async def _in_service(self) -> bool:
        """Every process has its part: devices, models that judge the scene, the bank's directory."""
        try:
            status = await self.status()
            found = await self.ask(LookUp(ACCOUNTS["first"]))
        except StageFailed:
            return False
        return status.in_service and status.scene_grade is not None and isinstance(found, LookedUp) and found.known


def _words(environment: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in environment.items())


async def watched(stage: ArmStage, peaks: dict[str, Peak]) -> None:
    """Look at every process until cancelled."""
    while True:
        for process in PROCESSES:
            pid = stage.kiosk_pid(process.name)
            if pid is not None:
                look(pid, peaks[process.name])
        await asyncio.sleep(LOOK_S)


async def deposit(root: Path, folder: Path, say: Say, peaks: dict[str, Peak]) -> dict[str, Any]:
    """One whole deposit; what the world counted and the bank verified."""
    stage = ArmStage(folder, say, root=root, timing=TIMING)
    began_s = time.monotonic()
    looking = asyncio.ensure_future(watched(stage, peaks))
    try:
        await stage.up()
        start_s = time.monotonic() - began_s
        say(f"in service, {PROCESSES[0].name} is run by {emulator(stage)}; the depositor comes")
        depositor = ScriptedDepositor(stage, say)
        await depositor.perform((Step(do="identify"), Step(do="feed", notes=NOTES), Step(do="done")))
        await depositor.perform((Step(do="confirm"),))
        status = await depositor.until("done", limit_s=READY_S_MAX)
        await depositor.perform((Step(do="finish"),))
        say("waiting for the bank's acknowledgement")
        await stage.wait(stage.settled, "kiosk")
        world = (await stage.world("/state"))["totals"]
        program = emulator(stage)
    finally:
        looking.cancel()
        await stage.down()
    grade = status.deposit.grade if status.deposit else None
    report = await stage.verify()
    return {"emulator": program, "start_s": start_s, "grade": grade, "world": world, "report": report}


def emulator(stage: Stage) -> str:
    """The program that really runs the controller."""
    pid = stage.kiosk_pid("controller")
    return Path(f"/proc/{pid}/exe").readlink().name if pid else "nothing"


def judged(result: dict[str, Any], peaks: dict[str, Peak]) -> dict[str, bool]:
    """What must hold."""
    report, inserted = result["report"], minor(result["world"]["inserted_minor"])
    checks = {
        "the kiosk's processes were emulated": "aarch64" in result["emulator"],
        "the bank's store verifies": report["ok"] and report["deposits"] == 1,
        "inserted = credited": inserted == sum(NOTES) == minor(report["credited_minor"]),
        "a grade was given": result["grade"] in ("low", "medium", "high"),
        "all processes together fit into a board of 512 MB": sum(each.guest_mib for each in peaks.values())
        <= BOARD_MIB,
    }
    for process in PROCESSES:
        peak = peaks[process.name]
        words = f"{process.name}: {peak.guest_mib:.0f} MiB of a budget of {process.memory_mib_budget}"
        checks[words] = peak.looks > 0 and peak.guest_mib <= process.memory_mib_budget
    return checks


def main() -> int:
    """Parse, run, print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, default=chroot.ROOT / "dist")
    packages = sorted(parser.parse_args().dist.glob("deposit-kiosk_*_arm64.deb"))
    if not packages:
        print("arm64-test: there is no package: run make deb", file=sys.stderr)
        return 2
    began_s = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - began_s:6.1f} s] {words}", flush=True)

    peaks = {process.name: Peak() for process in PROCESSES}
    folder = Path(tempfile.mkdtemp(prefix="kiosk-arm64-", dir="/var/tmp"))
    try:
        with mounted(installed(packages[-1])) as root:
            result = asyncio.run(deposit(root, folder, say, peaks))
        checks = judged(result, peaks)
    except (StageFailed, ScenarioFailed) as error:
        print(f"FAIL {error}", file=sys.stderr)
        result, checks = {}, {str(error).splitlines()[0]: False}
    for words, held in checks.items():
        print(f"  {'ok  ' if held else 'FAIL'} {words}")
    failed = [words for words, held in checks.items() if not held]
    if failed:
        print(f"arm64-test: logs and journal are kept in {folder}")
    else:
        shutil.rmtree(folder)
    memory = {
        name: {"mib": round(p.guest_mib, 1), "with_qemu_mib": round(p.with_qemu_mib, 1)} for name, p in peaks.items()
    }
    told = {"start_s": round(result.get("start_s", 0), 1), "grade": result.get("grade"), "memory": memory}
    seconds = round(time.monotonic() - began_s)
    print(json.dumps({"arm64_test": "failed" if failed else "ok", **told, "seconds": seconds, "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
