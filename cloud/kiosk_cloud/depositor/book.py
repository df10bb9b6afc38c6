"""Contacts that depositors left, sealed so that the page itself cannot read them, and what each is to be told.

A file of its own: the page, which faces the internet, writes here and nowhere else. It has the public key only; the
private one (`keys/contact.key`) is read by `kiosk-cloud depositor notify`.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cbor
from kiosk.guarantee.seal import SealPrivateKey, SealPublicKey
from kiosk_cloud.sqlite import Database

CONTACTS_MAX: Final = 3  # of one deposit
EVIDENCE_ROWS_MAX: Final = 1000
_SUITE: Final = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS contacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kiosk TEXT NOT NULL,
    sequence INTEGER NOT NULL,       -- of the receipt's statement
    deposit_id BLOB NOT NULL,
    language TEXT NOT NULL,
    sealed BLOB NOT NULL,
    made_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS contacts_deposit ON contacts (kiosk, deposit_id);
CREATE TABLE IF NOT EXISTS notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    contact INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    queued_at TEXT NOT NULL,
    done_at TEXT,                    -- sent; or seen on the page when the contact was left
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0, -- POSIX seconds
    error TEXT NOT NULL DEFAULT '',
    UNIQUE (contact, event)
) STRICT;
CREATE INDEX IF NOT EXISTS notices_waiting ON notices (id) WHERE done_at IS NULL;
CREATE TABLE IF NOT EXISTS evidence (  -- openings that the kiosk signed and that are not what the bank has there
    kiosk TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    opening TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (kiosk, sequence, opening)
) STRICT;
"""


@dataclass(frozen=True)
class Contact:
    """One row; `sealed` opens for `Opener` only."""

    id: int
    kiosk: str
    sequence: int
    deposit_id: bytes
    language: str
    sealed: bytes


@dataclass(frozen=True)
class Notice:
    """One thing that a contact is to be told."""

    id: int
    contact: Contact
    event: str
    attempts: int


class ContactBook:
    """One connection, on one thread."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises ConfigError."""
        try:
            self._file = Database(path)
            self._db = self._file.db
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA secure_delete = ON")  # a contact that is forgotten is overwritten
            self._db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path}: {error}") from error

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def add(
        self, kiosk: str, sequence: int, deposit_id: bytes, language: str, sealed: bytes, seen: Iterable[str], at: str
    ) -> bool:
        """Keep a contact; `seen` are events that the page showed already. False when the deposit has enough of them."""
        with self._file.transaction():
            if self.count(kiosk, deposit_id) >= CONTACTS_MAX:
                return False
            cursor = self._db.execute(
                "INSERT INTO contacts (kiosk, sequence, deposit_id, language, sealed, made_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (kiosk, sequence, deposit_id, language, sealed, at),
            )
            self._db.executemany(
                "INSERT INTO notices (contact, event, queued_at, done_at) VALUES (?, ?, ?, ?)",
                [(cursor.lastrowid, event, at, at) for event in seen],
            )
        return True

    def count(self, kiosk: str, deposit_id: bytes) -> int:
        """How many contacts a deposit has."""
        query = "SELECT count(*) FROM contacts WHERE kiosk = ? AND deposit_id = ?"
        return int(self._db.execute(query, (kiosk, deposit_id)).fetchone()[0])

    def forget(self, kiosk: str, deposit_id: bytes) -> int:
        """Remove a deposit's contacts and what they were to be told; how many there were."""
        with self._file.transaction():
            cursor = self._db.execute("DELETE FROM contacts WHERE kiosk = ? AND deposit_id = ?", (kiosk, deposit_id))
        return cursor.rowcount

    def forget_before(self, at: str) -> int:
        """Remove contacts that were left before `at`."""
        with self._file.transaction():
            cursor = self._db.execute("DELETE FROM contacts WHERE made_at < ?", (at,))
        return cursor.rowcount

    def contacts(self, after: int, count: int) -> list[Contact]:
        """Contacts beyond id `after`."""
        query = (
            "SELECT id, kiosk, sequence, deposit_id, language, sealed FROM contacts WHERE id > ? ORDER BY id LIMIT ?"
        )
        return [Contact(*row) for row in self._db.execute(query, (after, count))]

    def queue(self, events: Sequence[tuple[int, str]], at: str) -> int:
        """(contact, event) to be told, each once, ever; how many are new."""
        with self._file.transaction():
            before = self._db.total_changes
            self._db.executemany(
                "INSERT OR IGNORE INTO notices (contact, event, queued_at) VALUES (?, ?, ?)",
                [(contact, event, at) for contact, event in events],
            )
            return self._db.total_changes - before

    def waiting(self, now_posix_s: float, count: int) -> list[Notice]:
        """Notices that are due."""
        rows = self._db.execute(
            "SELECT n.id, n.event, n.attempts, c.id, c.kiosk, c.sequence, c.deposit_id, c.language, c.sealed"
            " FROM notices n JOIN contacts c ON c.id = n.contact"
            " WHERE n.done_at IS NULL AND n.next_at <= ? ORDER BY n.id LIMIT ?",
            (now_posix_s, count),
        )
        return [Notice(row[0], Contact(*row[3:]), row[1], row[2]) for row in rows]

    def done(self, notice: int, at: str) -> None:
        """It was handed over."""
        with self._file.transaction():
            self._db.execute("UPDATE notices SET done_at = ?, error = '' WHERE id = ?", (at, notice))

    def failed(self, notice: int, error: str, next_posix_s: float) -> None:
        """Not this time."""
        with self._file.transaction():
            self._db.execute(
                "UPDATE notices SET attempts = attempts + 1, error = ?, next_at = ? WHERE id = ?",
                (error[:300], next_posix_s, notice),
            )

    def left(self) -> int:
        """Notices that nobody was told yet."""
        return int(self._db.execute("SELECT count(*) FROM notices WHERE done_at IS NULL").fetchone()[0])

    def keep_evidence(self, kiosk: str, sequence: int, opening: str, at: str) -> bool:
        """Keep a signed statement that contradicts the store; whether it is new."""
        with self._file.transaction():
            if self._db.execute("SELECT count(*) FROM evidence").fetchone()[0] >= EVIDENCE_ROWS_MAX:
                return False
            row = (kiosk, sequence, opening, at)
            return self._db.execute("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?)", row).rowcount > 0

    def evidence(self, kiosk: str, sequence: int) -> int:
        """How many contradicting statements are known of one place in the log."""
        query = "SELECT count(*) FROM evidence WHERE kiosk = ? AND sequence = ?"
        return int(self._db.execute(query, (kiosk, sequence)).fetchone()[0])


def seal(contact: str, kiosk: str, deposit_id: bytes, key: SealPublicKey) -> bytes:
    """HPKE (X-Wing) to the bank's contact key, bound to its deposit."""
    return _SUITE.encrypt(contact.encode(), key.hpke, info=_info(kiosk, deposit_id))


def opened(contact: Contact, key: SealPrivateKey) -> str:
    """The contact in clear, to be written nowhere. Raises VerificationError."""
    try:
        return _SUITE.decrypt(contact.sealed, key.hpke, info=_info(contact.kiosk, contact.deposit_id)).decode()
    except (InvalidTag, ValueError) as error:
        raise VerificationError(f"contact {contact.id} does not open with this key") from error


def _info(kiosk: str, deposit_id: bytes) -> bytes:
    return cbor.encode(["kiosk-contact-v1", kiosk, deposit_id])
