"""Signing keys and pinned public keys.

A key is named by its `kid`: SHA-256 of the DER SubjectPublicKeyInfo. A verifier pins kid -> (algorithm, key), so
neither the algorithm nor the key can be chosen by whoever made the message (RFC 9052 leaves that to us; the attack
is RFC 8725 section 2.1's). Ed25519 signs by default; ES256 is verified too, for kiosks whose key lives in a TPM.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import files

Algorithm = Literal["EdDSA", "ES256"]
Randomness = Callable[[int], bytes]  # n -> n bytes that nobody can guess; os.urandom in production
SIGNATURE_BYTES: Final = 64  # both algorithms, in COSE's form


class PublicKey:
    """One public key, its algorithm fixed by its type; `kid` is 32 bytes, `pem` its SubjectPublicKeyInfo."""

    def __init__(self, key: Ed25519PublicKey | EllipticCurvePublicKey) -> None:
        """Raise ValueError for a curve other than P-256."""
        if isinstance(key, EllipticCurvePublicKey) and not isinstance(key.curve, SECP256R1):
            raise ValueError(f"ES256 needs P-256, not {key.curve.name}")  # noqa: TRY004 - the curve decides, not the type
        self._key = key
        self.algorithm: Final[Algorithm] = "EdDSA" if isinstance(key, Ed25519PublicKey) else "ES256"
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.kid: Final = hashlib.sha256(spki).digest()
        self.pem: Final = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @classmethod
    def from_pem(cls, pem: bytes) -> "PublicKey":
        """Raise ConfigError when this is not an Ed25519 or P-256 public key."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ConfigError("not a PEM public key") from error
        if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey):
            raise ConfigError("neither an Ed25519 nor an EC public key")
        try:
            return cls(key)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.kid == other.kid

    def __hash__(self) -> int:
        return hash(self.kid)

    @property
    def ed25519_raw(self) -> bytes:
        """The 32 raw bytes that signed notes use. Raises ValueError for ES256."""
        if not isinstance(self._key, Ed25519PublicKey):
            raise ValueError("signed notes take Ed25519 keys only")  # noqa: TRY004 - the value decides, not the type
        return self._key.public_bytes_raw()

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raise VerificationError unless `signature` (64 bytes; r || s for ES256) is over `data`."""
        if len(signature) != SIGNATURE_BYTES:
            raise VerificationError(f"signature of {len(signature)} bytes, not {SIGNATURE_BYTES}")
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, data)
            else:
                r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
                self._key.verify(encode_dss_signature(r, s), data, ECDSA(SHA256()))
        except InvalidSignature as error:
            raise VerificationError(f"bad {self.algorithm} signature for key {self.kid.hex()[:16]}") from error


class Signer(Protocol):
    """Whatever can sign: a key in memory, a TPM, a PKCS#11 token."""

    @property
    def kid(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo, 32 bytes."""

    @property
    def algorithm(self) -> Algorithm:
        """The COSE name of what `sign` makes."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data`, 64 bytes (r || s for ES256)."""


class Ed25519Signer:
    """A signer with its key in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public: Final = PublicKey(key.public_key())
        self.kid: Final = self.public.kid
        self.algorithm: Final[Algorithm] = "EdDSA"

    @classmethod
    def from_seed(cls, seed: bytes) -> "Ed25519Signer":
        """From the 32-byte seed of RFC 8032. Raises ValueError for another length."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def generate(cls, randomness: Randomness = os.urandom) -> "Ed25519Signer":
        """A new key."""
        return cls.from_seed(randomness(32))

    @classmethod
    def load(cls, path: Path) -> "Ed25519Signer":
        """From a 0600 seed file. Raises ConfigError."""
        return cls.from_seed(files.load_key(path, "ed25519-seed"))

    def save(self, path: Path) -> None:
        """Write the seed into a new 0600 file. Raises FileExistsError, OSError."""
        files.save_key(path, "ed25519-seed", self._key.private_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """Ed25519 (RFC 8032) signature over `data`, 64 bytes."""
        return self._key.sign(data)


class PublicKeys:
    """The keys that a verifier accepts for one purpose, by kid. Immutable."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys: Final = {key.kid: key for key in keys}

    @classmethod
    def load(cls, *paths: Path) -> "PublicKeys":
        """From PEM files, one key each. Raises ConfigError."""
        return cls(load_public(path) for path in paths)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[PublicKey]:
        return iter(self._keys.values())

    def at(self, place: int) -> "PublicKeys":  # noqa: ARG002 - keys without a history speak for every place
        """The keys that speak for this place of a log; `rotation.KeyHistory` tells them apart."""
        return self

    @property
    def ever(self) -> "PublicKeys":
        """With those that counted before, for what was accepted then; `bank_keys.BankKeys` tells them apart."""
        return self

    def get(self, kid: bytes, algorithm: str) -> PublicKey:
        """The pinned key `kid`, if it is pinned for `algorithm`; otherwise VerificationError."""
        key = self._keys.get(kid)
        if key is None:
            raise VerificationError(f"unknown key {kid.hex()[:16]}")
        if key.algorithm != algorithm:
            raise VerificationError(f"key {kid.hex()[:16]} is pinned for {key.algorithm}, not {algorithm}")
        return key


def load_public(path: Path) -> PublicKey:
    """The public key in a PEM file. Raises ConfigError."""
    return PublicKey.from_pem(files.read_public(path))


def save_public(path: Path, key: PublicKey) -> None:
    """Write the PEM of `key` into a new file. Raises FileExistsError, OSError."""
    files.write_new(path, key.pem, mode=0o644)
