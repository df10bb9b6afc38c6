"""`kiosk-cloud command | terms | complaint`: what the bank says to its kiosks, and what came of it."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from kiosk.core import commands as c
from kiosk.errors import ConfigError
from kiosk.guarantee import complaints as statement
from kiosk_cloud import config as bank_config
from kiosk_cloud import directory as accounts
from kiosk_cloud.commanding import giving
from kiosk_cloud.commanding import terms as editions
from kiosk_cloud.commanding.queue import Given, Queue
from kiosk_cloud.explained import explained
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import utc_now
from kiosk_cloud.publishing import publish_retained
from kiosk_cloud.store import Store

F = TypeVar("F", bound=Callable[..., Any])
LIFE_H: Final = 24 * 14  # a kiosk may be offline for weeks


def _config(command: F) -> F:
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        required=True,
        help="bank.toml, as `provision` writes it.",
    )(command)


_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_FILE = click.option(
    "--file", "file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The command, as exported."
)


def _policy(path: Path | None, *, needed: bool = True) -> str:
    if path is None and not needed:
        return ""
    if path is None:
        message = "policy needs a file"
        raise ConfigError(message, remedy="Give --policy FILE.")
    return path.read_text(encoding="utf-8")


# From the command line's arguments and the bank's keys to the command.
_MAKE: Final[dict[str, Callable[[dict[str, Any], Keyring], c.AnyCommand]]] = {
    "out-of-service": lambda given, _: c.OutOfService(given["reason"]),
    "in-service": lambda _given, _keys: c.InService(),
    "resend": lambda given, _: c.Resend(given["first"]),
    "report-units": lambda _given, _keys: c.ReportUnits(),
    "limits": lambda given, _: c.SetLimits(
        giving.moment(given["until"]), tuple(map(giving.parse_limit, given["limits"]))
    ),
    "seal-key": lambda _, keys: c.SetSealKey(keys.new_seal_key().public.raw),
    "policy": lambda given, _: c.SetPolicy(_policy(given["policy"])),
}


@click.group()
def command() -> None:
    """Signed commands: given here, sent by the receiver until the kiosk's signed result is here."""


@command.command("give")
@click.argument(
    "name",
    type=click.Choice([*_MAKE, "new-epoch"]),
)
@_config
@click.option("--kiosk", required=True, help="Whom it is for.")
@click.option("--life-h", type=click.IntRange(1, 24 * 90), default=LIFE_H, show_default=True, help="Hours to its end.")
@click.option("--reason", default="", help="out-of-service: why, in words for status.")
@click.option("--from", "first", type=click.IntRange(0), default=0, show_default=True, help="resend: first record.")
@click.option("--until", default="", help="limits: a moment, e.g. 2026-12-24T18:00:00+08:00.")
@click.option(
    "--limit", "limits", multiple=True, metavar="CUR:DEPOSIT:DAY", help="limits: minor units; may be repeated."
)
@click.option(
    "--policy",
    "policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="policy, new-epoch: a file, C2SP tlog-policy.",
)
@click.option("--epoch", type=click.IntRange(2), default=2, show_default=True, help="new-epoch: its number.")
@_JSON
def give(
    config_path: Path,
    kiosk: str,
    life_h: int,
    name: str,
    *,
    as_json: bool,
    **arguments: Any,  # noqa: ANN401 - as click gives them to `_MAKE`
) -> None:
    """Sign the next command for a kiosk and put it into the queue; sensitive ones wait there for the second signer.

    Sensitive: limits, seal-key, policy, new-epoch. seal-key makes a new key in the bank's keys directory; receivers
    find it. new-epoch closes a log that went wrong; run `provision` again then, for the broker's access list.
    """
    with explained():
        config = bank_config.load(config_path)
        what = (
            giving.new_epoch(config, kiosk, arguments["epoch"], _policy(arguments["policy"], needed=False))
            if name == "new-epoch"
            else _MAKE[name](arguments, Keyring(config.keys))
        )
        given = giving.give(config, kiosk, what, utc_now(), timedelta(hours=life_h))
    if as_json:
        click.echo(json.dumps(vars(given)))
        return
    click.echo(_line(given))
    if given.state == "unsigned":
        click.echo(f"Next: kiosk-cloud command export --kiosk {kiosk} --number {given.sequence} --file FILE")


@command.command("list")
@_config
@click.option("--kiosk", help="Of this kiosk only.")
@_JSON
def list_commands(config_path: Path, kiosk: str | None, *, as_json: bool) -> None:
    """Every command and how it stands: unsigned, queued, sent, or the kiosk's outcome: done, refused, expired."""
    with explained():
        store = Store(bank_config.load(config_path).store)
        try:
            found = Queue(store).given(kiosk)
        finally:
            store.close()
    if as_json:
        click.echo(json.dumps({"commands": [vars(given) for given in found]}))
        return
    for given in found:
        click.echo(_line(given))


@command.command("result")
@_config
@click.option("--kiosk", required=True, help="Whose.")
@click.option("--number", type=click.IntRange(1), required=True, help="The command's number.")
def show_result(config_path: Path, kiosk: str, number: int) -> None:
    """The kiosk's signed result of a command, opened and verified again, as JSON (bytes in hex)."""
    with explained():
        found = giving.result_of(bank_config.load(config_path), kiosk, number)
        if found is None:
            message = f"{kiosk} has not answered command {number}"
            raise ConfigError(message, remedy="`kiosk-cloud command list` shows what is waited for.")
    click.echo(json.dumps(found, default=_hex, ensure_ascii=False))


@command.command("export")
@_config
@click.option("--kiosk", required=True, help="Whose.")
@click.option("--number", type=click.IntRange(1), required=True, help="The command's number.")
@_FILE
def export(config_path: Path, kiosk: str, number: int, file: Path) -> None:
    """Write a command into a file, to carry it to the second signer."""
    with explained():
        order = giving.export(bank_config.load(config_path), kiosk, number, file)
    click.echo(giving.in_words(order))
    click.echo(f"Next, where the second signer's key is: kiosk-cloud command sign --file {file} --key second.key")


@command.command("sign")
@_FILE
@click.option(
    "--key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The second signer's key file."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def sign(file: Path, key: Path, *, yes: bool) -> None:
    """Show what a command says and add the second signer's signature to its file. Needs nothing else of the bank."""
    with explained():
        click.echo(giving.in_words(giving.read_file(file)[1]))
        if yes or click.confirm("Sign this?"):
            giving.countersign(file, key)
            click.echo(f"Signed. Next, at the bank: kiosk-cloud command import --config bank.toml --file {file}")


@command.command("import")
@_config
@_FILE
def take_in(config_path: Path, file: Path) -> None:
    """Take the second signature out of a file; the receiver sends the command from then on."""
    with explained():
        order, new = giving.take_in(bank_config.load(config_path), file)
    state = "complete, it will be sent" if new else "nothing new"
    click.echo(f"{order.kiosk}, command {order.sequence}: {state}")


@command.command("withdraw")
@_config
@click.option("--kiosk", required=True, help="Whose.")
@click.option("--number", type=click.IntRange(1), required=True, help="The command's number.")
def withdraw(config_path: Path, kiosk: str, number: int) -> None:
    """Give up a command that waits for its second signature, so that later ones can follow: the kiosk refuses it."""
    with explained():
        store = Store(bank_config.load(config_path).store)
        try:
            with store.transaction():
                done = Queue(store).withdraw(kiosk, number)
        finally:
            store.close()
        if not done:
            message = f"{kiosk} has no command {number} that waits for a signature"
            raise ConfigError(message, remedy="What is signed cannot be taken back; give another command.")
    click.echo(f"{kiosk}, command {number}: withdrawn")


@click.group()
def terms() -> None:
    """The bank's terms: limits, what a medium grade does, time-outs, words for the screen."""


@terms.command("publish")
@_config
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="TOML: [[limits]], medium, [timing], [[texts]]; docs/bank-commands.md has an example.",
)
@click.option("--kiosk", help="For this kiosk only; without it for all that are provisioned.")
@_JSON
def publish_terms(config_path: Path, file: Path, kiosk: str | None, *, as_json: bool) -> None:
    """Sign the next version for each kiosk and leave it with the broker, retained.

    Terms that say the same as before keep their version. What a kiosk has taken over is in its record `service` /
    `terms_accepted`.
    """
    with explained():
        config = bank_config.load(config_path)
        wanted = editions.read(file)
        made = [editions.prepare(config, each, wanted, utc_now()) for each in accounts.kiosks(config, kiosk)]
        publish_retained(config, [edition.message for edition in made])
    if as_json:
        click.echo(json.dumps({edition.kiosk: {"version": edition.version, "new": edition.new} for edition in made}))
        return
    for edition in made:
        click.echo(
            f"{edition.kiosk}: terms version {edition.version} ({'new' if edition.new else 'as before'}), published"
        )


@click.group()
def complaint() -> None:
    """The receiver's signed complaints about kiosks' logs."""


@complaint.command("list")
@_config
@click.option("--kiosk", help="About this kiosk only.")
@_JSON
def list_complaints(config_path: Path, kiosk: str | None, *, as_json: bool) -> None:
    """Every complaint of a gap, fork or rollback, verified again; `taken` when the kiosk put it on record."""
    with explained():
        config = bank_config.load(config_path)
        keys = Keyring(config.keys).ack_public
        store = Store(config.store)
        try:
            rows = Queue(store).complaints(kiosk)
        finally:
            store.close()
        found = [(statement.verify(data, keys, statement.about(data)), taken) for data, taken in rows]
    if as_json:
        listed = [{**vars(each), "taken_at": taken} for each, taken in found]
        click.echo(json.dumps({"complaints": listed}, default=_hex))
        return
    for each, taken in found:
        click.echo(f"{each.kiosk} #{each.number} {each.kind} at {each.sequence}, {each.issued_at}: {each.reason}")
        click.echo(f"  {f'on record there since {taken}' if taken else 'not on record there yet'}")


def _line(given: Given) -> str:
    why = f": {given.reason}" if given.reason else ""
    return f"{given.kiosk} #{given.sequence} {given.name}, until {given.expires_at}: {given.state}{why}"


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
