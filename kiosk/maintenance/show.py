"""`kioskctl show`: everything there is to look at, in one place."""

from typing import Final

import click
import msgspec

from kiosk.maintenance.people import Session, signed, with_session
from kiosk.maintenance.render import device_lines
from kiosk.maintenance.words import amount_in_words
from kiosk.messages import (
    ROWS_MAX,
    Amount,
    GetJournal,
    GetLog,
    GetNotes,
    GetOutbox,
    GetStatus,
    JournalRow,
    JournalRows,
    LogRow,
    LogRows,
    NotesReport,
    NotesRow,
    OutboxView,
    Status,
)

LAST: Final = click.option(
    "--last", type=click.IntRange(1, ROWS_MAX), default=20, show_default=True, help="How many rows at most."
)


def show_group(aliases: dict[str, click.Command]) -> click.Group:
    """The group; `aliases` are commands that exist under another name, too."""

    @click.group("show")
    def show() -> None:
        """Look: status, devices, notes, units, journal, outbox, log, risk, configuration."""

    for name, command in aliases.items():
        show.add_command(command, name)
    for own in (devices_command, notes_command, journal_command, log_command, outbox_command):
        show.add_command(own)
    return show


@click.command("devices")
@with_session
def devices_command(*, session: Session) -> None:
    """Each device: its state, what it says of itself, what to do. `kioskctl test` looks closer."""
    status = session.ask(GetStatus(), Status)
    if session.as_json:
        click.echo(msgspec.json.encode(status.devices))
    else:
        click.echo("\n".join(device_lines(status.devices)) or "the devices are starting")


@click.command("notes")
@with_session
def notes_command(*, session: Session) -> None:
    """Every note that the kiosk knows of: where it is, and whose. No deposit under way: nothing is open."""
    report = session.ask(GetNotes(), NotesReport)
    if session.as_json:
        click.echo(msgspec.json.encode(report.rows))
        return
    for row in report.rows:
        click.echo(_note_text(row))
    total = sum(row.count for row in report.rows)
    click.echo(f"{total} notes" if total else "no notes")


def _note_text(row: NotesRow) -> str:
    value = "of unknown value" if row.value_minor is None else amount_in_words(Amount(row.value_minor, row.currency))
    kind = "" if row.level == "fit" else f"  {row.level}"
    under_way = "  (deposit under way)" if row.open_deposit else ""
    return f"{row.place:<10}  {row.claim:<9}  {row.count:>5} x {value}{kind}{under_way}"


@click.command("journal")
@LAST
@signed
def journal_command(*, session: Session, staff: str, last: int) -> None:
    """The newest facts of deposits, newest first: what happened, the state it led to, what was ordered."""
    rows = session.ask(GetJournal(staff, session.secret(staff), last), JournalRows).rows
    if session.as_json:
        click.echo(msgspec.json.encode(rows))
    else:
        click.echo("\n".join(map(_fact_text, rows)) or "no deposit yet")


def _fact_text(row: JournalRow) -> str:
    orders = f" -> {', '.join(row.orders)}" if row.orders else ""
    return f"{row.sequence:>7}  {row.at}  {row.deposit or '-':<8}  {row.fact:<18} {row.state}{orders}"


@click.command("log")
@LAST
@signed
def log_command(*, session: Session, staff: str, last: int) -> None:
    """The newest leaves of the record log, newest first; `*` marks those that the bank has not acknowledged."""
    found = session.ask(GetLog(staff, session.secret(staff), last), LogRows)
    if session.as_json:
        click.echo(msgspec.json.encode(found))
        return
    for row in found.rows:
        click.echo(_leaf_text(row))
    click.echo(f"{found.size} leaves, root {found.root or '-'}")


def _leaf_text(row: LogRow) -> str:
    mark = " " if row.acknowledged else "*"
    by = f"  by {' and '.join(row.by)}" if row.by else ""
    return f"{row.sequence:>7}{mark} {row.at}  {row.leaf[:12]}  {row.kind:<13} {row.event}{by}".rstrip()


@click.command("outbox")
@signed
def outbox_command(*, session: Session, staff: str) -> None:
    """What waits for the bank, since when, and how the link does."""
    view = session.ask(GetOutbox(staff, session.secret(staff)), OutboxView)
    if session.as_json:
        click.echo(msgspec.json.encode(view))
        return
    since = f", the oldest (number {view.first}) since {view.oldest_at}" if view.records else ""
    click.echo(f"{view.records} records wait, {view.record_bytes} bytes{since}")
    click.echo(f"{view.evidence_files} files of evidence wait")
    click.echo(f"{view.acknowledged} records are acknowledged by the bank")
    click.echo(f"link: {'connected' if view.connected else 'not connected'} {view.detail}".rstrip())
