"""Stills and clips at the bank: chunks in the store until all are there, then a file named by its content.

    <evidence>/<kiosk>/<sha256 in hex>

Any number of receivers take chunks in any order, each any number of times. Nothing is believed of a chunk but that it
opened: the whole must hash to its name, or all of it is thrown away and asked for again. A name means something only
when a signed record of the kiosk carries it; who looks at a file asks the records.
"""

import hashlib
import logging
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Final

from kiosk.clock import rfc3339
from kiosk.guarantee import evidence
from kiosk.guarantee.evidence import Piece
from kiosk.guarantee.keys import Signer
from kiosk_cloud.files import private_dir, write_private

log = logging.getLogger(__name__)

ANSWER_EVERY: Final = 8  # chunks; a kiosk publishes at most 16 without an answer


class EvidenceFiles:
    """Works inside the caller's transaction on the store's connection."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, signer: Signer, bytes_max: int) -> None:
        """`bytes_max`: of one kiosk, complete or not."""
        self._db, self._folder, self._signer, self._bytes_max = connection, folder, signer, bytes_max

    def take(self, kiosk: str, piece: Piece, data: bytes, now: datetime) -> bytes | None:
        """Keep a chunk; the signed answer to the kiosk, when one is due. OSError when the file cannot be written."""
        row = self._db.execute(
            "SELECT size, complete FROM evidence WHERE kiosk = ? AND sha256 = ?", (kiosk, piece.sha256)
        ).fetchone()
        if row is None:
            if not self._room(kiosk, piece.size):
                log.error("%s: evidence of %d bytes is over this kiosk's share", kiosk, piece.size)
                return None
            self._db.execute(
                "INSERT INTO evidence VALUES (?, ?, ?, 0, ?)", (kiosk, piece.sha256, piece.size, rfc3339(now))
            )
        elif row[1]:
            return self._answer(kiosk, piece, piece.chunks, now, complete=True)
        elif row[0] != piece.size:  # somebody lies about one of them; the hash would not tell which
            return self._start_over(kiosk, piece, now)
        new = self._db.execute(
            "INSERT OR IGNORE INTO evidence_chunks VALUES (?, ?, ?, ?)", (kiosk, piece.sha256, piece.index, data)
        ).rowcount
        held = self._held(kiosk, piece)
        if held == piece.chunks:
            return self._complete(kiosk, piece, now)
        # Out of turn - a hole before it, or closed by it - is answered at once, so that what is lost comes again soon.
        due = not new or held != piece.index + 1 or held % ANSWER_EVERY == 0
        return self._answer(kiosk, piece, held, now, complete=False) if due else None

    def files(self, kiosk: str) -> list[tuple[bytes, int, bool]]:
        """(sha256, size, complete) in the order of arrival."""
        rows = self._db.execute("SELECT sha256, size, complete FROM evidence WHERE kiosk = ? ORDER BY rowid", (kiosk,))
        return [(row[0], row[1], bool(row[2])) for row in rows]

    def path(self, kiosk: str, sha256: bytes) -> Path:
        """Where a complete file is."""
        return self._folder / kiosk / sha256.hex()

    def _complete(self, kiosk: str, piece: Piece, now: datetime) -> bytes:
        rows = self._db.execute(
            "SELECT data FROM evidence_chunks WHERE kiosk = ? AND sha256 = ? ORDER BY part", (kiosk, piece.sha256)
        )
        content = b"".join(row[0] for row in rows)
        if hashlib.sha256(content).digest() != piece.sha256:
            log.error("%s: evidence %s is not what its name says; it is asked for again", kiosk, piece.sha256.hex())
            return self._start_over(kiosk, piece, now)
        private_dir(self._folder / kiosk)
        write_private(self.path(kiosk, piece.sha256), content)  # before the commit: a crash leaves what comes again
        self._forget_chunks(kiosk, piece)
        self._db.execute("UPDATE evidence SET complete = 1 WHERE kiosk = ? AND sha256 = ?", (kiosk, piece.sha256))
        return self._answer(kiosk, piece, piece.chunks, now, complete=True)

    def _start_over(self, kiosk: str, piece: Piece, now: datetime) -> bytes:
        self._forget_chunks(kiosk, piece)
        self._db.execute("DELETE FROM evidence WHERE kiosk = ? AND sha256 = ?", (kiosk, piece.sha256))
        return self._answer(kiosk, piece, 0, now, complete=False)

    def _forget_chunks(self, kiosk: str, piece: Piece) -> None:
        self._db.execute("DELETE FROM evidence_chunks WHERE kiosk = ? AND sha256 = ?", (kiosk, piece.sha256))

    def _held(self, kiosk: str, piece: Piece) -> int:
        """Chunks from the first on, without a hole."""
        held = 0
        for (part,) in self._db.execute(
            "SELECT part FROM evidence_chunks WHERE kiosk = ? AND sha256 = ? ORDER BY part", (kiosk, piece.sha256)
        ):
            if part != held:
                break
            held += 1
        return held

    def _room(self, kiosk: str, size: int) -> bool:
        query = "SELECT coalesce(sum(size), 0) FROM evidence WHERE kiosk = ?"
        return bool(self._db.execute(query, (kiosk,)).fetchone()[0] + size <= self._bytes_max)

    def _answer(self, kiosk: str, piece: Piece, held: int, now: datetime, *, complete: bool) -> bytes:
        return evidence.make_ack(evidence.ack_of(kiosk, piece.sha256, held, now, complete=complete), self._signer)
