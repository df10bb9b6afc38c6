"""Identifiers that are told by their pattern, or by the word before them.

Every repetition is bounded and no part can match the same characters in two ways, so that time grows with the text and
never faster; `tests/property/test_protection.py` feeds them what makes careless patterns explode.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from kiosk.protection.kinds import Found, Kind

EMAIL: Final = r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_MAC: Final = r"(?<![0-9A-Fa-f:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![:-]?[0-9A-Fa-f])"
_IPV4: Final = r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d]|\.\d)"
_IPV6: Final = r"(?<![\w:])[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:])"
PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATE_CN: Final = (
    rf"[{PROVINCES}][A-HJ-NP-Z][·. ]?[A-HJ-NP-Z0-9]{{4,5}}"
    r"[A-HJ-NP-Z0-9挂学警港澳](?![A-Za-z0-9])"
)
_RU_LETTERS: Final = "АВЕКМНОРСТУХавекмнорстух"
PLATE_RU: Final = rf"(?<![А-Яа-я0-9])[{_RU_LETTERS}] ?\d{{3}} ?[{_RU_LETTERS}]{{2}} ?\d{{2,3}}(?!\d)"  # noqa: RUF001
_PASSPORT_CN: Final = r"(?<![A-Za-z0-9])(?:[DEGPS]\d{8}|E[A-HJ-NP-Z]\d{7}|[DS]E\d{7}|PE\d{7})(?![A-Za-z0-9])"
PEM: Final = r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[A-Za-z0-9+/=\s:,-]{0,16384}"
_KEY_FILE: Final = r"kiosk-key-v1 [a-z0-9-]{1,32} [A-Za-z0-9+/=]{1,2048}"
JWT: Final = r"(?<![\w-])eyJ[\w-]{4,4096}\.[\w-]{4,4096}(?:\.[\w-]{0,4096})?"
BEARER: Final = r"(?i:bearer|basic) [A-Za-z0-9._~+/=-]{8,4096}"
_USERINFO: Final = r"(?<=://)[^\s/@:]{0,128}:[^\s/@]{1,128}(?=@)"


def _always(_: str) -> bool:
    return True


def _address(text: str) -> bool:
    """An address of somebody: not this machine itself, and no two words with colons between them."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified) and any(character.isdigit() for character in text)


# A word, an optional sign, and what it names. Group 1 is masked.
_SIGN: Final = r"[\"']?\s{0,2}(?:[=:：№#]|is|是|为)?\s{0,2}[\"']?"  # noqa: RUF001 - full-width colon
_NAMED: Final = (
    r"(?i)(?:pass(?:word|phrase|wd)|secret|api[_-]?key|private[_-]?key|парол[ья]|密码|口令)"
    r"[\"']?\s{0,2}[=:：]\s{0,2}[\"']?([^\s\"',;]{1,256})"  # noqa: RUF001
)
_PIN: Final = r"(?i)\bpin(?:[_ -]?code)?[\"']?\s{0,2}[=:：]?\s{0,2}[\"']?(\d{4,12})(?!\d)"  # noqa: RUF001
_TOKEN: Final = r"(?i)\btoken[\"']?\s{0,2}[=:：]\s{0,2}[\"']?([^\s\"',;]{8,4096})"  # noqa: RUF001, S105
_BIC: Final = (
    rf"(?i:\bbic\b|\bswift\b|бик){_SIGN}"
    r"((?-i:[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)|04\d{7})(?![A-Za-z0-9])"
)
_BIRTH: Final = (
    rf"(?i:birth(?:[_ -]?da(?:te|y))?|\bdob\b|\bborn(?: on)?\b|дата рождения|родил(?:ся|ась)|出生日期|出生|生日){_SIGN}"
    r"(\d{4}[-./年 ]\d{1,2}[-./月 ]\d{1,2}日?|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}|\d{8})(?!\d)"
)
_ACCOUNT: Final = rf"(?i:account|\bacct?\b|сч[её]та?|账号|账户|帐号){_SIGN}(\d(?:[ -]?\d){{7,18}})(?!\d)"
_PASSPORT: Final = (
    rf"(?i:passport|паспорт|护照)(?i: no\.?| number|а|号|号码)?{_SIGN}([A-Z]{{0,2}}\d(?: ?\d){{6,9}})(?!\d)"  # noqa: RUF001
)


@dataclass(frozen=True)
class _Rule:
    """`group` of `pattern` is of this kind if it holds. `signs`: one of them is in the text, lower-cased."""

    kind: Kind
    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    group: int = 0
    holds: Callable[[str], bool] = _always


_RULES: Final = (
    _Rule("secret", ("private key",), re.compile(PEM)),
    _Rule("secret", ("kiosk-key",), re.compile(_KEY_FILE)),
    _Rule("secret", ("://",), re.compile(_USERINFO)),
    _Rule("secret", ("pass", "secret", "key", "парол", "密码", "口令"), re.compile(_NAMED), 1),
    _Rule("secret", ("pin",), re.compile(_PIN), 1),
    _Rule("device_token", ("eyj",), re.compile(JWT)),
    _Rule("device_token", ("bearer", "basic"), re.compile(BEARER)),
    _Rule("device_token", ("token",), re.compile(_TOKEN), 1),
    _Rule("email", ("@",), re.compile(EMAIL)),
    _Rule("mac_address", (":", "-"), re.compile(_MAC)),
    _Rule("ip_address", (".",), re.compile(_IPV4), holds=_address),
    _Rule("ip_address", (":",), re.compile(_IPV6), holds=_address),
    _Rule("vehicle_plate", tuple(PROVINCES), re.compile(PLATE_CN)),
    _Rule("vehicle_plate", tuple(_RU_LETTERS), re.compile(PLATE_RU)),
    _Rule("bic", ("bic", "swift", "бик"), re.compile(_BIC), 1),
    _Rule("birth_date", ("birth", "dob", "born", "рожден", "родил", "出生", "生日"), re.compile(_BIRTH), 1),
    _Rule("bank_account", ("acc", "сч", "账", "帐"), re.compile(_ACCOUNT), 1),
    _Rule("passport_cn", ("",), re.compile(_PASSPORT_CN)),
    _Rule("passport_cn", ("passport", "паспорт", "护照"), re.compile(_PASSPORT), 1, lambda text: text[0].isalpha()),
    _Rule("passport_ru", ("passport", "паспорт", "护照"), re.compile(_PASSPORT), 1, lambda text: text[0].isdigit()),
)


def find(text: str) -> Iterator[Found]:
    """Everything in `text` that a pattern or a label tells."""
    lowered = text.lower()
    for rule in _RULES:
        if any(sign in lowered for sign in rule.signs):
            for match in rule.pattern.finditer(text):
                if rule.holds(match.group(rule.group)):
                    yield Found(match.start(rule.group), match.end(rule.group), rule.kind)
