"""C2SP tlog-cosignature: witnesses who vouch that a log's checkpoint continues every one that they saw before.

Two types are made and verified: Ed25519 (0x04, what fits a receipt's QR code) and ML-DSA-44 (0x06, FIPS 204, what a
quantum computer does not forge; `cryptography` has it since version 50). Lines of keys that nobody configured are
ignored, as the specification asks; a configured witness whose signature is bad refuses the whole note.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, files, note
from kiosk.guarantee.checkpoint import Checkpoint

Type = Literal[0x04, 0x06]
ED25519: Final[Type] = 0x04
ML_DSA_44: Final[Type] = 0x06
TIMESTAMP_BYTES: Final = 8
TIMESTAMP_MAX: Final = 2**63 - 1
NAME_BYTES_MAX: Final = 255  # opaque<1..2^8-1>
_SIGNATURE_BYTES: Final = {ED25519: 64, ML_DSA_44: 2420}
_LABEL: Final = b"subtree/v1\n\0"


@dataclass(frozen=True)
class Witness:
    """A cosigner whose word counts: its name and one public key (raw: 32 bytes Ed25519, 1,312 bytes ML-DSA-44)."""

    name: str
    type: Type
    raw: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || type || public key)[:4]."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.raw).digest()[:4]

    @property
    def vkey(self) -> str:
        """`<name>+<key id, hex>+<base64(type || public key)>`."""
        return f"{self.name}+{self.key_id.hex()}+{note.encode_base64(bytes([self.type]) + self.raw)}"

    def verify(self, signature: bytes, point: Checkpoint) -> int:
        """POSIX seconds at which it cosigned `point`. Raises VerificationError when it did not."""
        if len(signature) != TIMESTAMP_BYTES + _SIGNATURE_BYTES[self.type]:
            raise VerificationError(f"a cosignature of {self.name} has another length than its type")
        seconds = int.from_bytes(signature[:TIMESTAMP_BYTES])
        if seconds > TIMESTAMP_MAX:
            raise VerificationError(f"a cosignature of {self.name} from a time that cannot be")
        message = signed_message(self.type, self.name, seconds, point)
        try:
            self._key().verify(signature[TIMESTAMP_BYTES:], message)
        except InvalidSignature as error:
            raise VerificationError(f"bad cosignature of {self.name}") from error
        return seconds

    def _key(self) -> Ed25519PublicKey | MLDSA44PublicKey:
        kind = Ed25519PublicKey if self.type == ED25519 else MLDSA44PublicKey
        return kind.from_public_bytes(self.raw)


@dataclass(frozen=True)
class Cosigned:
    """One verified cosignature."""

    witness: Witness
    at_posix_s: int  # 0: an ML-DSA cosigner that says nothing about the time


class Cosigner:
    """A witness's own end: signs checkpoints. The caller has proved consistency and made its state durable before."""

    def __init__(self, name: str, key: Ed25519PrivateKey | MLDSA44PrivateKey) -> None:
        """Raise ValueError for a name that cannot name a key."""
        if not note.name_fits(name) or len(name.encode()) > NAME_BYTES_MAX:
            raise ValueError(f"{name!r} cannot name a witness")
        self._key = key
        kind = ED25519 if isinstance(key, Ed25519PrivateKey) else ML_DSA_44
        self.witness: Final = Witness(name, kind, key.public_key().public_bytes_raw())

    @classmethod
    def load(cls, name: str, path: Path, kind: Type) -> "Cosigner":
        """From a 0600 seed file of the type that `kind` needs. Raises ConfigError, ValueError."""
        if kind == ED25519:
            return cls(name, Ed25519PrivateKey.from_private_bytes(files.load_key(path, "ed25519-seed")))
        return cls(name, MLDSA44PrivateKey.from_seed_bytes(files.load_key(path, "ml-dsa-44-seed")))

    def line(self, point: Checkpoint, at_posix_s: int) -> str:
        """The signature line, newline included, to be put below the signed checkpoint."""
        if not 0 < at_posix_s <= TIMESTAMP_MAX:
            raise ValueError(f"no cosignature is of the second {at_posix_s}")
        witness = self.witness
        signature = self._key.sign(signed_message(witness.type, witness.name, at_posix_s, point))
        raw = witness.key_id + at_posix_s.to_bytes(TIMESTAMP_BYTES) + signature
        return note.signature_line(witness.name, raw)


def parse_vkey(vkey: str) -> Witness:
    """The witness that a vkey of type 0x04 or 0x06 names. Raises VerificationError."""
    name, key_id, raw = note.split_vkey(vkey)
    kind: Type | None = ED25519 if raw[:1] == b"\x04" else ML_DSA_44 if raw[:1] == b"\x06" else None
    if kind is None:
        raise VerificationError("a witness's key is of type 04 (Ed25519) or 06 (ML-DSA-44)")
    witness = Witness(name, kind, raw[1:])
    try:
        witness._key()  # noqa: SLF001 - our own class: whether the key is one at all
    except ValueError as error:
        raise VerificationError(f"the key of {name} is not one of its type") from error
    if witness.key_id != key_id or len(name.encode()) > NAME_BYTES_MAX:
        raise VerificationError(f"the name or the key id of {name} is not right")
    return witness


def signed_message(kind: Type, name: str, seconds: int, point: Checkpoint) -> bytes:
    """What a witness signs for a whole tree (a subtree from leaf 0)."""
    if kind == ED25519:
        return f"cosignature/v1\ntime {seconds}\n{point.text}".encode()
    cosigner, log = name.encode(), point.origin.encode()
    head = _LABEL + bytes([len(cosigner)]) + cosigner + seconds.to_bytes(8)
    return head + bytes([len(log)]) + log + (0).to_bytes(8) + point.size.to_bytes(8) + point.root


def verify(signed: bytes | str, log: note.Verifier, witnesses: Iterable[Witness]) -> tuple[Checkpoint, list[Cosigned]]:
    """The checkpoint that `log` has signed, and who of `witnesses` cosigned it, each key once, in the note's order.

    Raises VerificationError when it is not the log's, or when any known witness's signature is bad.
    """
    point = checkpoint.verify(signed, log)
    known = {(witness.name, witness.key_id): witness for witness in witnesses}
    found: list[Cosigned] = []
    for line in note.parse(signed).lines:
        witness = known.pop((line.name, line.key_id), None)
        if witness is not None:
            found.append(Cosigned(witness, witness.verify(line.signature, point)))
    return point, found
