"""Where in a text protected data stands, by check digits, patterns and labels."""

from collections.abc import Iterable, Iterator

from kiosk.protection import numbers, patterns
from kiosk.protection.folding import fold
from kiosk.protection.kinds import Found


def find(text: str) -> list[Found]:
    """What of `text` is protected, in order, without overlaps."""
    return without_overlaps(every(fold(text)))


def without_overlaps(spans: Iterable[Found]) -> list[Found]:
    """In order; of those that overlap the first and longest, joined to the end of the others."""
    kept: list[Found] = []
    for found in sorted(spans, key=lambda found: (found.start, -found.end)):
        if kept and found.start < kept[-1].end:
            last = kept[-1]
            kept[-1] = Found(last.start, max(last.end, found.end), last.kind)
        else:
            kept.append(found)
    return kept


def every(folded: str) -> Iterator[Found]:
    """Each span of a folded text, in no order, also those that overlap."""
    yield from patterns.find(folded)
    yield from numbers.find(folded)
    yield from numbers.find_phones(folded)
    yield from numbers.find_lettered(folded)
