"""One JSON value a line. Columns are paths: `{"a": {"b": [1, 2]}}` has two cells in the column `a.b[]`."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from kiosk_cloud.protect.reading import text as texts
from kiosk_cloud.protect.tables import (
    CELL_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    Batch,
    Batcher,
    Cell,
    InputRefused,
    cell,
)

UNREADABLE: Final = "(line that is no JSON)"
VALUE: Final = "(value)"  # a line that is no object
LEAVES_MAX: Final = 1 << 20  # of one line


class Pairs(list[tuple[str, object]]):
    """An object's members in order; a name that stands twice is there twice, so that no value escapes."""


def lines(pieces: Iterable[str]) -> Iterator[str]:
    """Lines without their ends. Raises InputRefused for one beyond CELL_CHARACTERS_MAX."""
    rest: list[str] = []
    characters = 0
    for piece in pieces:
        first, *more = piece.split("\n")
        rest.append(first)
        characters += len(first)
        if characters > CELL_CHARACTERS_MAX:
            raise InputRefused(f"a line has more than {CELL_CHARACTERS_MAX:,} characters")
        if more:
            yield "".join(rest)
            yield from more[:-1]
            rest, characters = [more[-1]], len(more[-1])
    if characters:
        yield "".join(rest)


def decode(line: str) -> object:
    """The line's value; numbers as they are written. Raises ValueError."""
    try:
        return json.loads(line, object_pairs_hook=Pairs, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def leaves(value: object) -> list[tuple[str, Cell]]:
    """(path, text) of everything in a value that is not null. Raises InputRefused."""
    found: list[tuple[str, Cell]] = []
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:  # no recursion: as deep as the decoder went
        path, each = waiting.pop()
        if isinstance(each, Pairs):
            dot = f"{path}." if path else ""
            waiting += [(f"{dot}{name}"[:NAME_CHARACTERS_MAX], inner) for name, inner in reversed(each)]
        elif isinstance(each, list):
            waiting += [(f"{path}[]"[:NAME_CHARACTERS_MAX], inner) for inner in reversed(each)]
        elif each is not None:
            text = each if isinstance(each, str) else str(each).lower()
            found.append((path or VALUE, cell(text.strip())))
        if len(found) + len(waiting) > LEAVES_MAX:
            raise InputRefused(f"a line has more than {LEAVES_MAX:,} values")
    return found


def row(line: str) -> tuple[list[tuple[str, Cell]], bool]:
    """A line's cells, and whether it is JSON: one that is none is a cell of its own, and judged like any other."""
    if not line.strip():
        return [], True
    try:
        return leaves(decode(line)), True
    except ValueError as error:
        if isinstance(error, InputRefused):
            raise
        return [(UNREADABLE, cell(line.strip()))], False


class JsonTable:
    """The lines of a file."""

    name = "table"

    def __init__(self, path: Path, encoding: str) -> None:
        self._bytes = max(1, path.stat().st_size)
        self._pieces = texts.Pieces(path, encoding)

    def batches(self, after_row: int = 0) -> Iterator[Batch]:
        batcher = Batcher(after_row)
        for number, line in enumerate(lines(self._pieces), 1):
            cells, fits = row(line) if number > after_row else ([], True)
            if batch := batcher.add(cells, irregular=not fits):
                yield batch
        if batch := batcher.take():
            yield batch

    def progress(self) -> float:
        return min(1.0, self._pieces.bytes_read / self._bytes)


class JsonSource:
    """A jsonl file."""

    kind = "jsonl"

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        """Raises InputRefused, OSError."""
        self.path: Path = path
        self.encoding = texts.known(encoding) if encoding else texts.detect(path)

    def tables(self) -> Sequence[JsonTable]:
        return [JsonTable(self.path, self.encoding)] if self.path.stat().st_size else []

    def notes(self) -> Sequence[str]:
        return [f"read as {self.encoding}, one JSON value a line"]

    def close(self) -> None:
        """Nothing is held open."""
