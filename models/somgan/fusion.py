"""Fusion: each score becomes the surprise -log(tail probability) on held-out normal rows; the score is their norm.

The tail is empirical below the 90th percentile and exponential above it (peaks over a threshold with shape 0:
Pickands, 1975), so a row stranger than every held-out one still gets a finite, growing surprise. The root of the sum of
squares lies between the sum, where many views that are a little surprised outvote one that is alarmed, and the maximum,
which hears that one only. Each part's share of it is a reason that can be shown: the shares add up to the score.
"""

import numpy as np
import torch
from torch import nn

from somgan.arrays import Floats
from somgan.piecewise import Curve, PiecewiseLinear

TAIL_START = 0.9
EMPIRICAL_KNOTS = 46
SURPRISE_MIN = 1e-6


def tail_curve(scores: Floats) -> Curve:
    """Fit score -> surprise in nats on the scores [n] of held-out normal rows."""
    probabilities = np.linspace(0.0, TAIL_START, EMPIRICAL_KNOTS)
    surprise = -np.log1p(-probabilities)
    # float32 resolves neighbouring knots no finer than this; of tied knots the least surprising one counts.
    knots = np.round(np.quantile(scores, probabilities), 5)
    x, first = np.unique(knots, return_index=True)
    excess = scores[scores > x[-1]] - x[-1]
    mean_excess = float(excess.mean()) if excess.size else 0.0
    # Without excesses the scores are (nearly) constant: their own size, or a small step, sets the scale.
    scale = max(mean_excess, 1e-3 * max(1.0, float(np.abs(x[-1]))))
    return Curve(x, surprise[first], 0.0, 1.0 / scale)


class Fusion(nn.Module):
    """Raw scores [n, m] -> shares of the fused score [n, p], which is their sum; `groups` says whose each score is."""

    def __init__(self, curves: list[Curve], groups: tuple[int, ...]) -> None:
        super().__init__()
        self.tails = PiecewiseLinear(curves)
        member = np.zeros((len(groups), max(groups) + 1))
        member[np.arange(len(groups)), groups] = 1.0
        self.register_buffer("member", torch.tensor(member, dtype=torch.float32))

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Return each part's share, in nats: squared surprise of its scores by the norm of all."""
        squares = self.tails(scores) ** 2
        norm = torch.sqrt(squares.sum(dim=1, keepdim=True))
        return squares @ self.member / torch.clamp(norm, min=SURPRISE_MIN)
