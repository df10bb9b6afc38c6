"""Which deposit tickets have been used, by which deposits. Writes inside the caller's transaction.

A use is a deposit that begins by a ticket. It is given back when the deposit ends and no note has come in: whoever only
looked, or was sent away, has used nothing up. A row is kept until its ticket has ended by the trusted time, which only
goes forward; then nobody can use the ticket any more.
"""

import sqlite3
from typing import Final

from kiosk.core.facts import TicketUse

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS ticket_uses (
        deposit_id BLOB PRIMARY KEY,
        serial BLOB NOT NULL,
        ends TEXT NOT NULL          -- of the ticket; UTC, to the minute
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS ticket_uses_serial ON ticket_uses (serial)",
)
_TO_THE_MINUTE: Final = len("2026-11-21T08:30")


class TicketBook:
    """The table above, in the journal's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def uses(self, serial: bytes) -> int:
        """How many deposits were made, or are under way, by this ticket."""
        row = self._connection.execute("SELECT count(*) FROM ticket_uses WHERE serial = ?", (serial,)).fetchone()
        return int(row[0])

    def used(self, deposit_id: bytes, ticket: TicketUse, now: str) -> None:
        """A deposit begins by `ticket`; what has ended at `now` (trusted, RFC 3339) is forgotten."""
        self._connection.execute(
            "DELETE FROM ticket_uses WHERE substr(ends, 1, ?) <= ?", (_TO_THE_MINUTE, now[:_TO_THE_MINUTE])
        )
        self._connection.execute(
            "INSERT INTO ticket_uses (deposit_id, serial, ends) VALUES (?, ?, ?)",
            (deposit_id, ticket.serial, ticket.ends),
        )

    def given_back(self, deposit_id: bytes) -> None:
        """Nothing came in: this deposit used nothing up."""
        self._connection.execute("DELETE FROM ticket_uses WHERE deposit_id = ?", (deposit_id,))


def create_tables(connection: sqlite3.Connection) -> None:
    """The table, where it is not there yet."""
    for statement in SCHEMA:
        connection.execute(statement)
