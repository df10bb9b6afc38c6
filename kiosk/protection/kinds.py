"""The catalogue's kinds that a check digit or a pattern decides, and where in a text one was found.

Names, postal addresses and free text cannot be told this way: the classifier will (they are no kinds here yet).
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal[
    "phone", "email", "passport_ru", "passport_cn", "resident_id_cn", "inn_ru", "ogrn_ru", "snils_ru", "uscc_cn",
    "bank_card", "bank_account", "iban", "bic", "birth_date", "vehicle_plate", "ip_address", "mac_address", "secret",
    "device_token",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, order=True)
class Found:
    """Characters `start` to `end` (exclusive) of a text are of this kind."""

    start: int
    end: int
    kind: Kind
