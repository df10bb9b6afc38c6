"""What a deposit may be: denominations, limits and time-outs.

A snapshot travels in `Begin`, so that a deposit is replayed under the rules it was made under, whatever the
configuration says by then.
"""

import msgspec


class NoteKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One channel of the validator's dataset."""

    channel: int
    currency: str
    value_minor: int
    suspect: bool = False  # a dataset channel of its own for category-2 notes


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one currency, minor units. The day's room is what is left of it when the deposit begins."""

    currency: str
    deposit_minor_max: int
    day_room_minor: int


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the kiosk waits in each situation before it acts by itself, seconds."""

    idle_s: float = 60.0  # cash-in without a note or a touch
    review_s: float = 60.0  # also for the consent
    resume_s: float = 120.0
    returned_s: float = 60.0  # notes at the bezel
    jam_s: float = 900.0  # for a technician
    reset_s: float = 60.0  # one step of a reset, without news
    retry_s: float = 15.0  # between two looks at a board that waits for a technician
    result_s: float = 60.0
    stuck_s: float = 40.0  # a note under way, or the port closing, without news


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one deposit."""

    kinds: tuple[NoteKind, ...]
    limits: tuple[Limit, ...]
    notes_max: int  # min(escrow, tray, bundle); without bunch escrow as configured
    timing: Timing = Timing()
    suspect_custody: bool = True
    medium_stops: bool = False  # the bank wants a medium grade to do what high does
    bunch_escrow: bool = True  # False: each note is final, and credited, as soon as it is in the validator's cassette

    def kind(self, channel: int) -> NoteKind | None:
        """The kind of note on this channel, None when it is not in the table."""
        return next((kind for kind in self.kinds if kind.channel == channel), None)

    def room_minor(self, currency: str) -> int:
        """The most that one deposit may hold of this currency; 0 when it has no limit entry."""
        limit = next((limit for limit in self.limits if limit.currency == currency), None)
        return min(limit.deposit_minor_max, limit.day_room_minor) if limit else 0
