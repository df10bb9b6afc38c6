"""`python -m cellkinds generate | train`: data for the networks, and the networks. See scripts/train-protection.sh."""

import argparse
import json
from pathlib import Path

from cellkinds.generate import generate


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m cellkinds", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("generate", help="labelled columns as JSON lines")
    making.add_argument("--seed", type=int, required=True)
    making.add_argument("--cells", type=int, required=True)
    making.add_argument("--out", type=Path, required=True)
    training = commands.add_parser("train", help="prepared tables -> four ONNX graphs")
    training.add_argument("--first", type=Path, required=True, help="npz that three networks learn from")
    training.add_argument("--second", type=Path, required=True, help="npz that the reader of columns learns from")
    training.add_argument("--kinds", type=int, required=True, help="how many kinds there are")
    training.add_argument("--epochs", type=int, default=6)
    training.add_argument("--seed", type=int, default=1)
    training.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    if asked.command == "generate":
        print(f"{generate(asked.seed, asked.cells, asked.out)} columns: {asked.out}")  # noqa: T201
        return
    from cellkinds.build import build  # noqa: PLC0415 - needs torch

    print(json.dumps(build(asked.first, asked.second, asked.kinds, asked.epochs, asked.seed, asked.out)))  # noqa: T201


if __name__ == "__main__":
    main()
