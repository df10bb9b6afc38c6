"""Z reports, exchanges and counts against the deposits: what the core makes holds, what was touched does not."""

import copy
from typing import Any

import pytest

from kiosk.core import unit_facts as u
from kiosk.core import units
from kiosk.core.money import Claim, Place
from kiosk.core.storage import Ledger
from kiosk.errors import VerificationError
from kiosk_cloud.days import Days
from tests.unit.test_core_units import AT, FRESH, PAIR, TODAY, deposit, notes

ROOT = bytes(32)
Log = list[tuple[str, dict[str, Any]]]


def _deposit_content(fact: u.DepositBooked) -> dict[str, Any]:
    listed = [
        {
            "value": None if group.level == "unrecognized" else group.value_minor,
            "currency": group.currency,
            "suspect": group.level == "suspect",
            "place": str(group.place),
            "claim": str(group.claim),
        }
        for group in fact.notes
        for _ in range(group.count)
    ]
    sums: dict[str, dict[str, int]] = {}
    for note in listed:
        if note["value"] is not None:
            row = sums.setdefault(
                str(note["currency"]), dict.fromkeys(("inserted", "credited", "returned", "retained", "disputed"), 0)
            )
            row["inserted"] += int(str(note["value"]))
            row[str(note["claim"])] += int(str(note["value"]))
    unvalued = sum(note["value"] is None for note in listed)
    bundle = {"id": fact.bundle, "stored": fact.stored}
    return {"notes": listed, "sums": sums, "disputed_unvalued": unvalued, "bundle": bundle}


def made() -> Log:
    """Two business dates with an exchange and a count, as the kiosk records them."""
    first = deposit(
        1, notes(Place.CABINET, Claim.CREDITED, 2), notes(Place.CABINET, Claim.DISPUTED, level="unrecognized")
    )
    rows = (u.CountedRow("CNY", 10_000, 2), u.CountedRow("CNY", 5000, 1))
    facts = [
        first,
        deposit(2, notes(Place.OUT, Claim.RETURNED), bundle=""),
        u.ExchangeStarted(AT, PAIR, ("cabinet",)),
        u.BundleTaken(AT, "B00000001"),
        u.ExchangeEnded(AT, PAIR),
        u.CountPosted(AT, "B00000001", rows, PAIR, "bank"),
        u.DayClosed(AT, TODAY, PAIR),
        deposit(3, notes(Place.CABINET, Claim.CREDITED, 4)),
        u.DayClosed(AT, "2026-11-24"),
    ]
    return _log(FRESH, facts)


def _log(ledger: Ledger, facts: list[Any]) -> Log:
    log: Log = []
    for fact in facts:
        change = units.step(ledger, fact)
        ledger = change.ledger
        if isinstance(fact, u.DepositBooked):
            log.append(("deposit", _deposit_content(fact)))
        for draft in change.records:
            body = copy.deepcopy(dict(draft.body))
            if draft.kind == "z_report":
                begun = max((at + 1 for at, (kind, _) in enumerate(log) if kind == "z_report"), default=0)
                body |= {"first_record": begun, "log_size": len(log), "log_root": ROOT}
            log.append((draft.kind, body))
    return log


def checked(log: Log) -> Days:
    days = Days()
    for sequence, (kind, content) in enumerate(log):
        if kind == "deposit":
            days.deposit(content)
        else:
            days.check(kind, content, sequence, ROOT)
    return days


def touched(kind: str, number: int = 0) -> tuple[Log, dict[str, Any]]:
    log = made()
    return log, [content for found, content in log if found == kind][number]


def test_what_the_kiosk_makes_holds() -> None:
    days = checked(made())
    assert (days.z_reports, days.exchanges, days.counts) == (2, 1, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"deposits": 3}, "deposits"),
        ({"sums": {}}, "sums"),
        ({"number": 3}, "follows"),
        ({"date": "2026-11-01"}, "closed after"),
        ({"first_record": 0}, "begins at"),
        ({"log_size": 1}, "a log of"),
        ({"log_root": bytes(31) + b"1"}, "root"),
        ({"disputed_unvalued": 1}, "unknown value"),
    ],
)
def test_a_touched_z_report_is_found(change: dict[str, Any], words: str) -> None:
    log, content = touched("z_report", 1)
    content.update(change)
    with pytest.raises(VerificationError, match=words):
        checked(log)


def test_a_deposit_that_no_z_report_counts_is_found() -> None:
    log = made()
    log.insert(0, copy.deepcopy(log[0]))
    with pytest.raises(VerificationError, match="sums"):
        checked(log)


def test_a_bundle_is_collected_once_and_as_it_was_deposited() -> None:
    log, content = touched("exchange")
    content["collected"][0]["cash"][0]["count"] += 1
    with pytest.raises(VerificationError, match="not as it was deposited"):
        checked(log)
    log, content = touched("exchange")
    log.insert(log.index(("exchange", content)), ("exchange", {**content, "number": 1}))
    with pytest.raises(VerificationError, match="collected before"):
        checked(log)


def test_a_count_is_of_something_collected_and_adds_up() -> None:
    log, content = touched("bundle_count")
    content["differences"] = []
    with pytest.raises(VerificationError, match="differences"):
        checked(log)
    log, content = touched("bundle_count")
    content["item"] = "B00000002"
    with pytest.raises(VerificationError, match="not collected"):
        checked(log)


def test_rubbish_is_no_record() -> None:
    with pytest.raises(VerificationError):
        Days().check("z_report", {}, 0, ROOT)
