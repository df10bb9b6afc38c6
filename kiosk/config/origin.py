"""Where each value comes from: which line of which file, or the default. For `kioskctl config show`.

tomllib gives no line numbers, so the text is taken statement by statement, each as short as it parses, and tomllib
itself says which keys are in it; nothing here knows TOML's grammar a second time.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from kiosk.config.loading import REDACTED, load_config
from kiosk.config.reference import SECRET, settings_of, unit_of, value_text
from kiosk.config.schema import Config

Key = tuple[str | int, ...]
STATEMENT_LINES_MAX: Final = 1000  # of one value; a longer one is given no line


@dataclass(frozen=True)
class Shown:
    """One value as it was understood. `line` None: the default."""

    key: str  # dotted, e.g. `uplink.brokers[0].port`
    value: object  # plain: TOML's types and None
    file: Path | None
    line: int | None
    unit: str
    allowed: str

    @property
    def origin(self) -> Literal["file", "default"]:
        """Whether somebody has set it."""
        return "default" if self.file is None else "file"

    @property
    def text(self) -> str:
        """The value as TOML has it."""
        return value_text(self.value)


def shown(path: Path) -> list[Shown]:
    """All settings of the file at `path`, in the order of the types. Raises ConfigError like `load_config`."""
    config = load_config(path)
    places = {key: (path, line) for key, line in lines_of(path.read_text())}
    if config.cash.file is not None:
        for key, line in lines_of(config.cash.file.read_text()):
            places["cash", *key] = (config.cash.file, line)
    return [
        Shown(_dotted(key), REDACTED if _dotted(key) in SECRET else value, *_place(key, places), unit, allowed)
        for key, value, unit, allowed in _values(config, ())
    ]


def lines_of(text: str) -> list[tuple[Key, int]]:
    """(key, line from 1) of every value that stands in TOML `text`, which must be sound."""
    found: list[tuple[Key, int]] = []
    table: Key = ()
    repeated: dict[Key, int] = {}
    for line, statement in _statements(text):
        header = statement.lstrip().startswith("[")
        for key in _leaves(tomllib.loads(statement), (), tables=header):
            if header:
                table = _entered(key, repeated, again=statement.lstrip().startswith("[["))
            else:
                found.append((table + key, line))
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Lines that parse on their own, with as many of the following as they need to."""
    lines = text.splitlines(keepends=True)
    start = 0
    while start < len(lines):
        for end in range(start + 1, min(len(lines), start + STATEMENT_LINES_MAX) + 1):
            statement = "".join(lines[start:end])
            try:
                tomllib.loads(statement)
            except tomllib.TOMLDecodeError:
                continue
            yield start + 1, statement
            start = end
            break
        else:
            start += 1


def _leaves(value: object, key: Key, *, tables: bool) -> Iterator[Key]:
    """Keys of the values in a statement; for a header the key of its table."""
    if isinstance(value, dict) and (value or tables):
        if tables and not value:
            yield key
        for name, inner in value.items():
            yield from _leaves(inner, (*key, name), tables=tables)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        if tables:
            yield key  # [[key]] parses to a list with one empty table
        else:
            for number, item in enumerate(value):
                yield from _leaves(item, (*key, number), tables=False)
    elif key:
        yield key


def _entered(key: Key, repeated: dict[Key, int], *, again: bool) -> Key:
    """The table that a header opens, with the numbers of the repeated tables on its way."""
    path: Key = ()
    for position, name in enumerate(key):
        path = (*path, name)
        last = position == len(key) - 1
        if again and last:
            repeated[path] = repeated.get(path, -1) + 1
        if path in repeated:
            path = (*path, repeated[path])
    return path


def _values(value: Struct, key: Key) -> Iterator[tuple[Key, object, str, str]]:
    """Key, plain value, unit and range of every setting that is no table."""
    for setting in settings_of(type(value)):
        inner, path = getattr(value, setting.name), (*key, setting.name)
        if isinstance(inner, Struct):
            yield from _values(inner, path)
        elif isinstance(inner, dict) and inner and all(isinstance(item, Struct) for item in inner.values()):
            for name, item in inner.items():
                yield from _values(item, (*path, name))
        elif isinstance(inner, tuple) and inner and all(isinstance(item, Struct) for item in inner):
            for number, item in enumerate(inner):
                yield from _values(item, (*path, number))
        else:
            yield path, _plain(inner), unit_of(setting.name), setting.allowed


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _place(key: Key, places: dict[Key, tuple[Path, int]]) -> tuple[Path | None, int | None]:
    """Where `key` was set: by itself, by a part of it (a table in one line is one value) or by what holds it."""
    for length in range(len(key), 0, -1):
        if key[:length] in places:
            return places[key[:length]]
    inside = [place for other, place in places.items() if other[: len(key)] == key]
    return min(inside, key=lambda place: place[1]) if inside else (None, None)


def _dotted(key: Key) -> str:
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def summary(config: Config, values: list[Shown]) -> str:
    """One line: whose configuration it is, and how much of it was set."""
    given = sum(value.origin == "file" for value in values)
    return f"kiosk {config.kiosk.id}: {given} settings from the file, {len(values) - given} by default"
