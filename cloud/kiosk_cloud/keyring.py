"""The bank's own keys, and the kiosks' public keys as they were pinned when each was provisioned."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kiosk.core import topics
from kiosk.errors import VerificationError
from kiosk.guarantee import files, note
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

    @cached_property
    def seal(self) -> SealPrivateKey:
        """Opens envelopes. ConfigError."""
        return SealPrivateKey.load(self._directory / "seal.key")

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
