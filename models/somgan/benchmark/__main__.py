"""Command line: `python -m somgan.benchmark tables --data DIR --detectors somgan,knn5 --seeds 5 [--json]`."""

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

from somgan.benchmark import peers, protocol, recorded, tables, transactions, video
from somgan.errors import SomganError

SEEDS_MAX = 100


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark; the last line of standard output is one JSON object, progress goes to standard error."""
    options = _parser().parse_args(arguments)
    try:
        report, words = options.run(options)
    except SomganError as error:
        sys.stderr.write(f"somgan.benchmark: {error}\n")
        return 2
    if not options.json:
        sys.stdout.writelines(f"{line}\n" for line in words)
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="somgan.benchmark", description=__doc__)
    commands = parser.add_subparsers(required=True)
    table = commands.add_parser("tables", help="the published protocol on a folder of ADBench tables")
    table.add_argument("--data", type=Path, required=True, help="folder of .npz files with X and y")
    table.add_argument("--seeds", type=_count, default=5, help="runs of each table (default 5)")
    table.set_defaults(run=_tables)
    bank = commands.add_parser("transactions", help="the Fraud Detection Handbook's simulated card transactions")
    bank.add_argument("--data", type=Path, required=True, help=f"CSV file with {', '.join(transactions.COLUMNS)}")
    bank.add_argument("--train", type=_days, required=True, metavar="FIRST:LAST", help="days to learn from, inclusive")
    bank.add_argument("--test", type=_days, required=True, metavar="FIRST:LAST", help="days to judge, after those")
    bank.add_argument("--seed", type=int, default=1)
    bank.set_defaults(run=_transactions)
    parts = commands.add_parser("ablation", help="what each part of the detector earns, on a folder of tables")
    parts.add_argument("--data", type=Path, required=True, help="folder of .npz files with X and y")
    parts.add_argument("--seeds", type=_count, default=1, help="runs of each table (default 1)")
    parts.add_argument("--json", action="store_true", help="nothing but the JSON line")
    parts.set_defaults(run=_ablation)
    film = commands.add_parser("video", help="fixed-camera video with labelled frames, as UCSD Ped2")
    film.add_argument("--data", type=Path, required=True, help="folder of train_*.avi, test_*.avi and labels.json")
    film.add_argument("--seed", type=int, default=1)
    film.set_defaults(run=_video)
    card = commands.add_parser("record", help="put such reports into the manifests and cards of models")
    card.add_argument("--reports", type=Path, required=True, help=f"folder of {', '.join(recorded.TITLES)} (.json)")
    card.add_argument("--models", type=Path, required=True, help="folder of artifact folders")
    card.add_argument("--json", action="store_true", help="nothing but the JSON line")
    card.set_defaults(run=_record)
    for command in (table, bank, film):
        command.add_argument(
            "--detectors",
            type=_names,
            default=["somgan", "knn5"],
            help=f"comma-separated: {', '.join(peers.DETECTORS)}",
        )
        command.add_argument("--json", action="store_true", help="nothing but the JSON line")
    return parser


def _tables(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    names = [peers.known(name) for name in options.detectors]
    labelled = protocol.read_folder(options.data)
    listed = protocol.published(options.data, [table.name for table in labelled])
    report = tables.summary(tables.run(labelled, names, options.seeds, _say))
    return report, tables.lines(report, listed)


def _ablation(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    ablation = peers.module("somgan.benchmark.ablation")
    results = ablation.run(protocol.read_folder(options.data), options.seeds, _say)
    return ablation.summary(results), ablation.lines(results)


def _record(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    words = recorded.put(options.reports, options.models)
    return {"models": len(words)}, words


def _transactions(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    names = [peers.known(name) for name in options.detectors]
    data = transactions.read(options.data)
    report = transactions.run(data, (options.train, options.test), names, options.seed, _say)
    return report, transactions.lines(report)


def _video(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    names = [peers.known(name) for name in options.detectors]
    report = video.run(options.data, names, options.seed, _say)
    return report, video.lines(report)


def _days(text: str) -> tuple[date, date]:
    first, _, last = text.partition(":")
    try:
        days = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if days[1] < days[0]:
        msg = f"{text} ends before it begins"
        raise argparse.ArgumentTypeError(msg)
    return days


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(name for name in text.split(",") if name))
    if not names:
        msg = "name at least one"
        raise argparse.ArgumentTypeError(msg)
    return names


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= SEEDS_MAX:
        msg = f"want a number from 1 to {SEEDS_MAX}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
