"""What the screen says: one TOML catalogue a language, and amounts, counts and dates as that language writes them."""

import re
import tomllib
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final

import msgspec
from babel import Locale
from babel.dates import format_skeleton, format_time
from babel.numbers import format_decimal, get_currency_precision

from kiosk.messages import Amount

_DETAIL: Final = re.compile(r" [\[(].*$")  # figures behind a reason are for the staff

# A validator's or the policy's reason for giving a note back -> what a depositor is told (catalogue `refusal`).
REFUSALS: Final = {
    "length_fail": "size",
    "note_too_long": "size",
    "short_note_detect": "size",
    "width_detection_fail": "size",
    "second_note_detected": "double",
    "double_note_detected": "double",
    "twisted_note": "crooked",
    "channel_inhibit": "not_taken",
    "bar_code_scan_fail": "not_taken",
    "invalidBill": "not_taken",
    "strim_attempt": "suspicious",
    "fraud_channel": "suspicious",
    "counterfeit": "suspicious",
    "limitOverAmount": "limit_amount",
    "limitOverTotalItems": "limit_notes",
    "reject_by_host": "not_ready",
    "disabled_by_host": "not_ready",
    "noMoreNotes": "not_ready",
    "escrow_time_out": "not_ready",
    "unable_to_stack": "not_ready",
    "payout_note": "not_ready",
    "no_notes_detected": "not_ready",
}
REFUSAL_OTHERWISE: Final = "unreadable"


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a note came back, and what to do about it."""

    what: str
    do: str


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language's file."""

    name: str  # the language's own name for itself
    locale: str  # CLDR's name of it: how numbers, dates and plural forms are written
    voice: str  # espeak-ng's name of the voice that reads it aloud
    currency: dict[str, dict[str, str]]  # ISO 4217 -> plural form of CLDR -> words; `other` stands for any
    notes: dict[str, str]  # plural form -> words
    text: dict[str, dict[str, str]]  # screen -> key -> words
    refusal: dict[str, Refusal]
    reason: dict[str, str]  # the machine's English words -> words for the depositor; `unknown` is the fallback


class Words:
    """One language."""

    def __init__(self, code: str, catalogue: Catalogue) -> None:
        self.code = code  # BCP 47
        self.catalogue = catalogue
        self.locale = Locale.parse(catalogue.locale)

    @property
    def name(self) -> str:
        return self.catalogue.name

    def text(self, key: str, **values: object) -> str:
        """The words of `screen.key`, filled in; raises `KeyError` for a key that is not there."""
        screen, _, name = key.partition(".")
        return self.catalogue.text[screen][name].format(**values)

    def number(self, minor: int, currency: str) -> str:
        """An amount without its unit; decimals only when there are any."""
        value, digits = _major(minor, currency), get_currency_precision(currency)
        whole = value == value.to_integral_value()
        return format_decimal(value, "#,##0" if whole else f"#,##0.{'0' * digits}", self.locale)

    def amount(self, minor: int, currency: str) -> str:
        """An amount with its unit, in the plural form that the language has for it."""
        forms = self.catalogue.currency.get(currency, {"other": f"{{amount}} {currency}"})
        return self._plural(forms, abs(_major(minor, currency))).format(amount=self.number(minor, currency))

    def _plural(self, forms: dict[str, str], count: Decimal) -> str:
        return forms.get(self.locale.plural_form(count.normalize() + 0), forms["other"])

    def amounts(self, amounts: tuple[Amount, ...]) -> str:
        """Amounts of one or more currencies, which are never added up."""
        return " + ".join(self.amount(amount.minor, amount.currency) for amount in amounts)

    def notes(self, count: int) -> str:
        """A count of notes."""
        return self._plural(self.catalogue.notes, Decimal(count)).format(n=format_decimal(count, locale=self.locale))

    def date(self, rfc3339: str) -> str:
        """A moment in the kiosk's own time zone."""
        moment = datetime.fromisoformat(rfc3339).astimezone()
        day = format_skeleton("yMMMd", moment, locale=self.locale)
        return f"{day}, {format_time(moment, 'HH:mm', locale=self.locale)}"

    def refusal(self, reason: str) -> Refusal:
        """Why a note came back, from the machine's reason."""
        return self.catalogue.refusal[REFUSALS.get(reason, REFUSAL_OTHERWISE)]

    def reason(self, machine: str) -> str:
        """The machine's reason in this language, without its figures; in the machine's words when it is a new one."""
        plain = _DETAIL.sub("", machine)
        reasons = self.catalogue.reason
        known = reasons.get(machine) or reasons.get(plain) or reasons.get(plain.partition(":")[0])
        return known or self.catalogue.reason["unknown"].format(detail=plain[:1].upper() + plain[1:])

    def reasons(self, machine: tuple[str, ...], most: int) -> list[str]:
        """At most `most` reasons, each once."""
        return list(dict.fromkeys(self.reason(one) for one in machine))[:most]


def _major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-get_currency_precision(currency))


def languages() -> frozenset[str]:
    """The languages that have a file; adding one is adding its file."""
    files = resources.files("kiosk.terminal").joinpath("messages").iterdir()
    return frozenset(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


@cache
def words_of(code: str) -> Words:
    """The words of a language; raises `FileNotFoundError` for one that has no catalogue."""
    text = resources.files("kiosk.terminal").joinpath("messages", f"{code}.toml").read_text("utf-8")
    return Words(code, msgspec.convert(tomllib.loads(text), Catalogue))
