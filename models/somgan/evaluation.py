"""Evaluate an exported model on deposits with known dangers: what the kiosk would have said. Needs no torch."""

from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Bools, Floats, Ints
from somgan.card import card
from somgan.conformal import ALPHA_HIGH, ALPHA_MEDIUM, deposit_maxima, p_value
from somgan.data import Table
from somgan.errors import ArtifactError, DataError
from somgan.manifest import CARD_NAME, MANIFEST_NAME, read_manifest, write_json
from somgan.metrics import auroc, average_precision
from somgan.runtime import OnnxModel

NORMAL_WORDS = ("", "normal", "none")


def evaluate(folder: Path, table: Table) -> dict[str, Any]:
    """Return per-deposit AUROC and AP, false-alarm rate at both alphas, detection rate by kind of danger.

    A deposit is dangerous if any of its rows has y = 1; its kinds are the `what` of those rows.

    Raises:
        ArtifactError: the model is damaged or was trained on other features.
        DataError: the table has no labels.

    """
    manifest = read_manifest(folder)
    names = tuple(feature["name"] for feature in manifest["features"])
    if names != table.names:
        msg = f"{folder}: trained on {', '.join(names)}; the table has {', '.join(table.names)}"
        raise ArtifactError(msg, remedy="Make the table with the same `kiosk features`, or train again.")
    if table.y is None or table.what is None:
        msg = "the table has no y and what"
        raise DataError(msg, remedy="Evaluate on a table that was made with events.")
    outputs = OnnxModel(folder / manifest["onnx"]).run(table.x)
    calibration = manifest["calibration"]
    deposits, maxima = deposit_maxima(outputs.score, table.deposit, calibration["smoothing_rows"])
    p = p_value(maxima, np.array(calibration["deposit_max_scores"]))
    danger = np.array([bool(table.y[table.deposit == identity].any()) for identity in deposits])
    return {
        "stream": manifest["stream"],
        "deposits": int(deposits.size),
        "normal": int((~danger).sum()),
        "dangers": int(danger.sum()),
        "auroc_deposit": _rounded(auroc(maxima, danger)),
        "ap_deposit": _rounded(average_precision(maxima, danger)),
        "auroc_row": _rounded(auroc(outputs.score, table.y > 0)),
        "false_alarm_medium": _share(p[~danger] <= ALPHA_MEDIUM),
        "false_alarm_high": _share(p[~danger] <= ALPHA_HIGH),
        "detection": _by_kind(table, deposits, maxima, p, danger),
        "parts_auroc_row": _parts(outputs.view_scores, table.y > 0, manifest.get("parts", [])),
    }


def record(folder: Path, report: dict[str, Any], key: str = "evaluation") -> None:
    """Put a report into the manifest and write the card anew; the graph and its hash stay as they are."""
    manifest = {**read_manifest(folder), key: report}
    write_json(folder / MANIFEST_NAME, manifest)
    (folder / CARD_NAME).write_text(card(manifest), encoding="utf-8")


def _by_kind(table: Table, deposits: Ints, maxima: Floats, p: Floats, danger: Bools) -> dict[str, Any]:
    """For each kind of danger: how many deposits have it, AUROC against the normal ones, share graded."""
    if table.y is None or table.what is None:
        return {}
    labelled = table.y > 0
    result: dict[str, Any] = {}
    for kind in sorted(set(table.what[labelled].tolist()) - set(NORMAL_WORDS)):
        with_it = np.isin(deposits, table.deposit[labelled & (table.what == kind)])
        judged = with_it | ~danger
        result[kind] = {
            "n": int(with_it.sum()),
            "auroc": _rounded(auroc(maxima[judged], with_it[judged])),
            "medium_or_high": _share(p[with_it] <= ALPHA_MEDIUM),
            "high": _share(p[with_it] <= ALPHA_HIGH),
        }
    return result


def _parts(view_scores: Floats, danger: Bools, names: list[str]) -> dict[str, float | None]:
    return {name: _rounded(auroc(view_scores[:, index], danger)) for index, name in enumerate(names)}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


def _share(hits: Bools) -> float | None:
    return None if hits.size == 0 else round(float(hits.mean()), 4)
