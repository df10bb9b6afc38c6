"""Disputed notes after their deposit: each is cleared by a new record, once; nothing that was recorded is rewritten."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kiosk.core.actions import ClearDispute, ClearedNote, content
from kiosk.core.money import Claim
from kiosk.core.state import RecordDraft


class Dispute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One disputed note of a finished deposit. `value_minor` None: of unknown value, `currency` is then empty."""

    deposit_id: bytes
    n: int
    value_minor: int | None
    currency: str
    suspect: bool
    place: str  # where the deposit's record says it is
    reason: str


class CannotClear(ValueError):
    """This clearing contradicts the books."""


def of_record(body: Mapping[str, Any]) -> tuple[Dispute, ...]:
    """The disputed notes of a deposit's record."""
    return tuple(
        Dispute(
            body["deposit_id"],
            note["n"],
            note["value"],
            note["currency"],
            note["suspect"],
            note["place"],
            note["reason"],
        )
        for note in body["notes"]
        if note["claim"] == str(Claim.DISPUTED)
    )


def settled(action: ClearDispute, disputes: Iterable[Dispute]) -> tuple[ClearedNote, ...]:
    """The notes with the values that count, if the action fits the open `disputes`. Raises `CannotClear`."""
    if len({note.n for note in action.notes}) != len(action.notes):
        raise CannotClear("a note is named twice")
    known = {dispute.n: dispute for dispute in disputes if dispute.deposit_id == action.deposit_id}
    return tuple(_settled(note, known.get(note.n), action.resolution) for note in action.notes)


def _settled(note: ClearedNote, dispute: Dispute | None, resolution: str) -> ClearedNote:
    if dispute is None:
        raise CannotClear(f"note {note.n} of this deposit is not disputed, or not any more")
    if (note.value_minor is None) != (not note.currency):
        raise CannotClear(f"note {note.n}: a value and its currency go together")
    if dispute.suspect and resolution in ("credited", "returned"):
        raise CannotClear(f"note {note.n} is suspect: it is never credited nor returned")
    if dispute.value_minor is not None:
        if note.value_minor is not None and (note.value_minor, note.currency) != (
            dispute.value_minor,
            dispute.currency,
        ):
            raise CannotClear(f"note {note.n} is {dispute.value_minor} {dispute.currency} in its record")
        return ClearedNote(note.n, dispute.value_minor, dispute.currency)
    if note.value_minor is None and resolution in ("credited", "returned"):
        raise CannotClear(f"note {note.n} is of unknown value: say what it is worth, or who has it")
    return note


def sums_of(notes: Iterable[ClearedNote]) -> dict[str, int]:
    """Minor units per currency of the notes whose value is known."""
    sums: Counter[str] = Counter()
    for note in notes:
        if note.value_minor is not None:
            sums[note.currency] += note.value_minor
    return dict(sums)


def clearing_record(
    action: ClearDispute, notes: tuple[ClearedNote, ...], number: int, signers: tuple[str, ...]
) -> RecordDraft:
    """The clearing on record: whose the notes are now, what showed it, and who said so."""
    return RecordDraft(
        "clearing",
        {
            "deposit_id": action.deposit_id,
            "notes": [{"n": note.n, "value": note.value_minor, "currency": note.currency} for note in notes],
            "resolution": action.resolution,
            "evidence": action.evidence,
            "sums": sums_of(notes),
            "unvalued": sum(1 for note in notes if note.value_minor is None),
            "number": number,
            "content": content(action),
            "by": list(signers),
        },
    )
