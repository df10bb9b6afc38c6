"""PINs and passphrases: Argon2id verifiers, peppered with a key of this kiosk, compared in constant time.

The parameters are OWASP's minimum for Argon2id (19 MiB, two passes, one lane): some 150 ms of a Raspberry Pi, and of a
thief's machine for each guess - who needs the pepper first, which comes from the key-encryption key and is not in the
database. Each verifier carries its parameters, so they may grow.
"""

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

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
    """What one computation takes."""

    iterations: int = 2
    lanes: int = 1
    memory_kib: int = 19 * 1024


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
        verifier = self._kdf(salt, cost.iterations, cost.lanes, cost.memory_kib).derive(secret.encode())
        return Passphrase(salt, verifier, cost.iterations, cost.lanes, cost.memory_kib)

    def matches(self, secret: str, credential: Passphrase) -> bool:
        """Whether `secret` is the one. The comparison takes the same time for every wrong one."""
        kdf = self._kdf(credential.salt, credential.iterations, credential.lanes, credential.memory_kib)
        try:
            kdf.verify(secret.encode(), credential.verifier)
        except InvalidKey:
            return False
        return True

    def _kdf(self, salt: bytes, iterations: int, lanes: int, memory_kib: int) -> Argon2id:
        return Argon2id(
            salt=salt,
            length=_VERIFIER_BYTES,
            iterations=iterations,
            lanes=lanes,
            memory_cost=memory_kib,
            secret=self._pepper,
        )


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
