"""The languages of the screen: complete, alike, and used; what the machine says has words in all of them."""

import re
import string
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

import kiosk.terminal
from firmware_bridge.protocols.ssp.replies import REJECT_CODES
from kiosk.config.schema import TerminalConfig
from kiosk.core import risk
from kiosk.core.cash_in import FISHED
from kiosk.management.handling import REACHED_IN, TAKEN
from kiosk.management.machine import OBSTACLES
from kiosk.management.transactions import OFTEN
from kiosk.management.translate import STOPS
from kiosk.messages import Amount
from kiosk.messages.watcher import UNHEARD
from kiosk.monitoring.feature_words import Stream, describe
from kiosk.monitoring.watcher import HEARD
from kiosk.terminal.words import REFUSALS, Words, languages, words_of

ROOM = Path(kiosk.terminal.__file__).parent
LANGUAGES = ("en", "zh", "ru")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
RUSSIAN = re.compile(r"[\u0400-\u04ff]")
each_language = pytest.mark.parametrize("words", [words_of(code) for code in LANGUAGES], ids=LANGUAGES)


def texts(words: Words) -> dict[str, str]:
    """Every text of a language by its whole key, reasons apart."""
    catalogue = words.catalogue
    flat = {f"{screen}.{key}": text for screen, keys in catalogue.text.items() for key, text in keys.items()}
    flat |= {f"notes.{key}": text for key, text in catalogue.notes.items() if key == "other"}
    flat |= {f"currency.{key}": forms["other"] for key, forms in catalogue.currency.items()}
    flat |= {f"refusal.{key}.what": refusal.what for key, refusal in catalogue.refusal.items()}
    return flat | {f"refusal.{key}.do": refusal.do for key, refusal in catalogue.refusal.items()}


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_language_that_has_a_file_is_tested_and_offered() -> None:
    assert set(TerminalConfig().languages) == set(LANGUAGES) == languages()


@each_language
def test_every_plural_form_of_the_language_has_words(words: Words) -> None:
    forms = {words.locale.plural_form(Decimal(count)) for count in range(201)}
    for given in (words.catalogue.notes, *(each for each in words.catalogue.currency.values() if len(each) > 1)):
        assert forms <= {*given, *(() if len(forms) > 1 and len(given) > 2 else ("other", "one"))}
        assert "other" in given


@each_language
def test_every_text_is_in_every_language_with_the_same_blanks(words: Words) -> None:
    english, here = texts(words_of("en")), texts(words)
    assert here.keys() == english.keys()
    assert {key: fields(text) for key, text in here.items()} == {key: fields(text) for key, text in english.items()}
    assert all(text.strip() for text in here.values())


@pytest.mark.parametrize(("language", "letters"), [("zh", CHINESE), ("ru", RUSSIAN)])
def test_a_language_is_written_in_its_own_letters(language: str, letters: re.Pattern[str]) -> None:
    found = texts(words_of(language)).items()
    assert [key for key, text in found if not letters.search(text) and "{n}" not in text] == []
    told = words_of(language).catalogue.reason.items()
    assert [reason for reason, text in told if not letters.search(text)] == []


def test_every_text_is_used() -> None:
    sources = "".join(path.read_text() for kind in ("*.html", "*.py") for path in ROOM.rglob(kind))
    # put together from a code
    made_up = (
        "option.",
        "key.",
        "problem.",
        "bundling.",
        "result.",
        "risk.result_",
        "receipt.",
        "obstacle.",
        "place.",
        "held.",
        "staff.",
    )
    unused = [key for key in texts(words_of("en")) if f'"{key}"' not in sources and not key.startswith(made_up)]
    assert [key for key in unused if not key.startswith(("notes.", "currency.", "refusal."))] == []


@each_language
def test_every_refusal_of_validator_and_policy_is_told_with_what_to_do(words: Words) -> None:
    for reason in (*REJECT_CODES.values(), *REFUSALS, "something new"):
        refusal = words.refusal(reason)
        assert refusal.what
        assert refusal.do
    assert set(REFUSALS.values()) | {"unreadable"} == set(words.catalogue.refusal)


def machine_words() -> set[str]:
    """All reasons that our code knows to give, in its own English."""
    management = (ROOM.parent / "management" / "machine.py").read_text()
    found = set(re.findall(r'(?:yield |or |            )"([a-z][^"{]+)"', management))
    # What stands in front of figures or names, which a screen leaves out.
    units = (ROOM.parent / "core" / "units.py").read_text()
    found |= set(re.findall(r'f"([a-z][^"{\[(]+) [\[(]', management + units))
    found |= {words.partition(":")[0] for words in OBSTACLES.values()}
    found |= {f"the {name} container is missing" for name in ("retract", "cassette")}
    found |= {f"the {name} is full" for name in ("retract", "cassette", "cabinet")}
    found |= {risk.WATCHER_SILENT, "no cabinet slot is free", "an unusual combination of otherwise usual values"}
    found |= {words for _, words in risk._LENS.values() if words} | set(STOPS.values())  # noqa: SLF001 - its table
    found |= {FISHED, TAKEN, REACHED_IN, OFTEN.split(" (")[0], *(UNHEARD.format(name) for name in HEARD)}
    for stream in get_args(Stream):
        for feature in describe(stream):
            found |= {feature.words_high, feature.words_low}
    return found


@pytest.mark.parametrize("language", ["zh", "ru"])
def test_every_reason_of_the_machine_is_told_in_other_languages(language: str) -> None:
    words = words_of(language)
    assert {"no straps are left", "an exchange is open", "the machine is being serviced"} <= machine_words()
    assert [reason for reason in sorted(machine_words()) if reason not in words.catalogue.reason] == []


def test_a_reason_is_told_without_its_figures() -> None:
    told = "a single head (second head 0.3 share, usually 0 to 0.1) [map cell 3,4 of 10 x 10]"
    assert words_of("en").reason(told) == "A single head."
    assert words_of("zh").reason(told) == "只有一个头"


@each_language
def test_a_device_that_fails_is_named_in_words_and_not_by_the_fault(words: Words) -> None:
    for device in ("validator", "board", "label printer", "receipt printer", "lines"):
        told = words.reason(f"{device}: it does not answer (0.5 s)")
        assert told == words.catalogue.reason[device]


def test_a_reason_that_nobody_translated_is_shown_as_it_is() -> None:
    assert words_of("zh").reason("the flux is low").startswith("技术原因")
    assert words_of("en").reasons(("the flux is low", "the flux is low (3 V)", "a", "b"), 2) == [
        "The flux is low.",
        "A.",
    ]


@pytest.mark.parametrize(
    ("minor", "currency", "english", "chinese"),
    [
        (37_000, "CNY", "370 yuan", "370 元"),
        (123_456_789, "CNY", "1,234,567.89 yuan", "1,234,567.89 元"),
        (5, "CNY", "0.05 yuan", "0.05 元"),
        (0, "CNY", "0 yuan", "0 元"),
        (5000, "JPY", "5,000 JPY", "5,000 JPY"),
        (5000, "CHF", "50 CHF", "50 CHF"),
        (-150, "EUR", "-1.50 euros", "-1.50 欧元"),
    ],
)
def test_amounts(minor: int, currency: str, english: str, chinese: str) -> None:
    assert (words_of("en").amount(minor, currency), words_of("zh").amount(minor, currency)) == (english, chinese)


def test_currencies_are_never_added_up() -> None:
    assert words_of("en").amounts((Amount(100, "CNY"), Amount(250, "EUR"))) == "1 yuan + 2.50 euros"


def test_counts_and_dates() -> None:
    english, chinese, russian = words_of("en"), words_of("zh"), words_of("ru")
    assert [english.notes(count) for count in (0, 1, 2)] == ["0 notes", "1 note", "2 notes"]
    assert chinese.notes(1) == "1 张"
    told = [russian.notes(count) for count in (0, 1, 2, 5, 21, 112)]
    assert told == ["0 купюр", "1 купюра", "2 купюры", "5 купюр", "21 купюра", "112 купюр"]
    assert [russian.amount(minor, "CNY") for minor in (100, 200, 500, 150)] == [
        "1 юань",
        "2 юаня",
        "5 юаней",
        "1,50 юаня",
    ]
    at = "2026-11-21T12:30:00.125Z"
    assert re.fullmatch(r"2[12] Nov 2026, \d\d:30", english.date(at))
    assert re.fullmatch(r"2026年11月2[12]日, \d\d:30", chinese.date(at))
    assert re.fullmatch(r"2[12] нояб\. 2026 г\., \d\d:30", " ".join(russian.date(at).split()))  # noqa: RUF001


def test_a_device_is_named_with_its_trouble_left_to_the_staff() -> None:
    told = words_of("zh").reason("the receipt printer is not ready: the paper is used up")
    assert told.startswith("凭证打印机没有准备好")
