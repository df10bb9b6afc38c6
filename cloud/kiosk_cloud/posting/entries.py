"""From a verified record to what the bank books: entries with amount, status and reason. Pure.

A deposit's credited amount is booked; what is disputed is pending; what was retained as suspect is information only.
A clearing is a later posting that names the deposit: *credited* is booked now, any other resolution only ends the
pending amount. The same record always makes the same posting, so sending it again sends the same bytes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kiosk.errors import VerificationError
from kiosk_cloud.sums import Totals

Status = Literal["BOOK", "PDNG", "INFO"]
VERSION: Final = 1
ACCOUNT_CHARACTERS_MAX: Final = 34  # ISO 20022 Max34Text
NO_CURRENCY: Final = "XXX"  # ISO 4217: no currency; of notes whose value nobody knows yet
_STATUS: Final[dict[str, Status]] = {"credited": "BOOK", "disputed": "PDNG", "retained": "INFO"}
# ISO 4217: digits behind the point, where they are not two.
_EXPONENTS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF", "XXX"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


@dataclass(frozen=True)
class Entry:
    """One amount. `notes` are (value in minor units, how many); `reason` is a claim or a resolution."""

    currency: str
    amount_minor: int
    status: Status
    reason: str
    notes: tuple[tuple[int, int], ...] = ()
    unvalued: int = 0  # notes of unknown value besides


@dataclass(frozen=True)
class Posting:
    """What is handed over for one record. `account` is in clear: it goes to the bank's own books."""

    key: str
    kind: str
    kiosk: str
    sequence: int
    leaf_hash: bytes
    deposit_id: bytes
    account: str
    account_known: bool | None  # False: for suspense; None: the kiosk had no directory
    at: str  # of the record
    value_at: str  # since when the money was the bank's
    outcome: str
    entries: tuple[Entry, ...]
    evidence: str = ""
    refers_to: str = ""  # key of the deposit that a clearing belongs to

    def as_json(self) -> dict[str, Any]:
        """The webhook's body."""
        return {
            "version": VERSION,
            "key": self.key,
            "kind": self.kind,
            "refers_to": self.refers_to,
            "kiosk": self.kiosk,
            "sequence": self.sequence,
            "record_leaf": self.leaf_hash.hex(),
            "deposit_id": self.deposit_id.hex(),
            "account": self.account,
            "account_known": self.account_known,
            "at": self.at,
            "value_at": self.value_at,
            "outcome": self.outcome,
            "evidence": self.evidence,
            "entries": [
                {
                    "currency": entry.currency,
                    "amount_minor": entry.amount_minor,
                    "status": entry.status,
                    "reason": entry.reason,
                    "notes": [{"value_minor": value, "count": count} for value, count in entry.notes],
                    "unvalued_notes": entry.unvalued,
                }
                for entry in self.entries
            ],
        }


def decimal(amount_minor: int, currency: str) -> str:
    """Minor units as ISO 20022 writes amounts: `250.00`, of JPY `250`."""
    digits = _EXPONENTS.get(currency, 2)
    if digits == 0:
        return str(amount_minor)
    whole, rest = divmod(amount_minor, 10**digits)
    return f"{whole}.{rest:0{digits}}"


def of_deposit(key: str, leaf_hash: bytes, content: Mapping[str, Any]) -> Posting:
    """The posting of a deposit record. Raises VerificationError when its figures contradict each other."""
    Totals().add(content)
    entries = [
        Entry(currency, row[claim], status, claim, _notes(content, currency, claim))
        for currency, row in sorted(content["sums"].items())
        for claim, status in _STATUS.items()
        if row[claim]
    ]
    unvalued = sum(note["claim"] == "disputed" and note["value"] is None for note in content["notes"])
    if unvalued != content.get("disputed_unvalued"):
        raise VerificationError("the deposit record contradicts itself: disputed notes of unknown value")
    if unvalued:
        entries.append(Entry(NO_CURRENCY, 0, "INFO", "disputed", unvalued=unvalued))
    account = content.get("account")
    if not isinstance(account, str) or not account.isprintable() or not 0 < len(account) <= ACCOUNT_CHARACTERS_MAX:
        raise VerificationError("the deposit record names no account that could be posted to")
    try:
        return Posting(
            key=key,
            kind="deposit",
            kiosk=content["kiosk"],
            sequence=content["seq"],
            leaf_hash=leaf_hash,
            deposit_id=content["deposit_id"],
            account=account,
            account_known=content.get("account_known"),
            at=content["at"],
            value_at=content.get("confirmed_at") or content["at"],
            outcome=content["outcome"],
            entries=tuple(entries),
        )
    except KeyError as error:
        raise VerificationError(f"the deposit record has no {error}") from error


def of_clearing(
    key: str, leaf_hash: bytes, content: Mapping[str, Any], deposit: Mapping[str, Any], refers_to: str
) -> Posting:
    """The posting of a clearing whose people were checked (`clearings`); `deposit` is the record that it clears."""
    resolution = content["resolution"]
    status: Status = "BOOK" if resolution == "credited" else "INFO"
    entries = [
        Entry(currency, amount, status, resolution, _cleared(content, currency))
        for currency, amount in sorted(content["sums"].items())
    ]
    if content["unvalued"]:
        entries.append(Entry(NO_CURRENCY, 0, "INFO", resolution, unvalued=content["unvalued"]))
    return Posting(
        key=key,
        kind="clearing",
        kiosk=content["kiosk"],
        sequence=content["seq"],
        leaf_hash=leaf_hash,
        deposit_id=content["deposit_id"],
        account=deposit["account"],
        account_known=deposit.get("account_known"),
        at=content["at"],
        value_at=content["at"],
        outcome=resolution,
        entries=tuple(entries),
        evidence=content["evidence"],
        refers_to=refers_to,
    )


def _notes(content: Mapping[str, Any], currency: str, claim: str) -> tuple[tuple[int, int], ...]:
    notes = (n for n in content["notes"] if n["claim"] == claim and n["currency"] == currency)
    return _counted(note["value"] for note in notes if note["value"] is not None)


def _cleared(content: Mapping[str, Any], currency: str) -> tuple[tuple[int, int], ...]:
    return _counted(n["value"] for n in content["notes"] if n["currency"] == currency and n["value"] is not None)


def _counted(values: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401 - any iterable of amounts
    return tuple(sorted(Counter(values).items(), reverse=True))
