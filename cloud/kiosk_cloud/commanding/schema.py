"""The tables of commands and complaints, in the receiver's own store."""

from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS commands (
    kiosk TEXT NOT NULL,
    sequence INTEGER NOT NULL,              -- contiguous from 1
    name TEXT NOT NULL,
    message BLOB NOT NULL,                  -- as it is sent; grows by the second signature
    sha256 BLOB NOT NULL,                   -- of the payload that is signed
    given_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    missing INTEGER NOT NULL,               -- signatures that it still needs before it is sent
    withdrawn INTEGER NOT NULL DEFAULT 0,   -- sent without them: the kiosk refuses it, and the next one can follow
    sent_at REAL,                           -- last; POSIX seconds
    outcome TEXT,                           -- done, refused, expired; NULL: no result yet
    reason TEXT NOT NULL DEFAULT '',
    result BLOB,                            -- the sealed record that says so
    PRIMARY KEY (kiosk, sequence)
) STRICT;
CREATE TABLE IF NOT EXISTS complaints (
    kiosk TEXT NOT NULL,
    number INTEGER NOT NULL,                -- contiguous from 1
    kind TEXT NOT NULL,                     -- gap, fork, rollback
    sequence INTEGER NOT NULL,
    statement BLOB NOT NULL,                -- signed by the acknowledgement key
    made_at TEXT NOT NULL,
    sent_at REAL,
    taken_at TEXT,                          -- the kiosk's record of it is here
    PRIMARY KEY (kiosk, number)
) STRICT;
"""
