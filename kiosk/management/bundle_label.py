"""What a bundle's label says: id, sums and denomination counts, responsible staff, time, copy; no account data.

The machine labels a bundle from its deposit; a label that a person wants again is made from what the books say of the
bundle, which is the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from firmware_bridge.interfaces import Label
from kiosk.core.money import Claim
from kiosk.core.state import Deposit
from kiosk.core.storage import Item

LABEL_LINE_CHARACTERS: Final = 40
Counts = Mapping[tuple[str, int], int]  # (currency, minor units of the face) -> notes


def bundle_label(deposit: Deposit, copy: int, now: datetime) -> Label:
    """For the machine to apply."""
    counts: Counter[tuple[str, int]] = Counter()
    for note in deposit.notes:
        if note.claim is Claim.CREDITED and note.value_minor is not None:
            counts[note.currency, note.value_minor] += 1
    return _label(deposit.bundle.name, copy, counts, deposit.staff, f"{now:%Y-%m-%d %H:%M} UTC, copy {copy}")


def label_again(item: Item, now: datetime) -> Label:
    """The same for a person to stick on, with the number of its copy and that it is one."""
    counts: Counter[tuple[str, int]] = Counter()
    for row in item.rows:
        if row.claim is Claim.CREDITED and row.level != "unrecognized":
            counts[row.currency, row.value_minor] += row.count
    when = f"{now:%Y-%m-%d %H:%M} UTC, REPRINT, copy {item.copy}"
    return _label(item.id, item.copy, counts, item.staff, when)


def _label(name: str, copy: int, counts: Counts, staff: str, when: str) -> Label:
    total: Counter[str] = Counter()
    for (currency, minor), count in counts.items():
        total[currency] += minor * count
    sums = [f"{currency} {minor // 100}.{minor % 100:02d}" for currency, minor in sorted(total.items())]
    rows = [f"{currency} {minor / 100:g} x {count}" for (currency, minor), count in sorted(counts.items())]
    qr = ";".join((name, f"C{copy}", *(f"{c}{m}x{n}" for (c, m), n in sorted(counts.items())), staff))
    who = f"Staff {staff}"[:LABEL_LINE_CHARACTERS]
    lines = (*_packed(sums), *_packed(rows), who, when)
    return Label(bundle_id=name, copy=copy, lines=lines, qr=qr, barcode=f"{name}-{copy}")


def _packed(items: list[str]) -> Iterator[str]:
    """As many items on a line as fit."""
    line = ""
    for item in items:
        longer = f"{line}, {item}" if line else item
        if len(longer) > LABEL_LINE_CHARACTERS:
            yield line
            longer = item
        line = longer
    if line:
        yield line
