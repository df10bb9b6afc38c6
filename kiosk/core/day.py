"""The business date: which deposits belong to it, and the report that closes it exactly once (X looks, Z closes).

Deposits are booked one after another and belong to the period that is open; the period ends before the first deposit
that was confirmed on a later date, or when somebody or the cut-over closes it. Its date only grows: a clock that steps
back opens no closed date again, and one that ran ahead is corrected only by a synchronised one (`DateCorrected`).
"""

from collections import Counter
from datetime import date, timedelta
from typing import Final, Literal

from msgspec.structs import replace

from kiosk.core.money import Claim
from kiosk.core.state import RecordDraft
from kiosk.core.storage import Day, Ledger, Row, Rows, Tally, merged, number
from kiosk.core.unit_facts import DayClosed, DepositBooked
from kiosk.core.unit_records import unit_map

BACK_DAYS_MAX: Final = 1  # a smaller step back is waited out
Z_KIND: Final = "z_report"
Why = Literal["cut_over", "deposit", "people"]  # deposit: of a later date; people: a supervisor


def _after(day: str, days: int = 1) -> str:
    """The date so many days later; the last date there is stays."""
    parsed = date.fromisoformat(day)
    return day if date.max - parsed < timedelta(days) else (parsed + timedelta(days)).isoformat()


def label(day: Day) -> str:
    """The business date that is open: never one that was closed."""
    return max(_after(day.closed), day.due_after) if day.closed else day.due_after


def due(day: Day, calendar: str) -> bool:
    """Whether the calendar is past the open date."""
    return bool(day.opened) and calendar > day.due_after


def ran_ahead(day: Day, calendar: str) -> bool:
    """Whether the period was opened by a clock that was days ahead of this one."""
    return bool(day.opened) and _after(calendar, BACK_DAYS_MAX) < day.opened


def opened(day: Day, at: str, calendar: str, *, early: bool = False) -> Day:
    """A new period. `early`: the date was closed before the calendar was past it, so this one is tomorrow's."""
    due_after = _after(calendar) if early else calendar
    return replace(day, opened_at=at, opened=calendar, due_after=due_after, tally=Tally())


def corrected(day: Day, calendar: str) -> Day:
    """The same period on the right calendar."""
    return replace(day, opened=calendar, due_after=calendar)


def tallied(tally: Tally, fact: DepositBooked) -> Tally:
    """The day's sums with one more deposit."""
    booked = booked_rows(fact)
    outcomes, grades = Counter(dict(tally.outcomes)), Counter(dict(tally.grades))
    outcomes[fact.outcome] += 1
    grades[fact.grade] += 1
    return replace(
        tally,
        deposits=tally.deposits + 1,
        outcomes=tuple(sorted(outcomes.items())),
        grades=tuple(sorted(grades.items())),
        rows=merged(tally.rows, booked),
        bundles=(*tally.bundles, fact.bundle) if fact.bundle else tally.bundles,
    )


def booked_rows(fact: DepositBooked) -> Rows:
    """All notes of a deposit, wherever they are."""
    rows = [Row(group.currency, group.value_minor, group.level, group.claim, group.count) for group in fact.notes]
    return merged(rows)


def sums(rows: Rows) -> dict[str, dict[str, int]]:
    """Currency -> {inserted, credited, returned, retained, disputed} in minor units, as in a deposit's record."""
    table: dict[str, Counter[str]] = {}
    for row in rows:
        if row.level != "unrecognized":
            table.setdefault(row.currency, Counter())[str(row.claim)] += row.value_minor * row.count
    return {
        currency: {
            "inserted": sum(row.values()),
            **{str(claim): row[str(claim)] for claim in Claim if claim is not Claim.OPEN},
        }
        for currency, row in sorted(table.items())
    }


def report(ledger: Ledger, at: str) -> dict[str, object]:
    """The figures of the open date: an X report, and the body of the Z record but for its place in the log."""
    day, tally = ledger.day, ledger.day.tally
    return {
        "date": label(day),
        "opened_at": day.opened_at,
        "made_at": at,
        "deposits": tally.deposits,
        "outcomes": dict(tally.outcomes),
        "grades": dict(tally.grades),
        "notes": number(tally.rows),
        "sums": sums(tally.rows),
        "disputed_unvalued": number(row for row in tally.rows if row.level == "unrecognized"),
        "bundles": list(tally.bundles),
        "units": [unit_map(unit) for unit in ledger.units],
        "exchanges": list(tally.exchanges),
        "counts": list(tally.counts),
        "collected_uncounted": len(ledger.collected),
    }


def z_report(ledger: Ledger, at: str, by: tuple[str, ...], why: Why) -> RecordDraft:
    """The record that closes the date. The journal adds its place in the log and the open disputes."""
    return RecordDraft(
        Z_KIND, {"number": ledger.day.number + 1, "closed_by": why, "by": list(by), **report(ledger, at)}
    )


def closed(ledger: Ledger, at: str, calendar: str, by: tuple[str, ...], why: Why) -> tuple[Ledger, RecordDraft]:
    """The ledger on its next date, and the Z record of the one before."""
    draft = z_report(ledger, at, by, why)
    shut = replace(ledger.day, closed=label(ledger.day), number=ledger.day.number + 1)
    early = calendar <= ledger.day.due_after
    return replace(ledger, day=opened(shut, at, calendar, early=early)), draft


def begun(day: Day, calendar: str) -> bool:
    """Whether the open date has begun by the calendar; until then there is nothing to close."""
    return bool(day.opened) and calendar >= day.due_after


def day_closed(ledger: Ledger, fact: DayClosed) -> tuple[Ledger, RecordDraft]:
    """Z by the cut-over, or by a supervisor."""
    return closed(ledger, fact.at, fact.date, fact.by, "people" if fact.by else "cut_over")
