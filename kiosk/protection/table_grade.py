"""How much a whole table is protected: a model over the set and the counts of the kinds in it.

Each kind adds its weight times how much of it there is, combinations add theirs, and the sum is held against the
grades' scores; no table is below the grade of a kind that it has. One odd cell in a column of thousands is more likely
mistaken than a column of that kind: below `PRESENT_SHARE` of the rows and `PRESENT_CELLS` cells it is not there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kiosk.protection.catalogue import Catalogue
from kiosk.protection.kinds import OTHER

PRESENT_SHARE: Final = 0.001  # of the rows
PRESENT_CELLS: Final = 3  # so many are enough whatever the share
FULL_CELLS: Final = 1000  # from here on more of a kind does not make it worse
_FEW: Final = 0.3  # what the first cell counts


@dataclass(frozen=True)
class TableGrade:
    """The grade's id in the catalogue, the score behind it, and what it is made of, the heaviest first."""

    grade: str
    score: float
    reasons: tuple[str, ...]


def grade_table(counts: Mapping[str, int], rows: int, catalogue: Catalogue | None = None) -> TableGrade:
    """Grade a table of `rows` rows by how many cells of each kind it has. Raises ValueError: no such kind, negative."""
    by = catalogue or Catalogue.load()
    if rows < 0 or any(count < 0 for count in counts.values()) or set(counts) - set(by.kinds):
        raise ValueError("counts of the catalogue's kinds, none of them negative")
    extent = {kind: _extent(count, rows) for kind, count in counts.items() if kind != OTHER}
    parts = {f"{kind}: {counts[kind]} cells": by.kinds[kind].weight * much for kind, much in extent.items() if much}
    for together in by.combinations:
        much = min(extent.get(kind, 0.0) for kind in together.kinds)
        if much:
            parts[" with ".join(together.kinds)] = together.weight * much
    score = sum(parts.values())
    order = [grade.id for grade in by.grades]
    least = max((order.index(by.kinds[kind].grade) for kind, much in extent.items() if much), default=0)
    reached = max(place for place, grade in enumerate(by.grades) if score >= grade.score_min)
    reasons = sorted((name for name, part in parts.items() if part), key=lambda name: -parts[name])
    return TableGrade(order[max(least, reached)], round(score, 4), tuple(reasons))


def _extent(count: int, rows: int) -> float:
    """From 0 (not there) over `_FEW` (one cell of a small table) to 1 (a thousand cells and more)."""
    if count == 0 or (count < PRESENT_CELLS and count < PRESENT_SHARE * rows):
        return 0.0
    return _FEW + (1 - _FEW) * min(1.0, math.log(count) / math.log(FULL_CELLS))
