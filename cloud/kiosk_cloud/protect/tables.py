"""What a reader makes of a file: tables, each a stream of batches of columns. Memory is bounded by a batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from kiosk.errors import KioskError

ROWS_MAX: Final = 2000  # of a batch: what the classifier sees of a column at once
CHARACTERS_MAX: Final = 4 << 20  # of a batch, a row more than that included
PART_CHARACTERS: Final = 1 << 16
CELL_CHARACTERS_MAX: Final = 1 << 28
COLUMNS_MAX: Final = 16_384  # Excel's
NAME_CHARACTERS_MAX: Final = 256


class InputRefused(KioskError, ValueError):
    """A file cannot be read as what it seems to be, or would take more than it may. It stays as it is."""

    remedy = "The file was left as it is; open it in the program that made it, save it again, and scan the new file."


@dataclass(frozen=True)
class LongText:
    """Running text: a cell of more than PART_CHARACTERS, in parts that are never joined, or a formula."""

    parts: tuple[str, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))


Cell = str | LongText


@dataclass
class Column:
    """What is not empty in one column of a batch: `cells[i]` stands in row `rows[i]` of the table (the first is 1)."""

    rows: list[int] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)


@dataclass
class Batch:
    """Rows `first` to `last` of a table; columns in the order in which they came up."""

    first: int
    last: int
    columns: dict[str, Column]
    irregular: int = 0  # rows that are not as the header says, lines that cannot be parsed
    replaced: int = 0  # cells with bytes that are no text in the file's encoding
    unread: int = 0  # binary cells that were not looked into

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.last - self.first + 1


class Table(Protocol):
    """One table of a file."""

    @property
    def name(self) -> str:
        """Unique in its file."""

    def batches(self, after_row: int = 0) -> Iterator[Batch]:
        """What follows row `after_row`. Deterministic: begun at the end of any batch the further ones are the same.

        Raises InputRefused, OSError.
        """

    def progress(self) -> float:
        """Share of the table that was read, 0 to 1."""


class Source(Protocol):
    """One file."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def kind(self) -> str:
        """csv, xls, xlsx, jsonl, sqlite or parquet."""

    def tables(self) -> Sequence[Table]:
        """Its tables in order. Raises InputRefused."""

    def notes(self) -> Sequence[str]:
        """What a reader of the report has to know of how it was read."""

    def close(self) -> None:
        """Give the file back."""


def long_text(pieces: Iterable[str]) -> Cell:
    """A cell from pieces of any size."""
    parts: list[str] = []
    small: list[str] = []
    characters = 0
    for piece in pieces:
        for start in range(0, len(piece), PART_CHARACTERS):
            small.append(piece[start : start + PART_CHARACTERS])
            characters += len(small[-1])
            if characters >= PART_CHARACTERS or len(small) >= 1 << 12:
                parts.append("".join(small))
                small, characters = [], 0
    parts.append("".join(small))
    return LongText(tuple(part for part in parts if part)) if len(parts) > 1 else parts[0]


def cell(text: str) -> Cell:
    """A cell from a text that is in memory already."""
    return text if len(text) <= PART_CHARACTERS else long_text((text,))


class Batcher:
    """Rows in, batches out."""

    def __init__(self, after_row: int = 0) -> None:
        self._after, self._row = after_row, 0
        self._characters = 0
        self._batch = Batch(after_row + 1, after_row, {})

    def add(self, cells: Iterable[tuple[str, Cell]], *, irregular: bool = False, unread: int = 0) -> Batch | None:
        """The next row's cells with their columns' names; a batch when that made it full. Raises InputRefused.

        Rows that were taken before (`after_row`) are passed over.
        """
        self._row += 1
        if self._row <= self._after:
            return None
        batch = self._batch
        for name, value in cells:
            if not value:
                continue
            column = batch.columns.get(name)
            if column is None:
                if len(batch.columns) >= COLUMNS_MAX:
                    raise InputRefused(f"row {self._row} has a column beyond the {COLUMNS_MAX:,} that a table may have")
                column = batch.columns[name] = Column()
            column.rows.append(self._row)
            column.cells.append(value)
            self._characters += len(value)
            batch.replaced += _has_lone(value)
        batch.last = self._row
        batch.irregular += irregular
        batch.unread += unread
        return self.take() if batch.rows >= ROWS_MAX or self._characters >= CHARACTERS_MAX else None

    def take(self) -> Batch | None:
        """What is there now, if there is anything."""
        done = self._batch
        if not done.rows:
            return None
        self._batch, self._characters = Batch(done.last + 1, done.last, {}), 0
        return done


def _has_lone(value: Cell) -> bool:
    """Whether bytes that are no text stand in it, as lone surrogates (`reading.text`)."""
    if isinstance(value, LongText):
        return any(_has_lone(part) for part in value.parts)
    if value.isascii():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def column_names(header: Sequence[str]) -> list[str]:
    """Names for a header's cells: none empty, none twice, none longer than NAME_CHARACTERS_MAX."""
    names: dict[str, None] = {}
    for number, text in enumerate(header, 1):
        base = " ".join(text.split())[:NAME_CHARACTERS_MAX] or f"column {number}"
        name, again = base, 1
        while name in names:
            again += 1
            name = f"{base} ({again})"
        names[name] = None
    return list(names)
