"""The whole SOM-GAN as one torch module: raw features in, everything the kiosk shows out."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from somgan.arrays import Floats, Floats32
from somgan.discriminator import Discriminator
from somgan.fusion import Fusion
from somgan.generator import Generator, NearestNormal
from somgan.piecewise import Curve
from somgan.som import CompetitionLayer, MapParameters
from somgan.views import VIEW_NAMES, ViewParameters, Views

PART_NAMES = (*VIEW_NAMES, "generator")
SCORES_PER_VIEW = 2
SCORE_NAMES = (*(f"{score} {view}" for view in VIEW_NAMES for score in ("nearest", "density")), "generator")
GROUPS = (*(part for part in range(len(VIEW_NAMES)) for _ in range(SCORES_PER_VIEW)), len(VIEW_NAMES))
OUTPUT_NAMES = ("score", "bmu", "nearest_normal", "discriminator", "view_scores")
CHUNK_CELLS = 2_000_000  # rows times units times features at a time: what stays near a processor's cache


class SomGan(nn.Module):
    """Input layer, competition layer per view, generator, discriminator and fusion.

    The best-matching unit and the nearest normal are those of the first view's map (standardised), the one that is
    drawn.
    """

    def __init__(
        self,
        views: ViewParameters,
        maps: list[MapParameters],
        generator: Generator,
        discriminator: Discriminator,
        ranges: tuple[Floats, Floats],
    ) -> None:
        super().__init__()
        self.input_layer = Views(views)
        self.competition = nn.ModuleList([CompetitionLayer(parameters) for parameters in maps])
        self.generator = generator
        self.discriminator = discriminator
        self.nearest = NearestNormal(*ranges)
        self.fusion: Fusion | None = None

    def set_tails(self, curves: list[Curve]) -> None:
        """Give the fusion its calibrated tails, one per column of `raw_scores`."""
        self.fusion = Fusion(curves, GROUPS)

    def raw_scores(self, x: torch.Tensor) -> torch.Tensor:
        """Raw rows [n, d] -> uncalibrated scores [n, 9] in the order of SCORE_NAMES."""
        return self._layers(x)[0]

    def shares(self, x: torch.Tensor) -> torch.Tensor:
        """Raw rows [n, d] -> each part's share of the score [n, 5], nats, in the order of PART_NAMES."""
        return self._fused(self.raw_scores(x))

    def _fused(self, scores: torch.Tensor) -> torch.Tensor:
        if self.fusion is None:
            msg = "set_tails first: scores are not calibrated"
            raise RuntimeError(msg)
        return self.fusion(scores)

    def _layers(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        z = self.input_layer.standardise(x)
        scores: list[torch.Tensor] = []
        unit = z
        for index, (layer, view) in enumerate(zip(self.competition, self.input_layer.views(z), strict=True)):
            scores += layer.scores(view)
            if index == 0:
                unit = torch.argmin(layer(view), dim=1)
        scores.append(self.generator.score(z))
        return torch.stack(scores, dim=1), unit, z

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Raw rows [n, d] -> the outputs named by OUTPUT_NAMES.

        score [n] nats; bmu int64 [n, 2] (row, column); nearest_normal [n, d] raw units; discriminator [n] probability
        of real; view_scores [n, 5] nats in the order of PART_NAMES, summing to the score.
        """
        scores, unit, z = self._layers(x)
        parts = self._fused(scores)
        primary = self.competition[0]
        nearest = self.input_layer.raw(self.nearest(z, unit, primary, self.generator))
        real = torch.sigmoid(self.discriminator(z))
        return parts.sum(dim=1), primary.coordinates[unit], nearest, real, parts


def chunks(model: SomGan, x: Floats32) -> list[torch.Tensor]:
    """Split rows [n, d] so that no layer holds more than CHUNK_CELLS differences at a time."""
    units, features = model.competition[0].weights.shape
    return list(torch.split(torch.tensor(x), max(1, CHUNK_CELLS // (units * features))))


def batched(model: SomGan, x: Floats32) -> list[Floats]:
    """Run the model over rows [n, d] in bounded chunks; return its outputs as arrays of n rows."""
    model.eval()
    with torch.no_grad():
        outputs = [[part.numpy() for part in model(chunk)] for chunk in chunks(model, x)]
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def raw_scores(model: SomGan, x: Floats32) -> Floats:
    """`SomGan.raw_scores` over rows [n, d] in bounded chunks, [n, 9]."""
    return _over_chunks(model, model.raw_scores, x)


def shares(model: SomGan, x: Floats32) -> Floats:
    """`SomGan.shares` over rows [n, d] in bounded chunks, [n, 5]."""
    return _over_chunks(model, model.shares, x)


def _over_chunks(model: SomGan, part: Callable[[torch.Tensor], torch.Tensor], x: Floats32) -> Floats:
    model.eval()
    with torch.no_grad():
        return np.concatenate([part(chunk).numpy() for chunk in chunks(model, x)]).astype(np.float64)
