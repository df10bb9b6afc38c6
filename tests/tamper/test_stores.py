"""One byte of what kiosk and bank keep in their databases changed: noticed, or nothing that was verified is another."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from kiosk.errors import VerificationError
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.verify import verify_store
from tests.guarantee_kit import Kit
from tests.tamper.changes import ALL, masks
from tests.uplink_kit import Bank, KioskSide, plan

RECORDS: Final = 1 if ALL else 3  # each more costs each look; `make test` has what stands beside other records
PARTS: Final = 8 if ALL else 1  # of the largest table, for as many cores as there are
LONG: Final = ("envelope", "content", "opening", "subject")  # looked at in the first record only
STRIDE: Final = 9  # through a long column of the bank's store, where one look takes 2 ms; `make tamper` takes each byte
UNSIGNED: Final = {"received_at", "made_at"}  # when something came: nobody has signed that and no verdict rests on it


def _cells(db: sqlite3.Connection, table: str) -> Iterator[tuple[int, str, Any]]:
    """(rowid, column, value) of every cell that has bytes."""
    found = db.execute(f"SELECT rowid, * FROM {table}")  # noqa: S608 - our own tables
    columns = [column[0] for column in found.description[1:]]
    rows = found.fetchall()
    for row, *values in rows:
        for column, value in zip(columns, values, strict=True):
            if isinstance(value, bytes | str) and (row == rows[0][0] or column not in LONG):
                yield row, column, value


def _refused(look: Callable[[], None]) -> bool:
    try:
        look()
    except (VerificationError, sqlite3.Error):
        return True
    return False


def _changed(value: bytes | str, stride: int = 1, part: int = 0, parts: int = 1) -> Iterator[tuple[int, bytes]]:
    data = value.encode() if isinstance(value, str) else value
    for at in range(part, len(data), parts if ALL else stride):
        byte = data[at]
        for mask in masks(at, slow=True):
            yield at, data[:at] + bytes([byte ^ mask]) + data[at + 1 :]


def _set(db: sqlite3.Connection, table: str, column: str, row: int, value: object) -> None:
    cast = "CAST(? AS TEXT)" if isinstance(value, bytes) and _is_text(db, table, column) else "?"
    db.execute(f"UPDATE {table} SET {column} = {cast} WHERE rowid = ?", (value, row))  # noqa: S608 - our own tables


def _is_text(db: sqlite3.Connection, table: str, column: str) -> bool:
    return any(name == column and kind == "TEXT" for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})"))


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store of records with roots, checkpoint and acknowledgement; and the bank's keys."""
    folder = tmp_path_factory.mktemp("bank")
    provisioned = provision(plan(folder), utc_now())
    kiosk, bank = KioskSide(provisioned.kiosk_keys), Bank(provisioned)
    bank.take(*(kiosk.deposit(number) for number in range(RECORDS)))
    bank.take(kiosk.records.checkpoint().encode(), lane="checkpoint")
    bank.store.close()
    kiosk.close()
    return bank.config.store, bank.config.keys


@pytest.mark.parametrize(
    ("table", "part", "parts"),
    [
        *(("records", part, PARTS) for part in range(PARTS)),
        *((table, 0, 1) for table in ("roots", "checkpoints", "acks", "kiosks")),
    ],
)
def test_the_banks_store(bank: tuple[Path, Path], table: str, part: int, parts: int) -> None:
    path, keys = bank
    good = verify_store(path, keys).as_json()
    assert good["ok"], good["failures"]
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")  # this connection only: nobody cuts the power here
    seen = 0
    for row, column, value in list(_cells(db, table)):
        for at, changed in _changed(value, STRIDE if column in LONG else 1, part, parts):
            _set(db, table, column, row, changed)
            said = verify_store(path, keys).as_json()
            assert not said["ok"] or (column in UNSIGNED and said == good), f"{table}.{column}[{row}] byte {at}"
            seen += 1
        _set(db, table, column, row, value)
    db.close()
    assert seen > 30
    assert verify_store(path, keys).as_json() == good


@pytest.mark.parametrize("table", ["leaves", "envelopes"])
def test_the_kiosks_journal(table: str) -> None:
    """By what each start looks at, what a receipt is made from, and what the bank makes of what is sent."""
    kit = Kit()
    for _ in range(RECORDS):
        kit.append()
    kit.acknowledge(kit.ack([kit.records.envelope(0)]))
    kit.connection.execute("DROP TRIGGER leaves_update")

    def look() -> None:
        kit.records.audit()
        kit.records.record(0)
        kit.receive(kit.records.envelope(0))

    look()
    seen = 0
    for row, column, value in list(_cells(kit.connection, table)):
        for at, changed in _changed(value):
            _set(kit.connection, table, column, row, changed)
            assert _refused(look), f"{table}.{column}[{row}] byte {at}"
            seen += 1
        _set(kit.connection, table, column, row, value)
    look()
    assert seen > 30
