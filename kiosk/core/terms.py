"""The bank's terms for one kiosk: limits, what a grade of risk does, time-outs, and words for the screen. Pure.

Limits only ever get tighter by them: the configuration is the ceiling, since it knows the cabinet. What each grade
does has a floor, too: high always closes the port (`kiosk.core.risk`), whatever the bank says of medium.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Final, Literal
from unicodedata import east_asian_width

import msgspec

from kiosk.core.policy import Timing

MOMENT: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
Moment = Annotated[str, msgspec.Meta(pattern=MOMENT)]  # UTC; of one form, so that texts compare as times do
Minor = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Seconds = Annotated[int, msgspec.Meta(ge=30, le=3600)]  # 20 s of them warn: nobody's time runs out unseen
Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")]  # BCP 47
TEXTS_MAX: Final = 24
TEXT_CHARACTERS_MAX: Final = 80  # two lines of the screen; all of them fit a status push. A Chinese one counts twice


class BankLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one currency, minor units."""

    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    deposit_minor_max: Minor
    day_minor_max: Minor


class BankTiming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time-outs that the bank may set, seconds; None leaves the configuration's."""

    idle_s: Seconds | None = None
    confirm_s: Seconds | None = None
    resume_s: Seconds | None = None
    take_s: Seconds | None = None


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in one language. A `notice` tells of an incident, for a time; a `safety` message stays.

    `compensation` says what the bank owes a depositor when something goes wrong; it is shown before a deposit begins.
    """

    kind: Literal["safety", "notice", "compensation"]
    language: Language
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
    begins: Moment | None = None
    ends: Moment | None = None

    def shown(self, now: str) -> bool:
        """Whether it is time for it; `now` in the form of `Moment`."""
        return (self.begins is None or self.begins <= now) and (self.ends is None or now < self.ends)


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that the bank says; a new version replaces the old one whole."""

    limits: Annotated[tuple[BankLimit, ...], msgspec.Meta(max_length=8)] = ()
    medium: Literal["accept", "stop"] = "accept"  # what a medium grade does to a deposit; `stop`: the same as high
    timing: BankTiming = BankTiming()
    texts: Annotated[tuple[Words, ...], msgspec.Meta(max_length=TEXTS_MAX)] = ()


def timed(timing: Timing, bank: BankTiming) -> Timing:
    """The configuration's time-outs with what the bank has set."""
    wanted = {
        "idle_s": bank.idle_s,
        "review_s": bank.confirm_s,
        "resume_s": bank.resume_s,
        "returned_s": bank.take_s,
    }
    return msgspec.structs.replace(timing, **{name: float(s) for name, s in wanted.items() if s is not None})


def limited(configured: Mapping[str, tuple[int, int]], limits: Iterable[BankLimit]) -> dict[str, tuple[int, int]]:
    """Currency -> (one deposit, one day), minor units: never above what is configured."""
    said = {limit.currency: (limit.deposit_minor_max, limit.day_minor_max) for limit in limits}
    return {
        currency: (min(deposit, said.get(currency, (deposit, day))[0]), min(day, said.get(currency, (deposit, day))[1]))
        for currency, (deposit, day) in configured.items()
    }


def problem(terms: Terms) -> str:
    """What is wrong though every type holds, in words; empty when nothing is."""
    currencies = [limit.currency for limit in terms.limits]
    texts = terms.texts
    moments = [moment for words in texts for moment in (words.begins, words.ends) if moment is not None]
    checks = (
        (len(set(currencies)) == len(currencies), "a currency is limited twice"),
        (all(words.text.isprintable() for words in texts), "a text is not printable"),
        (
            all(_columns(words.text) <= TEXT_CHARACTERS_MAX for words in texts),
            f"a text is wider than {TEXT_CHARACTERS_MAX} letters, or half as many Chinese characters",
        ),
        (all(_is_moment(moment) for moment in moments), "a moment is none"),
        (
            all(words.begins is None or words.ends is None or words.begins < words.ends for words in texts),
            "a notice ends before it begins",
        ),
    )
    return next((words for holds, words in checks if not holds), "")


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
