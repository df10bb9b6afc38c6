"""The journal's file: one writer at a time, the mode that keeps every acknowledged commit, its tables, transactions."""

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from sqlite_utils import Database

from kiosk.errors import JournalError
from kiosk.guarantee import bank_book, books, evidence_queue, ticket_book, unit_book
from kiosk.guarantee.disk_trouble import journal_error
from kiosk.guarantee.files import make_directory
from kiosk.guarantee.log_tables import create_tables

SCHEMA_VERSION: Final = 1
READ_S_MAX: Final = 2.0  # for a reader, to wait for a lock
_UNWRITABLE: Final = "the journal cannot be written"


def opened(path: Path) -> tuple[IO[bytes], sqlite3.Connection]:
    """The lock, which goes with the process however it ends, and the database with all its tables.

    Raises `JournalError` when another controller has it, it cannot be opened, or a newer version wrote it.
    """
    lock = _locked(path)
    try:
        connection = _connect(path)
        _prepare(connection)
    except sqlite3.Error as error:
        lock.close()
        raise journal_error(f"{path} cannot be opened", error) from error
    except JournalError:
        lock.close()
        raise
    return lock, connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; inside another one it is part of that. Raises `JournalError` when it cannot be written."""
    if connection.in_transaction:
        yield
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise journal_error(_UNWRITABLE, error) from error
    try:
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise journal_error(_UNWRITABLE, error) from error
        raise


def read_anew(path: Path, key: str) -> str | None:
    """What the file that lies there now says of a small memory, by a connection that remembers nothing.

    Raises `JournalError` when it cannot be read.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=READ_S_MAX)
        try:
            row = connection.execute("SELECT value FROM memory WHERE key = ?", (key,)).fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise journal_error(f"{path} cannot be read", error) from error
    return None if row is None else str(row[0])


def _locked(path: Path) -> IO[bytes]:
    """One controller at a time; the lock goes with the process, however it ends."""
    try:
        make_directory(path.parent)
        lock = path.with_suffix(".lock").open("ab")
    except OSError as error:
        raise journal_error(f"{path} cannot be opened", error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalError(
            f"another controller uses {path}", remedy="Stop the other controller first; `kioskctl status` finds it."
        ) from error
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if (mode, level) != ("wal", 2):
        raise JournalError(f"the journal is in mode {mode}/{level}, not wal/FULL: an acknowledged commit could be lost")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Create the tables, or refuse a journal that a newer version wrote."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"the journal was written by a newer version (schema {version}, this is {SCHEMA_VERSION})",
            remedy="Install the newer version again; this one must not touch the journal.",
        )
    database = Database(connection)
    for name, columns, key in _TABLES:
        database.table(name).create(columns, pk=key, if_not_exists=True)
    create_tables(connection)
    for statement in unit_book.SCHEMA:
        connection.execute(statement)
    for statement in evidence_queue.SCHEMA:
        connection.execute(statement)
    books.create_tables(connection)
    bank_book.create_tables(connection)
    ticket_book.create_tables(connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


_TABLES: Final[Sequence[tuple[str, dict[str, type], str]]] = (
    (
        "facts",
        {"seq": int, "deposit_id": bytes, "at": str, "state": str, "kind": str, "fact": str, "orders": str},
        "seq",
    ),
    (
        "deposits",
        {
            "deposit_id": bytes,
            "began_at": str,
            "serial": int,
            "slot": int,
            "state": str,
            "outcome": str,
            "bundled": int,
            "sums": str,
        },
        "deposit_id",
    ),
    ("memory", {"key": str, "value": str}, "key"),
    ("directory", {"id": int, "stored_at": str, "statement": bytes}, "id"),  # one row
)
