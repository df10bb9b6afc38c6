"""Which crashes are tried, and what the real journal makes of what they leave."""

import random
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from kiosk.errors import KioskError
from kiosk.guarantee.journal import Journal
from tests.journal_crash.books import connection_of, digest
from tests.journal_crash.disk import MODES, Disk, lay_out
from tests.journal_crash.recording import Recording
from tests.journal_crash.trace import Entry, Mark, Operation, Sync, SyncDirectory, Truncate, Write
from tests.journal_crash.workload import open_journal

Result = Literal["kept", "lost", "half", "unreadable"]
MEMORY_DISK: Final = Path("/dev/shm")  # noqa: S108 - where there is one; an image needs no disk that lasts


@dataclass(frozen=True)
class Crash:
    """The process ends after `position` operations, and the disk keeps what `mode` and `seed` say."""

    position: int
    mode: str
    seed: str


@dataclass(frozen=True)
class Knowledge:
    """What the recorded program knew: digests of the journal after each commit, and how far it was."""

    digests: tuple[str, ...]
    acknowledged: int  # commits that had returned
    begun: bool  # another was under way


@dataclass(frozen=True)
class Finding:
    """`lost` commits of those acknowledged, when the result says so; `words` for whoever looks into it."""

    crash: Crash
    result: Result
    lost: int = 0
    words: str = ""


def plan(recording: Recording, seed: int, images_max: int) -> list[Crash]:
    """Crashes at every write and every sync: all modes around what changes names, sizes or the database itself.

    More than `images_max` are thinned out at random, those special ones never.
    """
    operations = recording.operations
    wal = {one.file for one in operations if isinstance(one, Entry) and one.path.endswith("-wal")}
    special: list[Crash] = []
    plain: list[Crash] = []
    for position, near in _boundaries(operations):
        if any(_special(operation, wal) for operation in near):
            special += [_crash(position, mode, seed) for mode in MODES]
            continue
        chosen = random.Random(f"{seed}/{position}").choice(MODES)
        # Before a sync everything of the commit is pending, after it nothing may be lost any more.
        modes = {"nothing", chosen} if any(isinstance(operation, Sync) for operation in near) else {chosen}
        plain += [_crash(position, mode, seed) for mode in sorted(modes)]
    left = max(images_max - len(special), 0)
    if len(plain) > left:
        plain = random.Random(seed).sample(plain, left)
    return sorted([*special, *plain], key=lambda crash: (crash.position, crash.mode))


def _crash(position: int, mode: str, seed: int) -> Crash:
    return Crash(position, mode, f"{seed}/{position}/{mode}")


def _special(operation: Operation, wal: set[int | None]) -> bool:
    if isinstance(operation, Sync):
        return operation.file not in wal
    return isinstance(operation, Entry | Truncate | SyncDirectory)


def _boundaries(operations: Sequence[Operation]) -> Iterator[tuple[int, Sequence[Operation]]]:
    """After each operation on the disk: the position, and the operations before and after it."""
    for index, operation in enumerate(operations):
        if isinstance(operation, Mark):
            continue
        position = index + 1
        while position < len(operations) and _is_ack(operations[position]):
            position += 1  # the strictest moment: the commit has returned
        after = next((one for one in operations[position:] if not isinstance(one, Mark)), None)
        yield position, (operation,) if after is None else (operation, after)


def _is_ack(operation: Operation) -> bool:
    return isinstance(operation, Mark) and operation.text.startswith("ack")


def look(recording: Recording, crashes: Sequence[Crash]) -> Iterator[Finding]:
    """Make each image and let the real journal recover from it; `crashes` by position."""
    disk = Disk(recording.root)
    digests: list[str] = []
    begun, position = 0, 0
    for crash in crashes:
        for operation in recording.operations[position : crash.position]:
            disk.apply(operation)
            if isinstance(operation, Mark):
                kind, number, *rest = operation.text.split()
                digests += rest
                begun = int(number) if kind == "begin" else begun
        position = crash.position
        known = Knowledge(tuple(digests), max(len(digests) - 1, 0), begun >= len(digests))
        yield _judge(recording, disk, crash, known)


def _judge(recording: Recording, disk: Disk, crash: Crash, known: Knowledge) -> Finding:
    rng = random.Random(crash.seed)
    image = disk.image(crash.mode, rng)
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None) as name:
        folder = Path(name)
        lay_out(image, recording.root, folder, rng)
        try:
            found = _recovered(folder)
        except (KioskError, sqlite3.Error, AssertionError, ValueError) as error:
            return Finding(crash, "unreadable", words=f"{type(error).__name__}: {error}")
    return compare(recording, crash, known, found)


def _recovered(folder: Path) -> str:
    """The digest of the journal that the real code makes of an image, after its own checks and ours.

    Then it writes, closes and opens again: a journal that can only be read would stop the kiosk as well.
    """
    journal = open_journal(folder)
    try:
        _sound(journal)
        found = digest(journal)
        journal.check()
    finally:
        journal.close()
    journal = open_journal(folder)
    try:
        assert journal.memory("check") is not None, "what was written after the recovery is gone"
    finally:
        journal.close()
    return found


def _sound(journal: Journal) -> None:
    problem = connection_of(journal).execute("PRAGMA integrity_check").fetchone()[0]
    assert problem == "ok", problem
    journal.unfinished()
    journal.log.audit()
    size = journal.log.size()
    if size:
        journal.log.record(size - 1)


def compare(recording: Recording, crash: Crash, known: Knowledge, found: str) -> Finding:
    """Everything acknowledged is there, the commit under way is whole or absent: anything else is a finding."""
    if not known.digests:  # the very first opening: nothing was acknowledged, and an empty journal is right
        empty = next(one.text.split()[2] for one in recording.operations if _is_ack(one))  # type: ignore[union-attr]
        return Finding(crash, "kept" if found == empty else "half", words="before the journal was ever used")
    allowed = {known.digests[-1]} | ({_next(recording, known)} if known.begun else set())
    if found in allowed:
        return Finding(crash, "kept")
    if found in known.digests:
        lost = known.acknowledged - known.digests.index(found)
        return Finding(crash, "lost", lost, f"{lost} of {known.acknowledged} acknowledged commits are gone")
    return Finding(crash, "half", words=f"after {known.acknowledged} commits: neither what was nor what was to be")


def _next(recording: Recording, known: Knowledge) -> str:
    """The digest that the commit under way led to in the recorded run; empty when it never returned."""
    start = f"ack {known.acknowledged + 1} "
    marks = (one.text for one in recording.operations if isinstance(one, Mark))
    return next((text.split()[2] for text in marks if text.startswith(start)), "")


def named(crash: Crash, recording: Recording) -> str:
    """The last operation before the crash, in words."""
    last = next(one for one in reversed(recording.operations[: crash.position]) if not isinstance(one, Mark))
    if isinstance(last, Write):
        return f"Write(file={last.file}, offset={last.offset}, {len(last.data)} bytes)"
    return str(last)
