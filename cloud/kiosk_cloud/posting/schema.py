"""The outbox's tables, in the receiver's own store: a row is queued by the transaction that acknowledges its record.

Indexes are few and partial: the receiver pays for each of them with every deposit.
"""

from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS postings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- the order in which they are handed over
    key TEXT NOT NULL UNIQUE,               -- the idempotency key: one of a deposit id, ever
    kiosk TEXT NOT NULL,
    sequence INTEGER NOT NULL,              -- of the record that it is made from, again each time
    kind TEXT NOT NULL,                     -- deposit, clearing
    deposit_id BLOB NOT NULL,
    queued_at TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',   -- queued, ready, nothing (no money in it), held (for people)
    reason TEXT NOT NULL DEFAULT '',        -- why it is held
    webhook_at TEXT,                        -- accepted by the bank's webhook
    attempts INTEGER NOT NULL DEFAULT 0,    -- that the webhook did not accept
    next_at REAL NOT NULL DEFAULT 0,        -- not before; POSIX seconds
    error TEXT NOT NULL DEFAULT '',         -- of the last attempt
    file INTEGER REFERENCES posting_files (number)
) STRICT;
CREATE INDEX IF NOT EXISTS postings_clearing ON postings (kiosk, deposit_id, sequence) WHERE kind = 'clearing';
CREATE INDEX IF NOT EXISTS postings_unjudged ON postings (id) WHERE state IN ('queued', 'held');
CREATE INDEX IF NOT EXISTS postings_to_webhook ON postings (id) WHERE state = 'ready' AND webhook_at IS NULL;
CREATE INDEX IF NOT EXISTS postings_to_file ON postings (id) WHERE state = 'ready' AND file IS NULL;
CREATE INDEX IF NOT EXISTS postings_of_file ON postings (file) WHERE file IS NOT NULL;
CREATE TABLE IF NOT EXISTS posting_files (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,              -- also the message id inside
    made_at TEXT NOT NULL,                  -- as the file says; writing it again gives the same bytes
    state TEXT NOT NULL                     -- assigned, prepared, handed
) STRICT;
"""
