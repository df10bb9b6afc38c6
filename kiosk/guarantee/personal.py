"""Personal data at rest: each deposit has its own key, and destroying the key erases the deposit's person.

AES-256-GCM under a random key per subject (a deposit id, 16 bytes); that key is stored wrapped by the key-encryption
key (KEK), a credential or TPM key that is not on the disk. Everything runs inside the caller's transaction, so a key
is as durable as what it protects, and `destroy` is final when the caller commits. SQLite's old pages are overwritten
(`secure_delete`), and gone from the WAL after the caller's next truncating checkpoint.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kiosk.errors import VerificationError
from kiosk.guarantee import files
from kiosk.guarantee.keys import Randomness

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS personal_keys (
    subject BLOB PRIMARY KEY,   -- a deposit id
    wrapped BLOB                -- nonce || AES-256-GCM(KEK, key); NULL: destroyed, and never made again
) WITHOUT ROWID
"""


class ErasedError(VerificationError):
    """The key was destroyed: what it protected is gone for good, as it should be."""

    remedy = (
        "Nothing to do: the personal data was erased on purpose. The log and the paper receipt still prove the deposit."
    )


class PersonalVault:
    """Seals and opens the personal fields of deposits with the keys in `connection`."""

    def __init__(self, connection: sqlite3.Connection, kek: bytes, randomness: Randomness = os.urandom) -> None:
        """`kek` has 32 bytes. Raises ValueError for another length."""
        if len(kek) != KEY_BYTES:
            raise ValueError(f"a KEK has {KEY_BYTES} bytes, not {len(kek)}")
        self._connection = connection
        self._kek = AESGCM(kek)
        self._randomness = randomness
        connection.execute("PRAGMA secure_delete = ON").fetchall()

    def seal(self, subject: bytes, plaintext: bytes, purpose: str) -> bytes:
        """`plaintext` sealed under the subject's key (made now if it has none); opens for the same purpose only.

        Raises ErasedError when the key was destroyed.
        """
        nonce = self._randomness(_NONCE_BYTES)
        return nonce + self._key(subject, make=True).encrypt(nonce, plaintext, _context(subject, purpose))

    def open(self, subject: bytes, sealed: bytes, purpose: str) -> bytes:
        """What `seal` was given. Raises ErasedError, or VerificationError when it was changed."""
        key = self._key(subject, make=False)
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _context(subject, purpose))
        except (InvalidTag, ValueError) as error:
            raise VerificationError(f"{purpose} of {subject.hex()} does not open") from error

    def seal_text(self, subject: bytes, text: str, purpose: str) -> bytes:
        """`seal` for a string."""
        return self.seal(subject, text.encode(), purpose)

    def open_text(self, subject: bytes, sealed: bytes, purpose: str) -> str:
        """`open` for a string."""
        return self.open(subject, sealed, purpose).decode()

    def destroy(self, subject: bytes) -> bool:
        """Destroy the subject's key for good; whether there was one. Final once the caller's transaction commits."""
        row = self._row(subject)
        self._connection.execute(
            "INSERT INTO personal_keys (subject, wrapped) VALUES (?, NULL) "
            "ON CONFLICT (subject) DO UPDATE SET wrapped = NULL",
            (subject,),
        )
        return row is not None and row[0] is not None

    def _key(self, subject: bytes, *, make: bool) -> AESGCM:
        row = self._row(subject)
        if row is None and make:
            return AESGCM(self._make(subject))
        if row is None or row[0] is None:
            raise ErasedError(f"the key of {subject.hex()} was destroyed or never made")
        try:
            return AESGCM(self._kek.decrypt(row[0][:_NONCE_BYTES], row[0][_NONCE_BYTES:], _context(subject, "key")))
        except (InvalidTag, ValueError) as error:
            raise VerificationError(f"the wrapped key of {subject.hex()} does not open with this KEK") from error

    def _make(self, subject: bytes) -> bytes:
        key, nonce = self._randomness(KEY_BYTES), self._randomness(_NONCE_BYTES)
        wrapped = nonce + self._kek.encrypt(nonce, key, _context(subject, "key"))
        self._connection.execute("INSERT INTO personal_keys (subject, wrapped) VALUES (?, ?)", (subject, wrapped))
        return key

    def _row(self, subject: bytes) -> tuple[bytes | None] | None:
        row: tuple[bytes | None] | None = self._connection.execute(
            "SELECT wrapped FROM personal_keys WHERE subject = ?", (subject,)
        ).fetchone()
        return row


def load_kek(path: Path) -> bytes:
    """The KEK from a 0600 key file. Raises ConfigError."""
    return files.load_key(path, "aes-256-kek")


def save_kek(path: Path, kek: bytes) -> None:
    """Write a KEK into a new 0600 key file. Raises FileExistsError, OSError."""
    files.save_key(path, "aes-256-kek", kek)


def _context(subject: bytes, purpose: str) -> bytes:
    return b"kiosk-vault-v1\x00" + len(subject).to_bytes(2) + subject + purpose.encode()
