"""Training: three networks on the first table, the one that sees columns on the second, which the others never saw.

The reader of columns has to learn how far the others can be trusted; on their own training cells they would be too sure.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from cellkinds.networks import Columns, Letters, Parts, Phrases

Progress = Callable[[str], None]
_BATCH: Final = 256
_LABEL_SMOOTHING: Final = 0.02


@dataclass(frozen=True)
class Sizes:
    """Of the arrays that `kiosk.protection.prepare` makes."""

    kinds: int
    codes: int = 8192
    parts: int = 32768
    words: int = 8192
    shapes: int = 256
    header_parts: int = 4096


class Cells:
    """A prepared table. Arrays stay small integers until a batch of them is taken, trimmed to its longest cell."""

    def __init__(self, path: Path) -> None:
        """Read an npz."""
        with np.load(path) as found:
            self.arrays = {name: found[name] for name in found.files}
        self.kind = torch.from_numpy(self.arrays["kind"].astype(np.int64))
        self.count = len(self.kind)

    def ids(self, name: str, rows: np.ndarray[Any, Any]) -> Tensor:
        """[n, width needed] of one of the arrays with ids."""
        taken = self.arrays[name][rows]
        used = np.flatnonzero(taken.any(axis=0))
        return torch.from_numpy(taken[:, : max(4, int(used[-1]) + 1 if used.size else 1)].astype(np.int64))


INPUTS: Final = {"letters": ("codes",), "parts": ("parts",), "phrases": ("words", "shapes")}


def _inputs(cells: Cells, name: str, rows: np.ndarray[Any, Any]) -> list[Tensor]:
    wide = [cells.ids(each, rows) for each in INPUTS[name]]
    width = max(each.shape[1] for each in wide)
    return [nn.functional.pad(each, (0, width - each.shape[1])) for each in wide]


def train_words(name: str, cells: Cells, sizes: Sizes, epochs: int, seed: int, progress: Progress) -> nn.Module:
    """Train one of the three networks that see a cell alone."""
    torch.manual_seed(seed)
    network: nn.Module
    match name:
        case "letters":
            network = Letters(sizes.kinds, sizes.codes)
        case "parts":
            network = Parts(sizes.kinds, sizes.parts)
        case _:
            network = Phrases(sizes.kinds, sizes.words, sizes.shapes)
    lengths = (cells.arrays["codes"] != 0).sum(axis=1)
    _fit(
        network,
        cells.count,
        epochs,
        seed,
        lambda rows: (_inputs(cells, name, rows), cells.kind[rows]),
        progress,
        name,
        lengths,
    )
    return network


def _fit(
    network: nn.Module,
    count: int,
    epochs: int,
    seed: int,
    batch: Callable[[np.ndarray[Any, Any]], tuple[Sequence[Tensor], Tensor]],
    progress: Progress,
    name: str,
    lengths: np.ndarray[Any, Any] | None,
) -> None:
    chance = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-4)
    steps = epochs * -(-count // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps, pct_start=0.15)
    loss_of = nn.CrossEntropyLoss(label_smoothing=_LABEL_SMOOTHING)
    network.train()
    started = time.monotonic()
    for epoch in range(epochs):
        total = 0.0
        for rows in _batches(chance, count, lengths):
            inputs, kinds = batch(rows)
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(network(*inputs), kinds)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss) * len(rows)
        progress(f"{name}: epoch {epoch + 1} of {epochs}, loss {total / count:.4f}, {time.monotonic() - started:.0f} s")
    network.eval()


def _batches(
    chance: np.random.Generator, count: int, lengths: np.ndarray[Any, Any] | None
) -> list[np.ndarray[Any, Any]]:
    """Random batches of cells of about the same length, in random order: short ones cost little."""
    order = chance.permutation(count)
    if lengths is not None:
        order = np.concatenate(
            [part[np.argsort(lengths[part], kind="stable")] for part in np.array_split(order, max(1, count // 16384))]
        )
    batches = [order[at : at + _BATCH] for at in range(0, count, _BATCH)]
    return [batches[at] for at in chance.permutation(len(batches))]


@torch.no_grad()
def probabilities(network: nn.Module, name: str, cells: Cells) -> np.ndarray[Any, Any]:
    """What a trained network says of all cells, [n, K]."""
    order = np.argsort((cells.arrays["codes"] != 0).sum(axis=1), kind="stable")
    said: np.ndarray[Any, Any] | None = None
    for at in range(0, cells.count, 1024):
        rows = order[at : at + 1024]
        part = torch.softmax(network(*_inputs(cells, name, rows)), dim=1).numpy()
        said = np.zeros((cells.count, part.shape[1]), dtype=np.float32) if said is None else said
        said[rows] = part
    assert said is not None
    return said


def column_inputs(cells: Cells, others: Sequence[np.ndarray[Any, Any]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The cell's own row, its column's mean, its size and its header, for every cell."""
    seen = np.concatenate([cells.arrays["stats"], cells.arrays["opinions"], *others], axis=1).astype(np.float32)
    column = cells.arrays["column"]
    sizes = np.bincount(column).astype(np.float32)
    mean = np.zeros((len(sizes), seen.shape[1]), dtype=np.float32)
    np.add.at(mean, column, seen)
    mean /= np.maximum(sizes, 1)[:, None]
    rows = np.log(sizes)[column][:, None].astype(np.float32) / 5
    header = cells.arrays["header"].astype(np.int64)[column]
    return torch.from_numpy(seen), torch.from_numpy(mean[column]), torch.from_numpy(rows), torch.from_numpy(header)


def train_columns(
    cells: Cells, others: Sequence[np.ndarray[Any, Any]], sizes: Sizes, epochs: int, seed: int, progress: Progress
) -> nn.Module:
    """Train the network that sees the column."""
    torch.manual_seed(seed)
    inputs = column_inputs(cells, others)
    network = Columns(sizes.kinds, inputs[0].shape[1], sizes.header_parts)
    _fit(
        network,
        cells.count,
        epochs,
        seed,
        lambda rows: ([each[rows] for each in inputs], cells.kind[rows]),
        progress,
        "columns",
        None,
    )
    return network
