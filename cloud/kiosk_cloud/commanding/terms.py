"""The bank's half of the terms: from a TOML file to the next signed version for one kiosk.

The statement published last is kept beside the store (`terms/<kiosk>.cose`), written before it is published, as an
account directory is: a version number never stands for two contents.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from kiosk.core import topics
from kiosk.core.terms import Terms
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import terms as statement
from kiosk_cloud.config import BankConfig
from kiosk_cloud.directory import accepted
from kiosk_cloud.files import locked, private_dir, write_private
from kiosk_cloud.keyring import Keyring


@dataclass(frozen=True)
class Edition:
    """One kiosk's terms, ready to be published. `new` is False when the last ones said the same already."""

    kiosk: str
    version: int
    new: bool
    data: bytes

    @property
    def message(self) -> tuple[str, bytes]:
        """Topic and payload."""
        return topics.topic(self.kiosk, "terms"), self.data


def read(path: Path) -> Terms:
    """Terms from a TOML file: [[limits]], medium, [timing], [[texts]]. ConfigError says what is wrong."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Terms)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigError(message) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        message = f"{path}: {error}"
        raise ConfigError(message, remedy="docs/bank-commands.md has an example.") from error


def prepare(config: BankConfig, kiosk: str, terms: Terms, now: datetime) -> Edition:
    """The next version of `kiosk`'s terms, durable here before anybody sees it; the last one if it says the same."""
    keyring = Keyring(config.keys)
    folder = private_dir(config.store.parent / "terms")
    path = folder / f"{kiosk}.cose"
    with locked(folder / f"{kiosk}.lock"):
        last = None
        if path.exists():
            try:
                last = statement.verify(path.read_bytes(), keyring.command_public, kiosk)
            except VerificationError as error:
                message = f"{path} is not what was published last: {error.args[0]}"
                raise ConfigError(message, remedy="Find out who changed it.") from error
        if last is not None and last.terms == terms:
            return Edition(kiosk, last.version, new=False, data=path.read_bytes())
        version = 1 + (last.version if last else accepted(config, kiosk, "terms_accepted"))
        try:
            data = statement.make(kiosk, version, terms, now, keyring.command)
        except ValueError as error:
            message = f"the terms for {kiosk} cannot be signed: {error}"
            raise ConfigError(message, remedy="Correct them.") from error
        write_private(path, data)
    return Edition(kiosk, version, new=True, data=data)
