"""Records sealed a second, beside raw signing, HPKE and one durable SQLite commit, on the same disk."""

import itertools
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.core.state import RecordDraft
from kiosk.guarantee import keys
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.seal import SealPrivateKey
from tests.bench.figures import Figure, alternately, figure
from tests.uplink_kit import deposit_content

KIOSK = "bench-0001"


def open_journal(folder: Path) -> Journal:
    """A journal below `folder` with keys of its own."""
    seal = SealPrivateKey.generate(os.urandom)
    log_keys = LogKeys(
        kiosk=KIOSK,
        record=keys.Ed25519Signer.generate(os.urandom),
        checkpoint=keys.Ed25519Signer.generate(os.urandom),
        bank_seal=seal.public,
        bank_acks=keys.PublicKeys([keys.Ed25519Signer.generate(os.urandom).public]),
    )
    return Journal(folder / "journal.db", log_keys, os.urandom(32), clock_synchronised=lambda: True)


class _Raw:
    """The same work without us: sign the bytes, seal the bytes, insert the bytes, commit durably."""

    def __init__(self, folder: Path, payload: bytes) -> None:
        self._payload = payload
        self._signer = Ed25519PrivateKey.generate()
        suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        self._suite = suite
        self._to = SealPrivateKey.generate(os.urandom).public.hpke
        self._connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE sealed (seq INTEGER PRIMARY KEY, envelope BLOB)")

    def append(self) -> None:
        signed = self._payload + self._signer.sign(self._payload)
        envelope = self._suite.encrypt(signed, self._to, info=b"bench")
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO sealed (envelope) VALUES (?)", (envelope,))
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def measure(repeats: int, records: int, folder: Path) -> Iterator[Figure]:
    """Records a second; every one its own durable transaction."""
    journal = open_journal(folder)
    numbers = itertools.count(1)

    def append() -> int:
        draft = RecordDraft("deposit", deposit_content(next(numbers)))
        return len(journal.append(draft, datetime.now(UTC)).envelope)

    raw = _Raw(folder, bytes(append()))  # the limit handles as many bytes as an envelope has

    def ours() -> float:
        begun = time.perf_counter()
        for _ in range(records):
            append()
        return records / (time.perf_counter() - begun)

    def limit() -> float:
        begun = time.perf_counter()
        for _ in range(records):
            raw.append()
        return records / (time.perf_counter() - begun)

    try:
        ours_all, limit_all = alternately(repeats, ours, limit)
    finally:
        raw.close()
        journal.close()
    yield figure(
        "records sealed",
        "/s",
        ours_all,
        limit_all,
        ours_is="Journal.append of a deposit record: CBOR, COSE, leaf, tree, personal key, HPKE, outbox, commit",
        limit_is="Ed25519 + HPKE + one durable SQLite commit",
        better="higher",
    )
