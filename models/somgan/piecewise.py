"""Monotone piecewise-linear functions, one per column, as a torch module of plain operators.

Written as a sum of clamped steps with non-negative slopes instead of hinges: every term is positive, so nothing
cancels in float32 and the exported graph agrees with torch on extreme rows as well.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from somgan.arrays import Floats


@dataclass(frozen=True)
class Curve:
    """Knots of one column: `x` strictly increasing, `y` non-decreasing, and the slopes beyond both ends."""

    x: Floats
    y: Floats
    slope_below: float
    slope_above: float


class PiecewiseLinear(nn.Module):
    """Apply one `Curve` per column to [n, d]; columns with fewer knots are padded with steps of width zero."""

    def __init__(self, curves: list[Curve]) -> None:
        super().__init__()
        knots = max(2, *(curve.x.size for curve in curves), 2)
        start, width, slope = (np.zeros((len(curves), knots - 1)) for _ in range(3))
        for column, curve in enumerate(curves):
            steps = curve.x.size - 1
            start[column] = curve.x[-1]
            start[column, :steps] = curve.x[:-1]
            width[column, :steps] = np.diff(curve.x)
            slope[column, :steps] = np.diff(curve.y) / np.diff(curve.x)
        for name, values in (("start", start), ("width", width), ("slope", slope)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        ends = np.array([[c.x[0], c.x[-1], c.y[0], c.slope_below, c.slope_above] for c in curves])
        for index, name in enumerate(("first", "last", "base", "slope_below", "slope_above")):
            self.register_buffer(name, torch.tensor(ends[:, index], dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [n, d] to [n, d]."""
        risen = torch.minimum(torch.clamp(x[:, :, None] - self.start, min=0.0), self.width)
        inside = (risen * self.slope).sum(dim=2)
        below = torch.clamp(x - self.first, max=0.0) * self.slope_below
        above = torch.clamp(x - self.last, min=0.0) * self.slope_above
        return self.base + inside + below + above
