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
    "CREATE TABLE IF NOT EXISTS unit_facts "
    "(seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, fact TEXT NOT NULL)"
)
REPORTS_MAX: Final = 400  # that one list may have: more than a year of days
_FACTS: Final = msgspec.json.Decoder(AnyUnitFact)


@dataclass(frozen=True)
class Entry:
    """One fact about the units with the records that it causes; `first` ones belong before a deposit's own."""

    fact: AnyUnitFact
    records: tuple[RecordDraft, ...] = ()
    first: tuple[RecordDraft, ...] = ()


def store(connection: sqlite3.Connection, entry: Entry) -> None:
    """Keep the fact. What cannot be replayed must never be committed."""
    encoded = msgspec.json.encode(entry.fact)
    _FACTS.decode(encoded)
    connection.execute(
        "INSERT INTO unit_facts (at, kind, fact) VALUES (?, ?, ?)",
        (entry.fact.at, type(entry.fact).__name__, encoded.decode()),
    )


def load(connection: sqlite3.Connection) -> Ledger:
    """The units as the facts make them. Raises JournalError when they do not replay."""
    rows = connection.execute("SELECT fact FROM unit_facts ORDER BY seq")
    try:
        return units.replay(_FACTS.decode(fact) for (fact,) in rows)
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
