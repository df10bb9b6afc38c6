"""From two prepared tables to four graphs in a folder."""

import hashlib
from pathlib import Path
from typing import Any

import torch

from cellkinds.export import export
from cellkinds.networks import NAMES
from cellkinds.training import INPUTS, Cells, Sizes, column_inputs, probabilities, train_columns, train_words


def build(first: Path, second: Path, kinds: int, epochs: int, seed: int, out: Path) -> dict[str, Any]:
    """Train and export; returns bytes and hash of each graph. One thread: the same seed, the same file."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    out.mkdir(parents=True, exist_ok=True)
    cells, more, sizes = Cells(first), Cells(second), Sizes(kinds)
    said = []
    for number, name in enumerate(NAMES[:3]):
        network = train_words(name, cells, sizes, epochs, seed + number, _say)
        said.append(probabilities(network, name, more))
        export(network, {each: torch.ones(2, 16, dtype=torch.int64) for each in INPUTS[name]}, out / f"{name}.onnx")
    reader = train_columns(more, said, sizes, epochs + 6, seed + 3, _say)
    inputs = column_inputs(more, said)
    export(
        reader,
        dict(zip(("cell", "column", "rows", "header"), (each[:2] for each in inputs), strict=True)),
        out / "columns.onnx",
    )
    return {
        name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for name in NAMES
        for path in [out / f"{name}.onnx"]
    }


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - minutes of training
