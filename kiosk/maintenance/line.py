"""A line of the shell, taken apart: a command's words, and what its output goes through. Pure.

Quoting is that of POSIX shells; nothing else of a shell is: no variables, no redirection, no other programs.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

LINE_CHARACTERS_MAX: Final = 4096
PIPE: Final = "|"
FILTERS: Final = {"match": "lines in which REGEX is found", "count": "how many lines there are"}


class BadLineError(ValueError):
    """This is no line that could be carried out; the text says why."""


@dataclass(frozen=True)
class Filter:
    """One stage behind a pipe."""

    name: str  # a key of FILTERS
    pattern: re.Pattern[str] | None = None

    def run(self, lines: Iterable[str]) -> Iterator[str]:
        """What comes out of it."""
        if self.pattern is None:
            yield str(sum(1 for _ in lines))
            return
        for line in lines:
            if self.pattern.search(line[:LINE_CHARACTERS_MAX]):
                yield line


@dataclass(frozen=True)
class Line:
    """A command with its arguments, and its filters; no words: an empty line."""

    words: tuple[str, ...]
    filters: tuple[Filter, ...] = ()


def words_of(text: str) -> list[str]:
    """The words of a line, pipes among them. Raises `BadLineError` when a quote is not closed."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=PIPE)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError as error:
        raise BadLineError(f"a quote is not closed: {error}") from error


def parse(text: str) -> Line:
    """Take a line apart. Raises `BadLineError`."""
    if len(text) > LINE_CHARACTERS_MAX:
        raise BadLineError(f"a line has at most {LINE_CHARACTERS_MAX} characters")
    stages: list[list[str]] = [[]]
    for word in words_of(text):
        if word == PIPE:
            stages.append([])
        else:
            stages[-1].append(word)
    if len(stages) > 1 and not all(stages):
        raise BadLineError("there is nothing on one side of the pipe")
    return Line(tuple(stages[0]), tuple(_filter(stage) for stage in stages[1:]))


def _filter(stage: list[str]) -> Filter:
    name, *arguments = stage
    if name == "count" and not arguments:
        return Filter(name)
    if name == "match" and len(arguments) == 1:
        try:
            return Filter(name, re.compile(arguments[0]))
        except re.error as error:
            raise BadLineError(f"{arguments[0]} is no regular expression: {error}") from error
    known = "; ".join(f"{one}: {about}" for one, about in FILTERS.items())
    raise BadLineError(f"behind a pipe: match REGEX or count, not {' '.join(stage)!r} ({known})")
