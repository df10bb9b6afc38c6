"""Tables that nobody has: files in every format with people made of seeds, hostile files, and what reads them back."""

import csv
import io
import json
import random
import sqlite3
import struct
import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import python_calamine
import xlsxwriter
from stdnum import luhn

from kiosk.protection.catalogue import Catalogue
from kiosk_cloud.protect.judging import Judge
from kiosk_cloud.protect.scanning import Options

HEADER = ("id", "name", "card", "phone", "note")
NOTES = ("paid", "перезвонить +7 916 123-45-67", "call back 13812345678", "", 'said "yes", then; no')


def card(seed: int) -> str:
    body = f"4276{random.Random(seed).randrange(10**11):011d}"
    return body + luhn.calc_check_digit(body)


def people(count: int, seed: int = 1) -> list[list[str]]:
    """Rows below HEADER."""
    return [
        [f"A{seed}-{row}", f"Иванов {row}", card(seed * 1000 + row), f"+7 916 555-{row % 90 + 10}-77", NOTES[row % 5]]
        for row in range(count)
    ]


def csv_bytes(
    rows: Sequence[Sequence[str]], encoding: str = "utf-8", delimiter: str = ",", header: Sequence[str] = HEADER
) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([header, *rows])
    return text.getvalue().encode(encoding)


def write_csv(path: Path, rows: Sequence[Sequence[str]], encoding: str = "utf-8", delimiter: str = ",") -> Path:
    path.write_bytes(csv_bytes(rows, encoding, delimiter))
    return path


def write_jsonl(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    lines = [json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_sqlite(path: Path, rows: Sequence[Sequence[str]], extra: str = "") -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"CREATE TABLE people ({', '.join(HEADER)})")
        marks = ", ".join("?" * len(HEADER))
        db.executemany(f"INSERT INTO people VALUES ({marks})", rows)  # noqa: S608 - ours
        db.executescript(extra)
    return path


def write_parquet(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    columns = {name: [row[place] for row in rows] for place, name in enumerate(HEADER)}
    pq.write_table(pa.table(columns), path, row_group_size=700)
    return path


def write_xlsx(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("People")
        for number, row in enumerate([HEADER, *rows]):
            sheet.write_row(number, 0, row)
    return path


def sheet_of(path: Path, name: str) -> list[list[object]]:
    return [list(row) for row in python_calamine.load_workbook(path).get_sheet_by_name(name).iter_rows()]


def replaced(path: Path, member: str, old: bytes, new: bytes) -> None:
    """Another content for one member of a zip."""
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    assert old in members[member]
    members[member] = members[member].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, data in members.items():
            archive.writestr(each, data)


def write_xls(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """An Excel 97 file as MS-XLS and MS-CFB have it: one sheet of texts, a formula below them."""
    sheet = _biff(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 6))
    sheet += _biff(0x200, struct.pack("<IIHHH", 0, len(rows) + 2, 0, len(HEADER), 0))
    for number, row in enumerate([HEADER, *rows]):
        for column, text in enumerate(row):
            encoded = text.encode("utf-16-le")
            sheet += _biff(0x204, struct.pack("<HHHHB", number, column, 0, len(text), 1) + encoded)
    formula = b"\x1e\x01\x00\x1e\x01\x00\x03"  # 1 + 1
    place = struct.pack("<HHH", len(rows) + 1, 2, 0)
    sheet += _biff(0x06, place + struct.pack("<dHIH", 2.0, 0, 0, len(formula)) + formula) + _biff(0x0A, b"")
    head = _biff(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 6))
    name = b"People"
    start = len(head) + 4 + 8 + len(name) + 4
    stream = head + _biff(0x85, struct.pack("<IHBB", start, 0, len(name), 0) + name) + _biff(0x0A, b"") + sheet
    path.write_bytes(_compound(stream))
    return path


def _biff(number: int, data: bytes) -> bytes:
    return struct.pack("<HH", number, len(data)) + data


def _compound(stream: bytes) -> bytes:
    stream = stream.ljust(-(-max(len(stream), 4096) // 512) * 512, b"\0")  # below 4096 bytes it would be a mini stream
    sectors = len(stream) // 512
    assert sectors <= 126
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, sectors + 2), 0xFFFFFFFE]
    fat = struct.pack("<128I", *chain, *[0xFFFFFFFF] * (128 - len(chain)))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    directory = _entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + _entry("Workbook", 2, 0xFFFFFFFF, 2, len(stream))
    return header + fat + directory + bytes(256) + stream


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    none = 0xFFFFFFFF
    return (
        encoded.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(encoded), kind, 1, none, none, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def options(**changes: object) -> Options:
    """With the classifier of the package."""
    return Options(Judge.load(), Catalogue.load(), **changes)  # type: ignore[arg-type]
