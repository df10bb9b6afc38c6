"""`depositor.toml`, beside `bank.toml`: how contacts are told. `kiosk-cloud provision` writes it once."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from kiosk.errors import ConfigError

FILE: Final = "depositor.toml"
Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
FIRST: Final = b"""\
# The depositor's page; paths are below this file's directory.
contacts = "contacts.db"                # what depositors left, sealed to keys/contact.key
keep_days = 1825                        # a contact is removed after so many days
accept = ["email"]                      # email, phone: what `mail` or `webhook_url` can reach
mail = "notices"                        # folder of .eml files for the bank's mail server to pick up; leave out for none
sender = "deposits@bank.example"
# webhook_url = "https://gateway.bank.example/notices"   # sends what mail cannot, and mail, too, if there is no folder
webhook_key = "keys/webhook.key"
# verify_page = "verify.html"           # as `kiosk-verify page` writes it; served at /verify
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `depositor.toml`."""

    contacts: Path = Path("contacts.db")
    keep_days: Days = 1825
    accept: tuple[Literal["email", "phone"], ...] = ("email",)
    mail: Path | None = None
    sender: str = "deposits@bank.example"
    webhook_url: str = ""
    webhook_key: Path = Path("keys/webhook.key")
    verify_page: Path | None = None


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
    if found.mail is None and not found.webhook_url:
        raise ConfigError(f"{path} names neither mail nor webhook_url", remedy="Nobody could be told; name one.")
    if "phone" in found.accept and not found.webhook_url:
        raise ConfigError(f"{path} accepts telephones without webhook_url", remedy="Mail does not reach a telephone.")
    base = path.absolute().parent
    return msgspec.structs.replace(
        found,
        contacts=base / found.contacts,
        mail=None if found.mail is None else base / found.mail,
        webhook_key=base / found.webhook_key,
        verify_page=None if found.verify_page is None else base / found.verify_page,
    )


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    message = f"{kind.__name__} expected"
    raise TypeError(message)
