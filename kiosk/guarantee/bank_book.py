"""What the bank has said that outlives a restart: its terms, what its commands have set, and which it has given.

Writes inside the caller's transaction, with the record that says so. Statements are kept as they were signed; whoever
uses one verifies it again.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final, Literal

Key = Literal["terms", "hold", "limits", "seal_key", "policy", "epoch", "bank_keys"]
REFUSED_KEPT_MAX: Final = 64  # digests of refused messages; the broker's retained ones come again at each connection
SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS bank_state (
        key TEXT PRIMARY KEY,       -- terms, hold, limits, seal_key, policy, epoch, bank_keys
        value BLOB NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS bank_said (
        lane TEXT NOT NULL,         -- command, complaint
        number INTEGER NOT NULL,    -- the command's sequence, the complaint's number
        sha256 BLOB NOT NULL,       -- of the payload
        log TEXT NOT NULL,          -- which of the kiosk's logs has the record that it led to
        leaf INTEGER NOT NULL,
        outcome TEXT NOT NULL,      -- of a command
        reason TEXT NOT NULL,
        PRIMARY KEY (lane, number)
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS bank_refused (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE)",
)


@dataclass(frozen=True)
class Said:
    """One command or complaint: SHA-256 of its payload, where its record is, and what came of a command."""

    sha256: bytes
    log: str
    leaf: int
    outcome: str = ""
    reason: str = ""


class BankBook:
    """The tables above, in the journal's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, key: Key) -> bytes | None:
        """What was put under `key`."""
        row = self._connection.execute("SELECT value FROM bank_state WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: Key, value: bytes | None) -> None:
        """Replace what is under `key`; None takes it away."""
        self._connection.execute("DELETE FROM bank_state WHERE key = ?", (key,))
        if value is not None:
            self._connection.execute("INSERT INTO bank_state (key, value) VALUES (?, ?)", (key, value))

    def last(self, lane: Literal["command", "complaint"]) -> int:
        """The largest number that was taken; 0 before the first."""
        row = self._connection.execute("SELECT max(number) FROM bank_said WHERE lane = ?", (lane,)).fetchone()
        return int(row[0] or 0)

    def said(self, lane: Literal["command", "complaint"], number: int) -> Said | None:
        """What was taken under this number."""
        row = self._connection.execute(
            "SELECT sha256, log, leaf, outcome, reason FROM bank_said WHERE lane = ? AND number = ?", (lane, number)
        ).fetchone()
        return None if row is None else Said(*row)

    def add(self, lane: Literal["command", "complaint"], number: int, said: Said) -> None:
        """Take one, once."""
        row = (lane, number, said.sha256, said.log, said.leaf, said.outcome, said.reason)
        self._connection.execute("INSERT INTO bank_said VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def moved(self, lane: Literal["command"], number: int, log: str, leaf: int) -> None:
        """What came of it stands in another log now, too."""
        query = "UPDATE bank_said SET log = ?, leaf = ? WHERE lane = ? AND number = ?"
        self._connection.execute(query, (log, leaf, lane, number))

    def forget(self, lane: Literal["complaint"]) -> None:
        """Numbers begin anew: they were about another log."""
        self._connection.execute("DELETE FROM bank_said WHERE lane = ?", (lane,))

    @property
    def epoch(self) -> int:
        """Of the log, from 1."""
        return int(self.get("epoch") or b"1")

    def refuse(self, sha256: bytes) -> bool:
        """Note a refused message; False when it is one of those that were noted last."""
        done = self._connection.execute("INSERT OR IGNORE INTO bank_refused (sha256) VALUES (?)", (sha256,))
        self._connection.execute(
            "DELETE FROM bank_refused WHERE id <= (SELECT max(id) FROM bank_refused) - ?", (REFUSED_KEPT_MAX,)
        )
        return done.rowcount > 0


def create_tables(connection: sqlite3.Connection) -> None:
    """The tables, where they are not there yet."""
    for statement in SCHEMA:
        connection.execute(statement)
