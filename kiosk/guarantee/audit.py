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
        self._position = 0
        self.tree: Final = merkle.CompactRange()

    def begin(self) -> None:
        """What can be seen without the entries. Raises VerificationError, LogRollbackError."""
        first, size = self._acknowledged, self._size
        if first > size:
            raise LogRollbackError(f"the bank has signed for {first} records; there are only {size}")
        waiting = self._row("SELECT count(*), min(seq), max(seq) FROM outbox")
        if waiting != ((size - first, first, size - 1) if first < size else (0, None, None)):
            raise VerificationError(f"the outbox does not hold the records from {first} to {size - 1}")
        nodes = 2 * size - size.bit_count()
        ends = self._row("SELECT min(seq) FROM leaves") + self._row("SELECT min(position), max(position) FROM nodes")
        if ends != ((0, 0, nodes - 1) if size else (None, None, None)):
            raise VerificationError(f"leaves and nodes are not those of a tree of {size}")

    def step(self, rows: int = ROWS) -> bool:
        """The next stretch; whether there are more. Raises VerificationError where something disagrees."""
        first = self.tree.size
        last = min(first + rows, self._size)
        query = "SELECT seq, kind, entry, leaf_hash FROM leaves WHERE seq >= ? AND seq < ? ORDER BY seq"
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
        nodes = self._connection.execute(
            "SELECT hash FROM nodes WHERE position BETWEEN ? AND ? ORDER BY position",
            (self._position, self._position + len(completed) - 1),
        ).fetchall()
        self._position += len(completed)
        if stored != completed[0] or completed != tuple(node for (node,) in nodes):
            raise VerificationError(f"the stored hashes at leaf {index} are not those of its entry")
        if index >= self._acknowledged:
            self._check_envelope(index, stored)

    def _check_envelope(self, index: int, leaf_hash: bytes) -> None:
        """What the bank does not hold yet must be there to be sent."""
        row = self._connection.execute("SELECT envelope FROM envelopes WHERE seq = ?", (index,)).fetchone()
        if row is None:
            raise VerificationError(f"the envelope of record {index} is missing")
        header = seal.read_header(row[0])
        if (header.kiosk, header.sequence, header.leaf_hash) != (self._kiosk, index, leaf_hash):
            raise VerificationError(f"the envelope of record {index} is another record's")

    def _row(self, query: str) -> tuple[int | None, ...]:
        row: tuple[int | None, ...] = self._connection.execute(query).fetchone()
        return row
