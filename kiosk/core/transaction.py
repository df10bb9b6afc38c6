"""A deposit as a transaction: amounts, rhythm, refusals and the past, as one row of features at any moment. Pure.

`Session` takes the deposit's facts as they happen and knows nothing of the future; `features` sets it beside the
habits of this depositor (under a pseudonym) and of the kiosk. Every update costs the same, however long the past.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from kiosk.core import facts as f
from kiosk.core.habits import Habit

NAMES: Final[tuple[str, ...]] = (
    "amount",  # log10(1 + major units so far)
    "notes",  # log2(1 + notes accepted)
    "mean_note",  # log10 of the mean face value, major units
    "denominations",  # how many faces are in it, as an effective number
    "refused",  # log2(1 + notes refused)
    "refused_share",  # of the notes fed in; drawn to 0 while there are few
    "interval",  # log2 of the usual seconds between notes
    "haste",  # notes fed in within the last five seconds, faded
    "dwell",  # log2(1 + seconds since the beginning)
    "corrections",  # log2(1 + cancellations, pauses and prolongations)
    "hour_rarity",  # log2 how much rarer this hour of the day is at this kiosk than an even day
    "own_day",  # log2(1 + this depositor's deposits within about a day), this one not counted
    "own_week",
    "own_day_amount",  # log10(1 + major units of this depositor within about a day), this deposit's counted
    "own_amount_gap",  # how many of their standard deviations this amount is from their usual one
    "kiosk_hour",  # log2(1 + deposits at this kiosk within about an hour)
    "similar",  # log2(1 + deposits of a like amount at this kiosk within about six hours)
    "stranger",  # 1: never seen before, towards 0 with every deposit
    "odd_amount",  # own_amount_gap times hour_rarity, where both are more than nothing: each alone is common
)
INTERVAL_KEPT: Final = 0.7  # of the usual interval at each further note
HASTE_S: Final = 5.0
SHARE_PRIOR: Final = 6.0  # as if so many notes had been accepted
FIRST_INTERVAL_S: Final = 1.5
INTERVAL_S: Final = (0.1, 60.0)
HOUR_PRIOR: Final = 24.0
KIOSK_PRIOR: Final = (6.2, 1.2, 20.0)  # log(1 + amount): mean, variance, as if so many deposits
OWN_PRIOR: Final = 2.0  # deposits' worth of the kiosk's habits in a depositor's
GAP_MAX: Final = 8.0


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One deposit so far. Times are monotonic seconds."""

    worth: tuple[tuple[int, int], ...]  # channel of the validator -> minor units
    began_s: float
    last_s: float | None = None  # when the last note was fed in
    interval_log2: float = math.log2(FIRST_INTERVAL_S)
    haste: float = 0.0
    minor: int = 0
    faces: tuple[tuple[int, int], ...] = ()  # minor units -> notes, sorted
    refused: int = 0
    corrections: int = 0

    @property
    def accepted(self) -> int:
        """Notes beyond reach."""
        return sum(count for _, count in self.faces)

    @property
    def amount(self) -> float:
        """Major units so far."""
        return self.minor / 100

    def heard(self, fact: f.Fact, now_s: float) -> "Session":
        """With one more fact; one that says nothing about behaviour changes nothing."""
        match fact:
            case f.NoteRead():
                return self._fed(now_s)
            case f.NoteCredited():
                return self._credited(dict(self.worth).get(fact.channel, 0))
            case f.NoteRefused():
                # A note that was not even read was fed in, too.
                fed = self if self.last_s is not None and now_s - self.last_s < INTERVAL_S[0] else self._fed(now_s)
                return replace(fed, refused=self.refused + 1)
            case f.Cancel() | f.MoreTime() | f.Resume():
                return replace(self, corrections=self.corrections + 1)
            case _:
                return self

    def _fed(self, now_s: float) -> "Session":
        if self.last_s is None:
            return replace(self, last_s=now_s, haste=1.0)
        passed_s = max(0.0, now_s - self.last_s)
        interval = math.log2(min(INTERVAL_S[1], max(INTERVAL_S[0], passed_s)))
        return replace(
            self,
            last_s=now_s,
            interval_log2=INTERVAL_KEPT * self.interval_log2 + (1 - INTERVAL_KEPT) * interval,
            haste=1.0 + self.haste * math.exp(-passed_s / HASTE_S),
        )

    def _credited(self, minor: int) -> "Session":
        counts = dict(self.faces)
        counts[minor] = counts.get(minor, 0) + 1
        return replace(self, minor=self.minor + minor, faces=tuple(sorted(counts.items())))


def begun(fact: f.Begin, now_s: float) -> Session:
    """A deposit that has just begun."""
    return Session(tuple((kind.channel, kind.value_minor) for kind in fact.policy.kinds if not kind.suspect), now_s)


def features(
    session: Session, own: Habit, kiosk: Habit, *, now_s: float, wall_s: float, hour: int
) -> tuple[float, ...]:
    """One row in the order of NAMES.

    own, kiosk: as they were before this deposit. now_s: monotonic; wall_s: of the wall clock; hour: of the day, 0..23.
    """
    own, kiosk = own.at(wall_s), kiosk.at(wall_s)
    accepted, amount = session.accepted, session.amount
    usual, spread = kiosk.usual_log(*KIOSK_PRIOR)
    mean, deviation = own.usual_log(usual, spread * spread, OWN_PRIOR)
    # Less than usual is no news: the deposit may only have begun.
    gap = min(GAP_MAX, max(0.0, (math.log1p(amount) - mean) / deviation))
    rarity = kiosk.hour_rarity(hour, HOUR_PRIOR)
    faded = 0.0 if session.last_s is None else session.haste * math.exp(-max(0.0, now_s - session.last_s) / HASTE_S)
    return (
        math.log10(1 + amount),
        math.log2(1 + accepted),
        math.log10(amount / accepted) if accepted and amount else 0.0,
        _effective(dict(session.faces)),
        math.log2(1 + session.refused),
        session.refused / (session.refused + accepted + SHARE_PRIOR),
        session.interval_log2,
        faded,
        math.log2(1 + max(0.0, now_s - session.began_s)),
        math.log2(1 + session.corrections),
        rarity,
        math.log2(1 + own.day),
        math.log2(1 + own.week),
        math.log10(1 + own.day_amount + amount),
        gap,
        math.log2(1 + kiosk.hour),
        math.log2(1 + kiosk.like(amount)) if amount else 0.0,
        1.0 / (1.0 + own.month),
        gap * max(0.0, rarity),
    )


def _effective(counts: Mapping[int, int]) -> float:
    """Exponential of the entropy of the faces' shares; 0 for none."""
    total = sum(counts.values())
    return math.exp(-sum(n / total * math.log(n / total) for n in counts.values())) if total else 0.0
