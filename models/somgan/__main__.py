"""Command line: `python -m somgan train ...` (needs torch) and `python -m somgan evaluate ...` (does not)."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from somgan.atlas import write_atlas
from somgan.data import read_tables
from somgan.errors import SomganError, TorchMissingError
from somgan.evaluation import evaluate, record
from somgan.promise import DELTA


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did, 2 when it could not, with the reason and the remedy on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SomganError as error:
        sys.stderr.write(f"somgan: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="somgan", description=__doc__)
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="train on normal deposits; write model.onnx, manifest.json and card.md")
    train.add_argument("--data", type=Path, required=True, help="feature table F.npz with F.features.json beside it")
    train.add_argument("--stream", required=True, help="scene, machine or transaction")
    train.add_argument("--out", type=Path, required=True, help="artifact folder")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument(
        "--evaluate", type=Path, nargs="+", help="labelled tables; the report on them goes into manifest and card"
    )
    train.add_argument(
        "--map", type=int, metavar="UNITS", help="side of the square map (default 24; 12 with --epsilon)"
    )
    train.add_argument("--sigma-final", type=float, default=0.7, help="last neighbourhood radius, units (default 0.7)")
    train.add_argument("--epochs", type=int, default=30, help="annealing epochs of each map (default 30)")
    train.add_argument("--steps", type=int, help="generator steps (default 3000; 600 with --epsilon)")
    train.add_argument(
        "--epsilon", type=float, help="differential privacy of each deposit; noise is drawn anew each time"
    )
    train.add_argument("--delta", type=float, default=DELTA, help=f"its delta (default {DELTA:g})")
    train.add_argument("--smoothing-rows", type=int, default=5, help="trailing mean before the maximum (default 5)")
    train.set_defaults(run=_train)
    check = commands.add_parser("evaluate", help="what the kiosk would have said about labelled deposits")
    check.add_argument("--model", type=Path, required=True, help="artifact folder")
    check.add_argument("--data", type=Path, nargs="+", required=True, help="labelled feature tables")
    check.add_argument("--json", action="store_true", help="one JSON object")
    check.add_argument("--record", action="store_true", help="put the report into the model's manifest and card")
    check.set_defaults(run=_evaluate)
    drawn = commands.add_parser("atlas", help="write map.json, the map in raw units, beside a trained graph")
    drawn.add_argument("--model", type=Path, nargs="+", required=True, help="artifact folders")
    drawn.set_defaults(run=_atlas)
    return parser


def _train(options: argparse.Namespace) -> int:
    needed = ["torch", "onnx", *(["dp_accounting"] if options.epsilon is not None else [])]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        msg = f"training needs {', '.join(missing)}"
        raise TorchMissingError(msg)
    from somgan.train_command import train  # noqa: PLC0415 - imports torch, which evaluation must not need

    manifest = train(options, lambda line: _say(f"  {line}"))
    _say(f"{options.out}: {manifest['stream']} {manifest['version']}")
    _show(manifest["quality"])
    if "evaluation" in manifest:
        _show(manifest["evaluation"])
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    report = evaluate(options.model, read_tables(options.data))
    if options.record:
        record(options.model, report)
    if options.json:
        _say(json.dumps(report))
    else:
        _show(report)
    return 0


def _atlas(options: argparse.Namespace) -> int:
    for folder in options.model:
        atlas = write_atlas(folder)
        _say(f"{folder}: {atlas['rows']} x {atlas['columns']} units, {len(atlas['features'])} planes")
    return 0


def _show(report: dict[str, Any]) -> None:
    for name, value in report.items():
        _say(f"  {name}: {value}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
