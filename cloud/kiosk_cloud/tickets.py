"""`kiosk-cloud ticket` and `badge`: QR codes by which a depositor, or staff, is known at one kiosk without typing.

Nothing of a ticket is kept here: the kiosk's record of the deposit names its serial number.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click
import segno

from kiosk.core import accounts
from kiosk.errors import ConfigError
from kiosk.guarantee import badge
from kiosk.guarantee import ticket as statement
from kiosk.guarantee.badge import Badge
from kiosk.guarantee.ticket import Ticket
from kiosk_cloud import config as bank_config
from kiosk_cloud import directory
from kiosk_cloud.explained import explained
from kiosk_cloud.files import private_dir, write_private
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import utc_now

LIFE_DAYS: Final = 90
BADGE_DAYS: Final = 365
MODULE_MM: Final = 0.75  # 65 modules and their margin are 55 mm: a camera of 320 x 240 reads them from a hand's width
_QUIET: Final = 4
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class Order:
    """What all tickets of one run have in common."""

    kiosk: str
    begins: datetime
    days: int
    uses: int


@dataclass(frozen=True)
class Issued:
    """One ticket. `text` is what its QR code says, `file` the code as SVG; with the name it is all for the paper."""

    serial: str
    account_masked: str
    name_masked: str
    ends: str
    file: str
    text: str


def issue(
    config: bank_config.BankConfig,
    order: Order,
    names: dict[str, str],
    to: Path,
    randomness: Callable[[int], bytes] = os.urandom,
) -> list[Issued]:
    """A ticket for each of `names` (account digits -> masked name), as `to`/SERIAL.svg. ConfigError; OSError."""
    keyring = Keyring(config.keys)
    directory.kiosks(config, order.kiosk)
    key, folder, issued = keyring.directory_key(order.kiosk), private_dir(to), []
    ends = statement.minute(order.begins + timedelta(days=order.days))
    for account, name in names.items():
        serial = randomness(statement.SERIAL_BYTES)
        made = Ticket(order.kiosk, serial, order.uses, statement.minute(order.begins), ends, name, account)
        try:
            text = statement.make(made, key, keyring.command)
        except ValueError as error:
            message = f"the ticket for {accounts.masked(account)} cannot be signed: {error}"
            raise ConfigError(message, remedy="Correct the name or the dates.") from error
        path = folder / f"{serial.hex()}.svg"
        write_private(path, drawing(text))
        issued.append(Issued(serial.hex(), accounts.masked(account), name, ends, str(path), text))
    return issued


def drawing(text: str) -> bytes:
    """The QR code as an SVG picture that prints in its right size."""
    code = segno.make(text, error="m", micro=False, boost_error=False)
    return code.svg_inline(scale=MODULE_MM, border=_QUIET, unit="mm", light="#fff").encode()


@click.group()
def ticket() -> None:
    """Deposit tickets: QR codes that stand for an account at one kiosk."""


@ticket.command("issue")
@click.option("--config", "config_path", type=_FILE, required=True, help="bank.toml, as `provision` writes it.")
@click.option("--kiosk", required=True, help="The only kiosk that takes them.")
@click.option("--file", "file", type=_FILE, required=True, help="CSV, UTF-8, columns account and name; masked here.")
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the SVG files.")
@click.option(
    "--days",
    type=click.IntRange(1, statement.LIFE_DAYS_MAX),
    default=LIFE_DAYS,
    show_default=True,
    help="How long they count, from now on.",
)
@click.option(
    "--uses",
    type=click.IntRange(1, statement.USES_MAX),
    default=1,
    show_default=True,
    help="How many deposits each is good for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def issue_command(config_path: Path, *, kiosk: str, file: Path, to: Path, days: int, uses: int, as_json: bool) -> None:
    """Sign a ticket for every line of the file and draw its QR code.

    Accounts come from a file, not from the command line, where every user of this machine could read them.
    """
    with explained():
        order = Order(kiosk, utc_now(), days, uses)
        issued = issue(bank_config.load(config_path), order, directory.read_accounts(file), to)
    if as_json:
        click.echo(json.dumps({"kiosk": kiosk, "uses": uses, "tickets": [vars(each) for each in issued]}))
        return
    for each in issued:
        click.echo(f"{each.serial}  {each.account_masked}  {each.name_masked}  until {each.ends}  {each.file}")


@click.group("badge")
def badge_group() -> None:
    """Badges of the staff, to be held to a kiosk's camera before the PIN is typed."""


@badge_group.command("issue")
@click.option("--config", "config_path", type=_FILE, required=True, help="bank.toml, as `provision` writes it.")
@click.option("--kiosk", required=True, help="The only kiosk that takes it.")
@click.option("--staff", required=True, help="Staff id, as it is enrolled at the kiosk.")
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the SVG file.")
@click.option("--days", type=click.IntRange(1, 800), default=BADGE_DAYS, show_default=True, help="How long it counts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def issue_badge(config_path: Path, *, kiosk: str, staff: str, to: Path, days: int, as_json: bool) -> None:
    """Sign the badge of one person for one kiosk and draw its QR code.

    It says who somebody is and allows nothing: their PIN, and their being enrolled at the kiosk, do.
    """
    with explained():
        config = bank_config.load(config_path)
        directory.kiosks(config, kiosk)
        ends = statement.minute(utc_now() + timedelta(days=days))
        try:
            text = badge.make(Badge(kiosk, staff, ends), Keyring(config.keys).command)
        except ValueError as error:
            raise ConfigError(f"the badge cannot be signed: {error}", remedy="Correct the staff id.") from error
        path = private_dir(to) / f"badge-{kiosk}-{staff}.svg"
        write_private(path, drawing(text))
    if as_json:
        click.echo(json.dumps({"kiosk": kiosk, "staff": staff, "ends": ends, "file": str(path), "text": text}))
        return
    click.echo(f"{staff} at {kiosk} until {ends}: {path}")
