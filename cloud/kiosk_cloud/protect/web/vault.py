"""Files that lie on the disk encrypted only: AES-256-GCM in chunks, so that neither memory nor disk sees one whole.

Each file has a key of its own, derived from the vault's key, the file's name and a random salt in its head. A chunk's
nonce is its number and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway, Vizar 2015), so
that chunks cannot be exchanged, dropped or cut off unnoticed.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kiosk.errors import ConfigError, VerificationError
from kiosk_cloud.files import private_dir, write_once

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
CHUNK_BYTES: Final = 1 << 16
_HEAD: Final = b"kiosk-protect-1\n"
_TAG_BYTES: Final = 16
_NONCE_BYTES: Final = 12


def key_file(path: Path) -> bytes:
    """The vault's key; made (mode 0600) where there is none. Raises ConfigError."""
    write_once(path, secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{path} holds no key of {KEY_BYTES} bytes", remedy="Put the right file back from its backup."
        )
    return key


class Vault:
    """A folder of encrypted files. Names are ours (job ids), never users'."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._key = private_dir(folder), key

    def path(self, name: str) -> Path:
        """Where a file lies."""
        assert name.replace("-", "").replace(".", "").isalnum(), name
        return self._folder / name

    def writer(self, name: str) -> "Writer":
        """A new file, which is there when the writer is closed without an error."""
        salt = secrets.token_bytes(SALT_BYTES)
        return Writer(self.path(name), _HEAD + salt, _cipher(self._key, name, salt))

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """A new file of these pieces."""
        with self.writer(name) as file:
            for piece in pieces:
                file.write(piece)

    def read(self, name: str) -> Iterator[bytes]:
        """The pieces of a file. Raises VerificationError when it is not as it was written, OSError."""
        path = self.path(name)
        with path.open("rb") as file:
            head = file.read(len(_HEAD) + SALT_BYTES)
            if len(head) != len(_HEAD) + SALT_BYTES or not head.startswith(_HEAD):
                raise VerificationError(f"{path} is no file of this vault")
            cipher = _cipher(self._key, name, head[len(_HEAD) :])
            number, chunk = 0, file.read(CHUNK_BYTES + _TAG_BYTES)
            while True:
                following = file.read(CHUNK_BYTES + _TAG_BYTES)
                try:
                    yield cipher.decrypt(_nonce(number, last=not following), chunk, None)
                except InvalidTag as error:
                    raise VerificationError(f"{path} is not as it was written, or the key is another") from error
                if not following:
                    return
                number, chunk = number + 1, following

    def remove(self, name: str) -> None:
        """Once more does nothing. What the disk may still have of it is encrypted."""
        self.path(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """All files that are whole."""
        return sorted(path.name for path in self._folder.iterdir() if not path.name.startswith("."))

    def clear_parts(self) -> None:
        """Remove what a crash left unfinished."""
        for path in self._folder.glob(".*.part"):
            path.unlink(missing_ok=True)


class Writer:
    """Takes bytes, writes chunks. A context manager; an error inside leaves nothing behind."""

    def __init__(self, path: Path, head: bytes, cipher: AESGCM) -> None:
        self._path, self._cipher = path, cipher
        self._part = path.with_name(f".{path.name}.part")
        descriptor = os.open(self._part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        self._file.write(head)
        self._waiting = bytearray()
        self._number = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Any number of bytes."""
        self.size += len(data)
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:
            self._chunk(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]

    def _chunk(self, data: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), data, None))
        self._number += 1

    def close(self) -> None:
        """The file is whole and durable."""
        self._chunk(bytes(self._waiting), last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)

    def abandon(self) -> None:
        """Nothing of it remains."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def _cipher(key: bytes, name: str, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"kiosk-protect file " + name.encode()).derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_NONCE_BYTES - 1) + bytes([last])


def seal(key: bytes, purpose: str, data: bytes) -> bytes:
    """A short secret for the database, bound to its purpose."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_purpose(key, purpose)).encrypt(nonce, data, purpose.encode())


def unseal(key: bytes, purpose: str, sealed: bytes) -> bytes:
    """Raises VerificationError."""
    try:
        cipher = AESGCM(_purpose(key, purpose))
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
    except InvalidTag as error:
        raise VerificationError(f"what was sealed for {purpose} does not open with this key") from error


def _purpose(key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, None, b"kiosk-protect field " + purpose.encode()).derive(key)
