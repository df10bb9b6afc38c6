"""The verifying half: what the bank, an auditor or a recovering kiosk checks before believing a record or a log.

Nothing here signs, seals or stores; every function either returns what was verified or raises VerificationError.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kiosk.errors import LogForkError, VerificationError
from kiosk.guarantee import cbor, cose, leaf, merkle, seal
from kiosk.guarantee.checkpoint import Checkpoint, origin
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.seal import KeyOf, Opened, SealPrivateKey

RECORD_VERSION: Final = 1
HEADER_FIELDS: Final = frozenset({"v", "kiosk", "seq", "kind", "at", "clock_synchronised"})
_AT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_MINUTE_CHARACTERS: Final = len("2026-11-21T08:30")


class VerifiedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that a pinned key of its kiosk has signed and that its leaf commits to.

    `content` is the whole CBOR map, header fields included, and `payload` its bytes as they were signed; `salt`,
    `leaf_entry` and `cose` are what must be kept to verify it again offline with `verify_record`.
    """

    kiosk: str
    sequence: int
    kind: str
    at: str
    content: dict[str, Any]
    payload: bytes
    kid: bytes
    leaf_hash: bytes
    salt: bytes
    leaf_entry: bytes
    cose: bytes


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A record whose parts agree with each other. Whether its kiosk has signed it is what `verify` finds out."""

    leaf: leaf.Leaf
    leaf_hash: bytes
    message: cose.Sign1
    content: dict[str, Any]
    salt: bytes
    leaf_entry: bytes
    cose: bytes

    def verify(self, keys: PublicKeys) -> VerifiedRecord:
        """The record, by a key that speaks for its place in the log. Raises VerificationError."""
        kid = cose.verify_parsed(self.message, keys.at(self.leaf.sequence), cose.RECORD_TYPE)
        return VerifiedRecord(
            kiosk=self.leaf.kiosk,
            sequence=self.leaf.sequence,
            kind=self.leaf.kind,
            at=self.content["at"],
            content=self.content,
            payload=self.message.payload,
            kid=kid,
            leaf_hash=self.leaf_hash,
            salt=self.salt,
            leaf_entry=self.leaf_entry,
            cose=self.cose,
        )


@dataclass(frozen=True)
class LogState:
    """A log that was recomputed from its first leaf."""

    size: int
    root: bytes


def verify_envelope(
    envelope: bytes, kiosk: str, private_key: SealPrivateKey | KeyOf, keys: PublicKeys
) -> VerifiedRecord:
    """Open an envelope of `kiosk` and verify all that is in it; `keys` are that kiosk's record keys.

    Raises VerificationError when it does not open (no proof of anything: anybody can seal) or is inconsistent.
    """
    return verify_opened(seal.open_envelope(envelope, private_key), kiosk, keys)


def verify_opened(opened: Opened, kiosk: str, keys: PublicKeys) -> VerifiedRecord:
    """Verify all that was in an envelope of `kiosk`, its header included. Raises VerificationError."""
    return read_opened(opened, kiosk).verify(keys)


def read_opened(opened: Opened, kiosk: str) -> Claim:
    """What an envelope of `kiosk` claims, its header included. Raises VerificationError."""
    if opened.header.kiosk != kiosk:
        raise VerificationError(f"envelope of {opened.header.kiosk}, not of {kiosk}")
    claim = read_record(kiosk, opened.salt, opened.leaf_entry, opened.cose)
    if (opened.header.sequence, opened.header.leaf_hash) != (claim.leaf.sequence, claim.leaf_hash):
        raise VerificationError(f"the envelope's header is not that of record {kiosk}/{claim.leaf.sequence} inside")
    return claim


def verify_record(kiosk: str, salt: bytes, leaf_entry: bytes, signed: bytes, keys: PublicKeys) -> VerifiedRecord:
    """Verify signature, commitment and header of one record of `kiosk`, by a key that speaks for its place in the log.

    Raises VerificationError.
    """
    return read_record(kiosk, salt, leaf_entry, signed).verify(keys)


def read_record(kiosk: str, salt: bytes, leaf_entry: bytes, signed: bytes) -> Claim:
    """Check that one record of `kiosk` is what its leaf commits to and says. Raises VerificationError."""
    found = leaf.parse(leaf_entry)
    message = cose.parse(signed)
    content = cbor.decode(message.payload, cose.PAYLOAD_BYTES_MAX)
    if len(salt) != leaf.SALT_BYTES or found.commitment != leaf.commitment(salt, signed):
        raise VerificationError(f"the leaf of {found.kiosk}/{found.sequence} does not commit to this record")
    _check_header(content, found)
    if found.kiosk != kiosk:
        raise VerificationError(f"record of {found.kiosk}, not of {kiosk}")
    return Claim(found, leaf.leaf_hash(leaf_entry), message, content, salt, leaf_entry, signed)


def verify_log(kiosk: str, entries: Iterable[bytes], checkpoints: Iterable[Checkpoint]) -> LogState:
    """Recompute `kiosk`'s log from all its leaf entries, first to last, and hold it against verified checkpoints.

    Raises VerificationError for a gap, a foreign or malformed entry or a checkpoint beyond the last entry, and
    LogForkError for a checkpoint whose root is another. O(n) time, O(checkpoints) memory.
    """
    expected = _by_size(kiosk, checkpoints)
    tree = merkle.CompactRange()
    _compare(expected.pop(0, None), tree)
    for entry in entries:
        found = leaf.parse(entry)
        if (found.kiosk, found.sequence) != (kiosk, tree.size):
            raise VerificationError(f"entry of {found.kiosk}/{found.sequence} where {kiosk}/{tree.size} belongs")
        tree.append(leaf.leaf_hash(entry))
        _compare(expected.pop(tree.size, None), tree)
    if expected:
        raise VerificationError(f"a checkpoint speaks of {max(expected)} leaves; here are {tree.size}")
    return LogState(tree.size, tree.root())


def _by_size(kiosk: str, checkpoints: Iterable[Checkpoint]) -> dict[int, bytes]:
    expected: dict[int, bytes] = {}
    for point in checkpoints:
        if point.origin != origin(kiosk):
            raise VerificationError(f"checkpoint of {point.origin}, not of {origin(kiosk)}")
        if expected.setdefault(point.size, point.root) != point.root:
            raise LogForkError(f"two checkpoints of size {point.size} with different roots")
    return expected


def _compare(root: bytes | None, tree: merkle.CompactRange) -> None:
    if root is not None and root != tree.root():
        raise LogForkError(f"the entries do not make the root that was signed at size {tree.size}")


def _check_header(content: object, found: leaf.Leaf) -> None:
    """A record says of itself what its leaf says of it."""
    match content:
        case {
            "v": int(version),
            "kiosk": kiosk,
            "seq": sequence,
            "kind": kind,
            "at": str(at),
            "clock_synchronised": bool(),
        }:
            same = (kiosk, sequence, kind) == (found.kiosk, found.sequence, found.kind)
            timed = _AT.fullmatch(at) is not None and at[:_MINUTE_CHARACTERS] + "Z" == found.minute
            exact = type(version) is int and type(sequence) is int  # in Python, True equals 1
            if version == RECORD_VERSION and exact and same and timed:
                return
    raise VerificationError(
        f"record {found.kiosk}/{found.sequence} is not what its leaf says, or not of version {RECORD_VERSION}"
    )
