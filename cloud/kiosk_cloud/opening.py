"""From an envelope to the row that the store keeps: for what arrives, and again for what is stored."""

from typing import Final

from kiosk.errors import VerificationError
from kiosk.guarantee import seal, verify
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.seal import KeyOf
from kiosk.guarantee.verify import Claim
from kiosk_cloud.store import StoredRecord

DEPOSIT: Final = "deposit"
DEPOSIT_ID_BYTES: Final = 16


def open_record(envelope: bytes, kiosk: str, keys: PublicKeys, seal_for: KeyOf) -> StoredRecord:
    """Open and verify an envelope that is said to come from `kiosk`, whose record keys are `keys`.

    Raises VerificationError with what disagrees.
    """
    return verified(envelope, verify.read_opened(seal.open_envelope(envelope, seal_for), kiosk), keys)


def verified(envelope: bytes, claim: Claim, keys: PublicKeys) -> StoredRecord:
    """The same for what has been read already: `claim` is what was in `envelope`."""
    record = claim.verify(keys)
    deposit_id = None
    if record.kind == DEPOSIT:
        deposit_id = record.content.get("deposit_id")
        if not isinstance(deposit_id, bytes) or len(deposit_id) != DEPOSIT_ID_BYTES:
            message = "a deposit record without a deposit id of 16 bytes"
            raise VerificationError(message)
    return StoredRecord(
        kiosk=record.kiosk,
        sequence=record.sequence,
        leaf_hash=record.leaf_hash,
        kind=record.kind,
        deposit_id=deposit_id,
        content=record.payload,
        envelope=envelope,
        entry=record.leaf_entry,
    )
