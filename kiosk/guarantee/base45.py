"""Base45 (RFC 9285): bytes as text in the 45 characters that a QR code packs at 5.5 bits each."""

from typing import Final

from kiosk.errors import VerificationError

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_PLACE: Final = {character: place for place, character in enumerate(ALPHABET)}
_PAIR: Final = 3  # characters of two bytes
_BASE: Final = len(ALPHABET)


def encode(data: bytes) -> str:
    """`data` in Base45: three characters for two bytes, two for a last one."""
    return "".join(_group(data[start : start + 2]) for start in range(0, len(data), 2))


def decode(text: str) -> bytes:
    """The bytes of `text`. Raises VerificationError for what `encode` would not have made."""
    try:
        places = [_PLACE[character] for character in text]
    except KeyError as error:
        raise VerificationError("not Base45: a character that does not belong there") from error
    return b"".join(_bytes(places[start : start + _PAIR]) for start in range(0, len(places), _PAIR))


def _group(part: bytes) -> str:
    value = int.from_bytes(part)
    made = ""
    for _ in range(len(part) + 1):
        value, place = divmod(value, _BASE)
        made += ALPHABET[place]
    return made


def _bytes(places: list[int]) -> bytes:
    value, size = 0, len(places) - 1
    for place in reversed(places):
        value = value * _BASE + place
    if not size or value >= 1 << 8 * size:
        raise VerificationError("not Base45: cut short, or over its range")
    return value.to_bytes(size)
