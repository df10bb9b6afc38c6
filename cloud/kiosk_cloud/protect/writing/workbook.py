"""The tagged copy of a workbook: protected cells coloured by kind, the first column saying which they are.

Values and formulas are as they were, the looks of the original are not kept; a last sheet explains the colours. Written
row by row.
"""

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any, Final

import xlsxwriter

from kiosk.protection.kinds import OTHER
from kiosk_cloud.protect.colours import COLOURS
from kiosk_cloud.protect.reading.sheets import SheetSource, Value, rows_with_formulas, text_of
from kiosk_cloud.protect.sidecar import Tag, Tags, label
from kiosk_cloud.protect.tables import InputRefused, column_names
from kiosk_cloud.protect.writing.texts import COLUMN

TEXT_CHARACTERS_MAX: Final = 32_767  # Excel's
ROWS_MAX: Final = 1_048_576
COLUMNS_MAX: Final = 16_384
_DATES: Final = {
    dt.datetime: "yyyy-mm-dd hh:mm:ss",
    dt.date: "yyyy-mm-dd",
    dt.time: "hh:mm:ss",
    dt.timedelta: "[h]:mm:ss",
}
_EXACT_MAX: Final = 1 << 53
_LEGEND: Final = "Protected kinds"


class _Formats:
    """One format for each colour and each way of writing a date."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self._made: dict[tuple[str, type | None], Any] = {}

    def of(self, kind: str, value: Value | None = None) -> Any:  # noqa: ANN401 - xlsxwriter's
        how = next((each for each in _DATES if type(value) is each), None)
        if (kind, how) not in self._made:
            looks: dict[str, object] = {} if how is None else {"num_format": _DATES[how]}
            if kind != OTHER:
                looks |= {"bg_color": COLOURS[kind], "font_color": "#000000"}
            self._made[kind, how] = self._book.add_format(looks)
        return self._made[kind, how]


def write(source: SheetSource, tags: Tags, path: Path) -> None:
    """Raises InputRefused for a cell that no xlsx can hold."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as folder:  # its own leave files behind
        _write(source, tags, path, folder)
    path.chmod(0o600)


def _write(source: SheetSource, tags: Tags, path: Path, folder: str) -> None:
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": folder})
    path.touch(mode=0o600)
    try:
        formats = _Formats(book)
        names: set[str] = set()
        for table in source.tables():
            _sheet(book, source, table.name, tags, formats)
            names.add(table.name.lower())
        _legend(book, formats, names)
    finally:
        book.close()


def _sheet(book: xlsxwriter.Workbook, source: SheetSource, name: str, tags: Tags, formats: _Formats) -> None:
    sheet = book.add_worksheet(name)
    header, row, names = source.has_header(name), 0, list[str]()
    for number, values, written in rows_with_formulas(source, name):
        found: list[Tag] = []
        if header:
            if any(value != "" for value in values):
                names, header = column_names([text_of(value) for value in values]), False
                sheet.write_string(number, 0, COLUMN)
        else:
            row += 1
            found = tags.of(name, row)
        while len(names) < len(values):
            names.append(f"column {len(names) + 1}")
        if number >= ROWS_MAX or len(values) >= COLUMNS_MAX:
            raise InputRefused(f"{source.path}, sheet {name}: with one more column it is too large for a workbook")
        if found:
            sheet.write_string(number, 0, label(found)[:TEXT_CHARACTERS_MAX], formats.of(found[0].kind))
        kinds = {tag.column: tag.kind for tag in found}
        for column, value in enumerate(values):
            looks = formats.of(kinds.get(names[column], OTHER), value)
            _cell(sheet, (number, column + 1), value, written.get(column), looks)


def _cell(sheet: Any, at: tuple[int, int], value: Value, formula: str | None, looks: Any) -> None:  # noqa: ANN401
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_MAX:
        value = int(value)  # every number comes as a float
    if formula is not None:
        sheet.write_formula(*at, f"={formula}", looks, value if isinstance(value, int | float | str | bool) else "")
        return
    match value:
        case "":
            return
        case str():
            if len(value) > TEXT_CHARACTERS_MAX:
                raise InputRefused(f"a cell has {len(value):,} characters; a workbook's hold {TEXT_CHARACTERS_MAX:,}")
            sheet.write_string(*at, value, looks)
        case bool():
            sheet.write_boolean(*at, value, looks)
        case int() | float():
            sheet.write_number(*at, value, looks)
        case _:
            sheet.write_datetime(*at, value, looks)


def _legend(book: xlsxwriter.Workbook, formats: _Formats, taken: set[str]) -> None:
    name = _LEGEND
    while name.lower() in taken:
        name += "_"
    sheet = book.add_worksheet(name)
    for row, kind in enumerate(COLOURS):
        sheet.write_string(row, 0, kind, formats.of(kind))
