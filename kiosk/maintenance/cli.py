"""The commands of `kioskctl`: one registry, reached one by one from scripts, and all together in the shell."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from kiosk import __version__
from kiosk.maintenance.capture import capture_command, replay_command
from kiosk.maintenance.codecs import Codec, decode_command, encode_command
from kiosk.maintenance.commission import commission_group
from kiosk.maintenance.disputes import dispute_group
from kiosk.maintenance.keys import keys_group
from kiosk.maintenance.models import model_group
from kiosk.maintenance.people import COMMANDS, people_group
from kiosk.maintenance.render import status_text
from kiosk.maintenance.restoring import restore_command
from kiosk.maintenance.risk import risk_group
from kiosk.maintenance.service import service_group, test_command
from kiosk.maintenance.session import DEFAULT_CONFIG, Exit, ask, bus_options, placed, run
from kiosk.maintenance.settings import config_command, show_config_command
from kiosk.maintenance.show import show_group
from kiosk.maintenance.sign_in import OWN_COMMANDS, SHELL_COMMANDS
from kiosk.maintenance.units import UNIT_COMMANDS, units_command
from kiosk.maintenance.upkeep import backup_command, bundle_group, set_group
from kiosk.maintenance.watching import watch_command
from kiosk.messages import GetStatus, Status


def build(codecs: Sequence[Codec], *, inside: bool = False) -> click.Group:
    """`kioskctl` with all its commands; `inside` the shell those that make sense there."""

    @click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=not inside)
    @click.version_option(__version__, prog_name="kioskctl")
    @click.pass_context
    def kioskctl(context: click.Context) -> None:
        """Look at a deposit kiosk, keep it going, and look into its protocols.

        Without a command it is an interactive shell. Exit codes: 0 in service or done, 1 failed, 2 wrong usage, 3 out
        of service, 4 the controller cannot be reached, 5 the configuration cannot be used, 6 not allowed.
        """
        if context.invoked_subcommand is None:
            if not sys.stdin.isatty():
                click.echo(context.get_help(), err=True)
                sys.exit(Exit.USAGE)
            sys.exit(kioskctl.commands["shell"].main([], "kioskctl shell", standalone_mode=False))

    _fill(kioskctl, codecs, inside=inside)
    return kioskctl


def _fill(kioskctl: click.Group, codecs: Sequence[Codec], *, inside: bool) -> None:
    for command in (
        status_command,
        watch_command,
        test_command,
        backup_command,
        restore_command,
        capture_command,
        replay_command(tuple(codecs)),
        *COMMANDS,
        *UNIT_COMMANDS,
    ):
        kioskctl.add_command(command)
    config = config_command(DEFAULT_CONFIG)
    shown = {
        "status": status_command,
        "units": units_command,
        "risk": risk_group.commands["map"],
        "config": show_config_command,
    }
    groups = (dispute_group, keys_group, model_group, risk_group, config, service_group, show_group(shown))
    for group in (commission_group, *groups, set_group, bundle_group):
        kioskctl.add_command(group)
    for own in OWN_COMMANDS:
        people_group.add_command(own)
    for command in SHELL_COMMANDS if inside else (_shell_command(codecs),):
        kioskctl.add_command(command)

    @kioskctl.group()
    def decode() -> None:
        """Captured frames to JSON."""

    @kioskctl.group()
    def encode() -> None:
        """JSON to frames; ignores `encoded`."""

    for codec in codecs:
        decode.add_command(decode_command(codec))
        encode.add_command(encode_command(codec))


def _shell_command(codecs: Sequence[Codec]) -> click.Command:
    @click.command("shell")
    @bus_options
    def shell(*, as_json: bool, bus_dir: Path | None, config_path: Path) -> None:
        """Open the interactive shell: sign in once, Tab completes, ? helps anywhere, `| match REGEX`, `| count`."""
        del as_json  # a person reads it
        from kiosk.maintenance.shell import Shell  # noqa: PLC0415 - the line editor takes long to load

        sys.exit(Shell(build(codecs, inside=True), placed(bus_dir, config_path), _history_path()).run())

    return shell


def _history_path() -> Path:
    """By the XDG base directory rules."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "kioskctl" / "history"


@click.command("status")
@bus_options
def status_command(*, as_json: bool, bus_dir: Path | None, config_path: Path) -> None:
    """What the kiosk does, what is wrong with it and what to do about it."""
    status = run(ask(*placed(bus_dir, config_path), GetStatus(), Status), as_json=as_json)
    click.echo(msgspec.json.encode(status) if as_json else status_text(status))
    sys.exit(Exit.OK if status.in_service else Exit.OUT_OF_SERVICE)
