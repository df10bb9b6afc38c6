"""Whether the deposits here are still like those that the grades rest on: a conformal test martingale. Pure.

Each deposit's greatest score is ranked among those of the calibration and of the deposits before it; while all of them
are exchangeable these p-values are independent and uniform (smoothed conformal p-values: Vovk, Nouretdinov, Gammerman,
"Testing exchangeability on-line", 2003). A gambler who bets against that, at fair odds, has a capital whose expectation
stays 1; by Ville's inequality it ever reaches `EVIDENCE` with a probability of at most 1 / EVIDENCE if nothing has
changed. So the test may be looked at after every deposit, for ever, without a correction.

The gambler is a *jumper* (Vovk and others, "Retrain or not retrain", 2021): capital is spread over a few bets, and a
hundredth of it moves between them at each deposit, so a change that comes late is not paid for with all that was lost
while nothing happened. The bets: nothing, small p-values (power martingales, epsilon p^(epsilon - 1)), and p-values
below or above a half. State is a few numbers, whatever the past.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec

EVIDENCE: Final = 100.0  # at most 1 run in 100 ever comes so far without a change
RUN_DEPOSITS_MAX: Final = 1000  # then a new run begins: the scores it is ranked among are bounded
JUMP: Final = 0.01
P_MIN: Final = 1e-6  # bounds one deposit's payoff; betting on less only costs the gambler
CAPITAL_MAX: Final = 1e12
TREND: Final = 1 / 30  # of the mean p-value that says which way it went
_BETS: Final[tuple[Callable[[float], float], ...]] = (
    lambda _: 1.0,
    lambda p: 0.5 * max(p, P_MIN) ** -0.5,
    lambda p: 0.25 * max(p, P_MIN) ** -0.75,
    lambda p: 1.5 - p,
    lambda p: 0.5 + p,
)


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run of the test. `alarmed`: it has come to `EVIDENCE` after so many deposits."""

    capital: Annotated[tuple[float, ...], msgspec.Meta(min_length=5, max_length=5)] = (0.2, 0.2, 0.2, 0.2, 0.2)
    deposits: int = 0
    mean_p: float = 0.5  # fading: which way the scores went
    greatest: float = 1.0  # the most that the capital ever was
    alarmed: int | None = None

    @property
    def evidence(self) -> float:
        """So many to one against nothing having changed."""
        return sum(self.capital)

    @property
    def over(self) -> bool:
        """It is time for a new run."""
        return self.deposits >= RUN_DEPOSITS_MAX

    def after(self, p: float) -> "Run":
        """The next deposit had this p-value, in (0, 1]."""
        total = sum(self.capital)
        moved = [(1 - JUMP) * each + JUMP * total / len(_BETS) for each in self.capital]
        capital = [each * bet(p) for each, bet in zip(moved, _BETS, strict=True)]
        scale = min(1.0, CAPITAL_MAX / max(sum(capital), 1e-300))
        evidence = sum(capital) * scale
        deposits = self.deposits + 1
        return Run(
            capital=tuple(each * scale for each in capital),
            deposits=deposits,
            mean_p=self.mean_p + TREND * (p - self.mean_p),
            greatest=max(self.greatest, evidence),
            alarmed=deposits if self.alarmed is None and evidence >= EVIDENCE else self.alarmed,
        )


def rank_p(score: float, before: Sequence[float], tau: float) -> float:
    """The smoothed conformal p-value of `score` among those `before` (ascending) and itself; small: it is strange.

    `tau`: uniform on [0, 1], drawn anew for each; with it p-values are exactly uniform also where scores are equal.
    """
    greater = len(before) - bisect_right(before, score)
    equal = bisect_right(before, score) - bisect_left(before, score) + 1
    return (greater + tau * equal) / (len(before) + 1)
