"""Other layouts of what a template writes, chosen once for a column: so that no network learns a layout by heart."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from cellkinds.people import Template

_NUMBERS: Final = frozenset((
    "phone", "passport_ru", "passport_cn", "resident_id_cn", "inn_ru", "ogrn_ru", "snils_ru", "uscc_cn", "bank_card", "bank_account", "iban", "other",
))  # fmt: skip
_NO_LABEL: Final = frozenset(("free_text", "person_name", "postal_address"))
_CASED: Final = frozenset(
    (
        "person_name",
        "postal_address",
        "email",
        "mac_address",
        "ip_address",
        "other",
        "vehicle_plate",
        "bic",
        "iban",
        "uscc_cn",
        "device_token",
    )
)


def restyled(chance: Random, kind: str, make: Template, headers: Mapping[str, str]) -> Template:
    """The template, or one that regroups its digits, puts a label before it, changes its case or its separators."""
    done = make
    if kind in _NUMBERS and chance.random() < 0.15:
        done = _regrouped(
            done, [chance.choice((2, 3, 4, 5, 6)) for _ in range(9)], chance.choice((" ", "-", ".", " ", "/"))
        )
    if kind in _CASED and chance.random() < 0.12:
        # A single small word is a word: nobody could tell "rose" from Rose.
        change = chance.choice((str.lower, str.upper, str.title, str.swapcase))
        done = _changed(done, change, phrases_only=kind == "person_name" and change is not str.upper)
    if kind in ("birth_date", "mac_address", "other") and chance.random() < 0.12:
        done = _separated(done, chance.choice("-./ :"))
    if kind not in _NO_LABEL and chance.random() < 0.10:
        done = _labelled(
            done, chance.choice(headers[kind].split("|")), chance.choice((" ", ": ", "：", "=", " № ", "", " - ", ":"))
        )
    return done


def _regrouped(make: Template, sizes: list[int], by: str) -> Template:
    def made(chance: Random) -> str:
        text = make(chance)
        bare = "".join(c for c in text if c.isalnum())
        if sum(c.isdigit() for c in bare) < 0.6 * len(text) or len(bare) > 34:
            return text
        parts, at = [], 0
        for size in sizes:
            parts.append(bare[at : at + size])
            at += size
        return by.join(part for part in [*parts, bare[at:]] if part)

    return made


def _changed(make: Template, change: Callable[[str], str], *, phrases_only: bool) -> Template:
    def made(chance: Random) -> str:
        text = make(chance)
        return text if phrases_only and " " not in text else change(text)

    return made


def _separated(make: Template, by: str) -> Template:
    def made(chance: Random) -> str:
        text = make(chance)
        if text.count(".") + text.count("-") + text.count("/") + text.count(":") not in (2, 5) or any(
            c.isspace() for c in text
        ):
            return text
        return text.replace(":", by).translate(str.maketrans("-./", by * 3))

    return made


def _labelled(make: Template, label: str, by: str) -> Template:
    def made(chance: Random) -> str:
        text = make(chance)
        return (
            text if len(text) > 60 or (text[:1].isalpha() and label[-1:].isascii() and not by) else f"{label}{by}{text}"
        )

    return made
