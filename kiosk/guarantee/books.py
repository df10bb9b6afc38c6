"""Two books of the journal: the facts of authority, and the disputed notes that nobody has cleared yet.

Both write inside the caller's transaction. The second is a summary of records; it can be made again from them.
"""

import sqlite3
from typing import Final

import msgspec

from kiosk.core.actions import ClearDispute, ClearedNote
from kiosk.core.authority import replay
from kiosk.core.authority_facts import AnyAuthorityFact, Authority, NotAuthorised
from kiosk.core.disputes import Dispute
from kiosk.errors import JournalError

SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS authority (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, fact TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS disputes (
        deposit_id BLOB NOT NULL,
        n INTEGER NOT NULL,         -- the note's number in its deposit
        value_minor INTEGER,        -- NULL: unknown
        currency TEXT NOT NULL,
        suspect INTEGER NOT NULL,
        place TEXT NOT NULL,
        reason TEXT NOT NULL,
        cleared TEXT,               -- what cleared it: a request, a count; NULL: open
        PRIMARY KEY (deposit_id, n)
    ) WITHOUT ROWID""",
)
_FACTS: Final = msgspec.json.Decoder(AnyAuthorityFact)
_COLUMNS: Final = "deposit_id, n, value_minor, currency, suspect, place, reason"


class AuthorityBook:
    """Every fact of authority, in order."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, fact: AnyAuthorityFact) -> None:
        """One more fact, which must have stood (`kiosk.core.authority.step`)."""
        encoded = msgspec.json.encode(fact)
        _FACTS.decode(encoded)  # what cannot be replayed must never be committed
        self._connection.execute(
            "INSERT INTO authority (kind, fact) VALUES (?, ?)", (type(fact).__name__, encoded.decode())
        )

    def state(self) -> Authority:
        """Where the facts lead to. Raises `JournalError` when they do not replay."""
        rows = self._connection.execute("SELECT fact FROM authority ORDER BY seq")
        try:
            return replay(_FACTS.decode(fact) for (fact,) in rows)
        except (msgspec.MsgspecError, NotAuthorised, AssertionError) as error:
            raise JournalError(f"the facts of authority do not replay: {error}") from error


class DisputeBook:
    """Disputed notes of finished deposits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, disputes: tuple[Dispute, ...]) -> None:
        """The disputed notes of a deposit, with its record."""
        self._connection.executemany(
            f"INSERT INTO disputes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own column names
            [msgspec.structs.astuple(dispute) for dispute in disputes],
        )

    def open(self, deposit_id: bytes | None = None) -> tuple[Dispute, ...]:
        """What nobody has cleared, of one deposit or of all."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM disputes "  # noqa: S608 - our own column names
            "WHERE cleared IS NULL AND (?1 IS NULL OR deposit_id = ?1) ORDER BY deposit_id, n",
            (deposit_id,),
        )
        return tuple(
            Dispute(bytes(deposit), n, value, currency, bool(suspect), place, reason)
            for deposit, n, value, currency, suspect, place, reason in rows
        )

    def clear(self, action: ClearDispute, notes: tuple[ClearedNote, ...], number: int) -> None:
        """These notes are cleared by this request; each was open. Raises `JournalError` when one was not."""
        for note in notes:
            done = self._connection.execute(
                "UPDATE disputes SET cleared = ? WHERE deposit_id = ? AND n = ? AND cleared IS NULL",
                (f"request {number}", action.deposit_id, note.n),
            )
            if done.rowcount != 1:
                raise JournalError(f"note {note.n} of {action.deposit_id.hex()} is not an open dispute")


def create_tables(connection: sqlite3.Connection) -> None:
    """The tables of both, where they are not there yet."""
    for statement in SCHEMA:
        connection.execute(statement)
