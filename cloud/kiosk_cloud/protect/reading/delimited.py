"""Text in columns (csv): a scanner with bounded memory, the dialect, and the table.

The scanner reads what Python's `csv` reads (its non-strict rules; `tests/property/test_protect_readers.py` holds them
against each other) but takes a file in pieces: `csv` would hold a cell of 100 MB four times over.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from kiosk.protection.spans import find
from kiosk_cloud.protect.reading import text as texts
from kiosk_cloud.protect.tables import (
    CELL_CHARACTERS_MAX,
    Batch,
    Batcher,
    Cell,
    InputRefused,
    column_names,
    long_text,
)

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_ROWS: Final = 100
SAMPLE_CHARACTERS: Final = 1 << 18
HEADER_CHARACTERS_MAX: Final = 64
_QUOTE: Final = '"'


@dataclass(frozen=True)
class Record:
    """One row. `raw` is what stood in the file, its line end included; `open` that a quote never closed."""

    cells: list[Cell]
    raw: list[str]
    open: bool = False


class _Scanner:
    """A window over the pieces. What is behind `at` was consumed; a quote or a return is never the last in it."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = iter(pieces)
        self.text, self.at = "", 0
        self._held = ""
        self._raw_from = 0
        self.raw: list[str] = []
        self.ended = False
        self.more()

    def more(self) -> bool:
        """Drop what is in the window (it is in `raw`) and take the next piece; False at the end."""
        self.raw.append(self.text[self._raw_from :])
        self.text, self.at, self._raw_from = "", 0, 0
        while not self.text and not self.ended:
            piece = next(self._pieces, None)
            if piece is None:
                self.ended = True
                self.text, self._held = self._held, ""
            else:
                joined = self._held + piece
                hold = joined[-1:] in (_QUOTE, "\r")
                self.text, self._held = (joined[:-1], joined[-1]) if hold else (joined, "")
        return bool(self.text)

    def take_raw(self) -> list[str]:
        """All that was consumed since the last time."""
        raw = [*self.raw, self.text[self._raw_from : self.at]]
        self.raw, self._raw_from = [], self.at
        return [piece for piece in raw if piece]

    def here(self) -> str:
        """The next character; empty at the end of the file."""
        if self.at >= len(self.text) and not self.more():
            return ""
        return self.text[self.at]


class Records:
    """Rows of a text, one after the other."""

    def __init__(self, pieces: Iterable[str], delimiter: str, *, cells: bool = True) -> None:
        """Without `cells` only what stood in the file is kept of each row."""
        self._scan = _Scanner(pieces)
        self._delimiter = delimiter
        self._stop = re.compile(f"[{re.escape(delimiter)}\r\n]")
        self._cells = cells
        self._open = False

    def __iter__(self) -> Iterator[Record]:
        """Raises InputRefused for a cell beyond CELL_CHARACTERS_MAX."""
        scan = self._scan
        while scan.here():
            cells = self._row()
            yield Record(cells, scan.take_raw(), self._open)

    def _row(self) -> list[Cell]:
        cells: list[Cell] = []
        scan = self._scan
        if scan.here() in "\r\n":
            self._line_end()
            return cells
        while True:
            pieces = list(self._bounded(self._quoted() if scan.here() == _QUOTE else self._plain()))
            if self._cells:
                cells.append(_joined(pieces))
            character = scan.here()
            if character == self._delimiter:
                scan.at += 1
                if not scan.here():  # csv's rule: a delimiter at the very end begins an empty cell
                    cells.append("")
                    return cells
            else:
                if character:
                    self._line_end()
                return cells

    def _bounded(self, pieces: Iterator[str]) -> Iterator[str]:
        characters = 0
        for piece in pieces:
            characters += len(piece)
            if characters > CELL_CHARACTERS_MAX:
                raise InputRefused(
                    f"a cell has more than {CELL_CHARACTERS_MAX:,} characters",
                    remedy='Look for a quote (") that is never closed, or say the right --delimiter.',
                )
            if self._cells:
                yield piece

    def _plain(self) -> Iterator[str]:
        scan = self._scan
        while scan.here():
            found = self._stop.search(scan.text, scan.at)
            end = found.start() if found else len(scan.text)
            yield scan.text[scan.at : end]
            scan.at = end
            if found:
                return

    def _quoted(self) -> Iterator[str]:
        scan = self._scan
        scan.at += 1
        while scan.here():
            end = scan.text.find(_QUOTE, scan.at)
            if end < 0:
                yield scan.text[scan.at :]
                scan.at = len(scan.text)
                continue
            yield scan.text[scan.at : end]
            scan.at = end + 1
            after = scan.here()
            if after == _QUOTE:
                yield _QUOTE
                scan.at += 1
            else:
                if after and after not in f"{self._delimiter}\r\n":  # text behind the closing quote belongs to the cell
                    yield from self._plain()
                return
        self._open = True

    def _line_end(self) -> None:
        scan = self._scan
        first = scan.here()
        scan.at += 1
        if first == "\r" and scan.here() == "\n":
            scan.at += 1


def _joined(pieces: list[str]) -> Cell:
    return pieces[0] if len(pieces) == 1 and len(pieces[0]) < SAMPLE_CHARACTERS // 4 else long_text(pieces)


@dataclass(frozen=True)
class Dialect:
    """How a csv file is written."""

    encoding: str
    delimiter: str
    header: bool


def dialect(path: Path, encoding: str | None, delimiter: str | None, *, header: bool | None) -> Dialect:
    """Find out what was not said. Raises InputRefused, OSError."""
    found = texts.known(encoding) if encoding else texts.detect(path)
    sample = "".join(islice(texts.Pieces(path, found), 1))[:SAMPLE_CHARACTERS]
    split = delimiter or _delimiter(sample)
    first: Sequence[Cell] = next((record.cells for record in Records((sample,), split) if record.cells), ())
    return Dialect(found, split, is_header(first) if header is None else header)


def _delimiter(sample: str) -> str:
    """The one with which most rows have as many cells as the row that is met most often, and more than one."""

    def regular(delimiter: str) -> tuple[int, int]:
        counts = [len(record.cells) for record in islice(Records((sample,), delimiter), SAMPLE_ROWS)]
        wide = [count for count in counts if count > 1]
        usual = max(set(wide), key=wide.count, default=0)
        return wide.count(usual), usual

    return max(DELIMITERS, key=regular)


def is_header(cells: Sequence[Cell]) -> bool:
    """Names, each once, none of them a number, nothing that a check digit or a pattern tells to be protected."""
    words = [value.strip() if isinstance(value, str) else "" for value in cells]
    return (
        bool(words)
        and all(0 < len(word) <= HEADER_CHARACTERS_MAX for word in words)
        and len(set(words)) == len(words)
        and not any(sum(map(str.isdigit, word)) * 2 >= len(word) for word in words)
        and not any(find(word) for word in words)
    )


class CsvTable:
    """The one table of a csv file."""

    name = "table"

    def __init__(self, path: Path, found: Dialect) -> None:
        self.path, self.dialect = path, found
        self._bytes = max(1, path.stat().st_size)
        self._pieces = texts.Pieces(path, found.encoding)

    def batches(self, after_row: int = 0) -> Iterator[Batch]:
        batcher = Batcher(after_row)
        names: list[str] = []
        header = self.dialect.header
        for record in Records(self._pieces, self.dialect.delimiter):
            if header:
                if not record.cells:
                    continue  # blank lines before the header are no rows
                names, header = column_names([str(value)[:1024] for value in record.cells]), False
                width = len(names)
                continue
            width = len(names) if self.dialect.header else 0
            while len(names) < len(record.cells):
                names.append(f"column {len(names) + 1}")
            irregular = record.open or bool(width and record.cells and len(record.cells) != width)
            row = zip(names, map(_trimmed, record.cells), strict=False)
            if batch := batcher.add(row, irregular=irregular):
                yield batch
        if batch := batcher.take():
            yield batch

    def progress(self) -> float:
        return min(1.0, self._pieces.bytes_read / self._bytes)


def _trimmed(value: Cell) -> Cell:
    return value.strip() if isinstance(value, str) else value


class CsvSource:
    """A csv file."""

    kind = "csv"

    def __init__(
        self, path: Path, *, encoding: str | None = None, delimiter: str | None = None, header: bool | None = None
    ) -> None:
        """Raises InputRefused, OSError."""
        self.path: Path = path
        self.dialect = dialect(path, encoding, delimiter, header=header)

    def tables(self) -> Sequence[CsvTable]:
        return [CsvTable(self.path, self.dialect)] if self.path.stat().st_size else []

    def notes(self) -> Sequence[str]:
        found = self.dialect
        names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
        how = (
            f"read as {found.encoding}, cells separated by {names.get(found.delimiter, repr(found.delimiter))},"
            f" {'the first row names the columns' if found.header else 'no row names the columns'}"
        )
        return [how]

    def close(self) -> None:
        """Nothing is held open."""
