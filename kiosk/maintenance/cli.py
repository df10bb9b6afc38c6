"""The commands of `kioskctl`. Exit codes are for scripts and stay as they are."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import click
import msgspec

from kiosk import __version__
from kiosk.bus import BusClient
from kiosk.config import load_config
from kiosk.errors import BusError, ConfigError, KioskError
from kiosk.maintenance.codecs import Codec, decode_command, encode_command
from kiosk.maintenance.render import push_line, status_line, status_text
from kiosk.maintenance.settings import config_command
from kiosk.messages import AcceptDevice, GetStatus, Push, Refused, Reply, Request, Status, Subscribe, Topic

DEFAULT_CONFIG: Final = Path("/etc/kiosk/kiosk.toml")
ROLE: Final = "maintenance"
QUEUE_PUSHES_MAX: Final = 1000  # a terminal this slow loses the oldest news


_Result = TypeVar("_Result")


class Exit(IntEnum):
    """What `kioskctl` says to scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2  # click's own
    OUT_OF_SERVICE = 3
    UNREACHABLE = 4
    CONFIG = 5


def build(codecs: Iterable[Codec]) -> click.Group:
    """`kioskctl` with all its commands."""

    @click.group(context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, prog_name="kioskctl")
    def kioskctl() -> None:
        """Look at a deposit kiosk, and into its protocols.

        Exit codes: 0 in service or done, 1 failed, 2 wrong usage, 3 out of service, 4 the controller cannot be
        reached, 5 the configuration cannot be used.
        """

    kioskctl.add_command(status_command)
    kioskctl.add_command(watch_command)
    kioskctl.add_command(accept_command)
    kioskctl.add_command(config_command(DEFAULT_CONFIG))

    @kioskctl.group()
    def decode() -> None:
        """Captured frames to JSON."""

    @kioskctl.group()
    def encode() -> None:
        """JSON to frames; ignores `encoded`."""

    for codec in codecs:
        decode.add_command(decode_command(codec))
        encode.add_command(encode_command(codec))
    return kioskctl


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


@click.command("status")
@bus_options
def status_command(*, as_json: bool, bus_dir: Path | None, config_path: Path) -> None:
    """What the kiosk does, what is wrong with it and what to do about it."""
    status = _run(_status(bus_dir, config_path), as_json=as_json)
    click.echo(msgspec.json.encode(status) if as_json else status_text(status))
    sys.exit(Exit.OK if status.in_service else Exit.OUT_OF_SERVICE)


@click.command("watch")
@bus_options
@click.option("--all", "everything", is_flag=True, help="Sensor readings, stages and the outbox, too.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many lines.")
def watch_command(
    *, as_json: bool, bus_dir: Path | None, config_path: Path, everything: bool, count: int | None
) -> None:
    """A line at each change, until Ctrl-C."""
    topics: tuple[Topic, ...] = ("status", "sensor", "stage", "outbox") if everything else ("status",)
    last = ""

    def show(push: Push) -> bool:
        nonlocal last
        line = msgspec.json.encode(push).decode() if as_json else push_line(push)
        if isinstance(push, Status) and status_line(push) == last:
            return False  # only the uptime moved
        last = status_line(push) if isinstance(push, Status) else last
        click.echo(line)
        sys.stdout.flush()
        return True

    try:
        _run(_watch(bus_dir, config_path, topics, show, count), as_json=as_json)
    except KeyboardInterrupt:
        sys.exit(Exit.OK)


@click.command("accept-device")
@bus_options
@click.argument("device", type=click.Choice(["validator"]))
@click.argument("serial_number", type=click.IntRange(0, 0xFFFFFFFF))
def accept_command(
    device: Literal["validator"], serial_number: int, *, as_json: bool, bus_dir: Path | None, config_path: Path
) -> None:
    """Vouch for another DEVICE after an exchange, by the SERIAL_NUMBER that `status` shows.

    Until then the kiosk stays out of service. It is recorded, and refused while a deposit is open. To undo it,
    accept the old device again.
    """

    async def ask() -> None:
        client = await _connect(bus_dir, config_path)
        try:
            await _asked(client, AcceptDevice(device, serial_number))
        finally:
            await client.close()

    _run(ask(), as_json=as_json)
    click.echo(msgspec.json.encode({"accepted": serial_number}) if as_json else f"{device} {serial_number} is accepted")


async def _status(bus_dir: Path | None, config_path: Path) -> Status:
    client = await _connect(bus_dir, config_path)
    try:
        reply = await _asked(client, GetStatus())
    finally:
        await client.close()
    if not isinstance(reply, Status):
        message = f"the controller answered with {type(reply).__name__}"
        raise BusError(message)
    return reply


async def _watch(
    bus_dir: Path | None,
    config_path: Path,
    topics: tuple[Topic, ...],
    show: Callable[[Push], bool],
    count: int | None,
) -> None:
    pushes: asyncio.Queue[Push] = asyncio.Queue(QUEUE_PUSHES_MAX)

    def take(push: Push) -> None:
        if pushes.full():
            pushes.get_nowait()
        pushes.put_nowait(push)

    client = await _connect(bus_dir, config_path, take)
    lost = asyncio.ensure_future(client.wait_closed())
    shown = 0
    try:
        await _asked(client, Subscribe(topics))
        while count is None or shown < count:
            push = asyncio.ensure_future(pushes.get())
            await asyncio.wait({push, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not push.done():
                push.cancel()
                raise lost.result()
            shown += show(push.result())
    finally:
        await client.close()
        await lost


async def _connect(bus_dir: Path | None, config_path: Path, on_push: Callable[[Push], None] | None = None) -> BusClient:
    directory = bus_dir if bus_dir is not None else load_config(config_path).paths.bus_dir
    return await BusClient.connect(directory, ROLE, on_push)


async def _asked(client: BusClient, request: Request) -> Reply:
    reply = await client.request(request)
    if isinstance(reply, Refused):
        raise KioskError(reply.message, remedy=reply.remedy)
    return reply


def _run(work: Coroutine[Any, Any, _Result], *, as_json: bool) -> _Result:
    """Run to the end; an error is told (with --json as one object on standard output) and becomes the exit code."""
    try:
        return asyncio.run(work)
    except ConfigError as error:
        code: Exit = Exit.CONFIG
        told: KioskError = error
    except BusError as error:
        code, told = Exit.UNREACHABLE, error
    except KioskError as error:
        code, told = Exit.FAILED, error
    if as_json:
        click.echo(msgspec.json.encode({"error": told.args[0], "remedy": told.remedy, "exit_code": int(code)}))
    else:
        click.echo(click.style(f"kioskctl: {told.args[0]}", fg="red"), err=True)
        click.echo(f"-> {told.remedy}", err=True)
    sys.exit(code)
