"""Files that mean harm or are broken get a clear error, or are read whole; nothing is lost, nothing bursts."""

import json
import resource
import sqlite3
import struct
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from kiosk.protection.classify import Verdict
from kiosk_cloud.protect import judging, tables
from kiosk_cloud.protect.judging import Judge
from kiosk_cloud.protect.reading import opening, parquet, text, zips
from kiosk_cloud.protect.scanning import Places, scan
from kiosk_cloud.protect.tables import InputRefused
from tests import protect_kit as kit
from tests import protect_large
from tests.protect_kit import options, people


def refused(path: Path, words: str) -> None:
    """With these words and something to do, and the file stays as it is."""
    before = path.read_bytes()
    with pytest.raises(InputRefused, match=words) as error:
        scan(path, Places.of(path, None), options())
    assert error.value.remedy
    assert path.read_bytes() == before
    assert not Places.of(path, None).cells.exists()


def bomb(path: Path, mib: int) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w") as member,
    ):
        for _ in range(mib):
            member.write(bytes(1 << 20))


def test_a_zip_bomb_is_refused_before_it_bursts(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    bomb(path, 24)
    assert path.stat().st_size < 40_000
    refused(path, "zip bomb")


def test_a_zip_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    bomb(path, 24)
    data = path.read_bytes().replace(struct.pack("<I", 24 << 20), struct.pack("<I", 4096))
    path.write_bytes(data)
    refused(path, "broken|zip bomb")


def test_limits_hold_for_all_members_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "EXPANDED_BYTES_MAX", 1000)
    path = kit.write_xlsx(tmp_path / "p.xlsx", people(3))
    refused(path, "would expand")


def test_broken_workbooks_are_refused(tmp_path: Path) -> None:
    whole = kit.write_xlsx(tmp_path / "w.xlsx", people(30)).read_bytes()
    path = tmp_path / "p.xlsx"
    for cut in (10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:cut])
        refused(path, "is broken")
    flipped = bytearray(whole)
    flipped[whole.index(b"sheet1.xml") + 60] ^= 0xFF
    path.write_bytes(flipped)
    refused(path, "broken")
    path.write_bytes(whole)
    kit.replaced(path, "xl/worksheets/sheet1.xml", b"</row>", b"</wor>")
    refused(path, "sheet1.xml is broken")
    path.write_bytes(whole)
    kit.replaced(path, "xl/worksheets/sheet1.xml", b"?>", b'?><!DOCTYPE x [<!ENTITY a "aaaa">]>')
    refused(path, "declares an XML entity")
    path.write_bytes(b"This is no workbook")
    refused(path, "is not what its name says")
    old = kit.write_xls(tmp_path / "o.xls", people(5))
    old.write_bytes(old.read_bytes()[:1500])
    refused(old, "broken")


def test_a_sheet_whose_cells_lie_far_apart_is_refused(tmp_path: Path) -> None:
    path = kit.write_xlsx(tmp_path / "far.xlsx", people(3))
    kit.replaced(path, "xl/worksheets/sheet1.xml", b'<c r="E4"', b'<c r="XFD1048576"')
    refused(path, "rows and 16,384 columns apart")


def test_formula_cells_are_judged_by_value_and_by_text(tmp_path: Path) -> None:
    path = tmp_path / "f.xlsx"
    card = kit.card(5)
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("S")
        sheet.write_row(0, 0, ["word", "made"])
        sheet.write_formula(1, 1, '=CONCATENATE("x","y")', None, card)
        sheet.write_formula(2, 1, f'="{card}"', None, "")  # never computed: the text is all there is
        sheet.write_formula(3, 1, "=1+1", None, 2)
        sheet.write_string(4, 1, "=not a formula")
        sheet.write_formula(6, 0, f'=LEN("{card}")', None, "")  # below the last value
    places = Places.of(path, None)
    scan(path, places, options())
    lines = [json.loads(line) for line in places.cells.read_text().splitlines()]
    assert {(line["row"], line["column"]) for line in lines} == {(1, "made"), (2, "made"), (6, "word")}
    with zipfile.ZipFile(places / ".tagged.xlsx") as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").decode()
    assert f'<f>"{card}"</f>' in xml
    assert "<f>1+1</f><v>2</v>" in xml
    assert "not a formula" in xml
    assert "<f>not" not in xml


def test_wrong_bytes_are_stated_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    good = kit.csv_bytes(people(400))
    path.write_bytes(good.ljust(text.SAMPLE_BYTES + 10, b"x") + b"\n\xff\xfe,b\xd0,1,2,3\n")
    places = Places.of(path, None)
    found = scan(path, places, options())
    assert any("2 cells hold bytes that are no text; kept" in note for note in found["notes"])
    assert b"\xff\xfe,b\xd0,1,2,3\n" in (places / ".tagged.csv").read_bytes()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "cp1251"])
def test_encodings_are_told(encoding: str, tmp_path: Path) -> None:
    words = {"gb18030": ["编号", "姓名", "卡号", "电话", "备注"], "cp1251": ["Код", "Имя", "Карта", "Телефон", "Текст"]}
    notes = {"gb18030": "请明天上午回电", "cp1251": "ПЕРЕЗВОНИТЬ завтра, Ёж"}
    rows = [[*row[:4], notes.get(encoding, "hello")] for row in people(30)]
    if encoding == "gb18030":
        rows = [[row[0], "王小明", *row[2:]] for row in rows]
    header = words.get(encoding, ["id", "name", "card", "phone", "note"])
    path = tmp_path / "p.csv"
    path.write_bytes(kit.csv_bytes(rows, encoding, header=header))
    places = Places.of(path, None)
    found = scan(path, places, options())
    assert [column["name"] for column in found["tables"][0]["columns"]] == header
    tagged = (places / ".tagged.csv").read_bytes().decode(encoding)
    assert "".join(line.partition(",")[2] for line in tagged.splitlines(keepends=True) if line)
    assert tagged.count(notes.get(encoding, "hello")) == 30


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(bytes(range(256)) * 40)
    refused(path, "holds zero bytes")
    path.write_bytes("a,b\n1,2\n".encode("utf-16")[:-1])
    refused(path, "is no utf-16-le")
    pdf = tmp_path / "p.txt"
    pdf.write_bytes(b"%PDF-1.7")
    refused(pdf, "PDF")
    path.write_bytes(b"")
    assert scan(path, Places.of(path, None), options())["tables"] == []


def test_a_quote_that_never_closes_is_one_bounded_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(b'a,b\n1,"' + b"x,y\n" * 50_000 + kit.card(3).encode())
    found = scan(path, Places.of(path, None), options())
    assert found["tables"][0]["rows"] == 1
    assert any("1 rows are not as the header says" in note for note in found["notes"])
    assert found["tables"][0]["kinds"]["free_text"] == 1
    monkeypatch.setattr("kiosk_cloud.protect.reading.delimited.CELL_CHARACTERS_MAX", 100_000)
    Places.of(path, None).cells.unlink()
    refused(path, "more than 100,000 characters")


LARGE = """
import resource, sys
from pathlib import Path
from kiosk_cloud.protect.scanning import Places, scan
from tests.protect_kit import options
path = Path(sys.argv[1])
prepared = options()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
scan(path, Places.of(path, None), prepared)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", ["csv", "sqlite"])
def test_a_huge_cell_is_judged_by_its_parts_and_not_copied_many_times(kind: str, tmp_path: Path) -> None:
    cell = "lorem ipsum, " * 80_000 + kit.card(7)
    path = tmp_path / f"p.{kind}"
    if kind == "csv":
        path.write_text(f'id,text\n1,"{cell}"\n2,b\n')
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE t (id, text)")
            db.execute("INSERT INTO t VALUES (1, ?)", (cell,))
            db.commit()
    done = subprocess.run([sys.executable, "-c", LARGE, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 24 * 1024  # KiB, most of it for the reports; `make bench-protect-tables` has 100 MiB
    line = json.loads(Places.of(path, None).cells.read_text().splitlines()[0])
    assert (line["row"], line["column"], line["kind"]) == (1, "text", "free_text")
    (tagged,) = tmp_path.glob("*.tagged.*")
    assert tagged.stat().st_size > path.stat().st_size


JUDGE = kit.options().judge
STEP = judging.WINDOW_CHARACTERS - judging.OVERLAP_CHARACTERS


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (kit.card(3), judging.IDENTIFIED),
        ("+7 916 555-10-77", judging.IDENTIFIED),
        ("ivan.petrov@bank.example", judging.IDENTIFIED),
        ("GB82 WEST 1234 5698 7654 32", judging.IDENTIFIED),
        ("Смирнов Алексей Викторович", judging.NAMED),
    ],
)
def test_what_stands_over_a_border_of_windows_or_deep_in_a_cell_is_found(held: str, found: Verdict) -> None:
    words = "lorem ipsum, 12 " * 20_000  # 300,000 characters: 178 windows
    for place in (
        0,
        judging.WINDOW_CHARACTERS - 5,
        STEP - 3,
        7 * STEP + judging.WINDOW_CHARACTERS - 12,
        250_003,
        len(words),
    ):
        cell = tables.cell(f"{words[:place]} {held} {words[place:]}")
        batch = tables.Batch(1, 1, {"note": tables.Column([1], [cell])})
        assert JUDGE.batch(batch)["note"] == [found], place


def test_the_networks_work_on_one_cell_is_bounded_and_what_they_did_not_read_is_not_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judging, "NAMED_WINDOWS_MAX", 5)
    words = "The order of Quota Exceeded is open, nothing else. " * 1000  # each window has something like a name
    judge = Judge(JUDGE._classifier)  # noqa: SLF001 - loaded once
    cell = tables.cell(words)
    assert judge.batch(tables.Batch(1, 1, {"note": tables.Column([1], [cell])}))["note"] == [judging.CROWDED]
    assert judge.windows.by_networks == 5
    assert judge.windows.passed_over == judge.windows.read - 5 > 10
    deep = tables.cell(words + kit.card(5))
    assert judge.batch(tables.Batch(1, 1, {"note": tables.Column([1], [deep])}))["note"] == [judging.IDENTIFIED]


def test_the_report_says_what_a_long_text_was_read_by(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('id,text\n1,"' + "lorem ipsum, " * 1000 + '"\n')
    found = scan(path, Places.of(path, None), options(copy=False))
    assert any(note.startswith("long texts: 8 windows of 2,048 characters, all read") for note in found["notes"])


def test_hostile_json_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    card = kit.card(9)
    lines = [
        f'{{"a": "x", "a": "{card}"}}',  # the same name twice
        f'{{"a": "{card}", "protected": 1}}',
        "[" * 100_000,
        f'"{card}"',
        f"no json at all {card}",
        f'{{"deep": {"[" * 50}"{card}"{"]" * 50}}}',
        '{"n": NaN}',
        "",
    ]
    path.write_text("\n".join(lines))
    places = Places.of(path, None)
    found = scan(path, places, options())
    rows = {json.loads(line)["row"] for line in places.cells.read_text().splitlines()}
    assert {1, 2, 4, 5, 6} <= rows
    assert any("2 rows are not" in note for note in found["notes"])
    tagged = (places / ".tagged.jsonl").read_text().splitlines()
    assert json.loads(tagged[1])["protected_"].startswith("bank_card")
    assert json.loads(tagged[3])["value"] == card
    assert json.loads(tagged[4])["value"] == lines[4]
    assert tagged[6] == lines[6]


def test_columns_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "COLUMNS_MAX", 50)
    path = tmp_path / "p.jsonl"
    path.write_text("".join(f'{{"c{number}": 1}}\n' for number in range(60)))
    refused(path, "a column beyond the 50")


def test_hostile_databases(tmp_path: Path) -> None:
    odd = (
        'CREATE TABLE "odd "" name" ("a ""b" TEXT, PRIMARY KEY ("a ""b")) WITHOUT ROWID;'
        "INSERT INTO \"odd \"\" name\" VALUES ('CARD'), ('zzz');"
        "CREATE TABLE bytes (b BLOB); INSERT INTO bytes VALUES (x'00ff'), (CAST(x'ff41' AS TEXT)), (NULL);"
        "CREATE TRIGGER t AFTER INSERT ON people BEGIN SELECT load_extension('x'); END;"
        "CREATE VIEW v AS SELECT * FROM people;"
        "CREATE VIRTUAL TABLE words USING fts5(body); INSERT INTO words VALUES ('hello');"
    )
    path = kit.write_sqlite(tmp_path / "p.db", people(5), odd.replace("CARD", kit.card(2)))
    places = Places.of(path, None)
    found = scan(path, places, options())
    assert [table["name"] for table in found["tables"]][:3] == ["people", 'odd " name', "bytes"]
    assert any("1 binary cells" in note for note in found["notes"])
    assert any("virtual table words" in note for note in found["notes"])
    with closing(sqlite3.connect(places / ".tagged.sqlite")) as db:
        rows = db.execute("SELECT row_id FROM protected_cells WHERE table_name = ?", ('odd " name',)).fetchall()
    assert rows == [(1,)]
    data = bytearray(path.read_bytes())
    data[100:4096] = bytes(3996)
    path.write_bytes(data)
    places.cells.unlink()
    refused(path, "cannot be read as SQLite|: .*malformed")


def test_a_database_with_a_write_ahead_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a)")
        refused(path, "p.db-wal that are not in the file yet")


def test_parquet_that_would_burst_is_refused_and_repeats_are_held_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"n": pa.array([0.0] * 500_000)}), path, use_dictionary=False, compression="zstd")
    monkeypatch.setattr(parquet, "SMALL_BYTES", 1 << 20)
    refused(path, "would expand from")
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, "is not what its name says|cannot be read as parquet")
    text_cell = kit.card(4) + " and more" * 10_000
    pq.write_table(pa.table({"t": [text_cell] * 60, "l": [["a", kit.card(3)]] * 60, "b": [b"\0"] * 60}), path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = scan(path, Places.of(path, None), options(copy=False))
    assert found["tables"][0]["rows"] == 60
    assert found["tables"][0]["columns"][1]["kinds"] == {"free_text": 60}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert any("60 binary cells" in note for note in found["notes"])


def test_links_below_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    secret = kit.write_csv(tmp_path / "other.csv", people(2))
    (tmp_path / "in" / "link.csv").symlink_to(secret)
    assert list(opening.files((tmp_path / "in",))) == []


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = [protect_large.scanned(protect_large.table(tmp_path, count))["peak_kib"] for count in (2_000, 10_000)]
    assert peaks[1] - peaks[0] < 24 * 1024
