"""One job in a process of its own: `python -m kiosk_cloud.protect.web.worker`, told by one JSON line on standard input.

A file that brings a reader down, or would take too much memory or time, ends this process and nothing else. The table
is in clear in memory only (`folder` is on a tmpfs); what comes of it goes to the vault. Says one JSON object a line:
`{"rows", "share"}` while it works, then `{"done": {...}}` or `{"error": "..."}`.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from kiosk.errors import KioskError
from kiosk.protection import gate, logs
from kiosk.protection.catalogue import Catalogue
from kiosk_cloud.protect import scanning, sidecar
from kiosk_cloud.protect.judging import Judge
from kiosk_cloud.protect.reading import opening
from kiosk_cloud.protect.scanning import Options, Places
from kiosk_cloud.protect.tables import LongText
from kiosk_cloud.protect.web.vault import Vault

UPLOAD, TAGGED, CELLS, REPORT, HTML, REVIEW = "upload", "tagged", "cells", "report", "html", "review"
RESULTS: Final = (TAGGED, CELLS, REPORT, HTML, REVIEW)
REVIEW_ROWS: Final = 100
REVIEW_COLUMNS: Final = 40
REVIEW_TABLES: Final = 10
REVIEW_CHARACTERS: Final = 200
_PIECE: Final = 1 << 18


def main() -> None:
    """Standard input: `{"job", "suffix", "folder", "files", "key", "models", "catalogue", ...}`."""
    task: dict[str, Any] = json.loads(sys.stdin.readline())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be the table in clear
    resource.setrlimit(resource.RLIMIT_AS, (task["memory_bytes_max"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (task["job_s_max"],) * 2)
    os.umask(0o077)
    logs.set_up()  # a fault of ours is told on standard error, through the gate
    try:
        say(done=work(task))
    except KioskError as error:
        say(error=_clean(str(error), task["folder"]))
    except MemoryError:
        say(error="The table takes more memory than a job may have. Split it.")


def say(**what: object) -> None:
    """One line."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _clean(text: str, folder: str) -> str:
    return gate.mask(text.replace(f"{folder}/", "").replace(folder, ""))


def work(task: dict[str, Any]) -> dict[str, Any]:
    """Judge the table of a job; grade and rows."""
    job, folder = task["job"], Path(task["folder"])
    kept = Vault(Path(task["files"]), bytes.fromhex(task["key"]))
    path = folder / f"table{task['suffix']}"
    with path.open("wb") as file:
        file.writelines(kept.read(f"{job}.{UPLOAD}"))
    judge = Judge.load(Path(task["models"]) if task["models"] else None)
    catalogue = Catalogue.load(Path(task["catalogue"]) if task["catalogue"] else None)
    places = Places.of(path, None)

    def progress(_: str, rows: int, share: float) -> None:
        say(rows=rows, share=round(share, 4))

    found = scanning.scan(path, places, Options(judge, catalogue), progress)
    kept.write(f"{job}.{REVIEW}", [json.dumps(list(review(path, places.cells))).encode()])
    kept.write(f"{job}.{CELLS}", pieces(places.cells))
    kept.write(f"{job}.{HTML}", pieces(places.html))
    for name in found["outputs"]["tagged"]:
        kept.write(f"{job}.{TAGGED}", pieces(places.folder / name))
    kept.write(f"{job}.{REPORT}", pieces(places.json))  # last: with it the results are whole
    grades = [grade.id for grade in catalogue.grades]
    worst = max((table["grade"] for table in found["tables"]), key=grades.index, default=grades[0])
    return {"grade": worst, "rows": sum(table["rows"] for table in found["tables"])}


def pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def review(path: Path, cells: Path) -> Iterator[dict[str, Any]]:
    """The first rows of each table with their cells' texts, for whoever reviews them."""
    source = opening.opened(path)
    try:
        tags = {(tag.table, tag.row, tag.column): tag for tag in _first(cells)}
        for table in source.tables()[:REVIEW_TABLES]:
            batch = next(table.batches(), None)
            names = list(batch.columns)[:REVIEW_COLUMNS] if batch else []
            rows: dict[int, list[Any]] = {}
            for place, name in enumerate(names):
                assert batch is not None
                column = batch.columns[name]
                for row, cell in zip(column.rows, column.cells, strict=True):
                    if row > REVIEW_ROWS:
                        break
                    tag = tags.get((table.name, row, name))
                    text = cell.parts[0] if isinstance(cell, LongText) else cell
                    shown = text[:REVIEW_CHARACTERS].encode(errors="replace").decode()
                    found = [shown, tag.kind if tag else "other", tag.score if tag else None]
                    rows.setdefault(row, [None] * len(names))[place] = found
            yield {"table": table.name, "columns": names, "rows": sorted(rows.items())}
    finally:
        source.close()


def _first(cells: Path) -> Iterator[sidecar.Tag]:
    for tag in sidecar.read(cells):
        if tag.row <= REVIEW_ROWS:
            yield tag


if __name__ == "__main__":
    main()
