"""The bank's signed complaint: its receiver's word that a kiosk's log has a gap, a fork, or was put back.

Signed by the acknowledgement key, since it says what an acknowledgement cannot: why the bank does not sign on. Kept at
the bank as evidence, sent to the kiosk, which puts it on record and alerts.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec

from kiosk.core.terms import Moment
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose, leaf, merkle
from kiosk.guarantee.keys import PublicKeys, Signer

Kind = Literal["gap", "fork", "rollback"]
COMPLAINT_BYTES_MAX: Final = 4096
REASON_CHARACTERS_MAX: Final = 500
NUMBER_MAX: Final = 2**53 - 1
_VERSION: Final = 1


@dataclass(frozen=True)
class Complaint:
    """`number` counts the complaints about this kiosk from 1. `sequence`: the record that is missing or contradicted.

    `size` and `root` are those of the contiguous prefix that the bank holds; `evidence` is the SHA-256 of the signed
    statement that contradicts it, empty for a gap.
    """

    kiosk: str
    number: int
    kind: Kind
    sequence: int
    size: int
    root: bytes
    reason: str
    evidence: bytes
    issued_at: str


def make(complaint: Complaint, signer: Signer) -> bytes:
    """The signed complaint. Raises ValueError when it breaks a bound."""
    problem = _problem(complaint)
    if problem:
        raise ValueError(problem)
    return cose.sign1(_payload(complaint), signer, cose.COMPLAINT_TYPE)


def about(data: bytes) -> str:
    """The kiosk that a complaint names, nothing verified. Raises VerificationError."""
    match cbor.decode(cose.parse(data, COMPLAINT_BYTES_MAX).payload, COMPLAINT_BYTES_MAX):
        case {"kiosk": str(kiosk)}:
            return kiosk
    raise VerificationError("not a complaint")


def verify(data: bytes, keys: PublicKeys, kiosk: str) -> Complaint:
    """The complaint in `data`, by one of the bank's pinned acknowledgement `keys`, about `kiosk`. VerificationError."""
    if len(data) > COMPLAINT_BYTES_MAX:
        raise VerificationError(f"complaint of {len(data)} bytes, at most {COMPLAINT_BYTES_MAX}")
    payload = cose.verify1(data, keys, cose.COMPLAINT_TYPE).payload
    match cbor.decode(payload, COMPLAINT_BYTES_MAX):
        case {
            "kiosk": str(to),
            "number": int(number),
            "kind": ("gap" | "fork" | "rollback") as kind,
            "sequence": int(sequence),
            "size": int(size),
            "root": bytes(root),
            "reason": str(reason),
            "evidence": bytes(evidence),
            "issued_at": str(issued_at),
        }:
            found = Complaint(to, number, kind, sequence, size, root, reason, evidence, issued_at)
        case _:
            raise VerificationError("not a complaint")
    if payload != _payload(found):
        raise VerificationError("not a complaint of version 1 of the format")
    problem = _problem(found)
    if problem:
        raise VerificationError(f"complaint: {problem}")
    if found.kiosk != kiosk:
        raise VerificationError(f"complaint about {found.kiosk}, not about {kiosk}")
    return found


def _payload(complaint: Complaint) -> bytes:
    return cbor.encode({"v": _VERSION, **vars(complaint)})


def _problem(found: Complaint) -> str:
    """The first bound that is broken, in words; empty when all hold."""
    numbers = ((found.number, 1), (found.sequence, 0), (found.size, 0))
    try:
        msgspec.convert(found.issued_at, Moment)
    except msgspec.ValidationError as error:
        return str(error)
    checks = (
        (leaf.kiosk_id_fits(found.kiosk), f"{found.kiosk!r} cannot name a kiosk"),
        (found.kind in get_args(Kind), f"{found.kind!r} is no kind of complaint"),
        (all(type(n) is int and least <= n <= NUMBER_MAX for n, least in numbers), "a number is out of range"),
        (
            len(found.root) == merkle.HASH_BYTES and (found.size == 0) == (found.root == merkle.EMPTY_ROOT),
            "the root cannot be one of a tree of this size",
        ),
        (0 < len(found.reason) <= REASON_CHARACTERS_MAX and found.reason.isprintable(), "the reason is none"),
        (len(found.evidence) in (0, merkle.HASH_BYTES), "the evidence is named by no hash"),
    )
    return next((words for holds, words in checks if not holds), "")
