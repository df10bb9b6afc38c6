"""Where on a model's map this kiosk's rows fall, against where the training's fell. Pure, bounded, fading.

Rows of one deposit hang together, so a deposit counts once, however long it lasts: its shares of cells enter a mean
that fades with the deposits after it. The two are compared by regions, not cells: next to each other cells stand for
much the same, and a row that falls one cell aside is no news. On simulated normal deposits the share that falls
elsewhere came to 0.15 (machine) and 0.30 (scene, at other people and lights) after 60 deposits.
"""

from collections.abc import Mapping, Sequence
from typing import Final

FADING_DEPOSITS: Final = 100.0  # the mean is over about so many
REGIONS: Final = 6  # along each side of the map
ENOUGH_DEPOSITS: Final = 50  # before which nothing is said
ELSEWHERE_MAX: Final = 0.5  # more of the rows than that in other regions than the training's: it is said


def faded(use: Mapping[int, float], rows: Mapping[int, int], deposits: int) -> dict[int, float]:
    """Cell -> share, with one deposit's `rows` (cell -> count) more; `deposits`: how many there were before it.

    Cells that have faded below a millionth are forgotten, so the table is no larger than the map.
    """
    total = sum(rows.values())
    if not total:
        return dict(use)
    weight = max(1 / (deposits + 1), 1 / FADING_DEPOSITS)
    cells = use.keys() | rows.keys()
    mean = {cell: (1 - weight) * use.get(cell, 0.0) + weight * rows.get(cell, 0) / total for cell in cells}
    return {cell: share for cell, share in mean.items() if share > 1e-6}  # noqa: PLR2004 - a millionth


def elsewhere(use: Mapping[int, float], trained: Sequence[float], rows: int, columns: int) -> float:
    """The share of rows that would have to move for the regions to hold what they held in training, 0 to 1.

    Total variation between the two, by regions. `trained`: share of the training's rows by cell, row by row.
    """
    here, there = [0.0] * REGIONS**2, [0.0] * REGIONS**2
    for cell in range(rows * columns):
        region = (cell // columns) * REGIONS // rows * REGIONS + (cell % columns) * REGIONS // columns
        here[region] += use.get(cell, 0.0)
        there[region] += trained[cell]
    total = sum(here)
    if not total:
        return 0.0
    return sum(abs(one / total - other) for one, other in zip(here, there, strict=True)) / 2
