"""`make scenarios`: deposits that no model was trained on before the watcher that ships, in virtual time.

Each kind's deposits have the seeds SEED * 10000 + 0, 1, 2 ...; one that goes wrong is told at once with the command
that plays it again. Seconds are counted from the moment at which the danger is half there (half of the way to the
shoulder, half of the lens covered), or from the first picture that is not live; for what only the books can show, from
the beginning of the deposit. A danger counts as found when the grade is above low from then on, and was not before.
Ends with one JSON line; exit code 1 when a figure misses its mark and the run is large enough to say so (all kinds, 30
each, 300 normal ones).
"""

import argparse
import sys
import time
from pathlib import Path

from kiosk.processes.watcher import load_models
from tests.dangers.report import Result, last_line, lines
from tests.dangers.script import KINDS, play
from tests.dangers.stage import Seen, perform

MODELS = Path(__file__).parents[2] / "models" / "artifacts"
REPLAY = "python -m tests.dangers --only {} --seed {} --trace"
PROGRESS_S = 10.0
SEEDS = 10_000
FOUND_MIN, FALSE_ALARMS_MAX = 0.9, 0.01


def result(seen: Seen) -> Result:
    """What counts of one deposit."""
    alarms = seen.alarms
    words = "; ".join(alarms[0][1].reasons[:2]) if alarms else ""
    return Result(seen.play.kind, seen.play.seed, bool(alarms), bool(seen.early), seen.found_s, words)


def trace(seen: Seen) -> None:
    """Every grade that was not low, as it came."""
    print(f"{seen.play}")
    for at_s, found in seen.grades:
        figures = ", ".join(f"{stream} p {p:.4f}" for stream, p in found.streams)
        print(f"{at_s:7.2f} s  {found.stage:9s} {found.grade:6s} {figures}  {'; '.join(found.reasons)}")


def missed(results: list[Result], *, whole: bool) -> list[str]:
    """Which marks were missed; nothing to say of a short run."""
    if not whole:
        return []
    normal = [one for one in results if one.kind == "normal"]
    found = [
        f"{kind}: fewer than {FOUND_MIN:.0%} found"
        for kind in KINDS
        if sum(one.kind == kind and one.found_s is not None for one in results)
        < FOUND_MIN * sum(one.kind == kind for one in results)
    ]
    if sum(one.alarm for one in normal) > FALSE_ALARMS_MAX * len(normal):
        found.append(f"more than {FALSE_ALARMS_MAX:.0%} of normal deposits alarmed")
    return found


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.dangers", description=__doc__)
    parser.add_argument("--normal", type=int, default=300)
    parser.add_argument("--each", type=int, default=30, help="deposits of each kind of danger")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first deposit, to play a run in parts")
    parser.add_argument("--only", help=f"kinds, of normal, {', '.join(KINDS)}")
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument(
        "--trace", action="store_true", help="one deposit of the kind, told step by step; --seed is its own"
    )
    options = parser.parse_args()
    kinds = options.only.split(",") if options.only else ["normal", *KINDS]
    models = load_models(options.models)
    if options.trace:
        for kind in kinds:
            trace(perform(play(kind, options.seed), models))
        return 0
    todo = [
        (kind, options.seed * SEEDS + options.first + number)
        for kind in kinds
        for number in range(options.normal if kind == "normal" else options.each)
    ]
    results: list[Result] = []
    told_s = time.monotonic()
    for kind, seed in todo:
        one = result(perform(play(kind, seed), models))
        results.append(one)
        if one.wrong:
            what = (
                f"false alarm: {one.words}" if kind == "normal" else f"missed{' (alarmed before)' if one.early else ''}"
            )
            print(f"{kind} {seed}: {what} [{REPLAY.format(kind, seed)}]", flush=True)
        if time.monotonic() - told_s > PROGRESS_S:
            told_s = time.monotonic()
            print(f"scenarios: {len(results)} of {len(todo)}, {sum(one.wrong for one in results)} wrong", flush=True)
    for line in lines(results):
        print(line)
    wrong = missed(results, whole=not options.only and options.normal >= 300 and options.each >= 30)
    for line in wrong:
        print(f"MISSED: {line}")
    print(last_line(results))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
