"""Words of the three languages: Faker's, without those that are kept for the benchmark, and lists of our own.

`HELD_OUT`: one word in six (by its checksum) never occurs in training, so that a figure can be given for names and
words that no network has seen.
"""

import zlib
from functools import cache
from random import Random
from typing import Final

from faker import Faker

SCRIPTS: Final = ("zh", "en", "ru")
_LOCALES: Final = {"zh": "zh_CN", "en": "en_US", "ru": "ru_RU"}
_HELD_OUT_ONE_IN: Final = 6


def held_out(word: str) -> bool:
    """Whether a word is kept from training."""
    return zlib.crc32(word.lower().encode()) % _HELD_OUT_ONE_IN == 0


@cache
def faker(script: str) -> Faker:
    """Faker of a script. Its own chance is not used: words are drawn from its lists with ours."""
    return Faker(_LOCALES[script], use_weighting=False)


@cache
def _lists(script: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    wanted = ("first_names", "first_names_male", "first_names_female", "last_names", "last_names_male",
              "last_names_female", "middle_names_male", "middle_names_female", "word_list", "jobs", "city_names",
              "cities", "street_titles", "street_titles_noflex", "countries", "provinces", "districts", "states",
              "region_oblast", "street_suffixes", "catch_phrase_adj", "catch_phrase_noun", "company_suffixes",
              "first_name", "city_suffixes")  # fmt: skip
    for provider in reversed(faker(script).providers):
        for name in wanted:
            values = getattr(provider, name, None)
            if isinstance(values, dict):
                values = tuple(values)
            if isinstance(values, list | tuple) and values and all(isinstance(each, str) for each in values):
                found[name] = tuple(dict.fromkeys(values))
    return found


@cache
def known(script: str, name: str, *, all_of_them: bool = False) -> tuple[str, ...]:
    """One of Faker's lists; with `all_of_them` also the words kept from training."""
    words = _lists(script).get(name, ())
    return words if all_of_them else tuple(word for word in words if not held_out(word))


def one(chance: Random, script: str, name: str, *, all_of_them: bool = False) -> str:
    """One word of such a list."""
    return chance.choice(known(script, name, all_of_them=all_of_them))
