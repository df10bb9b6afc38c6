"""What check digits and patterns say of a whole cell: two of the algorithms that `classify` weighs.

`checked`: a check digit, a numbering plan or a parser agrees. `shaped`: it is written like one. Both may name several
kinds (13 digits may pass as a card and as an OGRN): which it is the others and the column decide.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from stdnum import iban, luhn
from stdnum.cn import uscc
from stdnum.ru import inn

from kiosk.protection import numbers, patterns
from kiosk.protection.kinds import Kind

CELL_CHARACTERS_MAX: Final = 256  # a longer one is no identifier
_SEPARATORS: Final = str.maketrans("", "", " .-()/+,")
_GROUPED: Final = re.compile(r"[+(-]?\d[\d ().,/-]{1,30}\d\)?")
_BIRTH_YEARS: Final = range(1900, 2027)

Opinion = tuple[Kind, ...]


@dataclass(frozen=True)
class Seen:
    """Kinds that a check digit agrees with, and kinds that it is written like."""

    checked: Opinion = ()
    shaped: Opinion = ()
    labelled: bool = False  # words stood before it: a label, or a text that holds it


_NOTHING: Final = Seen()


def see(folded: str) -> Seen:
    """Look at a whole cell, folded. Microseconds: by its length and first character few rules are tried."""
    text = folded.strip()
    if not 3 <= len(text) <= CELL_CHARACTERS_MAX:  # noqa: PLR2004
        return _NOTHING
    if _GROUPED.fullmatch(text):
        return _digits(text)
    seen = _lettered(text)
    return seen if seen is not _NOTHING else _labelled(text)


# A word or two that name what follows: "ИНН: 7707083893", "acct no 12 34", "卡号6222...".
_LABEL: Final = re.compile(r"[\u4e00-\u9fff]{1,6}[ :=]{0,3}|(?:[^\W\d_]{1,14}[. ]{0,2}){1,3}[ :=№#.-]{0,4}(?=[\d+(])")


def _labelled(text: str) -> Seen:
    label = _LABEL.match(text)
    if label is None or label.end() >= len(text) - 2:
        return _NOTHING
    rest = text[label.end() :]
    seen = _digits(rest) if _GROUPED.fullmatch(rest) else _lettered(rest)
    return Seen(seen.checked, seen.shaped, labelled=True)


def _digits(text: str) -> Seen:
    bare = text.translate(_SEPARATORS)
    checked: list[Kind] = []
    if "," not in text:  # a comma makes an amount of it
        checked += [kind for kind, holds in _CHECKED.get(len(bare), ()) if holds(bare)]
        if 10 <= len(bare) <= 13 and _phone(text, bare):  # noqa: PLR2004
            checked.append("phone")
    shaped: list[Kind] = [kind for kind, pattern in _SHAPES_OF_DIGITS if pattern.fullmatch(text)]
    return Seen(tuple(checked), tuple(shaped))


@lru_cache(maxsize=4096)  # the parser takes longer than all the rest
def _phone(text: str, bare: str) -> bool:
    if text[0] == "+":
        return numbers.national_phone(text, "ZZ")
    if _DIALLED.match(bare) is None:
        return False
    regions = ("US", "GB", "RU", "CN") if "(" in text or "-" in text else ("RU", "CN")
    return any(numbers.national_phone(text, region) for region in regions)


# The first digits that somebody dials in China (mobile, then 0 and the area), Russia, Britain, the United States.
_DIALLED: Final = re.compile(r"1[3-9]\d{9}$|0\d{9,11}$|[78][3489]\d{9}$|9\d{9}$|86\d{10,11}$|400\d{7}$|1?[2-9]\d{9}$")
_OLD_CARD: Final = re.compile(r"(?:5[0678]|6\d)\d{10}|(?:1800|2131)\d{11}")  # Maestro of 12 digits, JCB of 15


def _card(bare: str) -> bool:
    return numbers.bank_card(bare) or (_OLD_CARD.fullmatch(bare) is not None and bool(luhn.is_valid(bare)))


_RULES: Final[tuple[tuple[Kind, tuple[int, ...], Callable[[str], bool]], ...]] = (
    ("resident_id_cn", (15, 18), numbers.resident_id_cn),
    ("uscc_cn", (18,), lambda bare: bool(uscc.is_valid(bare))),
    ("bank_card", tuple(range(12, 20)), _card),
    ("snils_ru", (11,), numbers.snils),
    ("inn_ru", (10, 12), lambda bare: bool(inn.is_valid(bare))),
    ("ogrn_ru", (13, 15), numbers.ogrn),
    ("bank_account", tuple(range(10, 20)), lambda bare: bool(luhn.is_valid(bare))),
)
_CHECKED: Final = {
    length: [(kind, holds) for kind, lengths, holds in _RULES if length in lengths] for length in range(10, 20)
}
_DATE: Final = (
    r"(?:19\d\d|20[0-2]\d)([-./ ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|[12]\d|3[01])[-./](?:19|20)?\d\d"
)
_SHAPES_OF_DIGITS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("birth_date", re.compile(_DATE)),
    ("passport_ru", re.compile(r"(?!00)\d\d ?(?:9[7-9]|[0-3]\d) ?-?\d{6}")),
    (
        "bank_account",
        re.compile(r"(?:30[1-3]|40[1-8]|4[1-7]\d|52\d)[ .]?\d\d[ .]?(?:810|643|840|978|156)(?:[ .]?\d){12}"),
    ),
    ("bic", re.compile(r"04[0-9]{7}")),
    ("ip_address", re.compile(r"(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}")),
    ("amount", re.compile(r"\(?[+-]?(?:\d{1,3}(?:[ ,.]\d{3})+(?:[.,]\d\d)?|\d+[.,]\d\d)\)?")),
)


def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_MAC: Final = re.compile(
    r"[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"
)
_MONEY: Final = (
    r"¥|￥|\$|€|₽|£|(?:万|千)?元(?:整)?|(?:тыс\. ?)?руб(?:\.|лей|ля|ль)?|HK\$|US\$|р\."  # noqa: RUF001
    r"|CNY|RMB|RUB|USD|EUR|GBP|HKD|人民币"
)
_NUMBER: Final = r"-?\d{1,12}(?:[ ,.]\d{3})*(?:[.,]\d{1,2})?"
_BARE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z -]{10,44}")
_DATE_WORDS: Final = re.compile(
    r"(?:19\d\d|20[0-2]\d)年\d{1,2}月(?:\d{1,2}日?)?"
    r"|\d{1,2} [A-Za-zА-Яа-я]{3,9}\.? (?:19|20)\d\d(?: ?г\.?)?"  # noqa: RUF001 - Cyrillic is meant
    r"|[A-Z][a-z]{2,8} \d{1,2},? (?:19|20)\d\d|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}"
)
# Other types of GOST R 50577: taxis and trailers, motor cycles, police, transit, diplomats; Latin look-alikes, too.
_RU: Final = "[АВЕКМНОРСТУХABEKMHOPCTYXавекмнорстух]"  # noqa: RUF001
_PLATE_RU_OTHER: Final = re.compile(
    rf"{_RU}{{2}} ?\d{{3,4}} ?\d{{2,3}}|\d{{4}} ?{_RU}{{1,2}} ?\d{{2,3}}|{_RU} ?\d{{4}} ?\d{{2,3}}"
    rf"|{_RU}{{2}} ?\d{{3}} ?{_RU} ?\d{{2,3}}|\d{{3}} ?(?:CD|D|T|{_RU}) ?\d{{3}} ?\d{{2,3}}"
)
_SHAPES: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("email", re.compile(patterns.EMAIL)),
    ("mac_address", _MAC),
    ("passport_cn", re.compile(r"[DEGPS]\d{8}|E[A-HJ-NP-Z]\d{7}|[DSP]E\d{7}")),
    ("bic", re.compile(r"[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")),
    ("vehicle_plate", re.compile(patterns.PLATE_CN)),
    ("vehicle_plate", re.compile(patterns.PLATE_RU)),
    ("vehicle_plate", _PLATE_RU_OTHER),
    (
        "vehicle_plate",
        re.compile(r"[A-Z]{3} \d{4,5}"),
    ),  # of many states of the USA; with the column's voice, as codes look so, too
    ("amount", re.compile(rf"(?:{_MONEY}) ?{_NUMBER}|{_NUMBER} ?(?:{_MONEY})")),
    ("birth_date", _DATE_WORDS),
    ("device_token", re.compile(patterns.JWT)),
    ("device_token", re.compile(patterns.BEARER)),
    ("secret", re.compile(patterns.PEM)),
    ("secret", re.compile(r"(?:sk|pk|ghp|xox[bp]|glpat|AKIA)[_-]?[A-Za-z0-9_-]{12,128}")),
)


def _lettered(text: str) -> Seen:
    shaped: list[Kind] = [kind for kind, pattern in _SHAPES if pattern.fullmatch(text)]
    checked: list[Kind] = []
    if ":" in text and _ip(text):
        checked.append("ip_address")
    if _BARE.fullmatch(text):
        bare = text.replace(" ", "").replace("-", "").upper()
        if len(bare) == 18 and bare[:-1].isdecimal() and numbers.resident_id_cn(bare):  # noqa: PLR2004
            checked.append("resident_id_cn")
        if len(bare) == 18 and uscc.is_valid(bare):  # noqa: PLR2004
            checked.append("uscc_cn")
        if bare[:2].isalpha() and bare[2:4].isdecimal() and iban.is_valid(bare, check_country=False):
            checked.append("iban")
    if not shaped and not checked:
        return _NOTHING
    return Seen(tuple(checked), tuple(shaped))
