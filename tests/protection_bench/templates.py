"""The benchmark's own templates: layouts, sentences, places, headers that `cellkinds` does not have.

Only the check digits come from there. People, places and words are Faker's whole lists, with the sixth of them that
training never draws.
"""

import string
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from faker import Faker

from cellkinds import identifiers as ids
from cellkinds.numbers_written import grouped
from cellkinds.wording import known

Template = Callable[[Random], str]
FAKERS: Final = {script: Faker(locale) for script, locale in (("zh", "zh_CN"), ("en", "en_US"), ("ru", "ru_RU"))}
BRITISH: Final = Faker("en_GB")
_HEX: Final = "0123456789abcdef"


def seed(number: int) -> None:
    """Faker's own chance: the same number, the same table."""
    for each in (*FAKERS.values(), BRITISH):
        each.seed_instance(number)


def _pick(chance: Random, script: str, name: str) -> str:
    return chance.choice(known(script, name, all_of_them=True))


def _draw(chance: Random, alphabet: str, count: int) -> str:
    return "".join(chance.choices(alphabet, k=count))


# --- people and places ------------------------------------------------------------------------------------------

_PINYIN_LAST: Final = ("Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Huang", "Zhao", "Wu", "Zhou", "Xu", "Sun")
_PINYIN_FIRST: Final = ("Wei", "Fang", "Na", "Min", "Jing", "Lei", "Jun", "Yang", "Yong", "Yan", "Xiaoming", "Lihua")


def _ru_person(chance: Random) -> list[str]:
    sex = chance.choice(("male", "female"))
    return [_pick(chance, "ru", f"{part}_{sex}") for part in ("last_names", "first_names", "middle_names")]


def _ru_dotted(chance: Random) -> str:
    last, first, middle = _ru_person(chance)
    return f"{first[0]}. {middle[0]}. {last}"


def _ru_comma(chance: Random) -> str:
    last, first, middle = _ru_person(chance)
    return f"{last}, {first} {middle}"


def _ru_initial_patronymic(chance: Random) -> str:
    last, first, middle = _ru_person(chance)
    return f"{first} {middle[0]}. {last}"


NAMES: Final[dict[str, list[Template]]] = {
    "zh": [
        lambda c: FAKERS["zh"].name(),
        lambda c: FAKERS["zh"].name(),
        lambda c: FAKERS["zh"].name() + c.choice(("（户主）", "同志", "博士", "(女)")),
        lambda c: FAKERS["zh"].last_name() + c.choice(("师傅", "主任", "总")),
    ],
    "en": [
        lambda c: FAKERS["en"].name(),
        lambda c: BRITISH.name(),
        lambda c: f"{FAKERS['en'].last_name().upper()} {FAKERS['en'].first_name()}",
        lambda c: f"Dr. {FAKERS['en'].first_name()} {FAKERS['en'].last_name()}",
        lambda c: f"{c.choice(_PINYIN_LAST)} {c.choice(_PINYIN_FIRST)}",
        lambda c: f"{FAKERS['en'].first_name().lower()} {FAKERS['en'].last_name().lower()}",
    ],
    "ru": [
        lambda c: FAKERS["ru"].name(),
        _ru_dotted,
        _ru_comma,
        _ru_initial_patronymic,
        lambda c: " ".join(_ru_person(c)).lower(),
    ],
}
_ROADS_ZH: Final = (
    "泰山路",
    "珠江东路",
    "复兴大街",
    "民主巷",
    "曙光西路",
    "体育场路",
    "古城大道",
    "龙泉街",
    "凤凰北路",
    "桃源路",
    "机场高速辅路",
    "安定门外大街",
)
_PLACES_ZH: Final = ("广西壮族自治区南宁市青秀区", "内蒙古自治区包头市昆都仑区", "海南省三亚市天涯区", "吉林省长春市南关区", "山西省太原市小店区", "江苏省无锡市滨湖区", "宁波市鄞州区", "佛山市顺德区",
                     "石家庄市桥西区", "绵阳市涪城区")  # fmt: skip
_ESTATES_ZH: Final = ("御景湾", "梧桐里", "香榭丽舍", "书香门第", "滨江壹号", "丽都花苑", "和谐佳园")
ADDRESSES: Final[dict[str, list[Template]]] = {
    "zh": [
        lambda c: FAKERS["zh"].address(),
        lambda c: f"{c.choice(_PLACES_ZH)}{c.choice(_ROADS_ZH)}{c.randint(1, 800)}号{c.choice(_ESTATES_ZH)}{c.choice('一二三四五六七八九')}期{c.randint(1, 30)}幢{c.randint(101, 2802)}",
        lambda c: f"{c.choice(_PLACES_ZH)}{c.choice(_ESTATES_ZH)}{c.choice('东西南北')}区{c.randint(1, 40)}-{c.randint(1, 5)}-{c.randint(101, 1803)}",
        lambda c: f"{c.choice(_ROADS_ZH)}{c.randint(1, 400)}号{c.choice(('商务楼', '大厦', '写字楼'))}{c.randint(2, 30)}层",
        lambda c: f"{ids.digits(c, 6)} {c.choice(_PLACES_ZH)}{c.choice(_ROADS_ZH)}甲{c.randint(1, 90)}号",
    ],
    "en": [
        lambda c: FAKERS["en"].address().replace("\n", ", "),
        lambda c: BRITISH.address().replace("\n", ", "),
        lambda c: f"{FAKERS['en'].street_address()}, {FAKERS['en'].city()}",
        lambda c: f"Room {c.randint(101, 2808)}, Bldg {c.randint(1, 20)}, {c.choice(('Fuxing', 'Taishan', 'Zhujiang'))} Rd, {c.choice(('Nanjing', 'Wuhan', 'Shenzhen'))} {ids.digits(c, 6)}, China",
    ],
    "ru": [
        lambda c: FAKERS["ru"].address(),
        lambda c: f"{FAKERS['ru'].city()}, {FAKERS['ru'].street_address()}",
        lambda c: f"Россия, {_pick(c, 'ru', 'region_oblast')} обл, {FAKERS['ru'].city_name()}, мкр. {_pick(c, 'ru', 'street_titles')}, {c.randint(1, 60)}, оф. {c.randint(1, 500)}",
        lambda c: f"{FAKERS['ru'].street_name()}, {c.randint(1, 150)} стр. {c.randint(1, 9)}, подъезд {c.randint(1, 8)}",
    ],
}  # fmt: skip

# --- numbers as this benchmark writes them -----------------------------------------------------------------------


def _cn(chance: Random) -> str:
    return chance.choice(("131", "137", "151", "152", "173", "180", "185", "189", "198", "159")) + _draw(
        chance, string.digits, 8
    )


def _ru(chance: Random) -> str:
    return chance.choice(("910", "926", "904", "951", "977", "982", "968", "937")) + _draw(chance, string.digits, 7)


def _american(chance: Random) -> str:
    return (
        chance.choice(("202", "310", "718", "702", "305", "919", "503"))
        + chance.choice("234567")
        + _draw(chance, string.digits, 6)
    )


def _born(chance: Random) -> date:
    return date(1932, 1, 1) + timedelta(days=chance.randrange(80 * 365))


def _money(chance: Random) -> float:
    return round(10 ** chance.uniform(1, 6.8), 2)


def _wide_card(chance: Random, first: str) -> str:
    while True:
        number = ids.card(chance)
        if number.startswith(first):
            return number


def _pass(chance: Random) -> str:
    word = chance.choice(("Winter", "letmein", "Zhongguo", "tiger", "Parol", "kiosk", "sunshine", "Baikal"))
    return chance.choice((
        f"{word}@{chance.randint(1, 2099)}", f"{chance.randint(1, 99)}{word}{chance.choice('!#*')}{_draw(chance, string.ascii_letters, 2)}",
        _draw(chance, string.ascii_letters + string.digits + "_%+=?!", chance.randint(9, 18)), f"{word[:3]}{_draw(chance, '!@#$%', 2)}{_draw(chance, string.digits, 4)}",
    ))  # fmt: skip


def _key(chance: Random) -> str:
    letters = string.ascii_letters + string.digits
    return chance.choice((
        "sk_live_" + _draw(chance, letters, 24), "AKIA" + _draw(chance, string.ascii_uppercase + "234567", 16), "glpat-" + _draw(chance, letters + "_-", 20),
        "xoxb-" + ids.digits(chance, 12) + "-" + _draw(chance, letters, 24), _draw(chance, letters + "+/", 86) + "==", "-----BEGIN RSA PRIVATE KEY-----MII" + _draw(chance, letters + "+/", 60),
    ))  # fmt: skip


def _said_secret(chance: Random, words: tuple[str, ...]) -> str:
    return f"{chance.choice(words)}{chance.choice((' : ', '=', '：'))}{_pass(chance)}"


def _web_token(chance: Random) -> str:
    safe = string.ascii_letters + string.digits + "-_"
    return f"eyJ{_draw(chance, safe, 17)}.eyJ{_draw(chance, safe, chance.randint(40, 160))}.{_draw(chance, safe, 86)}"


def _cn_plate(chance: Random) -> str:
    return FAKERS["zh"].license_plate().replace("-", chance.choice(("", "", "·")))


def _ru_plate(chance: Random) -> str:
    return FAKERS["ru"].license_plate().replace(" ", chance.choice(("", " ")))


def _own_plate(chance: Random) -> str:
    letters, region = "АВЕКМНОРСТУХ", chance.choice(("47", "55", "78", "97", "102", "116", "163", "777"))
    return f"{chance.choice(letters)}{chance.randint(1, 999):03d}{_draw(chance, letters, 2)}{chance.choice((' ', '-', ''))}{region}"


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


def _ru_date(chance: Random) -> str:
    day = _born(chance)
    return f"{day.day} {_MONTHS_RU[day.month - 1]} {day.year}"


def _with_sum(number: str, by: str, before: str) -> str:
    return grouped(number[:9], 3, 3, by=by) + before + number[9:]


NUMBERS: Final[dict[str, dict[str, list[Template]]]] = {
    "phone": {"zh": [lambda c: FAKERS["zh"].phone_number(), lambda c: "(+86)" + _cn(c), lambda c: grouped(_cn(c), 3, 4, by="."), lambda c: f"0{c.choice(('22', '27', '532', '591'))} {c.randint(2, 8)}{ids.digits(c, 7)}"],
              "en": [lambda c: f"+1-{grouped(_american(c), 3, 3, by='-')}", lambda c: f"1 ({_american(c)[:3]}) {grouped(_american(c)[3:], 3)}", lambda c: f"+44 (0)20 {grouped('8' + ids.digits(c, 7), 4)}", lambda c: f"+61 4{ids.digits(c, 2)} {ids.digits(c, 3)} {ids.digits(c, 3)}"],
              "ru": [lambda c: f"+7({_ru(c)[:3]}){grouped(_ru(c)[3:], 3, 2, by='-')}", lambda c: "8 " + grouped(_ru(c), 3, 3, 2), lambda c: f"8({c.choice(('812', '343', '383'))}){grouped(ids.digits(c, 7), 3, 2, by='-')}", lambda c: "+7-" + grouped(_ru(c), 3, 3, 2, by="-")]},
    "email": {"en": [lambda c: FAKERS["en"].email(), lambda c: FAKERS["ru"].email(), lambda c: FAKERS["zh"].email(), lambda c: f"{FAKERS['en'].user_name()}+{c.choice(('bank', 'news'))}@{FAKERS['en'].domain_name()}", lambda c: FAKERS["en"].company_email().upper()]},
    "passport_ru": {"ru": [lambda c: grouped(ids.passport_ru(c), 2, 2), lambda c: grouped(ids.passport_ru(c), 4, by="-"), ids.passport_ru, lambda c: "паспорт {} №{}".format(*grouped(ids.passport_ru(c), 4).split())]},
    "passport_cn": {"zh": [ids.passport_cn, lambda c: "护照" + ids.passport_cn(c), ids.passport_cn]},
    "resident_id_cn": {"zh": [ids.resident_id, lambda c: FAKERS["zh"].ssn(), lambda c: grouped(ids.resident_id(c), 6, 4, 4)]},
    "inn_ru": {"ru": [ids.tax_number, lambda c: "ИНН: " + ids.tax_number(c), lambda c: FAKERS["ru"].individuals_inn(), lambda c: FAKERS["ru"].businesses_inn()]},
    "ogrn_ru": {"ru": [ids.register_number, lambda c: "ОГРН: " + ids.register_number(c), lambda c: FAKERS["ru"].businesses_ogrn()]},
    "snils_ru": {"ru": [ids.snils, lambda c: _with_sum(ids.snils(c), " ", "-"), lambda c: _with_sum(ids.snils(c), "-", " "), lambda c: "СНИЛС " + _with_sum(ids.snils(c), "-", " ")]},
    "uscc_cn": {"zh": [ids.company_code, lambda c: grouped(ids.company_code(c), 6, 6), ids.company_code]},
    "bank_card": {"zh": [lambda c: _wide_card(c, "62"), lambda c: grouped(_wide_card(c, "62"), 4, 4, 4, 4, by="-"), lambda c: "卡号" + _wide_card(c, "6")],
                  "en": [lambda c: FAKERS["en"].credit_card_number(), lambda c: grouped(_wide_card(c, "3"), 4, 6), lambda c: grouped(ids.card(c), 4, 4, 4, 4, by=".")],
                  "ru": [lambda c: _wide_card(c, "2"), lambda c: grouped(_wide_card(c, "2"), 4, 4, 4, by="-"), lambda c: "карта " + grouped(ids.card(c), 4, 4, 4, 4)]},
    "bank_account": {"zh": [ids.account_cn, lambda c: grouped(ids.account_cn(c), 4, 4, 4, 4, by="-"), lambda c: "账号" + ids.account_cn(c)],
                     "en": [ids.account_own, lambda c: "Account " + ids.account_own(c), lambda c: "acct no " + grouped(ids.account_own(c), 3, 3, 3)],
                     "ru": [ids.account_ru, lambda c: "счёт № " + ids.account_ru(c), lambda c: grouped(ids.account_ru(c), 4, 4, 4, 4)]},
    "iban": {"en": [lambda c: FAKERS["en"].iban(), ids.iban_number, lambda c: grouped(BRITISH.iban(), *(4,) * 5), lambda c: "IBAN " + ids.iban_number(c)]},
    "bic": {"en": [lambda c: FAKERS["en"].swift(), lambda c: BRITISH.swift11(), ids.bic, lambda c: "BIC: " + ids.bic(c)], "ru": [ids.bik, lambda c: "БИК: " + ids.bik(c), ids.bic]},
    "birth_date": {"zh": [lambda c: f"{_born(c):%Y.%m.%d}", lambda c: "{0.year}年{0.month}月{0.day}日".format(_born(c)), lambda c: _born(c).isoformat(), lambda c: "生于{0.year}年{0.month}月".format(_born(c))],
                   "en": [lambda c: f"{_born(c):%d/%m/%Y}", lambda c: f"{_born(c):%B %d, %Y}", lambda c: f"{_born(c):%d %b %Y}", lambda c: f"{_born(c):%m-%d-%Y}"],
                   "ru": [_ru_date, lambda c: f"{_born(c):%d-%m-%Y}", lambda c: f"{_born(c):%d.%m.%Y}", lambda c: f"род. {_born(c):%d.%m.%Y}"]},
    "vehicle_plate": {"zh": [_cn_plate, _cn_plate], "ru": [_ru_plate, _own_plate, _own_plate, lambda c: _own_plate(c) + " RUS"], "en": [lambda c: BRITISH.license_plate(), lambda c: f"{_draw(c, string.ascii_uppercase, 3)} {c.randint(1000, 9999)}"]},
    "ip_address": {"en": [lambda c: FAKERS["en"].ipv4(), lambda c: FAKERS["en"].ipv6(), lambda c: FAKERS["en"].ipv4_private(), lambda c: f"172.{c.randint(16, 31)}.{c.randint(0, 255)}.{c.randint(1, 254)}/24"]},
    "mac_address": {"en": [lambda c: FAKERS["en"].mac_address(), lambda c: grouped(ids.mac(c), 2, 2, 2, 2, 2, by="-"), lambda c: grouped(ids.mac(c).upper(), 4, 4, by=".")]},
    "secret": {"zh": [lambda c: _said_secret(c, ("初始密码", "密码", "交易口令")), _pass, _key], "en": [lambda c: FAKERS["en"].password(length=c.randint(10, 16)), _pass, _key, lambda c: _said_secret(c, ("Password", "passwd", "API_KEY"))],
               "ru": [lambda c: _said_secret(c, ("пароль", "Пароль от кабинета", "секрет")), _pass, _key]},
    "device_token": {"en": [_web_token, lambda c: "bearer " + _draw(c, string.ascii_letters + string.digits, c.randint(30, 60)), lambda c: f"{_draw(c, string.ascii_letters + string.digits, 11)}:APA91b{_draw(c, string.ascii_letters + string.digits + '-_', 130)}",
                            lambda c: "ExponentPushToken[" + _draw(c, string.ascii_letters + string.digits, 22) + "]", lambda c: "access_token=" + _draw(c, string.ascii_letters + string.digits, 40)]},
    "amount": {"zh": [lambda c: f"￥{_money(c):,.2f}", lambda c: f"{_money(c):,.2f} 元", lambda c: f"RMB {_money(c):,.2f}", lambda c: f"+{_money(c):.2f}", lambda c: f"{int(_money(c)):,}元"],
               "en": [lambda c: f"US${_money(c):,.2f}", lambda c: f"{_money(c):,.2f} GBP", lambda c: f"€{_money(c):.2f}", lambda c: f"({_money(c):,.2f})", lambda c: f"{_money(c):.2f}"],
               "ru": [lambda c: f"{_money(c):,.2f} р.".replace(",", " ").replace(".", ",", 1), lambda c: f"{int(_money(c))} рублей", lambda c: f"{_money(c):.2f} руб", lambda c: f"{_money(c):.2f}".replace(".", ","), lambda c: f"₽{_money(c):,.2f}"]},
}  # fmt: skip

# --- text ---------------------------------------------------------------------------------------------------------

SENTENCES: Final = {
    "zh": ("柜员备注，{0}需要回访，客户情绪稳定", "按{0}的要求办理，次日生效", "系统显示{0}，请核对后再提交", "资料不全，缺{1}，已告知{0}", "因{1}原因，未能送达{0}", "变更登记：由{0}改为{1}", "今天把{0}发给分行了，等回复"),
    "en": ("Teller's remark: {0} has to be called back, client is calm", "Arranged as {0} wished, valid from tomorrow", "The system shows {0}, please compare before sending", "could not deliver to {0} because of {1}", "Change: {1} replaced by {0}", "I forwarded {0} to head office this morning"),
    "ru": ("Отметка кассира: {0}, перезвонить завтра утром", "Оформлено как просил {0}, действует с понедельника", "В системе указано {0}, сверьте перед отправкой", "Не удалось доставить: {0}, причина {1}", "Изменение: вместо {1} теперь {0}", "Сегодня переслал {0} в головной офис"),
}  # fmt: skip


def _inside(chance: Random, script: str) -> str:
    """Something protected within a sentence: often a card."""
    drawn = chance.random()
    if drawn < 0.25:
        return chance.choice(NAMES[script][:3])(chance)
    if drawn < 0.35:
        return chance.choice(ADDRESSES[script])(chance)
    if drawn < 0.6:
        return chance.choice(NUMBERS["bank_card"][script][:2])(chance)
    kinds = [
        by for kind, by in NUMBERS.items() if kind not in ("amount", "vehicle_plate", "birth_date", "bic", "bank_card")
    ]
    by = chance.choice([each for each in kinds if script in each or "en" in each])
    return chance.choice(by.get(script) or by["en"])(chance)


def _plain(chance: Random, script: str) -> str:
    return chance.choice((
        lambda: _pick(chance, script, "word_list"), lambda: _pick(chance, script, "jobs"), lambda: str(chance.randint(2, 900)),
        lambda: chance.choice(NUMBERS["amount"][script])(chance), lambda: _company(chance, script),
    ))()  # fmt: skip


def _sentence(chance: Random, script: str, *, holds: bool) -> str:
    first = _inside(chance, script) if holds else _plain(chance, script)
    return chance.choice(SENTENCES[script]).format(first, _plain(chance, script))


def _company(chance: Random, script: str) -> str:
    if script == "en":
        return f"{_pick(chance, 'en', 'word_list').capitalize()} & Co. {chance.choice(('Holdings', 'Bank', 'Services'))} {chance.choice(('Ltd.', 'Corp', 'LLP'))}"
    if script == "ru":
        return f'{chance.choice(("ООО", "ПАО", "НКО"))} "{chance.choice(("Заря", "Глобус", "Инвестстрой", "Волга-Сервис", "Кедр"))}"'
    return FAKERS["zh"].company()


def _code(chance: Random) -> str:
    return chance.choice(_CODES)(chance)


_CODES: Final[list[Template]] = [
    lambda c: ids.digits(c, c.choice((7, 9, 10, 11, 12, 13, 15, 16, 18, 19, 20))),
    lambda c: ids.digits(c, c.choice((10, 11, 12, 13, 15, 16, 18, 19, 20))),
    lambda c: str(c.randint(1, 99999)),
    lambda c: f"{c.choice(('PO', 'CN', 'DOC'))}{c.randint(10, 99)}/{c.randint(1000, 99999)}",
    lambda c: str(uuid.UUID(int=c.getrandbits(128))).upper(),
    lambda c: _draw(c, _HEX, c.choice((12, 32, 40))),
    lambda c: f"v{c.randint(0, 9)}.{c.randint(0, 40)}",
    lambda c: f"{c.randint(1, 99)} %",
    lambda c: f"{c.uniform(0, 900):.2f}{c.choice(('kg', 'cm', 'W', 'GB', 'мин', 'шт', 'm'))}",
    lambda c: f"{datetime(2019, 1, 1) + timedelta(seconds=c.randrange(7 * 365 * 86400)):%d.%m.%Y %H:%M}",  # noqa: DTZ001
    lambda c: f"{datetime(2020, 1, 1) + timedelta(seconds=c.randrange(6 * 365 * 86400)):%Y-%m-%dT%H:%M:%SZ}",  # noqa: DTZ001
    lambda c: f"{date(2021, 1, 1) + timedelta(days=c.randrange(5 * 365)):%Y-%m-%d}",
    lambda c: FAKERS["en"].file_name(),
    lambda c: FAKERS["en"].url(),
    lambda c: FAKERS["en"].color_name(),
    lambda c: c.choice(("n/a", "--", "YES", "no", "JPY", "KZT", "null", "TRUE", "A+", "III", "low", "нет данных", "未填写")),
    lambda c: "978" + ids.digits(c, 10),
]  # fmt: skip


def _with(script: str, make: Callable[[Random, str], str]) -> Template:
    return lambda chance: make(chance, script)


def _two_words(chance: Random, script: str) -> str:
    return ("" if script == "zh" else " ").join(_pick(chance, script, "word_list") for _ in range(2))


def _place_name(chance: Random, script: str) -> str:
    return str(chance.choice((FAKERS[script].country, FAKERS[script].month_name, FAKERS[script].day_of_week))())


TEMPLATES: Final[dict[str, dict[str, list[Template]]]] = {
    "person_name": NAMES,
    "postal_address": ADDRESSES,
    **NUMBERS,
    "free_text": {script: [_with(script, lambda c, s: _sentence(c, s, holds=True))] for script in FAKERS},
    "other": {
        script: [
            *[_with(script, lambda c, s: _pick(c, s, "word_list"))] * 3,
            _with(script, _two_words),
            _with(script, lambda c, s: _pick(c, s, "jobs")),
            _with(script, _company),
            _with(script, _place_name),
            *[_with(script, lambda c, s: _sentence(c, s, holds=False))] * 3,
            _with(script, lambda c, s: FAKERS[s].sentence()),
            *[_code] * 10,
        ]
        for script in FAKERS
    },
}
HEADERS: Final = {
    "person_name": "client name|holder|收款人|经办人|плательщик|сотрудник|Ф.И.О.",
    "postal_address": "delivery address|residence|通讯地址|户籍地址|адрес доставки|регистрация",
    "phone": "phone no.|cell|手机号码|联系方式|тел.|мобильный",
    "email": "Email address|电子邮箱|эл. адрес|mailbox",
    "passport_ru": "паспорт РФ|серия номер|passport ru",
    "passport_cn": "护照编号|passport number|因私护照",
    "resident_id_cn": "公民身份号码|身份证号码|ID number",
    "inn_ru": "ИНН клиента|ИНН организации|INN",
    "ogrn_ru": "ОГРН/ОГРНИП|рег. номер|OGRN code",
    "snils_ru": "СНИЛС клиента|номер СНИЛС|SNILS no",
    "uscc_cn": "社会信用代码|企业代码|credit code",
    "bank_card": "card no.|借记卡号|卡片号码|№ карты|credit card",
    "bank_account": "account number|收款账号|账户|номер счёта|счет получателя",
    "iban": "IBAN code|beneficiary iban|номер IBAN",
    "bic": "BIC/SWIFT|БИК банка|银行代码",
    "birth_date": "date of birth|出生年月日|дата рожд.|born on",
    "vehicle_plate": "car number|车牌号码|гос. номер|registration",
    "ip_address": "source ip|访问IP|IP клиента|remote_addr",
    "mac_address": "mac addr|网卡地址|MAC устройства",
    "secret": "pwd|登录密码|пароль входа|credentials",
    "device_token": "fcm token|设备令牌|токен доступа|jwt",
    "amount": "sum|交易金额|сумма операции|amount due|цена, руб.",
    "free_text": "remarks|柜员备注|комментарий кассира|details|описание обращения",
    "other": "item|种类|операция|state|serial no|описание обращения|remarks|details|категория|batch|流水号|дата операции|kind|номер заказа|ref no|备注信息",
}
