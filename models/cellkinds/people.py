"""Training templates of names and postal addresses. The benchmark has its own (`tests/protection_bench`)."""

from collections.abc import Callable
from random import Random
from typing import Final

from cellkinds.identifiers import digits
from cellkinds.wording import one

Template = Callable[[Random], str]

# Characters of Chinese given names beside Faker's few.
GIVEN_ZH: Final = (
    "安邦博彩晨诚春翠丹德东恩尔方菲凤福刚歌根冠光广桂国海涵汉航浩和恒弘红厚华欢辉慧吉佳家嘉建健江娇杰洁金锦晶景静娟军君俊凯康可克坤兰乐蕾力立丽"
    "良亮林琳灵玲柳龙璐露伦茂梅美萌梦民名明铭默娜宁培佩鹏平萍普琪启谦倩强巧琴青清庆秋泉荣蓉如瑞睿润若珊善少绍胜诗石世舒淑树双爽顺思松素涛腾天"
    "田婷庭同彤万威巍薇维伟文雯武西希霞夏贤香向晓笑心欣新信兴星雄秀旭轩萱学雪雅彦燕扬阳瑶业怡艺逸毅茵英颖莹永勇友宇雨玉钰育元园圆月悦云泽展哲珍真正之芝"
    "知志智忠洲珠竹卓子紫宗祖"
)
_CITIES_ZH: Final = ("北京市朝阳区", "上海市浦东新区", "广东省深圳市南山区", "浙江省杭州市西湖区", "四川省成都市武侯区", "江苏省苏州市吴中区",
                     "湖北省武汉市洪山区", "陕西省西安市雁塔区", "河南省郑州市金水区", "山东省青岛市市南区", "福建省厦门市思明区", "湖南省长沙市岳麓区",
                     "辽宁省大连市中山区", "重庆市渝北区", "天津市河西区", "安徽省合肥市蜀山区", "河北省石家庄市长安区", "云南省昆明市官渡区",
                     "黑龙江省哈尔滨市南岗区", "江西省南昌市东湖区", "贵州省遵义市红花岗区", "甘肃省兰州市城关区")  # fmt: skip
_ROADS_ZH: Final = ("人民路", "中山路", "解放大道", "建设街", "和平里", "文化路", "科技园南路", "学院路", "长江路", "黄河大街", "新华街", "朝阳北路", "工农路",
                    "滨河西路", "胜利巷", "花园路", "迎宾大道", "友谊街", "南京西路", "青年路", "光明胡同", "工业园三路")  # fmt: skip
_ESTATES_ZH: Final = (
    "阳光花园",
    "锦绣城",
    "万科金域",
    "碧桂园",
    "翠湖小区",
    "幸福里",
    "绿地国际",
    "金色家园",
    "东方明珠公寓",
    "紫荆苑",
    "恒大名都",
    "龙湖天街",
)
_TOWNS_ZH: Final = ("清河镇", "白石乡", "双桥镇", "大王庄镇", "柳林镇", "石门乡", "东沟镇", "马家镇")
_STREETS_EN: Final = ("Main", "Oak", "Maple", "Church", "High", "Park", "Mill", "Station", "Victoria", "Washington",
                      "Lincoln", "Cedar", "Lake", "Hill", "King", "Queen", "Elm", "Spring", "River", "Pine")  # fmt: skip
_STREET_KINDS_EN: Final = (
    "Street",
    "St",
    "St.",
    "Road",
    "Rd",
    "Avenue",
    "Ave",
    "Ave.",
    "Lane",
    "Drive",
    "Dr",
    "Court",
    "Blvd",
    "Way",
)
_CITIES_EN: Final = ("Springfield", "London", "Manchester", "Boston", "Austin", "Denver", "Leeds", "Bristol", "Portland", "Chicago",
                     "Seattle", "Oxford", "Dallas", "York", "Columbus", "Phoenix", "Birmingham", "Atlanta")  # fmt: skip
_STATES_EN: Final = ("MA", "TX", "CO", "OR", "IL", "WA", "OH", "AZ", "GA", "NY", "CA", "FL", "PA", "VA")


def given_zh(chance: Random) -> str:
    if chance.random() < 0.4:
        return one(chance, "zh", "first_names")
    return "".join(chance.choices(GIVEN_ZH, k=chance.choice((1, 2, 2, 2))))


def surname_zh(chance: Random) -> str:
    if chance.random() < 0.7:
        return chance.choice("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕")
    return one(chance, "zh", "last_names")


def russian(chance: Random) -> tuple[str, str, str]:
    """Surname, given name, patronymic, of one sex."""
    sex = chance.choice(("male", "female"))
    return tuple(one(chance, "ru", f"{part}_{sex}") for part in ("last_names", "first_names", "middle_names"))  # type: ignore[return-value]


def first_en(chance: Random) -> str:
    return one(chance, "en", "first_names")


def last_en(chance: Random) -> str:
    return one(chance, "en", "last_names")


def _ru_full(chance: Random) -> str:
    return " ".join(russian(chance))


def _ru_short(chance: Random) -> str:
    last, first, _ = russian(chance)
    return f"{first} {last}" if chance.random() < 0.5 else f"{last} {first}"


def _ru_initials(chance: Random) -> str:
    last, first, middle = russian(chance)
    return f"{last} {first[0]}.{chance.choice(('', ' '))}{middle[0]}."


_INITIALS_PINYIN: Final = (
    "b",
    "p",
    "m",
    "f",
    "d",
    "t",
    "n",
    "l",
    "g",
    "k",
    "h",
    "j",
    "q",
    "x",
    "zh",
    "ch",
    "sh",
    "r",
    "z",
    "c",
    "s",
    "y",
    "w",
)
_FINALS_PINYIN: Final = (
    "a",
    "ai",
    "an",
    "ang",
    "ao",
    "e",
    "ei",
    "en",
    "eng",
    "i",
    "ia",
    "ian",
    "iang",
    "iao",
    "ie",
    "in",
    "ing",
    "ong",
    "ou",
    "u",
    "uan",
    "ui",
    "un",
    "uo",
)


def _syllable(chance: Random) -> str:
    return (chance.choice(_INITIALS_PINYIN) + chance.choice(_FINALS_PINYIN)).capitalize()


def pinyin(chance: Random) -> str:
    """A Chinese name in Latin letters."""
    given = _syllable(chance) + (_syllable(chance).lower() if chance.random() < 0.5 else "")
    last = _syllable(chance)
    return chance.choice((f"{last} {given}", f"{given} {last}", f"{last.upper()} {given}", f"{last}, {given}"))


_LATIN: Final = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        ("a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch  y  e yu ya".split(" ")),
        strict=True,
    )
)


def transliterated(chance: Random) -> str:
    """A Russian name in Latin letters."""
    last, first, _ = ("".join(_LATIN.get(c, c) for c in part.lower()).capitalize() for part in russian(chance))
    return chance.choice((f"{first} {last}", f"{last} {first}", f"{last.upper()} {first.upper()}"))


NAMES: Final[dict[str, list[Template]]] = {
    "zh": [
        lambda c: surname_zh(c) + given_zh(c),
        lambda c: surname_zh(c) + given_zh(c),
        lambda c: surname_zh(c) + chance_double(c),
        lambda c: f"{surname_zh(c)} {given_zh(c)}",
        lambda c: (
            surname_zh(c)
            + c.choice(
                (
                    "先生",
                    "女士",
                    "小姐",
                    "经理",
                    "老师",
                    "医生",
                    "教授",
                    "律师",
                    "同学",
                    "局长",
                    "行长",
                    "大姐",
                    "阿姨",
                    "工",
                    "哥",
                    "处长",
                    "科长",
                )
            )
        ),
        lambda c: surname_zh(c) + given_zh(c) + c.choice(("(本人)", "（代办）", " 先生")),
    ],
    "en": [
        lambda c: f"{first_en(c)} {last_en(c)}",
        lambda c: f"{first_en(c)} {last_en(c)}",
        lambda c: f"{last_en(c)}, {first_en(c)}",
        lambda c: f"{first_en(c)} {c.choice('ABCDEGHJKLMPRSTW')}. {last_en(c)}",
        lambda c: f"{c.choice(('Mr', 'Mrs', 'Ms', 'Mr.', 'Mrs.'))} {last_en(c)}",
        lambda c: f"{first_en(c)[0]}. {last_en(c)}",
        lambda c: f"{first_en(c)} {last_en(c)}".upper(),
        last_en,
        first_en,
        pinyin,
        pinyin,
        transliterated,
        lambda c: f"{first_en(c)} {last_en(c)}-{last_en(c)}",
        lambda c: f"{last_en(c)} {first_en(c)[0]}.",
    ],
    "ru": [
        _ru_full,
        _ru_full,
        _ru_short,
        _ru_initials,
        lambda c: _ru_full(c).upper(),
        lambda c: f"{russian(c)[1][0]}.{c.choice(('', ' '))}{russian(c)[0]}",
        lambda c: f"{_ru_short(c)} ({c.choice(('муж', 'жена', 'доверенность'))})",
        lambda c: " ".join(russian(c)[1:]),
        lambda c: russian(c)[0],
        lambda c: russian(c)[1],
    ],
}


def chance_double(chance: Random) -> str:
    """A given name of twice the same character."""
    return chance.choice(GIVEN_ZH) * 2


def _zh_place(chance: Random) -> str:
    if chance.random() < 0.6:
        return chance.choice(_CITIES_ZH)
    return one(chance, "zh", "provinces") + one(chance, "zh", "cities") + "市" + one(chance, "zh", "districts") + "区"


def _en_line(chance: Random) -> str:
    street = chance.choice(_STREETS_EN) if chance.random() < 0.5 else last_en(chance)
    return f"{chance.randint(1, 9999)} {street} {chance.choice(_STREET_KINDS_EN)}"


def _ru_street(chance: Random) -> str:
    if chance.random() < 0.5:
        return f"ул. {one(chance, 'ru', 'street_titles')}"
    kind = chance.choice(
        (
            "пр-т",
            "пер.",
            "улица",
            "б-р",
            "ш.",
            "наб.",
            "пр-д",
            "пр.",
            "пл.",
            "туп.",
            "бул.",
            "аллея",
            "шоссе",
            "проспект",
            "линия",
        )
    )
    title = one(chance, "ru", "street_titles")
    return f"{title} {kind}" if chance.random() < 0.1 else f"{kind} {title}"


def _ru_city(chance: Random) -> str:
    return one(chance, "ru", "city_names").partition(" (")[0]


def _ru_settled(chance: Random) -> str:
    return chance.choice(("г. ", "г.", "", "пос. ", "с. ", "дер. ", "ст-ца ", "х. ", "пгт ", "п. ", "рп ")) + _ru_city(
        chance
    )


def _ru_house(chance: Random) -> str:
    house = (
        chance.choice(("", "д. ", "д.", "дом ", "влд. "))
        + str(chance.randint(1, 250))
        + chance.choice(("", "", "а", "Б", "/2"))
    )
    inner = chance.choice(
        (
            "",
            ", кв. {}",
            ", кв.{}",
            "-{}",
            ", корп. {}",
            " к.{}",
            ", ком. {}",
            ", помещение {}",
            ", эт. {}",
            ", лит. {}",
        )
    )
    return house + inner.format(chance.randint(1, 300))


def _ru_any(chance: Random) -> str:
    """Parts in their usual order, each of the first and the last two or left out."""
    parts = [
        chance.choice(("", "", digits(chance, 6), "РФ", "Россия")), chance.choice(("", "", one(chance, "ru", "region_oblast") + chance.choice((" обл.", " область", " обл")))),
        chance.choice(("", _ru_settled(chance), _ru_settled(chance))), _ru_street(chance), _ru_house(chance), chance.choice(("", "", "", digits(chance, 6))),
    ]  # fmt: skip
    return chance.choice((", ", ", ", " ", ",")).join(part for part in parts if part)


def _zh_any(chance: Random) -> str:
    """Province to room, each part but the road left out sometimes."""
    house = f"{chance.randint(1, 1200)}{chance.choice(('号', '号', '弄', '号院', '-1号', '号附3号'))}"
    inner = chance.choice(
        (
            "",
            f"{chance.randint(1, 60)}{chance.choice('栋座楼')}",
            f"{chance.randint(1, 30)}号楼{chance.randint(1, 6)}单元",
            f"{chance.randint(1, 20)}-{chance.randint(1, 4)}-{chance.randint(101, 2804)}",
        )
    )
    room = chance.choice(
        (
            "",
            f"{chance.randint(101, 3304)}",
            f"{chance.randint(101, 3304)}室",
            f"{chance.randint(1, 40)}楼",
            f"{chance.randint(101, 909)}房",
        )
    )
    place = chance.choice(("", _zh_place(chance), _zh_place(chance), chance.choice(_CITIES_ZH)[-3:]))
    road = (
        chance.choice(_ROADS_ZH)
        if chance.random() < 0.5
        else "".join(chance.choices(GIVEN_ZH, k=2))
        + chance.choice(("路", "街", "大道", "东路", "西街", "北路", "巷", "大街"))
    )
    estate = chance.choice(
        (
            "",
            "",
            chance.choice(_ESTATES_ZH),
            "".join(chance.choices(GIVEN_ZH, k=2))
            + chance.choice(("苑", "花园", "小区", "公寓", "大厦", "新村", "名都")),
        )
    )
    return place + road + house + estate + inner + room


def _en_any(chance: Random) -> str:
    """A line, a place invented of a surname, perhaps a state or county, a code, a country."""
    place = chance.choice(
        (
            chance.choice(_CITIES_EN),
            last_en(chance) + chance.choice(("ville", "ton", " Park", "burg", "ford", "")),
            f"{chance.choice(('North', 'South', 'Lake', 'Port', 'New'))} {last_en(chance)}",
        )
    )
    inner = chance.choice(
        (
            "",
            "",
            f" {chance.choice(('Apt.', 'Suite', 'Unit', 'Floor', 'Ste'))} {chance.randint(1, 990)}",
            f" #{chance.randint(1, 90)}{chance.choice('ABCD')}",
        )
    )
    first = chance.choice(
        (
            _en_line(chance) + inner,
            f"{chance.choice(('Flat', 'House', 'Unit', 'Office'))} {chance.randint(1, 90)}{chance.choice(('', 'B'))}, {last_en(chance)} {chance.choice(_STREET_KINDS_EN)}",
        )
    )
    code = chance.choice(
        (
            f"{chance.choice(_STATES_EN)} {digits(chance, 5)}",
            _post_gb(chance),
            f"{digits(chance, 5)}-{digits(chance, 4)}",
            "",
        )
    )
    parts = [first, place, code, chance.choice(("", "", "USA", "UK", "China"))]
    return chance.choice((", ", ", ", " ")).join(part for part in parts if part)


ADDRESSES: Final[dict[str, list[Template]]] = {
    "zh": [
        lambda c: f"{_zh_place(c)}{c.choice(_ROADS_ZH)}{c.randint(1, 999)}号",
        lambda c: f"{_zh_place(c)}{c.choice(_ROADS_ZH)}{c.randint(1, 300)}号{c.choice(_ESTATES_ZH)}{c.randint(1, 40)}栋{c.randint(1, 4)}单元{c.randint(101, 3304)}室",
        lambda c: f"{_zh_place(c)}{c.choice(_ESTATES_ZH)}{c.randint(1, 30)}号楼{c.randint(101, 2804)}",
        lambda c: f"{_zh_place(c)[:6]}{c.choice(_TOWNS_ZH)}{c.choice('东西南北李王张')}{c.choice('村庄屯')}{c.randint(1, 12)}组",
        lambda c: f"{c.choice(_ROADS_ZH)}{c.randint(1, 300)}弄{c.randint(1, 60)}号{c.randint(101, 1804)}室",
        lambda c: f"{_zh_place(c)}{c.choice(_ROADS_ZH)}{c.randint(1, 300)}号 {digits(c, 6)}",
        lambda c: f"{one(c, 'zh', 'provinces')}{one(c, 'zh', 'street_suffixes')}{c.choice('ABCDEFGH')}座 {digits(c, 6)}",
        _zh_any,
        _zh_any,
        _zh_any,
    ],
    "en": [
        lambda c: f"{_en_line(c)}, {c.choice(_CITIES_EN)}, {c.choice(_STATES_EN)} {digits(c, 5)}",
        lambda c: f"{_en_line(c)}, {c.choice(_CITIES_EN)}",
        lambda c: f"{_en_line(c)} {c.choice(('Apt', 'Suite', 'Unit', '#'))} {c.randint(1, 400)}, {c.choice(_CITIES_EN)} {c.choice(_STATES_EN)}",
        lambda c: f"Flat {c.randint(1, 90)}, {c.randint(1, 200)} {c.choice(_STREETS_EN)} Road, {c.choice(_CITIES_EN)} {_post_gb(c)}",
        lambda c: f"PO Box {c.randint(1, 9999)}, {c.choice(_CITIES_EN)}, {one(c, 'en', 'states')} {digits(c, 5)}",
        lambda c: f"No. {c.randint(1, 300)}, {c.choice(('Renmin', 'Zhongshan', 'Jianshe', 'Heping'))} Road, {c.choice(('Haidian', 'Xuhui', 'Tianhe'))} District, {c.choice(('Beijing', 'Shanghai', 'Guangzhou'))}",
        _en_line,
        _en_any,
        _en_any,
        _en_any,
    ],
    "ru": [
        lambda c: f"г. {_ru_city(c)}, {_ru_street(c)}, д. {c.randint(1, 200)}, кв. {c.randint(1, 400)}",
        lambda c: f"{digits(c, 6)}, {one(c, 'ru', 'region_oblast')} область, г. {_ru_city(c)}, {_ru_street(c)}, {c.randint(1, 120)}",
        lambda c: f"{_ru_city(c)}, {_ru_street(c)}, {c.randint(1, 99)}-{c.randint(1, 200)}",
        lambda c: f"{_ru_street(c)}, дом {c.randint(1, 150)}, корп. {c.randint(1, 5)}, квартира {c.randint(1, 300)}",
        lambda c: f"{digits(c, 6)} г {_ru_city(c)} {_ru_street(c)} д {c.randint(1, 99)} кв {c.randint(1, 200)}",
        lambda c: f"{one(c, 'ru', 'region_oblast')} обл., {_ru_city(c)} р-н, с. {_ru_city(c)}, {_ru_street(c)}, д.{c.randint(1, 80)}",
        lambda c: f"{_ru_street(c)}, {c.randint(1, 99)}/{c.randint(1, 9)}",
        _ru_any,
        _ru_any,
        _ru_any,
    ],
}  # fmt: skip


def _post_gb(chance: Random) -> str:
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    return (
        f"{chance.choice(('SW', 'LS', 'M', 'B', 'EH', 'OX', 'YO'))}{chance.randint(1, 29)} "
        f"{chance.randint(1, 9)}{''.join(chance.choices(letters, k=2))}"
    )
