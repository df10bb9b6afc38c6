"""`kioskctl units`, `exchange`, `count` and `report`: the storage units, from their filling to the bank's count."""

import re
from typing import Any, Final, Literal

import click
import msgspec

from kiosk.errors import KioskError
from kiosk.maintenance.people import Session, signed, with_session
from kiosk.maintenance.units_render import report_text, reports_text, units_text
from kiosk.messages import (
    ExchangeStep,
    GetReport,
    GetUnits,
    ListReports,
    Ok,
    PrintSlip,
    Report,
    Reports,
    UnitName,
    Units,
)

UNITS: Final = ("escrow", "tray", "retract", "cabinet", "cassette")
_CASH: Final = re.compile(r"^([0-9]{1,6})x([0-9]{1,12}):([A-Za-z]{3})$")


def _plain(value: object) -> object:
    """Bytes as hex: what the bus carries, for JSON."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def say_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(msgspec.json.encode(_plain(msgspec.to_builtins(value, builtin_types=(bytes,)))))


def _say_units(session: Session, units: Units) -> None:
    if session.as_json:
        say_json(units)
    else:
        click.echo(units_text(units))


@click.command("units")
@with_session
def units_command(*, session: Session) -> None:
    """What lies in each storage unit, how sure that is, what is nearly full, what waits for the bank's count."""
    _say_units(session, session.ask(GetUnits(), Units))


# --- exchange -------------------------------------------------------------------------------------------


@click.group("exchange")
def exchange_group() -> None:
    r"""Take cash out and put empty containers in: two persons start it, two end it, and no deposit in between.

    \b
    kioskctl exchange start --unit cabinet --unit retract --as STAFF   (then somebody else: kioskctl approve N)
    kioskctl exchange take B00000007 B00000008 --bag SEAL-123
    kioskctl exchange remove retract --serial BIN-1 --seal SEAL-124
    kioskctl exchange insert retract --serial BIN-2
    kioskctl exchange end --as STAFF                                   (then somebody else: kioskctl approve N)
    """


@exchange_group.command("show")
@with_session
def show_command(*, session: Session) -> None:
    """The open exchange with every step so far, and the storage units."""
    _say_units(session, session.ask(GetUnits(), Units))


@exchange_group.command("start")
@click.option(
    "--unit", "units", multiple=True, required=True, type=click.Choice(UNITS), help="To be exchanged; may be repeated."
)
@signed
def start_command(units: tuple[str, ...], *, session: Session, staff: str) -> None:
    """Ask for an exchange. When a second person has approved it, the kiosk takes no deposit until it has ended."""
    session.act(staff, {"action": "ExchangeStart", "units": list(units)})


@exchange_group.command("take")
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--bag", default="", help="Seal number of the bag that they go into.")
@click.option("--scanned", is_flag=True, help="The numbers were scanned from the labels, not typed.")
@with_session
def take_command(bundles: tuple[str, ...], bag: str, *, scanned: bool, session: Session) -> None:
    """These bundles left their slots. A label's barcode may be given as it is (B00000007-1)."""
    for bundle in bundles:
        number, _, copy = bundle.partition("-")
        plain = number if copy.isdigit() else bundle
        session.ask(ExchangeStep("take", "cabinet", plain, bag, scanned=scanned), Units)
    _say_units(session, session.ask(GetUnits(), Units))


@exchange_group.command("miss")
@click.argument("bundle")
@with_session
def miss_command(bundle: str, *, session: Session) -> None:
    """BUNDLE should be in its slot and is not. The bank is alerted when the exchange ends."""
    _say_units(session, session.ask(ExchangeStep("miss", "cabinet", bundle), Units))


@exchange_group.command("remove")
@click.argument("unit", type=click.Choice(UNITS))
@click.option("--serial", default="", help="The number on the container that was taken out.")
@click.option("--seal", default="", help="The number of the seal that it was closed with.")
@with_session
def remove_command(unit: UnitName, serial: str, seal: str, *, session: Session) -> None:
    """UNIT was taken out, or emptied into a bag, with all that was in it; for the cabinet: every bundle."""
    _say_units(session, session.ask(ExchangeStep("remove", unit, serial, seal), Units))


@exchange_group.command("insert")
@click.argument("unit", type=click.Choice(UNITS))
@click.option("--serial", required=True, help="The number on the empty container that was put in.")
@with_session
def insert_command(unit: UnitName, serial: str, *, session: Session) -> None:
    """An empty container was put in as UNIT."""
    _say_units(session, session.ask(ExchangeStep("insert", unit, serial), Units))


@exchange_group.command("end")
@signed
def end_command(*, session: Session, staff: str) -> None:
    """Ask to end it. The second person signs for exactly these steps; then the slip is printed, counts begin anew."""
    exchange = session.ask(GetUnits(), Units).exchange
    if exchange is None:
        session.fail(KioskError("no exchange is open", remedy="Start one with `kioskctl exchange start`."))
    session.act(staff, {"action": "ExchangeEnd", "exchange": exchange.number, "steps_sha256": exchange.digest})


@exchange_group.command("slip")
@click.option("--exchange", "number", type=click.IntRange(1), help="Its number; without it the last one.")
@with_session
def slip_command(number: int | None, *, session: Session) -> None:
    """Print the hand-over slip again."""
    session.ask(PrintSlip(number or 0), Ok)
    click.echo(msgspec.json.encode({"printed": True}) if session.as_json else "the slip is printed")


# --- count ----------------------------------------------------------------------------------------------


@click.group("count")
def count_group() -> None:
    """The bank's count of what was collected."""


@count_group.command("post")
@click.argument("item")
@click.option(
    "--cash", multiple=True, metavar="COUNTxVALUE:CURRENCY",
    help="So many notes of this face in minor units, e.g. 12x10000:CNY. May be repeated.",
)  # fmt: skip
@click.option("--suspect", multiple=True, metavar="COUNTxVALUE:CURRENCY", help="The same, of suspect notes.")
@click.option(
    "--found", type=click.Choice(["credited", "bank"]), default="bank", show_default=True,
    help="Whose the disputed notes are that were found: the depositor's account's, or the bank's until it decides.",
)  # fmt: skip
@click.option("--reference", default="", help="The bank's own reference of the count.")
@signed
def post_command(
    item: str,
    cash: tuple[str, ...],
    suspect: tuple[str, ...],
    found: str,
    reference: str,
    *,
    session: Session,
    staff: str,
) -> None:
    """Ask to post the count of ITEM, a bundle or container that `units` lists as collected. Takes a second person.

    Differences against the journal are recorded, and the disputes that the count decides are cleared. Once.
    """
    try:
        rows = [_row(text, "fit") for text in cash] + [_row(text, "suspect") for text in suspect]
    except KioskError as error:
        session.fail(error)
    session.act(staff, {"action": "PostCount", "item": item, "rows": rows, "found": found, "reference": reference})


def _row(text: str, level: Literal["fit", "suspect"]) -> dict[str, Any]:
    match = _CASH.match(text)
    if match is None:
        message = f"{text} is no count of notes"
        raise KioskError(message, remedy="Write 12x10000:CNY for 12 notes of 100 yuan.")
    count, value, currency = match.groups()
    return {"currency": currency.upper(), "value_minor": int(value), "count": int(count), "level": level}


# --- reports --------------------------------------------------------------------------------------------


@click.group("report")
def report_group() -> None:
    """The business date: X looks at it, Z closes it."""


@report_group.command("x")
@with_session
def x_command(*, session: Session) -> None:
    """The open business date so far; changes nothing."""
    _say_report(session, GetReport("x"))


@report_group.command("show")
@click.argument("number", type=click.IntRange(1), required=False)
@with_session
def show_report_command(number: int | None, *, session: Session) -> None:
    """Z report NUMBER; without it the last one."""
    _say_report(session, GetReport("z", number or 0))


@report_group.command("z")
@signed
def z_command(*, session: Session, staff: str) -> None:
    """Close the open business date now, by a supervisor's word; the cut-over does it by itself. Once for each date."""
    date = session.ask(GetUnits(), Units).date
    session.act(staff, {"action": "CloseDate", "date": date})


@report_group.command("list")
@click.option("--last", type=click.IntRange(1, 400), default=31, show_default=True, help="How many at most.")
@with_session
def list_command(last: int, *, session: Session) -> None:
    """The newest Z reports."""
    reports = session.ask(ListReports(last), Reports)
    if session.as_json:
        say_json(reports)
    else:
        click.echo(reports_text(reports))


def _say_report(session: Session, request: GetReport) -> None:
    found = session.ask(request, Report)
    if session.as_json:
        say_json(found.report)
    else:
        click.echo(report_text(found.report))


UNIT_COMMANDS: Final = (units_command, exchange_group, count_group, report_group)
