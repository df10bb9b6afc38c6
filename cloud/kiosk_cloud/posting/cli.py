"""`kiosk-cloud post`: hand verified deposits to the bank's books, once each."""

import json
import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

import click

from kiosk.clock import SystemClock
from kiosk.protection import logs
from kiosk_cloud import config as bank_config
from kiosk_cloud.explained import explained
from kiosk_cloud.files import private_dir
from kiosk_cloud.posting import settings as posting_settings
from kiosk_cloud.posting.service import Poster, Round, only_one
from kiosk_cloud.posting.webhook import Webhook
from kiosk_cloud.store import Store

EXIT_WAITING: Final = 1


@click.command("post")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="bank.toml, as `provision` writes it.",
)
@click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="posting.toml; without it the one beside bank.toml.",
)
@click.option("--follow", is_flag=True, help="Go on until stopped (SIGINT or SIGTERM).")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object; with --follow one for each round that did something."
)
def post(config_path: Path, settings_path: Path | None, *, follow: bool, as_json: bool) -> None:
    """Hand each verified deposit, and the clearing of its disputes, exactly once to the bank's books.

    By webhook, by camt.054 file, or both, as posting.toml says; both carry the deposit id. Exit code 1 when something
    is held for people or was not accepted yet.
    """
    logs.set_up(logging.ERROR if as_json else logging.WARNING)
    with explained():
        config = bank_config.load(config_path)
        settings = posting_settings.load(settings_path or config_path.with_name(posting_settings.FILE))
        if settings.files is not None:
            private_dir(settings.files)
        webhook = (
            Webhook(settings.webhook_url, settings.webhook_key, settings.webhook_ca) if settings.webhook_url else None
        )
        with only_one(config.store):
            store = Store(config.store)
            try:
                poster = Poster(store, settings, webhook, SystemClock())
                code = _follow(poster, as_json=as_json) if follow else _once(poster, as_json=as_json)
            finally:
                store.close()
    sys.exit(code)


def _once(poster: Poster, *, as_json: bool) -> int:
    done = poster.round(everything=True)
    report = poster.report()
    _say(done, report, as_json=as_json)
    return EXIT_WAITING if report["held"] or report["refused"] or done.unreachable else 0


def _follow(poster: Poster, *, as_json: bool) -> int:
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    for done in poster.follow(stopping):
        if done.webhook or done.files or done.refused:
            _say(done, poster.report(), as_json=as_json)
    return 0


def _say(done: Round, report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        now = {"webhook": done.webhook, "refused": done.refused, "unreachable": done.unreachable, "files": done.files}
        click.echo(json.dumps({"handed": now, **report}))
        return
    click.echo(f"handed over: {done.webhook} by webhook, files: {', '.join(done.files) or 'none'}")
    click.echo("all in all: " + ", ".join(f"{name} {count}" for name, count in report["postings"].items()))
    for held in report["held"]:
        click.echo(f"HELD {held['key']}: {held['reason']}")
    for refused in report["refused"]:
        click.echo(f"NOT ACCEPTED {refused['key']} after {refused['attempts']} attempts: {refused['error']}")
    if done.unreachable:
        click.echo(f"the webhook does not answer: {done.unreachable}")
