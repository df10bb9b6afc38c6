"""The book of commissioning: every step of `kioskctl commission`, written down where the configuration lies.

A step is written when it has ended, well or not; the file is locked and looked through before it begins, so that
nothing is done that could not be written down. The controller is told when it runs.
"""

import asyncio
import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import click

from kiosk.clock import rfc3339
from kiosk.core import commissioning
from kiosk.core.commissioning import FILE, FILE_BYTES_MAX, LINE_BYTES_MAX, STEPS_MAX, TEXT_CHARACTERS_MAX, StepName
from kiosk.core.people import STAFF_ID
from kiosk.errors import ConfigError, KioskError
from kiosk.guarantee.files import make_directory
from kiosk.maintenance.session import ask
from kiosk.messages import Ok, TakeCommissioning

_LOGIN: Final = Path("/proc/self/loginuid")  # who signed in, whatever sudo made of them
_NOBODY: Final = (1 << 32) - 1
by_option = click.option("--by", default=None, metavar="STAFF", help="Your staff id; asked for when it is not given.")


@dataclass
class Outcome:
    """What came of a step, in words; `fail` says that it was not as it should be."""

    result: str = ""
    ok: bool = True
    arguments: dict[str, str] = field(default_factory=dict)

    def fail(self, result: str) -> None:
        """It was done, and is not as it should be."""
        self.result, self.ok = result, False


def who(by: str | None) -> str:
    """Who takes a step. Nobody is enrolled yet: it is their word. Raises ConfigError."""
    found: str = by if by is not None else click.prompt("Your staff id", err=True)
    if re.fullmatch(STAFF_ID, found) is None:
        raise ConfigError(f"{found!r} is no staff id", remedy="Letters, digits, '.', '_' and '-', at most 32.")
    return found


@contextlib.contextmanager
def step(
    config_path: Path, name: StepName, by: str, arguments: dict[str, str] | None = None, bus_dir: Path | None = None
) -> Iterator[Outcome]:
    """Do a step within this; what it says of itself, or why it broke off, is written. Raises KioskError, OSError."""
    try:
        with _written(config_path, name, by, dict(arguments or {})) as outcome:
            yield outcome
    finally:
        with contextlib.suppress(KioskError):  # it does not run yet: it reads the book when it starts
            asyncio.run(ask(bus_dir, config_path, TakeCommissioning(), Ok))


@contextlib.contextmanager
def _written(config_path: Path, name: StepName, by: str, arguments: dict[str, str]) -> Iterator[Outcome]:
    outcome = Outcome(arguments=arguments)
    if name in ("devices", "configuration"):  # the first steps; any other needs what they have made
        make_directory(config_path.parent)
    with (config_path.parent / FILE).open("ab+") as book:
        fcntl.flock(book, fcntl.LOCK_EX)
        os.fchmod(book.fileno(), 0o644)  # the controller reads it, whatever the umask says; there is no secret in it
        before = _looked_through(book, config_path.parent / FILE)
        try:
            yield outcome
        except (KioskError, OSError) as error:
            outcome.fail(str(error.args[0]) if isinstance(error, KioskError) else f"{error.filename}: {error.strerror}")
            raise
        except BaseException:
            outcome.fail("broken off")
            raise
        finally:
            book.write(_line(before, name, by, outcome))
            book.flush()
            os.fsync(book.fileno())


def done(config_path: Path) -> commissioning.Entries:
    """Every step so far. Raises OSError."""
    try:
        return commissioning.read((config_path.parent / FILE).read_bytes())
    except FileNotFoundError:
        return commissioning.Entries(())


def newest(entries: commissioning.Entries, name: StepName, **arguments: str) -> commissioning.StepTaken | None:
    """The last time that this step was taken, with these among its arguments."""
    steps = (entry.step for entry in reversed(entries.steps))
    return next((each for each in steps if each.step == name and arguments.items() <= each.arguments.items()), None)


def _looked_through(book: IO[bytes], path: Path) -> str:
    """The hash that the next line names. A line that was broken off is dropped, a book that does not hold refused."""
    book.seek(0)
    data = book.read(FILE_BYTES_MAX + 1)
    entries = commissioning.read(data)
    if entries.trouble:
        remedy = f"Look who changed it; move {path} away: its first lines are on record."
        raise ConfigError(f"{path}: {entries.trouble}", remedy=remedy)
    if len(entries.steps) >= STEPS_MAX or len(data) + LINE_BYTES_MAX > FILE_BYTES_MAX:
        raise ConfigError(f"{path} is full", remedy="Move it away; its lines are on record.")
    book.truncate(len(commissioning.whole(data)))
    return entries.last


def _line(before: str, name: StepName, by: str, outcome: Outcome) -> bytes:
    cut = {key: value[:TEXT_CHARACTERS_MAX] for key, value in outcome.arguments.items()}
    made = commissioning.StepTaken(
        before=before,
        at=rfc3339(datetime.now(UTC)),
        by=by,
        uid=_login(),
        step=name,
        ok=outcome.ok,
        result=outcome.result[:TEXT_CHARACTERS_MAX],
        arguments=cut,
    )
    return commissioning.line(made)


def _login() -> int:
    try:
        found = int(_LOGIN.read_text())
    except (OSError, ValueError):
        found = _NOBODY
    return os.getuid() if found == _NOBODY else found
