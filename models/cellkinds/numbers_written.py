"""Training templates of everything that is digits, letters and signs: how people and programs write identifiers."""

import string
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Final

from stdnum import luhn

from cellkinds import identifiers as ids
from cellkinds.people import first_en, last_en
from cellkinds.wording import known, one

Template = Callable[[Random], str]
_HEX: Final = "0123456789abcdef"
_URL_SAFE: Final = string.ascii_letters + string.digits + "-_"


def grouped(number: str, *sizes: int, by: str = " ") -> str:
    """Groups of these sizes, the last with what is left."""
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return by.join(part for part in [*parts, number[at:]] if part)


def _random(chance: Random, alphabet: str, count: int) -> str:
    return "".join(chance.choices(alphabet, k=count))


def mobile_cn(chance: Random) -> str:
    return chance.choice(("138", "139", "136", "150", "158", "186", "188", "133", "177", "199")) + _random(
        chance, string.digits, 8
    )


def mobile_ru(chance: Random) -> str:
    return chance.choice(("912", "916", "903", "925", "985", "961", "905", "999", "981")) + _random(
        chance, string.digits, 7
    )


def _us(chance: Random) -> str:
    area = chance.choice(("212", "415", "617", "312", "206", "303", "512", "404"))
    return area + chance.choice("23456789") + _random(chance, string.digits, 6)


def _plate_ru_other(chance: Random) -> str:
    """Trailers, taxis, motor cycles, police, transit, diplomats."""
    letters, region, space = (
        "АВЕКМНОРСТУХ",
        chance.choice(("77", "99", "177", "78", "16", "52", "199", "50")),
        chance.choice(("", "", " ")),
    )
    two, three, four = _random(chance, letters, 2), f"{chance.randint(1, 999):03d}", f"{chance.randint(1, 9999):04d}"
    parts = chance.choice(((two, three, region), (two, four, region), (four, two, region), (two[0], four, region), (four, two[0], region),
                           (two, three, chance.choice(letters), region), (three, chance.choice(("D", "T", "CD")), three, region)))  # fmt: skip
    return space.join(parts)


def birthday(chance: Random) -> date:
    """Of somebody alive."""
    return date(1938, 1, 1) + timedelta(days=chance.randrange(74 * 365))


_MONTHS_RU: Final = (
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
)


def _sum(chance: Random) -> float:
    return round(10 ** chance.uniform(0.5, 6.5), 2)


def _password(chance: Random) -> str:
    word = chance.choice(
        ("Summer", "qwerty", "Dragon", "admin", "Moscow", "Beijing", "monkey", "Welcome", "secure", "kassa")
    )
    pieces = [
        word,
        chance.choice("!@#$%&*?_-.=+"),
        str(chance.randint(0, 9999)),
        _random(chance, string.ascii_letters, 3),
    ]
    chance.shuffle(pieces)
    return chance.choice((
        "".join(pieces[: chance.randint(3, 4)]),
        "".join(pieces[:3]).lower(),
        f"{word}{chance.randint(1, 9999)}{chance.choice('!@#$%&*?')}",
        _random(chance, string.ascii_letters + string.digits + "!@#$%^&*", chance.randint(8, 16)),
        f"{word.lower()}_{_random(chance, _HEX, 4)}{chance.choice('!#')}",
        f"{chance.choice('!@#')}{word}{chance.choice('.-_')}{chance.randint(10, 99)}",
    ))  # fmt: skip


def _api_key(chance: Random) -> str:
    return chance.choice((
        "sk-" + _random(chance, string.ascii_letters + string.digits, 40),
        "AKIA" + _random(chance, string.ascii_uppercase + "234567", 16),
        "ghp_" + _random(chance, string.ascii_letters + string.digits, 36),
        _random(chance, string.ascii_letters + string.digits + "+/", 43) + "=",
        "kiosk-key-v1 record " + _random(chance, string.ascii_letters + string.digits + "+/", 43) + "=",
        f"{chance.choice(('rk', 'pat', 'key', 'xoxp', 'npm', 'hf', 'api'))}{chance.choice('-_')}{ids.digits(chance, 10)}{chance.choice('-_')}{_random(chance, string.ascii_letters + string.digits, 22)}",
        _random(chance, string.ascii_letters + string.digits + "+/", chance.choice((64, 88))) + "==",
        "-----BEGIN PRIVATE KEY-----" + "MC4CAQAwBQYDK2VwBCIEI" + _random(chance, string.ascii_letters, 43),
    ))  # fmt: skip


def _labelled_secret(chance: Random, words: tuple[str, ...]) -> str:
    return f"{chance.choice(words)}{chance.choice((':', ': ', '=', ' = '))}{_password(chance)}"


def _jwt(chance: Random) -> str:
    return "eyJ" + ".".join(_random(chance, _URL_SAFE, count) for count in (33, chance.randint(50, 120), 43))


def _plate_cn(chance: Random) -> str:
    province, letters = (
        chance.choice("京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"),
        "ABCDEFGHJKLMNPQRSTUVWXYZ",
    )
    tail = (
        _random(chance, string.digits * 3 + letters, 5)
        if chance.random() < 0.8
        else chance.choice("DF") + ids.digits(chance, 5)
    )
    return province + chance.choice(letters) + chance.choice(("", "", "·", " ")) + tail


def _plate_ru(chance: Random) -> str:
    letters, region = "АВЕКМНОРСТУХ", chance.choice(("77", "99", "177", "78", "16", "52", "199", "50", "23", "66"))
    space = chance.choice(("", "", " "))
    return f"{chance.choice(letters)}{space}{chance.randint(1, 999):03d}{space}{_random(chance, letters, 2)}{space}{region}"


def both(chance: Random) -> str:
    """Thirteen digits that pass as a card of Maestro's (Luhn) and as an OGRN: only the column can tell which it is."""
    while True:
        body = chance.choice(("502", "503", "506", "507", "508", "509", "510", "511", "512", "516", "517")) + _random(
            chance, string.digits, 9
        )
        number = f"{body}{int(body) % 11 % 10}"
        if luhn.is_valid(number):
            return number


NUMBERS: Final[dict[str, dict[str, list[Template]]]] = {
    "phone": {
        "zh": [mobile_cn, mobile_cn, lambda c: "+86 " + grouped(mobile_cn(c), 3, 4), lambda c: "0086" + mobile_cn(c),
               lambda c: grouped(mobile_cn(c), 3, 4, by="-"),
               lambda c: f"0{c.choice(('10', '21', '755', '571', '28'))}-{c.randint(2, 8)}{ids.digits(c, 7)}",
               lambda c: grouped(mobile_cn(c), 3, 4), lambda c: "86" + mobile_cn(c)],
        "en": [lambda c: f"({_us(c)[:3]}) {grouped(_us(c)[3:], 3, by='-')}", lambda c: grouped(_us(c), 3, 3, by="-"),
               lambda c: "+1 " + grouped(_us(c), 3, 3), lambda c: "+1" + _us(c), lambda c: f"+44 20 {grouped('7' + ids.digits(c, 7), 4)}",
               lambda c: f"+44 7{c.randint(400, 999)} {ids.digits(c, 6)}", lambda c: grouped(_us(c), 3, 3, by="."),
               lambda c: f"{grouped(_us(c), 3, 3, by='-')} ext. {c.randint(1, 999)}"],
        "ru": [lambda c: "+7" + mobile_ru(c), lambda c: "8" + mobile_ru(c), lambda c: "+7 " + grouped(mobile_ru(c), 3, 3, 2),
               lambda c: f"8 ({mobile_ru(c)[:3]}) {grouped(mobile_ru(c)[3:], 3, 2, by='-')}",
               lambda c: f"+7 (495) {grouped(ids.digits(c, 7), 3, 2, by='-')}", lambda c: "7" + mobile_ru(c),
               lambda c: grouped("8" + mobile_ru(c), 1, 3, 3, 2, by="-"), mobile_ru],
    },
    "email": {"en": [lambda c: f"{first_en(c).lower()}.{last_en(c).lower()}@{c.choice(('example.com', 'mail.ru', 'gmail.com', 'yandex.ru'))}",
                     lambda c: f"{last_en(c).lower()}{c.randint(1, 9999)}@{c.choice(('163.com', 'qq.com', 'outlook.com', 'bank.example'))}",
                     lambda c: f"{ids.digits(c, 9)}@qq.com", lambda c: f"{first_en(c)[0].lower()}{last_en(c).lower()}@{one(c, 'en', 'word_list')}.{c.choice(('org', 'net', 'cn', 'io'))}",
                     lambda c: f"{first_en(c)} <{first_en(c).lower()}@{one(c, 'en', 'word_list')}.com>"]},
    "passport_ru": {"ru": [lambda c: grouped(ids.passport_ru(c), 4), lambda c: grouped(ids.passport_ru(c), 2, 2), ids.passport_ru,
                           lambda c: "серия {} номер {}".format(*grouped(ids.passport_ru(c), 4).split()), lambda c: grouped(ids.passport_ru(c), 4, by=" № ")]},
    "passport_cn": {"zh": [ids.passport_cn, ids.passport_cn, lambda c: ids.passport_cn(c).lower(), lambda c: grouped(ids.passport_cn(c), 1)]},
    "resident_id_cn": {"zh": [ids.resident_id, ids.resident_id, lambda c: grouped(ids.resident_id(c), 6, 8), lambda c: ids.resident_id(c).lower(),
                              lambda c: grouped(ids.resident_id(c), 6, 8, by="-")]},
    "inn_ru": {"ru": [ids.tax_number, ids.tax_number, lambda c: "ИНН " + ids.tax_number(c), lambda c: grouped(ids.tax_number(c), 4)]},
    "ogrn_ru": {"ru": [both, ids.register_number, ids.register_number, lambda c: "ОГРН " + ids.register_number(c), lambda c: grouped(ids.register_number(c), 1, 2, 2)]},
    "snils_ru": {"ru": [ids.snils, lambda c: _snils(c, "-", " "),
                        lambda c: _snils(c, "-", "-"), lambda c: _snils(c, " ", " ")]},
    "uscc_cn": {"zh": [ids.company_code, ids.company_code, lambda c: ids.company_code(c).lower(), lambda c: grouped(ids.company_code(c), 2, 6, 9)]},
    "bank_card": {
        "zh": [lambda c: _card(c, "62"), lambda c: grouped(_card(c, "62"), 4, 4, 4, 4), lambda c: grouped(_card(c, "62"), 6)],
        "en": [both, ids.card, ids.card, lambda c: grouped(ids.card(c), 4, 4, 4, 4), lambda c: grouped(ids.card(c), 4, 4, 4, 4, by="-")],
        "ru": [both, lambda c: _card(c, "2"), lambda c: grouped(_card(c, "2"), 4, 4, 4), lambda c: grouped(ids.card(c), 4, 4, 4, 4), lambda c: _card(c, "4")],
    },
    "bank_account": {
        "zh": [ids.account_cn, ids.account_cn, lambda c: grouped(ids.account_cn(c), 4, 4, 4, 4), ids.account_own],
        "en": [ids.account_own, lambda c: grouped(ids.account_own(c), 4, 4, by="-"), lambda c: "Acct " + ids.account_own(c), lambda c: "A/C No. " + ids.digits(c, c.randint(8, 12))],
        "ru": [ids.account_ru, ids.account_ru, lambda c: grouped(ids.account_ru(c), 5, 3, 1, 4), lambda c: "р/с " + ids.account_ru(c), lambda c: grouped(ids.account_ru(c), 5, 3, 1, 4, by=".")],
    },
    "iban": {"en": [ids.iban_number, lambda c: grouped(ids.iban_number(c), *(4,) * 8), lambda c: ids.iban_number(c).lower()]},
    "bic": {"en": [ids.bic, ids.bic, lambda c: "SWIFT " + ids.bic(c), lambda c: ids.bic(c).lower()], "ru": [ids.bik, ids.bik, lambda c: "БИК " + ids.bik(c), ids.bic]},
    "birth_date": {
        "zh": [lambda c: birthday(c).isoformat(), lambda c: f"{birthday(c):%Y年%m月%d日}", lambda c: f"{birthday(c):%Y%m%d}", lambda c: f"{birthday(c):%Y/%m/%d}",
               lambda c: "{0.year}年{0.month}月{0.day}日生".format(birthday(c)), lambda c: "{0.year}年{0.month}月出生".format(birthday(c)), lambda c: "{0.year}-{0.month}-{0.day}".format(birthday(c))],
        "en": [lambda c: birthday(c).isoformat(), lambda c: f"{birthday(c):%m/%d/%Y}", lambda c: f"{birthday(c):%d %B %Y}", lambda c: f"{birthday(c):%b %d, %Y}", lambda c: f"{birthday(c):%d-%b-%Y}"],
        "ru": [lambda c: f"{birthday(c):%d.%m.%Y}", lambda c: f"{birthday(c):%d.%m.%Y} г.р.", lambda c: "{0.day} {1} {0.year} г.".format(*_day_ru(c)), lambda c: f"{birthday(c):%d/%m/%Y}", lambda c: birthday(c).isoformat()],
    },
    "vehicle_plate": {"zh": [_plate_cn, _plate_cn, lambda c: _plate_cn(c)[:2] + "-" + _plate_cn(c)[-5:]], "ru": [_plate_ru, _plate_ru, _plate_ru_other, _plate_ru_other, lambda c: _plate_ru(c).lower(), lambda c: _plate_ru(c).translate(str.maketrans("АВЕКМНОРСТУХ", "ABEKMHOPCTYX"))],
                      "en": [lambda c: f"{_random(c, 'ABCDEFGHJKLMNOPRSTUVWXY', 2)}{c.randint(1, 73):02d} {_random(c, string.ascii_uppercase, 3)}",
                             lambda c: f"{_random(c, 'ABCDEFGHJKLMNOPRSTUVWXY', 2)}{c.randint(1, 73):02d}{_random(c, string.ascii_uppercase, 3)}",
                             lambda c: f"{c.randint(1, 9)}{_random(c, string.ascii_uppercase, 3)}{c.randint(100, 999)}",
                             lambda c: f"{_random(c, string.ascii_uppercase, 3)}-{c.randint(100, 999)}", lambda c: f"{_random(c, string.ascii_uppercase, 2)}-{c.randint(100, 999)}-{_random(c, string.ascii_uppercase, 2)}",
                             lambda c: f"{_random(c, string.ascii_uppercase, 1)}-{_random(c, string.ascii_uppercase, 2)} {c.randint(1000, 9999)}", lambda c: f"{c.randint(100, 999)} {_random(c, string.ascii_uppercase, 3)}"]},
    "ip_address": {"en": [lambda c: ".".join(str(c.randint(1, 254)) for _ in range(4)), lambda c: f"192.168.{c.randint(0, 255)}.{c.randint(1, 254)}", lambda c: f"{c.randint(11, 223)}.{c.randint(0, 255)}.{c.randint(0, 255)}.0/{c.randint(8, 30)}", lambda c: f"10.{c.randint(0, 255)}.{c.randint(0, 255)}.{c.randint(1, 254)}",
                          lambda c: ":".join(f"{c.getrandbits(16):x}" for _ in range(8)), lambda c: f"2001:db8:{c.getrandbits(16):x}::{c.getrandbits(16):x}",
                          lambda c: f"fe80::{c.getrandbits(16):x}:{c.getrandbits(16):x}:{c.getrandbits(16):x}"]},
    "mac_address": {"en": [lambda c: grouped(ids.mac(c), 2, 2, 2, 2, 2, by=":"), lambda c: grouped(ids.mac(c).upper(), 2, 2, 2, 2, 2, by="-"), lambda c: grouped(ids.mac(c), 4, 4, by="."), lambda c: grouped(ids.mac(c).upper(), 2, 2, 2, 2, 2, by=":")]},
    "secret": {"zh": [lambda c: _labelled_secret(c, ("密码", "口令", "登录密码")), _password, _api_key], "en": [_password, _password, _api_key, _api_key, lambda c: _labelled_secret(c, ("password", "pwd", "secret", "PASSWORD", "login password", "user pass", "key"))],
               "ru": [lambda c: _labelled_secret(c, ("пароль", "Пароль", "пин-код", "код доступа", "пароль для входа", "Ключ", "Пароль к почте")), _password, _api_key]},
    "device_token": {"en": [_jwt, lambda c: "Bearer " + _random(c, _URL_SAFE, c.randint(24, 48)), lambda c: f"{_random(c, _URL_SAFE, 22)}:APA91b{_random(c, _URL_SAFE, 134)}",
                            lambda c: f"ExponentPushToken[{_random(c, _URL_SAFE, 22)}]", lambda c: "token=" + _random(c, _HEX, 32), lambda c: "tok_" + _random(c, string.ascii_letters + string.digits, 24)]},
    "amount": {
        "zh": [lambda c: f"¥{_sum(c):,.2f}", lambda c: f"{_sum(c):.2f}元", lambda c: f"{_sum(c):,.2f}", lambda c: f"人民币{int(_sum(c))}元", lambda c: f"{int(_sum(c))}元整", lambda c: f"{_sum(c) / 10:.1f}万元", lambda c: f"{c.choice('+-')}{_sum(c):,.2f}", lambda c: f"{int(_sum(c)):,}.00", lambda c: f"{c.choice('+-')}{_sum(c) / 10:.2f}", lambda c: f"CNY {_sum(c):.2f}"],
        "en": [lambda c: f"${_sum(c):,.2f}", lambda c: f"{_sum(c):,.2f}", lambda c: f"USD {_sum(c):,.2f}", lambda c: f"{_sum(c):.2f} EUR", lambda c: f"£{_sum(c):,.2f}", lambda c: f"-{_sum(c):.2f}", lambda c: f"{int(_sum(c)):,} dollars", lambda c: f"{_sum(c):,.2f} {c.choice(('CHF', 'JPY', 'AUD', 'KZT', 'USD', 'EUR'))}", lambda c: f"({_sum(c):.2f})", lambda c: f"+{_sum(c):,.2f}", lambda c: f"HK$ {_sum(c):,.2f}", lambda c: f"{int(_sum(c)):,}.00"],
        "ru": [lambda c: f"{_sum(c):,.2f} руб.".replace(",", " ").replace(".", ",", 1), lambda c: f"{_sum(c):.2f} ₽", lambda c: f"{int(_sum(c))} руб. {c.randint(0, 99):02d} коп.", lambda c: f"{_sum(c):,.2f}".replace(",", " ").replace(".", ","), lambda c: f"{_sum(c):.2f} RUB", lambda c: f"{int(_sum(c))} руб", lambda c: f"₽ {_sum(c):.2f}", lambda c: f"{int(_sum(c))} {c.choice(('рубль', 'рубля', 'руб.', 'р', 'р.'))}", lambda c: f"+{_sum(c):.2f}", lambda c: f"{int(_sum(c)) // 10} тыс. руб.", lambda c: f"-{_sum(c):.2f}".replace(".", ",")],
    },
}  # fmt: skip


def _day_ru(chance: Random) -> tuple[date, str]:
    day = birthday(chance)
    return day, _MONTHS_RU[day.month - 1]


def _snils(chance: Random, between: str, before_check: str) -> str:
    number = ids.snils(chance)
    return grouped(number[:9], 3, 3, by=between) + before_check + number[9:]


def _card(chance: Random, prefix: str) -> str:
    while True:
        number = ids.card(chance)
        if number.startswith(prefix):
            return number


def job(chance: Random, script: str) -> str:
    """What somebody does; no protected data."""
    return chance.choice(known(script, "jobs"))
