"""Fusion: each score becomes the surprise -log(tail probability) on held-out normal rows; surprises add up.

The tail is empirical below the 90th percentile and exponential above it (peaks over a threshold with shape 0:
Pickands, 1975), so a row stranger than every held-out one still gets a finite, growing surprise. The sum is additive:
each view's share of the score is a reason that can be shown.
"""

import numpy as np
import torch
from torch import nn

from somgan.arrays import Floats
from somgan.piecewise import Curve, PiecewiseLinear

TAIL_START = 0.9
EMPIRICAL_KNOTS = 46


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
    """Raw scores [n, m] -> surprise in nats [n, m]; the fused score is their sum."""

    def __init__(self, curves: list[Curve]) -> None:
        super().__init__()
        self.tails = PiecewiseLinear(curves)

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the surprise of each part in nats."""
        return self.tails(scores)
