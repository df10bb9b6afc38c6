"""Fitting, in this order: views, maps, generator against discriminator; then the tails, on other rows."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from somgan.arrays import Floats, Floats32
from somgan.fusion import tail_curve
from somgan.generator import AVERAGE_DECAY, Adversaries, GeneratorSettings, average_into, map_rows
from somgan.model import SomGan, raw_scores
from somgan.som import MapParameters, MapShape, fit_map
from somgan.views import LIMIT, VIEW_NAMES, ViewParameters, Views, fit_views

Progress = Callable[[str], None]
PROGRESS_STEPS = 500
POOL_ROWS_MAX = 100_000
RANK_CELLS = 65_536  # rows times features at a time


@dataclass(frozen=True)
class Settings:
    """Everything a training run can be told, besides its data."""

    shape: MapShape = field(default_factory=MapShape)
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)
    seed: int = 1
    resolution: tuple[float, ...] = ()  # of the features, raw units; see `fit_views`


@dataclass(frozen=True)
class Trained:
    """A fitted model with the parameters its quality report looks at."""

    model: SomGan
    maps: list[MapParameters]


def fit(x: Floats32, held_out: Floats32, settings: Settings, progress: Progress) -> Trained:
    """Train on normal rows `x` [n, d], calibrate the tails on others, `held_out` [m, d]. Same seed, same model."""
    trained = fit_layers(x, settings, progress)
    calibrate_tails(trained.model, held_out)
    return trained


def fit_layers(
    x: Floats32, settings: Settings, progress: Progress, views: ViewParameters | None = None, twin: SomGan | None = None
) -> Trained:
    """Train every layer on normal rows `x` [n, d]; the model still lacks its tails.

    `views` are taken instead of fitted, and the networks of `twin`, which has the same views, instead of trained.
    """
    torch.manual_seed(settings.seed)
    # One thread: sums in a fixed order (same seed, same model), and small matrices are no slower.
    torch.set_num_threads(1)
    view_parameters = views or fit_views(x.astype(np.float64), settings.resolution)
    with torch.no_grad():
        layer = Views(view_parameters)
        standardised = layer.standardise(torch.tensor(x))
        seen = [in_chunks(layer, index, standardised) for index in range(len(VIEW_NAMES))]
    maps = []
    for name, view in zip(VIEW_NAMES, seen, strict=True):
        maps.append(fit_map(view, settings.shape))
        progress(f"map {name}: stable after {maps[-1].epochs_run} epochs")
    if twin is None:
        players = _play(standardised, maps[0], settings, progress)
        generator, discriminator = players.generator, players.discriminator
    else:
        generator, discriminator = twin.generator, twin.discriminator
    extremes = (seen[0].min(axis=0), seen[0].max(axis=0))
    return Trained(SomGan(view_parameters, maps, generator, discriminator, extremes).eval(), maps)


def calibrate_tails(model: SomGan, held_out: Floats32) -> None:
    """Fit the fusion's tails on held-out normal rows."""
    model.set_tails([tail_curve(column) for column in raw_scores(model, held_out).T])


def in_chunks(layer: Views, index: int, standardised: torch.Tensor) -> Floats:
    """Return one view of all rows in float64; in chunks, since the rank view needs 32 numbers a cell on the way."""
    rows = max(1, RANK_CELLS // standardised.shape[1])
    chunks = [layer.views(chunk)[index].numpy() for chunk in torch.split(standardised, rows)]
    return np.concatenate(chunks).astype(np.float64)


def _play(standardised: torch.Tensor, primary: MapParameters, settings: Settings, progress: Progress) -> Adversaries:
    """Train generator and discriminator against each other; the generator kept is the average of its last steps."""
    chance = torch.Generator().manual_seed(settings.seed)
    rules = settings.generator
    players = Adversaries.of(standardised.shape[1], rules)
    average = copy.deepcopy(players.generator)
    rows = standardised.clamp(-LIMIT / 3, LIMIT / 3)  # a stray extreme row must not own the loss
    pool = map_rows(primary, min(POOL_ROWS_MAX, 4 * rows.shape[0]), settings.seed)
    for step in range(1, rules.steps + 1):
        batch = rows[torch.randint(rows.shape[0], (rules.batch_rows,), generator=chance)]
        proposed = pool[torch.randint(pool.shape[0], (rules.batch_rows,), generator=chance)]
        for optimiser in (players.generator_optimiser, players.discriminator_optimiser):
            for group in optimiser.param_groups:
                group.setdefault("initial", group["lr"])
                group["lr"] = group["initial"] * 0.5 * (1.0 + np.cos(np.pi * step / (rules.steps + 1)))
        denoising, judged = players.step(batch, proposed, rules, chance)
        average_into(average, players.generator, min(AVERAGE_DECAY, 1.0 - 1.0 / (step + 1)))
        if step % PROGRESS_STEPS == 0:
            progress(f"generator step {step}/{rules.steps}: denoising {denoising:.3f}, discriminator {judged:.3f}")
    players.generator = average
    return players
