"""What a scan remembers of a table: counts, and a few cells as shapes. Nothing in it is a cell's text.

All of it goes into the state on the disk and into the report, which people pass on.
"""

import unicodedata
from typing import Final

import msgspec

from kiosk.protection.classify import Verdict
from kiosk.protection.egress import Gate
from kiosk.protection.kinds import OTHER
from kiosk_cloud.protect.tables import Batch, Cell, LongText

SAMPLE_ROWS: Final = 15
SAMPLE_COLUMNS_MAX: Final = 30
EXAMPLES_MAX: Final = 3
EXAMPLE_COLUMNS_MAX: Final = 500
SHAPE_CHARACTERS_MAX: Final = 24
_SCRIPTS: Final = (("CJK", "字", "字"), ("CYRILLIC", "Ж", "ж"), ("LATIN", "X", "x"))


class Example(msgspec.Struct, frozen=True):
    """One cell: where it stands, how it looks with every letter and digit replaced, and what it was judged to be."""

    row: int
    shape: str
    kind: str
    score: float


class ColumnTally(msgspec.Struct):
    """One column: cells of each kind (those that are not empty), and some examples of what is protected."""

    name: str  # through the gate: a header that is none could be somebody's data
    kinds: dict[str, int] = {}
    unsure: int = 0  # cells that are something, but below the threshold
    examples: list[Example] = []
    sample: list[Example] = []  # of the first rows, whatever they are


class TableTally(msgspec.Struct):
    """One table."""

    name: str
    rows: int = 0
    cells: int = 0
    irregular: int = 0
    replaced: int = 0
    unread: int = 0
    columns: dict[str, ColumnTally] = {}

    def add(self, batch: Batch, verdicts: dict[str, list[Verdict]], threshold: float, gate: Gate) -> None:
        """Count a batch. What is below `threshold` counts as *other*, and as unsure; names pass `gate` as `table`."""
        self.rows = batch.last
        self.irregular += batch.irregular
        self.replaced += batch.replaced
        self.unread += batch.unread
        for name, column in batch.columns.items():
            tally = self.columns.get(name)
            if tally is None:
                tally = self.columns[name] = ColumnTally(gate.text(name, "table").text, {}, 0, [], [])
            self.cells += len(column.cells)
            for row, cell, verdict in zip(column.rows, column.cells, verdicts[name], strict=True):
                self._count(tally, row, cell, verdict, threshold)

    def _count(self, tally: ColumnTally, row: int, cell: Cell, verdict: Verdict, threshold: float) -> None:
        kind = kind_of(verdict, threshold)
        tally.kinds[kind] = tally.kinds.get(kind, 0) + 1
        tally.unsure += verdict.kind != kind
        if row <= SAMPLE_ROWS and len(self.columns) <= SAMPLE_COLUMNS_MAX:
            tally.sample.append(Example(row, shape(cell), kind, round(verdict.score, 3)))
        elif kind != OTHER and tally.kinds[kind] <= EXAMPLES_MAX and len(self.columns) <= EXAMPLE_COLUMNS_MAX:
            tally.examples.append(Example(row, shape(cell), kind, round(verdict.score, 3)))

    def counts(self) -> dict[str, int]:
        """Cells of each kind in the whole table."""
        total: dict[str, int] = {}
        for column in self.columns.values():
            for kind, count in column.kinds.items():
                total[kind] = total.get(kind, 0) + count
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def kind_of(verdict: Verdict, threshold: float) -> str:
    """What a cell counts as."""
    return verdict.kind if verdict.score >= threshold else OTHER


def shape(cell: Cell) -> str:
    """How a cell looks: X and x for Latin letters, Ж and ж for Cyrillic, 字 for Chinese, 9 for digits."""
    text = cell.parts[0] if isinstance(cell, LongText) else cell
    drawn = "".join(map(_sign, text[:SHAPE_CHARACTERS_MAX]))
    return f"{drawn}... ({len(cell):,})" if len(cell) > SHAPE_CHARACTERS_MAX else drawn


def _sign(character: str) -> str:
    if character.isdecimal():
        return "9"
    if character.isalpha():
        name = unicodedata.name(character, "")
        for script, upper, lower in _SCRIPTS:
            if name.startswith(script) or script in name:
                return upper if character.isupper() else lower
        return "?"
    if character.isspace():
        return " "
    return character if character.isascii() and character.isprintable() else "?"
