"""The kiosk's record log: sign, commit, append, seal - inside the caller's transaction.

Every money event, alert and service action becomes a record; the journal appends it in the same SQLite transaction
that changes its books, so neither can exist without the other. Nothing is cached between calls: a transaction that
the caller rolls back leaves no trace here. Leaves and envelopes stay for ever (triggers refuse to change them); a row
leaves the outbox only on the bank's signed acknowledgement. Salt and COSE are kept only under the deposit's personal
key, because the record names the depositor.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from kiosk.clock import rfc3339
from kiosk.errors import ConfigError
from kiosk.guarantee import cbor, checkpoint, cose, leaf, merkle, rotation, seal, verify
from kiosk.guarantee.keys import PublicKey, Randomness, Signer
from kiosk.guarantee.log_banked import BANK_TIME, HIGH_WATER, BankedLog
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.log_reading import OPENING
from kiosk.guarantee.log_tables import set_aside
from kiosk.guarantee.personal import ErasedError, PersonalVault
from kiosk.guarantee.seal import SealPublicKey
from kiosk.guarantee.signers import PURPOSES, Purpose

_NO_DEPOSIT: Final = b"log"  # subject of records that belong to no deposit
_TO_THE_MINUTE: Final = len("2026-11-21T08:30")


@dataclass(frozen=True)
class Appended:
    """A record that is in the log once the caller's transaction commits."""

    sequence: int
    leaf_hash: bytes
    envelope: bytes


def _never_synchronised() -> bool:
    return False  # honest until somebody who knows says otherwise


class RecordLog(BankedLog):
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
        super().__init__(connection, keys, vault, clock_synchronised)
        self.bank_seal = keys.bank_seal  # the bank may command another one: `reseal`
        self._randomness = randomness
        for purpose in PURPOSES:
            self._signer(purpose)  # a key that was replaced without a rotation is noticed now

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
            self._raise_time(HIGH_WATER, at, grain=_TO_THE_MINUTE)
        return Appended(sequence, leaf_hash, envelope)

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
        sealed = self._vault.seal(subject, opening, OPENING)
        completed = [leaf_hash]
        for level in range(merkle.trailing_ones(sequence)):
            completed.append(merkle.node_hash(self._node(level, (sequence >> level) - 1), completed[-1]))
        self._connection.execute(
            "INSERT INTO leaves (seq, kind, entry, hashes, subject, opening) VALUES (?, ?, ?, ?, ?, ?)",
            (sequence, kind, entry, b"".join(completed), subject, sealed),
        )

    def vouch(self, payload: bytes, content_type: str) -> bytes:
        """`payload` signed by the record key as something else than a record."""
        return cose.sign1(payload, self._signer("record"), content_type)

    def checkpoint(self) -> str:
        """The signed checkpoint of the log as it is."""
        size = self.size()
        return checkpoint.sign(self._keys.kiosk, size, self.root_at(size), self._signer("checkpoint"))

    @property
    def record_key(self) -> PublicKey:
        """The public half of the key that signs records."""
        return self._signer("record").public

    @property
    def checkpoint_key(self) -> PublicKey:
        """The public half of the key that signs checkpoints."""
        return self._signer("checkpoint").public

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

    def begin(self, name: str) -> None:
        """Another log, empty, under `name`. The present one stays, as append-only as before, in tables of its own."""
        self._require_transaction()
        floor = {key: value for key in (BANK_TIME, HIGH_WATER) if (value := self._text(key)) is not None}
        signing = {purpose: self._signer(purpose).public for purpose in PURPOSES}
        set_aside(self._connection, name)
        self._keys = replace(self._keys, kiosk=name)
        self._put(floor)
        for purpose, key in signing.items():
            self._now_signs(purpose, 0, key)


def _subject(content: Mapping[str, object]) -> bytes:
    deposit_id = content.get("deposit_id")
    return deposit_id if isinstance(deposit_id, bytes) else _NO_DEPOSIT
