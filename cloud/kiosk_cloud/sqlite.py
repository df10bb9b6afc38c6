"""SQLite files of the bank's side: what is committed stays, and writers take turns.

SQLite lets one write at a time, and whoever comes second sleeps for up to a tenth of a second between two looks. A lock
file beside the database lets the kernel wake the next one the moment that the last is done.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

BUSY_TIMEOUT_MS: Final = 10_000  # for whoever writes without taking turns: an auditor's shell, a backup


class Database:
    """A file and a connection to it, which commits durably or not at all; use it on one thread."""

    def __init__(self, path: Path) -> None:
        """Open `path`, an SQLite file of mode 0600, which is made (empty) when it is missing.

        Raises OSError, and sqlite3.Error also when this file system cannot keep what is committed.
        """
        path.touch(mode=0o600)
        self.db: Final = sqlite3.connect(path, isolation_level=None)
        try:
            _make_durable(self.db)
            turns = path.with_name(f"{path.name}.turns")
            self._turns: Final = os.fdopen(os.open(turns, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        """Give the file back; once more does nothing."""
        self.db.close()
        self._turns.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Waits as long as somebody holds the lock, which the kernel takes from one that has died."""
        fcntl.flock(self._turns, fcntl.LOCK_EX)
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:  # after some errors SQLite has rolled back by itself
                    self.db.execute("ROLLBACK")
                raise
        finally:
            fcntl.flock(self._turns, fcntl.LOCK_UN)


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _make_durable(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    journal = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    db.execute("PRAGMA synchronous = FULL")
    synchronous = db.execute("PRAGMA synchronous").fetchone()[0]
    if (journal, synchronous) != ("wal", 2):
        raise sqlite3.NotSupportedError(
            f"journal mode {journal}, synchronous {synchronous}: what is committed could be lost"
        )
