"""Deposit tickets: a QR code by which a depositor's account is known without typing, verified offline.

The bank signs a ticket (COSE_Sign1, its command key, a content type of its own) for *one* kiosk: only there can it be
decided offline how often it has been used. Who finds or photographs one learns a masked name and nothing of the
account: that is AES-256-GCM under a key which only this kiosk and its bank can derive (HKDF-SHA256 of the directory
key), with the serial number as nonce and the rest of the ticket as associated data. Nobody gets money by a ticket: it
names an account to credit, the screen shows the masked name, and the depositor says yes.

The text in the QR code is `DKT1:` and Base45 of the message, as health certificates do it: every scanner gives such
text back unchanged, and its 385 characters are a symbol of 65 modules a side, which a camera of 320 x 240 resolves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kiosk.clock import rfc3339
from kiosk.core import accounts
from kiosk.errors import VerificationError
from kiosk.guarantee import base45, cbor, cose, leaf
from kiosk.guarantee.keys import PublicKeys, Signer

PREFIX: Final = "DKT1:"
TEXT_CHARACTERS_MAX: Final = 640
TICKET_BYTES_MAX: Final = 400
SERIAL_BYTES: Final = 12
USES_MAX: Final = 999
NAME_BYTES_MAX: Final = 64  # fewer than in the directory: it has to fit the QR code
LIFE_DAYS_MAX: Final = 400
_VERSION: Final = 1
_PAYLOAD_BYTES_MAX: Final = 240
_SEALED_BYTES: Final = 26  # 20 digits of half a byte, and the tag
_NO_DIGIT: Final = "f"  # fills up: how long a number is would tell whose bank it is
_TO_THE_MINUTE: Final = len("2026-11-21T08:30")
_INFO: Final = b"deposit-kiosk-ticket-v1"

Why = Literal["unreadable", "foreign", "early", "expired", "used"]


class TicketRefused(VerificationError):
    """A code that is shown is no ticket that counts here; `why` is for the screen."""

    remedy = "Type the account number, or ask the bank for another ticket."

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why: Why = why


@dataclass(frozen=True)
class Ticket:
    """What the bank says. `begins` and `ends` to the minute, UTC: good from the one until before the other."""

    kiosk: str
    serial: bytes  # 96 random bits
    uses: int  # how many deposits it is good for
    begins: str
    ends: str
    name: str  # the holder's, masked by the bank
    account: str  # digits


def make(ticket: Ticket, directory_key: bytes, signer: Signer) -> str:
    """The text for the QR code. Raises ValueError when it breaks a bound."""
    parts = _parts(ticket)
    problem = _problem(parts)
    if problem or accounts.normalise(ticket.account) != ticket.account:
        raise ValueError(problem or "not the digits of an account")
    sealed = _aead(directory_key).encrypt(ticket.serial, _digits(ticket.account), cbor.encode(list(parts)))
    payload = cbor.encode([*parts, sealed])
    return PREFIX + base45.encode(cose.sign1(payload, signer, cose.TICKET_TYPE, _PAYLOAD_BYTES_MAX))


def verify(text: str, keys: PublicKeys, kiosk: str, directory_key: bytes, now: str) -> Ticket:
    """The ticket in `text`, by one of the bank's command `keys`, for `kiosk`, good at `now` (RFC 3339).

    Raises `TicketRefused`. How often it has been used is for whoever keeps the book to say.
    """
    found, sealed = _read(text, lambda message: cose.verify1(message, keys, cose.TICKET_TYPE, TICKET_BYTES_MAX).payload)
    if found[1] != kiosk:
        raise TicketRefused("foreign", f"a ticket for {found[1]}, not for {kiosk}")
    ticket = Ticket(*found[1:], account=_opened(found, sealed, directory_key))
    if now[:_TO_THE_MINUTE] < ticket.begins[:_TO_THE_MINUTE]:
        raise TicketRefused("early", f"a ticket that counts from {ticket.begins} on")
    if now[:_TO_THE_MINUTE] >= ticket.ends[:_TO_THE_MINUTE]:
        raise TicketRefused("expired", f"a ticket that counted until {ticket.ends}")
    return ticket


def minute(moment: datetime) -> str:
    """A moment as tickets state it: `2026-11-21T08:30Z`."""
    return f"{rfc3339(moment)[:_TO_THE_MINUTE]}Z"


_Parts = tuple[int, str, bytes, int, str, str, str]


def _read(text: str, payload_of: Callable[[bytes], bytes]) -> tuple[_Parts, bytes]:
    if not text.startswith(PREFIX) or len(text) > TEXT_CHARACTERS_MAX:
        raise TicketRefused("unreadable", "this code is no deposit ticket")
    try:
        message = base45.decode(text[len(PREFIX) :])
        cose.parse(message, TICKET_BYTES_MAX)
    except VerificationError as error:
        raise TicketRefused("unreadable", f"a damaged ticket: {error.args[0]}") from error
    try:
        payload = payload_of(message)
    except VerificationError as error:  # an unknown or former key, another statement of the bank, or a forgery
        raise TicketRefused("foreign", f"not a ticket of this bank: {error.args[0]}") from error
    try:
        content = cbor.decode(payload, TICKET_BYTES_MAX)
    except VerificationError as error:
        raise TicketRefused("foreign", f"not a ticket: {error.args[0]}") from error
    match content:
        case [int(v), str(to), bytes(serial), int(uses), str(begins), str(ends), str(name), bytes(sealed)]:
            parts = (v, to, serial, uses, begins, ends, name)
        case _:
            raise TicketRefused("foreign", "not a ticket of version 1 of the format")
    problem = _problem(parts) or ("" if len(sealed) == _SEALED_BYTES else "an account of another size")
    if problem:
        raise TicketRefused("foreign", f"ticket: {problem}")
    return parts, sealed


def _opened(parts: _Parts, sealed: bytes, directory_key: bytes) -> str:
    try:
        digits = _aead(directory_key).decrypt(parts[2], sealed, cbor.encode(list(parts))).hex().rstrip(_NO_DIGIT)
    except InvalidTag as error:
        raise TicketRefused("foreign", "a ticket whose account is sealed to another kiosk") from error
    account = accounts.normalise(digits)
    if account is None:
        raise TicketRefused("foreign", "a ticket without an account number")
    return account


def _digits(account: str) -> bytes:
    return bytes.fromhex(account.ljust(2 * (_SEALED_BYTES - 16), _NO_DIGIT))


def _aead(directory_key: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(directory_key))


def _parts(ticket: Ticket) -> _Parts:
    return (_VERSION, ticket.kiosk, ticket.serial, ticket.uses, ticket.begins, ticket.ends, ticket.name)


def _problem(parts: _Parts) -> str:
    """The first bound that is broken, in words; empty when all hold."""
    version, kiosk, serial, uses, begins, ends, name = parts
    first, last = _moment(begins), _moment(ends)
    life_days = (last - first).total_seconds() / 86_400 if first and last else 0.0
    checks = (
        (type(version) is int and version == _VERSION, "another version of the format"),
        (leaf.kiosk_id_fits(kiosk), f"{kiosk!r} cannot name a kiosk"),
        (len(serial) == SERIAL_BYTES, f"a serial number of {len(serial)} bytes"),
        (type(uses) is int and 1 <= uses <= USES_MAX, f"{uses!r} uses"),
        (0 < life_days <= LIFE_DAYS_MAX, f"it ends before it begins, or counts for over {LIFE_DAYS_MAX} days"),
        (0 < len(name.encode()) <= NAME_BYTES_MAX, f"a name that is empty or over {NAME_BYTES_MAX} bytes"),
        (name.isprintable(), "a name that is not printable"),
    )
    return next((words for holds, words in checks if not holds), "")


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.strptime(text, "%Y-%m-%dT%H:%M%z")
    except ValueError:
        return None
    return found if minute(found) == text else None
