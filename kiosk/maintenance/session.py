"""What every command of `kioskctl` shares: where the controller is, how it is asked, what an error looks like."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click
import msgspec

from kiosk.bus import BusClient
from kiosk.config import load_config
from kiosk.errors import BusError, ConfigError, KioskError
from kiosk.maintenance.seat import present
from kiosk.messages import Push, Refused, Reply, Request

DEFAULT_CONFIG: Final = Path("/etc/kiosk/kiosk.toml")
ROLE: Final = "maintenance"
REQUEST_TIMEOUT_S: Final = 10.0
Result = TypeVar("Result")
Answer = TypeVar("Answer")


class Exit(IntEnum):
    """What `kioskctl` says to scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2  # click's own
    OUT_OF_SERVICE = 3
    UNREACHABLE = 4
    CONFIG = 5
    NOT_ALLOWED = 6  # who you are does not allow it, or was not shown: role, PIN, code, lock-out, session


class NotAllowed(KioskError, PermissionError):
    """The controller does not let this person do this. `code` says why, for programs."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


_NOT_ALLOWED: Final = frozenset(
    {
        "wrong_pin",
        "wrong_code",
        "locked_out",
        "wrong_role",
        "unknown_person",
        "same_person",
        "signed_out",
        "second_factor_needed",
        "not_allowed",
    }
)


def bus_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where the controller is: a bus directory, or a configuration that names it."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="JSON, for scripts."),
        click.option(
            "--bus-dir",
            type=click.Path(path_type=Path),
            envvar="KIOSK_BUS_DIR",
            help="The controller's socket directory; the configuration is then not read.",
        ),
        click.option(
            "--config",
            "config_path",
            type=click.Path(path_type=Path),
            default=DEFAULT_CONFIG,
            envvar="KIOSK_CONFIG",
            show_default=True,
            help="The kiosk's configuration.",
        ),
    ):
        command = option(command)
    return command


def placed(bus_dir: Path | None, config_path: Path) -> tuple[Path | None, Path]:
    """Where the controller is: in the shell where the shell was told, otherwise as this command says."""
    seat = present()
    return (bus_dir, config_path) if seat is None else seat.where


async def connect(bus_dir: Path | None, config_path: Path, on_push: Callable[[Push], None] | None = None) -> BusClient:
    """A connection to the controller. Raises `BusError`, `ConfigError`."""
    directory = bus_dir if bus_dir is not None else load_config(config_path).paths.bus_dir
    return await BusClient.connect(directory, ROLE, on_push)


async def asked(client: BusClient, request: Request, timeout_s: float = REQUEST_TIMEOUT_S) -> Reply:
    """The controller's answer. Raises `KioskError` with its remedy when it refuses."""
    reply = await client.request(request, timeout_s=timeout_s)
    if isinstance(reply, Refused):
        if reply.code in _NOT_ALLOWED:
            raise NotAllowed(reply.code, reply.message, reply.remedy)
        raise KioskError(reply.message, remedy=reply.remedy)
    return reply


async def ask(
    bus_dir: Path | None,
    config_path: Path,
    request: Request,
    answer: type[Answer],
    timeout_s: float = REQUEST_TIMEOUT_S,
) -> Answer:
    """One request on a connection of its own; the answer is of this type."""
    client = await connect(bus_dir, config_path)
    try:
        reply = await asked(client, request, timeout_s)
    finally:
        await client.close()
    if not isinstance(reply, answer):
        message = f"the controller answered with {type(reply).__name__}"
        raise BusError(message)
    return reply


def run(work: Coroutine[Any, Any, Result], *, as_json: bool) -> Result:
    """Run to the end; an error is told (with --json as one object on standard output) and becomes the exit code."""
    try:
        return asyncio.run(work)
    except KioskError as error:
        fail(error, as_json=as_json)


def fail(error: KioskError, *, as_json: bool) -> NoReturn:
    """Tell the error and end with its exit code."""
    code = Exit.FAILED
    seat = present()
    if seat is not None and isinstance(error, NotAllowed) and error.code == "signed_out":
        seat.sign_out()
    if isinstance(error, ConfigError):
        code = Exit.CONFIG
    elif isinstance(error, BusError):
        code = Exit.UNREACHABLE
    elif isinstance(error, NotAllowed):
        code = Exit.NOT_ALLOWED
    if as_json:
        told: dict[str, object] = {"error": error.args[0], "remedy": error.remedy, "exit_code": int(code)}
        if isinstance(error, NotAllowed):
            told["code"] = error.code
        click.echo(msgspec.json.encode(told))
    else:
        click.echo(click.style(f"kioskctl: {error.args[0]}", fg="red"), err=True)
        click.echo(f"-> {error.remedy}", err=True)
    sys.exit(code)
