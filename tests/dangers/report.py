"""What a run of the scenarios came to: intervals in words, and the last line."""

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Z = 1.959964  # 95 % of a normal distribution


@dataclass(frozen=True)
class Result:
    """One deposit."""

    kind: str
    seed: int
    alarm: bool  # any grade above low, at any time
    early: bool  # ... before there was any danger
    found_s: float | None
    words: str  # of the first alarm

    @property
    def wrong(self) -> bool:
        """A false alarm, or a danger that was missed."""
        return self.alarm if self.kind == "normal" else self.found_s is None


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    rate, square = hits / count, Z * Z / count
    middle = (rate + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(rate * (1 - rate) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def lines(results: Sequence[Result]) -> Iterator[str]:
    """A table for people."""
    normal = [one for one in results if one.kind == "normal"]
    if normal:
        alarms = sum(one.alarm for one in normal)
        low, high = wilson(alarms, len(normal))
        rate = alarms / len(normal)
        yield f"normal       {alarms:3d} false alarms in {len(normal)}: {rate:.3f} ({low:.3f} to {high:.3f})"
    for kind in dict.fromkeys(one.kind for one in results if one.kind != "normal"):
        own = [one for one in results if one.kind == kind]
        times = sorted(one.found_s for one in own if one.found_s is not None)
        low, high = wilson(len(times), len(own))
        after = f"after {statistics.median(times):5.2f} s, nine in ten within {_decile(times):5.2f} s" if times else ""
        early = sum(one.early for one in own)
        before = f"; {early} alarmed before" if early else ""
        rate = len(times) / len(own)
        yield f"{kind:12s} {len(times):3d} found of {len(own)}: {rate:.2f} ({low:.2f} to {high:.2f}) {after}{before}"


def _decile(times: Sequence[float]) -> float:
    return times[min(len(times) - 1, math.ceil(0.9 * len(times)) - 1)]


def last_line(results: Sequence[Result]) -> str:
    """The JSON that the issue asks for."""
    normal = [one for one in results if one.kind == "normal"]
    dangers: dict[str, dict[str, Any]] = {}
    for kind in dict.fromkeys(one.kind for one in results if one.kind != "normal"):
        own = [one for one in results if one.kind == kind]
        times = [one.found_s for one in own if one.found_s is not None]
        median = round(statistics.median(times), 2) if times else None
        dangers[kind] = {"n": len(own), "found": len(times), "seconds_median": median}
    return json.dumps(
        {"normal": len(normal), "false_alarms": sum(one.alarm for one in normal), "dangers": dangers},
    )
