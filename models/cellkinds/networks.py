"""Four small networks, different by design. Each gives a probability of every kind for every cell.

`letters` and `parts` are at home in single words: a convolution over characters; a bag of hashed runs of one to four
characters. `phrases` and `columns` are at home in phrases: a convolution over words and their shapes; and one that reads
the header and sees, of the cell and on average of its column, what the check digits, patterns and other three say.
No output depends on how wide its input is padded.
"""

from typing import Final

import torch
from torch import Tensor, nn

NAMES: Final = ("letters", "parts", "phrases", "columns")


def _present(ids: Tensor) -> Tensor:
    """[n, L, 1], 1 where there is something."""
    return (ids != 0).unsqueeze(2).float()


def _mean(embedded: Tensor, present: Tensor) -> Tensor:
    return (embedded * present).sum(dim=1) / present.sum(dim=1).clamp(min=1.0)


class Letters(nn.Module):
    """Characters [n, L] -> kinds [n, K]."""

    def __init__(self, kinds: int, codes: int) -> None:
        """`codes`: how many character ids there are."""
        super().__init__()
        self.embedding = nn.Embedding(codes, 20, padding_idx=0)
        self.near = nn.Conv1d(20, 40, 3, padding=1)
        self.far = nn.Conv1d(40, 48, 5, padding=2)
        self.out = nn.Sequential(nn.Dropout(0.1), nn.Linear(96, kinds))

    def forward(self, codes: Tensor) -> Tensor:
        """Logits."""
        present = _present(codes).transpose(1, 2)
        near = torch.relu(self.near(self.embedding(codes).transpose(1, 2))) * present
        far = torch.relu(self.far(near)) * present
        highest = far.max(dim=2).values
        average = far.sum(dim=2) / present.sum(dim=2).clamp(min=1.0)
        return self.out(torch.cat([highest, average], dim=1))


class Parts(nn.Module):
    """Hashed n-grams [n, G] -> kinds [n, K]."""

    def __init__(self, kinds: int, buckets: int) -> None:
        """`buckets`: of the hash."""
        super().__init__()
        self.embedding = nn.Embedding(buckets, 32, padding_idx=0)
        self.out = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, kinds))

    def forward(self, parts: Tensor) -> Tensor:
        """Logits."""
        return self.out(_mean(self.embedding(parts), _present(parts)) * 4.0)


class Phrases(nn.Module):
    """Words and shapes [n, W] -> kinds [n, K]."""

    def __init__(self, kinds: int, words: int, shapes: int) -> None:
        """How many ids there are of each."""
        super().__init__()
        self.words = nn.Embedding(words, 20, padding_idx=0)
        self.shapes = nn.Embedding(shapes, 12, padding_idx=0)
        self.near = nn.Conv1d(32, 64, 3, padding=1)
        self.out = nn.Sequential(nn.Dropout(0.1), nn.Linear(128, kinds))

    def forward(self, words: Tensor, shapes: Tensor) -> Tensor:
        """Logits."""
        present = _present(words).transpose(1, 2)
        both = torch.cat([self.words(words), self.shapes(shapes)], dim=2).transpose(1, 2)
        near = torch.relu(self.near(both)) * present
        highest = near.max(dim=2).values
        average = near.sum(dim=2) / present.sum(dim=2).clamp(min=1.0)
        return self.out(torch.cat([highest, average], dim=1))


class Columns(nn.Module):
    """What is seen of the cell [n, F] and on average of its column [n, F], and the header's parts [n, H] -> kinds."""

    def __init__(self, kinds: int, seen: int, header_parts: int) -> None:
        """`seen`: F, stats, opinions and the other networks' probabilities."""
        super().__init__()
        self.header = nn.Embedding(header_parts, 16, padding_idx=0)
        self.hidden = nn.Sequential(
            nn.Linear(2 * seen + 17, 96), nn.ReLU(), nn.Dropout(0.1), nn.Linear(96, 64), nn.ReLU()
        )
        self.out = nn.Linear(64, kinds)

    def forward(self, cell: Tensor, column: Tensor, rows: Tensor, header: Tensor) -> Tensor:
        """Logits. `rows` [n, 1]: the logarithm of how many cells the column has, over 5."""
        name = _mean(self.header(header), _present(header))
        return self.out(self.hidden(torch.cat([cell, column, rows, name], dim=1)))


class Probabilities(nn.Module):
    """What is exported: a network and its softmax."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap."""
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        """Probabilities [n, K]."""
        return torch.softmax(self.network(*inputs), dim=1)
