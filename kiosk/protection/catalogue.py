"""The catalogue: kinds, grades and what may leave where, from a TOML file that is checked before it is taken.

`CatalogueFile` looks at its file again whenever it is asked: a changed file is taken at once if it passes, else the one
before stays and `trouble` says why. `version` goes into every report.
"""

import hashlib
import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec

from kiosk.protection.kinds import KINDS, OTHER, Kind

Action = Literal["pass", "mask", "tokenise", "encrypt", "stop"]
Destination = Literal["record", "telemetry", "log", "caption", "bundle", "table"]
DESTINATIONS: Final[tuple[Destination, ...]] = get_args(Destination)
DEFAULT_PATH: Final = Path(__file__).with_name("catalogue.toml")
FILE_BYTES_MAX: Final = 1 << 18
LANGUAGES: Final = ("en", "zh", "ru")
_VERSION_CHARACTERS: Final = 16
_NEVER_CLEAR: Final[tuple[Kind, ...]] = ("secret", "device_token")  # whoever has them is the person
_DEFAULT: Final = "default"
# Where a sealed value cannot go, and why: `encrypt` is refused there, or it would quietly be a mask.
NOT_SEALED: Final[Mapping[Destination, str]] = {
    "record": "what is protected is in the record's own sealed part already, and its clear part has no room for more",
    "telemetry": "a message of a few kilobytes that may expire cannot carry values of 1.2 kB each",
    "log": "processes that write lines hold no key of the bank's, and a line is for whoever reads it at the machine",
    "caption": "a caption has at most 200 characters, a sealed value 1.2 kB",
    "table": "what is said of a table is for people who read it; the cells themselves stay in the table",
}

Weight = Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class CatalogueError(ValueError):
    """The file is no catalogue, or one that must not be taken; says where."""


class Grade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grade of tables; the next one begins at its own `score_min`."""

    id: Name
    score_min: Weight
    title: dict[str, str]


class KindEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much one kind is protected: least grade of a table that has it, and what a full column adds to the score."""

    grade: Name
    weight: Weight
    title: dict[str, str]


class Combination(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Kinds that say more together."""

    kinds: Annotated[tuple[str, ...], msgspec.Meta(min_length=2, max_length=8)]
    weight: Weight


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    grades: Annotated[tuple[Grade, ...], msgspec.Meta(min_length=1, max_length=16)]
    kinds: dict[str, KindEntry]
    policies: dict[Destination, dict[str, Action]]
    combinations: Annotated[tuple[Combination, ...], msgspec.Meta(max_length=64)] = ()


@dataclass(frozen=True)
class Catalogue:
    """What passed the checks. `version`: the first 16 hex digits of its file's SHA-256."""

    version: str
    grades: tuple[Grade, ...]  # from the least to the highest
    kinds: Mapping[str, KindEntry]
    combinations: tuple[Combination, ...]
    policies: Mapping[str, Mapping[str, Action]]  # destination -> kind -> action, complete

    @classmethod
    def load(cls, path: Path | None = None) -> "Catalogue":
        """The catalogue of `path` (that of the package). Raises CatalogueError; OSError where it cannot be read."""
        return cls.parse((path or DEFAULT_PATH).read_bytes())

    @classmethod
    def parse(cls, data: bytes) -> "Catalogue":
        """Take a file's bytes. Raises CatalogueError."""
        if len(data) > FILE_BYTES_MAX:
            raise CatalogueError(f"a catalogue has at most {FILE_BYTES_MAX} bytes, this one {len(data)}")
        try:
            file = msgspec.convert(tomllib.loads(data.decode("utf-8")), _File)
        except (ValueError, RecursionError) as error:  # also of tomllib, msgspec and the encoding
            raise CatalogueError(f"no catalogue: {error}") from error
        _check(file)
        policies: dict[str, dict[str, Action]] = {
            to: {kind: by.get(kind, by[_DEFAULT]) for kind in KINDS} for to, by in file.policies.items()
        }
        version = hashlib.sha256(data).hexdigest()[:_VERSION_CHARACTERS]
        return cls(version, file.grades, file.kinds, file.combinations, policies)

    def action(self, kind: str, destination: Destination) -> Action:
        """What is done with this kind on its way there; what the catalogue does not know is stopped."""
        return self.policies[destination].get(kind, "stop")


def _check(file: _File) -> None:
    grades = [grade.id for grade in file.grades]
    scores = [grade.score_min for grade in file.grades]
    _holds(len(set(grades)) == len(grades), "two grades have one id")
    _holds(scores[0] == 0.0, "the least grade begins at score_min = 0")
    _holds(all(a < b for a, b in itertools.pairwise(scores)), "grades stand in rising order of score_min")
    _holds(set(file.kinds) == set(KINDS), f"kinds missing or unknown: {sorted(set(file.kinds) ^ set(KINDS))}")
    for name, entry in file.kinds.items():
        _holds(entry.grade in grades, f"kind {name}: grade {entry.grade!r} is not in [[grades]]")
        _holds(set(LANGUAGES) <= set(entry.title), f"kind {name}: a title in each of {', '.join(LANGUAGES)}")
    for together in file.combinations:
        unknown = set(together.kinds) - set(KINDS)
        _holds(not unknown, f"a combination of unknown kinds: {sorted(unknown)}")
    missing = set(DESTINATIONS) - set(file.policies)
    _holds(not missing, f"no policy for {sorted(missing)}")
    for to, by in file.policies.items():
        unknown = set(by) - set(KINDS) - {_DEFAULT}
        _holds(not unknown, f"policy {to}: unknown kinds {sorted(unknown)}")
        _holds(_DEFAULT in by, f"policy {to}: no {_DEFAULT}")
        _holds(by.get(OTHER) == "pass", f"policy {to}: {OTHER} passes, or nothing could be said at all")
        for kind in _NEVER_CLEAR:
            _holds(by.get(kind, by[_DEFAULT]) != "pass", f"policy {to}: {kind} never leaves in clear")
        if to in NOT_SEALED:
            sealed = sorted(kind for kind, action in by.items() if action == "encrypt")
            _holds(not sealed, f"policy {to}: {', '.join(sealed)} cannot be encrypted: {NOT_SEALED[to]}; mask or stop")


def _holds(condition: bool, otherwise: str) -> None:  # noqa: FBT001
    if not condition:
        raise CatalogueError(otherwise)


class CatalogueFile:
    """A catalogue that follows its file."""

    def __init__(self, path: Path | None = None) -> None:
        """Read `path` (that of the package). Raises CatalogueError, OSError: the first one has to be good."""
        self._path = path or DEFAULT_PATH
        self._seen = self._stamp()
        self._current = Catalogue.load(self._path)
        self.trouble: str | None = None  # why the newest file was not taken

    @property
    def current(self) -> Catalogue:
        """The last good one."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._current, self._seen = Catalogue.load(self._path), stamp
                self.trouble = None
        except (CatalogueError, OSError) as error:
            self.trouble = str(error)
        return self._current

    def _stamp(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
