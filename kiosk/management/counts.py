"""A count of what was collected, typed by two persons or signed by the bank: posted once, in one transaction."""

from datetime import datetime
from typing import Literal, Protocol

from kiosk.clock import rfc3339
from kiosk.core import counting, units
from kiosk.core.actions import Resolution
from kiosk.core.storage import Ledger
from kiosk.core.unit_facts import CountedRow, CountPosted
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.unit_book import Entry


class Count(Protocol):
    """What was counted, wherever it was said."""

    @property
    def item(self) -> str: ...
    @property
    def rows(self) -> tuple[CountedRow, ...]: ...
    @property
    def found(self) -> Literal["credited", "bank"]: ...
    @property
    def reference(self) -> str: ...


def post(
    journal: Journal,
    ledger: Ledger,
    count: Count,
    *,
    by: tuple[str, ...],
    number: int,
    source: Literal["bank", "kiosk"],
    now: datetime,
) -> Ledger:
    """Store the count, its record and the clearings that follow, on the journal's thread. Raises `UnitRefused`.

    `number` is the request that two persons have signed; 0 for a statement of the bank.
    """
    item = counting.item_of(ledger, count.item)
    settled = counting.settle(item, count.rows, journal.disputes.open())
    fact = CountPosted(rfc3339(now), count.item, count.rows, by, source, count.reference, settled)
    change = units.step(ledger, fact)
    resolution: Resolution = count.found
    journal.commit_count(
        Entry(fact, change.ledger, change.records), counting.clearings(fact, resolution), number, by, now
    )
    return change.ledger
