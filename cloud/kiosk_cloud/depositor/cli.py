"""`kiosk-cloud depositor serve | notify`: the depositor's page, and telling those who left a contact."""

import json
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Final

import click
import uvicorn

from kiosk.clock import SystemClock
from kiosk.errors import ConfigError
from kiosk.guarantee.seal import SealPrivateKey, SealPublicKey
from kiosk_cloud import config as bank_config
from kiosk_cloud.config import BankConfig
from kiosk_cloud.depositor import settings as depositor_settings
from kiosk_cloud.depositor.book import ContactBook
from kiosk_cloud.depositor.lookup import Desk
from kiosk_cloud.depositor.notices import Gateway, MailFolder, Notifier
from kiosk_cloud.depositor.settings import Settings
from kiosk_cloud.depositor.web import Parts, application
from kiosk_cloud.explained import explained
from kiosk_cloud.posting.webhook import Webhook
from kiosk_cloud.trusting import PolicyFile

ROUND_S: Final = 60.0
CONNECTIONS_MAX: Final = 64
KEEP_ALIVE_S: Final = 10
EXIT_LEFT: Final = 1


@click.group()
def depositor() -> None:
    """The page where a depositor sees what the bank holds of a receipt."""


@depositor.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="bank.toml, as `provision` writes it; depositor.toml is read beside it.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8090, show_default=True, help="Port to listen on.")
@click.option("--proxy", help="Address of the reverse proxy whose X-Forwarded-For is believed; without it none is.")
def serve(config_path: Path, host: str, port: int, proxy: str | None) -> None:
    """Serve the page until stopped; put TLS before it (any reverse proxy)."""
    with explained():
        config, settings = _load(config_path)
        desk, policy = _desk(config)
        ContactBook(settings.contacts).close()  # a book that cannot be used is said now, not to a depositor
        parts = Parts(
            desk=desk,
            contacts=lambda: ContactBook(settings.contacts),
            key=SealPublicKey.load(config_path.with_name("contact.pub")),
            clock=SystemClock(),
            accept=settings.accept,
            policy=policy.data,
            verify_page=settings.verify_page,
        )
        options = uvicorn.Config(
            application(parts),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,  # who asked about which receipt is nobody's business
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_S,
            server_header=False,
            proxy_headers=proxy is not None,
            forwarded_allow_ips=proxy,
        )
        _Server(options).run()


@depositor.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="bank.toml, as `provision` writes it; depositor.toml is read beside it.",
)
@click.option("--follow", is_flag=True, help="Go on, a round each minute, until stopped (SIGINT or SIGTERM).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each round.")
def notify(config_path: Path, *, follow: bool, as_json: bool) -> None:
    """Tell those who left a contact what happened to their deposit, each event once.

    Exit code 1 when somebody could not be told yet.
    """
    left = 0
    with explained():
        config, settings = _load(config_path)
        contacts = ContactBook(settings.contacts)
        mail = None if settings.mail is None else MailFolder(settings.mail, settings.sender)
        gateway = Gateway(Webhook(settings.webhook_url, settings.webhook_key)) if settings.webhook_url else None
        key = SealPrivateKey.load(config.keys / "contact.key")
        notifier = Notifier(contacts, _desk(config)[0], key, mail, gateway, SystemClock(), settings.keep_days)
        stopping = threading.Event()
        if follow:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stopping.set())
        while True:
            done = notifier.round()
            left = done.left
            if as_json:
                row = {"queued": done.queued, "told": done.told, "left": done.left, "forgotten": done.forgotten}
                click.echo(json.dumps(row))
            else:
                click.echo(f"{done.told} told, {done.left} left, {done.forgotten} contacts forgotten")
            if not follow or stopping.wait(ROUND_S):
                break
        contacts.close()
    sys.exit(EXIT_LEFT if left and not follow else 0)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when it answers, for whoever started it."""
        await super().startup(sockets)
        if self.started:
            click.echo(f"listening on {self.config.host} port {self.config.port}")


def _load(path: Path) -> tuple[BankConfig, Settings]:
    config = bank_config.load(path)
    if config.policy is None:
        raise ConfigError(f"{path} names no policy", remedy="Receipts are checked against it; name policy and mirror.")
    return config, depositor_settings.load(path.with_name(depositor_settings.FILE))


def _desk(config: BankConfig) -> tuple[Desk, PolicyFile]:
    assert config.policy is not None
    policy = PolicyFile(config.policy)
    return Desk(config.store, config.mirror, policy.policy), policy
