"""Lay down what kiosk, broker and bank need to trust each other, below one directory; nothing existing is replaced.

Private halves stay with their owner; public halves are pinned where the other side reads them:

    second/         second.key: the second signer's, for sensitive commands; belongs to other people, elsewhere
    pki/            ca.pem, broker.*, bank.*, kiosk.*    (mutual TLS; ca.key signs, keep it offline)
    kiosk/keys/     record.key, checkpoint.key, vault.key, directory.key, bank_{seal,ack,command}.pub,
                    second_signer.pub
    bank/keys/      {seal,ack,command,webhook,contact}.key, second_signer.pub,
                    kiosks/<id>/{record.pub, checkpoint.vkey, directory.key}
    bank/           bank.toml, posting.toml, depositor.toml, contact.pub
    mosquitto/      mosquitto.conf, acl; mosquitto-2/ for a second broker
    policy.txt      what anybody checks a receipt against: logs, record keys, witnesses, quorum; kiosk/keys has a copy

The first kiosk has the plain names; a further one `pki/kiosk-<id>.*` and `kiosk-<id>/keys`.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from kiosk.core import topics
from kiosk.errors import ConfigError
from kiosk.guarantee import checkpoint, files, keys, policy, seal
from kiosk.guarantee.bank_keys import BankPurpose
from kiosk.guarantee.commands import SECOND_FILE
from kiosk.guarantee.directory import COMMAND_FILE, HASH_BYTES, KEY_FILE
from kiosk_cloud import broker, trusting
from kiosk_cloud.config import BankConfig, BrokerConfig, encode
from kiosk_cloud.depositor import settings as depositor
from kiosk_cloud.files import private_dir, write_once, write_private
from kiosk_cloud.keyring import Keyring, former
from kiosk_cloud.pki import Authority
from kiosk_cloud.posting import settings as posting

VAULT_KEY_BYTES: Final = 32
POLICY_HEAD: Final = """\
# Whom to trust when a receipt is checked (C2SP tlog-policy). Add independent witnesses and raise the quorum:
# witness <name> <vkey>   group <name> <k> <names...>   quorum <name>
quorum none
"""
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Plan:
    """What to provision; `host` and `port` are where the broker listens and clients reach it."""

    directory: Path
    kiosk: str
    host: str = "127.0.0.1"
    port: int = 8883
    names: tuple[str, ...] = LOOPBACK  # in the broker's certificate
    more_brokers: tuple[tuple[str, int], ...] = ()  # host and port of those that kiosks fail over to

    def __post_init__(self) -> None:
        """Refuse an id that could not be a topic level, and a port that is none."""
        if not topics.is_kiosk_id(self.kiosk) or self.kiosk == broker.BANK_USER:
            message = f"{self.kiosk!r} cannot be a kiosk id"
            raise ConfigError(message, remedy="Use 1 to 64 letters, digits, dots, dashes, underscores; not `bank`.")
        for port in (self.port, *(port for _, port in self.more_brokers)):
            if not 0 < port < 1 << 16:
                message = f"port {port} is not in 1..65535"
                raise ConfigError(message)


@dataclass(frozen=True)
class Provisioned:
    """Where things are; `written` lists what was not there before."""

    pki: Path
    kiosk_cert: Path
    kiosk_key: Path
    kiosk_keys: Path
    bank_config: Path
    mosquitto_conf: Path  # of the first broker; a further one has its own in mosquitto-2, ...
    written: list[Path] = field(default_factory=list)


def provision(plan: Plan, now: datetime, randomness: Callable[[int], bytes] = os.urandom) -> Provisioned:
    """Make what is missing. ConfigError when something existing contradicts it; OSError."""
    root = plan.directory.absolute()
    authority = Authority(root / "pki", now)
    certificate_name, home = _names(authority, plan.kiosk)
    done = Provisioned(
        pki=root / "pki",
        kiosk_cert=root / "pki" / f"{certificate_name}.pem",
        kiosk_key=root / "pki" / f"{certificate_name}.key",
        kiosk_keys=root / home / "keys",
        bank_config=root / "bank" / "bank.toml",
        mosquitto_conf=root / "mosquitto" / "mosquitto.conf",
        written=authority.written,
    )
    authority.server(
        "broker", "broker", [*dict.fromkeys((plan.host, *(host for host, _ in plan.more_brokers), *plan.names))]
    )
    authority.client("bank", broker.BANK_USER)
    authority.client(certificate_name, plan.kiosk)
    private_dir(root / "bank")
    private_dir(root / home)
    _bank_keys(private_dir(root / "bank" / "keys"), done, randomness)
    _second_signer(private_dir(root / "second"), root / "bank" / "keys" / SECOND_FILE, done, randomness)
    _contact_key(root / "bank" / "keys" / "contact.key", root / "bank" / "contact.pub", done, randomness)
    _kiosk_keys(plan.kiosk, private_dir(done.kiosk_keys), root / "bank" / "keys", done, randomness)
    _broker_files(plan, done, root / "bank" / "keys" / "kiosks")
    _policy(root / "policy.txt", root / "bank" / "keys", done)
    _bank_config(plan, root, done)
    for name, first in ((posting.FILE, posting.FIRST), (depositor.FILE, depositor.FIRST)):
        if write_once(root / "bank" / name, first):
            done.written.append(root / "bank" / name)
    return done


def renew(directory: Path, kiosk: str, now: datetime) -> tuple[Path, Path]:
    """A new client certificate and key for `kiosk`, beside its present ones in `pki/`. ConfigError; OSError."""
    authority = Authority(directory.absolute() / "pki", now)
    name, _ = _names(authority, kiosk)
    return authority.renew(name)


def _names(authority: Authority, kiosk: str) -> tuple[str, str]:
    """File name of the kiosk's certificate, and its home directory."""
    holder = authority.common_name("kiosk")
    return ("kiosk", "kiosk") if holder in (None, kiosk) else (f"kiosk-{kiosk}", f"kiosk-{kiosk}")


def _bank_keys(directory: Path, done: Provisioned, randomness: Callable[[int], bytes]) -> None:
    if not (path := directory / "seal.key").exists():
        seal.SealPrivateKey.generate(randomness).save(path)
        done.written.append(path)
    _signer(directory / "ack.key", done, randomness)
    _signer(directory / "command.key", done, randomness)
    if not (path := directory / "webhook.key").exists():
        files.save_key(path, "hmac-sha256", randomness(HASH_BYTES))
        done.written.append(path)


def _second_signer(directory: Path, pinned: Path, done: Provisioned, randomness: Callable[[int], bytes]) -> None:
    """Whose signature sensitive commands take beside the bank's: made here, to be kept by other people, elsewhere.

    Once its public half is pinned, the private one need not be here any more.
    """
    if not pinned.exists():
        _pin(pinned, _signer(directory / "second.key", done, randomness).public.pem, done)


def _contact_key(private: Path, public: Path, done: Provisioned, randomness: Callable[[int], bytes]) -> None:
    """The depositor's page has the public half only."""
    if not private.exists():
        seal.SealPrivateKey.generate(randomness).save(private)
        done.written.append(private)
    if not public.exists():
        seal.SealPrivateKey.load(private).public.save(public)
        public.chmod(0o600)
        done.written.append(public)


def _kiosk_keys(kiosk: str, directory: Path, bank: Path, done: Provisioned, randomness: Callable[[int], bytes]) -> None:
    pinned = bank / "kiosks" / kiosk
    record = _known_signer(directory, "record", pinned / "record.pub", done, randomness)
    log = _known_signer(directory, "checkpoint", pinned / "checkpoint.vkey", done, randomness)
    if not (path := directory / "vault.key").exists():
        files.save_key(path, "aes-256-kek", randomness(VAULT_KEY_BYTES))
        done.written.append(path)
    private_dir(bank / "kiosks")
    private_dir(pinned)
    _pin_kiosk(kiosk, directory, bank, (record, log), done)
    _pin_own(directory / "bank_ack.pub", bank, "ack", done)
    _pin_own(directory / COMMAND_FILE, bank, "command", done)
    _pin(directory / SECOND_FILE, (bank / SECOND_FILE).read_bytes(), done)
    _directory_key(directory / KEY_FILE, pinned / KEY_FILE, done, randomness)
    sealing = seal.SealPrivateKey.load(bank / "seal.key").public
    path = directory / "bank_seal.pub"
    if not path.exists():
        sealing.save(path)
        done.written.append(path)
    elif seal.SealPublicKey.load(path).key_id != sealing.key_id:
        raise _other_key(path)
    path.chmod(0o600)


def _directory_key(kiosk: Path, bank: Path, done: Provisioned, randomness: Callable[[int], bytes]) -> None:
    """The one secret that both sides share."""
    if not bank.exists():
        if kiosk.exists():
            message = f"{kiosk} is there, the bank's half {bank} is not"
            raise ConfigError(message, remedy="Put the bank's file back, or remove the kiosk's to make a new key.")
        files.save_key(bank, "hmac-sha256", randomness(HASH_BYTES))
        done.written.append(bank)
    _pin(kiosk, bank.read_bytes(), done)


def _signer(path: Path, done: Provisioned, randomness: Callable[[int], bytes]) -> keys.Ed25519Signer:
    if not path.exists():
        keys.Ed25519Signer.generate(randomness).save(path)
        done.written.append(path)
    return keys.Ed25519Signer.load(path)


def _known_signer(
    directory: Path, purpose: str, pinned: Path, done: Provisioned, randomness: Callable[[int], bytes]
) -> keys.Ed25519Signer:
    """The kiosk's key; made only for a kiosk that the bank does not know yet."""
    path, following = directory / f"{purpose}.key", directory / f"{purpose}.next.key"
    if path.exists() or not pinned.exists():
        return _signer(path, done, randomness)
    if following.exists():  # after a rotation the old one is destroyed, and the new one need not be renamed
        return keys.Ed25519Signer.load(following)
    raise ConfigError(
        f"{path} is not there, and the bank knows this kiosk by a key already ({pinned})",
        remedy=f"Put the kiosk's key back as {path.name}, also if renamed; a new one is a rotation (docs/keys.md).",
    )


def _pin_kiosk(
    kiosk: str, directory: Path, bank: Path, signers: tuple[keys.Ed25519Signer, keys.Ed25519Signer], done: Provisioned
) -> None:
    """Its two keys as they are now; those of a kiosk that is pinned already must be ones that the bank has followed."""
    record, log = signers
    pinned = bank / "kiosks" / kiosk
    _pin_first(pinned / "record.pub", record.public.pem, done)
    _pin_first(pinned / "checkpoint.vkey", f"{checkpoint.verifier_of(kiosk, log).vkey}\n".encode(), done)
    known = Keyring(bank).kiosk(kiosk)
    for purpose, signer, history in (("record", record, known.records), ("checkpoint", log, known.checkpoints)):
        if signer.public not in list(history):
            raise ConfigError(
                f"{directory / f'{purpose}.key'} is key {signer.kid.hex()[:16]}, and the bank knows kiosk {kiosk} by"
                f" {history.present.kid.hex()[:16]}",
                remedy="Renamed by hand: put the right file back. Rotated: first let the bank receive the record that"
                " says so. Otherwise it is a rotation to be signed (docs/keys.md), or a kiosk for a new directory.",
            )


def _pin_first(path: Path, data: bytes, done: Provisioned) -> None:
    if write_once(path, data):
        done.written.append(path)


def _pin(path: Path, data: bytes, done: Provisioned) -> None:
    _pin_first(path, data, done)
    if path.read_bytes() != data:
        raise _other_key(path)


def _pin_own(path: Path, bank: Path, purpose: BankPurpose, done: Provisioned) -> None:
    """The bank's own key; a kiosk that pins one of before follows the succession from it (docs/keys.md)."""
    if path.exists() and keys.load_public(path) in former(bank, purpose):
        return
    _pin(path, keys.Ed25519Signer.load(bank / f"{purpose}.key").public.pem, done)


def _other_key(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} pins another key than the one in use",
        remedy="A changed key is a rotation to be signed, not a provisioning; provision a new directory instead.",
    )


def _broker_files(plan: Plan, done: Provisioned, pinned: Path) -> None:
    directory = private_dir(done.mosquitto_conf.parent)
    kiosks = [path.name for path in pinned.iterdir() if topics.is_kiosk_id(path.name)]
    brokers = [(directory, plan.host, plan.port)]
    for number, (host, port) in enumerate(plan.more_brokers, start=2):
        brokers.append((private_dir(directory.with_name(f"{directory.name}-{number}")), host, port))
    for folder, host, port in brokers:
        text = broker.configuration(host=host, port=port, pki=done.pki, directory=folder)
        _replace(folder / done.mosquitto_conf.name, text.encode(), done)
        _replace(folder / "acl", broker.acl(kiosks).encode(), done)


def _policy(path: Path, bank: Path, done: Provisioned) -> None:
    """What receipts are checked against: every kiosk's logs and record keys. The witnesses are the bank's to add.

    When a log was closed, the policy of before stays beside this one, for receipts that name its hash.
    """
    known = path.read_text(encoding="utf-8") if path.exists() else POLICY_HEAD
    text = trusting.renewed(known, Keyring(bank), bank / "kiosks")
    policy.parse(text.encode())  # never write one that nobody can read
    if not {line for line in known.split("\n") if line.startswith("log ")} <= set(text.split("\n")):
        kept = path.with_name(f"policy-{hashlib.sha256(known.encode()).hexdigest()[:16]}.txt")
        if write_once(kept, known.encode()):
            done.written.append(kept)
    _replace(path, text.encode(), done)
    path.chmod(0o644)  # it is for everybody
    _replace(done.kiosk_keys / path.name, text.encode(), done)


def _bank_config(plan: Plan, root: Path, done: Provisioned) -> None:
    pki = root / "pki"
    brokers = tuple(
        BrokerConfig(host=host, port=port, ca=pki / "ca.pem", cert=pki / "bank.pem", key=pki / "bank.key")
        for host, port in ((plan.host, plan.port), *plan.more_brokers)
    )
    config = BankConfig(
        broker=brokers[0],
        more_brokers=brokers[1:],
        store=root / "bank" / "store.db",
        keys=root / "bank" / "keys",
        policy=root / "policy.txt",
        mirror=root / "bank" / "mirror",
    )
    _replace(done.bank_config, encode(config), done)


def _replace(path: Path, data: bytes, done: Provisioned) -> None:
    """Files that are derived from the plan follow it; keys never change."""
    if not path.exists() or path.read_bytes() != data:
        write_private(path, data)
        done.written.append(path)
