"""Numbers that nobody has and every check accepts: check digits by python-stdnum, SNILS's here.

Each maker takes the source of chance and returns the bare characters; how people write them is a matter of the
templates. Tests hold these numbers against the checks of the product, which are other code.
"""

import string
from random import Random
from typing import Final

from stdnum import iban, luhn
from stdnum.cn import ric, uscc
from stdnum.ru import inn, ogrn

CARD_PREFIXES: Final = (
    ("4", 16), ("4", 13), ("51", 16), ("55", 16), ("2221", 16), ("2200", 16), ("2202", 16), ("34", 15), ("37", 15),
    ("62", 16), ("622202", 19), ("621700", 19), ("621226", 19), ("622848", 19), ("623058", 19), ("621661", 19),
    ("3528", 16), ("36", 14), ("30", 14), ("38", 14), ("2131", 15), ("6304", 12), ("5018", 12), ("6759", 13), ("5893", 18), ("6011", 16), ("955880", 19),
)  # fmt: skip
_PLACES: Final = (
    "110105", "110108", "120101", "130102", "210102", "220104", "230103", "310101", "310115", "320106", "320583",
    "330106", "340104", "350203", "360102", "370202", "410105", "420106", "430102", "440106", "440305", "440524",
    "450103", "460105", "500112", "510104", "520103", "530102", "610104", "620102", "650102",
)  # fmt: skip
_BANKS_IBAN: Final = (("DE", 18, ""), ("FR", 23, ""), ("GB", 18, "NWBK"), ("NL", 14, "ABNA"), ("ES", 20, ""),
                      ("CH", 17, ""), ("AT", 16, ""), ("PL", 24, ""), ("KZ", 16, ""), ("TR", 22, ""))  # fmt: skip
_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_RU_REGIONS: Final = ("01", "03", "04", "07", "18", "22", "24", "36", "40", "45", "46", "50", "52", "57", "60", "63",
                      "65", "71", "75", "77", "80", "89", "92", "97")  # fmt: skip


def digits(chance: Random, count: int) -> str:
    """So many random digits, the first not 0."""
    return str(chance.randint(1, 9)) + "".join(chance.choices(string.digits, k=count - 1))


def card(chance: Random) -> str:
    """A payment card by Luhn."""
    prefix, length = chance.choice(CARD_PREFIXES)
    body = prefix + "".join(chance.choices(string.digits, k=length - 1 - len(prefix)))
    return body + str(luhn.calc_check_digit(body))


def resident_id(chance: Random) -> str:
    """Eighteen characters: place, birth date, order, check digit."""
    born = f"{chance.randint(1935, 2018)}{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}"
    place = chance.choice(_PLACES) if chance.random() < 0.5 else chance.choice(_PLACES)[:2] + digits(chance, 4)
    body = place + born + f"{chance.randint(1, 999):03d}"
    return body + str(ric.calc_check_digit(body + "0"))


def company_code(chance: Random) -> str:
    """A Chinese unified social credit code."""
    body = chance.choice(("91", "91", "91", "92", "12", "52")) + chance.choice(_PLACES)
    body += "".join(chance.choices(_USCC_ALPHABET if chance.random() < 0.9 else string.digits, k=9))
    return body + str(uscc.calc_check_digit(body))


def tax_number(chance: Random) -> str:
    """A Russian INN, of a company (10) or a person (12)."""
    region = f"{chance.randint(1, 92):02d}"
    if chance.random() < 0.5:
        body = region + "".join(chance.choices(string.digits, k=7))
        return body + str(inn.calc_company_check_digit(body))
    body = region + "".join(chance.choices(string.digits, k=8))
    return body + str(inn.calc_personal_check_digits(body))


def register_number(chance: Random) -> str:
    """A Russian OGRN (13) or that of a sole trader (15)."""
    year, region = f"{chance.choice([*range(2, 25)]):02d}", f"{chance.randint(1, 92):02d}"
    if chance.random() < 0.7:
        body = chance.choice("15") + year + region + "".join(chance.choices(string.digits, k=7))
        return body + str(ogrn.calc_check_digit(body + "0"))
    body = "3" + year + region + "".join(chance.choices(string.digits, k=9))
    return body + str(int(body) % 13 % 10)


def snils(chance: Random) -> str:
    """Nine digits above 001-001-998 and the sum of places modulo 101."""
    body = f"{chance.randint(1_001_999, 199_999_999):09d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, range(9, 0, -1), strict=True)) % 101 % 100
    return f"{body}{total:02d}"


def passport_ru(chance: Random) -> str:
    """Region, year of print, number."""
    year = chance.choice([97, 98, 99, *range(25)])
    return f"{chance.choice(_RU_REGIONS)}{year:02d}{chance.randint(100_000, 999_999)}"


def passport_cn(chance: Random) -> str:
    """E and eight digits, E with a letter and seven, or a letter of the older and the official ones."""
    if chance.random() < 0.3:
        return "E" + chance.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") + f"{chance.randint(0, 9_999_999):07d}"
    return chance.choice("EEEEGDPS") + f"{chance.randint(0, 99_999_999):08d}"


def account_ru(chance: Random) -> str:
    """Twenty digits: balance account, currency, check digit, branch and number."""
    first = chance.choice(("40817", "40702", "40802", "42301", "42305", "30101", "40703", "45507", "40820"))
    return first + chance.choice(("810", "810", "810", "840", "978", "156")) + "".join(
        chance.choices(string.digits, k=12)
    )  # fmt: skip


def account_cn(chance: Random) -> str:
    """A company's account at a Chinese bank: a branch's number, then the account's; no check digit is published."""
    branch = chance.choice(("0200", "1001", "3301", "4402", "1102", "3202", "5105", "8110", "7441", "4100"))
    return branch + "".join(chance.choices(string.digits, k=chance.choice((11, 12, 13, 15))))


def account_own(chance: Random) -> str:
    """An account of this kiosk's bank: 10 to 12 digits by Luhn."""
    body = digits(chance, chance.choice((9, 10, 11)))
    return body + str(luhn.calc_check_digit(body))


def iban_number(chance: Random) -> str:
    """An IBAN without spaces."""
    while True:
        country, length, bank = chance.choice(_BANKS_IBAN)
        body = bank + "".join(chance.choices(string.digits, k=length - len(bank)))
        number = f"{country}{iban.calc_check_digits(country + '00' + body)}{body}"
        if iban.is_valid(number, check_country=False):
            return number


def bic(chance: Random) -> str:
    """Four letters of the bank, two of the country, two of the place, three of the branch where there is one."""
    bank = "".join(chance.choices(string.ascii_uppercase, k=4))
    if chance.random() < 0.4:
        bank = chance.choice(("DEUT", "BNPA", "SABR", "ICBK", "BKCH", "COMM", "CHAS", "HSBC", "TICS", "PCBC", "UNCR"))
    country = chance.choice(("CN", "RU", "DE", "US", "GB", "FR", "HK", "KZ", "CH", "NL"))
    place = chance.choice(("MM", "BJ", "FF", "33", "2P", "XX", "2L", "SH", "22"))
    return bank + country + place + chance.choice(("", "", "XXX", "100", "BEJ", "500"))


def bik(chance: Random) -> str:
    """A Russian BIK: 04, region, then five digits."""
    return f"04{chance.choice((45, 40, 52, 30, 65, 75, 3, 80, 1, 7)):02d}{chance.choice((25, 30, 35, 58, 6, 17)):02d}{chance.randint(0, 999):03d}"


def mac(chance: Random) -> str:
    """Twelve hex digits."""
    return f"{chance.getrandbits(48):012x}"


def with_typing_error(chance: Random, text: str) -> str:
    """Two neighbours swapped, one left out, doubled or changed for one of its class."""
    if len(text) < 4:
        return text
    at = chance.randrange(1, len(text) - 1)
    other = chance.choice(string.digits) if text[at].isdigit() else text[at]
    return chance.choice((
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        text[:at] + text[at + 1 :],
        text[:at] + text[at] + text[at:],
        text[:at] + other + text[at + 1 :],
    ))  # fmt: skip


def full_width(text: str) -> str:
    """ASCII as a Chinese input method writes it when set to full width."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" if c == " " else c for c in text)


_LOOKS: Final = str.maketrans("AaBCcEeHKMOoPpTXxyАаВСсЕеНКМОоРрТХху", "АаВСсЕеНКМОоРрТХхуAaBCcEeHKMOoPpTXxy")


def mixed_script(chance: Random, text: str) -> str:
    """One or two letters taken from the other alphabet, where they look the same."""
    places = [at for at, c in enumerate(text) if c.translate(_LOOKS) != c]
    changed = list(text)
    for at in chance.sample(places, min(len(places), chance.randint(1, 2))):
        changed[at] = text[at].translate(_LOOKS)
    return "".join(changed)
