"""C2SP signed-note: text that people can read, with signature lines below it.

Only Ed25519 signatures (type 0x01) are made and believed here; lines of unknown keys are ignored, as the
specification asks, so cosignatures of witnesses may follow ours.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kiosk.errors import VerificationError
from kiosk.guarantee.keys import PublicKey, Signer

NOTE_BYTES_MAX: Final = 64 * 1024
SIGNATURES_MAX: Final = 64  # the specification asks for at least 16
_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)
_PREFIX: Final = "\u2014 "


@dataclass(frozen=True)
class Verifier:
    """A named Ed25519 key whose signature on a note counts."""

    name: str
    key: PublicKey

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || type || public key)[:4]."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.key.ed25519_raw).digest()[:_KEY_ID_BYTES]

    @property
    def verifiers(self) -> "list[Verifier]":
        """One for each key that may sign under this name."""
        return [self]

    @property
    def vkey(self) -> str:
        """`<name>+<key id, hex>+<base64(type || public key)>`."""
        encoded = encode_base64(_ED25519 + self.key.ed25519_raw)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


@dataclass(frozen=True)
class Note:
    """A note of which at least one known key has signed `text` (which ends in a newline)."""

    text: str
    signed_by: tuple[Verifier, ...]


@dataclass(frozen=True)
class SignatureLine:
    """One line below a note, nothing verified. `signature` is what follows the key id."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True)
class Parsed:
    """A note taken apart, nothing verified."""

    text: str
    lines: tuple[SignatureLine, ...]


def split_vkey(vkey: str) -> tuple[str, bytes, bytes]:
    """Name, key id (4 bytes) and type || public key of a vkey, the key id not checked. Raises VerificationError."""
    name, _, rest = vkey.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    if not name_fits(name) or not _KEY_ID.fullmatch(key_id):
        raise VerificationError("this verifier key's name or key id is not right")
    return name, bytes.fromhex(key_id), decode_base64(encoded)


def parse_vkey(vkey: str) -> Verifier:
    """The verifier that a vkey names. Raises VerificationError for another type than Ed25519 or a wrong key id."""
    name, key_id, raw = split_vkey(vkey)
    if raw[:1] != _ED25519:
        raise VerificationError("this verifier key is not an Ed25519 one")
    try:
        verifier = Verifier(name, PublicKey(Ed25519PublicKey.from_public_bytes(raw[1:])))
    except ValueError as error:
        raise VerificationError("this verifier key's public key is not one") from error
    if verifier.key_id != key_id:
        raise VerificationError("this verifier key's name or key id is not right")
    return verifier


def sign(text: str, name: str, signer: Signer) -> str:
    """`text` (ending in a newline, no control characters) as a note signed under `name`. Raises ValueError."""
    problem = _text_problem(text)
    if problem or not name_fits(name):
        raise ValueError(problem or f"{name!r} cannot name a key")
    verifier = Verifier(name, signer.public)
    return f"{text}\n{signature_line(name, verifier.key_id + signer.sign(text.encode()))}"


def signature_line(name: str, raw: bytes) -> str:
    """The line, newline included, of `raw` = key id || signature by `name`."""
    return f"{_PREFIX}{name} {encode_base64(raw)}\n"


def verify(note: bytes | str, verifiers: Iterable[Verifier]) -> Note:
    """The text of `note` and who of `verifiers` signed it.

    Raises VerificationError when it is malformed, when no known key has signed, or when any known key's signature
    is bad.
    """
    parsed = parse(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    signed_by: list[Verifier] = []
    for line in parsed.lines:
        verifier = known.get((line.name, line.key_id))
        if verifier is None or verifier in signed_by:
            continue
        verifier.key.verify(line.signature, parsed.text.encode())
        signed_by.append(verifier)
    if not signed_by:
        raise VerificationError("no known key has signed this note")
    return Note(parsed.text, tuple(signed_by))


def name_fits(name: str) -> bool:
    """Whether `name` may name a key: not empty, printable, no white space, no plus sign."""
    return bool(name) and "+" not in name and name.isprintable() and not any(map(str.isspace, name))


def encode_base64(raw: bytes) -> str:
    """RFC 4648 section 4, padded."""
    return base64.b64encode(raw).decode()


def decode_base64(encoded: str) -> bytes:
    """Strict RFC 4648 section 4: padded, and no second spelling of the same bytes. Raises VerificationError."""
    try:
        raw = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise VerificationError("not base64") from error
    if encode_base64(raw) != encoded:
        raise VerificationError("base64 with stray bits")
    return raw


def parse(note: bytes | str) -> Parsed:
    """Take a note apart. Raises VerificationError when it is malformed."""
    data = note.encode() if isinstance(note, str) else note
    if len(data) > NOTE_BYTES_MAX:
        raise VerificationError(f"note of {len(data)} bytes, at most {NOTE_BYTES_MAX}")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise VerificationError("note is not UTF-8") from error
    head, separator, tail = whole.rpartition("\n\n")
    text = head + "\n"
    problem = _text_problem(text)
    if problem or not separator or not tail.endswith("\n"):
        raise VerificationError(problem or "note is not text, an empty line and signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise VerificationError(f"note with more than {SIGNATURES_MAX} signatures")
    return Parsed(text, tuple(_parse_line(line) for line in lines))


def _parse_line(line: str) -> SignatureLine:
    name, _, encoded = line.removeprefix(_PREFIX).partition(" ")
    if not line.startswith(_PREFIX) or not name_fits(name):
        raise VerificationError("malformed signature line in a note")
    raw = decode_base64(encoded)
    if len(raw) <= _KEY_ID_BYTES:
        raise VerificationError("a signature line in a note without a signature")
    return SignatureLine(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])


def _text_problem(text: str) -> str:
    if not text.endswith("\n"):
        return "a note's text ends in a newline"
    if any((ord(character) < ord(" ") and character != "\n") or character == "\x7f" for character in text):
        return "a note holds no control characters but newlines"
    return ""
