"""The bank's own keys, and the kiosks' public keys as they were pinned when each was provisioned."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kiosk.core import topics
from kiosk.errors import VerificationError
from kiosk.guarantee import files, note
from kiosk.guarantee.commands import SECOND_FILE, Commanders
from kiosk.guarantee.directory import KEY_FILE
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.seal import SealPrivateKey


@dataclass(frozen=True)
class KioskKeys:
    """What verifies one kiosk's records and checkpoints."""

    records: PublicKeys
    checkpoint: note.Verifier


class Keyring:
    """The keys below one directory, read when first needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kiosks: dict[str, KioskKeys] = {}
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
        """Verifies our own acknowledgements."""
        return PublicKeys([self.ack.public])

    @cached_property
    def command(self) -> Ed25519Signer:
        """Signs commands and account directories. ConfigError."""
        return Ed25519Signer.load(self._directory / "command.key")

    @cached_property
    def command_public(self) -> PublicKeys:
        """Verifies our own commands and directories."""
        return PublicKeys([self.command.public])

    @property
    def commanders(self) -> Commanders:
        """Whose signatures make a command, as kiosks have them pinned. ConfigError."""
        second = self._directory / SECOND_FILE
        return Commanders(self.command_public, PublicKeys.load(*([second] if second.exists() else [])))

    def new_seal_key(self) -> SealPrivateKey:
        """A new key beside the others, for a command to say so. ConfigError; OSError."""
        key = SealPrivateKey.generate(os.urandom)
        key.save(self._directory / f"seal-{key.public.key_id.hex()[:16]}.key")
        return key

    def directory_key(self, kiosk: str) -> bytes:
        """The key of the hashes in the account directory of `kiosk`, 32 bytes. ConfigError."""
        return files.load_key(self._directory / "kiosks" / kiosk / KEY_FILE, "hmac-sha256")

    def kiosk(self, kiosk: str) -> KioskKeys:
        """The pinned keys of `kiosk`. VerificationError when none are pinned; ConfigError when they are damaged."""
        found = self._kiosks.get(kiosk)
        if found is None:
            directory = self._directory / "kiosks" / kiosk
            if not topics.is_kiosk_id(kiosk) or not directory.is_dir():  # an id is also a safe file name
                message = f"no keys are pinned for kiosk {kiosk}"
                raise VerificationError(message, remedy="Provision the kiosk at the bank first.")
            found = KioskKeys(
                PublicKeys.load(directory / "record.pub"),
                note.parse_vkey(files.read_public(directory / "checkpoint.vkey").decode()),
            )
            self._kiosks[kiosk] = found
        return found
