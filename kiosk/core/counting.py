"""The bank's count of what was collected, against the journal: differences are said, disputes of it are settled."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from msgspec.structs import replace

from kiosk.core.actions import ClearDispute, ClearedNote, Resolution
from kiosk.core.money import Claim, Place
from kiosk.core.state import RecordDraft
from kiosk.core.storage import UNIT_OF, Collected, Ledger, Row, Rows, merged, minor, number
from kiosk.core.unit_facts import CountedRow, CountPosted, Settled
from kiosk.core.unit_records import denominations, differences
from kiosk.core.unit_refusals import UnitRefused, persons

ROWS_MAX: Final = 64
COUNT_MAX: Final = 100_000
VALUE_MAX: Final = 10**12
_CURRENCY_LETTERS: Final = 3
_EVIDENCE_MAX: Final = 500
# A note that came back to the front or vanished would be in the bundle if it were the bank's: its count decides, too.
_DECIDED_BY_BUNDLE: Final = (Place.OUT, Place.UNKNOWN)


_Room = Counter[tuple[str, int, str]]  # faces that nobody has a claim to yet


class OpenDispute(Protocol):
    """A disputed note that nobody has decided about, as the journal lists it."""

    @property
    def deposit_id(self) -> bytes: ...
    @property
    def n(self) -> int: ...
    @property
    def value_minor(self) -> int | None: ...
    @property
    def currency(self) -> str: ...
    @property
    def suspect(self) -> bool: ...
    @property
    def place(self) -> str: ...


def item_of(ledger: Ledger, name: str) -> Collected:
    """The collected item that waits for its count. Raises `UnitRefused`."""
    item = next((known for known in ledger.collected if known.id == name), None)
    if item is None:
        raise UnitRefused("invalidUnit", *_not_waiting(ledger, name))
    return item


def settle(item: Collected, counted: Iterable[CountedRow], disputes: Iterable[OpenDispute]) -> tuple[Settled, ...]:
    """Which disputed notes the count found. What nobody disputes is taken out of the figures first.

    Notes of known value are found by their face, the others take what is left over, the largest face first.
    """
    decided = [dispute for dispute in disputes if _decides(item, dispute)]
    room: _Room = Counter({(row.currency, row.value_minor, row.level): row.count for row in counted})
    for row in item.rows:
        if row.claim is not Claim.DISPUTED and row.level != "unrecognized":
            room[row.currency, row.value_minor, row.level] -= row.count
    found = [_by_face(dispute, room) for dispute in decided if dispute.value_minor is not None]
    return (*found, *(_by_rest(dispute, room) for dispute in decided if dispute.value_minor is None))


def _by_face(dispute: OpenDispute, room: _Room) -> Settled:
    key = (dispute.currency, dispute.value_minor or 0, "suspect" if dispute.suspect else "fit")
    there = room[key] > 0
    room[key] -= there
    return Settled(dispute.deposit_id, dispute.n, dispute.value_minor, dispute.currency, there, dispute.suspect)


def _by_rest(dispute: OpenDispute, room: _Room) -> Settled:
    left = sorted((key for key, count in room.items() if count > 0), key=lambda key: (-key[1], key))
    if not left:
        return Settled(dispute.deposit_id, dispute.n, None, "", found=False, suspect=dispute.suspect)
    currency, value, level = left[0]
    room[left[0]] -= 1
    return Settled(dispute.deposit_id, dispute.n, value, currency, found=True, suspect=level == "suspect")


def _decides(item: Collected, dispute: OpenDispute) -> bool:
    """Whether counting `item` shows where the disputed note is."""
    if dispute.deposit_id not in item.deposits:
        return False
    place = Place(dispute.place)
    return UNIT_OF.get(place) == item.unit or (item.unit in ("cabinet", "cassette") and place in _DECIDED_BY_BUNDLE)


def posted(ledger: Ledger, fact: CountPosted) -> tuple[Ledger, tuple[RecordDraft, ...]]:
    """The item was counted: it is closed."""
    item = item_of(ledger, fact.item)
    persons(fact.by)
    counted = _rows(fact)
    tally = ledger.day.tally
    ledger = replace(
        ledger,
        collected=tuple(known for known in ledger.collected if known is not item),
        day=replace(ledger.day, tally=replace(tally, counts=(*tally.counts, item.id))),
    )
    return ledger, (_record(fact, item, counted),)


def _not_waiting(ledger: Ledger, item: str) -> tuple[str, str]:
    inside = any(known.id == item for unit in ledger.units for known in unit.items if known.id)
    if inside:
        return f"{item} is still in the kiosk.", "Collect it in an exchange before it is counted."
    return f"{item} is not waiting for a count.", "`kioskctl units` lists what is; a count is posted once."


def _sane(row: CountedRow) -> bool:
    currency = len(row.currency) == _CURRENCY_LETTERS and row.currency.isascii() and row.currency.isupper()
    return currency and 0 <= row.count <= COUNT_MAX and 0 < row.value_minor <= VALUE_MAX


def _rows(fact: CountPosted) -> Rows:
    faces = {(row.currency, row.value_minor, row.level) for row in fact.rows}
    if len(fact.rows) > ROWS_MAX or len(faces) < len(fact.rows) or not all(map(_sane, fact.rows)):
        raise UnitRefused("invalidUnit", "These are no counts of notes.", "Give each face once, with its number.")
    return merged(*((Row(row.currency, row.value_minor, row.level, Claim.CREDITED, row.count),) for row in fact.rows))


def _record(fact: CountPosted, item: Collected, counted: Rows) -> RecordDraft:
    found, booked = minor(counted), minor(item.rows)
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
            "difference_minor": {
                currency: found.get(currency, 0) - booked.get(currency, 0)
                for currency in sorted(found.keys() | booked.keys())
            },
            "disputes": [
                {
                    "deposit": note.deposit_id,
                    "n": note.n,
                    "value": note.value_minor,
                    "currency": note.currency,
                    "found": note.found,
                }
                for note in fact.settled
            ],
        },
    )


def clearings(fact: CountPosted, found: Resolution) -> tuple[tuple[ClearDispute, tuple[ClearedNote, ...]], ...]:
    """What clears the disputed notes that this count decides, by deposit and resolution.

    Whose the notes are that were found is for the persons to say (`found`); a suspect note is the bank's in any case.
    """
    groups: dict[tuple[bytes, Resolution], list[ClearedNote]] = {}
    for note in fact.settled:
        kept = found == "bank" or note.suspect
        resolution: Resolution = "not_found" if not note.found else "bank" if kept else found
        cleared = ClearedNote(note.n, note.value_minor, note.currency)
        groups.setdefault((note.deposit_id, resolution), []).append(cleared)
    evidence = f"count of {fact.item} by {' and '.join(fact.by)}"
    evidence += f", reference {fact.reference}" if fact.reference else ""
    return tuple(
        (ClearDispute(deposit_id, tuple(notes), resolution, evidence[:_EVIDENCE_MAX]), tuple(notes))
        for (deposit_id, resolution), notes in sorted(groups.items())
    )
