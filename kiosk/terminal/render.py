"""From a screen to HTML. The templates hold no logic of money: they show what the status says."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined

from kiosk.messages import BankText, Status
from kiosk.terminal.screens import (
    PART_AT,
    PART_OF,
    STEP_OF,
    STEPS,
    Screen,
    bundle_at,
    grouped,
    limit_reached,
    result_of,
)
from kiosk.terminal.session import OPTIONS, Session
from kiosk.terminal.speech import spoken
from kiosk.terminal.words import Words, words_of

REASONS_MAX: Final = 2
BANK_TEXTS_MAX: Final = 1  # of each language, on the first screen: there is no room for more
ON_FIRST_SCREEN: Final = ("notice", "safety")  # in this order
_QUIET: Final = 4  # modules of white around a QR code: ISO/IEC 18004


@lru_cache(maxsize=8)
def qr_path(text: str) -> tuple[int, str]:
    """A QR code at level M: its modules a side with the quiet zone of four, and its dark modules as an SVG path."""
    code = segno.make(text, error="m", micro=False, boost_error=False)
    rows = tuple(tuple(row) for row in code.matrix_iter(border=_QUIET))
    runs = (f"M{x} {y}h{length}v1h-{length}z" for y, row in enumerate(rows) for x, length in _runs(row))
    return len(rows), "".join(runs)


def _compensation(status: Status, language: str) -> str:
    """The bank's terms of compensation in this language; empty when it has said none."""
    return next((s.text for s in status.bank_texts if (s.kind, s.language) == ("compensation", language)), "")


def _runs(row: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    x = 0
    for dark, group in groupby(row):
        length = len(tuple(group))
        if dark:
            yield x, length
        x += length


@dataclass(frozen=True)
class House:
    """What a screen says about the place it stands in."""

    languages: tuple[str, ...]
    default_language: str
    phone: str = ""  # whom to call; empty: the staff
    speech: bool = False  # whether screens can be read aloud


class Renderer:
    """Draws fragments and the page around them."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._environment = Environment(
            loader=PackageLoader("kiosk.terminal"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            bundle_at=bundle_at,
            compensation=_compensation,
            every=tuple(words_of(code) for code in house.languages),
            grouped=grouped,
            limit_reached=limit_reached,
            part_at=PART_AT,
            part_of=PART_OF,
            phone=house.phone,
            qr_path=qr_path,
            reasons_max=REASONS_MAX,
            options=tuple(option for option in OPTIONS if option != "speech" or house.speech),
            said_by_bank=self._said_by_bank,
            result_of=result_of,
            step_of=STEP_OF,
            steps=STEPS,
        )

    def fragment(self, screen: Screen, status: Status | None, session: Session) -> str:
        """The screen as one HTML element."""
        words: Words = words_of(session.language or self._house.default_language)
        template = self._environment.get_template(f"screens/{screen.name}.html")
        return template.render(
            w=words,
            t=words.text,
            screen=screen,
            status=status,
            d=status.deposit if status is not None else None,
            session=session,
        )

    def said(self, fragment: str, session: Session) -> tuple[str, str]:
        """The voice for a fragment that `fragment` made, and its words to be spoken."""
        words = words_of(session.language or self._house.default_language)
        return words.catalogue.voice, spoken(fragment, words.catalogue.text["key"])

    def _said_by_bank(self, status: Status) -> tuple[BankText, ...]:
        """The bank's words in the languages of this house, notices before what always stands, as many as fit."""
        heeded = [said for said in status.bank_texts if said.kind in ON_FIRST_SCREEN]
        ordered = sorted(heeded, key=lambda said: ON_FIRST_SCREEN.index(said.kind))
        return tuple(
            said
            for code in self._house.languages
            for said in [each for each in ordered if each.language == code][:BANK_TEXTS_MAX]
        )

    def page(self, fragment: str, language: str | None) -> str:
        """The whole page around a fragment that `fragment` made."""
        words = words_of(language or self._house.default_language)
        return self._environment.get_template("page.html").render(fragment=fragment, w=words, t=words.text)
