"""A light tint for each kind, by what it tells: people, documents, money, ways to reach somebody, machines, secrets.

Black text on each has a contrast of 7 and more; a colour never stands without the kind's name.
"""

from typing import Final

from kiosk.protection.kinds import OTHER

COLOURS: Final[dict[str, str]] = {
    "person_name": "#ffd6a5",
    "birth_date": "#ffe3bf",
    "postal_address": "#ffc49b",
    "passport_ru": "#ffadad",
    "passport_cn": "#ffb8c6",
    "resident_id_cn": "#ff9fb2",
    "snils_ru": "#f7b2d9",
    "inn_ru": "#e7c6ff",
    "ogrn_ru": "#d9c4f5",
    "uscc_cn": "#cdb4f0",
    "bank_card": "#a8d8ff",
    "bank_account": "#b9e1ff",
    "iban": "#c9e4ff",
    "bic": "#d8ecff",
    "amount": "#dfe7f0",
    "phone": "#b7efc5",
    "email": "#caffbf",
    "vehicle_plate": "#d8f3a8",
    "ip_address": "#b2f0e6",
    "mac_address": "#9fe8dc",
    "secret": "#ff8f8f",
    "device_token": "#ffa6a0",
    "free_text": "#fdffb6",
}
NONE: Final = "#ffffff"


def colour(kind: str) -> str:
    """Of any kind, one that a later catalogue adds included."""
    return COLOURS.get(kind, NONE if kind == OTHER else "#eeeeee")
