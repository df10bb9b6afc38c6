"""The bank's terms as one signed statement to one kiosk (`kiosk.core.terms` says what is in it).

Versions only grow, and a version replaces the one before whole; they are retained at the broker. Signed by the bank's
command key.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from kiosk.clock import rfc3339
from kiosk.core import terms as core
from kiosk.core.terms import Terms
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose, leaf
from kiosk.guarantee.keys import PublicKeys, Signer

TERMS_BYTES_MAX: Final = cose.MESSAGE_BYTES_MAX
VERSION_MAX: Final = 2**53 - 1
_VERSION: Final = 1


@dataclass(frozen=True)
class SignedTerms:
    """A verified statement."""

    kiosk: str
    version: int
    issued_at: str
    terms: Terms


def make(kiosk: str, version: int, terms: Terms, now: datetime, signer: Signer) -> bytes:
    """The signed statement. Raises ValueError when it breaks a bound."""
    made = SignedTerms(kiosk, version, rfc3339(now), terms)
    problem = _problem(made)
    if problem:
        raise ValueError(problem)
    return cose.sign1(_payload(made), signer, cose.TERMS_TYPE)


def verify(data: bytes, keys: PublicKeys, kiosk: str) -> SignedTerms:
    """The statement in `data`, by one of the bank's pinned command `keys`, for `kiosk`. Raises VerificationError.

    Whether it is newer than the one at hand is for whoever stores it to say.
    """
    payload = cose.verify1(data, keys, cose.TERMS_TYPE).payload
    match cbor.decode(payload, cose.PAYLOAD_BYTES_MAX):
        case {"kiosk": str(to), "version": int(version), "issued_at": str(issued_at), "terms": dict(body)}:
            found = SignedTerms(to, version, issued_at, _terms(body))
        case _:
            raise VerificationError("not terms")
    if payload != _payload(found):  # another version of the format, a field too many, another order
        raise VerificationError("not terms of version 1 of the format")
    problem = _problem(found)
    if problem:
        raise VerificationError(f"terms: {problem}")
    if found.kiosk != kiosk:
        raise VerificationError(f"terms for {found.kiosk}, not for {kiosk}")
    return found


def _terms(body: dict[str, Any]) -> Terms:
    try:
        return msgspec.convert(body, Terms)
    except msgspec.ValidationError as error:
        raise VerificationError(f"not terms: {error}") from error


def _payload(made: SignedTerms) -> bytes:
    """Deterministic CBOR."""
    return cbor.encode(
        {
            "v": _VERSION,
            "kiosk": made.kiosk,
            "version": made.version,
            "issued_at": made.issued_at,
            "terms": msgspec.to_builtins(made.terms),
        }
    )


def _problem(made: SignedTerms) -> str:
    """The first bound that is broken, in words; empty when all hold."""
    try:
        msgspec.convert(msgspec.to_builtins(made.terms), Terms)
        msgspec.convert(made.issued_at, core.Moment)
    except msgspec.ValidationError as error:
        return str(error)
    if not leaf.kiosk_id_fits(made.kiosk):
        return f"{made.kiosk!r} cannot name a kiosk"
    if type(made.version) is not int or not 1 <= made.version <= VERSION_MAX:
        return f"version {made.version!r} is out of range"
    return core.problem(made.terms)
