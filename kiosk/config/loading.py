"""Reading the file: from TOML to `Config`, or to a `ConfigError` that says which key, what is allowed, what to do."""

import hashlib
import json
import pwd
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kiosk.config.explain import explained
from kiosk.config.rules import check
from kiosk.config.schema import CashFile, Config, cny_notes
from kiosk.errors import ConfigError
from kiosk.messages import Role

FILE_BYTES_MAX: Final = 1 << 20
REDACTED: Final = "(not shown)"
_Section = TypeVar("_Section", Config, CashFile)


def load_config(path: Path) -> Config:
    """The configuration in `path`, checked, with its paths absolute and its note table filled in.

    Raises `ConfigError` that names file and key.
    """
    config = _convert(_read(path), Config, path)
    if config.cash.file is not None:
        if config.cash.notes:
            message = f"{path}: cash.file and [[cash.notes]] are both given"
            raise ConfigError(message, remedy="Keep one of the two.")
        table = _convert(_read(config.cash.file), CashFile, config.cash.file)
        notes = table.notes
    else:
        notes = config.cash.notes or cny_notes()
    config = msgspec.structs.replace(config, cash=msgspec.structs.replace(config.cash, notes=notes))
    check(config, path)
    return config


def understood(config: Config) -> dict[str, Any]:
    """The configuration as it was understood, defaults included, as plain values without secrets."""
    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=str, str_keys=True)
    plain["validator"]["fixed_key_hex"] = REDACTED
    return plain


def config_hash(config: Config) -> str:
    """SHA-256, hex, of `understood(config)` as canonical JSON (sorted keys, no spaces, UTF-8)."""
    text = json.dumps(understood(config), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def bus_uids(config: Config) -> dict[Role, int]:
    """`bus.uids` as numbers, for `BusServer`; raises `ConfigError` for a user that this machine does not have."""
    return {role: uid_of(user, f"bus.uids.{role}") for role, user in config.bus.uids.items()}


def uid_of(user: int | str, key: str) -> int:
    """A uid from a number or a user's name; raises `ConfigError` naming `key`."""
    if isinstance(user, int):
        return user
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as error:
        message = f"{key}: this machine has no user {user!r}"
        raise ConfigError(message, remedy="Install the kiosk's users (systemd-sysusers), or name another.") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        message = f"cannot read {path}: {error}"
        raise ConfigError(message, remedy="Name a file that is there and that this user may read.") from error
    if len(data) > FILE_BYTES_MAX:
        message = f"{path} is longer than {FILE_BYTES_MAX} bytes"
        raise ConfigError(message, remedy="This is no configuration file of a kiosk.")
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"{path} is no TOML: {error}"
        raise ConfigError(message, remedy="Correct the named line.") from error


def _convert(raw: dict[str, Any], target: type[_Section], path: Path) -> _Section:
    base = path.absolute().parent

    def from_text(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str) and value:
            return base / value
        message = "Expected a path"
        raise TypeError(message)

    try:
        return msgspec.convert(raw, target, dec_hook=from_text)
    except msgspec.ValidationError as error:
        raise explained(error, raw, target, path) from error
