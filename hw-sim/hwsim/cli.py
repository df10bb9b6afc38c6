"""`hwsim`: the simulated hardware of the deposit kiosk.

hwsim run      brings the simulated machine up on ptys, pigpio, camera and a control page
hwsim faults   lists every fault that a scenario, the API or the page can order
hwsim dataset  writes training data for the SOM-GAN: camera and board
hwsim transactions  likewise: months of deposits as transactions
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hwsim import dataset, transaction_dataset
from hwsim.errors import HwsimError
from hwsim.host import HostSettings, Machine, run_host
from hwsim.scenario import Scenario, load_scenario
from hwsim.scheduler import VirtualScheduler

BAD_USE: Final = 2

_EXAMPLE: Final = """\
a scenario file (TOML), every table optional:
  [world]          straps = 50, labels = 50, slots = 40, shutter_move_s = 0.3
  [validator]      scan_s = 0.4, escrow_size = 0
  [validator.profile]  escrow_window_s = 5, cut_before_safe_point = "cashbox"
  [board]          strap_s = 1.0, watchdog_ms = 3000
  [label_printer]  status_in_error = "silent"
  [receipt_printer]  status = "silent", near_end_sensor = false
  [scene]          depositor = true, lens = "clear"
  [[fault]]        device = "validator", fault = "jam", parameters = { where = "safe" }, at_s = 12.5
  [[fault]]        device = "board", fault = "lost_reply", on = "board.accepted", nth = 3
  [[fault]]        device = "validator", fault = "misread", on = "hand.fed", probability = 0.1
[[step]] and [expect] belong to whoever plays the depositor; hwsim ignores them.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser("hwsim", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run",
        help="bring the simulated machine up",
        description="Runs until SIGTERM or Ctrl-C. DIR/ready.json, written last, tells ports and device paths.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run(run)
    faults = commands.add_parser("faults", help="list the faults there are")
    faults.add_argument("--json", action="store_true", help="one JSON array")
    dataset.add_arguments(commands.add_parser("dataset", help="write training data for the SOM-GAN"))
    transaction_dataset.add_arguments(
        commands.add_parser("transactions", help="write training data for the SOM-GAN: deposits as transactions")
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "transactions":
            return transaction_dataset.run(arguments)
        if arguments.command == "dataset":
            return dataset.run(arguments)
        return _faults(arguments) if arguments.command == "faults" else _run(arguments)
    except HwsimError as error:
        print(f"hwsim: {error}\n{error.remedy}", file=sys.stderr)  # noqa: T201 - a command line's answer
        return BAD_USE


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, required=True, help="run directory; device ports appear in DIR/dev")
    parser.add_argument("--scenario", type=Path, help="TOML file; without it a healthy machine with full stocks")
    parser.add_argument("--seed", type=int, default=1, help="of everything random in this world (default 1)")
    parser.add_argument("--http-port", type=int, default=0, help="control API and page; 0 takes a free port")
    parser.add_argument("--pigpio-port", type=int, default=0)
    parser.add_argument("--camera-port", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="do not log what happens in the world")


def _run(arguments: argparse.Namespace) -> int:
    level = logging.WARNING if arguments.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    settings = HostSettings(
        directory=arguments.dir,
        seed=arguments.seed,
        http_port=arguments.http_port,
        pigpio_port=arguments.pigpio_port,
        camera_port=arguments.camera_port,
    )
    asyncio.run(run_host(settings, load_scenario(arguments.scenario)))
    return 0


def _faults(arguments: argparse.Namespace) -> int:
    specs = Machine(Scenario(), VirtualScheduler(), seed=1).world.faults.all()
    if arguments.json:
        rows = [{"device": s.device, "fault": s.name, "what": s.what, "parameters": dict(s.parameters)} for s in specs]
        print(json.dumps(rows, indent=1))  # noqa: T201
        return 0
    for spec in specs:
        parameters = ", ".join(f"{name} = {json.dumps(value)}" for name, value in spec.parameters.items())
        print(f"{spec.device:9} {spec.name:18} {spec.what}{f'  [{parameters}]' if parameters else ''}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
