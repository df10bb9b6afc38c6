"""What looks like a name or an address in a text: candidates, of which a judge says what they are.

They are spelled as people and programs write full names (two capitalised words and more, initials, a Chinese surname
with its given name) and addresses with a street and a number. A lone first name is not among them: it tells nobody
which person is meant, and half of all words would be candidates.
"""

import re
from pathlib import Path
from typing import Final

# What our own programs say in capitals ("SMART EMPTY"): exactly these words in this order are nobody's name.
OWN_PHRASES: Final = frozenset(Path(__file__).with_name("own_phrases.txt").read_text(encoding="ascii").splitlines())
# A piece of nothing but these is no name: moneys, links, protocols, states.
_ACRONYMS: Final = frozenset(
    re.findall(
        r"[A-Z]+",
        "CNY RMB RUB USD EUR GBP HKD UTC GMT TCP UDP IP IPV TLS SSL SSH HTTP HTTPS MQTT QOS DNS NTP TPM USB FTDI UART RS GPIO"
        " SSP EBDS CCTALK MODBUS RTU CRC ACK NAK STX ETX DLE FC OK NG ERR ERROR WARNING INFO DEBUG CRITICAL CPU RAM ROM SSD"
        " SD WAL SQL JSON CBOR COSE HPKE QR PIN ID URL UI API LED UPS ITL NV JCM MEI ZPL ESC POS GET PUT POST HEAD PATCH"
        " DELETE CONNECT CONNACK PUBACK SUBACK AND OR NOT IN ON OFF TO OF AT NO YES",
    )
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_RU_WORD: Final = r"[А-ЯЁ](?:[а-яё]{1,20}|[А-ЯЁ]{1,20})"
_UP, _LOW = r"[A-Z\u00c0-\u00de\u0106\u010c\u0141\u0160\u017d]", r"[a-z\u00df-\u017f]"
# Smith, SMITH, McDonald, O'Connor, Smith-Jones, D'Angelo
_EN_WORD: Final = rf"{_UP}(?:{_LOW}{{1,20}}(?:{_UP}{_LOW}{{1,20}})?|{_UP}{{1,20}}|['\u2019]{_UP}{_LOW}{{1,20}})(?:[-'\u2019]{_UP}?{_LOW}{{1,20}})?"
_SURNAMES_ZH: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康"
    "毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_NAME: Final = re.compile(
    rf"(?<![А-Яа-яЁёA-Za-z]){_RU_WORD}(?:(?: |-| ?\.){_RU_WORD}){{1,3}}"
    rf"|(?<![А-Яа-яЁё]){_RU_WORD},? [А-ЯЁ]\. ?[А-ЯЁ]\."
    rf"|(?<![А-Яа-яЁё.])(?:[А-ЯЁ]\. ?){{1,2}}{_RU_WORD}"
    rf"|(?<![A-Za-zА-Яа-я]){_EN_WORD}(?:,? {_EN_WORD}|,? [A-Z]\.){{1,3}}(?![A-Za-z])"
    rf"|(?<![A-Za-zА-Яа-я.])(?:[A-Z]\. ?){{1,2}}{_EN_WORD}(?![A-Za-z])"
)
_NAME_ZH: Final = re.compile(
    rf"(?=([{_SURNAMES_ZH}](?:[\u4e00-\u9fff]{{1,2}}|[ ·][\u4e00-\u9fff]{{1,2}}(?![\u4e00-\u9fff]))))"
)
_ADDRESS_ZH: Final = (
    r"[\u4e00-\u9fff]{2,24}[路街道巷弄村镇区里园苑城][\u4e00-\u9fffA-Za-z0-9-]{0,20}\d{1,5}"
    r"[号栋幢室组楼0-9A-Za-z\u4e00-\u9fff-]{0,24}"
)
_ADDRESS_RU: Final = (
    r"(?:\d{6}, ?)?(?:[А-ЯЁ][а-яё-]{2,20} (?:обл|край)[а-я.]{0,5},? ?)?"
    r"(?:(?:г|с|пос|д)\. ?[А-ЯЁ][А-Яа-яё -]{2,30}, ?)?"
    r"(?:ул|пр-т|пр|пер|наб|б-р|ш|алл)\.? ?[А-ЯЁ][А-Яа-яё -]{2,40}"
    r"(?:, ?(?:д|дом|кв|к|корп|стр|оф)?\.? ?\d{1,4}(?:/\d{1,3})?){1,4}"
)
# Other kinds of streets, before or behind the name, numbers behind a comma, a blank, or the word for house.
_STREETS_RU: Final = r"(?:ул|улица|пр|пр-т|просп|проспект|пер|переулок|наб|б-р|бул|бульвар|ш|шоссе|алл|пл|площадь|туп|пр-д|проезд|тракт|мкр|кв-л)"
_HOUSE_RU: Final = (
    r",? ?(?:(?:д|дом|стр|вл)\.? ?)?\d{1,4}[а-я]?(?:/\d{1,3})?(?:,? ?(?:кв|к|корп|стр|оф|ком)\.? ?\d{1,4}){0,2}"
)
_STREET_RU: Final = (
    rf"(?<![а-яё]){_STREETS_RU}\.? ?[А-ЯЁ0-9][А-Яа-яё0-9-]{{1,30}}(?: [А-ЯЁ][а-яё-]{{1,20}}){{0,2}}{_HOUSE_RU}"
    rf"|(?<![А-Яа-яё])[А-ЯЁ][а-яё-]{{2,30}} {_STREETS_RU}\.?{_HOUSE_RU}"
)
_ADDRESS_EN: Final = (
    r"\d{1,5} [A-Z][A-Za-z.]{1,20}(?: [A-Z][A-Za-z.]{1,20}){0,3},? (?:[A-Z][A-Za-z ]{2,20},? )?(?:[A-Z]{2} \d{5})?"
)
_STREET_EN: Final = (
    r"\d{1,5}[A-Za-z]? (?:[A-Z][A-Za-z.'-]{1,20} ){1,4}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Way|Square|Sq|Place|Pl|Close|Terrace"
    r"|Crescent|Highway|Hwy|Parkway|Row|Hill|Gardens)\b\.?(?:,? [A-Z][A-Za-z]{2,20})?(?:,? [A-Z]{2} ?\d{5})?"
)
_ADDRESS: Final = re.compile(f"{_ADDRESS_ZH}|{_ADDRESS_RU}|{_STREET_RU}|{_ADDRESS_EN}")
_ADDRESS_PLAIN: Final = re.compile(f"{_ADDRESS_ZH}|{_ADDRESS_RU}|{_STREET_RU}|{_STREET_EN}")
# Without one of these there can be none: cheaper to ask first.
_CAPITAL: Final = re.compile(rf"{_UP}|[А-ЯЁ]")
_PLACE: Final = re.compile(r"[A-Z\u0400-\u04ff\u4e00-\u9fff]")

Span = tuple[int, int]


def names(folded: str) -> list[Span]:
    """Where something stands that is written like a full name; of Chinese both lengths that it may have."""
    capitals = _CAPITAL.search(folded) is not None
    found = [match.span() for match in _NAME.finditer(folded) if not _ours(match.group())] if capitals else []
    if not folded.isascii():
        for match in _NAME_ZH.finditer(folded):
            start, end = match.span(1)
            found += [(start, end), (start, end - 1)] if end - start > 2 else [(start, end)]  # noqa: PLR2004
    return found


def _ours(piece: str) -> bool:
    return piece in OWN_PHRASES or _ACRONYMS.issuperset(_WORD.findall(piece))


def addresses(folded: str) -> list[Span]:
    """Where something stands that may be an address; a judge has to say whether it is one ("12 Notes" is not)."""
    return [match.span() for match in _ADDRESS.finditer(folded)] if _PLACE.search(folded) else []


def plain_addresses(folded: str) -> list[Span]:
    """Where an address stands that its words tell: a street's kind and a number."""
    return [match.span() for match in _ADDRESS_PLAIN.finditer(folded)] if _PLACE.search(folded) else []
