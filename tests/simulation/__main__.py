"""`python -m tests.simulation`: many schedules on all cores, or one of them step by step. See ARCHITECTURE.md."""

import argparse
import gc
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kiosk.core.deposit import TABLE
from tests.model.coverage import explained
from tests.simulation.play import Play
from tests.simulation.ruling import Ruling, rule
from tests.simulation.schedule import Schedule, make

REPLAY: Final = "python -m tests.simulation --seed {} --trace"
PROGRESS_S: Final = 5.0


@dataclass
class Result:
    """What one schedule came to, small enough to be sent between processes."""

    seed: int
    ruling: Ruling
    deposits: int = 0
    notes: int = 0
    exchanges: int = 0
    struck: dict[str, int] = field(default_factory=dict)
    crashes: int = 0
    virtual_s: float = 0.0
    coverage: dict[tuple[str, str], int] = field(default_factory=dict)


def play(schedule: Schedule, *, trace: bool = False) -> tuple[Result, list[str]]:
    """One schedule in a folder in memory, judged; with its trace when that is wanted."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of its own inside; thousands of commits, and no disk is on trial
    folder = Path(tempfile.mkdtemp(prefix="kiosk-sim-", dir=shared if shared.is_dir() else None))
    try:
        played = Play(folder, schedule, trace=trace)
        try:
            played.run()
            ruling = rule(played)
        finally:
            played.rig.close()
        result = Result(
            seed=schedule.seed,
            ruling=ruling,
            deposits=len(played.deposits),
            notes=sum(note.inserted for note in played.rig.world.notes.all()),
            exchanges=sum(count for line, count in played.rig.counts.items() if line.endswith(">")),
            struck=dict(played.fate.struck),
            crashes=played.crashes,
            virtual_s=played.rig.loop.time() - 1000.0,
            coverage=dict(played.coverage),
        )
        return result, played.trace or []
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _one(seed: int) -> Result:
    """In a worker. An error of product or simulation is a complaint like any other: it has a seed."""
    try:
        return play(make(seed))[0]
    except Exception as error:  # noqa: BLE001 - reported with its seed
        return Result(seed, Ruling(complaints=[f"{type(error).__name__}: {error}"]))


def _quiet_worker() -> None:
    os.nice(5)
    gc.freeze()
    gc.set_threshold(20_000)


def _results(seeds: range, jobs: int, seconds_max: float | None) -> Iterator[Result]:
    end_s = None if seconds_max is None else time.monotonic() + seconds_max
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, initializer=_quiet_worker) as pool:
        for result in pool.imap_unordered(_one, seeds, chunksize=4):
            yield result
            if end_s is not None and time.monotonic() > end_s:
                pool.terminate()
                return


def _say(words: object) -> None:
    sys.stdout.write(f"{words}\n")


def _tell(words: str) -> None:
    """Beside the result: what goes on."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def wrong(result: Result) -> list[str]:
    """What the judge says against a schedule, in words."""
    ruling = result.ruling
    words = list(ruling.complaints)
    words += [f"{one.deposit}: unexplained dispute of {one.value_minor}: {one.reason}" for one in ruling.unexplained]
    return words + ([f"stuck: {ruling.stuck}"] if ruling.stuck else [])


class Tally:
    """The sums of a fleet of schedules."""

    def __init__(self) -> None:
        self.schedules = self.crashed = self.failing = self.complaints = 0
        self.sums: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.coverage: Counter[tuple[str, str]] = Counter()
        self.virtual_s = 0.0
        self._impossible = explained()
        self._began_s = time.monotonic()
        self._shown_s = self._began_s

    def add(self, result: Result) -> None:
        """Count it; a failing seed is told at once, with the command that replays it."""
        ruling = result.ruling
        self.schedules += 1
        self.crashed += result.crashes > 0
        self.virtual_s += result.virtual_s
        self.faults.update(result.struck)
        self.coverage.update(result.coverage)
        self.complaints += len(ruling.complaints)
        self.sums.update(
            deposits=result.deposits,
            notes=result.notes,
            device_exchanges=result.exchanges,
            crashes=result.crashes,
            lost_minor=ruling.lost_minor,
            double_minor=ruling.double_minor,
            disputes=len(ruling.disputes),
            unexplained_disputes=len(ruling.unexplained),
            disputed_minor=sum(dispute.value_minor for dispute in ruling.disputes),
            stuck=bool(ruling.stuck),
        )
        for pair in sorted(set(result.coverage) & set(self._impossible)):
            _tell(f"seed {result.seed} reaches {pair}, listed as impossible; {REPLAY.format(result.seed)}")
        if not ruling.good:
            self.failing += 1
            _tell(f"seed {result.seed} fails; {REPLAY.format(result.seed)}")
            for line in wrong(result):
                _tell(f"    {line}")

    def progress(self, total: int) -> None:
        """A line now and then."""
        now_s = time.monotonic()
        if now_s - self._shown_s < PROGRESS_S and self.schedules != total:
            return
        self._shown_s = now_s
        seconds = now_s - self._began_s
        _tell(
            f"{self.schedules} of {total} schedules, {self.sums['deposits']} deposits, {self.sums['notes']} notes, "
            f"{self.crashed / max(self.schedules, 1):.0%} with a crash, {self.failing} failing, "
            f"{self.virtual_s / max(seconds, 1e-9):.0f} times real time"
        )

    def summary(self) -> dict[str, Any]:
        """The one line of JSON that everything ends with."""
        first = ("deposits", "notes", "device_exchanges")
        money = ("crashes", "lost_minor", "double_minor", "disputes", "unexplained_disputes", "disputed_minor", "stuck")
        return {
            "schedules": self.schedules,
            **{key: self.sums[key] for key in first},
            "faults_injected": dict(sorted(self.faults.items())),
            **{key: self.sums[key] for key in money},
            "virtual_hours": round(self.virtual_s / 3600, 2),
            "seconds": round(time.monotonic() - self._began_s, 2),
        }


def write_coverage(path: Path, coverage: Counter[tuple[str, str]]) -> None:
    """How often each (state, fact) pair of the deposit table was reached; zero where it was not."""
    rows = [
        {"state": str(state), "fact": fact.__name__, "count": coverage[str(state), fact.__name__]}
        for state, fact in TABLE
    ]
    path.write_text(json.dumps(rows, indent=1) + "\n")


def _fleet(arguments: argparse.Namespace) -> int:
    tally = Tally()
    seeds = range(arguments.seed * 1_000_000, arguments.seed * 1_000_000 + arguments.schedules)
    for result in _results(seeds, arguments.jobs, arguments.seconds_max):
        tally.add(result)
        tally.progress(arguments.schedules)
    if arguments.coverage is not None:
        write_coverage(arguments.coverage, tally.coverage)
    _say(json.dumps(tally.summary()))
    return 1 if tally.failing else 0


def _replay(seed: int) -> int:
    schedule = make(seed)
    _say(schedule)
    result, trace = play(schedule, trace=True)
    for line in trace:
        _say(line)
    for dispute in result.ruling.disputes:
        _say(f"dispute of {dispute.value_minor} in {dispute.deposit}: {dispute.reason}")
        _say(f"    because of {dispute.trouble or 'nothing known'}: {dispute.evidence or 'UNEXPLAINED'}")
    for line in wrong(result):
        _say(f"WRONG {line}")
    _say("good" if result.ruling.good else "FAILED")
    return 0 if result.ruling.good else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the fleet; with --trace: the schedule that failed")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--seconds-max", type=float, help="stop after so long")
    parser.add_argument("--trace", action="store_true", help="replay one schedule, every fact, order, frame and fault")
    parser.add_argument("--coverage", type=Path, help="write how often each (state, fact) pair was reached, as JSON")
    arguments = parser.parse_args()
    return _replay(arguments.seed) if arguments.trace else _fleet(arguments)


if __name__ == "__main__":
    sys.exit(main())
