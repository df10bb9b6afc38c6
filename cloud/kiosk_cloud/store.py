"""The bank's store in SQLite: verified records, what they must agree with, and evidence of what did not.

One transaction per message, WAL with synchronous FULL asserted on every connection: what the bank has signed
for is on disk before the signature leaves. Several receivers may share one store; writers queue on SQLite's lock.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from kiosk.core import topics
from kiosk.errors import KioskError
from kiosk.guarantee.merkle import CompactRange
from kiosk_cloud import sqlite
from kiosk_cloud.schema import SCHEMA_VERSION, create
from kiosk_cloud.sqlite import Database

EVIDENCE_ROWS_MAX: Final = 1000  # per kiosk and table; more of the same proves nothing new
LOOKED_UP_AT_ONCE: Final = 100
_MARKS: Final = ", ".join("?" * LOOKED_UP_AT_ONCE)
ROOTS_OF_A_SIZE_MAX: Final = 2  # signed checkpoints of one size with two roots are the whole proof of a fork


class StoreError(KioskError, RuntimeError):
    """The store cannot be opened or trusted."""

    remedy = "Check the path and the disk; do not let a receiver run without its store."


class StoredRecord(msgspec.Struct, frozen=True, gc=False):
    """One row of `records`."""

    kiosk: str
    sequence: int
    leaf_hash: bytes
    kind: str
    deposit_id: bytes | None
    content: bytes
    envelope: bytes
    entry: bytes


class Store:
    """A connection; use it on one thread."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open `path`; without `read_only` make it when it is missing. StoreError when it cannot be used."""
        self._file: Database | None = None
        try:
            if read_only:
                self._db = sqlite.read_only(path)
            else:
                if not path.exists():
                    create(path)
                self._file = Database(path)
                self._db = self._file.db
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        except (OSError, sqlite3.Error) as error:
            message = f"{path}: {error}"
            raise StoreError(message) from error
        if version != SCHEMA_VERSION:
            message = f"{path} has schema version {version}, not {SCHEMA_VERSION}"
            raise StoreError(message)

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, for modules that keep tables of their own in this file (`posting.outbox`)."""
        return self._db

    def close(self) -> None:
        """Give the connection back."""
        if self._file is None:
            self._db.close()
        else:
            self._file.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; the lock is taken at once, so that receivers sharing the store take turns."""
        if self._file is None:
            message = "a store that was opened for reading is not written"
            raise StoreError(message)
        return self._file.transaction()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one moment while receivers write on."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def integrity_problems(self) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        found = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check(10)")]
        return [] if found == ["ok"] else found

    # --- the contiguous prefix ---------------------------------------------------------------------

    def tree(self, kiosk: str) -> CompactRange:
        """The Merkle tree over the kiosk's contiguous prefix."""
        row = self._db.execute("SELECT size, peaks FROM kiosks WHERE kiosk = ?", (kiosk,)).fetchone()
        if row is None:
            return CompactRange()
        size, peaks = row
        return CompactRange(size, [peaks[at : at + 32] for at in range(0, len(peaks), 32)])

    def save_tree(self, kiosk: str, tree: CompactRange) -> None:
        """Replace the prefix's tree and note its root."""
        self._db.execute("INSERT OR REPLACE INTO kiosks VALUES (?, ?, ?)", (kiosk, tree.size, b"".join(tree.peaks)))

    def size(self, kiosk: str) -> int:
        """How many records the contiguous prefix has."""
        row = self._db.execute("SELECT size FROM kiosks WHERE kiosk = ?", (kiosk,)).fetchone()
        return int(row[0]) if row else 0

    def add_roots(self, kiosk: str, roots: Iterable[tuple[int, bytes]]) -> None:
        """Remember the roots of sizes of the prefix."""
        self._db.executemany("INSERT INTO roots VALUES (?, ?, ?)", [(kiosk, size, root) for size, root in roots])

    def root(self, kiosk: str, size: int) -> bytes | None:
        """The prefix's root at `size`, None if it never had that size."""
        row = self._db.execute("SELECT root FROM roots WHERE kiosk = ? AND size = ?", (kiosk, size)).fetchone()
        return row[0] if row else None

    def roots(self, kiosk: str) -> Iterator[tuple[int, bytes]]:
        """(size, root) in order of size."""
        return self._db.execute("SELECT size, root FROM roots WHERE kiosk = ? ORDER BY size", (kiosk,))

    def stated_prefix(self, kiosk: str) -> tuple[int, bytes] | None:
        """(size, peaks) exactly as stored."""
        row = self._db.execute("SELECT size, peaks FROM kiosks WHERE kiosk = ?", (kiosk,)).fetchone()
        return (row[0], row[1]) if row else None

    def kiosks(self) -> list[str]:
        """Every kiosk that any table knows."""
        tables = ("kiosks", "records", "roots", "checkpoints", "acks", "forks", "quarantine")
        query = " UNION ".join(f"SELECT kiosk FROM {table}" for table in tables)  # noqa: S608 - names from above
        return [row[0] for row in self._db.execute(f"{query} ORDER BY kiosk")]

    def prefixes(self) -> list[tuple[str, int]]:
        """(kiosk, size of its contiguous prefix)."""
        return [(row[0], row[1]) for row in self._db.execute("SELECT kiosk, size FROM kiosks ORDER BY kiosk")]

    def logs_of(self, kiosk: str) -> list[str]:
        """The logs of a kiosk that have a prefix here, in the order of their epochs; `kiosk` may be any of them."""
        first = topics.kiosk_of(kiosk)
        query = "SELECT kiosk FROM kiosks WHERE kiosk = ?1 OR (kiosk > ?1 || '.epoch' AND kiosk < ?1 || '.epoci')"
        return topics.logs_of(first, [row[0] for row in self._db.execute(query, (first,))])

    # --- records -----------------------------------------------------------------------------------

    def record(self, kiosk: str, sequence: int) -> StoredRecord | None:
        """One record, whether or not it is part of the prefix yet."""
        row = self._db.execute(f"{_SELECT_RECORD} WHERE kiosk = ? AND sequence = ?", (kiosk, sequence)).fetchone()
        return StoredRecord(*row) if row else None

    def leaf_hashes(self, kiosk: str, sequences: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """(sequence, leaf hash) of those that are here, whether or not they are part of the prefix yet."""
        query = f"SELECT sequence, leaf_hash FROM records WHERE kiosk = ? AND sequence IN ({_MARKS})"  # noqa: S608 - ours
        return self._looked_up(query, kiosk, sequences)

    def sequences_of_deposits(self, kiosk: str, deposit_ids: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
        """(deposit id, sequence) of every record of these deposits."""
        query = f"SELECT deposit_id, sequence FROM records WHERE kiosk = ? AND deposit_id IN ({_MARKS})"  # noqa: S608 - ours
        return self._looked_up(query, kiosk, deposit_ids)

    def _looked_up(self, query: str, kiosk: str, keys: Sequence[int] | Sequence[bytes]) -> Iterator[tuple[Any, Any]]:
        """One statement for LOOKED_UP_AT_ONCE keys, always of the same text: SQLite prepares it once."""
        for first in range(0, len(keys), LOOKED_UP_AT_ONCE):
            some = keys[first : first + LOOKED_UP_AT_ONCE]
            nothing = (None,) * (LOOKED_UP_AT_ONCE - len(some))  # NULL is IN nothing
            yield from self._db.execute(query, (kiosk, *some, *nothing))

    def waiting(self, kiosk: str, first: int) -> Iterator[tuple[int, bytes, str, bytes | None]]:
        """(sequence, leaf hash, kind, deposit id) of the records from `first` on, in sequence, one at a time."""
        query = (
            "SELECT sequence, leaf_hash, kind, deposit_id FROM records"
            " WHERE kiosk = ? AND sequence >= ? ORDER BY sequence"
        )
        return self._db.execute(query, (kiosk, first))

    def records(self, kiosk: str, *, after: int = -(2**62)) -> Iterator[StoredRecord]:
        """A kiosk's records beyond sequence `after`, in sequence, one at a time."""
        query = f"{_SELECT_RECORD} WHERE kiosk = ? AND sequence > ? ORDER BY sequence"
        for row in self._db.execute(query, (kiosk, after)):
            yield StoredRecord(*row)

    def records_of_kinds(self, kiosk: str, kinds: Sequence[str]) -> Iterator[StoredRecord]:
        """The records of these kinds in a kiosk's contiguous prefix, in sequence."""
        marks = ", ".join("?" * len(kinds))
        prefix = "sequence < (SELECT size FROM kiosks WHERE kiosks.kiosk = records.kiosk)"
        # Said again in the index's own words, SQLite looks only at the few that are neither.
        rare = " AND kind NOT IN ('deposit', 'receipt')" if {"deposit", "receipt"}.isdisjoint(kinds) else ""
        query = f"{_SELECT_RECORD} WHERE kiosk = ? AND kind IN ({marks}){rare} AND {prefix} ORDER BY sequence"
        for row in self._db.execute(query, (kiosk, *kinds)):
            yield StoredRecord(*row)

    def deposit(self, kiosk: str, deposit_id: bytes) -> StoredRecord | None:
        """The first record of a deposit."""
        query = f"{_SELECT_RECORD} WHERE kiosk = ? AND deposit_id = ? ORDER BY sequence LIMIT 1"
        row = self._db.execute(query, (kiosk, deposit_id)).fetchone()
        return StoredRecord(*row) if row else None

    def deposit_elsewhere(self, record: StoredRecord) -> int | None:
        """The sequence of another record of the same deposit id."""
        row = self._db.execute(
            "SELECT sequence FROM records WHERE kiosk = ? AND deposit_id = ? AND sequence <> ? LIMIT 1",
            (record.kiosk, record.deposit_id, record.sequence),
        ).fetchone()
        return row[0] if row else None

    def add_records(self, records: Iterable[StoredRecord], received_at: str) -> None:
        """Store verified records; the caller has looked that their places are free."""
        rows = [(*astuple(each), received_at) for each in records]  # whose fields are in the table's order
        self._db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def first_ahead(self, kiosk: str, size: int) -> int | None:
        """The first stored sequence beyond the prefix, None when nothing waits."""
        row = self._db.execute(
            "SELECT min(sequence) FROM records WHERE kiosk = ? AND sequence >= ?", (kiosk, size)
        ).fetchone()
        return None if row is None else row[0]

    # --- statements --------------------------------------------------------------------------------

    def add_checkpoint(self, kiosk: str, size: int, root: bytes, note: bytes, received_at: str) -> bool:
        """Keep a verified checkpoint; False when its size has this root already, or two others."""
        query = "SELECT count(*) FROM checkpoints WHERE kiosk = ? AND size = ?"
        if self._db.execute(query, (kiosk, size)).fetchone()[0] >= ROOTS_OF_A_SIZE_MAX:
            return False
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO checkpoints VALUES (?, ?, ?, ?, ?)", (kiosk, size, root, note, received_at)
        )
        return cursor.rowcount > 0

    def checkpoints(self, kiosk: str, sizes: tuple[int, int] | None = None) -> list[tuple[int, bytes, bytes]]:
        """(size, root, note) in order of size; `sizes` (from, to) inclusive."""
        first, last = sizes or (0, 2**62)
        rows = self._db.execute(
            "SELECT size, root, note FROM checkpoints WHERE kiosk = ? AND size BETWEEN ? AND ? ORDER BY size",
            (kiosk, first, last),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def add_ack(self, kiosk: str, sequence: int, statement: bytes, made_at: str) -> None:
        """Keep an acknowledgement before it is sent; one of the same records that tells more takes its place."""
        self._db.execute("INSERT OR REPLACE INTO acks VALUES (?, ?, ?, ?)", (kiosk, sequence, statement, made_at))

    def newest_checkpoint(self, kiosk: str) -> tuple[int, bytes, bytes] | None:
        """(size, root, note) of the largest signed checkpoint whose records are all here and make its root."""
        row = self._db.execute(
            "SELECT c.size, c.root, c.note FROM checkpoints c JOIN roots r USING (kiosk, size)"
            " WHERE c.kiosk = ? AND c.root = r.root ORDER BY c.size DESC LIMIT 1",
            (kiosk,),
        ).fetchone()
        return (row[0], row[1], row[2]) if row else None

    def entries(self, kiosk: str, first: int, count: int) -> list[bytes]:
        """Leaf entries `first` to `first + count - 1` of the contiguous prefix."""
        rows = self._db.execute(
            "SELECT entry FROM records WHERE kiosk = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
            (kiosk, first, first + count - 1),
        )
        return [row[0] for row in rows]

    def set_cosigned(self, kiosk: str, size: int, note: str, short: str) -> None:
        """Keep the newest cosigned checkpoint; the kiosk is to be told `short`."""
        self._db.execute("INSERT OR REPLACE INTO cosigned VALUES (?, ?, ?, ?, 0)", (kiosk, size, note, short))

    def cosigned(self, kiosk: str) -> tuple[int, str] | None:
        """(size, note) of the newest cosigned checkpoint."""
        row = self._db.execute("SELECT size, note FROM cosigned WHERE kiosk = ?", (kiosk,)).fetchone()
        return (row[0], row[1]) if row else None

    def take_untold(self) -> list[tuple[str, str]]:
        """(kiosk, short) of who has not been told of the newest cosigned checkpoint; they count as told from now on."""
        rows = self._db.execute("UPDATE cosigned SET stated = 1 WHERE stated = 0 RETURNING kiosk, short").fetchall()
        return sorted((row[0], row[1]) for row in rows)

    def short_cosigned(self, kiosk: str) -> str:
        """What goes into the kiosk's acknowledgements: the newest cosigned checkpoint, or nothing."""
        row = self._db.execute("SELECT short FROM cosigned WHERE kiosk = ?", (kiosk,)).fetchone()
        return row[0] if row else ""

    def newest_ack(self, kiosk: str) -> tuple[int, bytes] | None:
        """(sequence, statement) of the acknowledgement that reaches furthest."""
        row = self._db.execute(
            "SELECT sequence, statement FROM acks WHERE kiosk = ? ORDER BY sequence DESC LIMIT 1", (kiosk,)
        ).fetchone()
        return (row[0], row[1]) if row else None

    def acks(self, kiosk: str) -> Iterator[tuple[int, bytes]]:
        """(sequence, statement) in order."""
        return self._db.execute("SELECT sequence, statement FROM acks WHERE kiosk = ? ORDER BY sequence", (kiosk,))

    def set_birth(self, kiosk: str, payload: bytes, received_at: str) -> None:
        """Keep the newest birth or death certificate."""
        self._db.execute("INSERT OR REPLACE INTO births VALUES (?, ?, ?)", (kiosk, payload, received_at))

    def birth(self, kiosk: str) -> tuple[bytes, str] | None:
        """(payload, when it came) of the newest birth or death certificate."""
        row = self._db.execute("SELECT payload, received_at FROM births WHERE kiosk = ?", (kiosk,)).fetchone()
        return (row[0], row[1]) if row else None

    def set_health(self, kiosk: str, payload: bytes, at: str, received_at: str, stale: str) -> None:
        """Keep the newest health by the kiosk's clock; one received before `stale` gives way to any."""
        self._db.execute(
            "INSERT INTO healths VALUES (?1, ?2, ?3, ?4) ON CONFLICT (kiosk) DO UPDATE SET"
            " payload = ?2, at = ?3, received_at = ?4 WHERE ?3 > healths.at OR healths.received_at < ?5",
            (kiosk, payload, at, received_at, stale),
        )

    def health(self, kiosk: str) -> tuple[bytes, str] | None:
        """(payload, when it came) of what the kiosk last told of itself."""
        row = self._db.execute("SELECT payload, received_at FROM healths WHERE kiosk = ?", (kiosk,)).fetchone()
        return (row[0], row[1]) if row else None

    # --- evidence ----------------------------------------------------------------------------------

    def add_quarantine(self, kiosk: str, lane: str, sha256: bytes, payload: bytes, reason: str, at: str) -> bool:
        """Keep what could not be verified; False when it is known or the kiosk's share is full."""
        if self._full("quarantine", kiosk):
            return False
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)", (kiosk, sha256, lane, payload, reason, at)
        )
        return cursor.rowcount > 0

    def add_fork(
        self, kiosk: str, kind: str, sequence: int, sha256: bytes, payload: bytes, reason: str, at: str
    ) -> bool:
        """Keep a proof of a fork; False when it is known or the kiosk's share is full."""
        if self._full("forks", kiosk):
            return False
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO forks VALUES (?, ?, ?, ?, ?, ?, ?)",
            (kiosk, kind, sequence, sha256, payload, reason, at),
        )
        return cursor.rowcount > 0

    def forks(self, kiosk: str) -> list[tuple[str, int, str]]:
        """(kind, sequence, reason)."""
        rows = self._db.execute("SELECT kind, sequence, reason FROM forks WHERE kiosk = ? ORDER BY rowid", (kiosk,))
        return [(row[0], row[1], row[2]) for row in rows]

    def quarantined(self, kiosk: str) -> list[tuple[str, str]]:
        """(lane, reason)."""
        rows = self._db.execute("SELECT lane, reason FROM quarantine WHERE kiosk = ? ORDER BY rowid", (kiosk,))
        return [(row[0], row[1]) for row in rows]

    def add_gap(self, kiosk: str, first_missing: int, at: str) -> bool:
        """Note a complaint; False when it was made already."""
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO gaps (kiosk, first_missing, complained_at) VALUES (?, ?, ?)",
            (kiosk, first_missing, at),
        )
        return cursor.rowcount > 0

    def close_gaps(self, kiosk: str, size: int, at: str) -> None:
        """The prefix has grown over these."""
        self._db.execute(
            "UPDATE gaps SET closed_at = ? WHERE kiosk = ? AND first_missing < ? AND closed_at IS NULL",
            (at, kiosk, size),
        )

    def gaps(self, kiosk: str) -> list[tuple[int, str | None]]:
        """(first missing sequence, when it was closed)."""
        rows = self._db.execute(
            "SELECT first_missing, closed_at FROM gaps WHERE kiosk = ? ORDER BY first_missing", (kiosk,)
        )
        return [(row[0], row[1]) for row in rows]

    def _full(self, table: str, kiosk: str) -> bool:
        query = f"SELECT count(*) FROM {table} WHERE kiosk = ?"  # noqa: S608 - our own table names
        return bool(self._db.execute(query, (kiosk,)).fetchone()[0] >= EVIDENCE_ROWS_MAX)


_SELECT_RECORD: Final = "SELECT kiosk, sequence, leaf_hash, kind, deposit_id, content, envelope, entry FROM records"
