"""Proofs and appends in a log of a million records, beside bare reads and beside a log of a thousand, on the same disk.

The million are real leaves with real hashes; what is left out is what neither proofs nor appends read: their sealed
openings and envelopes.
"""

import hashlib
import itertools
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kiosk.core.state import RecordDraft
from kiosk.guarantee import leaf, merkle
from kiosk.guarantee.journal import Journal
from tests.bench.figures import Figure, alternately, figure
from tests.bench.sealing import KIOSK, open_journal
from tests.uplink_kit import deposit_content

MINUTE: Final = "2026-11-21T08:30Z"
CHUNK: Final = 50_000


def fill(path: Path, leaves: int) -> None:
    """Leaves into the log of a journal that nobody has open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        tree = merkle.CompactRange()
        for first in range(0, leaves, CHUNK):
            db.execute("BEGIN")
            last = min(first + CHUNK, leaves)
            rows = (_row(tree, sequence) for sequence in range(first, last))
            db.executemany(
                "INSERT INTO leaves (seq, kind, entry, hashes, subject, opening) VALUES (?, 'deposit', ?, ?, x'', x'')",
                rows,
            )
            db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _row(tree: merkle.CompactRange, sequence: int) -> tuple[int, bytes, bytes]:
    commitment = hashlib.sha256(sequence.to_bytes(8)).digest()
    entry = leaf.entry(KIOSK, sequence, "deposit", MINUTE, commitment)
    return sequence, entry, b"".join(tree.append(leaf.leaf_hash(entry)))


def measure(repeats: int, proofs: int, appends: int, leaves: tuple[int, int], folder: Path) -> Iterator[Figure]:
    """Milliseconds a proof and an append; `leaves` of the small log and of the large one."""
    small, large = (_filled(folder / f"log-{count}", count) for count in leaves)
    try:
        yield _proving(large, folder / f"log-{leaves[1]}" / "journal.db", repeats, proofs, leaves[1])
        yield from _appending(small, large, repeats, appends, leaves)
    finally:
        small.close()
        large.close()


def _filled(folder: Path, leaves: int) -> Journal:
    """The journal's own tables, then the leaves, then the journal again."""
    folder.mkdir()
    open_journal(folder).close()
    fill(folder / "journal.db", leaves)
    return open_journal(folder)


def _proving(large: Journal, path: Path, repeats: int, proofs: int, leaves: int) -> Figure:
    log, randomness = large.log, random.Random(1)
    reads = leaves.bit_length() - 1  # as many hashes as a proof has

    def ours() -> float:
        asked = [randomness.randrange(leaves) for _ in range(proofs)]
        begun = time.perf_counter()
        for index in asked:
            log.inclusion(index, leaves)
        return (time.perf_counter() - begun) / proofs * 1000

    def limit() -> float:
        asked = [[randomness.randrange(leaves) for _ in range(reads)] for _ in range(proofs)]
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            begun = time.perf_counter()
            for each in asked:
                for index in each:
                    db.execute("SELECT substr(hashes, 1, 32) FROM leaves WHERE seq = ?", (index,)).fetchone()
            return (time.perf_counter() - begun) / proofs * 1000

    ours_all, limit_all = alternately(repeats, ours, limit)
    name = f"inclusion proof, log of {leaves:,}"
    ours_is, limit_is = "RecordLog.inclusion of a leaf at random", f"{reads} reads by key, at random"
    return figure(name, "ms", ours_all, limit_all, ours_is=ours_is, limit_is=limit_is)


def _appending(small: Journal, large: Journal, repeats: int, appends: int, leaves: tuple[int, int]) -> Iterator[Figure]:
    numbers = itertools.count(1)
    busy: dict[str, list[float]] = {"ours": [], "limit": []}

    def append(journal: Journal, busy_ms: list[float]) -> float:
        begun, cpu = time.perf_counter(), time.process_time()
        for _ in range(appends):
            journal.append(RecordDraft("deposit", deposit_content(next(numbers))), datetime.now(UTC))
        busy_ms.append((time.process_time() - cpu) / appends * 1000)
        return (time.perf_counter() - begun) / appends * 1000

    ours_all, limit_all = alternately(
        repeats, lambda: append(large, busy["ours"]), lambda: append(small, busy["limit"])
    )
    name, limit_is = f"append, log of {leaves[1]:,}", f"the same in a log of {leaves[0]:,}"
    ours_is = "Journal.append of a deposit record, durable"
    yield figure(name, "ms", ours_all, limit_all, ours_is=ours_is, limit_is=limit_is)
    yield figure(f"{name}, CPU", "ms", busy["ours"], busy["limit"], ours_is=ours_is, limit_is=limit_is)
