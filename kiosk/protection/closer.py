"""What running text that leaves is searched for beyond `spans`: other ways of writing, and what only words around tell.

Kept apart from `patterns` and `numbers`, because those are also two of the classifier's algorithms: what they find, the
networks were trained with. A rule here may hide a little too much (a number of 15 digits that is nobody's account), and
none may take long: every repetition is bounded, no part matches the same characters in two ways.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from stdnum import luhn
from stdnum.cn import uscc

from kiosk.protection.kinds import Found, Kind
from kiosk.protection.numbers import national_phone, without_hashes
from kiosk.protection.patterns import PROVINCES

_NO_WORD: Final = r"(?<![A-Za-zА-Яа-я0-9_])"
_NO_MORE: Final = r"(?![A-Za-zА-Яа-я0-9_])"
_RU: Final = "АВЕКМНОРСТУХ"
_MONEY: Final = (
    r"¥|￥|\$|€|₽|£|(?:万|千)?元(?:整)?|(?:тыс\. ?)?руб(?:\.|лей|ля|ль)?|HK\$|US\$"
    r"|CNY|RMB|RUB|USD|EUR|GBP|HKD|人民币"
)
_NUMBER: Final = r"\d{1,12}(?:[ ,.]\d{3}){0,4}(?:[.,]\d{1,2})?"
_COUNTRIES: Final = (
    "AD|AE|AT|AU|BE|BG|BR|BY|CA|CH|CN|CY|CZ|DE|DK|EE|ES|FI|FR|GB|GE|GR|HK|HR|HU|IE|IL|IN|IS|IT|JP|KG|KR|KZ|LI|LT|LU|LV|MC"
    "|MD|MN|MO|MT|MX|MY|NL|NO|NZ|PL|PT|RO|RS|RU|SE|SG|SI|SK|TH|TJ|TM|TR|TW|UA|US|UZ|VN|ZA"
)


def _always(_: str) -> bool:
    return True


def _dialled(text: str) -> bool:
    return national_phone("+" + "".join(filter(str.isdigit, text)).removeprefix("00"), "ZZ")


def _bare_uscc(text: str) -> bool:
    return bool(uscc.is_valid(text.replace(" ", "")))


def _luhn(text: str) -> bool:
    return bool(luhn.is_valid("".join(filter(str.isdigit, text))))


@dataclass(frozen=True)
class _Rule:
    """`group` of `pattern` is of this kind if it holds. `signs`: one of them is in the text, lower-cased."""

    kind: Kind
    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    group: int = 0
    holds: Callable[[str], bool] = _always


_DIGITS: Final = ("a digit",)  # sought outside of hashes and ids in hex, whose digits are no numbers
_ANY_DIGIT: Final = re.compile("[0-9]")
_RULES: Final = (
    _Rule("phone", ("00",), re.compile(r"(?<![\d.])00[1-9](?:[ -]?\d){8,13}(?!\d)"), holds=_dialled),
    # Nothing of ours has so many digits: an account without a check digit, a card with a typing error.
    _Rule("bank_account", _DIGITS, re.compile(r"(?<![\w.])\d{15,32}(?![\w.]\d)")),
    _Rule("bank_account", _DIGITS, re.compile(r"(?<![\w.])\d{4}(?:([ -])\d{4})(?:\1\d{4}){1,3}(?:\1\d{1,4})?(?![\w])")),
    _Rule("bank_card", _DIGITS, re.compile(r"(?<!\d)(?:5[0678]|6\d)\d{10}(?!\d)"), holds=_luhn),
    _Rule("ogrn_ru", ("огрн", "ogrn"), re.compile(r"(?i)(?:огрн(?:ип)?|ogrn(?:ip)?)[:= ]{0,3}(\d(?: ?\d){12,14})(?!\d)"), 1),
    _Rule(
        "uscc_cn",
        _DIGITS,
        re.compile(_NO_WORD + r"[0-9A-Z]{2} \d{6} [0-9A-Z]{9} [0-9A-Z]" + _NO_MORE),
        holds=_bare_uscc,
    ),
    _Rule("passport_ru", ("сери", "№", "номер"), re.compile(r"(?i)(?<!\d)(\d\d ?\d\d) {0,2}(?:№|номер|n) {0,2}(\d{6})(?!\d)")),
    _Rule("passport_cn", _DIGITS, re.compile(_NO_WORD + r"(?:[DEGPSdegps] ?\d{8}|[DEPSdeps] ?[A-HJ-NP-Za-hj-np-z]\d{7})" + _NO_MORE)),
    _Rule(
        "bic",
        _DIGITS,
        re.compile(_NO_WORD + rf"(?=[A-Z]{{6}}[A-Z]{{0,4}}\d)[A-Z]{{4}}(?:{_COUNTRIES})[A-Z0-9]{{2}}(?:[A-Z0-9]{{3}})?" + _NO_MORE),
    ),
    _Rule("birth_date", ("生",), re.compile(r"\d{4}年\d{1,2}月(?:\d{1,2}日)?(?=出?生)")),
    _Rule("birth_date", ("г. р", "г.р", "года рождения"), re.compile(r"\d{1,2}[./]\d{1,2}[./]\d{2,4}(?= ?(?:г\. ?р|года рожд))")),
    _Rule("vehicle_plate", _DIGITS, re.compile(_NO_WORD + r"[A-Z]{2}\d{2} ?[A-Z]{3}" + _NO_MORE)),
    _Rule("vehicle_plate", _DIGITS, re.compile(_NO_WORD + r"\d[A-Z]{3}\d{3}" + _NO_MORE)),
    _Rule("vehicle_plate", _DIGITS, re.compile(_NO_WORD + r"[ABEKMHOPCTYX] ?\d{3} ?[ABEKMHOPCTYX]{2} ?\d{2,3}" + _NO_MORE)),
    _Rule("vehicle_plate", _DIGITS, re.compile(rf"[{PROVINCES}][A-HJ-NP-Z]-[A-HJ-NP-Z0-9]{{5,6}}" + _NO_MORE)),
    _Rule("vehicle_plate", _DIGITS, re.compile(_NO_WORD + rf"[{_RU}]{{2}} ?\d{{4}} ?\d{{2,3}}" + _NO_MORE)),
    _Rule("mac_address", (".",), re.compile(_NO_WORD + r"(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}" + _NO_MORE)),
    _Rule("secret", ("pwd", "pass", "ключ", "密钥"), re.compile(r"(?i)(?:\b(?:pwd|pass)|ключ|密钥)[\"']?\s{0,2}[=:：]\s{0,2}[\"']?([^\s\"',;]{1,256})"), 1),
    _Rule(
        "secret",
        ("sk", "pk", "gh", "xox", "glpat", "hf", "akia", "ya29"),
        re.compile(r"(?<![A-Za-z0-9])(?:sk|pk|gh[pousr]|xox[abpr]|glpat|hf|AKIA|ya29)[-_.]?[A-Za-z0-9_-]{16,256}"),
    ),
    _Rule("device_token", ("tok_", "token["), re.compile(r"(?<![A-Za-z0-9])(?:tok_[A-Za-z0-9_-]{8,256}|Expo[a-z]{3,4}PushToken\[[^\]\s]{4,256}\]?)")),
    _Rule("device_token", (":apa91",), re.compile(r"(?<![\w-])[\w-]{8,64}:APA91[\w-]{16,512}")),
    _Rule("bank_account", ("a/c", "р/с"), re.compile(r"(?i)(?:a/c|р/с)(?: ?no\.?| ?№)?[:= ]{0,3}(\d(?:[ -]?\d){7,18})(?!\d)"), 1),
    _Rule("amount", _DIGITS, re.compile(rf"(?:{_MONEY}) ?-?{_NUMBER}|(?<![\d.,]){_NUMBER} ?(?:{_MONEY})")),
)  # fmt: skip


def find(folded: str) -> Iterator[Found]:
    """Everything of this kind in a folded text; spans may overlap."""
    lowered = folded.lower()
    numbered = without_hashes(folded) if _ANY_DIGIT.search(folded) else ""
    for rule in _RULES:
        by_digits = rule.signs is _DIGITS
        if numbered if by_digits else any(sign in lowered for sign in rule.signs):
            for match in rule.pattern.finditer(numbered if by_digits else folded):
                if rule.holds(match.group(rule.group)):
                    yield Found(match.start(rule.group), match.end(rule.group), rule.kind)
