"""What no single setting can say: rules between settings."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kiosk.config.schema import Config, reference_lines
from kiosk.errors import ConfigError


def check(config: Config, path: Path) -> None:
    """Raise `ConfigError` for the first rule that `config`, read from `path`, breaks."""
    ports = {
        "validator.port": config.validator.port,
        "board.port": config.board.port,
        "label_printer.port": config.label_printer.port,
    }
    if config.receipt_printer is not None:
        ports["receipt_printer.port"] = config.receipt_printer.port
    _unique(path, "a serial port", ports)
    _lines(config, path)
    _cash(config, path)
    _languages(config, path)
    _units(config, path)


def _lines(config: Config, path: Path) -> None:
    missing = sorted(set(reference_lines()) - set(config.gpio.lines))
    if missing:
        message = f"{path}: gpio.lines.{missing[0]} is missing"
        raise ConfigError(message, remedy="When one line is configured, all are: give every role its pin.")
    _unique(path, "a pin", {f"gpio.lines.{role}.pin": line.pin for role, line in config.gpio.lines.items()})


def _cash(config: Config, path: Path) -> None:
    notes = config.cash.notes
    _unique(path, "a channel", {f"cash.notes[{n}].channel": note.channel for n, note in enumerate(notes)})
    if all(note.suspect for note in notes):
        message = f"{path}: cash.notes has no genuine note, so nothing could be deposited"
        raise ConfigError(message, remedy="Give at least one note without suspect = true.")
    for currency in _currencies(config):
        if currency not in config.limits:
            message = f"{path}: limits.{currency} is missing, but notes of {currency} are taken"
            raise ConfigError(message, remedy=f"Add a table [limits.{currency}].")
    for currency, limit in config.limits.items():
        if limit.deposit_minor_max > limit.day_minor_max:
            message = f"{path}: limits.{currency}.deposit_minor_max is more than day_minor_max"
            raise ConfigError(message, remedy="Lower the one or raise the other.")


def _languages(config: Config, path: Path) -> None:
    terminal = config.terminal
    if terminal.default_language not in terminal.languages:
        message = f"{path}: terminal.default_language {terminal.default_language!r} is not in terminal.languages"
        raise ConfigError(message, remedy="Add it to terminal.languages, or choose one of those.")


def _units(config: Config, path: Path) -> None:
    units = config.units
    pairs = (
        ("cabinet_high_slots", "cabinet_slots"),
        ("retract_high_notes", "retract_notes_max"),
        ("cassette_high_notes", "cassette_notes_max"),
    )
    for high, full in pairs:
        if getattr(units, high) > getattr(units, full):
            message = f"{path}: units.{high} is more than units.{full}"
            raise ConfigError(message, remedy="Nearly full comes before full: lower the one or raise the other.")
    try:
        ZoneInfo(config.day.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{path}: day.time_zone {config.day.time_zone!r} is not known here"
        remedy = "Give an IANA name such as Asia/Shanghai; the names come with Debian's package tzdata."
        raise ConfigError(message, remedy=remedy) from error


def _currencies(config: Config) -> Iterable[str]:
    return sorted({note.currency for note in config.cash.notes})


def _unique(path: Path, what: str, values: Mapping[str, object]) -> None:
    first: dict[object, str] = {}
    for key, value in values.items():
        if value in first:
            message = f"{path}: {key} and {first[value]} are both {value!r}"
            raise ConfigError(message, remedy=f"Two settings may not share {what}: correct one of them.")
        first[value] = key
