"""Storage units and reports as text for a person."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from kiosk.maintenance.words import amount_in_words, amounts_in_words
from kiosk.messages import Amount, CashCount, CollectedView, ExchangeView, Reports, Units, UnitView

_COLOURS: Final = {"ok": "green", "accurate": "green", "accurateSet": "green", "high": "yellow", "unknown": "yellow"}
_CLAIMS: Final = ("inserted", "credited", "returned", "retained", "disputed")


def _word(text: str) -> str:
    return click.style(text, fg=_COLOURS.get(text, "red"))


def units_text(units: Units) -> str:
    """Everything that `kioskctl units` shows."""
    lines: list[str] = []
    for unit in units.units:
        lines.extend(_unit(unit))
    if units.exchange is not None:
        lines.extend(_exchange(units.exchange))
    if units.collected:
        lines.append(f"collected, not counted by the bank: {units.collected_total}")
        lines.extend(map(_collected, units.collected))
    lines.extend(click.style(warning, fg="yellow") for warning in units.warnings)
    closed = f"last Z report {units.z_number}" if units.z_number else "no Z report yet"
    lines.append(f"business date {units.date or 'not open'}, {closed}")
    return "\n".join(lines)


def _unit(unit: UnitView) -> Iterator[str]:
    what = "slots" if unit.name == "cabinet" else "notes"
    filled = f"{unit.used} of {unit.full} {what}" if unit.full is not None else f"{unit.used} {what}"
    serial = f", {unit.serial}" if unit.serial else ""
    yield (
        f"{unit.name:<9} {_word(unit.replenishment)}, {filled}, count {_word(unit.accuracy)}{serial}"
        + (f", {_word(unit.status)}" if unit.status != "ok" else "")
    )
    flows = [f"{unit.initial} initial", *(f"+{count} {kind}" for kind, count in sorted(unit.came.items()))]
    flows += [f"-{count} {kind}" for kind, count in sorted(unit.left.items())]
    yield f"          {unit.count} notes, {amounts_in_words(unit.amounts)}  ({', '.join(flows)})"
    yield from (f"          {_cash(row)}" for row in unit.cash)
    for bundle in unit.bundles:
        flags = f"  ! {', '.join(bundle.flags)}" if bundle.flags else ""
        place = f"slot {bundle.slot:>3}" if bundle.slot >= 0 else "not in a slot"
        amounts = amounts_in_words(bundle.amounts)
        yield f"          {bundle.id}  {place}  {bundle.notes:>3} notes  {amounts}{flags}"
    yield from (f"          ? {doubt}" for doubt in unit.doubts)


def _cash(row: CashCount) -> str:
    if row.value_minor is None:
        return f"{row.count:>5} x unknown value"
    suspect = ", suspect" if row.level == "suspect" else ""
    return f"{row.count:>5} x {amount_in_words(Amount(row.value_minor, row.currency))}{suspect}"


def _exchange(exchange: ExchangeView) -> Iterator[str]:
    head = f"exchange {exchange.number} of {', '.join(exchange.units)} is open since {exchange.started_at}"
    yield click.style(f"{head}, started by {' and '.join(exchange.by)}", fg="yellow", bold=True)
    for label, each in (
        ("taken", exchange.taken),
        ("missing", exchange.missing),
        ("unknown here", exchange.foreign),
        ("removed", exchange.removed),
        ("inserted", exchange.inserted),
    ):
        if each:
            yield f"  {label}: {', '.join(each)}"
    yield f"  steps {exchange.digest.hex()[:16]}: whoever ends it signs for these"


def _collected(item: CollectedView) -> str:
    words = [f"  {item.id}", f"exchange {item.exchange}", f"{item.notes} notes", amounts_in_words(item.amounts)]
    words += [f"seal {item.seal}"] if item.seal else []
    words += ["NOT FOUND"] if item.missing else []
    return "  ".join([*words, *item.flags])


def report_text(report: Mapping[str, Any]) -> str:
    """An X or a Z report."""
    closed = report.get("number")
    head = f"Z report {closed}" if closed else "X report (nothing is closed)"
    lines = [f"{head}: business date {report['date']}, {report['opened_at']} to {report['made_at']}"]
    if closed:
        by = " and ".join(report["by"]) or str(report["closed_by"]).replace("_", "-")
        lines.append(f"closed by {by}; records {report['first_record']} to {report['seq']}")
        lines.append(f"log of {report['log_size']} records, root {report['log_root'].hex()}")
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in report["outcomes"].items())
    lines.append(f"{report['deposits']} deposits, {report['notes']} notes" + (f" ({outcomes})" if outcomes else ""))
    for currency, row in report["sums"].items():
        parts = [f"{claim} {amount_in_words(Amount(row[claim], currency))}" for claim in _CLAIMS]
        lines.append("  " + ", ".join(parts))
    if report["disputed_unvalued"]:
        lines.append(f"  {report['disputed_unvalued']} disputed notes of unknown value")
    for unit in report["units"]:
        amounts = amounts_in_words(Amount(minor, currency) for currency, minor in unit["amounts"].items())
        lines.append(f"  {unit['unit']:<9} {unit['count']:>4} notes, {amounts}, {unit['accuracy']}")
    disputes = report["open_disputes"]
    lines.append(f"open disputes: {disputes['notes']} notes of {disputes['deposits']} deposits")
    lines.append(f"exchanges: {', '.join(map(str, report['exchanges'])) or 'none'}")
    lines.append(f"collected and not counted: {report['collected_uncounted']}")
    return "\n".join(lines)


def reports_text(reports: Reports) -> str:
    """Z reports, one a line."""
    lines = [
        f"{row.number:>5}  {row.date}  {row.deposits:>4} deposits  {amounts_in_words(row.credited)} credited"
        f"  record {row.record}"
        for row in reports.reports
    ]
    return "\n".join(lines) or "no Z report yet"
