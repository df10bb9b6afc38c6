"""One-time codes of a telephone (RFC 6238: SHA-1, 30 s, six digits, what every authenticator app speaks).

The shared secret is sealed with AES-256-GCM under a key derived from the kiosk's key-encryption key, bound to the staff
id, so that a row of the journal copied to another person opens for nobody. The caller keeps the time steps that were
used: a code that somebody has read over the shoulder is worth nothing.
"""

import base64
import os
from typing import Final
from urllib.parse import quote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from kiosk.errors import VerificationError
from kiosk.guarantee.keys import Randomness

STEP_S: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # RFC 4226 section 4: 160 bits
STEPS_AROUND: Final = 1  # RFC 6238 section 5.2: one step for the time that typing takes
STEPS_UNSYNCHRONISED: Final = 10  # a kiosk whose clock is not set by the network may be minutes off
_NONCE_BYTES: Final = 12
_KEY: Final = b"kiosk-one-time-v1"


class OneTimeCodes:
    """Makes, seals and opens shared secrets, and says which time step a code belongs to."""

    def __init__(self, kek: bytes, *, randomness: Randomness = os.urandom) -> None:
        """`kek` is the kiosk's key-encryption key."""
        self._aead = AESGCM(HKDF(SHA256(), 32, salt=None, info=_KEY).derive(kek))
        self._randomness = randomness

    def new_secret(self) -> bytes:
        """A secret that was never used."""
        return self._randomness(SECRET_BYTES)

    def seal(self, staff: str, secret: bytes) -> bytes:
        """The secret as the journal may hold it."""
        nonce = self._randomness(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, staff.encode())

    def step(self, staff: str, sealed: bytes, code: str, at_s: int, *, synchronised: bool) -> int | None:
        """The time step whose code this is, around the UTC second `at_s`; None when it is none.

        Raises `VerificationError` when the secret does not open: another kiosk's, another person's, or changed.
        """
        try:
            secret = self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], staff.encode())
        except (InvalidTag, ValueError) as error:
            raise VerificationError(f"the second factor of {staff} does not open") from error
        return matching_step(secret, code, at_s, STEPS_AROUND if synchronised else STEPS_UNSYNCHRONISED)


def matching_step(secret: bytes, code: str, at_s: int, around: int) -> int | None:
    """The time step, at most `around` from that of `at_s`, of which `code` is the code; the nearest one."""
    if len(code) != DIGITS or not code.isascii() or not code.isdigit():
        return None
    codes, now = _codes(secret), at_s // STEP_S
    for step in sorted(range(max(now - around, 0), now + around + 1), key=lambda each: abs(each - now)):
        try:
            codes.verify(code.encode(), step * STEP_S)  # compares in constant time
        except InvalidToken:
            continue
        return step
    return None


def code_at(secret: bytes, at_s: int) -> str:
    """The code that a telephone shows at this UTC second."""
    return _codes(secret).generate(at_s).decode()


def enrolment_uri(secret: bytes, staff: str, kiosk: str) -> str:
    """What the QR code says: the `otpauth` URI of authenticator apps."""
    name = quote(f"{kiosk}:{staff}")
    text = base64.b32encode(secret).decode().rstrip("=")
    return f"otpauth://totp/{name}?secret={text}&issuer={quote(kiosk)}&digits={DIGITS}&period={STEP_S}"


def _codes(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303 - the algorithm of the standard and of the apps
