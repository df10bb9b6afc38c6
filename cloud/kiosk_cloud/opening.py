"""From an envelope to the row that the store keeps: for what arrives, and again for what is stored."""

from typing import Final

from kiosk.errors import VerificationError
from kiosk.guarantee import verify
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.store import StoredRecord

DEPOSIT: Final = "deposit"
DEPOSIT_ID_BYTES: Final = 16


def open_record(envelope: bytes, kiosk: str, keyring: Keyring) -> StoredRecord:
    """Open and verify an envelope that is said to come from `kiosk`. Raises VerificationError with what disagrees."""
    record = verify.verify_envelope(envelope, kiosk, keyring.seal_for, keyring.kiosk(kiosk).records)
    deposit_id = None
    if record.kind == DEPOSIT:
        deposit_id = record.content.get("deposit_id")
        if not isinstance(deposit_id, bytes) or len(deposit_id) != DEPOSIT_ID_BYTES:
            message = "a deposit record without a deposit id of 16 bytes"
            raise VerificationError(message)
    return StoredRecord(
        kiosk=kiosk,
        sequence=record.sequence,
        leaf_hash=record.leaf_hash,
        kind=record.kind,
        deposit_id=deposit_id,
        content=record.payload,
        envelope=envelope,
        entry=record.leaf_entry,
    )
