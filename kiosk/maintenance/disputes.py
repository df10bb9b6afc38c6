"""`kioskctl dispute`: disputed notes, and two people's word on whose they are."""

from typing import Any

import click
import msgspec

from kiosk.errors import KioskError
from kiosk.maintenance.people import Session, signed, with_session
from kiosk.messages import Disputes, GetDisputes

RESOLUTIONS = ("credited", "returned", "bank", "not_found")


@click.group("dispute")
def dispute_group() -> None:
    """Disputed notes that nobody has cleared."""


@dispute_group.command("list")
@with_session
def list_command(*, session: Session) -> None:
    """Each disputed note: its deposit, number, value, where it is said to be, and why nothing decided it."""
    disputes = session.ask(GetDisputes(), Disputes)
    if session.as_json:
        rows = [{**msgspec.structs.asdict(row), "deposit_id": row.deposit_id.hex()} for row in disputes.disputes]
        click.echo(msgspec.json.encode({"disputes": rows, "more": disputes.more}))
        return
    for row in disputes.disputes:
        value = "unknown value" if row.value_minor is None else f"{row.value_minor / 100:,.2f} {row.currency}"
        suspect = ", suspect" if row.suspect else ""
        click.echo(f"{row.deposit_id.hex()}  note {row.n:>3}  {value}{suspect}  ({row.place}: {row.reason})")
    if disputes.more:
        click.echo("... and more: clear these first")
    if not disputes.disputes:
        click.echo("nothing is disputed")


@dispute_group.command("clear")
@click.argument("deposit", metavar="DEPOSIT")
@click.option(
    "--note", "notes", multiple=True, required=True, metavar="N[=VALUE:CURRENCY]",
    help="The note's number; with its value in minor units where that was unknown (3=10000:CNY). May be repeated.",
)  # fmt: skip
@click.option("--resolution", required=True, type=click.Choice(RESOLUTIONS), help="Whose the notes are.")
@click.option("--evidence", required=True, help="What showed it, in words: vouchers, counts, places; no names.")
@signed
def clear_command(
    deposit: str, notes: tuple[str, ...], resolution: str, evidence: str, *, session: Session, staff: str
) -> None:
    """Ask that disputed notes of DEPOSIT be cleared. Takes a supervisor and another; the second approves it.

    DEPOSIT is the id that `dispute list` shows, or its beginning. A new record says so, the deposit's own stays as it
    is. It cannot be undone.
    """
    found = {row.deposit_id for row in session.ask(GetDisputes(), Disputes).disputes}
    matching = [deposit_id for deposit_id in found if deposit and deposit_id.hex().startswith(deposit.lower())]
    try:
        action = _action(deposit, matching, notes, resolution, evidence)
    except KioskError as error:
        session.fail(error)
    session.act(staff, action)


def _action(
    deposit: str, matching: list[bytes], notes: tuple[str, ...], resolution: str, evidence: str
) -> dict[str, Any]:
    if len(matching) != 1:
        message = f"{len(matching)} deposits with open disputes begin with {deposit}"
        raise KioskError(message, remedy="Look at `kioskctl dispute list`.")
    return {
        "action": "ClearDispute",
        "deposit_id": matching[0],
        "notes": [_note(note) for note in notes],
        "resolution": resolution,
        "evidence": evidence,
    }


def _note(text: str) -> dict[str, Any]:
    number, _, found = text.partition("=")
    value, _, currency = found.partition(":")
    try:
        return {"n": int(number), "value_minor": int(value) if found else None, "currency": currency.upper()}
    except ValueError as error:
        message = f"{text} names no note"
        raise KioskError(message, remedy="Write --note 3, or --note 3=10000:CNY.") from error
