"""The bank's cumulative acknowledgement: "I hold and have verified your records 0 .. sequence - 1; this is their root".

It is signed by the bank's acknowledgement key and is the only thing that takes a row out of the outbox. The root
makes the bank commit to *what* it holds: a bank that later denies a record contradicts its own signature.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kiosk.clock import rfc3339
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose, leaf, merkle
from kiosk.guarantee.keys import PublicKeys, Signer

ACK_BYTES_MAX: Final = 1024
_VERSION: Final = 1
_FIELDS: Final = {"v", "kiosk", "sequence", "tree_size", "root", "at"}


@dataclass(frozen=True)
class Acknowledgement:
    """`sequence` is how many records, contiguous from 0, the bank holds; `root` is theirs, so `tree_size` is the same.

    `at` is the bank's time (RFC 3339): the only trustworthy lower bound of now that a kiosk offline has.
    """

    kiosk: str
    sequence: int
    tree_size: int
    root: bytes
    at: str


def make(kiosk: str, sequence: int, root: bytes, now: datetime, signer: Signer) -> bytes:
    """The signed acknowledgement of `sequence` records whose Merkle root is `root`. Raises ValueError."""
    fields = Acknowledgement(kiosk, sequence, sequence, root, rfc3339(now))
    problem = _problem(fields)
    if problem:
        raise ValueError(problem)
    return cose.sign1(cbor.encode({"v": _VERSION, **vars(fields)}), signer, cose.ACKNOWLEDGEMENT_TYPE)


def verify(data: bytes, keys: PublicKeys, kiosk: str) -> Acknowledgement:
    """The acknowledgement in `data`, by one of the bank's pinned `keys`, for `kiosk`. Raises VerificationError.

    Whether the root is *ours* is for `log.RecordLog.acknowledge` to say.
    """
    if len(data) > ACK_BYTES_MAX:
        raise VerificationError(f"acknowledgement of {len(data)} bytes")
    fields = cbor.decode(cose.verify1(data, keys, cose.ACKNOWLEDGEMENT_TYPE).payload, ACK_BYTES_MAX)
    if not isinstance(fields, dict) or set(fields) != _FIELDS or fields.pop("v") != _VERSION:
        raise VerificationError("not an acknowledgement of version 1")
    match fields:
        case {"kiosk": str(), "sequence": int(), "tree_size": int(), "root": bytes(), "at": str()}:
            found = Acknowledgement(**fields)
        case _:
            raise VerificationError("acknowledgement with fields of wrong types")
    problem = _problem(found)
    if problem:
        raise VerificationError(f"acknowledgement: {problem}")
    if found.kiosk != kiosk:
        raise VerificationError(f"acknowledgement for {found.kiosk}, not for {kiosk}")
    return found


def _problem(fields: Acknowledgement) -> str:
    if not leaf.kiosk_id_fits(fields.kiosk):
        return f"{fields.kiosk!r} cannot name a kiosk"
    if isinstance(fields.sequence, bool) or not 0 <= fields.sequence <= leaf.SEQUENCE_MAX:
        return f"sequence {fields.sequence!r} is out of range"
    if isinstance(fields.tree_size, bool) or fields.tree_size != fields.sequence:
        return f"a tree of {fields.tree_size} over {fields.sequence} records"
    if len(fields.root) != merkle.HASH_BYTES or (fields.sequence == 0) != (fields.root == merkle.EMPTY_ROOT):
        return "the root cannot be one of a tree of this size"
    return ""
