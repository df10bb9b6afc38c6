"""Notes, and the rule of money: every inserted note has one place and one claim.

Amounts are integers in minor units with their ISO 4217 code; currencies are never added to each other.
A note of unknown value is counted, not valued.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec


class Place(StrEnum):
    """Where an inserted note is."""

    VALIDATOR = "validator"
    ESCROW = "escrow"
    TRANSPORT = "transport"
    TRAY = "tray"
    BUNDLE = "bundle"
    CABINET = "cabinet"
    CASH_IN = "cash_in"  # the validator's own cassette: a storage unit of XFS4IoT's type cashIn
    RETRACT = "retract"
    OUT = "out"
    UNKNOWN = "unknown"


class Claim(StrEnum):
    """Whose an inserted note is. `OPEN` exists only while a deposit is under way."""

    OPEN = "open"
    CREDITED = "credited"
    RETURNED = "returned"
    RETAINED = "retained"  # a suspect note: face value, unverified, never credited
    DISPUTED = "disputed"


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One note beyond the depositor's reach. `value_minor` None: its value is unknown."""

    number: int  # 1-based within its deposit
    channel: int  # the validator's channel, 0 unknown
    value_minor: int | None
    currency: str
    suspect: bool
    place: Place
    claim: Claim
    reason: str = ""  # why it is disputed, or where evidence was missing


def sums(notes: Iterable[Note], claim: Claim) -> dict[str, int]:
    """Minor units per currency of the valued notes with this claim."""
    total: Counter[str] = Counter()
    for note in notes:
        if note.claim is claim and note.value_minor is not None:
            total[note.currency] += note.value_minor
    return dict(total)


def unvalued(notes: Iterable[Note], claim: Claim) -> int:
    """How many notes of unknown value have this claim."""
    return sum(1 for note in notes if note.claim is claim and note.value_minor is None)


def moved(notes: tuple[Note, ...], where: Callable[[Note], bool], place: Place) -> tuple[Note, ...]:
    """The notes with every one that `where` picks put at `place`."""
    return tuple(msgspec.structs.replace(note, place=place) if where(note) else note for note in notes)


def claimed(notes: tuple[Note, ...], where: Callable[[Note], bool], claim: Claim, reason: str = "") -> tuple[Note, ...]:
    """The notes with the claim of every one that `where` picks changed; a reason is kept beside an older one."""

    def change(note: Note) -> Note:
        if not where(note):
            return note
        reasons = "; ".join(filter(None, (note.reason, reason)))
        return msgspec.structs.replace(note, claim=claim, reason=reasons)

    return tuple(change(note) for note in notes)


def open_notes(notes: Iterable[Note]) -> tuple[Note, ...]:
    """The notes whose claim is still open."""
    return tuple(note for note in notes if note.claim is Claim.OPEN)


def at(notes: Iterable[Note], *places: Place) -> tuple[Note, ...]:
    """The notes at any of these places."""
    return tuple(note for note in notes if note.place in places)
