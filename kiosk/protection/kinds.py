"""The catalogue's kinds, and where in a text one was found.

`PATTERN_KINDS` are those that a check digit, a pattern or a label decides alone; person names, postal addresses,
amounts and free text (a text that holds any of the others) need the networks of `classify`.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal[
    "person_name", "postal_address", "phone", "email", "passport_ru", "passport_cn", "resident_id_cn", "inn_ru",
    "ogrn_ru", "snils_ru", "uscc_cn", "bank_card", "bank_account", "iban", "bic", "birth_date", "vehicle_plate",
    "ip_address", "mac_address", "secret", "device_token", "amount", "free_text", "other",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
OTHER: Final = "other"
_BY_NETWORKS_ALONE: Final = frozenset(("person_name", "postal_address", "amount", "free_text", OTHER))
PATTERN_KINDS: Final[tuple[Kind, ...]] = tuple(kind for kind in KINDS if kind not in _BY_NETWORKS_ALONE)


@dataclass(frozen=True, order=True)
class Found:
    """Characters `start` to `end` (exclusive) of a text are of this kind."""

    start: int
    end: int
    kind: Kind
