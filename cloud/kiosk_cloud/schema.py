"""The store's tables, those of posting and commanding included, and how its file comes into being."""

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from kiosk_cloud.commanding.schema import SCHEMA as COMMANDING_SCHEMA
from kiosk_cloud.posting.schema import SCHEMA as POSTING_SCHEMA

SCHEMA_VERSION: Final = 5
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS kiosks (
    kiosk TEXT PRIMARY KEY,
    size INTEGER NOT NULL,           -- records of the contiguous verified prefix
    peaks BLOB NOT NULL              -- the prefix's Merkle tree, reduced to its complete subtrees
) STRICT;
CREATE TABLE IF NOT EXISTS records (
    kiosk TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    kind TEXT NOT NULL,
    deposit_id BLOB,                 -- of kind 'deposit' only
    content BLOB NOT NULL,           -- the signed CBOR map
    envelope BLOB NOT NULL,          -- as it came: the evidence
    entry BLOB NOT NULL,             -- the log's leaf, as its tiles have it
    received_at TEXT NOT NULL,
    PRIMARY KEY (kiosk, sequence)
) STRICT;
CREATE INDEX IF NOT EXISTS records_deposit ON records (kiosk, deposit_id) WHERE deposit_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_rare ON records (kiosk, kind, sequence) WHERE kind NOT IN ('deposit', 'receipt');
CREATE TABLE IF NOT EXISTS roots (   -- of the contiguous prefix at each size
    kiosk TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    PRIMARY KEY (kiosk, size)
) STRICT;
CREATE TABLE IF NOT EXISTS checkpoints (
    kiosk TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note BLOB NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (kiosk, size, root)
) STRICT;
CREATE TABLE IF NOT EXISTS cosigned (  -- the newest of the kiosk's checkpoints that witnesses have signed, too
    kiosk TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    note TEXT NOT NULL,              -- with all cosignatures, of every type
    short TEXT NOT NULL,             -- what the kiosk prints on receipts
    stated INTEGER NOT NULL          -- 1 once the kiosk has been told
) STRICT;
CREATE TABLE IF NOT EXISTS acks (
    kiosk TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    statement BLOB NOT NULL,
    made_at TEXT NOT NULL,
    PRIMARY KEY (kiosk, sequence)
) STRICT;
CREATE TABLE IF NOT EXISTS quarantine (
    kiosk TEXT NOT NULL,             -- of the topic; nothing inside is believed
    sha256 BLOB NOT NULL,            -- of the whole payload
    lane TEXT NOT NULL,
    payload BLOB NOT NULL,           -- its beginning, QUARANTINE_BYTES_MAX of it
    reason TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (kiosk, sha256)
) STRICT;
CREATE TABLE IF NOT EXISTS forks (
    kiosk TEXT NOT NULL,
    kind TEXT NOT NULL,              -- record, deposit, checkpoint
    sequence INTEGER NOT NULL,       -- of the record, or the size of the checkpoint
    sha256 BLOB NOT NULL,
    payload BLOB NOT NULL,
    reason TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (kiosk, kind, sequence, sha256)
) STRICT;
CREATE TABLE IF NOT EXISTS gaps (
    kiosk TEXT NOT NULL,
    first_missing INTEGER NOT NULL,
    complained_at TEXT NOT NULL,
    closed_at TEXT,
    PRIMARY KEY (kiosk, first_missing)
) STRICT;
CREATE TABLE IF NOT EXISTS evidence (  -- stills and clips, named by their content
    kiosk TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    complete INTEGER NOT NULL,       -- 1: it is a file in the folder of evidence, and its chunks are gone from here
    received_at TEXT NOT NULL,
    PRIMARY KEY (kiosk, sha256)
) STRICT;
CREATE TABLE IF NOT EXISTS evidence_chunks (
    kiosk TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    part INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (kiosk, sha256, part)
) STRICT;
CREATE TABLE IF NOT EXISTS healths (   -- what each kiosk last told of itself; not signed
    kiosk TEXT PRIMARY KEY,
    payload BLOB NOT NULL,
    at TEXT NOT NULL,                -- by the kiosk's clock
    received_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS births (
    kiosk TEXT PRIMARY KEY,
    payload BLOB NOT NULL,
    received_at TEXT NOT NULL
) STRICT;
"""


def create(path: Path) -> None:
    """Make the file whole beside its place and link it in: nobody ever opens half of it."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:  # 0700, so is what is in it
        made = Path(folder) / path.name
        made.touch(mode=0o600)
        db = sqlite3.connect(made, isolation_level=None)
        db.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} {POSTING_SCHEMA} {COMMANDING_SCHEMA}"
            f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
        db.close()
        with contextlib.suppress(FileExistsError):  # another receiver was quicker
            os.link(made, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
