"""`*.cells.jsonl`: a line for each cell that is protected, in the order of the table. The tagged copy is made of it.

`{"table": "table", "row": 7, "column": "card", "kind": "bank_card", "score": 0.993}`; row 1 follows the header.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kiosk.protection.classify import Verdict
from kiosk.protection.kinds import OTHER
from kiosk_cloud.protect.tables import Batch
from kiosk_cloud.protect.tally import kind_of


@dataclass(frozen=True)
class Tag:
    """One protected cell."""

    table: str
    row: int
    column: str
    kind: str
    score: float


def lines(table: str, batch: Batch, verdicts: dict[str, list[Verdict]], threshold: float) -> str:
    """The lines of one batch, row by row."""
    found = [
        (row, place, name, kind, verdict.score)
        for place, (name, column) in enumerate(batch.columns.items())
        for row, verdict in zip(column.rows, verdicts[name], strict=True)
        if (kind := kind_of(verdict, threshold)) != OTHER
    ]
    return "".join(
        json.dumps({"table": table, "row": row, "column": name, "kind": kind, "score": round(score, 4)}) + "\n"
        for row, _, name, kind, score in sorted(found)
    )


class Tags:
    """What was found, read once from the beginning to the end, in the order in which it was written."""

    def __init__(self, path: Path) -> None:
        self._coming = read(path)
        self._next = next(self._coming, None)

    def of(self, table: str, row: int) -> list[Tag]:
        """The tags of a row; ask in the order of tables and rows."""
        found: list[Tag] = []
        while self._next is not None and (self._next.table, self._next.row) == (table, row):
            found.append(self._next)
            self._next = next(self._coming, None)
        return found

    @property
    def all_taken(self) -> bool:
        """Whether every tag was asked for."""
        return self._next is None


def read(path: Path) -> Iterator[Tag]:
    """Every line of a sidecar."""
    with path.open(encoding="ascii") as file:
        for line in file:
            yield Tag(**json.loads(line))


def label(tags: list[Tag]) -> str:
    """The words in the tagged copy: `bank_card: card; person_name: name`. Begins with a kind, so it is no formula."""
    return "; ".join(f"{tag.kind}: {tag.column}" for tag in tags)
