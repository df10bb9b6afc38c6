"""How far a scan has come, on the disk beside its outputs, so that it goes on where it was killed.

The state is written after the lines that it counts are synced; what the sidecar has beyond it is cut off. It holds
counts and shapes, no cell's text. The scan goes on only with the same input, models, catalogue and options.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from kiosk.errors import ConfigError
from kiosk_cloud.files import write_private
from kiosk_cloud.protect.tally import TableTally

FORMAT: Final = 1
_EDGE_BYTES: Final = 1 << 16


class Basis(msgspec.Struct, frozen=True):
    """What a scan's findings depend on."""

    size: int
    modified_ns: int
    edges_sha256: str  # of the input's first and last 64 KiB
    catalogue: str
    models: dict[str, str]
    options: dict[str, str]
    format: int = FORMAT


class State(msgspec.Struct):
    """`tables` has those that are done and the one that is being read, `lines_bytes` the sidecar's valid length."""

    basis: Basis
    tables: list[TableTally] = []
    done: int = 0  # how many of them are done
    lines_bytes: int = 0
    row_characters_max: int = 0
    seconds: float = 0.0
    windows_read: int = 0  # of long texts, by patterns and check digits
    windows_by_networks: int = 0  # of these, also by the networks
    windows_passed_over: int = 0  # these were too many for the networks: the cell counts as free text


def basis(path: Path, catalogue: str, models: dict[str, str], options: dict[str, str]) -> Basis:
    """Of the file as it is now. Raises OSError."""
    found = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_EDGE_BYTES))
        file.seek(max(0, found.st_size - _EDGE_BYTES))
        digest.update(file.read(_EDGE_BYTES))
    return Basis(found.st_size, found.st_mtime_ns, digest.hexdigest(), catalogue, models, options)


def load(path: Path) -> State | None:
    """What was saved; None when there is nothing, or nothing that this version can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def save(path: Path, state: State) -> None:
    """Durably, whole or not at all."""
    write_private(path, msgspec.json.encode(state))


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock file `path`. Raises ConfigError when another scan holds it: it writes the same outputs."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"{path} is held by another scan of this file", remedy="Wait for it, or choose another --out."
            ) from error
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
