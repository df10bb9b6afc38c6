"""The bank's half of the account directory: from a CSV file to the next signed version for one kiosk.

The statement published last is kept beside the store (`directories/<kiosk>.cose`), written before it is published:
a version number never stands for two contents, also when publishing fails half-way. Should that file be lost, the
kiosk's own records say which version it has.
"""

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from kiosk.core import accounts, topics
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cbor, cose
from kiosk.guarantee import directory as statement
from kiosk_cloud.config import BankConfig
from kiosk_cloud.files import locked, private_dir, write_private
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.masking import masked_name
from kiosk_cloud.store import Store

FILE_BYTES_MAX: Final = 4 << 20
HEADER: Final = ["account", "name"]
_FIX: Final = "Correct this line; a directory is published whole or not at all."


@dataclass(frozen=True)
class Edition:
    """One kiosk's directory, ready to be published. `new` is False when the last one said the same already."""

    kiosk: str
    version: int
    entries: int
    new: bool
    data: bytes

    @property
    def message(self) -> tuple[str, bytes]:
        """Topic and payload."""
        return topics.topic(self.kiosk, "directory"), self.data

    def as_json(self) -> dict[str, object]:
        """Everything but the statement itself."""
        return {"version": self.version, "entries": self.entries, "new": self.new}


def read_accounts(path: Path) -> dict[str, str]:
    """Account digits -> masked name, from a UTF-8 CSV file with the columns account and name.

    Raises ConfigError that names the line and what is wrong with it; account numbers are masked in it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigError(message, remedy="Name a file that is there and may be read.") from error
    if len(data) > FILE_BYTES_MAX:
        message = f"{path} is longer than {FILE_BYTES_MAX} bytes"
        raise ConfigError(message, remedy=f"One directory has at most {statement.ENTRIES_MAX} accounts.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 (byte {error.start})"
        raise ConfigError(message, remedy="Save it as UTF-8; names would be wrong otherwise.") from error
    return _accounts(text, path)


def _accounts(text: str, path: Path) -> dict[str, str]:
    rows = csv.reader(text.splitlines(), strict=True)
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    try:
        if [cell.strip() for cell in next(rows, [])] != HEADER:
            message = f"{path}, line 1: the columns must be {','.join(HEADER)}"
            raise ConfigError(message, remedy="Put `account,name` into the first line.")
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            account, name = _row(row, f"{path}, line {rows.line_num}")
            if account in found:
                message = (
                    f"{path}, line {rows.line_num}: {accounts.masked(account)} is in line {lines[account]} already"
                )
                raise ConfigError(message, remedy=_FIX)
            found[account], lines[account] = name, rows.line_num
    except csv.Error as error:
        message = f"{path}, line {rows.line_num}: {error}"
        raise ConfigError(message, remedy=_FIX) from error
    if len(found) > statement.ENTRIES_MAX:
        message = f"{path} has {len(found)} accounts, at most {statement.ENTRIES_MAX} fit one kiosk's directory"
        raise ConfigError(message, remedy="Publish the accounts of this kiosk's own branch only.")
    return found


def _row(row: list[str], where: str) -> tuple[str, str]:
    if len(row) != len(HEADER):
        message = f"{where}: {len(row)} columns instead of {len(HEADER)}"
        raise ConfigError(message, remedy="A name with a comma in it needs quotation marks around it.")
    account = accounts.normalise(row[0].strip())
    if account is None:
        message = f"{where}: this is no account number"
        remedy = (
            f"It needs {accounts.ACCOUNT_DIGITS_MIN} to {accounts.ACCOUNT_DIGITS_MAX} digits, the last a check digit."
        )
        raise ConfigError(message, remedy=remedy)
    try:
        name = masked_name(row[1])
    except ValueError as error:
        message = f"{where}: {error}"
        raise ConfigError(message, remedy=_FIX) from error
    if len(name.encode()) > statement.NAME_BYTES_MAX:
        message = f"{where}: the masked name has more than {statement.NAME_BYTES_MAX} bytes"
        raise ConfigError(message, remedy=_FIX)
    return account, name


def _is_kiosk(name: str) -> bool:
    """Not a later log of one."""
    return topics.is_kiosk_id(name) and topics.kiosk_of(name) == name


def kiosks(config: BankConfig, wanted: str | None) -> list[str]:
    """The kiosks to publish for: `wanted`, or all that are provisioned. Raises ConfigError."""
    folder = config.keys / "kiosks"
    known = sorted(path.name for path in folder.iterdir() if _is_kiosk(path.name)) if folder.is_dir() else []
    found = [kiosk for kiosk in known if wanted in (None, kiosk)]
    if not found:
        message = f"no kiosk {wanted} is provisioned" if wanted else "no kiosk is provisioned"
        raise ConfigError(
            message, remedy=f"Known here: {', '.join(known) or 'none'}. `kiosk-cloud provision` adds one."
        )
    return found


def prepare(config: BankConfig, kiosk: str, names: dict[str, str], now: datetime) -> Edition:
    """The next version of `kiosk`'s directory, durable here before anybody sees it; the last one if it says the same.

    Raises ConfigError for missing keys or names beyond the bounds, OSError.
    """
    keyring = Keyring(config.keys)
    key = keyring.directory_key(kiosk)
    folder = private_dir(config.store.parent / "directories")
    path = folder / f"{kiosk}.cose"
    with locked(folder / f"{kiosk}.lock"):
        last = _last(path, keyring, kiosk)
        entries = {statement.keyed_hash(account, key): name for account, name in names.items()}
        if last is not None and dict(last.entries) == entries:
            return Edition(kiosk, last.version, len(entries), new=False, data=path.read_bytes())
        version = 1 + (last.version if last else accepted(config, kiosk, "directory_accepted"))
        try:
            data = statement.make(kiosk, version, names, key, now, keyring.command)
        except ValueError as error:
            message = f"the directory for {kiosk} cannot be signed: {error}"
            raise ConfigError(message, remedy="Publish fewer accounts, or shorter names.") from error
        write_private(path, data)
    return Edition(kiosk, version, len(entries), new=True, data=data)


def _last(path: Path, keyring: Keyring, kiosk: str) -> statement.Directory | None:
    if not path.exists():
        return None
    try:
        return statement.verify(path.read_bytes(), keyring.command_public, kiosk)
    except VerificationError as error:
        message = f"{path} is not the directory that was published last: {error.args[0]}"
        raise ConfigError(
            message, remedy="Find out who changed it. Without it the next version number is not known."
        ) from error


def accepted(config: BankConfig, kiosk: str, event: str) -> int:
    """The newest version that `kiosk`'s records of this event in our store say it has taken over; 0 if none."""
    if not config.store.is_file():
        return 0
    store = Store(config.store, read_only=True)
    newest = 0
    try:
        with store.snapshot():
            for record in store.records(kiosk):
                if record.kind == "service":
                    match cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX):
                        case {"event": found, "version": int(version)} if found == event:
                            newest = max(newest, version)
    finally:
        store.close()
    return newest
