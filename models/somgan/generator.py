"""Generation module: a small denoiser that knows the way back to normal rows.

From x + sigma * eps it predicts -eps, so one step of `sigma * G(x)` goes back towards the normal rows, and |G(x)|
says how far there is to go: near normal rows noise of every direction is plausible and G is small, away from them it
is not (Vincent, "A connection between score matching and denoising autoencoders", 2011; the noise estimate as a
distance: Livernoche et al., "On diffusion modeling for anomaly detection", 2024).

Three uses: log |G(x)| is a score; the *nearest normal* of a row explains it ("like this, but with the door closed");
synthetic rows are drawn from the units of the map and denoised.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from somgan.arrays import Floats
from somgan.discriminator import Discriminator, adversarial_loss, discriminator_loss, feature_matching_loss
from somgan.som import CompetitionLayer, MapParameters

HIDDEN = 128
NEAREST_SPREADS = 2.5
AVERAGE_DECAY = 0.995


@dataclass(frozen=True)
class GeneratorSettings:
    """How the generator is trained: `sigma` is the noise in standard deviations; the weights are of extra losses."""

    sigma: float = 0.5
    steps: int = 3000
    batch_rows: int = 256
    learning_rate: float = 1e-3
    adversarial_weight: float = 0.2
    matching_weight: float = 0.5


class Generator(nn.Module):
    """MLP 2 x 128: standardised rows [n, d] -> estimate of -eps [n, d]."""

    def __init__(self, features: int, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma
        self.features = features
        self.net = nn.Sequential(
            nn.Linear(features, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, features)
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Direction back to the normal rows, in units of `sigma`."""
        return self.net(z)

    def denoise(self, z: torch.Tensor) -> torch.Tensor:
        """One step back to the normal rows."""
        return z + self.sigma * self.net(z)

    def score(self, z: torch.Tensor) -> torch.Tensor:
        """Log |G(z)|, [n]: higher is stranger. One log(mean square) keeps it independent of the number of features."""
        return 0.5 * torch.log((self.net(z) ** 2).mean(dim=1) + 1e-8)


class NearestNormal(nn.Module):
    """The normal row most like a given one.

    A far row is first brought to its best-matching unit's neighbourhood, feature by feature: features within
    NEAREST_SPREADS local standard deviations stay as they are, so the difference to the row names only what is
    unusual. Then the generator takes its step, and the result stays within the ranges of training. (A denoiser alone
    does not find back from far away: it never saw rows there.)
    """

    def __init__(self, lowest: Floats, highest: Floats) -> None:
        super().__init__()
        self.register_buffer("lowest", torch.tensor(lowest, dtype=torch.float32))
        self.register_buffer("highest", torch.tensor(highest, dtype=torch.float32))

    def forward(
        self, z: torch.Tensor, unit: torch.Tensor, layer: CompetitionLayer, generator: Generator
    ) -> torch.Tensor:
        """Standardised rows [n, d] and their best-matching units [n] -> nearest normal rows [n, d], standardised."""
        centre = layer.weights[unit]
        reach = NEAREST_SPREADS * layer.spread[unit]
        near = centre + torch.minimum(torch.maximum(z - centre, -reach), reach)
        return torch.minimum(torch.maximum(generator.denoise(near), self.lowest), self.highest)


def map_rows(parameters: MapParameters, count: int, seed: int) -> torch.Tensor:
    """Draw rows [count, d] from the map: a unit by its mass, then noise of its local spread in every feature."""
    chance = np.random.default_rng(seed)
    unit = chance.choice(parameters.mass.size, size=count, p=parameters.mass)
    noise = chance.standard_normal((count, parameters.weights.shape[1]))
    return torch.tensor(parameters.weights[unit] + parameters.spread[unit] * noise, dtype=torch.float32)


def synthetic_rows(generator: Generator, parameters: MapParameters, count: int, seed: int) -> torch.Tensor:
    """Draw synthetic standardised rows [count, d]: the map proposes, the generator makes them plausible."""
    with torch.no_grad():
        return generator.denoise(map_rows(parameters, count, seed))


@dataclass
class Adversaries:
    """Both networks and their optimisers during training."""

    generator: Generator
    discriminator: Discriminator
    generator_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer

    @classmethod
    def of(cls, features: int, settings: GeneratorSettings) -> "Adversaries":
        """Make fresh networks; seed torch before."""
        generator, discriminator = Generator(features, settings.sigma), Discriminator(features)
        return cls(
            generator,
            discriminator,
            torch.optim.Adam(generator.parameters(), lr=settings.learning_rate, fused=True),
            torch.optim.Adam(discriminator.parameters(), lr=settings.learning_rate / 2, betas=(0.5, 0.999), fused=True),
        )

    def step(
        self, real: torch.Tensor, proposed: torch.Tensor, settings: GeneratorSettings, chance: torch.Generator
    ) -> tuple[float, float]:
        """Train both on one batch of standardised rows and one that the map proposed.

        Returns (denoising loss, discriminator loss). Half of the rows judged are denoised real ones, half synthetic.
        """
        noise = torch.randn(real.shape, generator=chance)
        noisy = real + settings.sigma * noise
        direction = self.generator(noisy)
        fake = torch.cat([noisy + settings.sigma * direction, self.generator.denoise(proposed)])
        judged = discriminator_loss(self.discriminator(real), self.discriminator(fake.detach()))
        self.discriminator_optimiser.zero_grad()
        judged.backward()
        self.discriminator_optimiser.step()

        denoising = ((direction + noise) ** 2).mean()
        loss = denoising
        if settings.adversarial_weight or settings.matching_weight:
            hidden = self.discriminator.hidden(fake)
            real_hidden = self.discriminator.hidden(real).detach()
            loss = loss + settings.adversarial_weight * adversarial_loss(self.discriminator.head(hidden)[:, 0])
            loss = loss + settings.matching_weight * feature_matching_loss(real_hidden, hidden)
        self.generator_optimiser.zero_grad()
        loss.backward()
        self.generator_optimiser.step()
        return float(denoising.detach()), float(judged.detach())


def average_into(target: nn.Module, source: nn.Module, decay: float) -> None:
    """Exponential moving average of parameters: the adversarial game circles, its average does not."""
    with torch.no_grad():
        kept = list(target.parameters())
        torch._foreach_lerp_(kept, list(source.parameters()), 1.0 - decay)
