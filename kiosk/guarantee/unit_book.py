"""The storage units' facts in the journal's database, and what their records take from the log.

Written inside the journal's transactions only, so that a deposit's booking and its record are one. `day_draft` gives a
Z record its place: which records it covers, and size and root of the log just before it.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kiosk.core import units
from kiosk.core.day import Z_KIND
from kiosk.core.disputes import Dispute
from kiosk.core.state import RecordDraft
from kiosk.core.storage import Ledger
from kiosk.core.unit_facts import AnyUnitFact
from kiosk.errors import JournalError
from kiosk.guarantee.log import RecordLog

SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS unit_facts (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, fact TEXT)",
    # One row: what the facts up to `seq` lead to. It only saves time; the facts stay, and lead to the same.
    "CREATE TABLE IF NOT EXISTS unit_snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER, ledger TEXT)",
)
REPORTS_MAX: Final = 400  # that one list may have: more than a year of days
_FACTS: Final = msgspec.json.Decoder(AnyUnitFact)
_LEDGER: Final = msgspec.json.Decoder(Ledger)


@dataclass(frozen=True)
class Entry:
    """One fact about the units, the ledger after it, and its records; `first` ones belong before a deposit's own."""

    fact: AnyUnitFact
    ledger: Ledger
    records: tuple[RecordDraft, ...] = ()
    first: tuple[RecordDraft, ...] = ()

    @property
    def closes_date(self) -> bool:
        """Whether it makes a Z record: a good moment to remember where the facts have led to."""
        return any(draft.kind == Z_KIND for draft in (*self.first, *self.records))


def store(connection: sqlite3.Connection, entry: Entry) -> None:
    """Keep the fact. What cannot be replayed must never be committed."""
    encoded = msgspec.json.encode(entry.fact)
    _FACTS.decode(encoded)
    row = connection.execute(
        "INSERT INTO unit_facts (at, kind, fact) VALUES (?, ?, ?)",
        (entry.fact.at, type(entry.fact).__name__, encoded.decode()),
    )
    if entry.closes_date:
        connection.execute(
            "INSERT OR REPLACE INTO unit_snapshot (id, seq, ledger) VALUES (1, ?, ?)",
            (row.lastrowid, msgspec.json.encode(entry.ledger).decode()),
        )


def load(connection: sqlite3.Connection, *, whole: bool = False) -> Ledger:
    """The units as the facts make them, those since the last Z report or `whole`. Raises JournalError."""
    begin, ledger = 0, Ledger()
    row = connection.execute("SELECT seq, ledger FROM unit_snapshot").fetchone()
    if row is not None and not whole:
        try:
            begin, ledger = int(row[0]), _LEDGER.decode(row[1])
        except msgspec.MsgspecError:  # of an older version: the facts know better
            begin = 0
    rows = connection.execute("SELECT fact FROM unit_facts WHERE seq > ? ORDER BY seq", (begin,))
    try:
        return units.replay((_FACTS.decode(fact) for (fact,) in rows), ledger)
    except (msgspec.MsgspecError, ValueError, KeyError, AssertionError) as error:
        raise JournalError(f"the facts of the storage units do not replay: {error}") from error


def open_disputes(disputes: Sequence[Dispute]) -> dict[str, Any]:
    """Deposits, notes and sums per currency of these."""
    sums: Counter[str] = Counter()
    for dispute in disputes:
        if dispute.value_minor is not None:
            sums[dispute.currency] += dispute.value_minor
    deposits = len({dispute.deposit_id for dispute in disputes})
    return {"deposits": deposits, "notes": len(disputes), "sums": dict(sorted(sums.items()))}


def day_draft(
    log: RecordLog, connection: sqlite3.Connection, draft: RecordDraft, disputes: Callable[[], dict[str, Any]]
) -> RecordDraft:
    """A Z record with the open disputes and its place in the log; any other draft as it is."""
    if draft.kind != Z_KIND:
        return draft
    row = connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM leaves WHERE kind = ?", (Z_KIND,)).fetchone()
    size = log.size()
    place = {"open_disputes": disputes(), "first_record": int(row[0]), "log_size": size, "log_root": log.root()}
    return RecordDraft(draft.kind, {**draft.body, **place})


def contents(log: RecordLog, connection: sqlite3.Connection, kind: str, rows_max: int) -> Iterator[Mapping[str, Any]]:
    """The newest records of a kind that belong to no deposit, newest first, with their leaf hashes."""
    rows = connection.execute(
        "SELECT seq FROM leaves WHERE kind = ? ORDER BY seq DESC LIMIT ?", (kind, min(rows_max, REPORTS_MAX))
    ).fetchall()
    for (sequence,) in rows:
        record = log.record(int(sequence))
        yield {**record.content, "leaf_hash": record.leaf_hash}
