"""What each part earns: the same fit scored without it, by it alone, or with another in its place.

All variants of one table and seed share their views, maps, networks and held-out rows, so that a difference between
two lines is the part's and not chance's. `augmented` alone is fitted anew: its maps also see as many rows of the
generator's as there are real ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from somgan.arrays import Floats, Floats32
from somgan.benchmark.ours import SETTINGS, split
from somgan.benchmark.protocol import LabelledTable, Task, task
from somgan.fusion import tail_curve
from somgan.generator import synthetic_rows
from somgan.metrics import auroc, average_precision
from somgan.model import SCORE_NAMES, SomGan, chunks
from somgan.piecewise import Curve
from somgan.som import MapParameters, widths2
from somgan.training import Settings, Trained, fit_layers
from somgan.views import VIEW_NAMES, fit_views

ORDER = (
    "all",
    *(f"only {name}" for name in VIEW_NAMES),
    *(f"without {name}" for name in VIEW_NAMES),
    "only nearest units",
    "only densities",
    "without generator",
    "one width a unit",
    "light tails",
    "plain sum",
    "no calibration",
    "plus discriminator",
    "generator",
    "discriminator",
    "augmented",
)
KINDS = ("nearest", "density")
Raw = dict[str, Floats]


def _log_sum(exponent: Floats) -> Floats:
    largest = exponent.max(axis=1, keepdims=True)
    return np.asarray(largest[:, 0] + np.log(np.exp(exponent - largest).sum(axis=1)), dtype=np.float64)


def other_scores(view: Floats, parameters: MapParameters) -> Raw:
    """What else a map could say of rows [n, d] in the place of its density: each [n], higher is stranger."""
    weights, features = parameters.weights, view.shape[1]
    distance2 = np.maximum((view**2).sum(axis=1)[:, None] - 2.0 * view @ weights.T + (weights**2).sum(axis=1), 0.0)
    mass = np.log(parameters.mass)
    scale2 = (parameters.spread**2).sum(axis=1)
    one_width = mass - 0.5 * features * (np.log(scale2) + distance2 / scale2)
    variance = widths2(parameters)
    squares = (view**2) @ (1.0 / variance).T - 2.0 * view @ (weights / variance).T + (weights**2 / variance).sum(axis=1)
    light = mass - 0.5 * (np.log(variance).sum(axis=1) + np.maximum(squares, 0.0))
    return {"one width a unit": -_log_sum(one_width) / features, "light tails": -_log_sum(light) / features}


def raw_scores(trained: Trained, x: Floats32) -> Raw:
    """Every uncalibrated score of rows [n, d], by name: `kind view`, generator and discriminator."""
    collected: dict[str, list[Floats]] = {}
    model = trained.model
    with torch.no_grad():
        for chunk in chunks(model, x):
            for name, values in _chunk_scores(model, trained.maps, chunk).items():
                collected.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def _chunk_scores(model: SomGan, maps: Sequence[MapParameters], chunk: torch.Tensor) -> Raw:
    z = model.input_layer.standardise(chunk)
    result: Raw = dict(zip(SCORE_NAMES, model.raw_scores(chunk).numpy().astype(np.float64).T, strict=True))
    result["discriminator"] = -model.discriminator(z).numpy().astype(np.float64)
    for name, view, parameters in zip(VIEW_NAMES, model.input_layer.views(z), maps, strict=True):
        for variant, values in other_scores(view.numpy().astype(np.float64), parameters).items():
            result[f"{variant} {name}"] = values
    return result


def surprise(curve: Curve, scores: Floats) -> Floats:
    """Apply a tail curve in float64: between its knots by line, beyond them by its slopes."""
    beyond = np.maximum(scores - curve.x[-1], 0.0) * curve.slope_above
    return np.asarray(np.interp(scores, curve.x, curve.y) + beyond, dtype=np.float64)


def variants(held_out: Raw, test: Raw) -> Raw:
    """Fuse the scores of test rows in every way of ORDER but `augmented`, tails from those of held-out rows."""
    sure = {name: surprise(tail_curve(held_out[name]), scores) for name, scores in test.items()}

    def fused(*names: str) -> Floats:
        return np.asarray(sum(sure[name] ** 2 for name in names), dtype=np.float64)

    def maps(kinds: Sequence[str] = KINDS, views: Sequence[str] = VIEW_NAMES) -> list[str]:
        return [f"{kind} {view}" for view in views for kind in kinds]

    result = {"all": fused(*SCORE_NAMES)}
    for name in VIEW_NAMES:
        result[f"only {name}"] = fused(*maps(views=[name]))
        result[f"without {name}"] = fused(*maps(views=[view for view in VIEW_NAMES if view != name]), "generator")
    for variant, kinds in (("only nearest units", ["nearest"]), ("only densities", ["density"])):
        result[variant] = fused(*maps(kinds))
    for variant in ("one width a unit", "light tails"):
        result[variant] = fused(*maps(["nearest", variant]), "generator")
    result["without generator"] = fused(*maps())
    result["plain sum"] = np.asarray(sum(sure[name] for name in SCORE_NAMES), dtype=np.float64)
    result["no calibration"] = np.asarray(sum(test[name] for name in SCORE_NAMES), dtype=np.float64)
    result["plus discriminator"] = fused(*SCORE_NAMES, "discriminator")
    return result | {name: test[name] for name in ("generator", "discriminator")}


def _one(job: Task, settings: Settings) -> Raw:
    kept, held = split(job.train, settings.seed)
    rows, test = np.concatenate([kept, held]), job.test.astype(np.float32)
    views = fit_views(rows.astype(np.float64))
    twin = fit_layers(kept, settings, lambda _line: None, views)
    whole = fit_layers(rows, settings, lambda _line: None, views, twin.model)
    result = variants(raw_scores(twin, held), raw_scores(whole, test))
    layer = whole.model.input_layer
    for model, real in ((twin, kept), (whole, rows)):
        drawn = synthetic_rows(twin.model.generator, model.maps[0], len(real), settings.seed)
        more = np.concatenate([real, layer.raw(drawn).numpy()]).astype(np.float32)
        model.maps[:] = (augmented := fit_layers(more, settings, lambda _line: None, views, twin.model)).maps
        model.model.competition = augmented.model.competition
    result["augmented"] = variants(raw_scores(twin, held), raw_scores(whole, test))["all"]
    return result


def run(
    tables: Sequence[LabelledTable], seeds: int, progress: Callable[[str], None], settings: Settings = SETTINGS
) -> dict[str, dict[str, dict[str, float]]]:
    """Return AUROC and AP by variant and table, means over seeds."""
    result: dict[str, dict[str, dict[str, float]]] = {name: {} for name in ORDER}
    for number, table in enumerate(tables, 1):
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ORDER}
        for seed in range(seeds):
            job = task(table, seed)
            for name, score in _one(job, replace(settings, seed=seed)).items():
                figures[name].append((auroc(score, job.anomalous), average_precision(score, job.anomalous)))
        for name, runs in figures.items():
            means = np.mean(runs, axis=0)
            result[name][table.name] = {"auroc": float(means[0]), "ap": float(means[1])}
        progress(f"table {number}/{len(tables)} {table.name}: all {result['all'][table.name]}")
    return result


def summary(results: dict[str, dict[str, dict[str, float]]]) -> dict[str, object]:
    """Means over tables of each variant."""
    variants_ = {
        name: {
            f"{key}_mean": round(float(np.mean([figures[key] for figures in by_table.values()])), 6)
            for key in ("auroc", "ap")
        }
        for name, by_table in results.items()
    }
    return {"tables": len(results["all"]), "variants": variants_}


def lines(results: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Write a markdown table: each variant's means and its difference to all parts together, in percent."""
    means = {
        name: tuple(100 * float(np.mean([figures[key] for figures in by_table.values()])) for key in ("auroc", "ap"))
        for name, by_table in results.items()
    }
    base = means["all"]
    head = ["| variant | AUROC | AP | difference |", "|---|---|---|---|"]
    return head + [
        f"| {name} | {one:.2f} | {two:.2f} | {one - base[0]:+.2f} / {two - base[1]:+.2f} |"
        for name, (one, two) in means.items()
    ]
