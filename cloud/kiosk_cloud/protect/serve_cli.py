"""`kiosk-protect serve | user | token | retrain`: the page, who may use it, and what is learnt from it."""

import json
import socket
import sys
from pathlib import Path
from typing import Final, cast

import click
import msgspec
import uvicorn

from kiosk.clock import SystemClock, rfc3339
from kiosk.errors import ConfigError
from kiosk.protection import logs
from kiosk.protection.catalogue import CatalogueError, CatalogueFile
from kiosk.protection.classify import Classifier
from kiosk.protection.networks import ArtifactError
from kiosk_cloud.explained import explained
from kiosk_cloud.files import write_private
from kiosk_cloud.protect import retraining
from kiosk_cloud.protect.judging import Judge
from kiosk_cloud.protect.web import memory, settings
from kiosk_cloud.protect.web.app import application
from kiosk_cloud.protect.web.book import ROLES, Role
from kiosk_cloud.protect.web.common import Parts
from kiosk_cloud.protect.web.queue import Queue
from kiosk_cloud.protect.web.settings import Limits, Place

PROGRAM: Final = "kiosk-protect"
CONNECTIONS_MAX: Final = 64
KEEP_ALIVE_S: Final = 10
EXIT_NO_BETTER: Final = 1
_directory = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The server's folder: key, users and jobs, encrypted files.",
)


@click.command()
@_directory
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8095, show_default=True, help="Port to listen on.")
@click.option("--proxy", help="Address of the reverse proxy whose X-Forwarded-For is believed; without it none is.")
@click.option("--upload-mib", type=click.IntRange(1, 4096), default=settings.UPLOAD_MIB, show_default=True,
              help="Largest file that may be uploaded.")  # fmt: skip
@click.option("--keep-hours", type=click.FloatRange(0.01, 24 * 30), default=settings.KEEP_HOURS, show_default=True,
              help="What was found is removed after so long.")  # fmt: skip
@click.option("--memory", "memory_path", type=click.Path(path_type=Path, file_okay=False, exists=True),
              default=memory.DEFAULT, show_default=True, help="Folder of a tmpfs: tables in clear.")  # fmt: skip
@click.option("--catalogue", "catalogue_path", type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help="The bank's own catalogue of kinds and grades.")  # fmt: skip
@click.option("--models", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Folder with the classifier's networks; that of the package if left out.")  # fmt: skip
def serve(  # noqa: PLR0913, PLR0917 - click names every option
    directory: Path,
    host: str,
    port: int,
    proxy: str | None,
    upload_mib: int,
    keep_hours: float,
    memory_path: Path,
    catalogue_path: Path | None,
    models: Path | None,
) -> None:
    """Serve the page and the API until stopped; put TLS before it (any reverse proxy)."""
    with explained(PROGRAM):
        logs.set_up()
        place = Place.at(directory)
        with place.book() as book:
            if not book.users():
                raise ConfigError(
                    "nobody may sign in yet", remedy=f"{PROGRAM} user add --dir {directory} NAME --role admin"
                )
        limits = Limits(upload_mib << 20, keep_hours * 3600, memory=memory_path)
        try:
            catalogue = CatalogueFile(catalogue_path)
        except (CatalogueError, OSError) as error:
            raise ConfigError(f"the catalogue cannot be used: {error}") from error
        try:
            Judge.load(models)  # what each job will do, so that it is said now
        except ArtifactError as error:
            raise ConfigError(f"the models cannot be used: {error}") from error
        queue = Queue(place, limits, models, catalogue_path)
        alone = place.alone()
        queue.start()
        try:
            options = uvicorn.Config(
                application(Parts(place, queue, SystemClock(), limits, catalogue)),
                host=host,
                port=port,
                log_level="warning",
                access_log=False,  # ids of jobs are nobody's business
                limit_concurrency=CONNECTIONS_MAX,
                timeout_keep_alive=KEEP_ALIVE_S,
                server_header=False,
                proxy_headers=proxy is not None,
                forwarded_allow_ips=proxy,
            )
            _Server(options).run()
        finally:
            queue.stop()
            alone.close()


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when it answers, for whoever started it."""
        await super().startup(sockets)
        if self.started:
            click.echo(f"listening on {self.config.host} port {self.config.port}")


@click.group()
def user() -> None:
    """Who may sign in at the page."""


@user.command("add")
@click.argument("name")
@_directory
@click.option("--role", type=click.Choice(ROLES), default="uploader", show_default=True,
              help="uploader: own tables; reviewer: all tables; admin: users, no tables.")  # fmt: skip
@click.password_option(help="Asked for when it is left out, which keeps it out of the shell's history.")
def add_user(name: str, directory: Path, role: str, password: str) -> None:
    """Let NAME sign in, or give another role and password."""
    with explained(PROGRAM), Place.at(directory).book() as book:
        book.put_user(name, cast("Role", role), password)
        click.echo(f"{name} may sign in as {role}")


@user.command("list")
@_directory
def list_users(directory: Path) -> None:
    """Names and roles."""
    with explained(PROGRAM), Place.at(directory).book() as book:
        for each in book.users():
            click.echo(f"{each.name} {each.role}")


@user.command("remove")
@click.argument("name")
@_directory
def remove_user(name: str, directory: Path) -> None:
    """NAME may no longer sign in; their tokens end."""
    with explained(PROGRAM), Place.at(directory).book() as book:
        if not book.remove_user(name):
            raise ConfigError(f"{name} is not there, or is the last administrator")


@click.command()
@click.argument("name")
@_directory
def token(name: str, directory: Path) -> None:
    """A new token of NAME for the HTTP API; it is printed once and kept as a hash."""
    with explained(PROGRAM), Place.at(directory).book() as book:
        click.echo(book.new_token(name, rfc3339(SystemClock().now_utc())))


@click.command()
@_directory
@click.option("--models", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Folder with the classifier's networks; that of the package if left out.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="New folder for the same networks with the new weights; without it only told.")  # fmt: skip
@click.option("--export", type=click.Path(path_type=Path, dir_okay=False),
              help="Also write the feedback IN CLEAR, for scripts/train-protection.sh.")  # fmt: skip
@click.option("--forget", is_flag=True, help="Remove the feedback when the new folder is written.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def retrain(
    directory: Path, models: Path | None, out: Path | None, export: Path | None, *, forget: bool, as_json: bool
) -> None:
    """Fit the fusion's weights again to what reviewers have corrected, and tell what that changes.

    Exit code 1 when no other weights get more of the corrected cells right: nothing is written then.
    """
    with explained(PROGRAM), Place.at(directory).book() as book:
        corrections = [retraining.Correction.parse(each) for each in book.feedback()]
        if export is not None:
            write_private(export, retraining.exported(corrections).encode())
        try:
            found = retraining.refit(Classifier.load(models), retraining.weights_of(models), corrections)
        except ArtifactError as error:
            raise ConfigError(f"the models cannot be used: {error}") from error
        version = retraining.write(models, out, found) if found.better and out is not None else ""
        if version and forget:
            book.forget_feedback()
    _tell(found, version, out, as_json=as_json)
    sys.exit(0 if found.better else EXIT_NO_BETTER)


def _tell(found: retraining.Outcome, version: str, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        row = {
            "corrections": found.corrections,
            "right_before": found.right_before,
            "right_after": found.right_after,
            "kept": round(found.kept, 4),
            "version": version,
            "changes": [msgspec.to_builtins(change) for change in found.changes],
        }
        click.echo(json.dumps(row))
        return
    click.echo(f"{found.corrections} corrected cells: {found.right_before} right before, {found.right_after} after")
    click.echo(f"{found.kept:.1%} of the cells around them are judged as before")
    for change in found.changes:
        click.echo(f"  {change.algorithm} on {change.kind}: {change.before:.3f} -> {change.after:.3f}")
    if version:
        click.echo(f"{out} has version {version}: use it with --models")
    elif not found.better:
        click.echo(
            "No other weights are better: the networks themselves have to learn it (--export, train-protection)."
        )
