"""The bank's counts of collected bundles and containers, as one signed statement to one kiosk.

Two people of the bank count a bundle; the bank says so to the kiosk, which holds it against its journal. The statement
is retained at the broker and says every count whose record has not come back yet; versions only grow, and an item is
counted once: what the kiosk has taken over already is passed over.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from kiosk.clock import rfc3339
from kiosk.core.counting import ROWS_MAX
from kiosk.core.people import STAFF_ID
from kiosk.core.unit_facts import CountedRow
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose, leaf
from kiosk.guarantee.keys import PublicKeys, Signer

COUNTS_BYTES_MAX: Final = cose.MESSAGE_BYTES_MAX
COUNTS_MAX: Final = 100  # of one statement
VERSION_MAX: Final = 2**53 - 1
TEXT_CHARACTERS_MAX: Final = 64
PERSONS: Final = 2
_VERSION: Final = 1
_PERSON: Final = re.compile(STAFF_ID)


class BankCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One count. `found`: whose the disputed notes are that were found."""

    item: str
    rows: tuple[CountedRow, ...]
    by: tuple[str, ...]  # the bank's ids of the two people who counted
    found: Literal["credited", "bank"] = "bank"
    reference: str = ""


@dataclass(frozen=True)
class Counts:
    """A verified statement."""

    kiosk: str
    version: int
    issued_at: str
    entries: tuple[BankCount, ...]


def make(kiosk: str, version: int, entries: Iterable[BankCount], now: datetime, signer: Signer) -> bytes:
    """The signed statement. Raises ValueError when it breaks a bound."""
    counts = Counts(kiosk, version, rfc3339(now), tuple(entries))
    problem = _problem(counts)
    if problem:
        raise ValueError(problem)
    return cose.sign1(_payload(counts), signer, cose.COUNTS_TYPE)


def verify(data: bytes, keys: PublicKeys, kiosk: str) -> Counts:
    """The statement in `data`, by one of the bank's pinned command `keys`, for `kiosk`. Raises VerificationError."""
    payload = cose.verify1(data, keys, cose.COUNTS_TYPE).payload
    match cbor.decode(payload, cose.PAYLOAD_BYTES_MAX):
        case {"kiosk": str(to), "version": int(version), "issued_at": str(issued_at), "entries": list(rows)}:
            try:
                found = Counts(to, version, issued_at, msgspec.convert(rows, tuple[BankCount, ...]))
            except msgspec.ValidationError as error:
                raise VerificationError(f"not a statement of counts: {error}") from error
        case _:
            raise VerificationError("not a statement of counts")
    if payload != _payload(found):  # another version of the format, or a field too many
        raise VerificationError("not a statement of counts of version 1 of the format")
    problem = _problem(found)
    if problem:
        raise VerificationError(f"counts: {problem}")
    if found.kiosk != kiosk:
        raise VerificationError(f"counts for {found.kiosk}, not for {kiosk}")
    return found


def _payload(counts: Counts) -> bytes:
    """Deterministic CBOR."""
    return cbor.encode(
        {
            "v": _VERSION,
            "kiosk": counts.kiosk,
            "version": counts.version,
            "issued_at": counts.issued_at,
            "entries": [msgspec.to_builtins(entry) for entry in counts.entries],
        }
    )


def _problem(counts: Counts) -> str:
    """The first bound that is broken, in words; empty when all hold."""
    entries = counts.entries
    texts = [text for entry in entries for text in (entry.item, *entry.by)]
    checks = (
        (leaf.kiosk_id_fits(counts.kiosk), f"{counts.kiosk!r} cannot name a kiosk"),
        (
            type(counts.version) is int and 1 <= counts.version <= VERSION_MAX,
            f"version {counts.version!r} is out of range",
        ),
        (len(entries) <= COUNTS_MAX, f"{len(entries)} counts, at most {COUNTS_MAX}"),
        (len({entry.item for entry in entries}) == len(entries), "an item is counted twice"),
        (all(len(entry.rows) <= ROWS_MAX for entry in entries), f"a count has more than {ROWS_MAX} faces"),
        (
            all(len(set(entry.by)) == len(entry.by) == PERSONS for entry in entries),
            "a count is not by two different people",
        ),
        (all(_PERSON.fullmatch(person) for entry in entries for person in entry.by), "a person's id is none"),
        (
            all(0 < len(text) <= TEXT_CHARACTERS_MAX and text.isprintable() for text in texts),
            "an item or person is empty, too long or not printable",
        ),
        (all(len(entry.reference) <= TEXT_CHARACTERS_MAX for entry in entries), "a reference is too long"),
    )
    return next((words for holds, words in checks if not holds), "")
