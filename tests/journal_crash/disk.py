"""A disk that owes nobody anything that was not synced, and the images that a crash may leave of it.

What the model promises is what POSIX does: after fsync of a file its data and size are there; a name is there after
fsync of its directory. Everything younger may be kept or not, each write alone and in any order, in whole or in
sectors of 512 bytes; the size of a file may come without the data, which are then zeros or rubbish. What the model
does promise beyond that is SQLite's `powersafe overwrite`: a write does no harm to bytes beside it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.journal_crash.trace import Entry, Operation, Sync, SyncDirectory, Truncate, Write

SECTOR_BYTES: Final = 512
SHARED_MEMORY: Final = "-shm"  # SQLite's index of the log: a shared mapping, made anew by whoever opens first
_SHARED_MEMORY_BYTES: Final = 32_768

MODES: Final = ("nothing", "everything", "subset", "reordered", "torn", "sectors", "sizes", "names")


@dataclass
class Disk:
    """What is durable after the operations so far, and what is pending, per file and per name."""

    root: str
    files: dict[int, bytearray] = field(default_factory=dict)
    pending: dict[int, list[Write | Truncate]] = field(default_factory=dict)
    names: dict[str, Entry] = field(default_factory=dict)
    pending_names: dict[str, list[Entry]] = field(default_factory=dict)

    def apply(self, operation: Operation) -> None:
        """The kernel took this; only syncs make anything durable."""
        match operation:
            case Write(file) | Truncate(file):
                self.pending.setdefault(file, []).append(operation)
            case Sync(file):
                content = self.files.setdefault(file, bytearray())
                for one in self.pending.pop(file, ()):
                    _change(content, one)
            case Entry(path):
                self.pending_names.setdefault(path, []).append(operation)
            case SyncDirectory(path):
                for name in [name for name in self.pending_names if name.rpartition("/")[0] == path]:
                    self.names[name] = self.pending_names.pop(name)[-1]

    def final(self) -> dict[str, bytes]:
        """All files as they are without any crash."""
        return self.image("everything", random.Random(0))

    @property
    def owes(self) -> bool:
        """Whether a crash now could lose anything."""
        return bool(self.pending or self.pending_names)

    def image(self, mode: str, rng: random.Random) -> dict[str, bytes]:
        """The files (path -> bytes) that a crash now may leave; the same for the same `rng`."""
        names = dict(self.names)
        for path, entries in self.pending_names.items():
            versions = [names.get(path), *entries]
            chosen = versions[self._version(mode, len(versions), rng)]
            names.pop(path, None)
            if chosen is not None:
                names[path] = chosen
        directories = {path for path, entry in names.items() if entry.is_directory} | {self.root}
        return {
            path: bytes(self._content(entry.file, mode, rng))
            for path, entry in sorted(names.items())
            if entry.file is not None and path.rpartition("/")[0] in directories
        }

    def _version(self, mode: str, versions: int, rng: random.Random) -> int:
        if mode in ("nothing", "names"):
            return 0
        return versions - 1 if mode in ("everything", "torn") else rng.randrange(versions)

    def _content(self, file: int, mode: str, rng: random.Random) -> bytearray:
        content = bytearray(self.files.get(file, b""))
        for change in _survivors(self.pending.get(file, []), mode, rng):
            _change(content, change)
        return content


def _survivors(pending: list[Write | Truncate], mode: str, rng: random.Random) -> Iterator[Write | Truncate]:
    """What of the pending changes came to the disk, in the order in which it took effect."""
    if mode in ("everything", "names"):
        yield from pending
    elif mode == "torn":  # in order up to one write, and that one in part
        cut = rng.randrange(len(pending)) if pending else 0
        yield from pending[:cut]
        yield from _sectors(pending[cut : cut + 1], rng)
    elif mode == "sectors":
        yield from _sectors(pending, rng)
    elif mode != "nothing":
        kept = [change for change in pending if rng.random() < 0.5]
        if mode == "reordered":
            rng.shuffle(kept)
        if mode == "sizes":
            yield from (_hollow(change, rng) for change in pending if change not in kept)
        yield from kept


def _sectors(changes: list[Write | Truncate], rng: random.Random) -> Iterator[Write | Truncate]:
    """Each write in its sectors, some of them lost, some full of rubbish."""
    for change in changes:
        if isinstance(change, Truncate):
            yield change
            continue
        at, end = change.offset, change.offset + len(change.data)
        while at < end:
            until = min(at - at % SECTOR_BYTES + SECTOR_BYTES, end)
            part = change.data[at - change.offset : until - change.offset]
            fate = rng.random()
            if fate < 0.5:
                yield Write(change.file, at, part)
            elif fate < 0.6:
                yield Write(change.file, at, rng.randbytes(len(part)))
            at = until


def _hollow(change: Write | Truncate, rng: random.Random) -> Write | Truncate:
    """The size came to the disk, the data did not."""
    if isinstance(change, Truncate):
        return change
    size = len(change.data)
    return Write(change.file, change.offset, bytes(size) if rng.random() < 0.5 else rng.randbytes(size))


def _change(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        if change.size <= len(content):
            del content[change.size :]
        else:
            content.extend(bytes(change.size - len(content)))
        return
    if change.offset > len(content):
        content.extend(bytes(change.offset - len(content)))
    content[change.offset : change.offset + len(change.data)] = change.data


def lay_out(image: dict[str, bytes], root: str, folder: Path, rng: random.Random) -> None:
    """Write an image below `folder`; a shared-memory file, which promises nothing, is absent or rubbish."""
    for path, content in image.items():
        there = folder / path.removeprefix(root).lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(SHARED_MEMORY):
            if rng.random() < 0.5:
                there.write_bytes(rng.randbytes(_SHARED_MEMORY_BYTES))
            continue
        there.write_bytes(content)
