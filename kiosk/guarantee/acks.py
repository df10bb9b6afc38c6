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

ACK_BYTES_MAX: Final = 4096
CHECKPOINT_BYTES_MAX: Final = 3072  # a signed checkpoint with some twenty Ed25519 cosignatures
_VERSION: Final = 1


@dataclass(frozen=True)
class Acknowledgement:
    """`sequence` is how many records, contiguous from 0, the bank holds; `root` is theirs, so `tree_size` is the same.

    `at` is the bank's time (RFC 3339): the only trustworthy lower bound of now that a kiosk offline has. `checkpoint`
    is the newest of the kiosk's own checkpoints that witnesses have cosigned, as far as the bank has one, else empty;
    it is verified by whoever uses it.
    """

    kiosk: str
    sequence: int
    tree_size: int
    root: bytes
    at: str
    checkpoint: str = ""


def make(kiosk: str, sequence: int, root: bytes, now: datetime, signer: Signer, checkpoint: str = "") -> bytes:
    """The signed acknowledgement of `sequence` records whose Merkle root is `root`. Raises ValueError."""
    fields = Acknowledgement(kiosk, sequence, sequence, root, rfc3339(now), checkpoint)
    problem = _problem(fields)
    if problem:
        raise ValueError(problem)
    return cose.sign1(_payload(fields), signer, cose.ACKNOWLEDGEMENT_TYPE)


def verify(data: bytes, keys: PublicKeys, kiosk: str) -> Acknowledgement:
    """The acknowledgement in `data`, by one of the bank's pinned `keys`, for `kiosk`. Raises VerificationError.

    Whether the root is *ours* is for `log.RecordLog.acknowledge` to say.
    """
    if len(data) > ACK_BYTES_MAX:
        raise VerificationError(f"acknowledgement of {len(data)} bytes")
    payload = cose.verify1(data, keys, cose.ACKNOWLEDGEMENT_TYPE).payload
    match cbor.decode(payload, ACK_BYTES_MAX):
        case {
            "kiosk": str(to),
            "sequence": int(sequence),
            "tree_size": int(tree_size),
            "root": bytes(root),
            "at": str(at),
            "checkpoint": str(checkpoint),
        }:
            found = Acknowledgement(
                to, int(sequence), int(tree_size), root, at, checkpoint
            )  # int: True must not stay True
        case _:
            raise VerificationError("not an acknowledgement")
    if payload != _payload(found):  # another version, a field too many, or True where 1 belongs
        raise VerificationError("not an acknowledgement of version 1")
    problem = _problem(found)
    if problem:
        raise VerificationError(f"acknowledgement: {problem}")
    if found.kiosk != kiosk:
        raise VerificationError(f"acknowledgement for {found.kiosk}, not for {kiosk}")
    return found


def _payload(fields: Acknowledgement) -> bytes:
    return cbor.encode({"v": _VERSION, **vars(fields)})


def _problem(fields: Acknowledgement) -> str:
    if not leaf.kiosk_id_fits(fields.kiosk):
        return f"{fields.kiosk!r} cannot name a kiosk"
    if not 0 <= fields.sequence <= leaf.SEQUENCE_MAX:
        return f"sequence {fields.sequence!r} is out of range"
    if fields.tree_size != fields.sequence:
        return f"a tree of {fields.tree_size} over {fields.sequence} records"
    if len(fields.checkpoint.encode()) > CHECKPOINT_BYTES_MAX:
        return "the cosigned checkpoint is too long"
    if len(fields.root) != merkle.HASH_BYTES or (fields.sequence == 0) != (fields.root == merkle.EMPTY_ROOT):
        return "the root cannot be one of a tree of this size"
    return ""
