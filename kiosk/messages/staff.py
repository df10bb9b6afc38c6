"""Staff at the screen: shown by badge and PIN, then acting through what the screen offers. Never a PIN in a log.

The only requests of the terminal that somebody's rights stand behind. The session that PIN and badge open stays in the
controller: the terminal sees who it is and what may be done next, and names one of those.
"""

from typing import Annotated, Literal

import msgspec

from kiosk.messages.maintenance import Confidential, Secret
from kiosk.messages.shared import Message
from kiosk.messages.staff_view import StaffAct


class StaffSignIn(Confidential, frozen=True):
    """The PIN of whose badge was shown under this number. `Ok`, or `Refused`: `wrong_pin`, `locked_out`, ..."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    secret: Secret


class StaffDo(Message, frozen=True):
    """Whoever is signed in at the screen wants this. `Ok` or `Refused`."""

    act: StaffAct


class ReprintLabel(Message, frozen=True):
    """Whoever is signed in at the screen, and on duty, wants the label of this bundle again. `Ok` or `Refused`.

    `Ok`: it is being printed; `StaffView.label` says what becomes of it.
    """

    bundle: Annotated[str, msgspec.Meta(max_length=64)]


class StaffLeave(Message, frozen=True):
    """Nobody of the staff stands at the screen any more. `Ok`."""


class BadgeShown(Message, frozen=True):
    """A push: a badge was held up. `problem`, if any, says why it does not count; `number` is for `StaffSignIn`."""

    number: int = 0
    staff: str = ""
    second: bool = False  # a one-time code is asked for beside the PIN
    problem: Literal["", "unreadable", "foreign", "early", "expired", "used"] = ""
