"""The kiosk's record log: sign, commit, append, seal - inside the caller's transaction.

Every money event, alert and service action becomes a record; the journal appends it in the same SQLite transaction
that changes its books, so neither can exist without the other. Nothing is cached between calls: a transaction that
the caller rolls back leaves no trace here. Leaves and envelopes stay for ever (triggers refuse to change them); a row
leaves the outbox only on the bank's signed acknowledgement. Salt and COSE are kept only under the deposit's personal
key, because the record names the depositor.
"""

import contextlib
import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from kiosk.clock import rfc3339
from kiosk.errors import ConfigError, JournalError, LogForkError, LogRollbackError, VerificationError
from kiosk.guarantee import acks, cbor, checkpoint, cose, leaf, merkle, rotation, seal, verify
from kiosk.guarantee.audit import Audit
from kiosk.guarantee.keys import PublicKey, PublicKeys, Randomness, Signer
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.log_tables import set_aside
from kiosk.guarantee.personal import ErasedError, PersonalVault
from kiosk.guarantee.rotation import KeyHistory, Span
from kiosk.guarantee.seal import SealPublicKey
from kiosk.guarantee.signers import PURPOSES, Purpose

OUTBOX_ROWS_MAX: Final = 1000  # rows that one call may return
_NO_DEPOSIT: Final = b"log"  # subject of records that belong to no deposit
_OPENING: Final = "opening"
_HIGH_WATER: Final = "high_water"  # the latest time that our synchronised clock has shown
_TO_THE_MINUTE: Final = len("2026-11-21T08:30")
_BANK_TIME: Final = "bank_time"  # the latest time that the bank has signed
_RESENT_SINCE: Final = "resent_since"
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


@dataclass(frozen=True)
class Appended:
    """A record that is in the log once the caller's transaction commits."""

    sequence: int
    leaf_hash: bytes
    envelope: bytes


@dataclass(frozen=True)
class OutboxRow:
    """An envelope that the bank has not acknowledged yet."""

    sequence: int
    envelope: bytes


def _never_synchronised() -> bool:
    return False  # honest until somebody who knows says otherwise


class RecordLog:
    """The log in `connection`. Writing calls need an open transaction and raise JournalError without one."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        keys: LogKeys,
        vault: PersonalVault,
        *,
        clock_synchronised: Callable[[], bool] = _never_synchronised,
        randomness: Randomness = os.urandom,
    ) -> None:
        """Use the tables that `create_tables` made.

        Raises ValueError when the kiosk's id cannot be one, ConfigError when the key whose turn it is is not here.
        """
        if not leaf.kiosk_id_fits(keys.kiosk):
            raise ValueError(f"{keys.kiosk!r} cannot name a kiosk")
        self._connection = connection
        self._keys = keys
        self.bank_seal = keys.bank_seal  # the bank may command another one: `reseal`
        self._vault = vault
        self._clock_synchronised = clock_synchronised
        self._randomness = randomness
        self.latest = self.time_floor()  # as far as this process knows; for whoever may not ask the database
        for purpose in PURPOSES:
            self._signer(purpose)  # a key that was replaced without a rotation is noticed now

    # --- append -------------------------------------------------------------------------------------------

    def append(self, kind: str, content: Mapping[str, object], now: datetime) -> Appended:
        """Make `content` a signed record of `kind`, the next leaf, and a sealed row of the outbox.

        The record is `content` with v, kiosk, seq, kind, at and clock_synchronised added; a 16-byte `deposit_id` in
        it decides whose personal key protects it here. Raises ValueError for content that CBOR cannot hold, that is
        too large or names a header field itself; JournalError outside a transaction; ErasedError for a deposit whose
        key was destroyed.
        """
        self._require_transaction()
        sequence, kiosk, at = self.size(), self._keys.kiosk, rfc3339(now)
        header = {
            "v": verify.RECORD_VERSION,
            "kiosk": kiosk,
            "seq": sequence,
            "kind": kind,
            "at": at,
            "clock_synchronised": self._clock_synchronised(),
        }
        if not header.keys().isdisjoint(content):
            raise ValueError(f"a record's content may not name {sorted(header.keys() & content)}")
        if sequence == 0 and self._connection.execute("SELECT 1 FROM log_keys").fetchone() is None:
            for purpose in PURPOSES:
                self._now_signs(purpose, 0, self._keys.of(purpose)[0].public)
        signed = cose.sign1(cbor.encode({**header, **content}), self._signer("record"), cose.RECORD_TYPE)
        salt = self._randomness(leaf.SALT_BYTES)
        entry = leaf.entry(kiosk, sequence, kind, leaf.minute_of(at), leaf.commitment(salt, signed))
        leaf_hash = leaf.leaf_hash(entry)
        self._insert_leaf(sequence, kind, entry, leaf_hash, _subject(content), cbor.byte_strings(salt, signed))
        envelope = seal.seal(
            kiosk=kiosk,
            sequence=sequence,
            leaf_hash=leaf_hash,
            salt=salt,
            leaf_entry=entry,
            cose=signed,
            recipient=self.bank_seal,
        )
        self._connection.execute("INSERT INTO envelopes (seq, envelope) VALUES (?, ?)", (sequence, envelope))
        if header["clock_synchronised"]:
            self._raise_time(_HIGH_WATER, at, grain=_TO_THE_MINUTE)
        return Appended(sequence, leaf_hash, envelope)

    # --- keys ---------------------------------------------------------------------------------------------

    def keys(self, purpose: Purpose) -> KeyHistory:
        """Every key that has signed for this purpose, each with its part of the log."""
        rows = self._connection.execute("SELECT first, key FROM log_keys WHERE purpose = ? ORDER BY first", (purpose,))
        found = [(int(first), rotation.public_of(bytes(key))) for first, key in rows]
        found = found or [(0, self._keys.of(purpose)[0].public)]
        ends = [first for first, _ in found[1:]]
        return KeyHistory(Span(key, first, end) for (first, key), end in zip(found, [*ends, None], strict=True))

    def next_key(self, purpose: Purpose) -> PublicKey | None:
        """What `rotate` would take up; None when no key is laid beside the present one."""
        used = {key.kid for key in self.keys(purpose)}
        return next((signer.public for signer in self._keys.of(purpose) if signer.kid not in used), None)

    def rotate(self, purpose: Purpose, kid: bytes, by: Mapping[str, object], now: datetime) -> Appended:
        """Let the key that lies beside the present one sign from the next leaf on; `kid` is the one that people meant.

        The leaf says so, signed by both, with `by` beside it. Raises ValueError when that key is not there or was used.
        """
        self._require_transaction()
        new = next((signer for signer in self._keys.of(purpose) if signer.kid == kid), None)
        if new is None or kid in {key.kid for key in self.keys(purpose)}:
            raise ValueError(f"no new {purpose} key {kid.hex()[:16]} lies beside the present one")
        size = self.size()
        said = rotation.draft(self._keys.kiosk, purpose, size, self._signer(purpose), new)
        made = self.append(rotation.KIND, {**said, **by}, now)
        self._now_signs(purpose, made.sequence + 1, new.public)
        return made

    def _now_signs(self, purpose: Purpose, first: int, key: PublicKey) -> None:
        self._connection.execute(
            "INSERT INTO log_keys (purpose, first, key) VALUES (?, ?, ?)", (purpose, first, rotation.der(key))
        )

    def _signer(self, purpose: Purpose) -> Signer:
        """Whose turn it is, as the log itself remembers. Raises ConfigError when that key is not here."""
        signers = self._keys.of(purpose)
        row = self._connection.execute(
            "SELECT key FROM log_keys WHERE purpose = ? ORDER BY first DESC LIMIT 1", (purpose,)
        ).fetchone()
        if row is None:
            return signers[0]
        kid = hashlib.sha256(row[0]).digest()
        found = next((signer for signer in signers if signer.kid == kid), None)
        if found is None:
            raise ConfigError(
                f"the log goes on under {purpose} key {kid.hex()[:16]}, which is not here",
                remedy="Put that key back; another one only takes over by a rotation (docs/keys.md).",
            )
        return found

    def _insert_leaf(
        self, sequence: int, kind: str, entry: bytes, leaf_hash: bytes, subject: bytes, opening: bytes
    ) -> None:
        sealed = self._vault.seal(subject, opening, _OPENING)
        completed = [leaf_hash]
        for level in range(merkle.trailing_ones(sequence)):
            completed.append(merkle.node_hash(self._node(level, (sequence >> level) - 1), completed[-1]))
        self._connection.execute(
            "INSERT INTO leaves (seq, kind, entry, hashes, subject, opening) VALUES (?, ?, ?, ?, ?, ?)",
            (sequence, kind, entry, b"".join(completed), subject, sealed),
        )

    # --- what the log says --------------------------------------------------------------------------------

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

    def vouch(self, payload: bytes, content_type: str) -> bytes:
        """`payload` signed by the record key as something else than a record."""
        return cose.sign1(payload, self._signer("record"), content_type)

    def checkpoint(self) -> str:
        """The signed checkpoint of the log as it is."""
        size = self.size()
        return checkpoint.sign(self._keys.kiosk, size, self.root_at(size), self._signer("checkpoint"))

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
        salt, signed = cbor.decode(self._vault.open(subject, sealed, _OPENING), seal.PLAINTEXT_BYTES_MAX)
        return verify.verify_record(self._keys.kiosk, salt, self.entry(sequence), signed, self.keys("record"))

    def envelope(self, sequence: int) -> bytes:
        """The sealed envelope of a record, acknowledged or not. Raises ValueError when there is none."""
        return self._column("SELECT envelope FROM envelopes WHERE seq = ?", sequence)

    def audit(self) -> verify.LogState:
        """Recompute the whole log from its entries and hold what is stored against it, O(n).

        Raises VerificationError where anything disagrees; JournalError where nodes are missing.
        """
        checking = self.auditing()
        while True:
            try:
                next(checking)
            except StopIteration as done:
                found: verify.LogState = done.value
                return found

    def auditing(self) -> Generator[int, None, verify.LogState]:
        """`audit` a stretch at a time, of the log as it is at the first; yields how many leaves are done.

        The log may grow between two stretches. What the bank and witnesses have signed is compared first: an old copy
        that kept it is found at once.
        """
        size = self.size()
        running = Audit(self._connection, self._keys.kiosk, size, self.acknowledged())
        running.begin()
        self._check_signed(size)
        while running.step():
            yield running.tree.size
        if running.tree.root() != self.root_at(size):
            raise VerificationError(f"the stored nodes do not make the root of {size} leaves")
        return verify.LogState(size, running.tree.root())

    def _check_signed(self, size: int) -> None:
        """What others have signed of this log, newest; what a key signed that was replaced since says nothing."""
        stated: list[tuple[int, bytes]] = []
        ack, cosigned, acknowledged = self.acknowledgement(), self.cosigned(), self.acknowledged()
        if ack is None and acknowledged:
            raise VerificationError(
                f"{acknowledged} records count as acknowledged; nothing that the bank signed says so"
            )
        with contextlib.suppress(VerificationError):
            if ack is not None:
                found = acks.verify(ack, self._keys.bank_acks.ever, self._keys.kiosk)
                stated.append((found.tree_size, found.root))
        if stated and acknowledged > stated[0][0]:
            raise VerificationError(
                f"{acknowledged} records count as acknowledged; the bank has signed for {stated[0][0]}"
            )
        with contextlib.suppress(VerificationError):
            if cosigned is not None:
                own = checkpoint.Log.of(self.origin, self.keys("checkpoint"))
                point = checkpoint.verify(cosigned[1], own)
                stated.append((point.size, point.root))
        for known, root in stated:
            if known > size:
                raise LogRollbackError(f"{known} records of this kiosk have been signed for, which has only {size}")
            if root != self.root_at(known):
                raise LogForkError(f"the root that was signed of the first {known} records is not ours")

    @property
    def bank_acks(self) -> PublicKeys:
        """The keys with which the bank acknowledges, and complains."""
        return self._keys.bank_acks

    @property
    def kiosk(self) -> str:
        """Whose log this is."""
        return self._keys.kiosk

    @property
    def record_key(self) -> PublicKey:
        """The public half of the key that signs records."""
        return self._signer("record").public

    @property
    def checkpoint_key(self) -> PublicKey:
        """The public half of the key that signs checkpoints."""
        return self._signer("checkpoint").public

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints."""
        return checkpoint.origin(self._keys.kiosk)

    # --- outbox and acknowledgements ----------------------------------------------------------------------

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

    def acknowledge(self, data: bytes) -> int:
        """Believe a bank's acknowledgement if it is signed and about *our* log; how many records it holds by now.

        Old and duplicate acknowledgements change nothing. Raises VerificationError when it is not the bank's,
        LogRollbackError when the bank holds more than we have, LogForkError when its root is not ours;
        JournalError outside a transaction.
        """
        self._require_transaction()
        found = self.check_acknowledgement(data, self.bank_acks)
        if found.checkpoint:
            self._keep_cosigned(found.checkpoint)
        self.bank_said(found.at)
        before = self.acknowledged()
        if found.sequence <= before or found.at < (self._text(_RESENT_SINCE) or ""):
            return before
        self._put({"acknowledged": found.sequence, "acknowledgement": data})
        return found.sequence

    def check_acknowledgement(self, data: bytes, keys: PublicKeys) -> acks.Acknowledgement:
        """What the bank acknowledges of our log, by one of `keys`; nothing is changed. Raises as `acknowledge` does."""
        found = acks.verify(data, keys, self._keys.kiosk)
        if found.tree_size > self.size():
            raise LogRollbackError(
                f"the bank holds {found.tree_size} records of this kiosk, which has only {self.size()}"
            )
        if found.root != self.root_at(found.tree_size):
            raise LogForkError(f"the bank's root of the first {found.tree_size} records is not ours")
        return found

    def _keep_cosigned(self, signed: str) -> None:
        """Our own checkpoint, come back with witnesses' signatures: who they are, the receipt's reader judges."""
        point = checkpoint.verify(signed, checkpoint.Log.of(self.origin, self.keys("checkpoint")))
        if point.size > self.size():
            raise LogRollbackError(f"witnesses know {point.size} records of this kiosk, which has only {self.size()}")
        if point.root != self.root_at(point.size):
            raise LogForkError(f"the cosigned root of the first {point.size} records is not ours")
        known = self.cosigned()
        if known is None or known[0] <= point.size:
            self._put({"cosigned_size": point.size, "cosigned": signed})

    def cosigned(self) -> tuple[int, str] | None:
        """Size and text of our newest checkpoint that came back cosigned from the bank; None before one did."""
        query = "SELECT value FROM log_meta WHERE key = ?"
        size, signed = (self._connection.execute(query, (key,)).fetchone() for key in ("cosigned_size", "cosigned"))
        return None if size is None or signed is None else (int(size[0]), str(signed[0]))

    def acknowledged(self) -> int:
        """How many records, contiguous from 0, the bank has signed for."""
        row = self._connection.execute("SELECT value FROM log_meta WHERE key = 'acknowledged'").fetchone()
        return 0 if row is None else int(row[0])

    def acknowledgement(self) -> bytes | None:
        """The latest acknowledgement itself: the bank's own signature, kept as evidence."""
        row = self._connection.execute("SELECT value FROM log_meta WHERE key = 'acknowledgement'").fetchone()
        return None if row is None else bytes(row[0])

    # --- what the bank may ask for --------------------------------------------------------------------------

    def resend(self, first: int, since: str) -> int:
        """Records from `first` on go out again, until the bank acknowledges them after `since` (its own time).

        An acknowledgement of before is retained at the broker and would take them back out. It stays evidence of what
        the bank held then. Returns how many go out that did not before. Raises ValueError for what is not there.
        """
        self._require_transaction()
        if not 0 <= first < self.size():
            raise ValueError(f"there is no record {first}")
        before, kept = self.acknowledged(), self.acknowledgement()
        self._put({_RESENT_SINCE: since, "acknowledged": min(before, first)})
        if kept is not None:
            self._put({f"acknowledgement_of_{before}": kept})
        return before - min(before, first)

    def reseal(self, recipient: SealPublicKey) -> int:
        """Seal to another key of the bank from now on, with every row of the outbox; how many rows those were.

        The leaf commits to what is inside, so it stays. What was erased cannot be opened and keeps its old envelope.
        """
        self._require_transaction()
        self.bank_seal = recipient
        rows = 0
        for sequence in range(self.acknowledged(), self.size()):
            try:
                record = self.record(sequence)
            except ErasedError:
                continue
            envelope = seal.seal(
                kiosk=self._keys.kiosk,
                sequence=sequence,
                leaf_hash=record.leaf_hash,
                salt=record.salt,
                leaf_entry=record.leaf_entry,
                cose=record.cose,
                recipient=recipient,
            )
            self._connection.execute("UPDATE envelopes SET envelope = ? WHERE seq = ?", (envelope, sequence))
            rows += 1
        return rows

    def bank_said(self, at: str) -> None:
        """A verified statement of the bank was made at `at`: it is not earlier than that."""
        if _MOMENT.fullmatch(at):
            self._raise_time(_BANK_TIME, at)

    def time_floor(self) -> str:
        """The earliest that it can be now, RFC 3339; empty when nothing tells.

        What the bank has signed, and the latest time that our own clock has shown while it was synchronised. A clock
        that is set back does not make what has expired good again.
        """
        return max(self._text(_BANK_TIME) or "", self._text(_HIGH_WATER) or "")

    def clock_shows(self, now: datetime) -> None:
        """Our own clock, if it is synchronised, is a proof of the time as well; kept by the next record."""
        if self._clock_synchronised():
            self.latest = max(self.latest, rfc3339(now))

    def begin(self, name: str) -> None:
        """Another log, empty, under `name`. The present one stays, as append-only as before, in tables of its own."""
        self._require_transaction()
        floor = {key: value for key in (_BANK_TIME, _HIGH_WATER) if (value := self._text(key)) is not None}
        signing = {purpose: self._signer(purpose).public for purpose in PURPOSES}
        set_aside(self._connection, name)
        self._keys = replace(self._keys, kiosk=name)
        self._put(floor)
        for purpose, key in signing.items():
            self._now_signs(purpose, 0, key)

    # --- helpers ------------------------------------------------------------------------------------------

    def _raise_time(self, key: str, at: str, grain: int | None = None) -> None:
        """Keep the later of the two; times that agree in their first `grain` characters are not worth a write."""
        self.latest = max(self.latest, at)
        if at[:grain] > (self._text(key) or "")[:grain]:
            self._put({key: at})

    def _text(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM log_meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

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

    def _put(self, values: Mapping[str, object]) -> None:
        self._connection.executemany(
            "INSERT INTO log_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            list(values.items()),
        )

    def _require_transaction(self) -> None:
        if not self._connection.in_transaction:
            raise JournalError("the log is written only inside a transaction of the journal")


def _subject(content: Mapping[str, object]) -> bytes:
    deposit_id = content.get("deposit_id")
    return deposit_id if isinstance(deposit_id, bytes) else _NO_DEPOSIT
