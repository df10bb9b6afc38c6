"""The tables of a record log: leaves that no statement can change, envelopes, small values, which key signed when."""

import sqlite3
from typing import Final

from kiosk.guarantee import personal

_CHANGES: Final = ("UPDATE", "DELETE")
_TABLES: Final = ("leaves", "envelopes", "log_meta", "log_keys")  # of one log


def _guard(table: str, verb: str) -> str:
    return (
        f"CREATE TRIGGER IF NOT EXISTS {table}_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
    )


SCHEMA: Final = (
    personal.SCHEMA,
    """CREATE TABLE IF NOT EXISTS leaves (
        seq INTEGER PRIMARY KEY,    -- index of the leaf, from 0
        kind TEXT NOT NULL,
        entry BLOB NOT NULL,        -- what is hashed into the log
        hashes BLOB NOT NULL,       -- of the complete subtrees that this leaf ends: its own, then the larger ones
        subject BLOB NOT NULL,      -- whose personal key seals the opening
        opening BLOB NOT NULL       -- sealed [salt, COSE]
    )""",
    "CREATE TABLE IF NOT EXISTS envelopes (seq INTEGER PRIMARY KEY, envelope BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS log_meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS log_keys (
        purpose TEXT NOT NULL,      -- record or checkpoint
        first INTEGER NOT NULL,     -- from this leaf, or this tree size, on
        key BLOB NOT NULL,          -- SubjectPublicKeyInfo
        PRIMARY KEY (purpose, first)
    )""",
    *(_guard("leaves", verb) for verb in _CHANGES),
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables and triggers of log and vault where missing, in the caller's transaction if there is one."""
    for statement in SCHEMA:
        connection.execute(statement)


def set_aside(connection: sqlite3.Connection, name: str) -> None:
    """Make room for the empty log `name`: the present one stays, as append-only as before, in tables of its own."""
    old = f"before_{name.replace('.', '_').replace('-', '_')}"
    for verb in _CHANGES:
        connection.execute(f"DROP TRIGGER leaves_{verb.lower()}")
    for table in _TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_{old}")
    for verb in _CHANGES:
        connection.execute(_guard(f"leaves_{old}", verb))
    create_tables(connection)
