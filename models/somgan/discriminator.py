"""Discrimination module: real row or generated? Gives the generator its adversarial and feature-matching losses.

After training it measures how good synthetic rows are (AUROC 0.5: cannot be told apart). It is an output of the graph
but no part of the score: as an anomaly score a discriminator's raw output is worthless far from both real and
generated rows, where it was never trained (SOMGAN.md; Ngo et al., "Fence GAN", 2019).

Sources: Goodfellow et al., "Generative adversarial nets" (2014), non-saturating loss; Salimans et al., "Improved
techniques for training GANs" (2016), feature matching and one-sided label smoothing.
"""

import torch
from torch import nn
from torch.nn import functional

HIDDEN = 64
REAL_LABEL = 0.9


class Discriminator(nn.Module):
    """Standardised rows [n, d] -> logit that the row is real [n]."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(features, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2)
        )
        self.head = nn.Linear(HIDDEN, 1)

    def hidden(self, z: torch.Tensor) -> torch.Tensor:
        """Return the last hidden layer [n, HIDDEN]: what feature matching compares."""
        return self.body(z)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Logit [n]; the graph exports its sigmoid, the probability that the row is real."""
        return self.head(self.hidden(z))[:, 0]


def discriminator_loss(real_logit: torch.Tensor, fake_logit: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of real and generated rows, real labels smoothed to one side."""
    return functional.binary_cross_entropy_with_logits(
        real_logit, torch.full_like(real_logit, REAL_LABEL)
    ) + functional.binary_cross_entropy_with_logits(fake_logit, torch.zeros_like(fake_logit))


def adversarial_loss(fake_logit: torch.Tensor) -> torch.Tensor:
    """Non-saturating generator loss: make the discriminator say real."""
    return functional.binary_cross_entropy_with_logits(fake_logit, torch.ones_like(fake_logit))


def feature_matching_loss(real_hidden: torch.Tensor, fake_hidden: torch.Tensor) -> torch.Tensor:
    """Squared distance between the mean hidden layers of real and generated rows."""
    return ((real_hidden.mean(dim=0) - fake_hidden.mean(dim=0)) ** 2).mean()
