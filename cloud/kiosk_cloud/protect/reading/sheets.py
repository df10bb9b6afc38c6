"""xls and xlsx: each sheet a table. Values by calamine, which runs no formula; formulas of xlsx by `formulas`.

A formula's cell is judged by its last computed value and, where the formula has texts or long numbers of its own, by
the formula as well: the value may not show them, or there is none.
"""

import datetime as dt
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import python_calamine as calamine

from kiosk_cloud.protect.reading import formulas, zips
from kiosk_cloud.protect.reading.delimited import is_header
from kiosk_cloud.protect.tables import Batch, Batcher, Cell, InputRefused, LongText, cell, column_names

CELLS_MAX: Final = 40_000_000  # calamine holds a sheet's whole rectangle: some 32 bytes a cell
XLS_BYTES_MAX: Final = 256 << 20
_TELLING: Final = re.compile(
    r'"|[0-9]{5}'
)  # a formula that may say more than its value: it has a text or a long number
Value = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta


class SheetSource:
    """A workbook."""

    def __init__(self, path: Path, kind: str, *, header: bool | None = None) -> None:
        """`kind` is xls or xlsx. Raises InputRefused, OSError."""
        self.path: Path = path
        self.kind = kind
        self._header = header
        self._archive: zipfile.ZipFile | None = None
        self._members: dict[str, str] = {}
        if kind == "xlsx":
            zips.check(path)
            self._archive = zipfile.ZipFile(path)
            self._check_extents(self._archive)
        elif path.stat().st_size > XLS_BYTES_MAX:
            raise InputRefused(f"{path} has more than {XLS_BYTES_MAX:,} bytes, which no xls has")
        self._book = _opened(path)

    def _check_extents(self, archive: zipfile.ZipFile) -> None:
        self._members = formulas.sheet_members(archive)
        for name, member in self._members.items():
            rows, columns = formulas.extent(archive, member)
            if rows * columns > CELLS_MAX:
                raise InputRefused(
                    f"{self.path}, sheet {name}: its cells lie {rows:,} rows and {columns:,} columns apart",
                    remedy="Remove the cells far outside the table, or save the sheet as csv.",
                )

    def tables(self) -> Sequence["SheetTable"]:
        return [
            SheetTable(self, sheet.name)
            for sheet in self._book.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet
        ]

    def rows(self, name: str) -> Iterator[list[Value]]:
        """A sheet's values, row by row from the sheet's first. Raises InputRefused."""
        try:
            yield from self._book.get_sheet_by_name(name).iter_rows()
        except calamine.CalamineError as error:
            raise InputRefused(f"{self.path}, sheet {name}: {error}") from error
        except BaseException as error:  # a panic in Rust is no Exception
            if type(error).__name__ == "PanicException":
                raise InputRefused(f"{self.path}, sheet {name}, is broken") from error
            raise

    def first_column(self, name: str) -> int:
        """Which column (from 0) the rows begin at."""
        start = self._book.get_sheet_by_name(name).start
        return start[1] if start else 0

    def height(self, name: str) -> int:
        """How many rows a sheet has."""
        return self._book.get_sheet_by_name(name).total_height

    def formulas(self, name: str) -> Iterator[formulas.Formula]:
        """A sheet's formulas in order; none are known of xls."""
        if self._archive is not None and name in self._members:
            yield from formulas.formulas(self._archive, self._members[name])

    def has_header(self, name: str) -> bool:
        """Whether the first row that is not empty names the columns."""
        if self._header is not None:
            return self._header
        first: list[Value] = next((row for row in self.rows(name) if any(value != "" for value in row)), [])
        texts = [value for value in first if value != ""]
        return all(isinstance(value, str) for value in texts) and is_header([str(value) for value in texts])

    def notes(self) -> Sequence[str]:
        notes = []
        hidden = [
            sheet.name for sheet in self._book.sheets_metadata if sheet.visible != calamine.SheetVisibleEnum.Visible
        ]
        if hidden:
            notes.append(f"hidden sheets were read like the others: {', '.join(hidden)}")
        if self.kind == "xls":
            notes.append("formulas of an xls file are known by their last computed values only")
        return notes

    def close(self) -> None:
        self._book.close()
        if self._archive is not None:
            self._archive.close()


def _opened(path: Path) -> calamine.CalamineWorkbook:
    try:
        return calamine.load_workbook(path)
    except calamine.PasswordError as error:
        raise InputRefused(f"{path} has a password", remedy="Save it without one and scan that.") from error
    except calamine.CalamineError as error:
        raise InputRefused(f"{path} is broken: {error}") from error
    except BaseException as error:  # a panic in Rust is no Exception
        if type(error).__name__ == "PanicException":
            raise InputRefused(f"{path} is broken") from error
        raise


class SheetTable:
    """One sheet."""

    def __init__(self, source: SheetSource, name: str) -> None:
        self.name = name
        self._source = source
        self._row = 0

    def batches(self, after_row: int = 0) -> Iterator[Batch]:
        batcher = Batcher(after_row)
        header = self._source.has_header(self.name)
        names: list[str] = []
        for row, values, written in rows_with_formulas(self._source, self.name):
            self._row = row
            if header:
                if any(value != "" for value in values):
                    names, header = column_names([text_of(value) for value in values]), False
                continue
            while len(names) < len(values):
                names.append(f"column {len(names) + 1}")
            cells: list[tuple[str, Cell]] = []
            for column, (name, value) in enumerate(zip(names, values, strict=False)):
                text = text_of(value)
                formula = written.get(column, "")
                cells.append((name, LongText((f"{text} ={formula}",)) if _TELLING.search(formula) else cell(text)))
            if batch := batcher.add(cells):
                yield batch
        if batch := batcher.take():
            yield batch

    def progress(self) -> float:
        return min(1.0, self._row / max(1, self._source.height(self.name)))


def rows_with_formulas(source: SheetSource, name: str) -> Iterator[tuple[int, list[Value], dict[int, str]]]:
    """(row from 0, values, the formulas by their place among the values).

    A row of formulas without any value at the end of a sheet is a row, too.
    """
    first = source.first_column(name)
    coming = source.formulas(name)
    formula = next(coming, None)
    row = -1

    def written(row: int) -> dict[int, str]:
        nonlocal formula
        found: dict[int, str] = {}
        while formula is not None and formula.row <= row:
            if formula.row == row and formula.text:
                found[formula.column - first] = formula.text
            formula = next(coming, None)
        return found

    for row, values in enumerate(source.rows(name)):
        found = written(row)
        width = max([len(values), *(column + 1 for column in found)])
        yield row, values + [""] * (width - len(values)), found
    while formula is not None:
        while row + 1 < formula.row:
            row += 1
            yield row, [], {}
        row = max(row + 1, formula.row)
        found = written(row)
        yield row, [""] * (max(found, default=-1) + 1), found


def text_of(value: Value) -> str:
    """As a person sees it; whole numbers without a decimal point."""
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer() and abs(value) < 1e21:  # noqa: PLR2004 - beyond, Excel shows an exponent
            return str(int(value))
        case dt.datetime() if value.time() == dt.time():
            return value.date().isoformat()
        case dt.datetime():
            return value.isoformat(" ")
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return str(value).strip()
