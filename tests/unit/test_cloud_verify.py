"""The offline check of a store: it accepts what the receiver stored and nothing that was touched since."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kiosk_cloud.cli import main
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.verify import verify_store
from tests.uplink_kit import KIOSK, Bank, KioskSide, deposit_content, plan

RECORDS = 5


class Filled:
    """A store with records, checkpoints and acknowledgements, and a way to touch a copy of it."""

    def __init__(self, directory: Path) -> None:
        done = provision(plan(directory), utc_now())
        kiosk = KioskSide(done.kiosk_keys)
        bank = Bank(done)
        bank.take(kiosk.append("service", {"event": "start"}))
        for number in range(1, RECORDS):
            bank.take(kiosk.deposit(number, grade="high" if number == 1 else "low"))
            bank.take(kiosk.records.checkpoint().encode(), lane="checkpoint")
        self.kiosk = kiosk
        self.bank = bank
        self.keys = bank.config.keys
        self.path = bank.config.store

    def close(self) -> None:
        self.kiosk.close()
        self.bank.store.close()

    def copy(self, name: str) -> Path:
        copied = self.path.parent / f"{name}.db"
        source = sqlite3.connect(self.path)
        target = sqlite3.connect(copied)
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
        source.close()
        target.close()
        return copied

    def failures(self, tamper: Callable[[sqlite3.Connection], object]) -> list[str]:
        copied = self.copy("tampered")
        db = sqlite3.connect(copied)
        tamper(db)
        db.commit()
        db.close()
        report = verify_store(copied, self.keys)
        assert report.ok is not bool(report.failures)
        return report.failures


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    found = Filled(tmp_path_factory.mktemp("filled"))
    yield found
    found.close()


def flip(column: str, table: str = "records", where: str = "rowid = 3") -> Callable[[sqlite3.Connection], object]:
    """Change one byte in the middle of a value."""

    def tamper(db: sqlite3.Connection) -> object:
        [value] = db.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()  # noqa: S608
        raw = value.encode() if isinstance(value, str) else value
        middle = len(raw) // 2
        changed = raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :]
        new = changed.decode() if isinstance(value, str) else changed
        return db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (new,))  # noqa: S608

    return tamper


def sql(statement: str) -> Callable[[sqlite3.Connection], object]:
    return lambda db: db.executescript(statement)


def test_an_untouched_store_holds(filled: Filled) -> None:
    report = verify_store(filled.path, filled.keys)
    assert report.as_json() == {
        "ok": True,
        "records": 5,
        "verified": 5,
        "deposits": 4,
        "credited_minor": {"CNY": 120_000},
        "returned_minor": {"CNY": 0},
        "retained_minor": {"CNY": 40_000},
        "disputed_minor": {"CNY": 0},
        "cleared_minor": {"credited": {}, "returned": {}, "bank": {}, "not_found": {}},
        "found_minor": {},
        "outstanding_minor": {},
        "outstanding_unvalued": 0,
        "risk": {"low": 3, "medium": 0, "high": 1},
        "z_reports": 0,
        "exchanges": 0,
        "counts": 0,
        "failures": [],
    }


@pytest.mark.parametrize("column", ["envelope", "content", "leaf_hash", "kind", "deposit_id"])
def test_a_changed_byte_in_a_record_is_found(filled: Filled, column: str) -> None:
    failures = filled.failures(flip(column))
    assert failures
    assert failures[0].startswith(f"{KIOSK}/2: ")


def test_a_changed_byte_anywhere_in_an_envelope_is_found(filled: Filled) -> None:
    copied = filled.copy("exhaustive")
    db = sqlite3.connect(copied, isolation_level=None)
    [envelope] = db.execute("SELECT envelope FROM records WHERE sequence = 2").fetchone()
    for at in range(0, len(envelope), 97):
        changed = envelope[:at] + bytes([envelope[at] ^ 0x10]) + envelope[at + 1 :]
        db.execute("UPDATE records SET envelope = ? WHERE sequence = 2", (changed,))
        report = verify_store(copied, filled.keys)
        assert not report.ok
        assert report.verified == RECORDS - 1
    db.close()


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (sql("DELETE FROM records WHERE sequence = 2"), "sequence is broken"),
        (sql("DELETE FROM records WHERE sequence = 4"), "here are 4"),
        (
            sql(
                "DELETE FROM records WHERE sequence = 4; DELETE FROM roots WHERE size = 5;"
                "DELETE FROM acks WHERE sequence = 5; UPDATE kiosks SET size = 4"
            ),
            "the kiosk has signed for 5 records, here are 4",
        ),
        (sql("UPDATE records SET sequence = 9 WHERE sequence = 4"), "sequence is broken"),
        (sql("UPDATE kiosks SET size = 4"), "contiguous records"),
        (sql("DELETE FROM roots WHERE size = 3"), "root of size 3 is missing"),
        (flip("peaks", "kiosks", "true"), "peaks"),
        (flip("root", "roots", "size = 3"), "root of size 3"),
        (flip("root", "checkpoints", "size = 3"), "checkpoint of size 3"),
        (flip("note", "checkpoints", "size = 3"), "checkpoint of size 3"),
        (flip("statement", "acks", "sequence = 3"), "acknowledgement of 3"),
        (sql("UPDATE records SET kiosk = 'demo-0002' WHERE sequence = 4"), "demo-0002/4"),
        (
            sql(
                "INSERT INTO records SELECT kiosk, -1, leaf_hash, kind, NULL, content, envelope, entry, '' "
                "FROM records LIMIT 1"
            ),
            "/-1",
        ),
        (sql("DROP TABLE acks"), "no such table"),
    ],
)  # fmt: skip
def test_what_is_missing_moved_or_changed_is_named(
    filled: Filled, tamper: Callable[[sqlite3.Connection], object], reason: str
) -> None:
    failures = filled.failures(tamper)
    assert any(reason in failure for failure in failures), failures


def test_two_swapped_records_are_found(filled: Filled) -> None:
    swap = sql(
        "UPDATE records SET sequence = 99 WHERE sequence = 1; UPDATE records SET sequence = 1 WHERE sequence = 2;"
        "UPDATE records SET sequence = 2 WHERE sequence = 99"
    )
    assert any("sequence" in failure for failure in filled.failures(swap))


def test_changed_bytes_of_the_file_itself_never_raise(filled: Filled) -> None:
    whole = filled.copy("pages").read_bytes()
    damaged = filled.path.parent / "damaged.db"
    for at in range(64, len(whole), len(whole) // 60):
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        report = verify_store(damaged, filled.keys)
        if report.ok:  # the byte lay in a row's time of arrival, or in no row at all
            assert report.verified == RECORDS
            assert report.totals.minor["credited"]["CNY"] == 120_000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sums": {"CNY": {"inserted": 1, "credited": 1, "returned": 0, "retained": 0, "disputed": 0}}}, "its notes"),
        ({"sums": {"CNY": {"inserted": 5, "credited": 1, "returned": 0, "retained": 0, "disputed": 0}}}, "inserted"),
        ({"sums": {"CNY": {"credited": 40_000}}}, "sums of CNY"),
        ({"notes": [{"value": 1, "currency": "CNY", "claim": "open"}]}, "settled claim"),
        ({"sums": None}, "no sums"),
    ],
)
def test_a_signed_deposit_that_contradicts_itself_fails(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    done = provision(plan(tmp_path), utc_now())
    kiosk, bank = KioskSide(done.kiosk_keys), Bank(done)
    bank.take(kiosk.append("deposit", {**deposit_content(1), **change}))
    report = verify_store(bank.config.store, bank.config.keys)
    kiosk.close()
    bank.store.close()
    assert [reason in failure for failure in report.failures] == [True]
    assert report.totals.deposits == 0


def test_a_fork_that_the_receiver_proved_fails_the_store(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    one, other, bank = KioskSide(done.kiosk_keys), KioskSide(done.kiosk_keys), Bank(done)
    bank.take(one.deposit(1), other.deposit(2))
    report = verify_store(bank.config.store, bank.config.keys)
    for side in (one, other):
        side.close()
    bank.store.close()
    assert ["fork" in failure for failure in report.failures] == [True]


def test_the_command_says_it_in_words_json_and_exit_code(filled: Filled, tmp_path: Path) -> None:
    arguments = ["verify", "--store", str(filled.path), "--keys", str(filled.keys)]
    runner = CliRunner()
    good = runner.invoke(main, [*arguments, "--json"])
    assert good.exit_code == 0
    assert json.loads(good.output)["ok"] is True
    assert "Everything holds." in runner.invoke(main, arguments).output
    empty = tmp_path / "keys"
    empty.mkdir()
    for arguments in (
        ["verify", "--store", str(tmp_path / "none.db"), "--keys", str(filled.keys)],
        ["verify", "--store", str(filled.path), "--keys", str(empty)],
    ):
        bad = runner.invoke(main, [*arguments, "--json"])
        assert bad.exit_code == 1
        assert json.loads(bad.output)["failures"]


def test_a_store_that_cannot_be_written_to_can_be_verified(filled: Filled, tmp_path: Path) -> None:
    copied = tmp_path / "archive.db"
    shutil.copy(filled.copy("archive"), copied)
    copied.chmod(0o400)
    assert verify_store(copied, filled.keys).ok
