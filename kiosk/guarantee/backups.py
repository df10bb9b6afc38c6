"""Copies of the journal: taken while it is written, verified before one is taken back.

A copy is one SQLite file: the state of one moment, in which personal fields stay sealed under the kiosk's keys. It is
verified like the journal itself: opened with the keys, the whole record log recomputed and held against what the bank
and the witnesses signed. What a restore would roll back is counted, never guessed: a journal that cannot be read may
hold anything.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kiosk.errors import JournalError, VerificationError
from kiosk.guarantee.journal import DISTRUST, Journal
from kiosk.guarantee.log_keys import LogKeys

COUNTED: Final = ("facts", "authority", "unit_facts")  # beside the leaves: what grows, and must not shrink unseen
_SIDE: Final = ("-wal", "-shm")


@dataclass(frozen=True)
class JournalState:
    """How far a journal has come. `rows`: of each table in `COUNTED`."""

    log: str
    size: int
    root: bytes
    acknowledged: int
    rows: tuple[int, ...]


def copy(source: Path, target: Path) -> None:
    """The journal at `source` as it is at one moment, whoever writes meanwhile. Raises JournalError."""
    try:
        with contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
        with target.open("rb") as made:
            os.fsync(made.fileno())
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"the journal cannot be copied: {error}", remedy="Look at the disk's free space.") from error


def examine(path: Path, keys: LogKeys, kek: bytes) -> JournalState:
    """Verify a journal that nobody uses, the whole of it. Raises JournalError, VerificationError."""
    with contextlib.closing(Journal(path, keys, kek, clock_synchronised=lambda: False)) as journal:
        found = journal.log.audit()
        journal.unfinished()  # the facts of the last deposit replay
        journal.authority()
        journal.units(whole=True)
        rows = tuple(journal.looks.count(table) for table in COUNTED)
        return JournalState(journal.log.kiosk, found.size, found.root, journal.log.acknowledged(), rows)


def sound(path: Path) -> None:
    """Whether SQLite finds every page in order. Raises JournalError."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise JournalError(f"{path} is no journal: {error}", remedy="Take another copy.") from error
    if said != "ok":
        raise JournalError(f"{path} is damaged: {said}", remedy="Take another copy.")


def rolled_back(present: JournalState | None, old: JournalState, present_path: Path, keys: LogKeys, kek: bytes) -> str:
    """What taking `old` back would undo of `present` (None: it cannot be read), in words; empty: nothing.

    Raises VerificationError when `old` is of another log: no two people can allow that.
    """
    if present is None:
        return "the present journal cannot be read: nobody knows what it holds beyond this copy"
    if present.log == old.log and present.size >= old.size:
        with contextlib.closing(Journal(present_path, keys, kek, clock_synchronised=lambda: False)) as journal:
            if journal.log.root_at(old.size) != old.root:
                raise VerificationError("this copy is of another log than the present journal")
    leaves = present.size - old.size if present.log == old.log else present.size
    facts = sum(max(now - before, 0) for now, before in zip(present.rows, old.rows, strict=True))
    if leaves <= 0 and facts == 0:
        return ""
    acknowledged = max(present.acknowledged - old.size, 0) if present.log == old.log else present.acknowledged
    return f"it would roll back {max(leaves, 0)} records, {acknowledged} of them acknowledged, and {facts} facts"


def distrust(path: Path, keys: LogKeys, kek: bytes, why: str) -> None:
    """Nobody deposits on this journal before the bank and a second signer have opened a new log epoch."""
    with contextlib.closing(Journal(path, keys, kek, clock_synchronised=lambda: False)) as journal:
        journal.remember(DISTRUST, json.dumps({"why": why}))


def put_in_place(new: Path, journal: Path, aside: Path) -> None:
    """`new` becomes the journal, in one step; the one before is kept as `aside`.

    A write-ahead log that is left beside it, because its journal could not be opened, must not meet the new one.
    """
    for suffix in _SIDE:
        present = journal.with_name(journal.name + suffix)
        if present.exists():
            present.rename(aside.with_name(aside.name + suffix))
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    if journal.exists():
        os.link(journal, aside)
    new.replace(journal)
    folder = os.open(journal.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sha256_of(path: Path) -> str:
    """Of the file, hex."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
