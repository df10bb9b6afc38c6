"""Sealed envelopes: a record that only the bank can open (DESIGN.md section 5).

HPKE (RFC 9180) single-shot with the hybrid KEM MLKEM768_X25519 (X-Wing), HKDF-SHA256 and AES-256-GCM. The header
is in the clear, so that a receiver can sort and acknowledge, and is bound by HPKE's `info`. HPKE names no sender:
whoever knows the bank's public key can seal, so nothing is believed before `verify` has checked what is inside.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cbor, cose, files, leaf, merkle
from kiosk.guarantee.cbor_reader import BYTES, TEXT, UINT, read

VERSION: Final = 1
SUITE: Final = (0x647A, 0x0001, 0x0002)  # IANA's HPKE ids of KEM, KDF and AEAD
_ARRAY_OF_6: Final = b"\x86"
_ARRAY_OF_7: Final = b"\x87"
_BEGINNING: Final = _ARRAY_OF_7 + cbor.encode(VERSION) + cbor.encode(SUITE)
_BEHIND: Final = (TEXT, UINT, BYTES, BYTES, BYTES)  # kiosk, sequence, leaf hash, recipient; enc || ct
_ARRAY_OF_3: Final = b"\x83"
_INSIDE: Final = (BYTES, BYTES, BYTES)  # salt, leaf entry, COSE
PLAINTEXT_BYTES_MAX: Final = cose.MESSAGE_BYTES_MAX + leaf.ENTRY_BYTES_MAX + 64
ENVELOPE_BYTES_MAX: Final = PLAINTEXT_BYTES_MAX + 1536  # enc 1,120, tag 16, header
_SEALED_BYTES_MIN: Final = 1120 + 16
_MLKEM_PUBLIC_BYTES: Final = 1184
_MLKEM_SEED_BYTES: Final = 64
HPKE: Final = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class SealPublicKey:
    """The bank's public key: 1,216 bytes, ML-KEM-768's 1,184 and X25519's 32. `key_id` is their SHA-256."""

    def __init__(self, raw: bytes) -> None:
        """Raise ValueError when `raw` is not such a key."""
        mlkem = MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC_BYTES])
        x25519 = X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC_BYTES:])
        self.raw: Final = raw
        self.key_id: Final = hashlib.sha256(raw).digest()
        self.hpke: Final = hpke.MLKEM768X25519PublicKey(mlkem, x25519)

    @classmethod
    def load(cls, path: Path) -> "SealPublicKey":
        """From a key file. Raises ConfigError."""
        try:
            return cls(files.load_key(path, "x-wing-public"))
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{path} holds no point of the key type") from error

    def save(self, path: Path) -> None:
        """Write a new key file. Raises FileExistsError, OSError."""
        files.save_key(path, "x-wing-public", self.raw)


class SealPrivateKey:
    """The bank's private key, grown from a 32-byte seed as X-Wing says: SHAKE256(seed, 96)."""

    def __init__(self, seed: bytes) -> None:
        """Raise ValueError for a seed that has not 32 bytes."""
        if len(seed) != files.LENGTHS["x-wing-seed"]:
            raise ValueError(f"an X-Wing seed has 32 bytes, not {len(seed)}")
        expanded = hashlib.shake_256(seed).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:])
        self.seed: Final = seed
        self.hpke: Final = hpke.MLKEM768X25519PrivateKey(mlkem, x25519)
        raw = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self.public: Final = SealPublicKey(raw)

    @classmethod
    def generate(cls, randomness: Callable[[int], bytes]) -> "SealPrivateKey":
        """A new key; `randomness` is os.urandom in production."""
        return cls(randomness(files.LENGTHS["x-wing-seed"]))

    @classmethod
    def load(cls, path: Path) -> "SealPrivateKey":
        """From a 0600 key file. Raises ConfigError."""
        return cls(files.load_key(path, "x-wing-seed"))

    def save(self, path: Path) -> None:
        """Write a new 0600 key file. Raises FileExistsError, OSError."""
        files.save_key(path, "x-wing-seed", self.seed)


KeyOf = Callable[[bytes], SealPrivateKey]  # key id -> key; raises VerificationError


class Header(msgspec.Struct, frozen=True, gc=False):
    """The part of an envelope in the clear. Not believed before the envelope is opened and verified."""

    kiosk: str
    sequence: int
    leaf_hash: bytes
    recipient: bytes

    @property
    def info(self) -> bytes:
        """HPKE's `info`: the envelope's first six elements, version and suite included."""
        return cbor.encode([VERSION, SUITE, self.kiosk, self.sequence, self.leaf_hash, self.recipient])


class Opened(msgspec.Struct, frozen=True, gc=False):
    """What was inside an envelope. It opened, which proves nothing about who made it."""

    header: Header
    salt: bytes
    leaf_entry: bytes
    cose: bytes


def seal(
    *,
    kiosk: str,
    sequence: int,
    leaf_hash: bytes,
    salt: bytes,
    leaf_entry: bytes,
    cose: bytes,
    recipient: SealPublicKey,
) -> bytes:
    """Seal [salt, leaf entry, COSE] to `recipient`; returns the envelope.

    HPKE draws its own randomness from OpenSSL, so two envelopes of the same record differ; the leaf hash does not.
    """
    header = Header(kiosk, sequence, leaf_hash, recipient.key_id)
    info = header.info
    sealed = HPKE.encrypt(cbor.byte_strings(salt, leaf_entry, cose), recipient.hpke, info=info)
    return _ARRAY_OF_7 + info[1:] + cbor.byte_string(sealed)  # the first six elements are the info's


def read_header(envelope: bytes) -> Header:
    """The header of an envelope, its form checked and nothing believed. Raises VerificationError."""
    return _parse(envelope)[0]


def open_envelope(envelope: bytes, private_key: SealPrivateKey | KeyOf) -> Opened:
    """Open an envelope. Raises VerificationError when it is malformed, for another key, or was changed."""
    header, sealed = _parse(envelope)
    if not isinstance(private_key, SealPrivateKey):
        private_key = private_key(header.recipient)
    if header.recipient != private_key.public.key_id:
        raise VerificationError(f"sealed to key {header.recipient.hex()[:16]}, which is not ours")
    info = _ARRAY_OF_6 + envelope[1 : -len(cbor.byte_string(sealed))]  # all but the last element, in its one spelling
    try:
        plaintext = HPKE.decrypt(sealed, private_key.hpke, info=info)
    except InvalidTag as error:
        raise VerificationError(f"envelope {header.kiosk}/{header.sequence} does not open") from error
    opened = Opened(header, *read(plaintext, _ARRAY_OF_3, _INSIDE, PLAINTEXT_BYTES_MAX))
    if len(opened.salt) != leaf.SALT_BYTES:
        raise VerificationError("an envelope's plaintext is not [salt, leaf entry, COSE]")
    return opened


def _parse(envelope: bytes) -> tuple[Header, bytes]:
    if not envelope.startswith(_BEGINNING):
        raise VerificationError("an envelope of another version or suite than ours")
    *named, sealed = read(envelope, _BEGINNING, _BEHIND, ENVELOPE_BYTES_MAX)
    header = Header(*named)
    sizes = (len(header.leaf_hash), len(header.recipient)) == (merkle.HASH_BYTES, merkle.HASH_BYTES)
    bounded = 0 <= header.sequence <= leaf.SEQUENCE_MAX and leaf.kiosk_id_fits(header.kiosk)
    if not (sizes and bounded and len(sealed) >= _SEALED_BYTES_MIN):
        raise VerificationError("an envelope's fields are out of bounds")
    return header, sealed
