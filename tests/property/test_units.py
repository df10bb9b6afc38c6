"""The storage units under every order of facts: nothing is lost between deposits, units, exchanges, counts and days."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core import day, units
from kiosk.core import unit_facts as u
from kiosk.core.money import Claim, Place
from kiosk.core.storage import UNIT_OF, Ledger, Rows, merged, number
from kiosk.core.unit_refusals import UnitRefused

AT = "2026-11-22T08:00:00.000Z"
PAIR = ("staff-1", "super-2")
CLAIMS = (Claim.CREDITED, Claim.RETURNED, Claim.RETAINED, Claim.DISPUTED)
DECODER = msgspec.json.Decoder(u.AnyUnitFact)
ALL = ("escrow", "tray", "retract", "cabinet")

dates = st.integers(1, 28).map(lambda day_of: f"2026-11-{day_of:02d}")
groups = st.builds(
    u.NoteGroup,
    place=st.sampled_from(list(Place)),
    claim=st.sampled_from(CLAIMS),
    level=st.sampled_from(["fit", "suspect"]),
    currency=st.sampled_from(["CNY", "USD"]),
    value_minor=st.sampled_from([100, 10000]),
    count=st.integers(1, 5),
)
unknowns = st.builds(
    u.NoteGroup,
    place=st.sampled_from(list(Place)),
    claim=st.just(Claim.DISPUTED),
    level=st.just("unrecognized"),
    currency=st.just(""),
    value_minor=st.just(0),
    count=st.integers(1, 2),
)


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, Any]]:
    kinds = st.sampled_from(
        ["deposit"] * 4 + ["start", "take", "miss", "remove", "insert", "end", "count", "z", "back", "purge"]
    )
    return [
        (draw(kinds), (draw(dates), draw(st.lists(groups | unknowns, max_size=4)), draw(st.integers(0, 9))))
        for _ in range(draw(st.integers(1, 25)))
    ]


def fact_of(  # noqa: C901, PLR0911 - one answer a kind
    ledger: Ledger, kind: str, given_: Any, serial: int
) -> u.AnyUnitFact:
    date, notes, pick = given_
    cabinet = ledger.unit("cabinet")
    names = [item.id for item in cabinet.items] if cabinet else []
    bundle = names[pick % len(names)] if names else f"B{pick:08d}"
    unit = ("retract", "cabinet", "tray")[pick % 3]
    collected = [item.id for item in ledger.collected] or ["B00000000"]
    match kind:
        case "deposit":
            slot = units.free_slot(ledger, 100)
            inside = any(note.place is Place.CABINET for note in notes)
            return u.DepositBooked(
                at=AT,
                date=date,
                deposit_id=serial.to_bytes(16),
                outcome="credited",
                grade="low",
                notes=tuple(notes),
                bundle=f"B{serial:08d}",
                slot=slot or 0,
                stored=inside,
                flags=(),
                doubts=(),
            )
        case "start":
            return u.ExchangeStarted(AT, PAIR, ("cabinet", "retract", "tray"))
        case "take":
            return u.BundleTaken(AT, bundle, f"bag-{pick}")
        case "miss":
            return u.BundleMissing(AT, bundle)
        case "remove":
            return u.UnitRemoved(AT, unit, "")  # type: ignore[arg-type]
        case "insert":
            return u.UnitInserted(AT, unit, f"N{pick}")  # type: ignore[arg-type]
        case "end":
            return u.ExchangeEnded(AT, PAIR)
        case "count":
            rows = (u.CountedRow("CNY", 100, pick),)
            return u.CountPosted(AT, collected[pick % len(collected)], rows, PAIR, "kiosk")
        case "purge":
            return u.Transferred(AT, "tray", "retract", "the tray was purged in a reset")
        case "z":
            return u.DayClosed(AT, date, PAIR if pick % 2 else ())
        case _:
            return u.DateCorrected(AT, date)


def booked_rows(facts: list[u.AnyUnitFact]) -> list[Rows]:
    return [day.booked_rows(fact) for fact in facts if isinstance(fact, u.DepositBooked)]


@settings(max_examples=60)
@given(steps())
def test_no_order_of_facts_loses_a_note(plan: list[tuple[str, Any]]) -> None:
    ledger, stood = Ledger(), []
    first = u.Configured(AT, "2026-11-14", ALL)  # type: ignore[arg-type]
    counted: Rows = ()
    reports: list[dict[str, Any]] = []
    for serial, (kind, given_) in enumerate([("configured", None), *plan]):
        fact: u.AnyUnitFact = first if kind == "configured" else fact_of(ledger, kind, given_, serial)
        before = ledger
        try:
            change = units.step(ledger, fact)
        except UnitRefused:
            continue
        ledger = change.ledger
        stood.append(fact)
        reports += [dict(draft.body) for draft in (*change.first, *change.records) if draft.kind == day.Z_KIND]
        if isinstance(fact, u.CountPosted):
            gone = [item for item in before.collected if item not in ledger.collected]
            counted = merged(counted, *(item.rows for item in gone))
        for unit in ledger.units:
            flows = [*(moved.rows for moved in unit.came), *(moved.rows for moved in unit.left)]
            signs = [1] * len(unit.came) + [-1] * len(unit.left)
            assert unit.rows == merged(unit.initial, *flows, sign=[1, *signs]), unit.name
    inside = [
        (group.place, group.count)
        for fact in stood
        if isinstance(fact, u.DepositBooked)
        for group in fact.notes
        if group.place in UNIT_OF
    ]
    held = sum(unit.count for unit in ledger.units) + sum(number(item.rows) for item in ledger.collected)
    assert held + number(counted) == sum(count for _, count in inside)
    _days_add_up(ledger, stood, reports)
    assert units.replay(DECODER.decode(msgspec.json.encode(fact)) for fact in stood) == ledger


def _days_add_up(ledger: Ledger, stood: list[u.AnyUnitFact], reports: list[dict[str, Any]]) -> None:
    """Every deposit is in exactly one Z report or in the open date; no date is closed twice."""
    assert [report["number"] for report in reports] == list(range(1, len(reports) + 1))
    closed = [report["date"] for report in reports]
    assert closed == sorted(set(closed))
    assert not closed or day.label(ledger.day) > closed[-1]
    total: Counter[tuple[str, str]] = Counter()
    for report in (*reports, day.report(ledger, AT)):
        for currency, row in report["sums"].items():
            assert row["inserted"] == sum(value for claim, value in row.items() if claim != "inserted")
            for claim, value in row.items():
                total[currency, claim] += value
    expected = day.sums(merged(*booked_rows(stood)))
    assert {key: value for key, value in total.items() if value} == {
        (currency, claim): value for currency, row in expected.items() for claim, value in row.items() if value
    }
    deposits = sum(isinstance(fact, u.DepositBooked) for fact in stood)
    assert sum(report["deposits"] for report in (*reports, day.report(ledger, AT))) == deposits


@given(st.lists(st.tuples(dates, st.booleans()), max_size=40))
def test_the_open_date_is_never_one_that_was_closed(clock: list[tuple[str, bool]]) -> None:
    """Whatever the clock says and whoever closes: Z dates only grow, and a corrected clock is followed."""
    ledger = units.step(Ledger(), u.Configured(AT, "2026-11-14", ALL)).ledger  # type: ignore[arg-type]
    closed: list[str] = []
    for date, by_hand in clock:
        if day.ran_ahead(ledger.day, date):
            ledger = units.step(ledger, u.DateCorrected(AT, date)).ledger
        fact = u.DayClosed(AT, date, PAIR if by_hand else ())
        wanted = day.begun(ledger.day, date) if by_hand else day.due(ledger.day, date)
        if wanted:
            label = day.label(ledger.day)
            ledger = units.step(ledger, fact).ledger
            closed.append(label)
        assert not day.due(ledger.day, date)  # one closing is enough
    assert closed == sorted(set(closed))
