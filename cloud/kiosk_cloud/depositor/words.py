"""The page's words, and what a finding amounts to in them."""

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Final, Literal

from kiosk_cloud.depositor.lookup import Finding

Language = Literal["zh", "en", "ru"]
Kind = Literal["good", "open", "bad"]
LANGUAGES: Final[dict[Language, str]] = {"zh": "中文", "en": "English", "ru": "Русский"}
DEFAULT: Final[Language] = "zh"
WORDS: Final[dict[str, dict[str, str]]] = tomllib.loads(
    (resources.files(__package__) / "words.toml").read_text(encoding="utf-8")
)


def choose(asked: str, accepted: str) -> Language:
    """The language that was asked for, else the first that the browser accepts and we have."""
    for word in (asked, *(part.split(";")[0].strip() for part in accepted.split(","))):
        for language in LANGUAGES:
            if word[:2].lower() == language:
                return language
    return DEFAULT


def say(language: Language, key: str, **facts: object) -> str:
    """One sentence."""
    return WORDS[language][key].format(**facts)


def lines(finding: Finding, language: Language) -> Iterator[tuple[Kind, str]]:
    """What a finding says, each line with whether it is good, open or bad."""
    if finding.contradicted:
        yield "bad", say(language, "contradicted")
        return
    if not finding.received:
        yield "open", say(language, "not_received")
        return
    yield "good", say(language, "received")
    if finding.witnessed:
        yield "good", say(language, "witnessed", witnesses=", ".join(finding.witnesses))
    else:
        yield "open", say(language, "provisional")
    yield _posted(finding, language)
    if finding.open_disputes:
        yield "open", say(language, "disputed", count=finding.open_disputes)
    for record, resolution in finding.cleared:
        yield "good" if resolution == "credited" else "open", cleared(language, record, resolution)
    for record in finding.differences:
        yield "bad", say(language, "difference", sequence=record)
    if finding.forks:
        yield "bad", say(language, "fork")


def event(language: Language, name: str, finding: Finding) -> str:
    """What a contact is told of an event (`Finding.events`)."""
    match name.split(" "):
        case ["cleared", record, resolution]:
            return cleared(language, record, resolution)
        case ["count", record]:
            return say(language, "difference", sequence=record)
        case ["disputed"]:
            return say(language, "disputed", count=finding.open_disputes)
        case ["held"]:
            return say(language, "posted_held")
        case _:
            return say(language, "fork")


def cleared(language: Language, record: str, resolution: str) -> str:
    """How a dispute ended."""
    return say(language, f"cleared_{resolution}", sequence=record)


def _posted(finding: Finding, language: Language) -> tuple[Kind, str]:
    where = finding.posting
    if where is not None and where.state == "held":
        return "bad", say(language, "posted_held")
    if where is not None and where.state == "nothing":
        return "good", say(language, "posted_nothing")
    at = None if where is None else where.webhook_at or where.file_at
    return ("good", say(language, "posted_yes", at=at[:10])) if at else ("open", say(language, "posted_no"))
