"""Readers of tables lose nothing, whatever is in a file; Python's own csv is held against our scanner."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk_cloud.protect import judging, tables
from kiosk_cloud.protect.reading import jsonlines, text
from kiosk_cloud.protect.reading.delimited import CsvSource, Records
from kiosk_cloud.protect.sidecar import Tags
from kiosk_cloud.protect.tables import Batcher, LongText, long_text
from kiosk_cloud.protect.writing import texts

AWKWARD = st.text(alphabet=',;"\r\n\t ab9ж字', max_size=60)
DELIMITERS = st.sampled_from([",", ";", "\t"])


def pieces(whole: str, sizes: list[int]) -> Iterator[str]:
    rest = iter(whole)
    for size in sizes:
        yield "".join(islice(rest, size))
    yield "".join(rest)


def plain(cell: tables.Cell) -> str:
    return cell if isinstance(cell, str) else "".join(cell.parts)


@given(AWKWARD, DELIMITERS, st.lists(st.integers(0, 5), max_size=30))
@settings(max_examples=200)
def test_rows_are_those_that_pythons_csv_reads_however_the_text_arrives(
    whole: str, delimiter: str, sizes: list[int]
) -> None:
    ours = list(Records(pieces(whole, sizes), delimiter))
    assert [list(map(plain, record.cells)) for record in ours] == list(
        csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter)
    )
    assert "".join("".join(record.raw) for record in ours) == whole


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=4), max_size=8), DELIMITERS)
def test_what_python_writes_is_read_again(rows: list[list[str]], delimiter: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    assert [list(map(plain, each.cells)) for each in Records([out.getvalue()], delimiter)] == rows


@given(st.binary(max_size=80), st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "cp1251"]))
def test_bytes_come_back_from_any_encoding(data: bytes, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(data)
        encoder = text.encoder(encoding)
        back = b"".join(map(encoder.encode, text.Pieces(path, encoding))) + encoder.encode("", final=True)
    assert back.removeprefix(b"\xef\xbb\xbf") == data.removeprefix(b"\xef\xbb\xbf")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60).filter(lambda t: "\0" not in t))
def test_utf_8_and_marked_utf_16_are_told(whole: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            path.write_bytes(whole.encode(encoding))
            found = text.detect(path)
            read = "".join(text.Pieces(path, found))
            assert read == whole.removeprefix("\ufeff") or read == whole


@given(AWKWARD.filter(bool), DELIMITERS, st.booleans())
def test_a_tagged_csv_without_its_first_column_is_the_file(whole: str, delimiter: str, header: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, cells = Path(folder) / "f.csv", Path(folder) / "cells"
        path.write_bytes(whole.encode())
        cells.write_text("")
        source = CsvSource(path, encoding="utf-8", delimiter=delimiter, header=header)
        copied = b"".join(texts.csv_bytes(source, Tags(cells))).decode()
    before = list(csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter))
    after = list(csv.reader(io.StringIO(copied, newline=""), delimiter=delimiter))
    tagged = [row[1:] if row else row for row in after]
    assert tagged == before
    assert sum(row[:1] == ["protected"] for row in after) == (header and any(before))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def values(value: object) -> list[str]:
    if isinstance(value, dict):
        return [each for inner in value.values() for each in values(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in values(inner)]
    return [] if value is None else [str(value).lower() if not isinstance(value, str) else value.strip()]


@given(JSON)
def test_every_value_of_a_line_is_a_cell(value: object) -> None:
    cells, fits = jsonlines.row(json.dumps(value))
    assert fits
    assert [plain(cell) for _, cell in cells] == values(value)


@given(st.text(max_size=40))
def test_any_line_is_read_and_none_is_lost(line: str) -> None:
    line = line.replace("\n", " ")
    cells, fits = jsonlines.row(line)
    assert fits or [plain(cell) for _, cell in cells] == [line.strip()]


@given(st.lists(st.text(max_size=30), max_size=20), st.lists(st.integers(0, 9), max_size=20))
def test_lines_are_whole_however_they_arrive(lines: list[str], sizes: list[int]) -> None:
    clean = [line.replace("\n", "") for line in lines]
    whole = "".join(f"{line}\n" for line in clean)
    assert list(jsonlines.lines(pieces(whole, sizes))) == clean


@given(st.lists(st.integers(0, tables.PART_CHARACTERS * 2), max_size=6))
def test_long_texts_are_their_pieces(sizes: list[int]) -> None:
    made = long_text("x" * size for size in sizes)
    assert len(made) == sum(sizes)
    assert isinstance(made, LongText) == (sum(sizes) > tables.PART_CHARACTERS) or sum(sizes) == tables.PART_CHARACTERS
    if isinstance(made, LongText):
        assert max(map(len, made.parts)) <= 2 * tables.PART_CHARACTERS


@given(st.integers(0, 3 * judging.WINDOW_CHARACTERS), st.integers(1, 200))
def test_what_is_shorter_than_the_overlap_lies_whole_in_a_window(at: int, length: int) -> None:
    mark = "#" * length
    whole = "." * at + mark + "." * (4 * judging.WINDOW_CHARACTERS)
    found = list(judging.windows(long_text((whole,))))
    assert any(mark in window for window in found)
    assert max(map(len, found)) <= judging.WINDOW_CHARACTERS


@pytest.mark.parametrize("after", [0, 1, 1999, 2000, 2001, 5000])
def test_batches_begin_behind_what_was_done(after: int) -> None:
    batcher = Batcher(after)
    made = [batch for row in range(1, 5002) if (batch := batcher.add([("c", str(row))]))]
    made += [batch for batch in [batcher.take()] if batch]
    assert [row for batch in made for row in batch.columns["c"].rows] == list(range(after + 1, 5002))
    assert made[0].first == after + 1
