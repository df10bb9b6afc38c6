"""Command line: `python -m somgan train ...` (needs torch) and `python -m somgan evaluate ...` (does not)."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from somgan.atlas import write_atlas
from somgan.attack import attack
from somgan.data import read_tables
from somgan.errors import SomganError, TorchMissingError
from somgan.evaluation import evaluate, record
from somgan.promise import DELTA
from somgan.segments import segments, words


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
    train.add_argument("--without", default="", help="comma-separated: features that the model is not to read")
    train.add_argument("--smoothing-rows", type=int, default=5, help="trailing mean before the maximum (default 5)")
    train.set_defaults(run=_train)
    _add_studies(commands)
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


def _add_studies(commands: Any) -> None:  # noqa: ANN401 - argparse does not name the type of its subparsers
    """Declare what is asked of data and finished models: synthetic rows, segments, attacks."""
    made = commands.add_parser("synthetic", help="rows to share instead of real ones, with a report on their quality")
    made.add_argument("--data", type=Path, required=True, help="feature table of normal deposits")
    made.add_argument("--out", type=Path, required=True, help="table of synthetic rows to write (.npz)")
    made.add_argument("--rows", type=int, default=5000, help="how many (default 5000)")
    made.add_argument(
        "--evaluate", type=Path, nargs="+", help="labelled real tables: train on synthetic, test on these"
    )
    made.add_argument("--epsilon", type=float, help="differential privacy of each deposit of --data")
    made.add_argument("--delta", type=float, default=DELTA, help=f"its delta (default {DELTA:g})")
    made.add_argument("--steps", type=int, help="generator steps (default 3000; 600 with --epsilon)")
    made.add_argument("--seed", type=int, default=1, help="of the split, the networks and the rows (default 1)")
    made.add_argument("--json", action="store_true", help="one JSON object")
    made.set_defaults(run=_synthetic)
    groups = commands.add_parser("segments", help="depositors grouped by where on the map their deposits lie")
    groups.add_argument("--model", type=Path, required=True, help="artifact folder of the transaction stream")
    groups.add_argument(
        "--data", type=Path, required=True, help="feature table with an array `depositor` of pseudonyms"
    )
    groups.add_argument("--groups", type=int, help="how many groups (default: as many as are best told apart, 2 to 8)")
    groups.add_argument("--seed", type=int, default=1, help="where the grouping starts (default 1)")
    groups.add_argument("--json", action="store_true", help="one JSON object")
    groups.set_defaults(run=_segments)
    evade = commands.add_parser("attack", help="how many rows called high can be changed until they pass as low")
    evade.add_argument("--model", type=Path, nargs="+", required=True, help="artifact folders that judge together")
    evade.add_argument("--data", type=Path, nargs="+", required=True, help="labelled feature tables")
    evade.add_argument("--features", required=True, help="comma-separated: what the attacker can change")
    evade.add_argument("--budget", type=float, default=0.5, help="by how many normal ranges each (default 0.5)")
    evade.add_argument("--seed", type=int, default=1, help="of the attacker's tries (default 1)")
    evade.add_argument("--json", action="store_true", help="one JSON object")
    evade.set_defaults(run=_attack)


def _need_torch(options: argparse.Namespace) -> None:
    needed = ["torch", "onnx", *(["dp_accounting"] if options.epsilon is not None else [])]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        msg = f"training needs {', '.join(missing)}"
        raise TorchMissingError(msg)


def _train(options: argparse.Namespace) -> int:
    _need_torch(options)
    from somgan.train_command import train  # noqa: PLC0415 - imports torch, which evaluation must not need

    manifest = train(options, lambda line: _say(f"  {line}"))
    _say(f"{options.out}: {manifest['stream']} {manifest['version']}")
    _show(manifest["quality"])
    if "evaluation" in manifest:
        _show(manifest["evaluation"])
    return 0


def _synthetic(options: argparse.Namespace) -> int:
    _need_torch(options)
    from somgan.synthetic_command import synthetic  # noqa: PLC0415 - imports torch

    report = synthetic(options, _aside)
    if options.json:
        _say(json.dumps(report))
    else:
        _show(report)
    return 0


def _attack(options: argparse.Namespace) -> int:
    free = [name for name in options.features.split(",") if name]
    report = attack(options.model, read_tables(options.data), free, options.budget, options.seed)
    if options.json:
        _say(json.dumps(report))
    else:
        _show(report)
    return 0


def _segments(options: argparse.Namespace) -> int:
    report = segments(options.model, options.data, options.groups, options.seed)
    if options.json:
        _say(json.dumps(report, ensure_ascii=False))
    else:
        for line in words(report):
            _say(line)
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


def _aside(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
