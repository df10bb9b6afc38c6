"""Key files: one typed line each, secrets at 0600, never overwritten.

A key file is the line `kiosk-key-v1 <type> <base64>`; the type is part of the line so that a seal key cannot be
loaded where a signing seed belongs. Public signing keys are ordinary SubjectPublicKeyInfo PEM instead, because
other people's tools read those.
"""

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import Final, Literal

from kiosk.errors import ConfigError

KeyType = Literal["ed25519-seed", "ml-dsa-44-seed", "x-wing-seed", "x-wing-public", "aes-256-kek", "hmac-sha256"]
LENGTHS: Final[dict[KeyType, int]] = {
    "ed25519-seed": 32,
    "ml-dsa-44-seed": 32,
    "x-wing-seed": 32,
    "x-wing-public": 1216,
    "aes-256-kek": 32,
    "hmac-sha256": 32,
}
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"  # systemd's, for a service with LoadCredential...=
_MAGIC: Final = "kiosk-key-v1"
_FILE_BYTES_MAX: Final = 4096


def save_key(path: Path, key_type: KeyType, raw: bytes) -> None:
    """Write `raw` durably into a new file: 0600 when it is a secret, 0644 when it is public.

    Raises ValueError for a wrong length, FileExistsError rather than destroy a key, OSError.
    """
    if len(raw) != LENGTHS[key_type]:
        raise ValueError(f"a key of type {key_type} has {LENGTHS[key_type]} bytes, not {len(raw)}")
    line = f"{_MAGIC} {key_type} {base64.b64encode(raw).decode()}\n"
    write_new(path, line.encode(), mode=0o644 if key_type == "x-wing-public" else 0o600)


def load_key(path: Path, key_type: KeyType) -> bytes:
    """The raw bytes of a key file of exactly this type.

    Raises ConfigError when the file is missing, of another type, damaged, or a secret that others may read.
    """
    data = _read(path, secret=key_type != "x-wing-public")
    try:
        magic, found, encoded = data.decode("ascii").split()
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ConfigError(f"{path} is not a key file") from error
    if (magic, found) != (_MAGIC, key_type) or len(raw) != LENGTHS[key_type]:
        raise ConfigError(f"{path} holds {magic} {found} of {len(raw)} bytes where {_MAGIC} {key_type} is needed")
    return raw


def read_public(path: Path) -> bytes:
    """The bytes of a small public file (PEM, vkey). Raises ConfigError."""
    return _read(path, secret=False)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Create `path` with `data` and `mode`, synced with its directory. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask says
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    _sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Create `path` and what is missing above it so that a power cut cannot take them away again. Raises OSError.

    Syncing a file makes its content durable, syncing its directory its name; the directory's own name stands in the
    directory above, which nobody else would sync.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        _sync_directory(directory.parent)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def exposed(path: Path, mode: int) -> bool:
    """Whether a secret file of this mode can be read by others.

    A systemd credential shows its access list's mask in the group bits; only this service's own uid is on that list.
    """
    credentials = os.environ.get(CREDENTIALS_VARIABLE)
    granted = credentials is not None and path.parent == Path(credentials) and not mode & stat.S_IWGRP
    return bool(mode & (stat.S_IRWXO if granted else stat.S_IRWXG | stat.S_IRWXO))


def _read(path: Path, *, secret: bool) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the key {path}: {error.strerror}") from error
    if secret and exposed(path, mode):
        message = f"the secret key {path} may be read by others (mode {stat.S_IMODE(mode):04o})"
        raise ConfigError(message, remedy=f"chmod 600 {path}; if others could have read it, replace the key.")
    if len(data) > _FILE_BYTES_MAX:
        raise ConfigError(f"{path} is too large for a key file")
    return data
