"""What a reader does not see any difference in: full-width characters, other scripts' digits, odd blanks and dashes.

One for one, so that positions stay.
"""

from typing import Final

# What is blank or breaks a word without being seen: no-break, thin, ideographic, zero-width, soft hyphen.
_SPACES: Final = frozenset((0x09, 0xA0, 0xAD, 0x1680, *range(0x2000, 0x200E), 0x2060, 0x202F, 0x205F, 0x3000, 0xFEFF))
_DASHES: Final = frozenset((*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63, 0xFF0D))
_FULL_WIDTH: Final = range(0xFF01, 0xFF5F)
_FULL_WIDTH_OFFSET: Final = 0xFEE0


class _Fold(dict[int, int]):
    """Code point -> the one that it is read as."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        if code in _SPACES:
            folded = " "
        elif code in _DASHES:
            folded = "-"
        elif character.isdecimal():
            folded = str(int(character))
        else:
            folded = chr(code - _FULL_WIDTH_OFFSET) if code in _FULL_WIDTH else character
        self[code] = ord(folded)
        return self[code]


TABLE: Final = _Fold()


def fold(text: str) -> str:
    """`text` as it is read; of the same length."""
    return text if text.isascii() and "\t" not in text else text.translate(TABLE)
