"""What people look at in the books, row by row: notes by place and claim, facts, leaves, outbox. Changes nothing."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from kiosk.core.state import Deposit, State
from kiosk.core.storage import Ledger, level_of
from kiosk.errors import VerificationError
from kiosk.guarantee.journal import Journal
from kiosk.messages import (
    JournalRow,
    JournalRows,
    LinkReport,
    LogRow,
    LogRows,
    NotesReport,
    NotesRow,
    OutboxView,
)

_TOLD: Final = frozenset({"service", "people", "authority", "alert", "exchange", "clearing", "z_report"})
_DURESS: Final = "duress"
_BOOKED: Final = frozenset({State.IDLE, State.RECEIPT, State.DONE})


def notes_report(ledger: Ledger, deposit: Deposit) -> NotesReport:
    """What the units hold, and what the deposit under way has where."""
    rows = [
        NotesRow(
            place=unit.name,
            claim=str(row.claim),
            level=row.level,
            currency=row.currency,
            value_minor=None if row.level == "unrecognized" else row.value_minor,
            count=row.count,
            open_deposit=False,
        )
        for unit in ledger.units
        for row in unit.rows
    ]
    if deposit.state not in _BOOKED:  # its notes are in the units, too, from its record on
        counted = Counter(
            (str(note.place), str(note.claim), level_of(note), note.currency, note.value_minor)
            for note in deposit.notes
        )
        rows += [
            NotesRow(*key, count=count, open_deposit=True)
            for key, count in sorted(counted.items(), key=lambda item: str(item[0]))
        ]
    return NotesReport(tuple(rows))


def journal_rows(journal: Journal, rows_max: int) -> JournalRows:
    """The newest facts."""
    return JournalRows(
        tuple(
            JournalRow(sequence, at, deposit_id.hex()[:8], state, kind, _orders(orders))
            for sequence, deposit_id, at, state, kind, orders in journal.looks.facts(rows_max)
        )
    )


def _orders(text: str) -> tuple[str, ...]:
    return tuple(str(order.get("type", "")) for order in json.loads(text))


def log_rows(journal: Journal, rows_max: int) -> LogRows:
    """The newest leaves. A signing in under duress is shown as any other."""
    log = journal.log
    size, acknowledged = log.size(), log.acknowledged()
    rows = []
    for sequence, kind, leaf_hash, at in journal.looks.leaves(rows_max):
        content = _content(journal, sequence) if kind in _TOLD else {}
        told, event = kind, _event(content)
        if content.get("alert") == _DURESS:
            told, event, content = "people", "signed_in", {"by": [str(content["reasons"][0]).split(" ", 1)[0]]}
        by = content.get("by", ())
        people = (by,) if isinstance(by, str) else tuple(map(str, by))
        rows.append(LogRow(sequence, told, event, at, people, leaf_hash.hex(), sequence < acknowledged))
    return LogRows(tuple(rows), size, log.root().hex() if size else "")


def _content(journal: Journal, sequence: int) -> Mapping[str, Any]:
    try:
        return journal.log.record(sequence).content
    except VerificationError:  # of a deposit that was erased
        return {}


def _event(content: Mapping[str, Any]) -> str:
    action = content.get("action")
    words = (content.get("event") or content.get("alert") or content.get("resolution") or "",)
    return " ".join((*words, str(action.get("action", "")))) if isinstance(action, Mapping) else str(words[0])


def outbox_view(journal: Journal, link: LinkReport) -> OutboxView:
    """What waits."""
    waiting, octets, first, at = journal.looks.waiting(journal.log)
    return OutboxView(
        records=waiting,
        first=first,
        oldest_at=at,
        record_bytes=octets,
        evidence_files=journal.evidence.files_kept(),
        acknowledged=journal.log.acknowledged(),
        connected=link.connected,
        detail=link.detail,
    )
