"""Guessing at many people's PINs from one place, which no lock-out of a single person stops. Pure.

Every failed try at an entrance is a debt, whoever's PIN it was, and nothing but time takes it away again: somebody who
has a PIN of their own cannot wipe it out between two guesses. Beyond `FREE_TRIES` each try closes the entrance for
longer, so that in the long run one guess in ten minutes is left, however many people are enrolled. What is closed is
signing in by PIN there: sessions that are open go on, and so does everything that takes nobody's word - deposits, an
orderly stop, the emergency stop.
"""

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from kiosk.core.people import LOCK_LONGEST_S, lock_s

Entrance = Literal["maintenance", "screen"]  # the socket of `kioskctl`, the touch screen
FREE_TRIES: Final = 10  # of all people together: some who mistype in the morning
FORGOTTEN_S: Final = 600  # one failed try is forgotten in this time
_DEBT_S_MAX: Final = 100 * FORGOTTEN_S  # beyond it nothing is added: the delay has long been the longest


class Tries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What failed at one entrance. `debt_s`: so many seconds after `at_s` all of it is forgotten."""

    entrance: Entrance
    at_s: int = 0  # UTC seconds of the newest failure
    debt_s: int = 0
    until_s: int = 0  # closed until then; 0: it is not

    @property
    def count(self) -> int:
        """Failed tries that were not forgotten at the newest of them."""
        return -(-self.debt_s // FORGOTTEN_S)

    @property
    def delay_s(self) -> int:
        """For how long that closes the entrance."""
        return lock_s(self.count, FREE_TRIES)

    def failed(self, at_s: int) -> "Tries":
        """One more failed try."""
        left_s = max(self.debt_s - max(at_s - self.at_s, 0), 0)
        after = replace(self, at_s=at_s, debt_s=min(left_s + FORGOTTEN_S, _DEBT_S_MAX))
        return replace(after, until_s=at_s + after.delay_s if after.delay_s else 0)

    def closed_s(self, at_s: int) -> int:
        """For how many more seconds nobody signs in here by PIN; 0: it is open."""
        return min(max(self.until_s - at_s, 0), self.delay_s)

    def set_back(self, at_s: int) -> "Tries":
        """The clock was set back to this: a delay lasts no longer than it would from now on."""
        return replace(
            self, at_s=min(self.at_s, at_s), until_s=min(self.until_s, at_s + min(self.delay_s, LOCK_LONGEST_S))
        )
