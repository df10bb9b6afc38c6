"""`posting.toml`, beside `bank.toml`: where deposits are handed to. `kiosk-cloud provision` writes it once."""

import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec

from kiosk.errors import ConfigError

FILE: Final = "posting.toml"
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Account = Annotated[str, msgspec.Meta(min_length=1, max_length=34)]
FIRST: Final = b"""\
# Where `kiosk-cloud post` hands deposits to; paths are below this file's directory.
files = "posting"                       # folder of camt.054 files; leave out for none
# webhook_url = "https://core.bank.example/kiosk-deposits"
webhook_key = "keys/webhook.key"        # whose secret the receiving end needs, too
# webhook_ca = "ca.pem"                 # instead of the system's certificate authorities
suspense_account = "SUSPENSE"           # for deposits to accounts that the kiosk's directory does not have
file_interval_s = 3600.0                # between two files while following
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `posting.toml`. Each channel gets every posting, from the first one on."""

    files: Path | None = None
    webhook_url: str = ""
    webhook_key: Path = Path("keys/webhook.key")
    webhook_ca: Path | None = None
    suspense_account: Account = "SUSPENSE"
    file_interval_s: Seconds = 3600.0


def load(path: Path) -> Settings:
    """Raises ConfigError."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Settings, dec_hook=_path)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", remedy="`kiosk-cloud provision` writes it."
        ) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if found.files is None and not found.webhook_url:
        raise ConfigError(f"{path} names neither files nor webhook_url", remedy="Name at least one.")
    base = path.absolute().parent
    return msgspec.structs.replace(
        found,
        files=None if found.files is None else base / found.files,
        webhook_key=base / found.webhook_key,
        webhook_ca=None if found.webhook_ca is None else base / found.webhook_ca,
    )


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    message = f"{kind.__name__} expected"
    raise TypeError(message)
