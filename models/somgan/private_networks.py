"""Generator and discriminator under DP-SGD (Abadi et al., "Deep learning with differential privacy", 2016).

Written here and not taken from opacus 1.6, which keeps every row's gradient of every weight: on these small networks
that is several times the work of the step itself. In a linear layer a row's gradient is an outer product, so its length
and the sum of the clipped ones follow from its two factors (Goodfellow, "Efficient per-example gradient computations",
2015); a test holds it against torch.func.

The generator learns to denoise alone: feature matching compares means of whole batches, which no row's gradient can be
clipped of. The discriminator learns to tell a row from what the released map and generator propose. Every deposit is in
a step by chance, independently (Poisson sampling), and then with one of its rows, drawn anew.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from somgan.arrays import Ints
from somgan.discriminator import REAL_LABEL, Discriminator
from somgan.generator import Generator, map_rows
from somgan.releases import Owned
from somgan.som import MapParameters
from somgan.training import Progress, Settings
from somgan.views import LIMIT

GRADIENT_NORM = 1.0
POOL_ROWS = 16_384

Loss = Callable[[nn.Module, torch.Tensor], torch.Tensor]  # network, rows [b, d] -> loss of each row [b]


class Batches:
    """Batches of one row per deposit, each deposit by chance."""

    def __init__(self, standardised: torch.Tensor, deposit: Ints, sampling: float, chance: torch.Generator) -> None:
        order = np.argsort(deposit, kind="stable")
        _, first, counts = np.unique(deposit[order], return_index=True, return_counts=True)
        self._rows = standardised[torch.tensor(order)].clamp(-LIMIT / 3, LIMIT / 3)
        self._first, self._counts = torch.tensor(first), torch.tensor(counts)
        self._sampling, self._chance = sampling, chance
        self.expected = max(1, round(sampling * first.size))

    def draw(self) -> torch.Tensor:
        """Return the next batch [b, d]; b varies and may be 0."""
        chosen = torch.rand(self._first.shape[0], generator=self._chance) < self._sampling
        first, counts = self._first[chosen], self._counts[chosen]
        inside = (torch.rand(first.shape[0], generator=self._chance) * counts).long()
        return self._rows[first + torch.minimum(inside, counts - 1)]


def train_networks(
    standardised: torch.Tensor,
    owned: Owned,
    primary: MapParameters,
    settings: Settings,
    multiplier: float,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Generator, Discriminator]:
    """Train both on rows [n, d] of deposits; the map's rows are proposals, as in `training.py`."""
    rules, features = settings.generator, standardised.shape[1]
    torch.manual_seed(settings.seed)  # of the starting weights only; noise is drawn below
    chance = torch.Generator().manual_seed(int(rng.integers(2**63)))
    batches = Batches(standardised, owned.deposit, min(1.0, rules.batch_rows / owned.deposits), chance)
    pool = map_rows(primary, POOL_ROWS, int(rng.integers(2**63)))
    generator, discriminator = Generator(features, rules.sigma), Discriminator(features)

    def denoising(net: nn.Module, real: torch.Tensor) -> torch.Tensor:
        eps = torch.randn(real.shape, generator=chance)
        return ((net(real + rules.sigma * eps) + eps) ** 2).mean(dim=1)

    def judging(net: nn.Module, real: torch.Tensor) -> torch.Tensor:
        drawn = pool[torch.randint(pool.shape[0], (real.shape[0],), generator=chance)]
        with torch.no_grad():
            fake = generator.denoise(drawn)
        logit = net(torch.stack([real, fake], dim=1))[..., 0]
        label = torch.tensor([REAL_LABEL, 0.0]).expand_as(logit)
        return functional.binary_cross_entropy_with_logits(logit, label, reduction="none").mean(dim=1)

    judge = nn.Sequential(discriminator.body, discriminator.head)
    for net, loss, name in ((generator.net, denoising, "generator"), (judge, judging, "discriminator")):
        descend(net, loss, batches, (rules.steps, rules.learning_rate, multiplier), chance)
        progress(f"{name}: {rules.steps} steps of DP-SGD, noise multiplier {multiplier:.2f}")
    return generator, discriminator


def descend(
    net: nn.Module, loss: Loss, batches: Batches, rules: tuple[int, float, float], chance: torch.Generator
) -> None:
    """Take (steps, learning rate, noise multiplier): each row's gradient is clipped, noise is added to their sum.

    A step that no deposit is in takes its noise all the same: that it was empty is nobody's to see.
    """
    steps, learning_rate, multiplier = rules
    parameters = [parameter for layer in _linear(net) for parameter in (layer.weight, layer.bias)]
    optimiser = torch.optim.Adam(parameters, lr=learning_rate)
    for _ in range(steps):
        for parameter, total in zip(parameters, clipped_gradients(net, loss, batches.draw()), strict=True):
            noise = torch.randn(total.shape, generator=chance) * (multiplier * GRADIENT_NORM)
            parameter.grad = (total + noise) / batches.expected
        optimiser.step()


def clipped_gradients(net: nn.Module, loss: Loss, batch: torch.Tensor) -> list[torch.Tensor]:
    """Sum over rows [b, d] of each row's gradient, shortened to GRADIENT_NORM over all weights and biases together.

    `net` must be made of linear layers that are each used once; the order is weight, bias, layer by layer.
    """
    layers = _linear(net)
    if not batch.shape[0]:
        return [torch.zeros_like(parameter) for layer in layers for parameter in (layer.weight, layer.bias)]
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    hooks = [layer.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0], out))) for layer in layers]
    losses = loss(net, batch)
    for hook in hooks:
        hook.remove()
    slopes = torch.autograd.grad(losses.sum(), [out for _, out in seen])
    count = batch.shape[0]
    # [b, t, features]: a row may pass the network more than once (t), as real and as fake; the ones are the bias's.
    before = [
        functional.pad(inputs.detach().reshape(count, -1, inputs.shape[-1]), (0, 1), value=1.0) for inputs, _ in seen
    ]
    after = [slope.reshape(count, -1, slope.shape[-1]) for slope in slopes]
    squares = [
        ((left @ left.transpose(1, 2)) * (right @ right.transpose(1, 2))).sum(dim=(1, 2))
        for left, right in zip(before, after, strict=True)
    ]
    shorter = (GRADIENT_NORM / torch.stack(squares).sum(dim=0).sqrt().clamp(min=1e-12)).clamp(max=1.0)
    totals: list[torch.Tensor] = []
    for left, right in zip(before, after, strict=True):
        both = (right * shorter[:, None, None]).flatten(0, 1).T @ left.flatten(0, 1)
        totals += [both[:, :-1], both[:, -1]]
    return totals


def _linear(net: nn.Module) -> list[nn.Linear]:
    return [module for module in net.modules() if isinstance(module, nn.Linear)]
