"""Which reader a file takes: told by how it begins, not by its name; and the files below a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kiosk_cloud.protect.reading.delimited import CsvSource
from kiosk_cloud.protect.reading.jsonlines import JsonSource
from kiosk_cloud.protect.reading.parquet import ParquetSource
from kiosk_cloud.protect.reading.sheets import SheetSource
from kiosk_cloud.protect.reading.sqlite import SqliteSource
from kiosk_cloud.protect.tables import InputRefused, Source

JSON_SUFFIXES: Final = frozenset((".jsonl", ".ndjson"))
CSV_SUFFIXES: Final = frozenset((".csv", ".tsv", ".txt", ".tab"))
OTHER_SUFFIXES: Final = frozenset((".xls", ".xlsx", ".xlsm", ".sqlite", ".sqlite3", ".db", ".parquet", ".pq"))
OURS: Final = (".tagged", ".cells", ".report")  # what a scan writes beside its input
FILES_MAX: Final = 100_000
_ZIP, _CFB, _SQLITE, _PARQUET = b"PK", b"\xd0\xcf\x11\xe0", b"SQLite format 3\0", b"PAR1"
_REMEDY: Final = "Tables are read from csv, xls, xlsx, jsonl, sqlite and parquet files; save it as one of these."


@dataclass(frozen=True)
class Said:
    """What the user says of text files; None is found out."""

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None


def opened(path: Path, said: Said | None = None) -> Source:
    """A reader for the file. Raises InputRefused, OSError."""
    said = said or Said()
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(_SQLITE):
        return SqliteSource(path)
    if start.startswith(_PARQUET):
        return ParquetSource(path)
    if start.startswith(_CFB):
        return SheetSource(path, "xls", header=said.header)
    if start.startswith(_ZIP):
        return SheetSource(path, "xlsx", header=said.header)
    suffix = path.suffix.lower()
    if suffix in OTHER_SUFFIXES:
        raise InputRefused(f"{path} is not what its name says: it does not begin as {suffix[1:]} does")
    if start.startswith(b"%PDF"):
        raise InputRefused(f"{path} is a PDF file", remedy=_REMEDY)
    if suffix in JSON_SUFFIXES:
        return JsonSource(path, said.encoding)
    if suffix in CSV_SUFFIXES:
        return CsvSource(path, encoding=said.encoding, delimiter=said.delimiter, header=said.header)
    raise InputRefused(f"{path}: what kind of file is it?", remedy=_REMEDY)


def files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """The files that are named, and those below the folders that are named whose suffix is one of ours, in order.

    Links below a folder are not followed; hidden files and what a scan wrote are passed over. Raises InputRefused.
    """
    count = 0
    for path in paths:
        for file in _below(path) if path.is_dir() else (path,):
            count += 1
            if count > FILES_MAX:
                raise InputRefused(f"more than {FILES_MAX:,} files", remedy="Scan one folder after the other.")
            yield file


def _below(folder: Path) -> Iterator[Path]:
    known = JSON_SUFFIXES | CSV_SUFFIXES | OTHER_SUFFIXES
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            yield from _below(path)
        elif path.is_file() and path.suffix.lower() in known and not set(path.suffixes) & set(OURS):
            yield path
