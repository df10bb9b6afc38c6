"""Settings that can be changed at the running kiosk: which they are, and the configuration that they make.

The file stays as it is; what is set is kept by the controller, over the file, and takes effect from the next deposit
on. Only what every deposit is held to can be set so: nothing that a device or a process was opened with.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kiosk.config.explain import explained
from kiosk.config.rules import check
from kiosk.config.schema import Config
from kiosk.errors import ConfigError

TIMES: Final = ("timing.idle_s", "timing.confirm_s", "timing.resume_s", "timing.take_s", "timing.result_s")
LIMITS: Final = ("deposit_minor_max", "day_minor_max", "deposit_notes_max")
RISK: Final = ("risk.medium",)
_WHERE: Final = Path("kioskctl set")


def keys(config: Config) -> dict[str, bool]:
    """Every key that can be set, and whether that takes two people."""
    limits = [f"limits.{currency}.{name}" for currency in sorted(config.limits) for name in LIMITS]
    return dict.fromkeys(TIMES, False) | dict.fromkeys((*RISK, *limits), True)


def value_of(config: Config, key: str) -> str:
    """The value as TOML has it."""
    value: Any = config
    for part in key.split("."):
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return json.dumps(value)


def changed(config: Config, values: Mapping[str, str]) -> Config:
    """The configuration with these values (as TOML has them) instead. Raises ConfigError."""
    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=str, str_keys=True)
    allowed = keys(config)
    for key, text in values.items():
        if key not in allowed:
            message = f"{key} cannot be set at the running kiosk"
            raise ConfigError(message, remedy=f"One of: {', '.join(allowed)}. Others: change the file and restart.")
        *path, name = key.split(".")
        table = plain
        for part in path:
            table = table[part]
        table[name] = _value(text)

    def from_text(kind: type, value: object) -> object:
        if kind is Path:
            return Path(str(value))
        raise TypeError("Expected a path")

    try:
        made = msgspec.convert(plain, Config, dec_hook=from_text)
    except msgspec.ValidationError as error:
        raise explained(error, plain, Config, _WHERE) from error
    check(made, _WHERE)
    return made


def _value(text: str) -> object:
    """A number, or a word with or without quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return text
