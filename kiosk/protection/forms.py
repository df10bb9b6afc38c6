"""What a cell must have at least to be of a kind at all, whatever its column is: so many digits, letters, characters.

Bounds are wider by one than the kind's own, because a number that somebody typed wrongly keeps its kind. A column of
cards makes a card of the 16 digits whose check digit fails, not of "2".
"""

from collections.abc import Callable
from typing import Final

Holds = Callable[[str], bool]


def _digits(least: int, most: int) -> Holds:
    return lambda text: least <= sum(map(str.isdigit, text)) <= most


def _characters(least: int, most: int) -> Holds:
    return lambda text: least <= sum(map(str.isalnum, text)) <= most


def _plate(text: str) -> bool:
    bare = [character for character in text if character.isalnum()]
    has_both = any(map(str.isalpha, bare)) and any(each.isdigit() or "\u4e00" <= each <= "\u9fff" for each in bare)
    return len(bare) >= 5 and has_both  # noqa: PLR2004 - 6 and a typo


# Digits and characters of words that may stand around ("ИНН 7707083893", "card 4111 ... exp 12/29") are counted, too.
FORMS: Final[dict[str, Holds]] = {
    "bank_card": _digits(11, 64),
    "bank_account": _digits(6, 64),
    "iban": _characters(13, 96),
    "inn_ru": _digits(9, 64),
    "ogrn_ru": _digits(12, 64),
    "snils_ru": _digits(10, 64),
    "resident_id_cn": _digits(13, 64),
    "uscc_cn": _characters(16, 96),
    "passport_ru": _digits(8, 64),
    "passport_cn": _digits(6, 64),
    "phone": _digits(4, 64),
    "bic": _characters(7, 64),
    "vehicle_plate": _plate,
    "mac_address": _characters(10, 64),
    "ip_address": lambda text: ":" in text or sum(map(str.isdigit, text)) >= 3,  # noqa: PLR2004
    "birth_date": _digits(3, 64),
    "amount": lambda text: any(map(str.isnumeric, text)),
    "person_name": lambda text: any(map(str.isalpha, text)),
    "postal_address": lambda text: any(map(str.isalpha, text)),
    "free_text": lambda text: sum(map(str.isalnum, text)) >= 6,  # noqa: PLR2004
    "device_token": _characters(7, 1 << 20),
}


def possible(kind: str, text: str) -> bool:
    """Whether a folded cell may be of this kind."""
    holds = FORMS.get(kind)
    return holds is None or holds(text)
