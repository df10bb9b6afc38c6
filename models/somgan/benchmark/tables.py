"""Run detectors over a folder of tables and sum the figures up."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from somgan.benchmark import peers
from somgan.benchmark.protocol import LabelledTable, task
from somgan.metrics import auroc, average_precision

Figures = dict[str, float]
TIMED = ("fit_seconds", "microseconds_per_row")


def run(
    tables: Sequence[LabelledTable], names: Sequence[str], seeds: int, progress: Callable[[str], None]
) -> dict[str, dict[str, Figures]]:
    """Return figures by detector and table, each the mean of `seeds` runs.

    Table by table, all detectors on each, so that whoever watches can compare early.
    """
    for name in names:
        peers.make(name, 0, 2)  # what is misspelt or not installed is said before an hour of work
    result: dict[str, dict[str, Figures]] = {name: {} for name in names}
    for number, table in enumerate(tables, 1):
        for name in names:
            runs = [_one(table, name, seed) for seed in range(seeds)]
            figures = {key: float(np.mean([one[key] for one in runs])) for key in runs[0]}
            result[name][table.name] = figures
            progress(
                f"table {number}/{len(tables)} {table.name}: {name} AUROC {figures['auroc']:.4f}, "
                f"AP {figures['ap']:.4f}, fitted in {figures['fit_seconds']:.1f} s"
            )
    return result


def _one(table: LabelledTable, name: str, seed: int) -> Figures:
    job = task(table, seed)
    detector = peers.make(name, seed, job.train.shape[1])
    started = time.perf_counter()
    detector.fit(job.train)
    fitted = time.perf_counter()
    score = detector.score(job.test)
    scored = time.perf_counter()
    return {
        "auroc": auroc(score, job.anomalous),
        "ap": average_precision(score, job.anomalous),
        "fit_seconds": fitted - started,
        "microseconds_per_row": (scored - fitted) * 1e6 / score.size,
    }


def summary(results: dict[str, dict[str, Figures]]) -> dict[str, Any]:
    """Means over tables, and the mean rank by AUROC among the detectors of this run (1 is best, ties share)."""
    names = list(results)
    tables = list(results[names[0]])
    places = {name: [_place(name, table, results) for table in tables] for name in names}
    return {
        "tables": len(tables),
        "detectors": {
            name: {
                "auroc_mean": _mean(results[name], "auroc"),
                "ap_mean": _mean(results[name], "ap"),
                "rank_mean": round(float(np.mean(places[name])), 3),
                **{key: _mean(results[name], key) for key in TIMED},
                "per_table": {
                    table: {key: round(value, 6) for key, value in figures.items()}
                    for table, figures in results[name].items()
                },
            }
            for name in names
        },
    }


def _mean(by_table: dict[str, Figures], key: str) -> float:
    return round(float(np.mean([figures[key] for figures in by_table.values()])), 6)


def _place(name: str, table: str, results: dict[str, dict[str, Figures]]) -> float:
    own = results[name][table]["auroc"]
    others = [results[other][table]["auroc"] for other in results if other != name]
    return 1.0 + sum(other > own for other in others) + 0.5 * sum(other == own for other in others)


def lines(report: dict[str, Any], listed: dict[str, float]) -> list[str]:
    """Say the report to a person; `listed` are published mean AUROCs over the same tables."""
    result = [f"{'detector':<12} {'AUROC':>7} {'AP':>7} {'rank':>6} {'fit s':>8} {'us/row':>8}"]
    for name, figures in sorted(report["detectors"].items(), key=lambda item: -item[1]["auroc_mean"]):
        result.append(
            f"{name:<12} {figures['auroc_mean']:7.4f} {figures['ap_mean']:7.4f} {figures['rank_mean']:6.2f} "
            f"{figures['fit_seconds']:8.2f} {figures['microseconds_per_row']:8.1f}"
        )
    best = sorted(listed, key=lambda method: -listed[method])[:3]
    return result + [f"{method:<12} {listed[method]:7.4f}  (published)" for method in best]
