"""`kiosk-cloud monitor run | alarms`: verify every log of a policy from mirrors of tiles, and say what is wrong."""

import json
import logging
import signal
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from kiosk.clock import SystemClock
from kiosk.guarantee import checkpoint
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.policy import Policy
from kiosk_cloud.explained import explained
from kiosk_cloud.monitor import sources
from kiosk_cloud.monitor.following import Monitor, Round, Watched
from kiosk_cloud.monitor.sources import Missing, Silent, Site
from kiosk_cloud.monitor.state import Alarm, MonitorState
from kiosk_cloud.store import Store
from kiosk_cloud.trusting import PolicyFile

EXIT_ALARMS: Final = 1
STATE: Final = click.option(
    "--state",
    "state_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="What the monitor remembers; made when it is missing. Keep it: without it an old copy looks like a new log.",
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="JSON lines.")


@click.group()
def monitor() -> None:
    """Follow every log of a policy. Needs a mirror of tiles, a folder or a URL, and nothing of the bank's."""


@monitor.command("run")
@STATE
@click.option(
    "--policy",
    "policy_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Which logs to follow, and whose cosignatures count.",
)
@click.option("--mirror", "mirrors", multiple=True, required=True, help="Folder or URL with one folder for each kiosk.")
@click.option(
    "--note",
    "notes",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Signed checkpoints or receipts' second codes that somebody has; files or folders.",
)
@click.option("--witnesses", "ask_witnesses", is_flag=True, help="Ask the policy's witnesses what they have signed.")
@click.option("--store", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="At the bank: its store.")
@click.option(
    "--ack-key",
    "ack_keys",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="With --store: bank_ack.pub, to compare what the bank has acknowledged; may be repeated for later keys.",
)
@click.option(
    "--grace-s", type=click.FloatRange(min=0), default=3600.0, show_default=True, help="What may last so long."
)
@click.option("--follow", is_flag=True, help="Go on until stopped (SIGINT or SIGTERM).")
@click.option("--every-s", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Between two rounds.")
@JSON
def run(  # noqa: PLR0913 - the options of one command
    state_path: Path,
    policy_path: Path,
    mirrors: tuple[str, ...],
    notes: tuple[Path, ...],
    store: Path | None,
    ack_keys: tuple[Path, ...],
    grace_s: float,
    every_s: float,
    *,
    ask_witnesses: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Verify every log from its first leaf, compare all that was signed of it, and alarm.

    Exit code 1 while an alarm is open; `monitor alarms --settle` is for a person who has dealt with it.
    """
    logging.basicConfig(level=logging.CRITICAL + as_json, format="%(message)s")
    with explained():
        policy = PolicyFile(policy_path).policy
        state = MonitorState(state_path)
        watched = Watched(
            mirrors=lambda kiosk: [sources.source(place, kiosk) for place in mirrors],
            claims=_Claims(policy, notes, store, ask_witnesses=ask_witnesses),
            acks=_acks(store),
            ack_keys=PublicKeys.load(*ack_keys) if ack_keys else None,
            grace_s=grace_s,
        )
        following = Monitor(policy, watched, state, SystemClock())
        stopping = threading.Event()
        if follow:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stopping.set())
        told = 0
        while True:
            done = following.round()
            told = _say(done, state.alarms(), told, as_json=as_json)
            if not follow or stopping.wait(every_s):
                break
        open_alarms = bool(state.alarms())
        state.close()
    sys.exit(EXIT_ALARMS if open_alarms else 0)


@monitor.command("alarms")
@STATE
@click.option("--all", "settled", is_flag=True, help="Also those that somebody has settled.")
@click.option("--settle", type=int, help="Number of an alarm that somebody has dealt with.")
@click.option("--why", default="", help="With --settle: by whom, and what was found.")
@JSON
def alarms(state_path: Path, settle: int | None, why: str, *, settled: bool, as_json: bool) -> None:
    """Show the open alarms with their evidence, or settle one."""
    with explained():
        if not state_path.is_file():
            raise click.UsageError(f"{state_path} is not there")
        state = MonitorState(state_path)
        if settle is not None and (not why or not state.settle(settle, why)):
            raise click.UsageError("--settle needs the number of an open alarm, and --why")
        for alarm in state.alarms(settled=settled):
            _say_alarm(alarm, as_json=as_json)
        left = bool(state.alarms())
        state.close()
    sys.exit(EXIT_ALARMS if left else 0)


class _Claims:
    """What others hold of a log: files, the store of the bank, witnesses."""

    def __init__(
        self, policy: Callable[[], Policy], notes: tuple[Path, ...], store: Path | None, *, ask_witnesses: bool
    ) -> None:
        self._policy = policy
        self._notes = notes
        self._store = store
        self._ask = ask_witnesses
        self._told: dict[str, int] = {}  # kiosk -> the largest checkpoint of the store that was told

    def __call__(self, kiosk: str) -> Iterator[tuple[str, str]]:
        yield from sources.notes(list(self._notes))
        if self._store is not None:
            yield from self._stored(self._store, kiosk)
        if self._ask:
            yield from self._witnesses(kiosk)

    def _stored(self, path: Path, kiosk: str) -> Iterator[tuple[str, str]]:
        store = Store(path, read_only=True)
        try:
            for size, _, note in store.checkpoints(kiosk, (self._told.get(kiosk, 0), 2**62)):
                self._told[kiosk] = size
                yield "the kiosk", note.decode("utf-8", "replace")
            if (cosigned := store.cosigned(kiosk)) is not None:
                yield "the receiver", cosigned[1]
        finally:
            store.close()

    def _witnesses(self, kiosk: str) -> Iterator[tuple[str, str]]:
        query = urllib.parse.urlencode({"origin": checkpoint.origin(kiosk)})
        for url in sorted(set(self._policy().urls.values())):
            try:
                yield url, Site(url).read(f"checkpoint?{query}").decode("utf-8", "replace")
            except (Missing, Silent) as error:
                logging.getLogger(__name__).warning("witness %s: %s", url, error)


def _acks(path: Path | None) -> Callable[[str], list[bytes]]:
    def newest(kiosk: str) -> list[bytes]:
        assert path is not None
        store = Store(path, read_only=True)
        try:
            found = store.newest_ack(kiosk)
            return [] if found is None else [found[1]]
        finally:
            store.close()

    return newest if path is not None else lambda _kiosk: []


def _say(done: Round, open_alarms: list[Alarm], told: int, *, as_json: bool) -> int:
    """New ones in full, then one line for the round; the number of the last alarm that was told."""
    for alarm in open_alarms:
        if alarm.number > told:
            _say_alarm(alarm, as_json=as_json)
    row: dict[str, Any] = {"logs": done.sizes, "new_alarms": done.new_alarms, "open_alarms": len(open_alarms)}
    if as_json:
        click.echo(json.dumps(row))
    else:
        sizes = ", ".join(f"{origin} {size}" for origin, size in done.sizes.items())
        click.echo(f"verified leaves: {sizes}; {done.new_alarms} new alarms, {len(open_alarms)} open")
    return max([told, *(alarm.number for alarm in open_alarms)])


def _say_alarm(alarm: Alarm, *, as_json: bool) -> None:
    if as_json:
        fields = ("number", "origin", "kind", "source", "reason", "evidence", "at", "settled")
        click.echo(json.dumps({"alarm": {name: getattr(alarm, name) for name in fields}}, ensure_ascii=False))
        return
    click.echo(f"ALARM {alarm.number} {alarm.kind} {alarm.at} {alarm.origin}, at {alarm.source}: {alarm.reason}")
    if alarm.settled:
        click.echo(f"  settled: {alarm.settled}")
    for line in alarm.evidence.splitlines():
        click.echo(f"  | {line}")
