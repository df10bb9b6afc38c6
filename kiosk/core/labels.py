"""A bundle's label, printed again for the person who holds the bundle in a hand-over. Pure.

The copy's number is used up (`ordered`) before anything is printed, so that it is never on two labels; what became of
it is `reported`: once one is printed, all before it are void, and one in doubt is void itself. Neither touches a note
or a claim, and the bundle keeps its id: `unlabelled` stays true of what the machine did, `relabelled` says that a
person was given a label.
"""

from typing import Final

from msgspec.structs import replace

from kiosk.core.exchange import find
from kiosk.core.state import RecordDraft
from kiosk.core.storage import Item, Ledger
from kiosk.core.unit_facts import LabelOrdered, LabelReported
from kiosk.core.unit_records import label_ordered, label_reported
from kiosk.core.unit_refusals import UnitRefused, within

COPIES_MAX: Final = 20  # of one bundle: whoever needs more should call a technician
RELABELLED: Final = "relabelled"
_CABINET: Final = "cabinet"
Change = tuple[Ledger, tuple[RecordDraft, ...]]


def ordered(ledger: Ledger, fact: LabelOrdered) -> Change:
    """Use up the next copy. Outside an exchange of the cabinet nobody holds a bundle, and deposits need the printer."""
    exchange = within(ledger, _CABINET)
    item = find(ledger, fact.bundle)
    if item is None or fact.bundle in exchange.missing:
        raise UnitRefused("invalidUnit", f"{fact.bundle} is not in this exchange.", "Look at `kioskctl units`.")
    if printing(ledger) is not None:
        raise UnitRefused("labelActive", "A label is being printed.", "Wait until it is out.")
    if item.copy >= COPIES_MAX:
        raise UnitRefused("labelsUsedUp", f"{fact.bundle} has had {COPIES_MAX} labels.", "Call the technician.")
    copy = item.copy + 1
    changed = replace(item, copy=copy, printing=True)
    return _with(ledger, changed), (label_ordered(fact.bundle, copy, fact.by),)


def reported(ledger: Ledger, fact: LabelReported) -> Change:
    """What became of it; also when its bundle has been handed over meanwhile."""
    record = label_reported(fact.bundle, fact.copy, fact.detail, printed=fact.printed)
    item = find(ledger, fact.bundle)
    if item is None or item.copy != fact.copy:
        return ledger, (record,)
    flags = (*item.flags, RELABELLED) if fact.printed and RELABELLED not in item.flags else item.flags
    return _with(ledger, replace(item, printing=False, flags=flags)), (record,)


def printing(ledger: Ledger) -> Item | None:
    """The bundle whose label was ordered, and of which nothing is known yet."""
    cabinet = ledger.unit(_CABINET)
    return None if cabinet is None else next((item for item in cabinet.items if item.printing), None)


def _with(ledger: Ledger, changed: Item) -> Ledger:
    """The ledger with this bundle changed."""

    def item(known: Item) -> Item:
        return changed if known.id == changed.id else known

    units = (
        replace(unit, items=tuple(map(item, unit.items))) if unit.name == _CABINET else unit for unit in ledger.units
    )
    return replace(ledger, units=tuple(units))
