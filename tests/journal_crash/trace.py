"""What the shim recorded, as operations on files and on directories, in the order in which the kernel took them.

A file is known by the number of its creation, not by its name: SQLite deletes a write-ahead log and makes another of
the same name, and after a crash the directory may still show the old one.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct("<ciQI")


@dataclass(frozen=True)
class Write:
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncate:
    file: int
    size: int


@dataclass(frozen=True)
class Sync:
    """Data and size of the file are on the disk; the directory's entry for it need not be."""

    file: int


@dataclass(frozen=True)
class Entry:
    """The name `path` means this file from now on, or nothing (None)."""

    path: str
    file: int | None
    is_directory: bool = False


@dataclass(frozen=True)
class SyncDirectory:
    path: str


@dataclass(frozen=True)
class Mark:
    """What the recorded program knew at this moment; words separated by blanks."""

    text: str


Operation = Write | Truncate | Sync | Entry | SyncDirectory | Mark


class BadTrace(RuntimeError):
    """The trace is not a complete record of what was done to the files."""


def read(path: Path, root: str) -> list[Operation]:
    """The operations in a trace of files below `root`, which was empty at its beginning. Raises `BadTrace`."""
    return list(_operations(path.read_bytes(), root))


def _operations(data: bytes, root: str) -> Iterator[Operation]:  # noqa: C901, PLR0912 - one case a call of the C library
    names: dict[str, int] = {}
    directories = {root}
    open_files: dict[int, int] = {}
    open_directories: dict[int, str] = {}
    created = 0
    for kind, descriptor, number, body in _entries(data):
        text = body.decode(errors="surrogateescape")
        if kind == b"O":
            open_files.pop(descriptor, None)
            open_directories.pop(descriptor, None)
            if text in directories:
                open_directories[descriptor] = text
                continue
            if text not in names:
                names[text] = created
                yield Entry(text, created)
                created += 1
            open_files[descriptor] = names[text]
            if number & os.O_TRUNC:
                yield Truncate(names[text], 0)
        elif kind == b"W":
            yield Write(open_files[descriptor], number, body)
        elif kind == b"T":
            yield Truncate(open_files[descriptor], number)
        elif kind == b"S":
            if descriptor in open_directories:
                yield SyncDirectory(open_directories[descriptor])
            else:
                yield Sync(open_files[descriptor])
        elif kind == b"U":
            del names[text]
            yield Entry(text, None)
        elif kind == b"D":
            directories.add(text)
            yield Entry(text, None, is_directory=True)
        elif kind == b"M":
            yield Mark(text)
        elif kind != b"C":
            message = f"{kind!r}: a file was written through a shared mapping; what came of that is not in the trace"
            raise BadTrace(message)


def _entries(data: bytes) -> Iterator[tuple[bytes, int, int, bytes]]:
    at = 0
    while at < len(data):
        kind, descriptor, number, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if at + length > len(data):
            message = "the last entry is cut off"
            raise BadTrace(message)
        yield kind, descriptor, number, data[at : at + length]
        at += length
