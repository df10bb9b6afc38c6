"""Deterministic CBOR read element by element, where the shape is known: a fraction of what `cbor.decode` costs.

Nothing but the shortest form of each head is accepted, lengths are definite, and `end` refuses what is left over: so
what is read has one spelling, as `cbor` asks for (RFC 8949 section 4.2.1).
"""

from typing import Final

from kiosk.errors import VerificationError

_UINT, _BYTES, _TEXT, _ARRAY = 0 << 5, 2 << 5, 3 << 5, 4 << 5  # major types, RFC 8949 section 3.1
_SMALL: Final = 24
_LEAST: Final = (24, 1 << 8, 1 << 16, 1 << 32)  # that needs 1, 2, 4, 8 bytes behind the head


class Reader:
    """Reads `data` from its beginning. Every call raises VerificationError for anything but what it is named for."""

    def __init__(self, data: bytes, bytes_max: int) -> None:
        if len(data) > bytes_max:
            raise VerificationError(f"CBOR of {len(data)} bytes where at most {bytes_max} are allowed")
        self._data = data
        self._at = 0

    def array(self, length: int) -> None:
        """The head of an array of exactly `length` elements."""
        if self._head(_ARRAY) != length:
            raise VerificationError(f"not an array of {length}")

    def uint(self) -> int:
        """An unsigned integer of at most 64 bits."""
        return self._head(_UINT)

    def byte_string(self) -> bytes:
        """Bytes."""
        return self._take(self._head(_BYTES))

    def text(self) -> str:
        """Valid UTF-8."""
        try:
            return self._take(self._head(_TEXT)).decode()
        except UnicodeDecodeError as error:
            raise VerificationError("a CBOR text is not UTF-8") from error

    def skip(self, literal: bytes) -> bool:
        """Whether `literal` is what comes next; then it is behind us."""
        if not self._data.startswith(literal, self._at):
            return False
        self._at += len(literal)
        return True

    def end(self) -> None:
        """Nothing is left."""
        if self._at != len(self._data):
            raise VerificationError(f"CBOR with {len(self._data) - self._at} bytes left over")

    def _head(self, major: int) -> int:
        at = self._at
        if at >= len(self._data):
            raise VerificationError("CBOR ends too early")
        value = self._data[at] - major
        self._at = at + 1
        return value if 0 <= value < _SMALL else self._long_head(value)

    def _long_head(self, value: int) -> int:
        if not _SMALL <= value < _SMALL + len(_LEAST):
            raise VerificationError("CBOR of another type than belongs here, or of no definite length")
        number = int.from_bytes(self._take(1 << (value - _SMALL)))
        if number < _LEAST[value - _SMALL]:
            raise VerificationError("a CBOR number is longer than it needs to be")
        return number

    def _take(self, length: int) -> bytes:
        begin = self._at
        end = self._at = begin + length
        if end > len(self._data):
            raise VerificationError("CBOR ends too early")
        return self._data[begin:end]
