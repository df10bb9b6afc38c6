"""`make journal-crash`: what a crash leaves of the real journal, image by image.

Proves of `kiosk.guarantee.journal` on the standard library's sqlite3 (WAL, synchronous=FULL) that after a crash every
commit that returned is there and the one in progress is whole or absent. Ends with one JSON line; exit code 1 when
anything was lost, half or unreadable - and when the same disk under WAL/NORMAL loses nothing, because then it proves
nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.journal_crash.images import MEMORY_DISK, Crash, Finding, look, named, plan
from tests.journal_crash.recording import Recording, record
from tests.journal_crash.trace import BadTrace, Mark

_SHARE: Final = 50  # images that a worker looks at before it says so
_FAILURES_SHOWN_MAX: Final = 20


@dataclass(frozen=True)
class Choice:
    """What the command line says."""

    seed: int
    deposits: int
    images: int
    workers: int
    control_images: int


def findings_of(recording: Recording, crashes: list[Crash], workers: int) -> Iterator[list[Finding]]:
    """Look at all images on `workers` processes, share by share."""
    shares = [crashes[at : at + _SHARE] for at in range(0, len(crashes), _SHARE)]
    if workers == 1:
        yield from (list(look(recording, share)) for share in shares)
        return
    with ProcessPoolExecutor(workers, initializer=_hold, initargs=(recording,)) as pool:
        yield from pool.map(_share, shares)


_held: list[Recording] = []  # of a worker: handed over once, not with every share


def _hold(recording: Recording) -> None:
    _held[:] = [recording]


def _share(crashes: list[Crash]) -> list[Finding]:
    return list(look(_held[0], crashes))


def commits(recording: Recording) -> int:
    """How many commits of the run returned."""
    marks = [one.text for one in recording.operations if isinstance(one, Mark)]
    return sum(text.startswith("ack") for text in marks) - 1


def run(chosen: Choice, folder: Path) -> tuple[dict[str, int | float], list[str]]:
    """The whole proof; the JSON's fields, and what is wrong in words (empty when it holds)."""
    began_s = time.monotonic()
    wrong: list[str] = []
    _say("control: the same run with WAL/NORMAL must lose acknowledged commits on this disk")
    control = record(folder, seed=chosen.seed, deposits=chosen.deposits, mode="normal")
    control_lost = 0
    for share in findings_of(control, plan(control, chosen.seed, chosen.control_images), chosen.workers):
        control_lost += sum(finding.result == "lost" for finding in share)
    _say(f"control: acknowledged commits are lost in {control_lost} images")
    if not control_lost:
        wrong.append("the disk of this proof loses nothing under WAL/NORMAL: it proves nothing")
    real = record(folder, seed=chosen.seed, deposits=chosen.deposits)
    crashes = plan(real, chosen.seed, chosen.images)
    _say(f"{commits(real)} commits, {len(real.operations)} operations recorded, replay is exact; {len(crashes)} images")
    counts: dict[str, int] = dict.fromkeys(("kept", "lost", "half", "unreadable"), 0)
    for share in findings_of(real, crashes, chosen.workers):
        for finding in share:
            counts[finding.result] += 1
            if finding.result != "kept":
                wrong.append(_words(finding, real, chosen))
        done = sum(counts.values())
        if done % (_SHARE * 20) == 0:
            _say(f"{done} of {len(crashes)} images, {done - counts['kept']} bad, {time.monotonic() - began_s:.0f} s")
    line: dict[str, int | float] = {
        "images": len(crashes),
        "acknowledged_commits": commits(real),
        "lost_acknowledged": counts["lost"],
        "half_commits": counts["half"],
        "unreadable": counts["unreadable"],
        "control_normal_lost": control_lost,
        "seed": chosen.seed,
        "seconds": round(time.monotonic() - began_s, 1),
    }
    return line, wrong


def replay(chosen: Choice, folder: Path, wanted: str) -> Finding:
    """Record the same run again and look at one image, `POSITION/MODE`. Raises ValueError."""
    position, _, mode = wanted.partition("/")
    real = record(folder, seed=chosen.seed, deposits=chosen.deposits)
    crash = Crash(int(position), mode, f"{chosen.seed}/{position}/{mode}")
    (finding,) = look(real, [crash])
    _say(f"after {named(crash, real)}")
    return finding


def _words(finding: Finding, recording: Recording, chosen: Choice) -> str:
    crash = finding.crash
    again = f"python -m tests.journal_crash --seed {chosen.seed} --deposits {chosen.deposits}"
    again += f" --image {crash.position}/{crash.mode}"
    return f"{finding.result}: {finding.words}\n  after {named(crash, recording)}\n  replay: {again}"


def _say(words: str) -> None:
    sys.stderr.write(f"journal-crash: {words}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.journal_crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the deposits and of what the disk keeps")
    parser.add_argument("--deposits", type=int, default=30, help="deposits in the recorded run, about 34 commits each")
    parser.add_argument("--images", type=int, default=5_000, help="at most, but for those at special moments")
    parser.add_argument("--control-images", type=int, default=1_500, help="the same for the run with WAL/NORMAL")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--image", metavar="POSITION/MODE", help="look at one image of the run again")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when the proof holds, 1 when it does not, 2 when it could not be made."""
    options = _parser().parse_args(arguments)
    chosen = Choice(options.seed, options.deposits, options.images, options.workers, options.control_images)
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None) as name:
        try:
            if options.image:
                finding = replay(chosen, Path(name), options.image)
                _say(f"{finding.result} {finding.words}")
                return int(finding.result != "kept")
            line, wrong = run(chosen, Path(name))
        except (BadTrace, subprocess.SubprocessError, OSError) as error:
            _say(f"could not be made: {error}")
            return 2
    for words in wrong[:_FAILURES_SHOWN_MAX]:
        _say(words)
    if len(wrong) > _FAILURES_SHOWN_MAX:
        _say(f"and {len(wrong) - _FAILURES_SHOWN_MAX} more")
    sys.stdout.write(json.dumps(line) + "\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
