"""Errors of a command as one line for a person, with its remedy, and a stable exit code."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from kiosk.errors import ConfigError, KioskError

EXIT_CONFIG: Final = 2
EXIT_BROKEN: Final = 3


@contextmanager
def explained(program: str = "kiosk-cloud") -> Iterator[None]:
    """Ends the process with 2 for wrong usage or configuration, 3 for what could not go on."""
    try:
        yield
    except ConfigError as error:
        click.echo(f"{program}: {error}", err=True)
        sys.exit(EXIT_CONFIG)
    except (KioskError, sqlite3.Error, OSError) as error:
        click.echo(f"{program}: {error}", err=True)
        sys.exit(EXIT_BROKEN)
