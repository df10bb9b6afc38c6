"""Reading the journal row by row, for people: nothing here writes."""

import sqlite3
from typing import Literal

from kiosk.guarantee import leaf
from kiosk.guarantee.log import RecordLog

Fact = tuple[int, bytes, str, str, str, str]  # sequence, deposit, at, state, kind, orders as JSON
Leaf = tuple[int, str, bytes, str]  # sequence, kind, leaf hash, minute


class Looks:
    """The newest rows of each kind."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def facts(self, rows_max: int) -> list[Fact]:
        """Of the deposit table, newest first."""
        rows = self._connection.execute(
            "SELECT seq, deposit_id, at, state, kind, orders FROM facts ORDER BY seq DESC LIMIT ?", (rows_max,)
        )
        return [(int(seq), bytes(deposit), at, state, kind, orders) for seq, deposit, at, state, kind, orders in rows]

    def leaves(self, rows_max: int) -> list[Leaf]:
        """Of the record log, newest first."""
        rows = self._connection.execute("SELECT seq, kind, entry FROM leaves ORDER BY seq DESC LIMIT ?", (rows_max,))
        return [(int(seq), kind, leaf.leaf_hash(entry), leaf.parse(entry).minute) for seq, kind, entry in rows]

    def count(self, table: Literal["facts", "authority", "unit_facts"]) -> int:
        """How many rows it has."""
        (rows,) = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - one of ours
        return int(rows)

    def waiting(self, log: RecordLog) -> tuple[int, int, int | None, str]:
        """What the bank has not acknowledged: records, their bytes, the first one and the minute it was made."""
        first = log.acknowledged()
        if first >= log.size():
            return 0, 0, None, ""
        (octets,) = self._connection.execute(
            "SELECT coalesce(sum(length(envelope)), 0) FROM envelopes WHERE seq >= ?", (first,)
        ).fetchone()
        return log.size() - first, int(octets), first, leaf.parse(log.entry(first)).minute
