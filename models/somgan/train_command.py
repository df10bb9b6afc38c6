"""`python -m somgan train`: everything here needs torch, so `__main__` imports it only when it is called."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from somgan.artifacts import Request, build
from somgan.data import read_features, read_table, read_tables, sidecar_path
from somgan.generator import GeneratorSettings
from somgan.promise import Promise
from somgan.som import MapShape
from somgan.training import Settings

SIZES = (24, 3000)  # side of the map, generator steps
PRIVATE_SIZES = (12, 600)  # fewer units and steps, less noise in each


def train(options: argparse.Namespace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train as the options say and return the manifest written to `options.out`."""
    data: Path = options.data
    whole = read_table(data)
    without = [name for name in options.without.split(",") if name]
    table = whole.without(without)
    promise = None if options.epsilon is None else Promise(options.epsilon, options.delta)
    side, steps = PRIVATE_SIZES if promise else SIZES
    options.map, options.steps = options.map or side, steps if options.steps is None else options.steps
    features = tuple(one for one in read_features(sidecar_path(data), whole.names) if one.name in table.names)
    settings = Settings(
        shape=MapShape(options.map, options.map, options.sigma_final, options.epochs),
        generator=GeneratorSettings(steps=options.steps),
        seed=options.seed,
        resolution=tuple(feature.resolution for feature in features),
    )
    request = Request(
        stream=options.stream,
        table=table,
        features=features,
        data_name=data.name,
        command=_command(options),
        smoothing_rows=options.smoothing_rows,
        evaluation=read_tables(options.evaluate).without(without) if options.evaluate else None,
    )
    return build(request, settings, options.out, progress, promise)


def _command(options: argparse.Namespace) -> str:
    """Return the command that makes this artifact again, with every setting and without this machine's folders."""
    words = ["python -m somgan train", f"--data {options.data.name}", f"--stream {options.stream}"]
    words += [f"--seed {options.seed}", f"--map {options.map}", f"--sigma-final {options.sigma_final}"]
    words += [f"--epochs {options.epochs}", f"--steps {options.steps}", f"--smoothing-rows {options.smoothing_rows}"]
    if options.without:
        words.append(f"--without {options.without}")
    if options.epsilon is not None:
        words.append(f"--epsilon {options.epsilon:g} --delta {options.delta:g}")
    return " ".join(words)
