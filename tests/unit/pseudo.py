"""A language that nobody speaks: English with every letter accented and a tenth longer, to find what is cut or was
never put into a catalogue."""

import re
import string
from typing import Any, Final

import msgspec

from kiosk.terminal.words import Catalogue, Words, words_of

LONGER: Final = 0.1
_ACCENTED: Final = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "áƀćďéƒǵĥíĵķĺḿńöƥʠŕšţúṽŵẋýžÁƁĆĎÉƑǴĤÍĴĶĹḾŃÖƤɊŔŠŢÚṼŴẊÝŽ",
)
ASCII_WORD: Final = re.compile(r"[A-Za-z]{3,}")


def accented(text: str) -> str:
    """The same with accents and a tail; what is filled in stays."""
    told = ""
    for words, field, _, _ in string.Formatter().parse(text):
        told += words.translate(_ACCENTED) + ("" if field is None else f"{{{field}}}")
    return told + "".join("ö" if place % 5 else " " for place in range(round(len(text) * LONGER)))


def _each(value: Any) -> Any:
    return {key: _each(one) for key, one in value.items()} if isinstance(value, dict) else accented(value)


def pseudo() -> Words:
    """The language."""
    english = msgspec.to_builtins(words_of("en").catalogue)
    told = {key: _each(value) if isinstance(value, dict) else value for key, value in english.items()}
    told |= {"name": accented("English"), "currency": english["currency"] | {"CNY": {"other": "{amount} ýúáñ"}}}
    return Words("en", msgspec.convert(told, Catalogue))
