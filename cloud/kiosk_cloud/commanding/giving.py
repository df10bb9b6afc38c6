"""From what somebody at the bank wants to a signed command in the queue, and the second signature to it."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from kiosk.clock import rfc3339
from kiosk.core import topics
from kiosk.core.commands import AnyCommand, Command, NewEpoch, SetBankKey, said
from kiosk.core.terms import BankLimit
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import bank_keys, cbor, commands, cose, rotation
from kiosk.guarantee.bank_keys import BankPurpose
from kiosk.guarantee.commands import Order
from kiosk.guarantee.keys import Ed25519Signer, PublicKey, Signer
from kiosk_cloud.commanding.queue import Given, Queue
from kiosk_cloud.config import BankConfig
from kiosk_cloud.directory import kiosks
from kiosk_cloud.files import write_private
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.store import Store

_LIMIT: Final = re.compile(r"^([A-Z]{3}):([0-9]{1,12}):([0-9]{1,12})$")
_FILE_BYTES_MAX: Final = commands.COMMAND_BYTES_MAX


def parse_limit(text: str) -> BankLimit:
    """`CNY:2000000:50000000`: of one deposit and of one day, minor units. ConfigError."""
    match = _LIMIT.match(text)
    if match is None:
        message = f"{text} is no limit"
        raise ConfigError(message, remedy="Write CNY:2000000:50000000 for 20,000 yuan a deposit and 500,000 a day.")
    currency, deposit, day = match.groups()
    return BankLimit(currency, int(deposit), int(day))


Make = Callable[[int], AnyCommand]  # from the number that the command will have


def give(config: BankConfig, kiosk: str, command: AnyCommand | Make, now: datetime, life: timedelta) -> Given:
    """Sign the next command for `kiosk` and put it into the queue. ConfigError for what cannot be one."""
    keyring = Keyring(config.keys)
    keyring.kiosk(kiosk)  # is it provisioned?
    store = Store(config.store)
    try:
        with store.transaction():  # one number, one content: others wait here
            queue = Queue(store)
            number = queue.next_sequence(kiosk)
            made = command if isinstance(command, Command) else command(number)
            payload = _payload(kiosk, number, made, now, life)
            return queue.add(commands.sign(payload, keyring.command), hashlib.sha256(payload).digest())
    finally:
        store.close()


def _payload(kiosk: str, sequence: int, command: AnyCommand, now: datetime, life: timedelta) -> bytes:
    try:
        return commands.order(kiosk, sequence, command, now, now + life)
    except ValueError as error:
        message = f"this command cannot be signed: {error}"
        raise ConfigError(message, remedy="Correct its arguments.") from error


def new_epoch(config: BankConfig, kiosk: str, epoch: int, policy: str) -> NewEpoch:
    """The command that closes the present log by what this store holds of it; pins the keys of the next one.

    The broker's access list and policy.txt follow when `provision` is run again for the kiosk.
    """
    keyring, before = Keyring(config.keys), topics.log_name(kiosk, epoch - 1)
    store = Store(config.store)
    try:
        tree = store.tree(before)
    finally:
        store.close()
    keyring.pin_log(before, topics.log_name(kiosk, epoch))
    return NewEpoch(epoch, tree.size, tree.root(), policy)


def new_bank_key(kiosk: str, purpose: BankPurpose, until: str, old: Signer, new: Signer) -> Make:
    """The command that names `new` to `kiosk` as the key after `old`, which counts until `until`."""

    def make(number: int) -> SetBankKey:
        made = bank_keys.draft(kiosk, purpose, number, until, old, new)
        return SetBankKey(made.purpose, made.key, made.until, made.by_old, made.by_new)

    return make


def not_told(config: BankConfig, purpose: BankPurpose, new: PublicKey) -> list[str]:
    """The kiosks that have not said yet that they take `new` for the bank's. ConfigError."""
    store = Store(config.store)
    try:
        done = [each for each in Queue(store).given() if each.state == "done"]
        told = {each.kiosk for each in done if _names(store, each, purpose, new)}
    finally:
        store.close()
    return [kiosk for kiosk in kiosks(config, None) if kiosk not in told]


def _names(store: Store, given: Given, purpose: BankPurpose, new: PublicKey) -> bool:
    data = Queue(store).message(given.kiosk, given.sequence)
    command = None if data is None else commands.read(data).command
    return isinstance(command, SetBankKey) and (command.purpose, command.key) == (purpose, rotation.der(new))


def export(config: BankConfig, kiosk: str, sequence: int, file: Path) -> Order:
    """Write a command into a file, for the second signer. ConfigError."""
    store = Store(config.store)
    try:
        data = Queue(store).message(kiosk, sequence)
    finally:
        store.close()
    if data is None:
        message = f"{kiosk} has no command {sequence}"
        raise ConfigError(message, remedy="`kiosk-cloud command list` shows them.")
    write_private(file, data)
    return commands.read(data)


def read_file(file: Path) -> tuple[bytes, Order]:
    """A command in a file, its signatures not looked at. ConfigError."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_FILE_BYTES_MAX + 1)
        return data, commands.read(data)
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise ConfigError(message) from error
    except VerificationError as error:
        message = f"{file} is no command: {error.args[0]}"
        raise ConfigError(message, remedy="Ask the bank for the file again.") from error


def countersign(file: Path, key: Path) -> Order:
    """Add the second signer's signature to the command in `file`. ConfigError."""
    data, order = read_file(file)
    try:
        signed = commands.add_signature(data, Ed25519Signer.load(key))
    except VerificationError as error:
        raise ConfigError(str(error.args[0])) from error
    write_private(file, signed)
    return order


def take_in(config: BankConfig, file: Path) -> tuple[Order, bool]:
    """Put the second signature that is in `file` into the queue; False when nothing waits for it. ConfigError."""
    data, order = read_file(file)
    keys = Keyring(config.keys).commanders
    store = Store(config.store)
    try:
        with store.transaction():
            return order, Queue(store).countersigned(data, keys)
    except VerificationError as error:
        message = f"{file}: {error.args[0]}"
        raise ConfigError(message, remedy="It takes the second signer that is pinned at the kiosk.") from error
    finally:
        store.close()


def in_words(order: Order) -> str:
    """A command for the person who is about to sign it, keys by their hash."""
    shown = {
        name: f"sha256 {hashlib.sha256(value).hexdigest()}" if isinstance(value, bytes) else value
        for name, value in said(order.command).items()
    }
    return f"{order.kiosk}, command {order.sequence}, until {order.expires_at}: {msgspec.json.encode(shown).decode()}"


def result_of(config: BankConfig, kiosk: str, sequence: int) -> dict[str, object] | None:
    """The kiosk's signed result of a command, opened and verified again; None while there is none."""
    from kiosk_cloud.opening import open_record  # noqa: PLC0415 - it needs the store's types, which need our tables

    store = Store(config.store)
    try:
        envelope = Queue(store).result(kiosk, sequence)
    finally:
        store.close()
    if envelope is None:
        return None
    keyring = Keyring(config.keys)
    record = open_record(envelope, kiosk, keyring.kiosk(kiosk).records, keyring.seal_for)
    content: dict[str, object] = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
    return content


def moment(text: str) -> str:
    """A moment with a time zone, as commands have it. ConfigError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text} is no moment"
        raise ConfigError(message, remedy="Write 2026-12-24T18:00:00+08:00.") from error
    if found.tzinfo is None:
        message = f"{text} has no time zone"
        raise ConfigError(message, remedy="Write 2026-12-24T18:00:00+08:00.")
    return rfc3339(found)
