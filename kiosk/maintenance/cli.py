"""The commands of `kioskctl`. Exit codes are for scripts and stay as they are."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click
import msgspec

from kiosk import __version__
from kiosk.maintenance.codecs import Codec, decode_command, encode_command
from kiosk.maintenance.disputes import dispute_group
from kiosk.maintenance.keys import keys_group
from kiosk.maintenance.models import model_group
from kiosk.maintenance.people import COMMANDS
from kiosk.maintenance.render import push_line, status_line, status_text
from kiosk.maintenance.risk import risk_group
from kiosk.maintenance.session import DEFAULT_CONFIG, Exit, ask, asked, bus_options, connect, run
from kiosk.maintenance.settings import config_command
from kiosk.maintenance.units import UNIT_COMMANDS
from kiosk.messages import GetStatus, Push, Status, Subscribe, Topic

QUEUE_PUSHES_MAX: Final = 1000  # a terminal this slow loses the oldest news


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
    for command in (*COMMANDS, dispute_group, keys_group, model_group, risk_group, *UNIT_COMMANDS):
        kioskctl.add_command(command)
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


@click.command("status")
@bus_options
def status_command(*, as_json: bool, bus_dir: Path | None, config_path: Path) -> None:
    """What the kiosk does, what is wrong with it and what to do about it."""
    status = run(ask(bus_dir, config_path, GetStatus(), Status), as_json=as_json)
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
        run(_watch(bus_dir, config_path, topics, show, count), as_json=as_json)
    except KeyboardInterrupt:
        sys.exit(Exit.OK)


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

    client = await connect(bus_dir, config_path, take)
    lost = asyncio.ensure_future(client.wait_closed())
    shown = 0
    try:
        await asked(client, Subscribe(topics))
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
