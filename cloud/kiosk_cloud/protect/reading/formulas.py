"""Formulas of an xlsx sheet, and how far its cells reach: what calamine does not tell.

The sheets are read as XML in pieces; entities are never expanded (workbooks declare none).
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from xml.parsers import expat

from kiosk_cloud.protect.tables import InputRefused

_PIECE: Final = 1 << 18
_CELL: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
FORMULA_CHARACTERS_MAX: Final = 8192  # Excel's


@dataclass(frozen=True)
class Formula:
    """In which row and column (from 0) which formula stands, without its `=`; empty when it shares another's."""

    row: int
    column: int
    text: str


class _Sheet:
    """Fed with XML; collects formulas, and the first and last row and column that hold a cell."""

    def __init__(self) -> None:
        self.found: list[Formula] = []
        self.rows, self.columns = [1 << 30, -1], [1 << 30, -1]
        self._row, self._column = -1, -1
        self._text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "row":
            number = attributes.get("r", "")
            self._row = int(number) - 1 if number.isascii() and number.isdigit() else self._row + 1
            self._column = -1
        elif name == "c":
            self._column += 1
            if place := _CELL.fullmatch(attributes.get("r", "")):
                self._row, self._column = int(place[2]) - 1, _number(place[1])
            self.rows = [min(self.rows[0], self._row), max(self.rows[1], self._row)]
            self.columns = [min(self.columns[0], self._column), max(self.columns[1], self._column)]
        elif name == "f":
            self._text = []

    def text(self, data: str) -> None:
        if self._text is not None and len(self._text) < FORMULA_CHARACTERS_MAX:
            self._text.append(data)

    def end(self, name: str) -> None:
        if self._text is not None and name.rpartition(":")[2] == "f":
            self.found.append(Formula(self._row, self._column, "".join(self._text)[:FORMULA_CHARACTERS_MAX]))
            self._text = None


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _entity(*_: object) -> None:
    raise InputRefused("a part of the workbook declares an XML entity, which no workbook does")


def _parser(handler: _Sheet) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    parser.EntityDeclHandler = _entity
    return parser


def formulas(archive: zipfile.ZipFile, member: str) -> Iterator[Formula]:
    """In the order of the sheet. Raises InputRefused."""
    handler = _Sheet()
    yield from _fed(archive, member, handler)


def extent(archive: zipfile.ZipFile, member: str) -> tuple[int, int]:
    """Rows and columns of the smallest rectangle with all cells in it. Raises InputRefused."""
    handler = _Sheet()
    for _ in _fed(archive, member, handler):
        pass
    rows, columns = handler.rows, handler.columns
    return (0, 0) if rows[1] < 0 else (rows[1] + 1, columns[1] - columns[0] + 1)  # calamine begins at the first row


def _fed(archive: zipfile.ZipFile, member: str, handler: _Sheet) -> Iterator[Formula]:
    parser = _parser(handler)
    try:
        with archive.open(member) as file:
            while piece := file.read(_PIECE):
                parser.Parse(piece, False)  # noqa: FBT003 - expat takes no keyword
                yield from handler.found
                handler.found = []
            parser.Parse(b"", True)  # noqa: FBT003
            yield from handler.found
    except (expat.ExpatError, KeyError, zipfile.BadZipFile) as error:
        raise InputRefused(f"the workbook's part {member} is broken: {error}") from error


class _Named:
    """Collects elements' attributes."""

    def __init__(self, element: str) -> None:
        self._element = element
        self.found: list[dict[str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == self._element:
            self.found.append({key.rpartition(":")[2]: value for key, value in attributes.items()})


def _elements(archive: zipfile.ZipFile, member: str, element: str) -> list[dict[str, str]]:
    handler = _Named(element)
    parser = expat.ParserCreate()
    parser.StartElementHandler = handler.start
    parser.EntityDeclHandler = _entity
    try:
        parser.Parse(archive.read(member), True)  # noqa: FBT003
    except (expat.ExpatError, KeyError, zipfile.BadZipFile) as error:
        raise InputRefused(f"the workbook's part {member} is broken: {error}") from error
    return handler.found


def sheet_members(archive: zipfile.ZipFile) -> dict[str, str]:
    """The zip's member of each sheet, by the sheet's name. Raises InputRefused."""
    named = _elements(archive, "xl/workbook.xml", "sheet")
    targets = {
        each.get("Id", ""): each.get("Target", "")
        for each in _elements(archive, "xl/_rels/workbook.xml.rels", "Relationship")
    }
    members: dict[str, str] = {}
    for each in named:
        target = targets.get(each.get("id", ""), "")
        if target:
            path = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            members[each.get("name", "")] = str(PurePosixPath(path))
    return members
