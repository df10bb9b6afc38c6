"""`kioskctl config`: whether a configuration can be used, and what it comes to; `show config`: at the running kiosk."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec

from kiosk.config import config_hash, load_config
from kiosk.config.origin import Shown, shown, summary
from kiosk.errors import BusError, ConfigError, KioskError
from kiosk.maintenance.session import ask, bus_options, fail, placed
from kiosk.maintenance.words import duration_in_words
from kiosk.messages import GetSettings, Settings, SettingView

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


@click.command("config")
@bus_options
def show_config_command(*, as_json: bool, bus_dir: Path | None, config_path: Path) -> None:
    """Every setting in force: its value, where it comes from (file and line, default, or set by whom and when), range.

    What was set at the running kiosk and waits to be confirmed is TENTATIVE. Without a controller: what the file says.
    """
    bus_dir, config_path = placed(bus_dir, config_path)
    values = _or_explained(lambda: shown(config_path), as_json=as_json)
    missing = ""
    try:
        live = asyncio.run(ask(bus_dir, config_path, GetSettings(), Settings))
    except BusError as error:
        live, missing = Settings((), 0), str(error.args[0])
    except KioskError as error:
        fail(error, as_json=as_json)
    over = {each.key: each for each in live.settings if each.origin != "configured"}
    if as_json:
        click.echo(_json(values, over))
        return
    click.echo(_table(values, over))
    if live.undone_in_s:
        left = duration_in_words(live.undone_in_s)
        click.echo(f"what is TENTATIVE is undone in {left}; to keep it: kioskctl set confirm")
    if missing:
        click.echo(f"as the file says: what was set over it is not known, {missing}")


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


_NOTHING: Final[Mapping[str, SettingView]] = {}


def _table(values: list[Shown], over: Mapping[str, SettingView] = _NOTHING) -> str:
    """`over`: what was set at the running kiosk, by key."""
    places = [f"{value.file.name}:{value.line}" if value.file else "default" for value in values]
    texts = [over[value.key].value if value.key in over else value.text for value in values]
    key_chars = max(len(value.key) for value in values)
    value_chars = min(max(map(len, texts)), VALUE_CHARS_MAX)
    place_chars = max(map(len, places))
    lines = []
    for value, text, place in zip(values, texts, places, strict=True):
        words = "; ".join(word for word in (value.allowed, value.unit) if word)
        if (live := over.get(value.key)) is not None:
            state = "TENTATIVE, set" if live.origin == "tentative" else "set"
            told = click.style(
                f"{state} by {' and '.join(live.by)}, {live.at}; {place} = {live.configured}", fg="yellow"
            )
        else:
            told = click.style(f"{place:{place_chars}}", fg="green" if value.file else None)
        lines.append(f"{value.key:{key_chars}} = {text:{value_chars}}  {told}  {words}")
    return "\n".join(lines)


def _set(live: SettingView | None) -> dict[str, object]:
    """What JSON says of it beside the file's word, which `configured` keeps."""
    if live is None:
        return {}
    value = msgspec.json.decode(live.value)
    configured = msgspec.json.decode(live.configured)
    return {"value": value, "origin": live.origin, "by": live.by, "at": live.at, "configured": configured}


def _json(values: Iterable[Shown], over: Mapping[str, SettingView] = _NOTHING) -> bytes:
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
                **_set(over.get(value.key)),
            }
            for value in values
        ]
    )
