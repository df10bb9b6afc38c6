"""Badges: a QR code that says which member of staff stands before the screen; the PIN says that it is so.

Signed by the bank's command key for one kiosk, like deposit tickets (`kiosk.guarantee.ticket`) and in the same kind of
text, with a prefix and a content type of its own. A badge allows nothing: whoever finds one has to guess the PIN, and
is locked out by `kiosk.core.authority`. Whom it names must be enrolled here; a revoked person's badges are worthless.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from kiosk.core.people import StaffId
from kiosk.errors import VerificationError
from kiosk.guarantee import base45, cbor, cose, leaf
from kiosk.guarantee.keys import PublicKeys, Signer
from kiosk.guarantee.ticket import TicketRefused, minute

PREFIX: Final = "DKB1:"
TEXT_CHARACTERS_MAX: Final = 640
BADGE_BYTES_MAX: Final = 360
_VERSION: Final = 1


@dataclass(frozen=True)
class Badge:
    """Who it names, at which kiosk, until when (to the minute, UTC)."""

    kiosk: str
    staff: str
    ends: str


def make(badge: Badge, signer: Signer) -> str:
    """The text for the QR code. Raises ValueError when it breaks a bound."""
    problem = _problem(badge)
    if problem:
        raise ValueError(problem)
    payload = cbor.encode([_VERSION, badge.kiosk, badge.staff, badge.ends])
    return PREFIX + base45.encode(cose.sign1(payload, signer, cose.BADGE_TYPE))


def verify(text: str, keys: PublicKeys, kiosk: str, now: str) -> Badge:
    """The badge in `text`, by one of the bank's command `keys`, for `kiosk`, good at `now`. Raises `TicketRefused`."""
    if not text.startswith(PREFIX) or len(text) > TEXT_CHARACTERS_MAX:
        raise TicketRefused("unreadable", "this code is no badge")
    try:
        message = base45.decode(text[len(PREFIX) :])
        cose.parse(message, BADGE_BYTES_MAX)
    except VerificationError as error:
        raise TicketRefused("unreadable", f"a damaged badge: {error.args[0]}") from error
    try:
        content = cbor.decode(cose.verify1(message, keys, cose.BADGE_TYPE, BADGE_BYTES_MAX).payload, BADGE_BYTES_MAX)
    except VerificationError as error:
        raise TicketRefused("foreign", f"not a badge of this bank: {error.args[0]}") from error
    match content:
        case [int(version), str(to), str(staff), str(ends)] if type(version) is int and version == _VERSION:
            found = Badge(to, staff, ends)
        case _:
            raise TicketRefused("foreign", "not a badge of version 1 of the format")
    problem = _problem(found) or ("" if found.kiosk == kiosk else f"a badge for {found.kiosk}, not for {kiosk}")
    if problem:
        raise TicketRefused("foreign", problem)
    if now[: len("2026-11-21T08:30")] >= found.ends[:-1]:
        raise TicketRefused("expired", f"a badge that counted until {found.ends}")
    return found


def _problem(badge: Badge) -> str:
    """The first bound that is broken, in words; empty when all hold."""
    try:
        msgspec.convert(badge.staff, StaffId)
        ends = datetime.strptime(badge.ends, "%Y-%m-%dT%H:%M%z")
    except (msgspec.ValidationError, ValueError):
        return "a badge whose staff id or end is none"
    if minute(ends) != badge.ends or not leaf.kiosk_id_fits(badge.kiosk):
        return "a badge whose end or kiosk is none"
    return ""
