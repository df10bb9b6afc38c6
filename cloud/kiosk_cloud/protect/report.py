"""The report of a scan: JSON for programs, one HTML file for people; counts, grades and shapes, no cell's text.

The HTML needs nothing else: style inside (named by its hash in the page's own security policy), pictures as SVG.
"""

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jinja2
import msgspec

from kiosk.protection.catalogue import Catalogue
from kiosk.protection.egress import Gate
from kiosk.protection.kinds import OTHER
from kiosk.protection.table_grade import grade_table
from kiosk_cloud.protect.colours import colour
from kiosk_cloud.protect.state import Basis, State
from kiosk_cloud.protect.tally import Example, TableTally

FORMAT: Final = "kiosk-protect-report-1"
_TEMPLATES: Final = resources.files(__package__) / "templates"
STYLE: Final = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
Report = dict[str, Any]


def build(
    name: str,
    kind: str,
    sha256: str,
    current: State,
    catalogue: Catalogue,
    threshold: float,
    notes: list[str],
    outputs: dict[str, Any],
) -> Report:
    """All that is known of a finished scan. Names that could be somebody's data pass the gate."""
    cells = sum(table.cells for table in current.tables)
    gate = Gate(catalogue)
    return {
        "format": FORMAT,
        "file": gate.text(name, "table").text,
        "kind": kind,
        "sha256": sha256,
        "catalogue": catalogue.version,
        "models": current.basis.models,
        "threshold": threshold,
        "cells": cells,
        "seconds": round(current.seconds, 3),
        "cells_per_second": round(cells / current.seconds) if current.seconds > 0 else None,
        "notes": [gate.text(note, "table").text for note in notes],
        "outputs": outputs,
        "tables": [_table(table, catalogue, gate) for table in current.tables],
        "basis": msgspec.to_builtins(current.basis),
    }


def _table(tally: TableTally, catalogue: Catalogue, gate: Gate) -> Report:
    counts = tally.counts()
    grade = grade_table({kind: count for kind, count in counts.items() if kind != OTHER}, tally.rows, catalogue)
    return {
        "name": gate.text(tally.name, "table").text,
        "rows": tally.rows,
        "cells": tally.cells,
        "grade": grade.grade,
        "score": round(grade.score, 3),
        "reasons": list(grade.reasons),
        "kinds": counts,
        "columns": [
            {
                "name": column.name,
                "kinds": dict(sorted(column.kinds.items(), key=lambda item: (-item[1], item[0]))),
                "unsure": column.unsure,
                "examples": msgspec.to_builtins(column.examples),
                "sample": msgspec.to_builtins(column.sample),
            }
            for column in tally.columns.values()
        ],
    }


def encode(report: Report) -> bytes:
    """The JSON file."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def finished(path: Path, basis: Basis) -> Report | None:
    """The report that lies there if it is of this input, by these models, catalogue and options; else None."""
    try:
        found = msgspec.json.decode(path.read_bytes())
        same = found["format"] == FORMAT and msgspec.convert(found["basis"], Basis) == basis
    except (OSError, msgspec.MsgspecError, KeyError, TypeError):
        return None
    return dict(found) if same else None


def html(report: Report, catalogue: Catalogue, language: str = "en") -> str:
    """The page."""
    loader = jinja2.FunctionLoader(lambda name: (_TEMPLATES / name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    titles = {kind: entry.title.get(language, kind) for kind, entry in catalogue.kinds.items()}
    return environment.get_template("report.html").render(
        report=report,
        style=_Safe(STYLE),
        style_hash=STYLE_HASH,
        bars=bars,
        sample=sample,
        colour=colour,
        title=lambda kind: titles.get(kind, kind),
        grade_title=lambda grade: next(
            (each.title.get(language, "") for each in catalogue.grades if each.id == grade), ""
        ),
        other=OTHER,
    )


class _Safe(str):
    """Our own style sheet, not to be escaped."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def bars(kinds: dict[str, int]) -> Iterator[tuple[str, int, float, float]]:
    """(kind, cells, width in percent of the longest, y) of each protected kind, for the picture."""
    shown = [(kind, count) for kind, count in kinds.items() if kind != OTHER]
    longest = max((count for _, count in shown), default=1)
    for number, (kind, count) in enumerate(shown):
        yield kind, count, max(0.5, 100 * count / longest), 28.0 * number


def sample(columns: list[Report]) -> tuple[list[str], list[tuple[int, list[Example | None]]]]:
    """Column names and rows of the coloured picture of the table's beginning."""
    shown = [column for column in columns if column["sample"]]
    rows: dict[int, list[Example | None]] = {}
    for place, column in enumerate(shown):
        for each in column["sample"]:
            example = msgspec.convert(each, Example)
            rows.setdefault(example.row, [None] * len(shown))[place] = example
    return [column["name"] for column in shown], sorted(rows.items(), key=lambda item: item[0])
