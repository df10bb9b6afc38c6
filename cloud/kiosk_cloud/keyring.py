"""The bank's own keys, and the kiosks' public keys as they were pinned when each was provisioned."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from kiosk.core import topics
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, checkpoint, cose, files, note, rotation
from kiosk.guarantee.bank_keys import BankPurpose
from kiosk.guarantee.commands import SECOND_FILE, Commanders
from kiosk.guarantee.directory import KEY_FILE
from kiosk.guarantee.keys import Ed25519Signer, PublicKey, PublicKeys, load_public
from kiosk.guarantee.rotation import KeyHistory
from kiosk.guarantee.seal import SealPrivateKey
from kiosk_cloud.files import private_dir, write_once

ROTATIONS: Final = "rotations"
COMPROMISES: Final = "compromises"
_PARTS: Final = ("purpose", "old_kid", "new_kid", "new_key", "by_old", "by_new")


@dataclass(frozen=True)
class KioskKeys:
    """What verifies one kiosk's records and checkpoints."""

    records: KeyHistory
    checkpoint: note.Verifier
    checkpoints: KeyHistory


class Keyring:
    """The keys below one directory, read when first needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kiosks: dict[str, tuple[list[int], tuple[str, ...], KioskKeys]] = {}  # news, of which folders, keys
        self._learnt: dict[str, dict[int, dict[str, Any]]] = {}
        self._seals: dict[bytes, SealPrivateKey] = {}

    @cached_property
    def seal(self) -> SealPrivateKey:
        """Opens envelopes. ConfigError."""
        return SealPrivateKey.load(self._directory / "seal.key")

    def seal_for(self, recipient: bytes) -> SealPrivateKey:
        """The key of this id: seal.key, or a seal-*.key, which came in by a command. VerificationError; ConfigError.

        Keys that kiosks do not seal to any more stay: they open what is stored.
        """
        if recipient == self.seal.public.key_id:
            return self.seal
        if recipient not in self._seals:
            loaded = (SealPrivateKey.load(path) for path in sorted(self._directory.glob("seal-*.key")))
            self._seals = {key.public.key_id: key for key in loaded}
        found = self._seals.get(recipient)
        if found is None:
            message = f"sealed to key {recipient.hex()[:16]}, which is not ours"
            raise VerificationError(message)
        return found

    @cached_property
    def ack(self) -> Ed25519Signer:
        """Signs acknowledgements. ConfigError."""
        return Ed25519Signer.load(self._directory / "ack.key")

    @cached_property
    def ack_public(self) -> PublicKeys:
        """Verifies our own acknowledgements, also those by keys that were in use before."""
        return PublicKeys([self.ack.public, *self.former("ack")])

    @cached_property
    def command(self) -> Ed25519Signer:
        """Signs commands and account directories. ConfigError."""
        return Ed25519Signer.load(self._directory / "command.key")

    @cached_property
    def command_public(self) -> PublicKeys:
        """Verifies our own commands and directories, also those by keys that were in use before."""
        return PublicKeys([self.command.public, *self.former("command")])

    def own(self, purpose: BankPurpose) -> Ed25519Signer:
        """The key with which the bank signs for this purpose now. ConfigError."""
        return self.ack if purpose == "ack" else self.command

    def next_own(self, purpose: BankPurpose, *, make: bool = False) -> Ed25519Signer | None:
        """The one that is to take over from it, made if asked for; None when there is none. ConfigError; OSError."""
        path = self._directory / f"{purpose}.next.key"
        if make and not path.exists():
            Ed25519Signer.generate().save(path)
        return Ed25519Signer.load(path) if path.exists() else None

    def former(self, purpose: BankPurpose) -> list[PublicKey]:
        """Public halves of the keys that the bank itself used before. ConfigError."""
        return former(self._directory, purpose)

    def take_over(self, purpose: BankPurpose) -> Ed25519Signer:
        """Let the next key be the present one; of the present one only the public half stays. ConfigError; OSError.

        In this order a crash leaves two keys or the new one, never none; doing it again ends it.
        """
        path, following = self._directory / f"{purpose}.key", self._directory / f"{purpose}.next.key"
        old, new = Ed25519Signer.load(path), Ed25519Signer.load(following)
        write_once(self._directory / f"{purpose}-{old.kid.hex()[:16]}.pub", old.public.pem)
        following.replace(path)
        for name in (purpose, f"{purpose}_public"):
            self.__dict__.pop(name, None)
        return new

    @property
    def commanders(self) -> Commanders:
        """Whose signatures make a command, as kiosks have them pinned. ConfigError."""
        second = self._directory / SECOND_FILE
        return Commanders(self.command_public, PublicKeys.load(*([second] if second.exists() else [])))

    def pin_log(self, before: str, log: str) -> None:
        """Pin the keys that sign the log `before` now for the one after it. VerificationError; ConfigError; OSError."""
        present, target = self.kiosk(before), private_dir(self._directory / "kiosks" / log)
        verifier = note.Verifier(checkpoint.origin(log), present.checkpoints.present)
        write_once(target / "record.pub", present.records.present.pem)
        write_once(target / "checkpoint.vkey", f"{verifier.vkey}\n".encode())

    def new_seal_key(self) -> SealPrivateKey:
        """A new key beside the others, for a command to say so. ConfigError; OSError."""
        key = SealPrivateKey.generate(os.urandom)
        key.save(self._directory / f"seal-{key.public.key_id.hex()[:16]}.key")
        return key

    def directory_key(self, kiosk: str) -> bytes:
        """The key of the hashes in the account directory of `kiosk`, 32 bytes. ConfigError."""
        return files.load_key(self._directory / "kiosks" / kiosk / KEY_FILE, "hmac-sha256")

    def kiosk(self, kiosk: str) -> KioskKeys:
        """The keys of `kiosk`, as pinned, rotated since and declared stolen; read again when there is news.

        VerificationError when none are pinned; ConfigError when they are damaged.
        """
        known = self._kiosks.get(kiosk)
        if known is not None and known[0] == _news(known[1]):
            return known[2]
        directory = self._directory / "kiosks" / kiosk
        if not topics.is_kiosk_id(kiosk) or not directory.is_dir():  # an id is also a safe file name
            message = f"no keys are pinned for kiosk {kiosk}"
            raise VerificationError(message, remedy="Provision the kiosk at the bank first.")
        watched = tuple(str(each) for each in (directory, directory / ROTATIONS, directory / COMPROMISES))
        news = _news(watched)
        keys = self._read(kiosk, directory)
        self._kiosks[kiosk] = news, watched, keys
        return keys

    def learn(self, kiosk: str, sequence: int, content: Mapping[str, Any], *, keep: bool) -> None:
        """Follow the rotation in a verified record; with `keep` for everybody who reads this directory, for good.

        It carries both keys' signatures, and is verified again whenever it is read. Raises VerificationError; OSError.
        """
        known = self.kiosk(kiosk)
        checked = known.records if content.get("purpose") == "record" else known.checkpoints
        rotation.verify(kiosk, sequence, content, checked)
        parts = {name: content[name] for name in _PARTS}
        self._learnt.setdefault(kiosk, {})[sequence] = parts
        if keep:
            folder = private_dir(self._directory / "kiosks" / kiosk / ROTATIONS)
            write_once(folder / f"{sequence:016d}.cbor", cbor.encode(parts))
        self._kiosks.pop(kiosk, None)

    def declare(self, kiosk: str, statement: bytes) -> None:
        """Keep a statement of compromise. Raises VerificationError for what is not the bank's and a second signer's."""
        found = rotation.believe(statement, kiosk, *self._declarers)
        folder = private_dir(self._directory / "kiosks" / kiosk / COMPROMISES)
        write_once(folder / f"{found.trusted_size:016d}-{found.kid.hex()[:16]}.cbor", statement)

    @property
    def _declarers(self) -> tuple[PublicKeys, PublicKeys]:
        return self.commanders.bank, self.commanders.second

    def _read(self, kiosk: str, directory: Path) -> KioskKeys:
        log = note.parse_vkey(files.read_public(directory / "checkpoint.vkey").decode())
        rotations = {int(path.stem): _content(path) for path in sorted((directory / ROTATIONS).glob("*.cbor"))}
        rotations |= self._learnt.get(kiosk, {})
        stolen = [path.read_bytes() for path in sorted((directory / COMPROMISES).glob("*.cbor"))]
        believed = [rotation.believe(data, kiosk, *self._declarers) for data in stolen]
        first = KeyHistory.of(PublicKeys.load(directory / "record.pub"))
        records = rotation.history(first, kiosk, "record", rotations, believed)
        first = KeyHistory.of(PublicKeys([log.key]))
        checkpoints = rotation.history(first, kiosk, "checkpoint", rotations, believed)
        return KioskKeys(records, checkpoint.Log.of(log.name, checkpoints), checkpoints)


def former(directory: Path, purpose: BankPurpose) -> list[PublicKey]:
    """Public halves of the bank's keys of before in its `directory`. ConfigError."""
    return [load_public(path) for path in sorted(directory.glob(f"{purpose}-*.pub"))]


def _news(folders: Iterable[str]) -> list[int]:
    """When each was changed, 0 for one that is not there; texts, because this is asked for every record."""
    found = []
    for folder in folders:
        try:
            found.append(os.stat(folder).st_mtime_ns)  # files are only ever added  # noqa: PTH116 - see above
        except FileNotFoundError:
            found.append(0)
    return found


def _content(path: Path) -> dict[str, Any]:
    found = cbor.decode(path.read_bytes(), cose.PAYLOAD_BYTES_MAX)
    if not isinstance(found, dict):
        message = f"{path} is not a rotation"
        raise VerificationError(message)
    return found
