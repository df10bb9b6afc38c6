"""`kioskctl watch`: news as it comes, or a command again and again."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import msgspec

from kiosk.errors import KioskError
from kiosk.maintenance.completing import command_at
from kiosk.maintenance.render import push_line, status_line
from kiosk.maintenance.roles import only_looks
from kiosk.maintenance.seat import Seat, present
from kiosk.maintenance.session import Exit, asked, bus_options, connect, fail, placed, run
from kiosk.messages import Push, Status, Subscribe, Topic

QUEUE_PUSHES_MAX: Final = 1000  # a terminal this slow loses the oldest news
EVERY_S_MIN: Final = 0.5


@click.command("watch", context_settings={"allow_interspersed_args": False})
@bus_options
@click.option("--all", "everything", is_flag=True, help="Sensor readings, stages and the outbox, too.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many lines, or runs of COMMAND.")
@click.option(
    "-n", "--every", "every_s", type=click.FloatRange(EVERY_S_MIN, 3600), default=2.0, show_default=True,
    help="Seconds between two runs of COMMAND.",
)  # fmt: skip
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
@click.pass_context
def watch_command(
    context: click.Context,
    command: tuple[str, ...],
    *,
    as_json: bool,
    bus_dir: Path | None,
    config_path: Path,
    everything: bool,
    count: int | None,
    every_s: float,
) -> None:
    """A line at each change, until Ctrl-C; with COMMAND, that command again and again. Only what changes nothing."""
    where = placed(bus_dir, config_path)
    try:
        if command:
            _again(context, Seat(where), command, every_s, count, as_json=as_json)
        else:
            _news(where, everything=everything, count=count, as_json=as_json)
    except KeyboardInterrupt:
        sys.exit(Exit.OK)


def _again(
    context: click.Context, nobody: Seat, words: tuple[str, ...], every_s: float, count: int | None, *, as_json: bool
) -> None:
    root = context.find_root().command
    assert isinstance(root, click.Group), "a command is only found below one"
    path = " ".join(command_at(root, list(words))[1])
    if not only_looks(path):
        fail(
            KioskError(f"{path or words[0]} is not for watching", remedy="Only what changes nothing is repeated."),
            as_json=as_json,
        )
    runs, code = 0, 0
    while True:
        if sys.stdout.isatty():
            click.clear()
            click.echo(f"every {every_s:g} s: {' '.join(words)}   (Ctrl-C ends)\n")
        try:
            root.main(list(words), prog_name="kioskctl", standalone_mode=False, obj=present() or nobody)
        except SystemExit as ended:  # a state such as out of service is no reason to stop looking
            code = int(ended.code or 0)
            if code in (Exit.USAGE, Exit.CONFIG, Exit.NOT_ALLOWED):
                raise
        runs += 1
        if count is not None and runs >= count:
            sys.exit(code)
        sys.stdout.flush()
        time.sleep(every_s)


def _news(where: tuple[Path | None, Path], *, everything: bool, count: int | None, as_json: bool) -> None:
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

    run(_watch(where, topics, show, count), as_json=as_json)


async def _watch(
    where: tuple[Path | None, Path], topics: tuple[Topic, ...], show: Callable[[Push], bool], count: int | None
) -> None:
    pushes: asyncio.Queue[Push] = asyncio.Queue(QUEUE_PUSHES_MAX)

    def take(push: Push) -> None:
        if pushes.full():
            pushes.get_nowait()
        pushes.put_nowait(push)

    client = await connect(*where, take)
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
