"""Every banknote and where it really is. The only code that moves a note."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from hwsim.errors import ConservationError


class Kind(StrEnum):
    """What a note really is."""

    GENUINE = "genuine"
    SUSPECT = "suspect"  # the validator's dataset recognises it as probably false
    UNREADABLE = "unreadable"
    LONG = "long"
    DOUBLE = "double"  # two notes overlaid; the face value is that of the upper one


class Place(StrEnum):
    """Where a note can be."""

    HAND = "hand"
    BEZEL = "bezel"  # offered back, waits to be taken
    THROAT = "throat"  # pushed in, not drawn in yet
    PATH = "path"  # inside the validator
    STORE = "store"  # the payout store, which is also the bunch escrow
    TRANSPORT = "transport"  # behind the stacker exit, on the board's belt
    CASSETTE = "cassette"  # of a validator without a store: its stacker is the end of the way
    TRAY = "tray"
    BUNDLE = "bundle"  # strapped, still in the tray
    SLOT = "slot"
    RETRACT = "retract"
    OUT = "out"  # taken at the port
    REMOVED = "removed"  # taken by a hand inside the cabinet


GONE = frozenset({Place.HAND, Place.OUT, Place.REMOVED})


@dataclass(slots=True)
class Note:
    """One note. `inserted` once it has passed the validator's safe point; it stays true for ever."""

    id: int
    currency: str
    value_minor: int
    kind: Kind
    place: Place
    slot: int | None = None
    inserted: bool = False
    history: list[tuple[float, Place]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the whole run; money in minor units. `returned` counts inserted notes only."""

    notes_fed: int
    notes_inserted: int
    notes_returned: int
    notes_retained: int
    notes_removed: int
    inserted_minor: dict[str, int]
    returned_minor: dict[str, int]
    retained_minor: dict[str, int]
    removed_minor: dict[str, int]
    by_place: dict[str, dict[str, int]]  # place -> {"notes": n, currency: minor}, inserted notes only


class NoteBook:
    """The list of notes, in order within each place (the last one in is the last of its list)."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._notes: dict[int, Note] = {}
        self._at: dict[Place, list[Note]] = {place: [] for place in Place}
        self._observers: list[Callable[[Note, Place], None]] = []

    def create(self, currency: str, value_minor: int, kind: Kind) -> Note:
        """A new note, in somebody's hand."""
        note = Note(len(self._notes) + 1, currency, value_minor, kind, Place.HAND)
        note.history.append((self._now_s(), Place.HAND))
        self._notes[note.id] = note
        self._at[Place.HAND].append(note)
        return note

    def move(self, note: Note, origin: Place, goal: Place, slot: int | None = None) -> None:
        """Move one note; `ConservationError` when it is not where the caller believes."""
        if note.place is not origin or note not in self._at[origin]:
            message = f"note {note.id} is at {note.place}, not at {origin}"
            raise ConservationError(message)
        if (goal is Place.SLOT) != (slot is not None):
            message = f"note {note.id}: a slot number belongs to a slot"
            raise ConservationError(message)
        self._at[origin].remove(note)
        self._at[goal].append(note)
        note.place = goal
        note.slot = slot
        note.history.append((self._now_s(), goal))
        for observer in tuple(self._observers):
            observer(note, origin)

    def observe(self, observer: Callable[[Note, Place], None]) -> None:
        """Hear of each move, after it: (note, where it came from)."""
        self._observers.append(observer)

    def mark_inserted(self, note: Note) -> None:
        """The note has passed the safe point."""
        if note.place is not Place.PATH:
            message = f"note {note.id} passes the safe point at {note.place}"
            raise ConservationError(message)
        note.inserted = True

    def get(self, note_id: int) -> Note:
        return self._notes[note_id]

    def all(self) -> tuple[Note, ...]:
        return tuple(self._notes.values())

    def at(self, place: Place) -> tuple[Note, ...]:
        return tuple(self._at[place])

    def count(self, *places: Place) -> int:
        return sum(len(self._at[place]) for place in places)

    def check(self) -> None:
        """Every note is in exactly one list, the one it names."""
        listed = [note.id for notes in self._at.values() for note in notes]
        if sorted(listed) != sorted(self._notes):
            message = f"{len(listed)} notes listed, {len(self._notes)} exist"
            raise ConservationError(message)
        for place, notes in self._at.items():
            for note in notes:
                if note.place is not place:
                    message = f"note {note.id} is listed at {place} and says {note.place}"
                    raise ConservationError(message)

    def totals(self) -> Totals:
        """Sums, after a check of conservation."""
        self.check()
        inserted = [note for note in self._notes.values() if note.inserted]
        returned = [note for note in inserted if note.place is Place.OUT]
        removed = [note for note in inserted if note.place is Place.REMOVED]
        retained = [note for note in inserted if note.kind is Kind.SUSPECT and note.place not in GONE]
        by_place: dict[str, dict[str, int]] = {}
        for note in inserted:
            row = by_place.setdefault(note.place.value, {"notes": 0})
            row["notes"] += 1
            row[note.currency] = row.get(note.currency, 0) + note.value_minor
        if sum(row["notes"] for row in by_place.values()) != len(inserted):
            message = "inserted notes and places differ"
            raise ConservationError(message)
        return Totals(
            notes_fed=len(self._notes),
            notes_inserted=len(inserted),
            notes_returned=len(returned),
            notes_retained=len(retained),
            notes_removed=len(removed),
            inserted_minor=_by_currency(inserted),
            returned_minor=_by_currency(returned),
            retained_minor=_by_currency(retained),
            removed_minor=_by_currency(removed),
            by_place=by_place,
        )


def _by_currency(notes: Iterable[Note]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for note in notes:
        sums[note.currency] = sums.get(note.currency, 0) + note.value_minor
    return sums
