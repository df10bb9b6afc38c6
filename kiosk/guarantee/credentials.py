"""PINs and passphrases: scrypt verifiers (RFC 7914), peppered with a key of this kiosk, compared in constant time.

The parameters are those that OWASP's Password Storage Cheat Sheet gives for 32 MiB (N = 2^15, r = 8, p = 3): as much
memory as the controller can spare on a board of 512 MB, a quarter of a second of a desktop's processor, and of a
thief's for each guess - who needs the pepper first, which comes from the key-encryption key and is not in the database.
The pepper goes in before scrypt (HMAC-SHA256), which has no place of its own for it. Each verifier carries its
parameters, so they may grow.
"""

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from kiosk.core.people import Passphrase
from kiosk.guarantee.keys import Randomness
from kiosk.guarantee.one_time import OneTimeCodes

CHARACTERS_MIN: Final = 6
CHARACTERS_MAX: Final = 128
_SALT_BYTES: Final = 16
_VERIFIER_BYTES: Final = 32
_PEPPER: Final = b"kiosk-credential-v1"


@dataclass(frozen=True)
class Cost:
    """What one computation takes: 128 r 2^log2_n bytes, p times one after another."""

    log2_n: int = 15
    r: int = 8
    p: int = 3


class Credentials:
    """Makes and checks verifiers. Slow on purpose: never call it on the event loop."""

    def __init__(self, kek: bytes, *, randomness: Randomness = os.urandom, cost: Cost | None = None) -> None:
        """`kek` is the kiosk's key-encryption key; the pepper and the key of `codes` are derived from it."""
        self.codes = OneTimeCodes(kek, randomness=randomness)  # the second factor
        self._pepper = HKDF(SHA256(), 32, salt=None, info=_PEPPER).derive(kek)
        self._randomness = randomness
        self._cost = cost or Cost()

    def make(self, secret: str) -> Passphrase:
        """A verifier for `secret`, under a new salt."""
        salt, cost = self._randomness(_SALT_BYTES), self._cost
        verifier = self._kdf(salt, cost.log2_n, cost.r, cost.p).derive(self._peppered(secret))
        return Passphrase(salt, verifier, cost.log2_n, cost.r, cost.p)

    def matches(self, secret: str, credential: Passphrase) -> bool:
        """Whether `secret` is the one. The comparison takes the same time for every wrong one."""
        kdf = self._kdf(credential.salt, credential.log2_n, credential.r, credential.p)
        try:
            kdf.verify(self._peppered(secret), credential.verifier)
        except InvalidKey:
            return False
        return True

    def _peppered(self, secret: str) -> bytes:
        mac = HMAC(self._pepper, SHA256())
        mac.update(secret.encode())
        return mac.finalize()

    def _kdf(self, salt: bytes, log2_n: int, r: int, p: int) -> Scrypt:
        return Scrypt(salt=salt, length=_VERIFIER_BYTES, n=1 << log2_n, r=r, p=p)


def weakness(staff: str, secret: str) -> str:
    """Why this secret would be no secret; empty when it may be used."""
    if not CHARACTERS_MIN <= len(secret) <= CHARACTERS_MAX:
        return f"it has {CHARACTERS_MIN} to {CHARACTERS_MAX} characters"
    if len(set(secret)) < 3 or secret.casefold() == staff.casefold():  # noqa: PLR2004 - 112112 is no secret
        return "it must not be guessed at once"
    steps = {ord(after) - ord(before) for before, after in pairwise(secret)}
    if steps in ({1}, {-1}):
        return "it must not be a row such as 123456"
    return ""
