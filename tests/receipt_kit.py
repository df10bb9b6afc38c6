"""Receipts with known keys, for the tests that verify, spoil or print them."""

from typing import Any

from kiosk.guarantee import receipt
from kiosk.guarantee.receipt import Receipt, VerifiedReceipt
from tests.guarantee_kit import DEPOSIT_ID, Kit

SUMS = {"CNY": {"inserted": 27000, "credited": 25000, "returned": 0, "retained": 2000, "disputed": 0}}
BODY: dict[str, Any] = {
    "deposit_id": DEPOSIT_ID,
    "account_masked": "****8713",
    "account_known": True,
    "outcome": "credited",
    "sums": SUMS,
    "disputed_unvalued": 0,
    "bundle": "B00000001",
}


def statement(kit: Kit, **changes: Any) -> int:
    """A deposit and its receipt statement in the kit's log; the statement's sequence."""
    about = kit.append("deposit", {"deposit_id": DEPOSIT_ID, "staff": "staff-1", "risk": {"grade": "low"}})
    body = {**BODY, "record_seq": about.sequence, "record_leaf": about.leaf_hash, **changes}
    return kit.append("receipt", body).sequence


def made(kit: Kit, sequence: int) -> Receipt:
    """The receipt of a statement, proved in the log as it is."""
    record = kit.records.record(sequence)
    return receipt.make(record, kit.records.inclusion(sequence), kit.records.checkpoint())


def checked(kit: Kit, opening: str, proof: str) -> VerifiedReceipt:
    return receipt.check(opening, proof, kit.log_verifier, kit.record_keys)
