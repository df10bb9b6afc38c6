"""What is known about a card and a terminal before a transaction, kept in O(1) per transaction.

Everything is a decayed sum, so a state is a handful of numbers however long the history. Features of a transaction use
its own amount and time and what was known before it; the states take it in afterwards. Without feedback no label is
ever read. With feedback, and only then, a fraud is known FEEDBACK_DELAY_S after it happened, as the Fraud Detection
Handbook assumes of investigations (its terminal-risk features wait the same seven days).
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from somgan.arrays import Bools, Floats, Ints

DAY_S = 86_400.0
FEEDBACK_DELAY_S = 7 * DAY_S
CARD_MEMORY_S = 30 * DAY_S
RECENT_MEMORY_S = 5 * DAY_S
CONFIRMED_MEMORY_S = 2 * DAY_S
PRIOR_WEIGHT = 2.0
CONFIRMED_PRIOR_WEIGHT = 0.5
UNUSUAL = 2.0  # own deviations; what an amount has to be over to explain a confirmed fraud by the card
SURPRISE_MAX = 10.0

BEHAVIOUR = ("log_amount", "amount_for_card", "card_recent_surprise")
FEEDBACK = ("terminal_confirmed_share",)


@dataclass
class Decayed:
    """Exponentially decayed count and sums: `count`, `total`, `squares` of values, as of `time_s`."""

    memory_s: float
    time_s: float = 0.0
    count: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def at(self, time_s: float) -> "Decayed":
        """Let time pass."""
        fade = math.exp(-(time_s - self.time_s) / self.memory_s)
        self.count, self.total, self.squares = self.count * fade, self.total * fade, self.squares * fade
        self.time_s = time_s
        return self

    def add(self, time_s: float, value: float) -> None:
        """Take a value in."""
        self.at(time_s)
        self.count += 1.0
        self.total += value
        self.squares += value * value


@dataclass
class Card:
    """One card: its amounts, and by how much its recent ones surprised."""

    amounts: Decayed = field(default_factory=lambda: Decayed(CARD_MEMORY_S))
    surprise: Decayed = field(default_factory=lambda: Decayed(RECENT_MEMORY_S))


class Histories:
    """All cards and terminals; a bank's program would keep it under pseudonyms, one row per party."""

    def __init__(self) -> None:
        self._cards: dict[int, Card] = {}
        self._confirmed: dict[int, Decayed] = {}
        self._everyone = Decayed(CARD_MEMORY_S)
        self._waiting: deque[tuple[float, int, bool]] = deque()

    def features(self, time_s: float, card: int, terminal: int, amount: float) -> list[float]:
        """Features in the order of BEHAVIOUR + FEEDBACK, before `learn` of the same transaction."""
        self._confirm(time_s)
        payer = self._cards.setdefault(card, Card())
        surprise = payer.surprise.at(time_s)
        confirmed = self._confirmed.get(terminal)
        known = 0.0
        if confirmed is not None:
            confirmed.at(time_s)
            known = confirmed.total / (confirmed.count + CONFIRMED_PRIOR_WEIGHT)
        return [
            math.log1p(amount),
            self._surprise(payer, time_s, amount),
            surprise.total / (surprise.count + PRIOR_WEIGHT),
            known,
        ]

    def learn(self, time_s: float, card: int, terminal: int, amount: float, *, fraud: bool | None) -> None:
        """Take the transaction in; `fraud` is what an investigation will say in seven days, None where none will."""
        payer = self._cards.setdefault(card, Card())
        surprise = self._surprise(payer, time_s, amount)
        mean, deviation = self._usual(payer, time_s)
        # An amount far out of a card's way must not become its habit at once.
        payer.amounts.add(time_s, min(amount, mean + UNUSUAL * deviation))
        payer.surprise.add(time_s, max(0.0, min(surprise, SURPRISE_MAX) - 1.0))
        self._everyone.add(time_s, amount)
        if fraud is not None:
            # A fraud whose amount gave the card away says nothing against the terminal.
            self._waiting.append((time_s, terminal, fraud and surprise <= UNUSUAL))

    def _surprise(self, payer: Card, time_s: float, amount: float) -> float:
        """By how many of the card's own deviations an amount is above its mean."""
        mean, deviation = self._usual(payer, time_s)
        return (amount - mean) / deviation

    def _usual(self, payer: Card, time_s: float) -> tuple[float, float]:
        """Mean and deviation of a card's amounts, drawn towards everybody's while the card is young."""
        everyone, own = self._everyone.at(time_s), payer.amounts.at(time_s)
        overall = everyone.total / everyone.count if everyone.count > 1.0 else 1.0
        mean = (own.total + PRIOR_WEIGHT * overall) / (own.count + PRIOR_WEIGHT)
        spread2 = own.squares - 2.0 * mean * own.total + own.count * mean * mean
        # A card's amounts spread with their size: half the mean stands in until its own spread is known.
        variance = (max(spread2, 0.0) + 2.0 * PRIOR_WEIGHT * (0.5 * mean) ** 2) / (own.count + 2.0 * PRIOR_WEIGHT)
        return mean, math.sqrt(variance) + 1e-3 * overall + 1e-9

    def _confirm(self, time_s: float) -> None:
        """Let investigations that have ended by now be known, in the order of their transactions."""
        while self._waiting and self._waiting[0][0] + FEEDBACK_DELAY_S <= time_s:
            at, terminal, against = self._waiting.popleft()
            confirmed = self._confirmed.setdefault(terminal, Decayed(CONFIRMED_MEMORY_S))
            confirmed.add(at + FEEDBACK_DELAY_S, float(against))


def table(time_s: Floats, parties: tuple[Ints, Ints], amount: Floats, fraud: Bools | None) -> Floats:
    """Features [n, 3] of transactions in time order, or [n, 4] with feedback (`fraud` given)."""
    histories = Histories()
    names: Sequence[str] = BEHAVIOUR if fraud is None else BEHAVIOUR + FEEDBACK
    result = np.empty((amount.size, len(names)))
    columns = (time_s.tolist(), parties[0].tolist(), parties[1].tolist(), amount.tolist())
    labels: list[bool | None] = [None] * amount.size if fraud is None else [bool(label) for label in fraud]
    for index, (at, card, terminal, sum_, label) in enumerate(zip(*columns, labels, strict=True)):
        result[index] = histories.features(at, card, terminal, sum_)[: len(names)]
        histories.learn(at, card, terminal, sum_, fraud=label)
    return result
