"""What a witness must never forget, in SQLite with synchronous FULL: the largest tree that it signed, per log.

A witness whose file is lost must be retired, not restarted: it could sign a fork. So the file is made once, by
`kiosk-cloud witness init`, and never again by the service.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Final

from kiosk.errors import ConfigError
from kiosk.guarantee import merkle
from kiosk.guarantee.checkpoint import Checkpoint

EVIDENCE_ROWS_MAX: Final = 1000  # of one log; more of the same proves nothing new
SCHEMA: Final = """
CREATE TABLE latest (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL               -- the log's own signed checkpoint
) STRICT;
CREATE TABLE evidence (              -- signed checkpoints that contradict what the same log had signed before
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (origin, size, root)
) STRICT;
"""


class WitnessState:
    """One file, one connection, one caller at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file that `create` made. Raises ConfigError when it is not there or not one."""
        if not path.is_file():
            raise ConfigError(
                f"{path} is not there",
                remedy="New: `kiosk-cloud witness init`. Lost: retire this witness and make one of another name.",
            )
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA synchronous = FULL")
            journal = self._db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            synchronous = self._db.execute("PRAGMA synchronous").fetchone()[0]
            self._db.execute("SELECT count(*) FROM latest")
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: {error}") from error
        if (journal, synchronous) != ("wal", 2):
            raise ConfigError(f"{path}: journal mode {journal}, synchronous {synchronous}")

    @staticmethod
    def create(path: Path) -> None:
        """Make the file. Raises ConfigError when it exists already."""
        if path.exists():
            raise ConfigError(f"{path} exists", remedy="This witness is made already; its memory is never made anew.")
        path.touch(mode=0o600)
        db = sqlite3.connect(path)
        db.executescript(SCHEMA)
        db.close()

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def latest(self, origin: str) -> tuple[int, bytes]:
        """Size and root last signed."""
        with self._lock:
            row = self._db.execute("SELECT size, root FROM latest WHERE origin = ?", (origin,)).fetchone()
        return (row[0], row[1]) if row else (0, merkle.EMPTY_ROOT)

    def note(self, origin: str) -> str | None:
        """The log's own signed checkpoint that was cosigned last."""
        with self._lock:
            row = self._db.execute("SELECT note FROM latest WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else str(row[0])

    def advance(self, origin: str, old_size: int, point: Checkpoint, signed: str) -> bool:
        """Compare and swap, durable when it returns."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute("SELECT size, root FROM latest WHERE origin = ?", (origin,)).fetchone()
            known = row[0] if row else 0
            if known != old_size or (row is not None and known == point.size and row[1] != point.root):
                return False
            self._db.execute(
                "INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?)", (origin, point.size, point.root, signed)
            )
        return True

    def keep_evidence(self, origin: str, point: Checkpoint, signed: str) -> None:
        """Keep a contradiction, bounded."""
        with self._lock, self._db:
            count = self._db.execute("SELECT count(*) FROM evidence WHERE origin = ?", (origin,)).fetchone()[0]
            if count < EVIDENCE_ROWS_MAX:
                self._db.execute(
                    "INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?)", (origin, point.size, point.root, signed)
                )

    def evidence(self, origin: str) -> list[tuple[int, str]]:
        """(size, signed checkpoint) of each contradiction."""
        with self._lock:
            rows = self._db.execute("SELECT size, note FROM evidence WHERE origin = ? ORDER BY size", (origin,))
            return [(row[0], row[1]) for row in rows]
