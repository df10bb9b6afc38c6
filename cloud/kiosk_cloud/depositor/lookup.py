"""What the bank holds of one receipt. Read only, from the store and the mirror of tiles; nothing about the account.

Who asks must have the paper: its deposit id is 128 random bits, and what is said for a wrong one does not tell whether
there is such a kiosk, such a place in its log, or such a deposit.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from kiosk.core.disputes import of_record
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, checkpoint, cose, cosignature, merkle, proof, receipt, tiles
from kiosk.guarantee.policy import Policy
from kiosk_cloud.cosigning import for_receipts
from kiosk_cloud.mirror import LogMirror
from kiosk_cloud.posting.outbox import Outbox, Where, record_of
from kiosk_cloud.store import Store, StoredRecord

COUNT: Final = "bundle_count"
LOGS_MAX: Final = 16  # of one kiosk: an epoch is a rare thing


@dataclass(frozen=True)
class Claim:
    """What is on the paper: where the receipt's statement is in the log, and whose deposit it is of."""

    kiosk: str
    sequence: int
    deposit_id: bytes
    opening: str = ""  # the first code, when that was given: then its signature has been verified
    leaf_hash: bytes = b""


@dataclass(frozen=True)
class Finding:
    """What there is to say. `proof` is the whole text with every cosignature, `short` what fits a QR code."""

    claim: Claim
    received: bool  # the record is in the prefix that the bank has acknowledged
    contradicted: bool = False  # the kiosk has signed another statement for this place
    witnessed: bool = False
    witnesses: tuple[str, ...] = ()
    log_size: int = 0
    proof: str = ""
    short: str = ""
    posting: Where | None = None
    open_disputes: int = 0  # notes
    cleared: tuple[tuple[str, str], ...] = ()  # (record, resolution)
    forks: int = 0  # of the kiosk's log
    differences: tuple[str, ...] = ()  # records of counts of its bundle that found more or less

    @property
    def events(self) -> tuple[str, ...]:
        """What a contact would be told, each by a name that never comes twice."""
        found = [f"cleared {record} {resolution}" for record, resolution in self.cleared]
        found += [f"count {record}" for record in self.differences]
        found += ["disputed"] if self.open_disputes else []
        found += ["fork"] if self.forks or self.contradicted else []
        held = self.posting is not None and self.posting.state == "held"
        return (*found, *(["held"] if held else []))


class Desk:
    """Answers about receipts, from files; one `Store` connection for each answer."""

    def __init__(self, store: Path, mirror: Path | None, policy: Callable[[], Policy]) -> None:
        """`policy` is asked each time: it follows the kiosks' keys."""
        self._store = store
        self._mirror = mirror
        self._policy = policy

    def claim(self, opening: str) -> Claim:
        """Whom a first code is from, its signature verified. Raises VerificationError."""
        kiosk = receipt.claimed_kiosk(opening)
        said = receipt.verify_statement(opening, kiosk, self._policy().keys(kiosk))
        return Claim(kiosk, said.sequence, said.content["deposit_id"], opening, said.leaf_hash)

    def find(self, claim: Claim) -> Finding | None:
        """What the bank has; None when it has no such receipt (or, for a verified first code, not yet)."""
        store = Store(self._store, read_only=True)
        try:
            with store.snapshot():
                return self._find(store, claim)
        finally:
            store.close()

    def _find(self, store: Store, claim: Claim) -> Finding | None:
        """The paper names the kiosk, a first code the very log: what was typed is looked for in each log of it."""
        logs = [claim.kiosk] if claim.opening else [*store.logs_of(claim.kiosk)][-LOGS_MAX:]
        return next((found for log in logs if (found := self._find_in(store, replace(claim, kiosk=log)))), None)

    def _find_in(self, store: Store, claim: Claim) -> Finding | None:
        record = store.record(claim.kiosk, claim.sequence)
        if record is None or record.sequence >= store.tree(claim.kiosk).size:
            return Finding(claim, received=False) if claim.opening else None
        if claim.opening and record.leaf_hash != claim.leaf_hash:
            return Finding(claim, received=False, contradicted=True, forks=1)
        content = _content(record)
        known = content.get("deposit_id")
        theirs = isinstance(known, bytes) and hmac.compare_digest(known, claim.deposit_id)
        if record.kind != receipt.KIND or not theirs:
            return None
        return self._finding(store, claim, record)

    def _finding(self, store: Store, claim: Claim, record: StoredRecord) -> Finding:
        outbox = Outbox(store)
        deposit = store.deposit(claim.kiosk, claim.deposit_id)
        disputes = {dispute.n for dispute in of_record(_content(deposit))} if deposit is not None else set()
        cleared = []
        for row in outbox.clearings(claim.kiosk, claim.deposit_id):
            clearing = store.record(row.kiosk, row.sequence)
            if clearing is not None:
                said = _content(clearing)
                disputes -= {note["n"] for note in said["notes"]}
                cleared.append((record_of(row.kiosk, row.sequence), str(said["resolution"])))
        return Finding(
            claim,
            received=True,
            posting=outbox.where(claim.kiosk, claim.deposit_id),
            open_disputes=len(disputes),
            cleared=tuple(cleared),
            forks=len(store.forks(claim.kiosk)),
            differences=tuple(_differences(store, claim)),
            **self._proved(claim, record),
        )

    def _proved(self, claim: Claim, record: StoredRecord) -> dict[str, Any]:
        """The proof against the newest checkpoint in the mirror, if that has the record already."""
        if self._mirror is None:
            return {}
        policy = self._policy()
        try:
            log = policy.log(checkpoint.origin(claim.kiosk))
            mirror = LogMirror(self._mirror / claim.kiosk, log)
            signed = mirror.signed()
            point, cosigned = cosignature.verify(signed, log, policy.witnesses.values())
            if claim.sequence >= point.size:
                return {}
            hashes = merkle.inclusion_proof(tiles.Mirror(point.size, mirror.read).node, claim.sequence, point.size)
            merkle.verify_inclusion(claim.sequence, point.size, record.leaf_hash, hashes, point.root)
        except (VerificationError, OSError):
            return {}  # no mirror of this log yet, or one that somebody else must repair
        short = proof.make(claim.sequence, hashes, for_receipts(signed, log, policy))
        return {
            "witnessed": policy.witnessed(cosigned),
            "witnesses": tuple(sorted({each.witness.name for each in cosigned})),
            "log_size": point.size,
            "proof": proof.make(claim.sequence, hashes, signed),
            "short": short if len(short.encode()) <= receipt.QR_BYTES_MAX else "",
        }


def _differences(store: Store, claim: Claim) -> list[str]:
    found = []
    for log in store.logs_of(claim.kiosk):
        for record in store.records_of_kinds(log, (COUNT,)):
            content = _content(record)
            if claim.deposit_id in content.get("deposits", ()) and content.get("differences"):
                found.append(record_of(log, record.sequence))
    return found


def _content(record: StoredRecord) -> dict[str, Any]:
    content: dict[str, Any] = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
    return content
