"""A kiosk's log with known keys and seeded randomness, and the bank that reads it: for the tests of the guarantee."""

import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from kiosk.guarantee import acks, checkpoint, log, log_keys, log_tables, merkle, note, personal, seal, verify
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys

KIOSK: Final = "demo-0001"
NOW: Final = datetime(2026, 11, 21, 8, 30, 0, 125_000, tzinfo=UTC)
DEPOSIT_ID: Final = bytes(range(16))


class Kit:
    """Everything on both sides; the bank's half never touches the kiosk's database."""

    def __init__(self, seed: int = 0, connection: sqlite3.Connection | None = None) -> None:
        self.randomness = random.Random(seed).randbytes
        self.record_signer = Ed25519Signer.generate(self.randomness)
        self.checkpoint_signer = Ed25519Signer.generate(self.randomness)
        self.ack_signer = Ed25519Signer.generate(self.randomness)
        self.seal_key = seal.SealPrivateKey.generate(self.randomness)
        self.record_keys = PublicKeys([self.record_signer.public])
        self.ack_keys = PublicKeys([self.ack_signer.public])
        self.kek = self.randomness(personal.KEY_BYTES)
        self.connection = connection or sqlite3.connect(":memory:", isolation_level=None)
        log_tables.create_tables(self.connection)
        self.keys = log_keys.LogKeys(
            kiosk=KIOSK,
            record=self.record_signer,
            checkpoint=self.checkpoint_signer,
            bank_seal=self.seal_key.public,
            bank_acks=self.ack_keys,
        )
        self.vault = personal.PersonalVault(self.connection, self.kek, self.randomness)
        self.records = log.RecordLog(
            self.connection, self.keys, self.vault, clock_synchronised=lambda: True, randomness=self.randomness
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """As the journal does it: all or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def append(self, kind: str = "deposit", content: Mapping[str, object] | None = None) -> log.Appended:
        """One record in a transaction of its own."""
        with self.transaction():
            return self.records.append(kind, {"deposit_id": DEPOSIT_ID} if content is None else content, NOW)

    def acknowledge(self, data: bytes) -> int:
        with self.transaction():
            return self.records.acknowledge(data)

    def receive(self, envelope: bytes) -> verify.VerifiedRecord:
        """What the bank does with an envelope."""
        return verify.verify_envelope(envelope, KIOSK, self.seal_key, self.record_keys)

    def ack(self, envelopes: list[bytes]) -> bytes:
        """The bank's acknowledgement of these, the first records of the kiosk."""
        root = merkle.root_of(self.receive(envelope).leaf_hash for envelope in envelopes)
        return acks.make(KIOSK, len(envelopes), root, NOW, self.ack_signer)

    def read_checkpoint(self, signed: bytes | str) -> checkpoint.Checkpoint:
        return checkpoint.verify(signed, self.log_verifier)

    @property
    def log_verifier(self) -> note.Verifier:
        return checkpoint.verifier_of(KIOSK, self.checkpoint_signer)
