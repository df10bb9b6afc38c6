"""Fuzz every target, two at a time: `python -m tests.fuzz [--seconds N] [TARGET ...]`; `--replay FILE TARGET` for one.

The last line on stdout is JSON: targets, executions, crashes, seconds. Inputs that crash are kept under run/fuzz and
printed with the command that replays them; what was found interesting is kept there, too, and begins the next run.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz.catalogue import GROUPS, group_of, targets_of

RUN: Final = Path("run/fuzz")
JOBS: Final = 2
HANG_S: Final = 10  # one input may take so long
INPUT_BYTES_MAX: Final = 4096
MEMORY_MB_MAX: Final = 2048
_GRACE_S: Final = 60


@dataclass(frozen=True)
class Outcome:
    """What became of one target."""

    name: str
    executions: int
    crashes: tuple[Path, ...]
    log: str


def fuzz(name: str, seconds: int) -> Outcome:
    """One target in a process of its own."""
    module = group_of(name)
    corpus, crashes = RUN / "corpus" / name, RUN / "crashes"
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets_of(module)[name].seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    before = set(crashes.glob(f"{name}-*"))
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", name, module, str(corpus)),
        *(f"-max_total_time={seconds}", f"-timeout={HANG_S}", f"-max_len={INPUT_BYTES_MAX}"),
        *(f"-rss_limit_mb={MEMORY_MB_MAX}", f"-artifact_prefix={crashes}/{name}-", "-print_final_stats=1"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + _GRACE_S)
    stats = [line.split()[-1] for line in done.stderr.splitlines() if line.startswith("stat::number_of_executed_units")]
    found = tuple(sorted(set(crashes.glob(f"{name}-*")) - before))
    failed = done.returncode != 0 and not found
    return Outcome(
        name, int(stats[0]) if stats else 0, found or ((Path("no input kept"),) if failed else ()), done.stderr
    )


def replay(name: str, path: Path) -> None:
    """Run one kept input in plain Python; raises what it raises."""
    targets_of(group_of(name))[name].run(path.read_bytes())
    print("the input is handled well")


def _report(outcomes: Iterator[Outcome], seconds: int) -> int:
    began_s = time.monotonic()
    executions = crashes = targets = 0
    for outcome in outcomes:
        targets += 1
        executions += outcome.executions
        crashes += len(outcome.crashes)
        print(f"{outcome.name:20} {outcome.executions:>10} executions, {len(outcome.crashes)} crashes", flush=True)
        for path in outcome.crashes:
            print(f"  python -m tests.fuzz --replay {path} {outcome.name}")
            print("  " + "\n  ".join(outcome.log.splitlines()[-25:]))
    figures = {
        "targets": targets,
        "executions": executions,
        "crashes": crashes,
        "seconds_each": seconds,
        "seconds": round(time.monotonic() - began_s),
    }
    print(json.dumps(figures))
    return 1 if crashes else 0


def main() -> int:
    """Exit code 1 when anything crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="all when none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input of the one target named")
    arguments = parser.parse_args()
    names = arguments.targets or [name for module in GROUPS for name in targets_of(module)]
    if arguments.replay is not None:
        replay(names[0], arguments.replay)
        return 0
    with ThreadPoolExecutor(JOBS) as pool:
        return _report(pool.map(lambda name: fuzz(name, arguments.seconds), names), arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
