"""Evidence that waits for the bank: sealed chunks in the journal's database, bounded, the oldest files dropped first.

In the same database as the records for two reasons: a file that is dropped and the record that says so are one
transaction, and what is dropped makes room for records at once, since SQLite fills free pages before the file grows.
Only sealed chunks are kept: who takes the disk sees nothing. A file is ready once all of it was handed over and
hashes to its name, and leaves when the bank has signed that it holds all of it. Of the lanes evidence goes first, and
records never do.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from kiosk.core.records import service
from kiosk.core.state import RecordDraft
from kiosk.errors import VerificationError
from kiosk.guarantee import evidence
from kiosk.guarantee.evidence import EvidenceAck, Piece
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.seal import SealPublicKey

CHUNK_OVERHEAD_BYTES: Final = 1600  # sealing, header and SQLite's own, at most
SLACK: Final = 10  # when something must go, a tenth of the bound more goes with it: one record for many files
NAMES_MAX: Final = 64  # of dropped files in one record
ROWS_MAX: Final = 8
Why = Literal["full", "disk", "no_room"]  # its own bound; that of free space; turned away on arrival
SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS evidence (
        file INTEGER PRIMARY KEY AUTOINCREMENT,
        sha256 BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        bytes INTEGER NOT NULL,     -- that it takes up here
        ready INTEGER NOT NULL,     -- 1: all of it was handed over, and it is what its name says
        held INTEGER NOT NULL       -- chunks that the bank has said it holds
    )""",
    """CREATE TABLE IF NOT EXISTS evidence_chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        file INTEGER NOT NULL,
        part INTEGER NOT NULL,
        sealed BLOB NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS evidence_chunks_file ON evidence_chunks (file, part)",
)


@dataclass(frozen=True)
class Bounds:
    """How much of the disk evidence may take."""

    bytes_max: int = 512 << 20
    free_bytes_min: int = 512 << 20  # of the journal's file system, pages that the database can use again included


@dataclass(frozen=True)
class ChunkRow:
    """A sealed chunk on its way to the bank; ids grow in the order of handing over."""

    id: int
    sealed: bytes


@dataclass(frozen=True)
class Taken:
    """What became of a part: `kept` false says that there is no room for its file; `records` say what was dropped."""

    kept: bool
    records: tuple[RecordDraft, ...] = ()


class EvidenceRefused(VerificationError):
    """What was handed over cannot be taken like this."""

    remedy = "Hand the file over again, from its first part."


@dataclass
class _Present:
    """The file that is being handed over, and what came of it so far."""

    file: int
    first: Piece
    parts: int
    digest: "hashlib._Hash"


class EvidenceQueue:
    """The queue in `connection`. Writing calls need an open transaction, and the records that they return."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        kiosk: str,
        bank_acks: PublicKeys,
        seal_key: Callable[[], SealPublicKey],
    ) -> None:
        self._db = connection
        self._kiosk, self._bank_acks, self._seal_key = kiosk, bank_acks, seal_key
        self._present: _Present | None = None
        self._turned_away = 0  # since one was kept

    # --- handing over -------------------------------------------------------------------------------------

    def take(self, piece: Piece, data: bytes, bounds: Bounds, free_bytes: int) -> Taken:
        """Keep one part of a file; the first one makes room for all of it, the last one must make its name true.

        What is here already is taken again without effect. Raises EvidenceRefused; ValueError for a wrong length.
        """
        row = self._db.execute("SELECT ready FROM evidence WHERE sha256 = ?", (piece.sha256,)).fetchone()
        if row is not None and row[0]:
            return Taken(kept=True)
        records: tuple[RecordDraft, ...] = ()
        if piece.index == 0:
            begun = self._begin(piece, bounds, free_bytes)
            if not begun.kept:
                return begun
            records = begun.records
        present = self._present
        if present is None or piece != replace(present.first, index=present.parts):
            raise EvidenceRefused(f"part {piece.index} of {piece.sha256.hex()[:16]} is out of turn")
        sealed = evidence.seal_chunk(self._kiosk, piece, data, self._seal_key())
        insert = "INSERT INTO evidence_chunks (file, part, sealed) VALUES (?, ?, ?)"
        self._db.execute(insert, (present.file, piece.index, sealed))
        present.digest.update(data)
        present.parts += 1
        if present.parts == piece.chunks:
            self._present = None
            if present.digest.digest() != piece.sha256:
                raise EvidenceRefused(f"what was handed over is not {piece.sha256.hex()[:16]}")
            self._db.execute("UPDATE evidence SET ready = 1 WHERE file = ?", (present.file,))
        return Taken(kept=True, records=records)

    def _begin(self, piece: Piece, bounds: Bounds, free_bytes: int) -> Taken:
        self._present = None
        for (file,) in self._db.execute("SELECT file FROM evidence WHERE NOT ready").fetchall():
            self._remove(file)  # its rest never came
        need = piece.size + piece.chunks * CHUNK_OVERHEAD_BYTES
        records = self.tend(bounds, free_bytes, need) if need <= bounds.bytes_max else ()
        if need > bounds.bytes_max or self._free(free_bytes) - need < bounds.free_bytes_min:
            self._turned_away += 1
            # Every other time would fill the disk with records of how full it is.
            if self._turned_away & (self._turned_away - 1) == 0:
                records = (*records, dropped([piece.sha256], self._turned_away, piece.size, "no_room"))
            return Taken(kept=False, records=records)
        self._turned_away = 0
        cursor = self._db.execute(
            "INSERT INTO evidence (sha256, size, bytes, ready, held) VALUES (?, ?, ?, 0, 0)",
            (piece.sha256, piece.size, need),
        )
        assert cursor.lastrowid is not None
        self._present = _Present(cursor.lastrowid, piece, 0, hashlib.sha256())
        return Taken(kept=True, records=records)

    # --- bounds -------------------------------------------------------------------------------------------

    def tend(self, bounds: Bounds, free_bytes: int, need: int = 0) -> tuple[RecordDraft, ...]:
        """Drop the oldest files until `need` bytes more are within bounds, and then some; the record that says so.

        `free_bytes` is what the file system has left.
        """
        over = self.bytes_kept() + need - bounds.bytes_max
        short = bounds.free_bytes_min + need - self._free(free_bytes)
        excess = max(over, short)
        if excess <= 0:
            return ()
        gone: list[bytes] = []
        freed = 0
        rows = self._db.execute("SELECT file, sha256, bytes FROM evidence WHERE ready ORDER BY file").fetchall()
        for file, sha256, size in rows:
            if freed >= excess + bounds.bytes_max // SLACK:
                break
            self._remove(file)
            gone.append(sha256)
            freed += size
        return (dropped(gone, len(gone), freed, "full" if over >= short else "disk"),) if gone else ()

    def bytes_kept(self) -> int:
        """How much it takes up."""
        return int(self._db.execute("SELECT coalesce(sum(bytes), 0) FROM evidence").fetchone()[0])

    def files_kept(self) -> int:
        """How many files wait."""
        return int(self._db.execute("SELECT count(*) FROM evidence WHERE ready").fetchone()[0])

    def _free(self, free_bytes: int) -> int:
        """What the file system has, and what the database has left unused inside its file."""
        pages, size = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
        return free_bytes + int(pages) * int(size)

    def _remove(self, file: int) -> None:
        self._db.execute("DELETE FROM evidence_chunks WHERE file = ?", (file,))
        self._db.execute("DELETE FROM evidence WHERE file = ?", (file,))

    # --- on the way to the bank ---------------------------------------------------------------------------

    def chunks(self, after: int, rows_max: int) -> list[ChunkRow]:
        """The next sealed chunks behind id `after` that the bank has not said it holds, in order."""
        rows = self._db.execute(
            "SELECT id, sealed FROM evidence_chunks JOIN evidence USING (file)"
            " WHERE ready AND part >= held AND id > ? ORDER BY id LIMIT ?",
            (after, max(0, min(rows_max, ROWS_MAX))),
        )
        return [ChunkRow(row[0], row[1]) for row in rows]

    def acknowledge(self, data: bytes) -> EvidenceAck:
        """Believe the bank's signed word. A complete file leaves; else its rest goes on from what the bank holds.

        The word about a file that is not here any more changes nothing. Raises VerificationError.
        """
        found = evidence.verify_ack(data, self._bank_acks, self._kiosk)
        row = self._db.execute("SELECT file FROM evidence WHERE sha256 = ? AND ready", (found.sha256,)).fetchone()
        if row is not None and found.complete:
            self._remove(row[0])
        elif row is not None:
            self._db.execute("UPDATE evidence SET held = ? WHERE file = ?", (found.held, row[0]))
        return found


def dropped(names: Sequence[bytes], files: int, size: int, why: Why) -> RecordDraft:
    """The record that evidence is gone which the bank never had: the newest NAMES_MAX names, how many, how much."""
    body = {"lane": "evidence", "files": files, "bytes": size, "why": why, "names": list(names[-NAMES_MAX:])}
    return service("dropped", body)
