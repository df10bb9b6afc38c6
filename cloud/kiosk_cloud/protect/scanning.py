"""One file through the classifier: cells to the sidecar and the tally, then the tagged copy and the reports.

Classifying is what takes time, so only it is resumed; copy and reports are made anew from input and sidecar. Each
output appears whole or not at all, the sidecar last, and the state is removed when all are there.
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from kiosk.protection.catalogue import Catalogue
from kiosk.protection.egress import Gate
from kiosk_cloud.files import write_private
from kiosk_cloud.protect import report, sidecar, state
from kiosk_cloud.protect.judging import WINDOW_CHARACTERS, Judge, Windows
from kiosk_cloud.protect.reading import opening
from kiosk_cloud.protect.reading.opening import Said
from kiosk_cloud.protect.state import State
from kiosk_cloud.protect.tables import Batch, InputRefused, Source, Table
from kiosk_cloud.protect.tally import TableTally
from kiosk_cloud.protect.writing import copying

THRESHOLD: Final = 0.5
SAVE_EVERY_S: Final = 10.0
_PIECE: Final = 1 << 20
Progress = Callable[[str, int, float], None]  # table, rows done, share of the table
Outcome = dict[str, Any]  # the JSON report


@dataclass(frozen=True)
class Options:
    """How every file of a scan is read and judged."""

    judge: Judge
    catalogue: Catalogue
    threshold: float = THRESHOLD
    said: Said = field(default_factory=Said)
    copy: bool = True
    resume: bool = False
    save_every_s: float = SAVE_EVERY_S


@dataclass(frozen=True)
class Places:
    """Where the outputs of one input lie: `accounts.csv` -> `accounts.csv.tagged.csv`, ... in the same folder."""

    folder: Path
    stem: str

    @classmethod
    def of(cls, path: Path, out: Path | None) -> "Places":
        """Beside the input, or in `out`."""
        return cls(out or path.parent, path.name)

    def __truediv__(self, suffix: str) -> Path:
        return self.folder / f"{self.stem}{suffix}"

    @property
    def cells(self) -> Path:
        """Every protected cell, a line each."""
        return self / ".cells.jsonl"

    @property
    def html(self) -> Path:
        """The report to look at."""
        return self / ".report.html"

    @property
    def json(self) -> Path:
        """The report to compute with."""
        return self / ".report.json"

    @property
    def part(self) -> Path:
        """The sidecar while it grows."""
        return self.folder / f".{self.stem}.cells.part"

    @property
    def state(self) -> Path:
        """How far it has come."""
        return self.folder / f".{self.stem}.scan-state"

    @property
    def lock(self) -> Path:
        """Held by the one scan that writes here."""
        return self.folder / f".{self.stem}.scan-lock"


def scan(path: Path, places: Places, options: Options, progress: Progress | None = None) -> Outcome:
    """Scan one file; its report. Raises InputRefused, ConfigError, OSError."""
    with state.alone(places.lock):
        return _Scan(path, places, options, progress or (lambda *_: None)).run()


class _Scan:
    def __init__(self, path: Path, places: Places, options: Options, progress: Progress) -> None:
        self._path, self._places, self._options, self._progress = path, places, options, progress
        said = options.said
        how = {
            "threshold": str(options.threshold),
            "encoding": str(said.encoding),
            "delimiter": str(said.delimiter),
            "header": str(said.header),
            "copy": str(options.copy),
        }
        self._gate = Gate(options.catalogue)
        self._basis = state.basis(path, options.catalogue.version, options.judge.models, how)
        self._resumed_row = 0

    def run(self) -> Outcome:
        places, options = self._places, self._options
        if options.resume and (done := report.finished(places.json, self._basis)) and places.cells.exists():
            places.state.unlink(missing_ok=True)
            places.part.unlink(missing_ok=True)
            return done
        found = state.load(places.state) if options.resume else None
        current = found if found and found.basis == self._basis and places.part.exists() else State(self._basis)
        source = opening.opened(self._path, options.said)
        try:
            self._classify(source, current)
            self._unchanged()
            return self._finish(source, current)
        finally:
            source.close()

    def _classify(self, source: Source, current: State) -> None:
        with self._places.part.open("ab") as lines:
            self._places.part.chmod(0o600)
            lines.truncate(current.lines_bytes)
            lines.seek(0, os.SEEK_END)
            for number, table in enumerate(source.tables()):
                if number < current.done:
                    continue
                if number == len(current.tables):
                    current.tables.append(TableTally(table.name))
                self._table(table, current, lines)
                current.done = number + 1
                self._save(current, lines)

    def _table(self, table: Table, current: State, lines: Any) -> None:  # noqa: ANN401 - a binary file
        tally = current.tables[-1]
        self._resumed_row = tally.rows
        begun = saved = time.monotonic()
        for batch in table.batches(tally.rows):
            before = replace(self._options.judge.windows)
            verdicts = self._options.judge.batch(batch)
            _count(current, before, self._options.judge.windows)
            tally.add(batch, verdicts, self._options.threshold, self._gate)
            current.row_characters_max = max(current.row_characters_max, _widest(batch))
            lines.write(sidecar.lines(table.name, batch, verdicts, self._options.threshold).encode("ascii"))
            self._progress(table.name, tally.rows, table.progress())
            now = time.monotonic()
            if now - saved >= self._options.save_every_s:
                current.seconds, begun = current.seconds + now - begun, now
                self._save(current, lines)
                saved = now
        current.seconds += time.monotonic() - begun

    def _save(self, current: State, lines: Any) -> None:  # noqa: ANN401 - a binary file
        lines.flush()
        os.fsync(lines.fileno())
        current.lines_bytes = lines.tell()
        state.save(self._places.state, current)

    def _unchanged(self) -> None:
        now = self._path.stat()
        if (now.st_size, now.st_mtime_ns) != (self._basis.size, self._basis.modified_ns):
            raise InputRefused(f"{self._path} was changed while it was scanned", remedy="Scan it again.")

    def _finish(self, source: Source, current: State) -> Outcome:
        places, options = self._places, self._options
        notes = list(source.notes())
        copies: list[str] = []
        if options.copy:
            try:
                copies = [copying.copy(source, places.part, places / ".tagged", current.row_characters_max).name]
            except InputRefused as error:  # the findings stand without it
                notes.append(f"no tagged copy: {error}")
        found = report.build(
            self._path.name,
            source.kind,
            _sha256(self._path),
            current,
            options.catalogue,
            options.threshold,
            [*notes, *_notes(current)],
            {"tagged": copies, "cells": places.cells.name, "html": places.html.name},
        )
        write_private(places.html, report.html(found, options.catalogue).encode())
        write_private(places.json, report.encode(found))
        places.part.replace(places.cells)
        places.state.unlink(missing_ok=True)
        return found


def _count(current: State, before: Windows, now: Windows) -> None:
    current.windows_read += now.read - before.read
    current.windows_by_networks += now.by_networks - before.by_networks
    current.windows_passed_over += now.passed_over - before.passed_over


def _widest(batch: Batch) -> int:
    """Characters of the widest row: no more than all of the batch's, no less than its longest cell."""
    rows: dict[int, int] = {}
    for column in batch.columns.values():
        for row, cell in zip(column.rows, column.cells, strict=True):
            rows[row] = rows.get(row, 0) + len(cell)
    return max(rows.values(), default=0)


def _notes(current: State) -> list[str]:
    notes = []
    if current.windows_read:
        notes.append(
            f"long texts: {current.windows_read:,} windows of {WINDOW_CHARACTERS:,} characters, all read by patterns"
            f" and check digits; {current.windows_by_networks:,} with something written like a name or an address by"
            f" networks, too, {current.windows_passed_over:,} more were too many for them and count as free text"
        )
    for table in current.tables:
        if table.irregular:
            notes.append(
                f"{table.name}: {table.irregular:,} rows are not as the header says, or cannot be parsed; judged"
            )
        if table.replaced:
            notes.append(f"{table.name}: {table.replaced:,} cells hold bytes that are no text; kept as they are")
        if table.unread:
            notes.append(f"{table.name}: {table.unread:,} binary cells were not looked into")
    return notes


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
