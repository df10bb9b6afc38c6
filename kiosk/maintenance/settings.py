"""`kioskctl config`: whether a configuration can be used, and what it comes to."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec

from kiosk.config import config_hash, load_config
from kiosk.config.origin import Shown, shown, summary
from kiosk.errors import ConfigError

EXIT_CONFIG: Final = 5  # as in `cli.Exit`
VALUE_CHARS_MAX: Final = 40  # a longer value pushes the rest of its line to the right
_Result = TypeVar("_Result")


def config_command(default: Path) -> click.Group:
    """The group; `default` is the file when none is named."""

    @click.group("config")
    def config() -> None:
        """The kiosk's settings; docs/settings.md lists them all. Needs no running controller."""

    @config.command()
    @click.argument("file", type=click.Path(path_type=Path), default=default, envvar="KIOSK_CONFIG")
    @click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")
    def check(file: Path, *, as_json: bool) -> None:
        """Say whether FILE can be used; if not, which setting is wrong, what is allowed and what to do.

        It does not look whether devices, keys or certificates are where the file says.
        """
        values, digest = _or_explained(lambda: (shown(file), config_hash(load_config(file))), as_json=as_json)
        if as_json:
            click.echo(msgspec.json.encode({"ok": True, "file": str(file), "config_hash": digest}))
            return
        click.echo(f"{file} can be used. {summary(load_config(file), values)}; hash {digest[:16]}")

    @config.command("show")
    @click.argument("file", type=click.Path(path_type=Path), default=default, envvar="KIOSK_CONFIG")
    @click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")
    def show(file: Path, *, as_json: bool) -> None:
        """Every setting: its value, where it comes from (file and line, or default), unit and range."""
        values = _or_explained(lambda: shown(file), as_json=as_json)
        click.echo(_json(values) if as_json else _table(values))

    return config


def _or_explained(work: Callable[[], _Result], *, as_json: bool) -> _Result:
    try:
        return work()
    except ConfigError as error:
        if as_json:
            told = {"error": error.args[0], "remedy": error.remedy, "exit_code": EXIT_CONFIG}
            click.echo(msgspec.json.encode(told))
        else:
            click.echo(click.style(f"kioskctl: {error.args[0]}", fg="red"), err=True)
            click.echo(f"-> {error.remedy}", err=True)
        sys.exit(EXIT_CONFIG)


def _table(values: list[Shown]) -> str:
    places = [f"{value.file.name}:{value.line}" if value.file else "default" for value in values]
    key_chars = max(len(value.key) for value in values)
    value_chars = min(max(len(value.text) for value in values), VALUE_CHARS_MAX)
    place_chars = max(map(len, places))
    lines = []
    for value, place in zip(values, places, strict=True):
        told = click.style(f"{place:{place_chars}}", fg="green" if value.file else None)
        words = "; ".join(word for word in (value.allowed, value.unit) if word)
        lines.append(f"{value.key:{key_chars}} = {value.text:{value_chars}}  {told}  {words}")
    return "\n".join(lines)


def _json(values: Iterable[Shown]) -> bytes:
    return msgspec.json.encode(
        [
            {
                "key": value.key,
                "value": value.value,
                "origin": value.origin,
                "file": None if value.file is None else str(value.file),
                "line": value.line,
                "unit": value.unit,
                "allowed": value.allowed,
            }
            for value in values
        ]
    )
