"""The bank's half of a count: from what two people counted to the next signed statement for one kiosk.

The statement published last is kept beside the store (`counts/<kiosk>.cose`), written before it is published. What the
kiosk's own records say it has taken over is left out of the next one.
"""

import re
from datetime import datetime
from typing import Final, Literal

from kiosk.core import topics
from kiosk.core.unit_facts import CountedRow
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cbor, cose
from kiosk.guarantee import counts as statement
from kiosk.guarantee.counts import BankCount
from kiosk_cloud.config import BankConfig
from kiosk_cloud.days import BUNDLE_COUNT
from kiosk_cloud.files import locked, private_dir, write_private
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.store import Store

_CASH: Final = re.compile(r"^([0-9]{1,6})x([0-9]{1,12}):([A-Z]{3})$")


def parse_cash(text: str, level: Literal["fit", "suspect"]) -> CountedRow:
    """`12x10000:CNY`: twelve notes of 10000 minor units. ConfigError."""
    match = _CASH.match(text)
    if match is None:
        message = f"{text} is no count of notes"
        raise ConfigError(message, remedy="Write 12x10000:CNY for 12 notes of 100 yuan.")
    count, value, currency = match.groups()
    return CountedRow(currency, int(value), int(count), level)


def prepare(config: BankConfig, kiosk: str, count: BankCount, now: datetime) -> tuple[str, bytes, statement.Counts]:
    """Topic, signed statement and its content with `count` in it, durable here before anybody sees it.

    The same count again is published again. ConfigError for one that contradicts what was said before.
    """
    keyring = Keyring(config.keys)
    keyring.kiosk(kiosk)  # is it provisioned?
    folder = private_dir(config.store.parent / "counts")
    path = folder / f"{kiosk}.cose"
    with locked(folder / f"{kiosk}.lock"):
        last = None
        if path.exists():
            try:
                last = statement.verify(path.read_bytes(), keyring.command_public, kiosk)
            except VerificationError as error:
                message = f"{path} is not the statement that was published last: {error.args[0]}"
                raise ConfigError(message, remedy="Find out who changed it.") from error
        done = _recorded(config, kiosk)
        if count.item in done:
            message = f"{kiosk} has recorded a count of {count.item} already"
            raise ConfigError(message, remedy="Look at its bundle_count record; an item is counted once.")
        open_ = [entry for entry in (last.entries if last else ()) if entry.item not in done]
        if any(entry.item == count.item and entry != count for entry in open_):
            message = f"another count of {count.item} was published already"
            raise ConfigError(message, remedy="Find out which is right; the kiosk takes the first that reaches it.")
        entries = [*(entry for entry in open_ if entry.item != count.item), count]
        try:
            data = statement.make(kiosk, last.version + 1 if last else 1, entries, now, keyring.command)
        except ValueError as error:
            message = f"the counts for {kiosk} cannot be signed: {error}"
            raise ConfigError(message, remedy="Correct the count.") from error
        write_private(path, data)
    return topics.topic(kiosk, "counts"), data, statement.verify(data, keyring.command_public, kiosk)


def _recorded(config: BankConfig, kiosk: str) -> set[str]:
    """What the kiosk's records in our store say was counted."""
    if not config.store.is_file():
        return set()
    store = Store(config.store, read_only=True)
    try:
        with store.snapshot():
            return {
                str(cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)["item"])
                for record in store.records(kiosk)
                if record.kind == BUNDLE_COUNT
            }
    finally:
        store.close()
