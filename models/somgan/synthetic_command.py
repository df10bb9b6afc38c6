"""`python -m somgan synthetic`: train on a table, draw synthetic rows, say how good and how revealing they are."""

import argparse
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np

from somgan.arrays import Floats32
from somgan.conformal import Split, split_deposits
from somgan.data import Table, read_features, read_table, read_tables, sidecar_path
from somgan.generator import GeneratorSettings
from somgan.promise import Promise
from somgan.som import MapShape
from somgan.synthetic import report, rows_of, utility
from somgan.train_command import PRIVATE_SIZES, SIZES
from somgan.training import Settings, fit


def synthetic(options: argparse.Namespace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Write the table of synthetic rows (each its own deposit) and its sidecar; return the report."""
    data, out = options.data, options.out
    table = read_table(data)
    promise = None if options.epsilon is None else Promise(options.epsilon, options.delta)
    side, steps = PRIVATE_SIZES if promise else SIZES
    steps = steps if options.steps is None else options.steps
    features = read_features(sidecar_path(data), table.names)
    resolution = tuple(feature.resolution for feature in features)
    settings = Settings(MapShape(side, side, 0.7), GeneratorSettings(steps=steps), options.seed, resolution)
    split = split_deposits(table, options.seed)
    rows = _rows(table, split, settings, promise, options.rows, progress)
    np.savez_compressed(out, X=rows, deposit=np.arange(rows.shape[0]), names=np.array(table.names))
    shutil.copyfile(sidecar_path(data), sidecar_path(out))
    training, unseen = (table.x[table.rows(part)] for part in (split.fit, split.calibrate))
    result: dict[str, Any] = {"rows": rows.shape[0], "epsilon": options.epsilon}
    # Compared with real rows: the report is for whoever holds them, and no part of what may be shared.
    result |= report(rows, training, unseen, options.seed)
    if options.evaluate:
        result["utility"] = utility(rows, training, read_tables(options.evaluate), options.seed, progress)
    return result


def _rows(
    table: Table,
    split: Split,
    settings: Settings,
    promise: Promise | None,
    count: int,
    progress: Callable[[str], None],
) -> Floats32:
    if promise is None:
        fitted = fit(table.x[table.rows(split.fit)], table.x[table.rows(split.tails)], settings, progress)
        return rows_of(fitted, count, settings.seed)
    from somgan.private_artifacts import fitted_privately  # noqa: PLC0415 - needs dp-accounting

    return rows_of(fitted_privately(table, split, settings, promise, progress).trained, count, settings.seed)
