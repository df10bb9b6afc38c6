"""What differential privacy promises; accounting it takes more than this (privacy.py)."""

from dataclasses import dataclass

from somgan.errors import DataError

DELTA = 1e-5
EPSILON_MIN, EPSILON_MAX = 0.05, 50.0
DELTA_MAX = 1e-2


@dataclass(frozen=True)
class Promise:
    """Epsilon and delta for one deposit.

    Raises:
        DataError: epsilon or delta promises nothing, or cannot be accounted.

    """

    epsilon: float
    delta: float = DELTA

    def __post_init__(self) -> None:
        if not EPSILON_MIN <= self.epsilon <= EPSILON_MAX or not 0.0 < self.delta < DELTA_MAX:
            msg = f"epsilon {self.epsilon:g} at delta {self.delta:g} cannot be promised"
            remedy = f"Take epsilon from {EPSILON_MIN} to {EPSILON_MAX:g}, delta below one in the number of deposits."
            raise DataError(msg, remedy=remedy)
