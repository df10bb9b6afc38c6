"""eSSP key exchange (fact sheet sections 7.2 and 7.3): Diffie-Hellman on 64-bit numbers.

64 bits keep out whoever taps the cable with a laptop for a minute, no more; the format allows no larger
numbers. Hosts in the field draw primes of about 30 bits; ours use what the wire can carry.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firmware_bridge.protocols.ssp.errors import SspError

FIXED_KEY_DEFAULT: Final = 0x0123456701234567
NUMBER_BYTES: Final = 8
PRIME_BITS_DEFAULT: Final = 64
PRIME_BITS_MIN: Final = 16
_CANDIDATES_MAX: Final = 20_000  # a 64-bit odd number is prime once in 22; this never ends by chance

# Miller-Rabin with these bases is a proof for every number below 3.3e24 (Sorenson, Webster 2015).
_BASES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)

RandomBits = Callable[[int], int]


def is_prime(number: int) -> bool:
    """Whether a number of up to 64 bits is prime; exact, not probable."""
    if number.bit_length() > 8 * NUMBER_BYTES:
        msg = f"{number} has more than 64 bits"
        raise SspError(msg)
    if number < _BASES[0]:
        return False
    for base in _BASES:
        if number % base == 0:
            return number == base
    twos = (number - 1 & -(number - 1)).bit_length() - 1
    odd = (number - 1) >> twos
    return all(_passes(number, base, odd, twos) for base in _BASES)


def _passes(number: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, number)
    if power in {1, number - 1}:
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False


def random_prime(bits: int, random_bits: RandomBits) -> int:
    """A random prime of exactly `bits` bits."""
    for _ in range(_CANDIDATES_MAX):
        candidate = random_bits(bits) | 1 << (bits - 1) | 1
        if is_prime(candidate):
            return candidate
    msg = f"no prime among {_CANDIDATES_MAX} candidates: the source of randomness is broken"
    raise SspError(msg)


@dataclass(frozen=True, slots=True)
class KeyOffer:
    """The host's half of one exchange. `secret` never leaves this object but in `shared_key`."""

    generator: int
    modulus: int
    secret: int

    @classmethod
    def draw(cls, bits: int = PRIME_BITS_DEFAULT, random_bits: RandomBits = secrets.randbits) -> "KeyOffer":
        """Fresh primes and secret. The generator must be larger than the modulus (GA973 p. 11)."""
        if not PRIME_BITS_MIN <= bits <= 8 * NUMBER_BYTES:
            msg = f"primes of {bits} bits; {PRIME_BITS_MIN} to {8 * NUMBER_BYTES} are possible"
            raise SspError(msg)
        first, second = random_prime(bits, random_bits), random_prime(bits, random_bits)
        while first == second:
            second = random_prime(bits, random_bits)
        modulus = min(first, second)
        return cls(
            max(first, second),
            modulus,
            2 + random_bits(8 * NUMBER_BYTES) % (modulus - 3),
        )

    @property
    def host_key(self) -> int:
        """The host's intermediate key A = G^a mod M, for 0x4C."""
        return pow(self.generator, self.secret, self.modulus)

    def shared_key(self, slave_key: int) -> int:
        """K = B^a mod M; refuses intermediate keys that would make K predictable."""
        if not 1 < slave_key < self.modulus - 1:
            msg = f"the device's intermediate key {slave_key:#x} is degenerate"
            raise SspError(msg)
        return pow(slave_key, self.secret, self.modulus)


def aes_key(fixed_key: int, negotiated_key: int) -> bytes:
    """16 key bytes: fixed key, then negotiated key, each little endian."""
    for key in (fixed_key, negotiated_key):
        if not 0 <= key < 1 << 64:
            msg = "a key half has 64 bits"
            raise SspError(msg)
    return fixed_key.to_bytes(NUMBER_BYTES, "little") + negotiated_key.to_bytes(NUMBER_BYTES, "little")
