"""Everything that the journal remembers, as one digest: two journals with the same digest are the same."""

import hashlib
import sqlite3

from kiosk.guarantee.journal import Journal


def connection_of(journal: Journal) -> sqlite3.Connection:
    """The journal's own connection: what it can see is what it will act on."""
    connection: sqlite3.Connection = journal._connection  # noqa: SLF001 - no public call shows all tables
    return connection


def digest(journal: Journal) -> str:
    """SHA-256 over every row of every table, in order."""
    connection = connection_of(journal)
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    result = hashlib.sha256()
    for (table,) in tables:
        result.update(f"\n{table}\n".encode())
        for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY 1'):  # noqa: S608 - our own names
            result.update(repr(row).encode())
    return result.hexdigest()
