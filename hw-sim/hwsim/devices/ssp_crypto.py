"""eSSP: key exchange and encrypted packets, the device's side (ssp.md section 7)."""

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hwsim.devices.ssp_frame import crc16

STEX: Final = 0x7E
BLOCK: Final = 16
OVERHEAD: Final = 7  # eLENGTH, eCOUNT 4, eCRC 2
_WITNESSES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)  # decide every n < 2**64


class WrongKey(ValueError):
    """The packet decrypts to nonsense."""


class WrongCount(ValueError):
    """A good packet out of its turn: replayed or lost."""


def is_prime(n: int) -> bool:
    """Miller-Rabin, exact for 64 bits."""
    if n < 2:  # noqa: PLR2004
        return False
    for p in _WITNESSES:
        if n % p == 0:
            return n == p
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_passes(n, a, odd, twos) for a in _WITNESSES)


def _passes(n: int, a: int, odd: int, twos: int) -> bool:
    x = pow(a, odd, n)
    if x in {1, n - 1}:
        return True
    for _ in range(twos - 1):
        x = x * x % n
        if x == n - 1:
            return True
    return False


class Session:
    """Key and packet counter of one device."""

    def __init__(self, fixed_key: int) -> None:
        self.fixed_key = fixed_key
        self.count = 0
        self._generator: int | None = None
        self._modulus: int | None = None
        self._cipher: Cipher[modes.ECB] | None = None

    @property
    def ready(self) -> bool:
        return self._cipher is not None

    def set_generator(self, value: int) -> bool:
        """False when it is not prime."""
        if is_prime(value):
            self._generator = value
        return self._generator == value

    def set_modulus(self, value: int) -> bool:
        if is_prime(value):
            self._modulus = value
        return self._modulus == value

    def exchange(self, host_key: int, secret: int) -> int | None:
        """Our intermediate key; None while generator or modulus are missing. Sets the key, counters to 0."""
        if self._generator is None or self._modulus is None:
            return None
        negotiated = pow(host_key, secret, self._modulus)
        key = self.fixed_key.to_bytes(8, "little") + negotiated.to_bytes(8, "little")
        # The protocol itself prescribes AES-128 in ECB mode.
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        self.count = 0
        return pow(self._generator, secret, self._modulus)

    def open(self, packet: bytes) -> bytes:
        """Decrypt DATA[1:] of a command. `WrongKey`, `WrongCount`; the counter moves only on success."""
        if self._cipher is None or not packet or len(packet) % BLOCK:
            raise WrongKey
        decryptor = self._cipher.decryptor()
        plain = decryptor.update(packet) + decryptor.finalize()
        length = plain[0]
        if length + OVERHEAD > len(plain) or crc16(plain[:-2]) != int.from_bytes(plain[-2:], "little"):
            raise WrongKey
        if int.from_bytes(plain[1:5], "little") != self.count:
            raise WrongCount
        return plain[5 : 5 + length]

    def seal(self, data: bytes, filler: Callable[[int], bytes]) -> bytes:
        """The encrypted DATA field of the reply to the command just opened; it carries count + 1."""
        if self._cipher is None:
            message = "no key"
            raise ValueError(message)
        self.count = (self.count + 1) & 0xFFFFFFFF
        plain = bytes((len(data),)) + self.count.to_bytes(4, "little") + data
        plain += filler(-(len(plain) + 2) % BLOCK)
        plain += crc16(plain).to_bytes(2, "little")
        encryptor = self._cipher.encryptor()
        return bytes((STEX,)) + encryptor.update(plain) + encryptor.finalize()
