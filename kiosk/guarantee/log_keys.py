"""Whose log it is, and with which keys it is written."""

from dataclasses import dataclass
from pathlib import Path

from kiosk.guarantee import signers
from kiosk.guarantee.keys import PublicKeys, Signer
from kiosk.guarantee.seal import SealPublicKey
from kiosk.guarantee.signers import Purpose, TokenPlace


@dataclass(frozen=True)
class LogKeys:
    """A log's identity and keys; `bank_acks` are the keys whose acknowledgements count."""

    kiosk: str
    record: Signer
    checkpoint: Signer
    bank_seal: SealPublicKey
    bank_acks: PublicKeys
    next_record: Signer | None = None  # what a rotation may take up
    next_checkpoint: Signer | None = None

    @classmethod
    def load(cls, kiosk: str, keys_dir: Path, token: TokenPlace | None = None) -> "LogKeys":
        """Signers as `signers.load` finds them; bank_seal.pub and bank_ack.pub in `keys_dir`. Raises ConfigError."""
        record, *next_record = signers.load("record", keys_dir, token)
        log, *next_log = signers.load("checkpoint", keys_dir)
        return cls(
            kiosk=kiosk,
            record=record,
            checkpoint=log,
            bank_seal=SealPublicKey.load(keys_dir / "bank_seal.pub"),
            bank_acks=PublicKeys.load(keys_dir / "bank_ack.pub"),
            next_record=next_record[0] if next_record else None,
            next_checkpoint=next_log[0] if next_log else None,
        )

    def of(self, purpose: Purpose) -> tuple[Signer, ...]:
        """The signers of this purpose that are here."""
        pair = (self.record, self.next_record) if purpose == "record" else (self.checkpoint, self.next_checkpoint)
        return tuple(signer for signer in pair if signer is not None)
