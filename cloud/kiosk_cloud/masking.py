"""Names as a kiosk may show them: enough for the holder to recognise their own, little for anybody else.

Han names keep the family name's first character and, from three characters on, the last one (as banks in China
print them); all others keep the first letter of each word.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

MASK: Final = "*"
CHARACTERS_MAX: Final = 60  # a name on a bank account; longer is a mistake in the file
_HAN_LAST_KEPT_FROM: Final = 3
_PART_MARKS: Final = "-\u00b7\u2019'\u2010"  # inside one name: hyphen, middle dot, apostrophe, typographic hyphen


def masked_name(name: str) -> str:
    """`name` masked: `王*明`, `王*`, `J*** D**`, `И*** П*****`. Raises ValueError for what is no name."""
    words = unicodedata.normalize("NFC", name).split()
    text = " ".join(words)
    if not words or len(text) > CHARACTERS_MAX:
        message = f"a name has 1 to {CHARACTERS_MAX} characters"
        raise ValueError(message)
    wrong = next((one for one in text if not _fits(one)), None)
    if wrong is not None:
        message = f"{unicodedata.name(wrong, repr(wrong))} does not belong in a name"
        raise ValueError(message)
    if not any(one.isalpha() for one in text):
        message = "a name has letters"
        raise ValueError(message)
    if len(words) == 1 and all(map(_is_han, text)):
        return _masked_han(text)
    return " ".join(_masked_word(word) for word in words)


def _fits(one: str) -> bool:
    return one.isalpha() or unicodedata.category(one).startswith("M") or one in _PART_MARKS or one in " ."


def _is_han(one: str) -> bool:
    return unicodedata.name(one, "").startswith(("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH"))


def _masked_han(name: str) -> str:
    if len(name) == 1:
        return MASK
    if len(name) < _HAN_LAST_KEPT_FROM:
        return name[0] + MASK * (len(name) - 1)
    return name[0] + MASK * (len(name) - 2) + name[-1]


def _masked_word(word: str) -> str:
    """The first letter of each part of a word, e.g. `Anna-Lena` to `A***-L***`; a letter alone is masked, too."""
    letters = list(_letters(word))
    masked = []
    first = True
    for position, letter in enumerate(letters):
        if letter in _PART_MARKS or letter == ".":
            masked.append(letter)
            first = letter != "."
            continue
        alone = position + 1 == len(letters) or letters[position + 1] in (*_PART_MARKS, ".")
        masked.append(letter if first and not alone else MASK)
        first = False
    return "".join(masked)


def _letters(word: str) -> Iterator[str]:
    """Letters with the marks that belong to them."""
    letter = ""
    for one in word:
        if letter and not unicodedata.category(one).startswith("M"):
            yield letter
            letter = ""
        letter += one
    if letter:
        yield letter
