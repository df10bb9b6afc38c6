"""Identifiers that are numbers: digits in groups, decided by length, layout and check digit.

Each predicate takes the bare characters. python-stdnum has most; SNILS and the numbers of Chinese cards are ours.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Final

import phonenumbers
from stdnum import iban, luhn
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError
from stdnum.ru import inn

from kiosk.protection.kinds import Found, Kind

_ACCOUNT_DIGITS: Final = range(10, 20)  # 8 and 9 digits may as well be an amount: those only with a label (`labels`)
_CARD_DIGITS: Final = range(13, 20)
# First digits of cards that somebody issues (ISO/IEC 7812-1): Mir and Mastercard 2, American Express, JCB and Diners 3,
# Visa 4, Mastercard and Maestro 5, Discover, Maestro and UnionPay 60-69, UnionPay 81. What begins with 9 is given out
# by each country for itself: in China 9558 (ICBC) and cards of many city banks, which no table of prefixes has whole.
_CARD_PREFIX: Final = re.compile(r"2[2-7]|3[04-689]|4|5|6|81|9")
_SNILS_CHECKED_FROM: Final = 1001998  # older numbers have no check digits; they end below this
_RIC_PROVINCES: Final = frozenset(
    map(
        str,
        (
            *range(11, 16),
            *range(21, 24),
            *range(31, 38),
            *range(41, 47),
            *range(50, 55),
            *range(61, 66),
            71,
            81,
            82,
            83,
        ),
    )
)
_ACCOUNT_RU: Final = re.compile(r"(?:30[1-3]|40[1-8]|4[1-7]\d|52\d)\d\d(?:810|643|840|978|156)\d{12}")
_RUN: Final = re.compile(r"\d+(?:[ .-]{1,2}\d+)*")  # no two ways to match: linear
_HASH: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9]{0,127}[a-f])[0-9a-f]{16,128})(?![0-9A-Za-z])"
)
_GROUPS_MAX: Final = 6
_RUN_CHARACTERS_MIN: Final = 10  # no layout below has fewer digits
_IBAN_CHARACTERS_MIN: Final = 15  # Norway's


def snils(digits: str) -> bool:
    """A Russian insurance number: nine digits and a checksum modulo 101 (Pension Fund, order 1995-01-13).

    Numbers up to 001-001-998 have none: any last two digits may follow.
    """
    if len(digits) != 11 or digits[:9] == "000000000":  # noqa: PLR2004
        return False
    number, check = digits[:9], int(digits[9:])
    if int(number) < _SNILS_CHECKED_FROM:
        return digits.startswith("00")
    return sum(int(digit) * weight for digit, weight in zip(number, range(9, 0, -1), strict=True)) % 101 % 100 == check


def ogrn(digits: str) -> bool:
    """A Russian register number: 13 digits of a company, 15 of a sole trader, the last one a check digit.

    Not `stdnum.ru.ogrn`: of 15 digits it takes the remainder modulo 13 whole, which may have two digits; the rules
    (Ministry of Finance, order 165n of 2017) take its last one. Sole traders' numbers begin with 3 or 4.
    """
    if len(digits) == 13:  # noqa: PLR2004
        return digits[0] != "0" and int(digits[:-1]) % 11 % 10 == int(digits[-1])
    return len(digits) == 15 and digits[0] in "34" and int(digits[:-1]) % 13 % 10 == int(digits[-1])  # noqa: PLR2004


def bank_card(digits: str) -> bool:
    """A payment card: 13 to 19 digits, a prefix that is given out, Luhn."""
    return len(digits) in _CARD_DIGITS and _CARD_PREFIX.match(digits) is not None and luhn.is_valid(digits)


def bank_account(digits: str) -> bool:
    """An account of this kiosk's bank (Luhn), or a Russian one of 20 digits with its balance account and currency."""
    return (len(digits) in _ACCOUNT_DIGITS and luhn.is_valid(digits)) or _ACCOUNT_RU.fullmatch(digits) is not None


def resident_id_cn(characters: str) -> bool:
    """A Chinese resident's number, 18 characters with a check digit or 15 digits of the old form.

    Not `ric.validate`: its table of places lacks many that were given numbers, and it raises on some.
    """
    if characters[:2] not in _RIC_PROVINCES:
        return False
    if len(characters) == 15:  # noqa: PLR2004
        return _is_date("19" + characters[6:12])
    if len(characters) != 18:  # noqa: PLR2004
        return False
    try:
        ric.get_birth_date(characters)
    except (ValidationError, ValueError):
        return False
    return bool(ric.calc_check_digit(characters) == characters[-1].upper())


def _is_date(yyyymmdd: str) -> bool:
    try:
        date(int(yyyymmdd[:4]), int(yyyymmdd[4:6]), int(yyyymmdd[6:]))
    except ValueError:
        return False
    return True


def national_phone(digits: str, region: str) -> bool:
    """Whether somebody in `region` dials these digits."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(digits, region))
    except phonenumbers.NumberParseException:
        return False


def passport_ru(digits: str) -> bool:
    """Series (region of issue, year of print) and number of a Russian passport. No check digit: its layout tells."""
    year = int(digits[2:4])
    return 1 <= int(digits[:2]) <= 99 and (year >= 97 or year <= 40)  # noqa: PLR2004 - printed since 1997


_phone_cn = partial(national_phone, region="CN")
_phone_ru = partial(national_phone, region="RU")
_phone_us = partial(national_phone, region="US")
# Lengths of the digit groups as people write them -> what it then may be. The first that fits names the kind.
_CARD_LAYOUTS: Final = (
    "4-4-4-4",
    "4-4-4-4-1",
    "4-4-4-4-2",
    "4-4-4-4-3",
    "4-6-5",
    "4-6-4",
    "6-13",
    "6-10",
    "4-4-4-1",
    "4-4-4-2",
    "4-4-4-3",
)
_LAYOUTS: Final[tuple[tuple[Kind, tuple[str, ...], Callable[[str], bool]], ...]] = (
    ("resident_id_cn", ("18", "15", "6-8-4"), resident_id_cn),
    ("uscc_cn", ("18",), lambda text: bool(uscc.is_valid(text))),
    ("bank_card", (*_CARD_LAYOUTS, *map(str, _CARD_DIGITS)), bank_card),
    ("snils_ru", ("11", "3-3-3-2", "3-3-5"), snils),
    ("inn_ru", ("10", "12", "4-6", "4-8"), lambda text: bool(inn.is_valid(text))),
    ("ogrn_ru", ("13", "15", "1-2-2-8", "1-2-2-10"), ogrn),
    ("phone", ("11", "3-4-4", "3-8", "4-7", "4-8", "12", "3-7", "13", "2-11", "2-3-4-4"), _phone_cn),
    ("phone", ("11", "1-3-3-2-2", "1-3-3-4", "1-10", "3-3-2-2", "3-3-4", "1-3-7"), _phone_ru),
    ("phone", ("3-3-4", "1-3-3-4"), _phone_us),
    ("phone", ("10",), lambda digits: digits[0] == "9" and _phone_ru(digits)),
    ("passport_ru", ("2-2-6", "4-6"), passport_ru),
    ("bank_account", (*map(str, _ACCOUNT_DIGITS), "20", "5-3-1-4-7", "4-4-4-4-4"), bank_account),
)  # fmt: skip
_BY_LAYOUT: Final = {
    layout: tuple((kind, check) for kind, layouts, check in _LAYOUTS if layout in layouts)
    for layout in {each for _, layouts, _ in _LAYOUTS for each in layouts}
}


def without_hashes(text: str) -> str:
    """`text` with a line in place of hashes and ids in hex: their digits are no numbers."""
    return _HASH.sub(lambda match: "_" * len(match.group()), text)


def find(text: str) -> Iterator[Found]:
    """All identifiers in `text` that are digits in groups. Linear: each group starts at most six windows."""
    hidden = without_hashes(text)
    for run in _RUN.finditer(hidden):
        if run.end() - run.start() < _RUN_CHARACTERS_MIN:
            continue
        yield from _windows(hidden, [(run.start() + a, run.start() + b) for a, b in _groups(run.group())])


def _groups(run: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\d+", run)]


def _windows(text: str, groups: list[tuple[int, int]]) -> Iterator[Found]:
    first = 0
    while first < len(groups):
        taken = 1
        for last in range(min(len(groups), first + _GROUPS_MAX), first, -1):  # the longest layout first
            window = groups[first:last]
            found = _decided([text[start:end] for start, end in window], text[window[-1][1] :][:1])
            if found:
                kind, more = found
                yield Found(window[0][0], window[-1][1] + more, kind)
                taken = last - first
                break
        first += taken


def _decided(groups: list[str], after: str) -> tuple[Kind, int] | None:
    """The kind, and how many characters behind the digits belong to it (the X of a resident's number)."""
    digits = "".join(groups)
    if len(digits) == 17 and after in ("X", "x") and resident_id_cn(digits + "X"):  # noqa: PLR2004
        return "resident_id_cn", 1
    for kind, check in _BY_LAYOUT.get("-".join(str(len(group)) for group in groups), ()):
        if check(digits):
            return kind, 0
    return None


_PLUS: Final = re.compile(r"\+\d[\d ().-]{5,24}\d")
_LAST_GROUP: Final = re.compile(r"[ ().-]{1,25}\d{1,25}$")


_BRACKETS: Final = re.compile(r"(?:(?<!\d)[178] ?)?\(\d{3,5}\) ?\d[\d -]{3,10}\d(?!\d)")
# In a lookahead, so that one may begin inside what another beginning would have taken.
_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{1,4}){2,9}))")
_USCC: Final = re.compile(r"(?<![A-Za-z0-9])[0-9A-Za-z]{2}\d{6}[0-9A-Za-z]{10}(?![A-Za-z0-9])")


def find_phones(text: str) -> Iterator[Found]:
    """Numbers with a plus, and those with brackets around their area code."""
    for sign, pattern, regions in (("+", _PLUS, ("ZZ",)), ("(", _BRACKETS, ("RU", "CN", "US"))):
        for match in pattern.finditer(text) if sign in text else ():
            for candidate in _shortened(match.group()):
                if any(national_phone(candidate, region) for region in regions):
                    yield Found(match.start(), match.start() + len(candidate), "phone")
                    break


def _shortened(candidate: str) -> Iterator[str]:
    """What follows a number may be other numbers: the candidate, then without its last groups one after the other."""
    while candidate:
        yield candidate
        candidate, dropped = _LAST_GROUP.subn("", candidate)
        if not dropped:
            return


def find_lettered(text: str) -> Iterator[Found]:
    """IBANs (also in groups of four) and Chinese companies' codes with letters."""
    for match in _IBAN.finditer(text):
        candidate = match.group(1)
        while len(candidate) >= _IBAN_CHARACTERS_MIN:  # what follows may be other words: drop them from its end
            if iban.is_valid(candidate, check_country=False):
                yield Found(match.start(), match.start() + len(candidate), "iban")
                break
            candidate = candidate.rpartition(" ")[0]
    for match in _USCC.finditer(text):
        if uscc.is_valid(match.group()):
            yield Found(match.start(), match.end(), "uscc_cn")
