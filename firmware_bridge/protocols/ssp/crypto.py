"""eSSP packets: AES-128-ECB with a counter (fact sheet sections 7.1 and 7.4).

    DATA = 7E || AES(eLENGTH 1 | eCOUNT 4 LE | eDATA | ePACKING | eCRC 2 LE)

ECB is the protocol's choice, not ours; the counter and the CRC inside keep blocks from repeating.
"""

import os
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.framing import crc16

STEX: Final = 0x7E
KEY_BYTES: Final = 16
BLOCK_BYTES: Final = 16
BLOCKS_MAX: Final = 15  # LENGTH <= 255
_COUNT_END: Final = 5  # eLENGTH and eCOUNT lead
_OVERHEAD_BYTES: Final = 7  # eLENGTH, eCOUNT, eCRC
PLAIN_BYTES_MAX: Final = BLOCKS_MAX * BLOCK_BYTES - _OVERHEAD_BYTES
_COUNT_MODULUS: Final = 1 << 32


def is_encrypted(data: bytes) -> bool:
    """Whether a frame's DATA field is an eSSP packet."""
    return data[:1] == bytes((STEX,))


def _cipher(key: bytes) -> Cipher[modes.ECB]:
    if len(key) != KEY_BYTES:
        msg = f"an AES-128 key has {KEY_BYTES} bytes, not {len(key)}"
        raise SspError(msg)
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - the protocol is ECB


def encrypt_packet(key: bytes, count: int, data: bytes, packing: Callable[[int], bytes] = os.urandom) -> bytes:
    """The encrypted DATA field of `data` (1 to 233 bytes). `packing(n)` gives n filler bytes."""
    if not 1 <= len(data) <= PLAIN_BYTES_MAX:
        msg = f"{len(data)} bytes to encrypt; 1 to {PLAIN_BYTES_MAX} fit"
        raise SspError(msg)
    if not 0 <= count < _COUNT_MODULUS:
        msg = f"packet count {count} has more than 32 bits"
        raise SspError(msg)
    head = bytes((len(data),)) + count.to_bytes(4, "little") + data
    head += packing(-(len(head) + 2) % BLOCK_BYTES)
    plain = head + crc16(head).to_bytes(2, "little")
    encryptor = _cipher(key).encryptor()
    return bytes((STEX,)) + encryptor.update(plain) + encryptor.finalize()


def decrypt_packet(key: bytes, field: bytes) -> tuple[int, bytes]:
    """Packet count and data of an encrypted DATA field; `SspError` when the key or the packet is wrong."""
    body = field[1:]
    if not is_encrypted(field) or not body or len(body) % BLOCK_BYTES:
        msg = "not an encrypted packet: 7E and whole blocks of 16 bytes"
        raise SspError(msg)
    decryptor = _cipher(key).decryptor()
    plain = decryptor.update(body) + decryptor.finalize()
    if int.from_bytes(plain[-2:], "little") != crc16(plain[:-2]):
        msg = "wrong key or damaged packet: the inner CRC does not fit"
        raise SspError(msg)
    length = plain[0]
    spare = len(plain) - _OVERHEAD_BYTES - length
    if length == 0 or not 0 <= spare < BLOCK_BYTES:
        msg = f"inner length {length} does not fit {len(plain)} bytes"
        raise SspError(msg)
    return int.from_bytes(plain[1:_COUNT_END], "little"), plain[_COUNT_END : _COUNT_END + length]


class SecureChannel:
    """The host's side of one negotiated key. Command i carries count i, its reply i + 1."""

    def __init__(self, key: bytes, packing: Callable[[int], bytes] = os.urandom) -> None:
        _cipher(key)  # refuse a bad key now, not at the first packet
        self._key = key
        self._packing = packing
        self._count = 0

    def seal(self, data: bytes) -> bytes:
        """Encrypt a command. The count moves on only when its reply was opened: a retry is byte-identical."""
        return encrypt_packet(self._key, self._count, data, self._packing)

    def open(self, field: bytes) -> bytes:
        """Decrypt the reply to the last sealed command; `SspError` for any other packet."""
        count, data = decrypt_packet(self._key, field)
        wanted = (self._count + 1) % _COUNT_MODULUS
        if count != wanted:
            msg = f"packet count {count}, {wanted} expected: a stale or replayed reply"
            raise SspError(msg)
        self._count = wanted
        return data
