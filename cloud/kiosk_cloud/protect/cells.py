"""Cells in, verdicts out, a line each: `{"table", "row", "column", "value"}` -> `{"kind", "score"}`, in the same order.

The classifier wants to see a column at once, so lines are taken in windows and grouped by table and column inside each.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from kiosk.errors import KioskError
from kiosk.protection.classify import Verdict
from kiosk.protection.kinds import OTHER
from kiosk_cloud.protect.judging import Judge
from kiosk_cloud.protect.tables import CHARACTERS_MAX, Batch, Cell, Column, cell

WINDOW_LINES: Final = 4096
EMPTY: Final = Verdict(OTHER, 1.0)


class BadLine(KioskError, ValueError):
    """A line is no cell."""

    remedy = 'Each line is an object like {"table": "t", "row": 1, "column": "c", "value": "x"}.'


def judged(lines: Iterable[str], judge: Judge, window_lines: int = WINDOW_LINES) -> Iterator[Verdict]:
    """One verdict a line. Raises BadLine, after the verdicts of all lines before it."""
    numbered = enumerate(lines, 1)
    while True:
        taken: list[tuple[tuple[str, str], Cell]] = []
        refused: BadLine | None = None
        characters = 0
        for number, line in islice(numbered, window_lines):
            try:
                taken.append(_parsed(line, number))
            except BadLine as error:
                refused = error
                break
            characters += len(line)
            if characters >= CHARACTERS_MAX:
                break
        yield from _window(taken, judge)
        if refused is not None:
            raise refused
        if not taken:
            return


def _parsed(line: str, number: int) -> tuple[tuple[str, str], Cell]:
    try:
        found: Any = json.loads(line, parse_float=str, parse_int=str)
        value, column = found["value"], str(found.get("column", ""))
        table = str(found.get("table", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadLine(f"line {number} is no cell: {type(error).__name__}") from error  # not its text: that is data
    if value is None:
        return (table, column), ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False).strip('"')
    return (table, column), cell(text.strip())


def _window(taken: list[tuple[tuple[str, str], Cell]], judge: Judge) -> Iterator[Verdict]:
    tables: dict[str, Batch] = {}
    for row, ((table, name), value) in enumerate(taken):
        if value:
            column = tables.setdefault(table, Batch(0, len(taken), {})).columns.setdefault(name, Column())
            column.rows.append(row)
            column.cells.append(value)
    found = [EMPTY] * len(taken)
    for batch in tables.values():
        for name, verdicts in judge.batch(batch).items():
            for row, verdict in zip(batch.columns[name].rows, verdicts, strict=True):
                found[row] = verdict
    yield from found
