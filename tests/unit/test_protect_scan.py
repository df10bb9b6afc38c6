"""`kiosk-protect scan`: every format in, tags and report out, nothing lost, nothing in clear in the report."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from kiosk_cloud.protect.cli import main
from kiosk_cloud.protect.reading import opening
from kiosk_cloud.protect.scanning import Places, scan
from kiosk_cloud.protect.tables import InputRefused
from tests import protect_kit as kit
from tests.protect_kit import HEADER, options, people

ROWS = people(40)
MAKERS = {
    "csv": kit.write_csv,
    "jsonl": kit.write_jsonl,
    "sqlite": kit.write_sqlite,
    "parquet": kit.write_parquet,
    "xlsx": kit.write_xlsx,
    "xls": kit.write_xls,
}


def cells(places: Places) -> dict[tuple[int, str], str]:
    """(row, column) -> kind, as the sidecar says."""
    lines = map(json.loads, places.cells.read_text().splitlines())
    return {(line["row"], line["column"]): line["kind"] for line in lines}


def cli(*arguments: str | Path) -> Any:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.mark.parametrize("kind", MAKERS)
def test_every_format_tells_the_same(kind: str, tmp_path: Path) -> None:
    path = MAKERS[kind](tmp_path / f"people.{kind}", ROWS)
    places = Places.of(path, None)
    before = path.read_bytes()
    found = scan(path, places, options())
    assert path.read_bytes() == before
    (table,) = found["tables"]
    assert table["rows"] == len(ROWS) + (kind == "xls")  # the kit's has a formula below them
    assert table["kinds"]["bank_card"] >= len(ROWS)
    assert table["kinds"]["phone"] >= len(ROWS)
    kinds = cells(places)
    assert {kinds[row, "card"] for row in range(1, 41)} == {"bank_card"}
    assert kinds[2, "note"] in ("free_text", "phone")
    assert (1, "note") not in kinds


def test_the_tagged_csv_has_every_byte_and_a_first_column(tmp_path: Path) -> None:
    path = kit.write_csv(tmp_path / "p.csv", ROWS, "cp1251", ";")
    places = Places.of(path, tmp_path)
    found = scan(path, places, options())
    assert found["notes"][0] == "read as cp1251, cells separated by semicolon, the first row names the columns"
    tagged = (places / ".tagged.csv").read_text("cp1251").split("\n")
    whole = path.read_text("cp1251").split("\n")
    assert tagged[0] == f"protected;{whole[0]}"
    assert tagged[1].endswith(f";{whole[1]}")
    assert "bank_card: card; phone: phone" in tagged[1].partition(f";{whole[1]}")[0]
    assert (places / ".tagged.csv").stat().st_mode & 0o777 == 0o600


def test_tagged_copies_of_the_other_formats(tmp_path: Path) -> None:
    made = {kind: MAKERS[kind](tmp_path / f"p.{kind}", ROWS) for kind in MAKERS}
    for path in made.values():
        scan(path, Places.of(path, tmp_path), options())
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl.tagged.jsonl").read_text().splitlines()]
    assert [list(line.values())[:5] for line in lines] == ROWS
    assert all("bank_card: card" in line["protected"] for line in lines)
    table = pq.read_table(tmp_path / "p.parquet.tagged.parquet")
    assert table.column_names == [*HEADER, "protected"]
    assert table.drop_columns(["protected"]).equals(pq.read_table(made["parquet"]))
    for kind in ("xlsx", "xls"):
        sheet = kit.sheet_of(tmp_path / f"p.{kind}.tagged.xlsx", "People")
        assert [row[1:] for row in sheet[:41]] == [list(HEADER), *ROWS]
        assert all("bank_card: card" in str(row[0]) for row in sheet[1:41])
    with closing(sqlite3.connect(tmp_path / "p.sqlite.tagged.sqlite")) as db:
        joined = "SELECT p.card FROM people p JOIN protected_cells c ON c.row_id = p.rowid WHERE c.kind = 'bank_card'"
        assert [row[0] for row in db.execute(joined)] == [row[2] for row in ROWS]
        assert db.execute("SELECT * FROM people").fetchall() == list(map(tuple, ROWS))


def test_the_report_holds_no_cell(tmp_path: Path) -> None:
    rows = [*ROWS, ["B7", "Ковалевский", "4111111111111111", "secretword", "Zürich Bahnhofstrasse"]]
    path = kit.write_csv(tmp_path / "p.csv", rows)
    places = Places.of(path, None)
    scan(path, places, options())
    html, text = places.html.read_text(), places.json.read_text()
    for row in rows:
        for cell in row[1:]:
            for word in re.findall(r"\w{4,}", cell):
                if word not in ("paid", "call", "back", "said", "then"):  # words of the page itself
                    assert word not in html
                    assert word not in text
    assert "http" not in re.sub(r"http-equiv", "", html)
    assert "default-src 'none'" in html
    report = json.loads(text)
    assert report["catalogue"]
    assert report["tables"][0]["grade"] in {"C1", "C2", "C3"}
    assert report["tables"][0]["reasons"]


def test_a_header_that_is_data_is_neither_taken_for_names_nor_shown(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(kit.csv_bytes(ROWS[1:], header=ROWS[0]))
    places = Places.of(path, None)
    found = scan(path, places, options())
    assert found["tables"][0]["rows"] == len(ROWS)
    assert found["tables"][0]["columns"][0]["name"] == "column 1"
    forced = scan(path, places, options(said=opening.Said(header=True)))
    assert ROWS[0][2] not in json.dumps(forced)
    assert ROWS[0][2] not in places.html.read_text()


KILLED = """
import sys
from pathlib import Path
from kiosk_cloud.protect import scanning, tables
from tests.protect_kit import options
tables.ROWS_MAX = 50
def progress(table, rows, share):
    print(rows, flush=True)
    if rows >= 150:
        sys.stdin.readline()
path = Path(sys.argv[1])
scanning.scan(path, scanning.Places.of(path, None), options(save_every_s=0.0), progress)
"""


@pytest.mark.parametrize("kind", ["csv", "sqlite"])
def test_a_killed_scan_goes_on_and_finds_the_same(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiosk_cloud.protect.tables.ROWS_MAX", 50)
    path = MAKERS[kind](tmp_path / f"p.{kind}", people(240))
    out = tmp_path / "whole"
    out.mkdir()
    whole = scan(path, Places.of(path, out), options())
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)][-1] == "150\n"
        process.send_signal(signal.SIGKILL)
    places = Places.of(path, None)
    assert not places.cells.exists()
    with places.part.open("ab") as lines:
        lines.write(b'{"table": "half a li')  # what a crash may leave
    rows: list[int] = []
    resumed = scan(path, places, options(resume=True), lambda _, row, __: rows.append(row))
    assert rows[0] > 100  # not from the beginning
    assert places.cells.read_bytes() == Places.of(path, out).cells.read_bytes()
    assert resumed["tables"] == whole["tables"]
    assert (places / f".tagged.{kind}").exists()
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".")) == []
    again = scan(path, places, options(resume=True), lambda *_: pytest.fail("it was finished"))
    assert again["sha256"] == whole["sha256"]


def test_another_input_begins_anew(tmp_path: Path) -> None:
    path = kit.write_csv(tmp_path / "p.csv", ROWS)
    scan(path, Places.of(path, None), options())
    kit.write_csv(path, people(10, seed=2))
    found = scan(path, Places.of(path, None), options(resume=True))
    assert found["tables"][0]["rows"] == 10


def test_an_input_that_changes_under_the_scan_is_refused(tmp_path: Path) -> None:
    path = kit.write_csv(tmp_path / "p.csv", ROWS)

    def meddle(*_: object) -> None:
        with path.open("ab") as file:
            file.write(b"more\n")

    with pytest.raises(InputRefused, match="was changed"):
        scan(path, Places.of(path, None), options(), meddle)


def test_folders_say_what_was_refused_and_go_on(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    kit.write_csv(tmp_path / "in" / "deep" / "a.csv", ROWS)
    (tmp_path / "in" / "broken.xlsx").write_bytes(b"PK\x03\x04 no zip at all")
    (tmp_path / "in" / "photo.png").write_bytes(b"\x89PNG")
    done = cli("scan", tmp_path / "in", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 1
    assert "broken.xlsx is broken" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "error" in lines[0]
    assert lines[1]["tables"][0]["kinds"]["bank_card"] == 40
    assert (tmp_path / "out" / "in" / "deep" / "a.csv.report.html").exists()
    again = cli("scan", tmp_path / "in" / "deep", "--resume")  # beside the inputs: what it wrote is no input
    assert again.exit_code == 0
    assert cli("scan", tmp_path / "in" / "deep").output.count("report.html") == 1


def test_cells_are_judged_in_their_order_and_by_their_columns() -> None:
    rows = [("card", kit.card(1)), ("n", "hello"), ("card", kit.card(2)), ("n", None), ("x", 4111111111111111)]
    lines = [json.dumps({"table": "t", "row": 1, "column": name, "value": value}) for name, value in rows]
    for window in ("1", "2", "4096"):
        done = CliRunner().invoke(main, ["cells", "-", "--window", window], input="\n".join(lines))
        assert done.exit_code == 0, done.output
        kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
        assert len(kinds) == len(rows)
        assert (kinds[0], kinds[2], kinds[3]) == ("bank_card", "bank_card", "other")
    broken = CliRunner().invoke(main, ["cells", "-"], input=f"{lines[0]}\n4111111111111111\n{lines[1]}\n")
    assert broken.exit_code == 3
    assert len(broken.stdout.splitlines()) == 1
    assert "line 2 is no cell" in broken.stderr
    assert "4111" not in broken.stderr


@pytest.mark.parametrize(
    "wrong", [["--delimiter", "ab"], ["--catalogue", "/nonexistent"], ["--encoding", "klingon"], ["--encoding", "hex"]]
)
def test_wrong_usage_is_explained(wrong: list[str], tmp_path: Path) -> None:
    path = kit.write_csv(tmp_path / "p.csv", ROWS)
    done = cli("scan", path, *wrong)
    assert done.exit_code in (1, 2)
    assert "kiosk-protect: " in done.stderr
    assert "Traceback" not in done.output


def test_an_identifier_among_many_plain_remarks_is_not_overlooked(tmp_path: Path) -> None:
    remarks = ["ok", "late", "новый", "paid in full"] * 10 + [f"client's card {kit.card(3)} was blocked"]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"note": remark}) + "\n" for remark in remarks))
    places = Places.of(path, None)
    scan(path, places, options())
    assert cells(places)[41, "note"] in {"free_text", "bank_card"}
