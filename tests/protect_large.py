"""`python -m tests.protect_large [--rows 5000000] [--cell-mib 100]`: what large tables cost `kiosk-protect scan`.

A csv of many rows, one with a single huge cell, and a small one to compare with; a process for each scan.
Prints peak memory, rows and cells a second; the last line is JSON. Exit code 1 when memory grew with the rows.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests import protect_kit as kit

SMALL_ROWS: Final = 20_000
GROWTH_MIB_MAX: Final = 64  # of the interpreter's and the allocators' heaps, between the small table and the large one
_CHILD: Final = """
import json, resource, sys, time
from pathlib import Path
from kiosk_cloud.protect.scanning import Places, scan
from tests.protect_kit import options
begun = time.monotonic()
path = Path(sys.argv[1])
found = scan(path, Places.of(path, None), options())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(table,) = found["tables"]
used = resource.getrusage(resource.RUSAGE_SELF)
seconds = round(time.monotonic() - begun, 1)
print(json.dumps({"processor_s": round(used.ru_utime + used.ru_stime, 1), "peak_kib": peak, "rows": table["rows"],
    "cells": found["cells"], "kinds": table["kinds"], "seconds": seconds, "judging_s": found["seconds"]}))
"""


def rows(count: int, seed: int = 1) -> Iterator[str]:
    """Lines of a csv: a state in every row, a card in every fiftieth, a remark in every twentieth."""
    chance = random.Random(seed)
    yield "state,card,remark\n"
    for number in range(count):
        card = kit.card(number) if number % 50 == 0 else ""
        remark = "client asked to be called back" if number % 20 == 0 else ""
        yield f"{chance.choice(('open', 'closed', 'blocked'))},{card},{remark}\n"


def scanned(path: Path) -> dict[str, Any]:
    """What a scan of its own process needs."""
    command = [sys.executable, "-c", _CHILD, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(folder: Path, count: int) -> Path:
    """A csv of so many rows."""
    path = folder / f"{count}.csv"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(rows(count))
    return path


def huge(folder: Path, mib: int) -> Path:
    """A csv with a cell of so many MiB, a card at its end."""
    path = folder / "huge.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write('id,text\n1,"')
        for _ in range(mib):
            file.write("lorem ipsum, 12 " * (1 << 16))
        file.write(f'{kit.card(7)}"\n')
    return path


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.protect_large", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--cell-mib", type=int, default=100)
    asked = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="protect-large.") as name:
        folder = Path(name)
        files: dict[str, Callable[[], Path]] = {
            "small": lambda: table(folder, SMALL_ROWS),
            "large": lambda: table(folder, asked.rows),
            "huge_cell": lambda: huge(folder, asked.cell_mib),
        }
        for what, made in files.items():
            begun = time.monotonic()
            path = made()
            size = path.stat().st_size >> 20
            sys.stdout.write(f"{what}: {size:,} MiB made in {time.monotonic() - begun:.0f} s\n")
            sys.stdout.flush()
            found = figures[what] = scanned(path)
            rate = found["cells"] / max(found["judging_s"], 1e-9)
            sys.stdout.write(
                f"  peak {found['peak_kib'] >> 10:,} MiB; {found['rows']:,} rows, {found['cells']:,} cells in"
                f" {found['seconds']:,} s, {found['processor_s']:,} s of a processor"
                f" ({rate:,.0f} cells/s while judging); {found['kinds']}\n"
            )
            sys.stdout.flush()
            for left in folder.iterdir():
                left.unlink()
    growth_mib = (figures["large"]["peak_kib"] - figures["small"]["peak_kib"]) / 1024
    figures["growth_mib"] = round(growth_mib, 1)
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if growth_mib <= GROWTH_MIB_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
