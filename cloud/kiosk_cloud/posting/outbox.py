"""What is still to be handed over, and what has been: every change of a posting's state is one durable transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from kiosk.core import topics
from kiosk_cloud.store import Store, StoredRecord

DEPOSIT: Final = "deposit"
CLEARING: Final = "clearing"
KINDS: Final = (DEPOSIT, CLEARING)
ERROR_CHARACTERS_MAX: Final = 300
CLEARINGS_MAX: Final = 1000  # of one deposit: it has at most so many notes
_COLUMNS: Final = "p.id, p.key, p.kiosk, p.sequence, p.kind, p.deposit_id, p.attempts"


@dataclass(frozen=True)
class Row:
    """One posting; what it says is made from record (`kiosk`, `sequence`)."""

    id: int
    key: str
    kiosk: str
    sequence: int
    kind: str
    deposit_id: bytes
    attempts: int


class Queued(NamedTuple):
    """What one record of a kiosk puts into the queue."""

    kind: str
    deposit_id: bytes
    sequence: int


@dataclass(frozen=True)
class FileRow:
    """One camt.054 file. `state`: assigned (its rows are fixed), prepared (it is whole on disk), handed."""

    number: int
    name: str
    made_at: str
    state: str


@dataclass(frozen=True)
class Where:
    """What became of one deposit's posting, for whoever asks for it."""

    state: str
    webhook_at: str | None
    file_at: str | None  # when the file that it is in was made; None until that is handed over


def key_of(kind: str, deposit_id: bytes, record: str = "") -> str:
    """The idempotency key: the deposit id; of a clearing, the deposit id and the clearing's own record."""
    return deposit_id.hex() if kind == DEPOSIT else f"{deposit_id.hex()}.{record}"


def record_of(log: str, sequence: int) -> str:
    """A record's place among those of its kiosk: the sequence, in a later log with the number of its epoch."""
    epoch = topics.epoch_of(log)
    return str(sequence) if epoch == 1 else f"{epoch}.{sequence}"


def _key(log: str, kind: str, deposit_id: bytes, sequence: int) -> str:
    return key_of(kind, deposit_id, "" if kind == DEPOSIT else record_of(log, sequence))


class Outbox:
    """The tables of `schema.py` in a store. `queue` belongs into the caller's transaction, the rest brings its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db: sqlite3.Connection = store.db

    def queue(self, kiosk: str, found: Sequence[Queued], at: str) -> list[Queued]:
        """Queue what records of KINDS say; returns those whose key is queued already, from another record."""
        rows = [(_key(kiosk, *one), kiosk, *one, at) for one in found]
        done = self._db.executemany(
            "INSERT OR IGNORE INTO postings (key, kiosk, kind, deposit_id, sequence, queued_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
        if done.rowcount == len(rows):
            return []
        return [one for one, row in zip(found, rows, strict=True) if not self._queued_from(row[0], kiosk, one.sequence)]

    def _queued_from(self, key: str, kiosk: str, sequence: int) -> bool:
        query = "SELECT 1 FROM postings WHERE key = ? AND kiosk = ? AND sequence = ?"
        return self._db.execute(query, (key, kiosk, sequence)).fetchone() is not None

    def has(self, record: StoredRecord, deposit_id: bytes) -> bool:
        """Whether this record was queued, or the same deposit from another record."""
        key = _key(record.kiosk, record.kind, deposit_id, record.sequence)
        return self._db.execute("SELECT 1 FROM postings WHERE key = ?", (key,)).fetchone() is not None

    # --- judged before anything is handed over -----------------------------------------------------------

    def unjudged(self, after: int, count: int) -> list[Row]:
        """Queued and held ones beyond posting id `after`."""
        return self._rows("p.state IN ('queued', 'held') AND p.id > ?", (after, count))

    def judge(self, verdicts: Iterable[tuple[int, str, str]]) -> None:
        """(posting id, state, reason): ready, nothing or held."""
        with self._store.transaction():
            self._db.executemany(
                "UPDATE postings SET state = ?2, reason = ?3 WHERE id = ?1 AND state IN ('queued', 'held')",
                list(verdicts),
            )

    def deposit_state(self, deposit_id: bytes, kiosk: str) -> str | None:
        """The state of the deposit that a clearing speaks of; it may be of an earlier log of the same kiosk."""
        query = "SELECT state, kiosk FROM postings WHERE key = ?"
        row = self._db.execute(query, (key_of(DEPOSIT, deposit_id),)).fetchone()
        return str(row[0]) if row is not None and topics.kiosk_of(row[1]) == topics.kiosk_of(kiosk) else None

    # --- webhook -----------------------------------------------------------------------------------------

    def for_webhook(self, now_posix_s: float, count: int) -> list[Row]:
        """Those that are due, in order; a clearing only after its deposit was accepted."""
        where = (
            "p.state = 'ready' AND p.webhook_at IS NULL AND p.next_at <= ? AND (p.kind = 'deposit' OR NOT EXISTS ("
            "SELECT 1 FROM postings d WHERE d.key = lower(hex(p.deposit_id))"
            " AND d.state = 'ready' AND d.webhook_at IS NULL))"
        )
        return self._rows(where, (now_posix_s, count))

    def accepted(self, ids: Sequence[int], at: str) -> None:
        """The bank's webhook has accepted these."""
        with self._store.transaction():
            self._db.executemany(
                "UPDATE postings SET webhook_at = ?, error = '' WHERE id = ? AND webhook_at IS NULL",
                [(at, one) for one in ids],
            )

    def failed(self, posting: int, error: str, next_posix_s: float) -> None:
        """An attempt was not accepted; the next one not before `next_posix_s`."""
        with self._store.transaction():
            self._db.execute(
                "UPDATE postings SET attempts = attempts + 1, error = ?, next_at = ? WHERE id = ?",
                (error[:ERROR_CHARACTERS_MAX], next_posix_s, posting),
            )

    def due_now(self) -> None:
        """A person wants every waiting posting to be tried at once."""
        with self._store.transaction():
            self._db.execute("UPDATE postings SET next_at = 0 WHERE state = 'ready' AND webhook_at IS NULL")

    # --- file --------------------------------------------------------------------------------------------

    def unfinished_file(self) -> FileRow | None:
        """The file that a crash left, if any: it is finished before another is begun."""
        row = self._db.execute("SELECT * FROM posting_files WHERE state <> 'handed' ORDER BY number").fetchone()
        return None if row is None else FileRow(*row)

    def assign_file(self, name_of: str, at: str, count: int) -> FileRow | None:
        """Put up to `count` postings into a new file named after `name_of` and its number; None for no posting."""
        with self._store.transaction():
            waiting = "SELECT id FROM postings WHERE state = 'ready' AND file IS NULL ORDER BY id LIMIT ?"
            ids = [row[0] for row in self._db.execute(waiting, (count,))]
            if not ids:
                return None
            number = self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM posting_files").fetchone()[0]
            row = FileRow(number, f"{name_of}-{number:08}", at, "assigned")
            self._db.execute("INSERT INTO posting_files VALUES (?, ?, ?, ?)", (number, row.name, at, row.state))
            self._db.executemany("UPDATE postings SET file = ? WHERE id = ?", [(number, one) for one in ids])
        return row

    def of_file(self, number: int) -> list[int]:
        """The ids of a file's postings, in order; a file has a bounded number of them."""
        return [row[0] for row in self._db.execute("SELECT id FROM postings WHERE file = ? ORDER BY id", (number,))]

    def row(self, posting: int) -> Row:
        """One posting. LookupError when there is none."""
        (found,) = self._rows("p.id = ?", (posting, 1)) or (None,)
        if found is None:
            message = f"there is no posting {posting}"
            raise LookupError(message)
        return found

    def set_file_state(self, number: int, state: str) -> None:
        """From assigned to prepared, from prepared to handed."""
        with self._store.transaction():
            self._db.execute("UPDATE posting_files SET state = ? WHERE number = ?", (state, number))

    # --- told --------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """How many postings are in which state, and how many each channel has taken."""
        by_state = dict(self._db.execute("SELECT state, count(*) FROM postings GROUP BY state").fetchall())
        taken = self._db.execute(
            "SELECT count(webhook_at), (SELECT count(*) FROM postings JOIN posting_files f ON f.number = file"
            " WHERE f.state = 'handed') FROM postings"
        ).fetchone()
        states = {state: int(by_state.get(state, 0)) for state in ("queued", "ready", "nothing", "held")}
        return {**states, "webhook": int(taken[0]), "file": int(taken[1])}

    def held(self, count: int) -> list[tuple[str, str]]:
        """(key, reason) of postings that wait for people."""
        rows = self._db.execute("SELECT key, reason FROM postings WHERE state = 'held' ORDER BY id LIMIT ?", (count,))
        return [(row[0], row[1]) for row in rows]

    def refused(self, count: int) -> list[tuple[str, int, str]]:
        """(key, attempts, last error) of what the webhook has not accepted so far."""
        rows = self._db.execute(
            "SELECT key, attempts, error FROM postings WHERE state = 'ready' AND webhook_at IS NULL AND attempts > 0"
            " ORDER BY id LIMIT ?",
            (count,),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def where(self, kiosk: str, deposit_id: bytes) -> Where | None:
        """What became of a deposit's own posting."""
        row = self._db.execute(
            "SELECT p.state, p.webhook_at, f.made_at FROM postings p"
            " LEFT JOIN posting_files f ON f.number = p.file AND f.state = 'handed' WHERE p.key = ? AND p.kiosk = ?",
            (key_of(DEPOSIT, deposit_id), kiosk),
        ).fetchone()
        return None if row is None else Where(*row)

    def clearings(self, kiosk: str, deposit_id: bytes) -> list[Row]:
        """The clearings of a deposit that were found to be allowed, in whichever log of its kiosk."""
        where = "p.kind = 'clearing' AND p.kiosk = ? AND p.deposit_id = ? AND p.state IN ('ready', 'nothing')"
        logs = self._store.logs_of(kiosk)
        return [row for log in logs for row in self._rows(where, (log, deposit_id, CLEARINGS_MAX))]

    def _rows(self, where: str, values: Sequence[object]) -> list[Row]:
        query = f"SELECT {_COLUMNS} FROM postings p WHERE {where} ORDER BY p.id LIMIT ?"  # noqa: S608 - our own conditions
        return [Row(*row) for row in self._db.execute(query, values)]
