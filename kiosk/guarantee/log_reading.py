"""What a record log in a database says: leaves, envelopes, keys, roots, proofs, and what others have signed of it."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kiosk.errors import JournalError
from kiosk.guarantee import cbor, checkpoint, merkle, rotation, seal, verify
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import PersonalVault
from kiosk.guarantee.rotation import KeyHistory, Span
from kiosk.guarantee.signers import Purpose

OUTBOX_ROWS_MAX: Final = 1000  # rows that one call may return
OPENING: Final = "opening"


@dataclass(frozen=True)
class OutboxRow:
    """An envelope that the bank has not acknowledged yet."""

    sequence: int
    envelope: bytes


class LogReader:
    """The log in `connection`, of which nothing is kept in memory. It changes nothing."""

    def __init__(self, connection: sqlite3.Connection, keys: LogKeys, vault: PersonalVault) -> None:
        """Use the tables that `log_tables.create_tables` made."""
        self._connection = connection
        self._keys = keys
        self._vault = vault

    @property
    def kiosk(self) -> str:
        """Whose log this is."""
        return self._keys.kiosk

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints."""
        return checkpoint.origin(self._keys.kiosk)

    @property
    def bank_acks(self) -> PublicKeys:
        """The keys with which the bank acknowledges, and complains."""
        return self._keys.bank_acks

    def keys(self, purpose: Purpose) -> KeyHistory:
        """Every key that has signed for this purpose, each with its part of the log."""
        rows = self._connection.execute("SELECT first, key FROM log_keys WHERE purpose = ? ORDER BY first", (purpose,))
        found = [(int(first), rotation.public_of(bytes(key))) for first, key in rows]
        found = found or [(0, self._keys.of(purpose)[0].public)]
        ends = [first for first, _ in found[1:]]
        return KeyHistory(Span(key, first, end) for (first, key), end in zip(found, [*ends, None], strict=True))

    def size(self) -> int:
        """Number of leaves; also the next record's sequence."""
        row = self._connection.execute("SELECT seq FROM leaves ORDER BY seq DESC LIMIT 1").fetchone()
        return 0 if row is None else int(row[0]) + 1

    def root(self) -> bytes:
        """The root of the whole log."""
        return self.root_at(self.size())

    def root_at(self, size: int) -> bytes:
        """The root that the log had at `size` leaves. Raises ValueError when it never had."""
        if not 0 <= size <= self.size():
            raise ValueError(f"the log has {self.size()} leaves, not {size}")
        return merkle.range_root(self._node, 0, size)

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """The proof that leaf `index` is in the log at `size` (now, if None). Raises ValueError when out of range."""
        return merkle.inclusion_proof(self._node, index, self._size_within(size))

    def consistency(self, size1: int, size2: int | None = None) -> tuple[bytes, ...]:
        """The proof that the log at `size2` (now, if None) continues that at `size1` >= 1. Raises ValueError."""
        return merkle.consistency_proof(self._node, size1, self._size_within(size2))

    def entry(self, sequence: int) -> bytes:
        """The leaf entry of a record. Raises ValueError when there is none."""
        return self._column("SELECT entry FROM leaves WHERE seq = ?", sequence)

    def entries(self) -> Iterator[bytes]:
        """All leaf entries, from the first."""
        for (entry,) in self._connection.execute("SELECT entry FROM leaves ORDER BY seq"):
            yield entry

    def record(self, sequence: int) -> verify.VerifiedRecord:
        """A record, opened with its deposit's key and verified like any other.

        Raises ValueError when there is none, ErasedError when its deposit was erased, VerificationError.
        """
        subject = self._column("SELECT subject FROM leaves WHERE seq = ?", sequence)
        sealed = self._column("SELECT opening FROM leaves WHERE seq = ?", sequence)
        salt, signed = cbor.decode(self._vault.open(subject, sealed, OPENING), seal.PLAINTEXT_BYTES_MAX)
        return verify.verify_record(self._keys.kiosk, salt, self.entry(sequence), signed, self.keys("record"))

    def envelope(self, sequence: int) -> bytes:
        """The sealed envelope of a record, acknowledged or not. Raises ValueError when there is none."""
        return self._column("SELECT envelope FROM envelopes WHERE seq = ?", sequence)

    def outbox(self, first: int, rows_max: int) -> list[OutboxRow]:
        """At most `rows_max` (and OUTBOX_ROWS_MAX) unacknowledged envelopes from sequence `first` on, in order."""
        rows = self._connection.execute(
            "SELECT seq, envelope FROM envelopes WHERE seq >= ? ORDER BY seq LIMIT ?",
            (max(first, self.acknowledged()), max(0, min(rows_max, OUTBOX_ROWS_MAX))),
        )
        return [OutboxRow(sequence, envelope) for sequence, envelope in rows]

    def outbox_rows(self) -> int:
        """How many records the bank has not acknowledged."""
        return self.size() - self.acknowledged()

    def acknowledged(self) -> int:
        """How many records, contiguous from 0, the bank has signed for."""
        row = self._connection.execute("SELECT value FROM log_meta WHERE key = 'acknowledged'").fetchone()
        return 0 if row is None else int(row[0])

    def acknowledgement(self) -> bytes | None:
        """The latest acknowledgement itself: the bank's own signature, kept as evidence."""
        row = self._connection.execute("SELECT value FROM log_meta WHERE key = 'acknowledgement'").fetchone()
        return None if row is None else bytes(row[0])

    def cosigned(self) -> tuple[int, str] | None:
        """Size and text of our newest checkpoint that came back cosigned from the bank; None before one did."""
        query = "SELECT value FROM log_meta WHERE key = ?"
        size, signed = (self._connection.execute(query, (key,)).fetchone() for key in ("cosigned_size", "cosigned"))
        return None if size is None or signed is None else (int(size[0]), str(signed[0]))

    def _node(self, level: int, index: int) -> bytes:
        last = ((index + 1) << level) - 1  # the leaf that completed it
        query = "SELECT substr(hashes, ?, 32) FROM leaves WHERE seq = ?"
        row = self._connection.execute(query, (merkle.HASH_BYTES * level + 1, last)).fetchone()
        if row is None or row[0] is None or len(row[0]) != merkle.HASH_BYTES:
            raise JournalError(f"node {level}/{index} is missing from the log")
        return bytes(row[0])

    def _size_within(self, size: int | None) -> int:
        now = self.size()
        if size is not None and size > now:
            raise ValueError(f"the log has {now} leaves, not {size}")
        return now if size is None else size

    def _column(self, query: str, sequence: int) -> bytes:
        row = self._connection.execute(query, (sequence,)).fetchone()
        if row is None:
            raise ValueError(f"there is no record {sequence}")
        return bytes(row[0])

    def _text(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM log_meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])
