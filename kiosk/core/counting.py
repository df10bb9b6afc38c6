"""The bank's count of what was collected, against the journal: differences are said, disputes of it are closed."""

from typing import Final

from msgspec.structs import replace

from kiosk.core.money import Claim, Place
from kiosk.core.state import RecordDraft
from kiosk.core.storage import UNIT_OF, Collected, Dispute, Ledger, Row, Rows, merged, minor, number
from kiosk.core.unit_facts import CountPosted
from kiosk.core.unit_records import denominations, differences
from kiosk.core.unit_refusals import UnitRefused, persons

ROWS_MAX: Final = 64
COUNT_MAX: Final = 100_000
VALUE_MAX: Final = 10**12
# A note that came back to the front or vanished would be in the bundle if it were the bank's: its count decides, too.
_DECIDED_BY_BUNDLE: Final = (Place.OUT, Place.UNKNOWN)


def posted(ledger: Ledger, fact: CountPosted) -> tuple[Ledger, tuple[RecordDraft, ...]]:
    """The item was counted: it is closed, and so are the disputes of the notes that were in it."""
    item = next((known for known in ledger.collected if known.id == fact.item), None)
    if item is None:
        raise UnitRefused("invalidUnit", *_not_waiting(ledger, fact.item))
    persons(fact.by)
    counted = _rows(fact)
    decided = tuple(dispute for dispute in ledger.disputes if decides(item, dispute))
    tally = ledger.day.tally
    ledger = replace(
        ledger,
        collected=tuple(known for known in ledger.collected if known is not item),
        disputes=tuple(dispute for dispute in ledger.disputes if dispute not in decided),
        day=replace(ledger.day, tally=replace(tally, counts=(*tally.counts, item.id))),
    )
    return ledger, (_record(fact, item, counted, decided),)


def decides(item: Collected, dispute: Dispute) -> bool:
    """Whether counting `item` shows where the disputed notes are."""
    if dispute.deposit_id not in item.deposits:
        return False
    if UNIT_OF.get(Place(dispute.where)) == item.unit:
        return True
    return dispute.bundle == item.id and dispute.where in _DECIDED_BY_BUNDLE


def _not_waiting(ledger: Ledger, item: str) -> tuple[str, str]:
    inside = any(known.id == item for unit in ledger.units for known in unit.items if known.id)
    if inside:
        return f"{item} is still in the kiosk.", "Collect it in an exchange before it is counted."
    return f"{item} is not waiting for a count.", "`kioskctl units` lists what is; a count is posted once."


def _rows(fact: CountPosted) -> Rows:
    sane = all(
        0 <= row.count <= COUNT_MAX and 0 < row.value_minor <= VALUE_MAX and len(row.currency) == 3  # noqa: PLR2004 - ISO 4217
        for row in fact.rows
    )
    if len(fact.rows) > ROWS_MAX or not sane:
        raise UnitRefused("invalidUnit", "These are no counts of notes.", "Give each face and its number of notes.")
    return merged(*((Row(row.currency, row.value_minor, row.level, Claim.CREDITED, row.count),) for row in fact.rows))


def _record(fact: CountPosted, item: Collected, counted: Rows, decided: tuple[Dispute, ...]) -> RecordDraft:
    surplus = {
        currency: minor(counted).get(currency, 0) - minor(item.rows).get(currency, 0)
        for currency in sorted(minor(counted).keys() | minor(item.rows).keys())
    }
    return RecordDraft(
        "bundle_count",
        {
            "item": item.id,
            "unit": item.unit,
            "exchange": item.exchange,
            "source": fact.source,
            "reference": fact.reference,
            "counted_by": list(fact.by),
            "deposits": list(item.deposits),
            "expected": denominations(item.rows),
            "counted": denominations(counted),
            "differences": differences(item.rows, counted),
            "difference_notes": number(counted) - number(item.rows),
            "difference_minor": surplus,
            "disputes_closed": [
                {
                    "deposit": dispute.deposit_id,
                    "place": dispute.where,
                    "notes": number(dispute.rows),
                    "cash": denominations(dispute.rows),
                }
                for dispute in decided
            ],
        },
    )
