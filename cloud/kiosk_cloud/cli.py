"""`kiosk-cloud`: provision keys and certificates, receive records, verify what is stored.

Exit codes: 0 done, 1 verification failed, 2 wrong usage or configuration, 3 could not go on (store, broker, disk).
"""

import json
import logging
import signal
import sys
from pathlib import Path
from typing import Final, Literal

import click

from kiosk.clock import SystemClock
from kiosk.guarantee.counts import BankCount
from kiosk.protection import logs
from kiosk_cloud import config as bank_config
from kiosk_cloud import counting
from kiosk_cloud import directory as accounts
from kiosk_cloud.commanding.cli import command, complaint, terms
from kiosk_cloud.depositor.cli import depositor
from kiosk_cloud.enrolling import enrol
from kiosk_cloud.explained import explained
from kiosk_cloud.fleet_cli import fleet_group
from kiosk_cloud.keys_cli import keys
from kiosk_cloud.models_cli import model
from kiosk_cloud.monitor.cli import monitor
from kiosk_cloud.pki import utc_now
from kiosk_cloud.posting.cli import post
from kiosk_cloud.provision import Plan, Provisioned, provision, renew
from kiosk_cloud.publishing import publish_retained
from kiosk_cloud.service import ReceiverService
from kiosk_cloud.tickets import badge_group, ticket
from kiosk_cloud.unseal_cli import unseal
from kiosk_cloud.verify import Report, verify_store
from kiosk_cloud.witness import service as witness

EXIT_UNVERIFIED: Final = 1


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 verification failed, 2 wrong usage or configuration, 3 could not go on.",
)
def main() -> None:
    """The bank's side of the deposit kiosk: keys, receiver, and the offline check of everything received."""


@main.command("provision")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Everything is laid down below this directory.",
)
@click.option("--kiosk", required=True, help="Id of the kiosk; also its certificate's common name.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the broker listens and clients find it.")
@click.option("--port", type=click.IntRange(1, 65535), default=8883, show_default=True, help="The broker's port.")
@click.option(
    "--name", "names", multiple=True, help="Further DNS name or address for the broker's certificate; may be repeated."
)
@click.option(
    "--broker",
    "more_brokers",
    type=(str, click.IntRange(1, 65535)),
    multiple=True,
    metavar="HOST PORT",
    help="A further broker that kiosks fail over to; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def provision_command(
    directory: Path,
    kiosk: str,
    host: str,
    port: int,
    names: tuple[str, ...],
    more_brokers: tuple[tuple[str, int], ...],
    *,
    as_json: bool,
) -> None:
    """Make certificates, keys and the broker's configuration for one kiosk and its bank.

    Existing keys are kept, so it may be run again, for another port or for a further kiosk.
    """
    with explained():
        plan = Plan(directory, kiosk, host, port)
        wanted = Plan(directory, kiosk, host, port, (*plan.names, *names), more_brokers)
        done = provision(wanted, utc_now())
    _say_provisioned(done, kiosk, as_json=as_json)


def _say_provisioned(done: Provisioned, kiosk: str, *, as_json: bool) -> None:
    places = {
        "kiosk_cert": done.kiosk_cert,
        "kiosk_key": done.kiosk_key,
        "kiosk_keys": done.kiosk_keys,
        "bank_config": done.bank_config,
        "mosquitto_conf": done.mosquitto_conf,
    }
    if as_json:
        paths = {name: str(path) for name, path in places.items()}
        click.echo(json.dumps({"kiosk": kiosk, **paths, "written": [str(path) for path in done.written]}))
        return
    click.echo(f"{kiosk}: {len(done.written)} files written, everything else was there.")
    for name, path in places.items():
        click.echo(f"  {name:15} {path}")
    click.echo(f"Next: mosquitto -c {done.mosquitto_conf}; kiosk-cloud receive --config {done.bank_config}")


@main.command("renew")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Where everything was provisioned.",
)
@click.option("--kiosk", required=True, help="Whose client certificate is to be renewed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def renew_command(directory: Path, kiosk: str, *, as_json: bool) -> None:
    """Make a new client certificate and key beside the present ones, as `.new`.

    Laid beside the kiosk's own files, the key first, the uplink tries them at a broker, then puts them in their place.
    """
    with explained():
        cert, key = renew(directory, kiosk, utc_now())
    if as_json:
        click.echo(json.dumps({"kiosk": kiosk, "cert": str(cert), "key": str(key)}))
        return
    click.echo(f"{kiosk}: {key} and {cert}; lay both beside uplink.cert and uplink.key, the key first")


@main.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="bank.toml, as `provision` writes it.",
)
@click.option("--instance", help="Name of this receiver; each of several beside one another needs its own.")
@click.option("--verbose", "-v", is_flag=True, help="Log connections, too.")
def receive(config_path: Path, instance: str | None, *, verbose: bool) -> None:
    """Receive, verify, store and acknowledge records until stopped (SIGINT or SIGTERM)."""
    logs.set_up(logging.INFO if verbose else logging.WARNING)
    with explained():
        config = bank_config.load(config_path)
        service = ReceiverService(bank_config.with_instance(config, instance), SystemClock())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: service.stop())
        service.run()


@main.group()
def directory() -> None:
    """The account directory: masked names of account holders, for the kiosk's screen."""


@directory.command("publish")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="bank.toml, as `provision` writes it.",
)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="CSV, UTF-8, columns account and name; names are masked here.",
)
@click.option("--kiosk", help="For this kiosk only; without it for all that are provisioned.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def publish_directory(config_path: Path, file: Path, kiosk: str | None, *, as_json: bool) -> None:
    """Sign the next version for each kiosk and leave it with the broker, retained.

    Accounts that say the same as before keep their version and are published again. What a kiosk has taken over
    is in its record `service` / `directory_accepted`.
    """
    with explained():
        config = bank_config.load(config_path)
        names = accounts.read_accounts(file)
        editions = [accounts.prepare(config, each, names, utc_now()) for each in accounts.kiosks(config, kiosk)]
        publish_retained(config, [edition.message for edition in editions])
    if as_json:
        click.echo(json.dumps({edition.kiosk: edition.as_json() for edition in editions}))
        return
    for edition in editions:
        said = "new" if edition.new else "as before"
        click.echo(
            f"{edition.kiosk}: directory version {edition.version} ({said}), {edition.entries} accounts, published"
        )


@main.group("witness")
def witness_group() -> None:
    """A witness (C2SP tlog-witness): cosigns logs that only grow. To be run by somebody other than the bank."""


@witness_group.command("init")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The witness's own directory: name, keys, memory.",
)
@click.option("--name", required=True, help="As policies name it, e.g. village.example/witness.")
@click.option(
    "--log",
    "logs",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="checkpoint.vkey of a kiosk; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def init_witness(directory: Path, name: str, logs: tuple[Path, ...], *, as_json: bool) -> None:
    """Make keys and memory of a new witness, and print the lines for policy files."""
    with explained():
        vkeys = witness.init(directory, name, [path.read_text(encoding="utf-8").strip() for path in logs])
    if as_json:
        click.echo(json.dumps({"name": name, "vkeys": vkeys}))
        return
    for kind, vkey in zip(("ed25519", "ml-dsa-44"), vkeys, strict=True):
        click.echo(f"witness {name.replace('/', '-')}-{kind} {vkey}")


@witness_group.command("serve")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The witness's own directory: name, keys, memory.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
def serve_witness(directory: Path, host: str, port: int) -> None:
    """Answer add-checkpoint until stopped; put TLS before it (any reverse proxy)."""
    with explained():
        witness.serve(directory, host, port, SystemClock())


@main.group()
def count() -> None:
    """The count of a collected bundle or container, said to the kiosk that it came from."""


@count.command("publish")
@click.argument("item")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="bank.toml, as `provision` writes it.",
)
@click.option("--kiosk", required=True, help="Where it was collected.")
@click.option("--cash", multiple=True, metavar="COUNTxVALUE:CURRENCY", help="E.g. 12x10000:CNY; may be repeated.")
@click.option("--suspect", multiple=True, metavar="COUNTxVALUE:CURRENCY", help="The same, of suspect notes.")
@click.option("--by", "by", multiple=True, required=True, help="Who counted: give it twice, for two people.")
@click.option(
    "--found",
    type=click.Choice(["credited", "bank"]),
    default="bank",
    show_default=True,
    help="Whose the disputed notes are that were found.",
)
@click.option("--reference", default="", help="The bank's own reference of the count.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def publish_count(  # noqa: PLR0913 - the options of one command
    item: str,
    config_path: Path,
    kiosk: str,
    cash: tuple[str, ...],
    suspect: tuple[str, ...],
    by: tuple[str, ...],
    found: Literal["credited", "bank"],
    reference: str,
    *,
    as_json: bool,
) -> None:
    """Sign the count of ITEM and leave it with the broker, retained, with all that the kiosk has not recorded yet.

    What the kiosk made of it - differences, disputes cleared - is in its record `bundle_count`.
    """
    with explained():
        config = bank_config.load(config_path)
        rows = [counting.parse_cash(text, "fit") for text in cash]
        rows += [counting.parse_cash(text, "suspect") for text in suspect]
        said = BankCount(item, tuple(rows), by, found, reference)
        topic, data, published = counting.prepare(config, kiosk, said, utc_now())
        publish_retained(config, [(topic, data)])
    items = [entry.item for entry in published.entries]
    if as_json:
        click.echo(json.dumps({"kiosk": kiosk, "version": published.version, "items": items}))
        return
    click.echo(f"{kiosk}: counts version {published.version} published, {', '.join(items)}")


main.add_command(fleet_group)
main.add_command(keys)
main.add_command(unseal)
main.add_command(model)
main.add_command(post)
main.add_command(depositor)
main.add_command(monitor)
main.add_command(command)
main.add_command(terms)
main.add_command(complaint)
main.add_command(ticket)
main.add_command(badge_group)
main.add_command(enrol)


@main.command()
@click.option(
    "--store", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The receiver's store.db."
)
@click.option(
    "--keys", type=click.Path(path_type=Path, file_okay=False), required=True, help="The bank's keys directory."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(store: Path, keys: Path, *, as_json: bool) -> None:
    """Check everything in a store again, offline: envelopes, signatures, log, acknowledgements, sums.

    Exit code 0 only if every check held.
    """
    with explained():
        report = verify_store(store, keys)
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        _say_report(report)
    sys.exit(0 if report.ok else EXIT_UNVERIFIED)


def _say_report(report: Report) -> None:
    click.echo(f"{report.verified} of {report.records} records verified, {report.totals.deposits} deposits among them")
    for claim, amounts in report.totals.minor.items():
        listed = ", ".join(f"{minor} {currency} (minor units)" for currency, minor in sorted(amounts.items()))
        click.echo(f"  {claim:9} {listed or 'nothing'}")
    for way, amounts in {**report.net.cleared, "outstanding": report.net.outstanding}.items():
        if any(amounts.values()):
            listed = ", ".join(f"{minor} {currency}" for currency, minor in sorted(amounts.items()))
            click.echo(f"  disputed, now {way.replace('_', ' ')}: {listed}")
    click.echo("  risk      " + ", ".join(f"{grade} {count}" for grade, count in report.totals.risk.items()))
    click.echo(f"  {report.z_reports} Z reports, {report.exchanges} exchanges, {report.counts} counts")
    for failure in report.failures:
        click.echo(f"FAILED {failure}")
    click.echo("Everything holds." if report.ok else "This store is not what the kiosks signed.")


if __name__ == "__main__":
    main()
