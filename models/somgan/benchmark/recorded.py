"""Put what was measured on other people's data into the manifests and cards of the models that are shipped."""

import json
from pathlib import Path
from typing import Any

from somgan.errors import DataError
from somgan.evaluation import record
from somgan.manifest import MANIFEST_NAME

REMEDY = "`make bench-detector` writes them."
TITLES = {
    "tables": "labelled tables",
    "video": "Ped2 video",
    "transactions": "card transactions",
    "ablation": "labelled tables, by part",
}
FIGURES = ("detectors", "variants")


def put(reports: Path, models: Path) -> list[str]:
    """Read the reports there are in a folder, write them into every model below another, and say where.

    Raises: DataError: no report, no model, or a file that is not what a benchmark prints last.

    """
    figures = {title: table for name, title in TITLES.items() if (table := _table(reports / f"{name}.json"))}
    folders = sorted(path.parent for path in models.glob(f"*/{MANIFEST_NAME}"))
    if not figures or not folders:
        msg = f"{reports}: {len(figures)} reports; {models}: {len(folders)} models"
        raise DataError(msg, remedy=REMEDY)
    for folder in folders:
        record(folder, figures, "benchmark")
    return [f"{folder}: {', '.join(figures)}" for folder in folders]


def _table(path: Path) -> dict[str, dict[str, float]]:
    """Read one report's plain figures by detector or variant; empty where the file is not there."""
    if not path.exists():
        return {}
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rows = next(report[key] for key in FIGURES if key in report)
        table = {name: _plain(row) for name, row in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError, StopIteration) as error:
        msg = f"{path}: no report of a benchmark: {error}"
        raise DataError(msg, remedy=REMEDY) from error
    if len({tuple(row) for row in table.values()}) != 1:
        msg = f"{path}: not the same figures of every detector"
        raise DataError(msg, remedy=REMEDY)
    return table


def _plain(row: dict[str, Any]) -> dict[str, float]:
    return {key: float(figure) for key, figure in row.items() if not isinstance(figure, dict)}
