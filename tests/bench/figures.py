"""A figure: what we need, beside what the same machine needs at least; the table and the file of all of them."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

SCHEMA: Final = 1
PACKAGES: Final = ("onnxruntime", "opencv-python-headless", "cryptography", "gpiozero", "pymodbus")


@dataclass(frozen=True)
class Figure:
    """Medians over the repeats. `limit` is None where nothing smaller can be compared with."""

    name: str
    unit: str
    ours: float
    limit: float | None
    ours_is: str  # what was measured
    limit_is: str  # what the limit does
    better: Literal["lower", "higher"]
    ours_all: tuple[float, ...]
    limit_all: tuple[float, ...]

    @property
    def ratio(self) -> float | None:
        """How many times the limit's cost; 1 is as good as it can be."""
        if self.limit is None or not self.limit or not self.ours:
            return None
        return self.ours / self.limit if self.better == "lower" else self.limit / self.ours


def figure(
    name: str,
    unit: str,
    ours: Sequence[float],
    limit: Sequence[float],
    *,
    ours_is: str,
    limit_is: str,
    better: Literal["lower", "higher"] = "lower",
) -> Figure:
    """From the values of all repeats."""
    return Figure(
        name,
        unit,
        statistics.median(ours),
        statistics.median(limit) if limit else None,
        ours_is,
        limit_is,
        better,
        tuple(ours),
        tuple(limit),
    )


def alternately(repeats: int, ours: Callable[[], float], limit: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Ours and the limit in turn, so that whatever else the machine does meets both."""
    pairs = [(ours(), limit()) for _ in range(repeats)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def machine() -> dict[str, Any]:
    """What it ran on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if line.startswith(("model name", "Model")):
            model = line.partition(":")[2].strip()
            break
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_mib": memory_kib // 1024,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_1min": round(os.getloadavg()[0], 2),
    }


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def table(figures: Iterable[Figure]) -> str:
    """Markdown, which is legible on a console too."""
    head = ("figure", "ours", "limit", "x limit", "the limit is")
    rows = [
        (
            one.name,
            f"{number(one.ours)} {one.unit}",
            "-" if one.limit is None else f"{number(one.limit)} {one.unit}",
            "-" if one.ratio is None else f"{one.ratio:.2f}",
            one.limit_is,
        )
        for one in figures
    ]
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    title = "| " + " | ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True)) + " |"
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join((title, rule, *lines))


def results(figures: Iterable[Figure], about: dict[str, Any], at: datetime, seconds: float) -> dict[str, Any]:
    """What results.json says; `about` is the machine before the run."""
    return {
        "schema": SCHEMA,
        "at": at.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "machine": about,
        "figures": [{**asdict(one), "ratio": one.ratio} for one in figures],
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1) + "\n")
    fresh.replace(path)
