"""`kiosk`: start all processes (`kiosk up`), or one of them (`kiosk controller`, as systemd does)."""

import argparse
import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from kiosk import __version__
from kiosk.clock import SystemClock
from kiosk.config import config_hash, load_config
from kiosk.errors import ConfigError, KioskError
from kiosk.processes.entry import EXIT_CONFIG, EXIT_FAILED, run_process
from kiosk.processes.gates import egress_gate
from kiosk.processes.supervisor import Supervisor, python_command, selected
from kiosk.processes.table import PROCESSES, SCREEN, Process
from kiosk.protection import logs

DEFAULT_CONFIG: Final = Path("/etc/kiosk/kiosk.toml")

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The kiosk's configuration.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kiosk")
def main() -> None:
    """Start the deposit kiosk's processes."""


@main.command()
@config_option
@click.option("--only", multiple=True, metavar="NAME", help="Start only this process; may be repeated.")
@click.option(
    "--log-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each process's output to NAME.log here; without it, to standard output.",
)
@click.option(
    "--state-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep a JSON file with pid, readiness, starts and last exit of each process.",
)
@click.option(
    "--restart-window-s",
    type=click.IntRange(1, 3600),
    help="Count restarts, and let their delay grow, within so long instead of the table's; 1 for tests that kill.",
)
def up(
    config_path: Path,
    only: tuple[str, ...],
    log_dir: Path | None,
    state_file: Path | None,
    restart_window_s: int | None,
) -> None:
    """Start all processes, keep them alive, stop them in order on SIGTERM or Ctrl-C."""
    try:
        processes = selected(only)
        if restart_window_s is not None:
            processes = tuple(replace(process, restart_window_s=restart_window_s) for process in processes)
        config = load_config(config_path)
        logs.use(egress_gate(config))  # for what libraries print past their process's own logging
    except ConfigError as error:
        click.echo(f"kiosk: {error}", err=True)
        sys.exit(EXIT_CONFIG)
    say("up", f"{config_path}, kiosk {config.kiosk.id}, configuration {config_hash(config)[:16]}")
    supervisor = Supervisor(
        processes,
        python_command(config_path),
        SystemClock(),
        say,
        log_dir=log_dir,
        state_file=state_file,
    )
    code = asyncio.run(supervised(supervisor))
    say("up", "all processes are stopped")
    sys.exit(code)


async def supervised(supervisor: Supervisor) -> int:
    """Run the supervisor until it ends or a signal asks it to."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    return await supervisor.run()


def say(process: str, line: str) -> None:
    """One line for the person at the console, at once."""
    click.echo(f"{process:<10} | {line}")
    sys.stdout.flush()


def add_process(process: Process) -> None:
    """`kiosk NAME` for one row of the table."""

    @main.command(process.name, help=f"Run {process.name} in the foreground.")
    @config_option
    def run(config_path: Path) -> None:
        sys.exit(run_process(process, config_path))


for row in (*PROCESSES, SCREEN):
    add_process(row)


@main.command("out-of-service")
@config_option
def out_of_service(config_path: Path) -> None:
    """Close the shutter and say that the controller stays down; systemd calls it then."""
    from kiosk.processes import out_of_service as closing  # noqa: PLC0415 - the pins are loaded by who needs them

    logs.set_up()
    try:
        asyncio.run(closing.run(config_path))
    except KioskError as error:
        click.echo(f"kiosk: {error}", err=True)
        sys.exit(EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED)


@main.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Turn recorded deposits into feature tables.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def features(arguments: tuple[str, ...]) -> None:
    """Turn recorded deposits into the feature tables that the models are trained on."""
    # Only here: OpenCV is the watcher's and must not be loaded by the other commands.
    from kiosk.monitoring import extract  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="kiosk features", description=extract.__doc__)
    extract.add_arguments(parser)
    try:
        code = extract.run(parser.parse_args(arguments))
    except KioskError as error:
        click.echo(f"kiosk: {error}", err=True)
        code = EXIT_FAILED
    sys.exit(code)


if __name__ == "__main__":
    main()
