"""A kiosk's own record log recomputed from its first entry, a stretch at a time, so that commits may go between two."""

import sqlite3
from typing import Final

from kiosk.errors import LogRollbackError, VerificationError
from kiosk.guarantee import leaf, merkle, seal

ROWS: Final = 1000  # of one stretch: some 20 ms on a workstation


class Audit:
    """Holds the stored hashes of the first `size` records, and what waits for the bank, against the entries."""

    def __init__(self, connection: sqlite3.Connection, kiosk: str, size: int, acknowledged: int) -> None:
        """`acknowledged` records, contiguous from 0, are the bank's by its own signature."""
        self._connection = connection
        self._kiosk = kiosk
        self._size = size
        self._acknowledged = acknowledged
        self.tree: Final = merkle.CompactRange()

    def begin(self) -> None:
        """What can be seen without the entries. Raises VerificationError, LogRollbackError."""
        first, size = self._acknowledged, self._size
        if first > size:
            raise LogRollbackError(f"the bank has signed for {first} records; there are only {size}")
        (lowest,) = self._connection.execute("SELECT min(seq) FROM leaves").fetchone()
        if lowest != (0 if size else None):
            raise VerificationError(f"a leaf of number {lowest} is in the log")
        (count, highest) = self._connection.execute(
            "SELECT count(*), max(seq) FROM envelopes WHERE seq >= ?", (first,)
        ).fetchone()
        if (count, highest) != (size - first, size - 1 if first < size else None):
            raise VerificationError(f"the envelopes of the records from {first} on are not all there")

    def step(self, rows: int = ROWS) -> bool:
        """The next stretch; whether there are more. Raises VerificationError where something disagrees."""
        first = self.tree.size
        last = min(first + rows, self._size)
        query = "SELECT seq, kind, entry, hashes FROM leaves WHERE seq >= ? AND seq < ? ORDER BY seq"
        for row in self._connection.execute(query, (first, last)).fetchall():
            self._take(*row)
        if self.tree.size != last:
            raise VerificationError(f"record {self.tree.size} is missing from the log")
        return last < self._size

    def _take(self, sequence: int, kind: str, entry: bytes, stored: bytes) -> None:
        found, index = leaf.parse(entry), self.tree.size
        if (found.kiosk, found.sequence, found.kind, sequence) != (self._kiosk, index, kind, index):
            raise VerificationError(f"leaf {index} of the log is that of {found.kiosk}/{found.sequence} {found.kind}")
        completed = self.tree.append(leaf.leaf_hash(entry))
        if stored != b"".join(completed):
            raise VerificationError(f"the stored hashes at leaf {index} are not those of its entry")
        if index >= self._acknowledged:
            self._check_envelope(index, completed[0])

    def _check_envelope(self, index: int, leaf_hash: bytes) -> None:
        """What the bank does not hold yet must be there to be sent."""
        row = self._connection.execute("SELECT envelope FROM envelopes WHERE seq = ?", (index,)).fetchone()
        if row is None:
            raise VerificationError(f"the envelope of record {index} is missing")
        header = seal.read_header(row[0])
        if (header.kiosk, header.sequence, header.leaf_hash) != (self._kiosk, index, leaf_hash):
            raise VerificationError(f"the envelope of record {index} is another record's")
