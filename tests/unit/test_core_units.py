"""Storage units by example: what a deposit leaves where, an exchange step by step, the bank's count, business dates."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kiosk.core import counting, day, exchange, labels, units
from kiosk.core import unit_facts as u
from kiosk.core.calendar import Calendar
from kiosk.core.disputes import Dispute
from kiosk.core.money import Claim, Place
from kiosk.core.storage import WITH_BUNDLES, WITH_CASSETTE, Ledger, Threshold
from kiosk.core.unit_refusals import UnitRefused

AT = "2026-11-22T08:00:00.000Z"
TODAY = "2026-11-22"
PAIR = ("staff-1", "super-2")
FRESH = units.step(Ledger(), u.Configured(AT, TODAY, WITH_BUNDLES)).ledger


def notes(place: Place, claim: Claim, count: int = 1, value: int = 10_000, level: Any = "fit") -> u.NoteGroup:
    unknown = level == "unrecognized"
    return u.NoteGroup(place, claim, level, "" if unknown else "CNY", 0 if unknown else value, count)


def deposit(number: int, *groups: u.NoteGroup, date: str = TODAY, **more: Any) -> u.DepositBooked:
    stored = any(group.place is Place.CABINET for group in groups)
    given: dict[str, Any] = {
        "at": AT, "date": date, "deposit_id": number.to_bytes(16), "outcome": "credited", "grade": "low",
        "notes": groups, "bundle": f"B{number:08d}", "slot": number, "stored": stored, "flags": (), "doubts": (),
    }  # fmt: skip
    return u.DepositBooked(**{**given, **more})


def after(*facts: u.AnyUnitFact, ledger: Ledger = FRESH) -> Ledger:
    return units.replay(facts, ledger)


def three_bundles() -> Ledger:
    return after(*(deposit(n, notes(Place.CABINET, Claim.CREDITED, 2)) for n in (1, 2, 3)))


def refused(ledger: Ledger, fact: u.AnyUnitFact) -> str:
    with pytest.raises(UnitRefused) as caught:
        units.step(ledger, fact)
    assert caught.value.remedy
    return caught.value.code


# --- deposits -------------------------------------------------------------------------------------------


def test_a_bundle_went_through_store_and_tray_into_the_cabinet() -> None:
    ledger = after(
        deposit(1, notes(Place.CABINET, Claim.CREDITED, 3), notes(Place.RETRACT, Claim.RETAINED, level="suspect"))
    )
    flows = {unit.name: ({m.kind for m in unit.came}, {m.kind for m in unit.left}, unit.count) for unit in ledger.units}
    assert flows == {
        "escrow": ({"deposited"}, {"distributed"}, 0),
        "tray": ({"distributed"}, {"distributed"}, 0),
        "retract": ({"rejected"}, set(), 1),
        "cabinet": ({"deposited"}, set(), 3),
    }
    cabinet = ledger.unit("cabinet")
    assert cabinet is not None
    assert [(item.id, item.slot) for item in cabinet.items] == [("B00000001", 1)]
    assert units.free_slot(ledger, 40) == 0


def test_notes_given_back_leave_only_their_tracks() -> None:
    ledger = after(deposit(1, notes(Place.OUT, Claim.RETURNED, 2), bundle="", outcome="returned"))
    escrow = ledger.unit("escrow")
    assert escrow is not None
    assert [(moved.kind, moved.rows[0].count) for moved in (*escrow.came, *escrow.left)] == [
        ("deposited", 2),
        ("presented", 2),
    ]
    assert [unit.count for unit in ledger.units] == [0, 0, 0, 0]


def test_without_bunch_escrow_notes_go_into_the_cassette() -> None:
    fresh = units.step(Ledger(), u.Configured(AT, TODAY, WITH_CASSETTE)).ledger
    ledger = after(deposit(1, notes(Place.CASH_IN, Claim.CREDITED, 5), bundle=""), ledger=fresh)
    cassette = ledger.unit("cassette")
    assert cassette is not None
    assert cassette.count == 5
    assert units.hindrances(ledger, {"cassette": Threshold(3, 5)}) == ("the cassette is full",)


def test_a_slot_where_a_bundle_may_lie_is_not_used_again() -> None:
    ledger = after(deposit(0, notes(Place.BUNDLE, Claim.CREDITED), slot=0))
    assert units.free_slot(ledger, 40) == 1
    assert ledger.doubtful_slots == (0,)
    tray = ledger.unit("tray")
    assert tray is not None
    assert [item.id for item in tray.items] == ["B00000000"]


def test_thresholds_warn_and_then_stop() -> None:
    thresholds: Any = {"cabinet": Threshold(3, 4), "retract": Threshold(1, 2)}
    ledger = three_bundles()
    assert units.warnings(ledger, thresholds) == ("the cabinet is nearly full: 3 of 4 slots",)
    assert units.hindrances(ledger, thresholds) == ()
    ledger = after(deposit(4, notes(Place.CABINET, Claim.CREDITED)), ledger=ledger)
    assert units.hindrances(ledger, thresholds) == ("the cabinet is full",)


def test_a_short_bundle_and_an_open_door_make_counts_inaccurate() -> None:
    ledger = after(deposit(1, notes(Place.CABINET, Claim.CREDITED), doubts=(("cabinet", "1 short"),)))
    cabinet = ledger.unit("cabinet")
    assert cabinet is not None
    assert (cabinet.accuracy, cabinet.doubts) == ("inaccurate", ("1 short",))
    for _ in range(20):
        ledger = after(u.Intervened(AT, ("retract",), f"the door is open {_}"), ledger=ledger)
    retract = ledger.unit("retract")
    assert retract is not None
    assert (retract.accuracy, len(retract.doubts)) == ("inaccurate", 8)


# --- exchange -------------------------------------------------------------------------------------------


def test_an_exchange_takes_what_was_taken_and_leaves_the_rest() -> None:
    ledger = after(
        u.ExchangeStarted(AT, PAIR, ("cabinet",)),
        u.BundleTaken(AT, "B00000001", "SEAL-1"),
        u.BundleMissing(AT, "B00000002"),
        u.BundleTaken(AT, "B00009999"),
        ledger=three_bundles(),
    )
    assert ledger.exchange is not None
    change = units.step(ledger, u.ExchangeEnded(AT, ("courier-3", "super-2")))
    record, alert = change.records
    assert record.kind == "exchange"
    assert [item["id"] for item in record.body["collected"]] == ["B00000001"]  # type: ignore[attr-defined]
    assert [item["id"] for item in record.body["missing"]] == ["B00000002"]  # type: ignore[attr-defined]
    assert [item["id"] for item in record.body["stayed"]] == ["B00000003"]  # type: ignore[attr-defined]
    assert [item["id"] for item in record.body["foreign"]] == ["B00009999"]  # type: ignore[attr-defined]
    assert record.body["amounts"] == {"CNY": 20_000}
    assert alert.body["alert"] == "exchange"
    cabinet = change.ledger.unit("cabinet")
    assert cabinet is not None
    assert (cabinet.count, cabinet.came, [item.id for item in cabinet.items]) == (2, (), ["B00000003"])
    assert [(item.id, item.seal, item.missing) for item in change.ledger.collected] == [
        ("B00000001", "SEAL-1", False),
        ("B00000002", "", True),
    ]


def test_a_label_is_printed_again_for_a_bundle_of_an_open_exchange_under_a_number_of_its_own() -> None:
    before = after(u.ExchangeStarted(AT, PAIR, ("cabinet",)), u.BundleMissing(AT, "B00000003"), ledger=three_bundles())
    ordered = after(u.LabelOrdered(AT, "B00000001", "staff-1"), ledger=before)
    printing = labels.printing(ordered)
    assert printing is not None
    assert (printing.id, printing.copy) == ("B00000001", 1)
    assert refused(ordered, u.LabelOrdered(AT, "B00000002", "staff-1")) == "labelActive"
    failed = after(u.LabelReported(AT, "B00000001", 1, printed=False, detail="paper out"), ledger=ordered)
    assert (labels.printing(failed), flags_of(failed, "B00000001")) == (None, ())
    again = units.step(failed, u.LabelOrdered(AT, "B00000001", "staff-1"))
    assert [draft.body for draft in again.records] == [
        {"event": "label_ordered", "bundle": "B00000001", "copy": 2, "by": "staff-1"}
    ]
    done = units.step(again.ledger, u.LabelReported(AT, "B00000001", 2, printed=True))
    assert done.records[0].body["printed"] is True
    assert flags_of(done.ledger, "B00000001") == ("relabelled",)
    cabinets = [ledger.unit("cabinet") for ledger in (before, done.ledger)]
    assert len({(unit.rows, unit.count, len(unit.items)) for unit in cabinets if unit is not None}) == 1
    assert refused(done.ledger, u.LabelOrdered(AT, "B00000003", "staff-1")) == "invalidUnit"  # called missing
    handed = after(u.BundleTaken(AT, "B00000001"), u.ExchangeEnded(AT, PAIR), ledger=done.ledger)
    assert [item.flags for item in handed.collected if item.id == "B00000001"] == [("relabelled",)]
    late = units.step(handed, u.LabelReported(AT, "B00000001", 3, printed=True))  # told when it is gone already
    assert (late.ledger, len(late.records)) == (handed, 1)


def test_no_bundle_has_labels_without_end() -> None:
    ledger = after(u.ExchangeStarted(AT, PAIR, ("cabinet",)), ledger=three_bundles())
    for copy in range(1, labels.COPIES_MAX + 1):
        order, told = u.LabelOrdered(AT, "B00000001", "a"), u.LabelReported(AT, "B00000001", copy, printed=True)
        ledger = after(order, told, ledger=ledger)
    assert refused(ledger, u.LabelOrdered(AT, "B00000001", "a")) == "labelsUsedUp"


def flags_of(ledger: Ledger, bundle: str) -> tuple[str, ...]:
    item = exchange.find(ledger, bundle)
    assert item is not None
    return item.flags


def test_a_retract_bin_is_exchanged_whole_and_missing_until_another_is_put_in() -> None:
    ledger = after(
        deposit(1, notes(Place.RETRACT, Claim.DISPUTED, 3), bundle=""),
        u.ExchangeStarted(AT, PAIR, ("retract",)),
        u.UnitRemoved(AT, "retract", "BIN-1", "SEAL-9"),
    )
    without = after(u.ExchangeEnded(AT, PAIR), ledger=ledger)
    assert units.hindrances(without, {}) == ("the retract container is missing",)
    done = after(u.UnitInserted(AT, "retract", "BIN-2"), u.ExchangeEnded(AT, PAIR), ledger=ledger)
    retract = done.unit("retract")
    assert retract is not None
    assert (retract.serial, retract.accuracy, retract.count) == ("BIN-2", "accurateSet", 0)
    assert [(item.id, item.seal) for item in done.collected] == [("R000001", "SEAL-9")]
    again = after(u.ExchangeStarted(AT, PAIR, ("retract",)), ledger=done)
    assert refused(again, u.UnitRemoved(AT, "retract", "BIN-1")) == "storageUnitError"


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (u.ExchangeEnded(AT, PAIR), "noExchangeActive"),
        (u.BundleTaken(AT, "B1"), "noExchangeActive"),
        (u.LabelOrdered(AT, "B1", "one"), "noExchangeActive"),
        (u.ExchangeStarted(AT, PAIR, ("cassette",)), "invalidUnit"),
        (u.ExchangeStarted(AT, ("one", "one"), ("cabinet",)), "notAuthorised"),
        (u.ExchangeStarted(AT, ("one",), ("cabinet",)), "notAuthorised"),
        (u.CountPosted(AT, "B00000001", (), PAIR, "kiosk"), "invalidUnit"),
        (u.DayClosed(AT, "2026-11-21", PAIR), "dateClosed"),
        (u.DayClosed(AT, TODAY), "dateOpen"),
        (u.DateCorrected(AT, TODAY), "dateOpen"),
    ],
)
def test_what_cannot_be_is_refused_in_the_words_of_xfs4iot(fact: u.AnyUnitFact, code: str) -> None:
    assert refused(three_bundles(), fact) == code


def test_one_exchange_at_a_time_and_only_of_its_units() -> None:
    ledger = after(u.ExchangeStarted(AT, PAIR, ("retract",)), ledger=three_bundles())
    assert refused(ledger, u.ExchangeStarted(AT, PAIR, ("cabinet",))) == "exchangeActive"
    assert refused(ledger, u.BundleTaken(AT, "B00000001")) == "invalidUnit"
    assert units.hindrances(ledger, {}) == ("an exchange is open [1: retract]",)


# --- the bank's count -----------------------------------------------------------------------------------


def collected(*groups: u.NoteGroup) -> Ledger:
    return after(
        deposit(1, *groups),
        u.ExchangeStarted(AT, PAIR, ("cabinet",)),
        u.UnitRemoved(AT, "cabinet", "", "SEAL-1"),
        u.ExchangeEnded(AT, PAIR),
    )


def dispute(n: int, value: int | None, place: str = "cabinet", *, suspect: bool = False) -> Dispute:
    return Dispute((1).to_bytes(16), n, value, "CNY" if value else "", suspect, place, "why")


def test_a_count_says_its_differences_and_finds_the_surplus_note() -> None:
    ledger = collected(
        notes(Place.CABINET, Claim.CREDITED, 2), notes(Place.CABINET, Claim.DISPUTED, level="unrecognized")
    )
    rows = (u.CountedRow("CNY", 10_000, 2), u.CountedRow("CNY", 5000, 1))
    settled = counting.settle(counting.item_of(ledger, "B00000001"), rows, [dispute(3, None)])
    assert settled == (u.Settled((1).to_bytes(16), 3, 5000, "CNY", found=True),)
    fact = u.CountPosted(AT, "B00000001", rows, PAIR, "bank", "R-1", settled)
    change = units.step(ledger, fact)
    [record] = change.records
    assert record.body["difference_notes"] == 0
    assert record.body["difference_minor"] == {"CNY": 5000}
    assert change.ledger.collected == ()
    [(clearing, cleared)] = counting.clearings(fact, "credited")
    assert (clearing.resolution, cleared[0].value_minor) == ("credited", 5000)
    assert refused(change.ledger, fact) == "invalidUnit"  # once


def test_a_note_that_nobody_disputes_is_never_taken_for_a_disputed_one() -> None:
    ledger = collected(notes(Place.CABINET, Claim.CREDITED, 2), notes(Place.OUT, Claim.DISPUTED))
    item = counting.item_of(ledger, "B00000001")
    short = counting.settle(item, (u.CountedRow("CNY", 10_000, 2),), [dispute(3, 10_000, "out")])
    assert [note.found for note in short] == [False]
    over = counting.settle(item, (u.CountedRow("CNY", 10_000, 3),), [dispute(3, 10_000, "out")])
    assert [note.found for note in over] == [True]
    elsewhere = counting.settle(item, (u.CountedRow("CNY", 10_000, 3),), [dispute(3, 10_000, "retract")])
    assert elsewhere == ()


def test_a_suspect_note_is_the_banks_whoever_is_said_to_own_what_was_found() -> None:
    ledger = collected(notes(Place.CABINET, Claim.DISPUTED, level="suspect"))
    rows = (u.CountedRow("CNY", 10_000, 1, "suspect"),)
    settled = counting.settle(counting.item_of(ledger, "B00000001"), rows, [dispute(1, 10_000, suspect=True)])
    [(clearing, _)] = counting.clearings(u.CountPosted(AT, "B00000001", rows, PAIR, "bank", "", settled), "credited")
    assert clearing.resolution == "bank"


@pytest.mark.parametrize(
    "rows",
    [
        (u.CountedRow("CNY", 100, -1),),
        (u.CountedRow("CNY", 0, 1),),
        (u.CountedRow("yuan", 100, 1),),
        (u.CountedRow("CNY", 100, 1), u.CountedRow("CNY", 100, 2)),
    ],
)
def test_a_count_must_be_one(rows: tuple[u.CountedRow, ...]) -> None:
    assert refused(
        collected(notes(Place.CABINET, Claim.CREDITED)), u.CountPosted(AT, "B00000001", rows, PAIR, "kiosk")
    ) == ("invalidUnit")


# --- business dates -------------------------------------------------------------------------------------


def test_a_deposit_of_the_next_date_closes_the_one_before_it() -> None:
    change = units.step(three_bundles(), deposit(4, notes(Place.CABINET, Claim.CREDITED), date="2026-11-23"))
    [z] = change.first
    assert (z.body["number"], z.body["date"], z.body["deposits"], z.body["closed_by"]) == (1, TODAY, 3, "deposit")
    assert z.body["sums"] == {
        "CNY": {"inserted": 60_000, "credited": 60_000, "returned": 0, "retained": 0, "disputed": 0}
    }
    assert day.report(change.ledger, AT)["deposits"] == 1
    assert day.label(change.ledger.day) == "2026-11-23"


def test_a_deposit_confirmed_before_midnight_is_yesterdays_however_late_it_is_booked() -> None:
    change = units.step(three_bundles(), deposit(4, date=TODAY, at="2026-11-23T00:05:00.000Z"))
    assert change.first == ()
    assert change.ledger.day.tally.deposits == 4


def test_z_by_hand_in_the_afternoon_and_the_cut_over_do_not_meet() -> None:
    ledger = after(u.DayClosed(AT, TODAY, ("super-2",)), ledger=three_bundles())
    assert day.label(ledger.day) == "2026-11-23"
    assert refused(ledger, u.DayClosed(AT, TODAY, ("super-2",))) == "dateClosed"
    assert not day.due(ledger.day, "2026-11-23")  # the evening's deposits are in tomorrow's date
    assert day.due(ledger.day, "2026-11-24")


def test_a_clock_that_ran_ahead_a_year_costs_no_date_twice() -> None:
    ledger = after(u.DayClosed(AT, "2027-11-22"), ledger=three_bundles())
    assert not day.due(ledger.day, TODAY)
    assert day.ran_ahead(ledger.day, TODAY)
    ledger = after(u.DateCorrected(AT, TODAY), ledger=ledger)
    assert day.label(ledger.day) == "2026-11-23"
    assert not day.ran_ahead(ledger.day, TODAY)
    ledger = after(u.DayClosed(AT, "2026-11-23"), ledger=ledger)
    assert (ledger.day.closed, day.label(ledger.day)) == ("2026-11-23", "2026-11-24")


@pytest.mark.parametrize(
    ("cut_over_min", "local", "date"),
    [
        (0, "2026-11-22 00:00", "2026-11-22"),
        (0, "2026-11-22 23:59", "2026-11-22"),
        (120, "2026-11-22 01:59", "2026-11-21"),
        (120, "2026-11-22 02:00", "2026-11-22"),
        (17 * 60, "2026-11-22 16:59", "2026-11-22"),
        (17 * 60, "2026-11-22 17:00", "2026-11-23"),
    ],
)
def test_the_business_date_is_cut_in_the_branchs_own_time(cut_over_min: int, local: str, date: str) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    moment = datetime.strptime(local, "%Y-%m-%d %H:%M").replace(tzinfo=zone).astimezone(UTC)
    assert Calendar(zone, cut_over_min).date(moment) == date
