"""What a monitor must not forget: how far each log was verified, who has signed what of it, and its alarms."""

import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kiosk.errors import ConfigError
from kiosk.guarantee.merkle import CompactRange
from kiosk_cloud.sqlite import Database

STATEMENTS_MAX: Final = 100_000  # of one log; older ones that were verified make room
ALARMS_MAX: Final = 10_000
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS logs (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,           -- leaves verified, from the first on
    peaks BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS mirrors (
    origin TEXT NOT NULL,
    mirror TEXT NOT NULL,
    size INTEGER NOT NULL,           -- the largest tree that it has shown
    PRIMARY KEY (origin, mirror)
) STRICT;
CREATE TABLE IF NOT EXISTS statements (  -- signed trees of a log, whoever showed them
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL,
    source TEXT NOT NULL,
    first_at TEXT NOT NULL,
    held INTEGER NOT NULL,           -- 0 not compared yet, 1 the leaves make this root, 2 they make another
    PRIMARY KEY (origin, size, root)
) STRICT;
CREATE TABLE IF NOT EXISTS waits (   -- what may last for a while before it is an alarm
    origin TEXT NOT NULL,
    what TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (origin, what)
) STRICT;
CREATE TABLE IF NOT EXISTS alarms (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,          -- signed notes, each of which verifies by itself
    at TEXT NOT NULL,
    settled TEXT NOT NULL DEFAULT '', -- by whom and why
    UNIQUE (origin, kind, source, reason)
) STRICT;
"""


@dataclass(frozen=True)
class Statement:
    """A signed tree: by the log's own key, or the bank's acknowledgement of it."""

    size: int
    root: bytes
    note: str
    source: str
    first_at: str = ""
    held: int = 0


@dataclass(frozen=True)
class Alarm:
    """Something that a person must look at. It stays until somebody settles it."""

    number: int
    origin: str
    kind: str
    source: str
    reason: str
    evidence: str
    at: str
    settled: str


class MonitorState:
    """One file, one connection."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises ConfigError."""
        try:
            self._file = Database(path)
            self._db = self._file.db
            self._db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path}: {error}") from error

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing."""
        return self._file.transaction()

    def tree(self, origin: str) -> CompactRange:
        """The verified leaves of a log."""
        row = self._db.execute("SELECT size, peaks FROM logs WHERE origin = ?", (origin,)).fetchone()
        return (
            CompactRange()
            if row is None
            else CompactRange(row[0], [row[1][k : k + 32] for k in range(0, len(row[1]), 32)])
        )

    def save_tree(self, origin: str, tree: CompactRange) -> None:
        """These leaves were verified."""
        self._db.execute("INSERT OR REPLACE INTO logs VALUES (?, ?, ?)", (origin, tree.size, b"".join(tree.peaks)))

    def mirror_size(self, origin: str, mirror: str) -> int:
        """The largest tree that a mirror has shown; 0 for one never seen."""
        query = "SELECT size FROM mirrors WHERE origin = ? AND mirror = ?"
        row = self._db.execute(query, (origin, mirror)).fetchone()
        return row[0] if row else 0

    def set_mirror_size(self, origin: str, mirror: str, size: int) -> None:
        """It has shown this much."""
        self._db.execute("INSERT OR REPLACE INTO mirrors VALUES (?, ?, ?)", (origin, mirror, size))

    def add_statement(self, origin: str, said: Statement, at: str) -> None:
        """Remember a signed tree; what was verified long ago makes room."""
        row = (origin, said.size, said.root, said.note, said.source, at)
        self._db.execute("INSERT OR IGNORE INTO statements VALUES (?, ?, ?, ?, ?, ?, 0)", row)
        count = self._db.execute("SELECT count(*) FROM statements WHERE origin = ?", (origin,)).fetchone()[0]
        if count > STATEMENTS_MAX:
            self._db.execute(
                "DELETE FROM statements WHERE rowid IN (SELECT rowid FROM statements WHERE origin = ? AND held = 1"
                " ORDER BY size LIMIT ?)",
                (origin, count - STATEMENTS_MAX),
            )

    def statements(self, origin: str) -> list[Statement]:
        """All that is remembered of a log, smallest first."""
        query = "SELECT size, root, note, source, first_at, held FROM statements WHERE origin = ? ORDER BY size"
        return [Statement(*row) for row in self._db.execute(query, (origin,))]

    def compared(self, origin: str, said: Statement, *, holds: bool) -> None:
        """The leaves make this root, or another."""
        query = "UPDATE statements SET held = ? WHERE origin = ? AND size = ? AND root = ?"
        self._db.execute(query, (1 if holds else 2, origin, said.size, said.root))

    def waiting_since(self, origin: str, what: str, at: str) -> str:
        """Since when this lasts, from `at` on if it is new."""
        self._db.execute("INSERT OR IGNORE INTO waits VALUES (?, ?, ?)", (origin, what, at))
        query = "SELECT since FROM waits WHERE origin = ? AND what = ?"
        return str(self._db.execute(query, (origin, what)).fetchone()[0])

    def over(self, origin: str, what: str) -> None:
        """It is over."""
        self._db.execute("DELETE FROM waits WHERE origin = ? AND what = ?", (origin, what))

    def alarm(self, origin: str, kind: str, source: str, reason: str, evidence: str, at: str) -> bool:
        """Keep an alarm; whether it is new."""
        if self._db.execute("SELECT count(*) FROM alarms").fetchone()[0] >= ALARMS_MAX:
            return False
        row = (origin, kind, source, reason, evidence, at)
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO alarms (origin, kind, source, reason, evidence, at) VALUES (?, ?, ?, ?, ?, ?)", row
        )
        return cursor.rowcount > 0

    def alarms(self, *, settled: bool = False) -> list[Alarm]:
        """The open alarms, or all of them."""
        query = "SELECT * FROM alarms WHERE settled = '' OR ? ORDER BY number"
        return [Alarm(*row) for row in self._db.execute(query, (settled,))]

    def settle(self, number: int, why: str) -> bool:
        """A person has dealt with it; False when there is no such open alarm."""
        query = "UPDATE alarms SET settled = ? WHERE number = ? AND settled = ''"
        return self._db.execute(query, (why, number)).rowcount > 0
