"""What the terminal asks. Nothing here carries an account number except `Identify` and `LookUp`, on their way in."""

from typing import Annotated, Literal

import msgspec

from kiosk.messages.shared import Message

Language = Annotated[str, msgspec.Meta(pattern="^([a-z]{2,3}(-[A-Za-z0-9]{2,8})?)?$")]  # BCP 47; empty: not said


class Identify(Message, frozen=True):
    """Begin a deposit for an account number with its check digit. `Ok` or `Refused`.

    `language`: the screen's, so that it is the same after a power cut.
    """

    account: str
    language: Language = ""


class LookUp(Message, frozen=True):
    """Who holds this account? `LookedUp`, or `Refused`: `bad_account`, or `too_many_tries` within a minute."""

    account: str


class LookedUp(Message, frozen=True):
    """The answer to `LookUp`. Without a directory nothing is known of any account, and that is no reason to worry."""

    account_masked: str
    name_masked: str | None  # of the holder, as the bank masked it; None when the account is not known
    known: bool
    directory_version: int | None  # None: this kiosk has no account directory (yet)


class Depositor(Message, frozen=True):
    """A touch: `consent` (to each note being final), `done` (no more notes), `finish` (leave the result) and others."""

    action: Literal["consent", "done", "confirm", "cancel", "more_time", "finish", "reprint"]


class Resume(Message, frozen=True):
    """Come back to a suspended deposit with its code."""

    code: str


class SeekTicket(Message, frozen=True):
    """Let the camera look for a ticket or a badge for some seconds, or not any more; what was shown is forgotten.

    `Ok`, or `Refused`: `not_now` during a deposit, without a watcher or without the bank's keys. What comes of it is
    pushed as `TicketShown` or `BadgeShown`.
    """

    on: bool
    kind: Literal["ticket", "badge"] = "ticket"


class TicketShown(Message, frozen=True):
    """A push: a ticket was held up. `problem`, if any, says why it does not count; `number` is for `UseTicket`."""

    number: int = 0
    account_masked: str = ""
    name_masked: str = ""
    problem: Literal["", "unreadable", "foreign", "early", "expired", "used"] = ""


class UseTicket(Message, frozen=True):
    """Begin a deposit for the account of the ticket that was shown under this number. `Ok` or `Refused`."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    language: Language = ""
