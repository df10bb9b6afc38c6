"""`make bench`: measure everything, print the table, write bench/results.json.

python -m tests.bench [--quick] [--only NAME ...] [--output FILE]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.bench import edges, inference, large_log, receiving, screen, sealing, starting, watching
from tests.bench.figures import Figure, machine, results, table, write

OUTPUT: Final = Path(__file__).parents[2] / "bench" / "results.json"
Measure = Callable[[Path], Iterator[Figure]]


def suite(*, quick: bool) -> dict[str, Measure]:
    """What is measured, by name; `quick` shows that it works and its figures mean little."""
    repeats = 1 if quick else 5
    return {
        "starting": lambda folder: starting.measure(repeats, folder),
        "watching": lambda folder: watching.measure(repeats, 20 if quick else 400, folder),
        "inference": lambda _: inference.measure(repeats, 20 if quick else 5000),
        "sealing": lambda folder: sealing.measure(repeats, 5 if quick else 300, folder),
        "receiving": lambda folder: receiving.measure(repeats, 60 if quick else 2000, folder),
        "large-log": lambda folder: large_log.measure(
            repeats, 20 if quick else 1000, 5 if quick else 100, (100, 500) if quick else (1000, 1_000_000), folder
        ),
        "screen": lambda _: screen.measure(repeats, 7 if quick else 70),
        "edges": lambda _: edges.measure(repeats, 5 if quick else 200),
    }


def say(words: str) -> None:
    """One line, at once."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parts = suite(quick=False)
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repeat of little: shows that it works")
    parser.add_argument("--only", nargs="+", choices=sorted(parts), default=list(parts), help="some parts only")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the results go")
    options = parser.parse_args(arguments)
    if options.quick:
        parts = suite(quick=True)
    about = machine()
    say(f"{about['processor']}, {about['cores']} cores, {about['system']}, Python {about['python']}")
    say(f"load before: {about['load_1min']} (figures are worth most on a machine that does nothing else)")
    begun, at = time.monotonic(), datetime.now(UTC)
    found: list[Figure] = []
    for name in options.only:
        # Beside the results and not in /tmp, which may be memory: the journal must meet a disk.
        with tempfile.TemporaryDirectory(prefix=".run-", dir=options.output.parent) as folder:
            for one in parts[name](Path(folder)):
                found.append(one)
                say(f"  {one.name}")
    seconds = time.monotonic() - begun
    write(options.output, results(found, about, at, seconds))
    say("")
    say(table(found))
    say(f"\n{seconds:.0f} s; medians; `x limit` is how many times the limit's cost; all values in {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
