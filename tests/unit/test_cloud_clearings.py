"""Clearings at the bank: netted when two people allowed them, and a kiosk that lies about it is found out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core import actions as a
from kiosk.core.authority import step
from kiosk.core.authority_facts import AnyAuthorityFact, Approved, Authority, Founded, Requested, Used
from kiosk.core.disputes import clearing_record
from kiosk.core.unit_facts import CountedRow
from kiosk.errors import VerificationError
from kiosk_cloud.clearings import Clearings, Net
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.verify import Report, verify_store
from tests.clearing_kit import DEPOSIT, FIRST, FOUNDERS, SECOND, Record, clear, disputed, story
from tests.uplink_kit import Bank, KioskSide, deposit_content, plan


@pytest.fixture
def verified(tmp_path: Path) -> Iterator[Callable[[list[Record]], Report]]:
    done = provision(plan(tmp_path / "run"), utc_now())
    kiosk, bank = KioskSide(done.kiosk_keys), Bank(done)

    def verify(records: list[Record]) -> Report:
        for kind, content in records:
            bank.take(kiosk.append(kind, content))
        return verify_store(bank.config.store, bank.config.keys)

    yield verify
    kiosk.close()
    bank.store.close()


def test_what_two_people_cleared_is_netted(verified: Callable[[list[Record]], Report]) -> None:
    report = verified(story(FIRST, SECOND))
    assert report.failures == []
    found = report.as_json()
    assert found["disputed_minor"] == {"CNY": 7000}
    assert found["cleared_minor"] == {
        "credited": {}, "returned": {"CNY": 15000}, "bank": {}, "not_found": {"CNY": 2000},
    }  # fmt: skip
    assert found["found_minor"] == {"CNY": 10000}
    assert found["outstanding_minor"] == {"CNY": 0}
    assert found["outstanding_unvalued"] == 0


def test_what_nobody_cleared_stays_outstanding(verified: Callable[[list[Record]], Report]) -> None:
    report = verified(story(SECOND))
    assert report.ok
    assert report.as_json()["outstanding_minor"] == {"CNY": 5000}
    assert report.as_json()["outstanding_unvalued"] == 1


def counted(source: str, resolution: str, *, found: bool = True, by: tuple[str, ...] = ("ben", "anna")) -> list[Record]:
    """A count that decides note 3, and the clearing that follows from it."""
    post = a.PostCount("B00000001", (CountedRow("CNY", 5000, 1),), "credited")
    facts: list[AnyAuthorityFact] = [Founded(0, FOUNDERS), Requested(0, "ben", post)]
    facts += [Approved(0, 1, "anna", a.content(post)), Used(0, 1, a.content(post))]
    state, records = Authority(), [disputed()]
    for fact in facts if source == "kiosk" else []:
        outcome = step(state, fact)
        state = outcome.state
        records += [(draft.kind, dict(draft.body)) for draft in outcome.records]
    row = {"deposit": DEPOSIT, "n": 3, "value": 5000, "currency": "CNY", "found": found}
    body = {"item": post.item, "source": source, "counted_by": list(by), "disputes": [row]}
    action = clear(resolution, a.ClearedNote(3, 5000, "CNY"))
    number = 1 if source == "kiosk" else 0
    clearing = clearing_record(action, action.notes, number, by)
    return [*records, ("bundle_count", body), ("clearing", dict(clearing.body))]


@pytest.mark.parametrize(
    ("source", "resolution", "found"),
    [("kiosk", "credited", True), ("kiosk", "bank", True), ("bank", "credited", True), ("bank", "not_found", False)],
)
def test_a_count_clears_what_it_decided(source: str, resolution: str, found: bool) -> None:
    net = take(counted(source, resolution, found=found))
    assert net.as_json()["cleared_minor"][resolution] == {"CNY": 5000}
    assert net.as_json()["outstanding_minor"] == {"CNY": 2000}


@pytest.mark.parametrize(
    "records",
    [
        counted("kiosk", "returned"),
        counted("kiosk", "not_found"),
        counted("bank", "credited", found=False),
        counted("bank", "credited", by=("ben", "ben")),
        counted("kiosk", "credited", by=("anna", "fay")),
        [record for record in counted("kiosk", "credited") if record[0] != "authority"],
        [record for record in counted("bank", "credited") if record[0] != "bundle_count"],
    ],
    ids=["returned", "found and not found", "credited unfound", "alone", "others", "not signed", "no count"],
)
def test_a_count_clears_nothing_else(records: list[Record]) -> None:
    with pytest.raises(VerificationError):
        take(records)


def take(records: list[Record]) -> Net:
    net = Net()
    clearings = Clearings(net)
    for kind, body in records:
        clearings.take(kind, body)
    return net


def change(kind: str, which: int, **fields: Any) -> Callable[[list[Record]], list[Record]]:
    """Put other words into one record of a kind."""

    def changed(records: list[Record]) -> list[Record]:
        at = [index for index, record in enumerate(records) if record[0] == kind][which]
        return [*records[:at], (kind, {**records[at][1], **fields}), *records[at + 1 :]]

    return changed


def without(kind: str, which: int = 0) -> Callable[[list[Record]], list[Record]]:
    """Leave one record of a kind out."""

    def changed(records: list[Record]) -> list[Record]:
        at = [index for index, record in enumerate(records) if record[0] == kind][which]
        return records[:at] + records[at + 1 :]

    return changed


def alone(records: list[Record]) -> list[Record]:
    """One person signs as both."""
    return [(kind, {**body, "by": ["anna"] * len(body["by"])} if "by" in body else body) for kind, body in records]


def technician(records: list[Record]) -> list[Record]:
    """The second one has the wrong role."""
    return [
        (kind, {**body, "by": ["carl" if who == "anna" else who for who in body["by"]]} if "by" in body else body)
        for kind, body in records
    ]


LIES: dict[str, Callable[[list[Record]], list[Record]]] = {
    "nobody approved": without("authority", 1),
    "nobody asked": without("authority", 0),
    "not used": without("authority", 2),
    "cleared without a request": lambda records: [*records, records[-1]],
    "used twice": lambda records: [*records, *records[-2:]],
    "nobody enrolled": without("people"),
    "one person": alone,
    "approved by the same": change("authority", 1, by=["ben", "ben"]),
    "wrong role": technician,
    "another resolution": change("clearing", 0, resolution="credited"),
    "another value": change("clearing", 0, sums={"CNY": 1}),
    "another signer": change("clearing", 0, by=["anna", "ben"]),
    "other content": change("authority", 2, content=bytes(32)),
    "no disputes": lambda records: [("deposit", deposit_content(1)), *records[1:]],
    "an unheard-of event": change("authority", 1, event="waved_through"),
    "first people twice": lambda records: [*records, records[1]],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_kiosk_that_lies_is_found_out(verified: Callable[[list[Record]], Report], lie: str) -> None:
    report = verified(LIES[lie](story(FIRST)))
    assert not report.ok


def test_an_action_altered_on_every_record_has_another_content(verified: Callable[[list[Record]], Report]) -> None:
    other = a.said(clear("credited", a.ClearedNote(3), a.ClearedNote(5, 10000, "CNY")))
    records = story(FIRST)
    for which in range(3):
        records = change("authority", which, action=other)(records)
    report = verified(change("clearing", 0, resolution="credited")(records))
    assert any("signed for something else" in failure for failure in report.failures)
