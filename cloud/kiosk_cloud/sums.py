"""Money in verified deposit records: added up per currency and claim, each record's own arithmetic checked first."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kiosk.errors import VerificationError

CLAIMS: Final = ("credited", "returned", "retained", "disputed")
GRADES: Final = ("low", "medium", "high")


@dataclass
class Totals:
    """Minor units per claim and currency, and deposits per risk grade."""

    deposits: int = 0
    minor: dict[str, Counter[str]] = field(default_factory=lambda: {claim: Counter() for claim in CLAIMS})
    risk: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(GRADES, 0)))

    def add(self, deposit: Mapping[str, object]) -> None:
        """Count one deposit record. VerificationError, and nothing counted, when its figures contradict each other."""
        sums = _sums(deposit.get("sums"))
        _check_notes(deposit.get("notes"), sums)
        risk = deposit.get("risk")
        grade = risk.get("grade") if isinstance(risk, dict) else None
        self.deposits += 1
        for currency, row in sums.items():
            for claim in CLAIMS:
                self.minor[claim][currency] += row[claim]
        self.risk[grade if isinstance(grade, str) else "ungraded"] += 1


def _sums(raw: object) -> dict[str, dict[str, int]]:
    if not isinstance(raw, dict):
        raise _wrong("it has no sums")
    for currency, row in raw.items():
        if not isinstance(row, dict) or set(row) != {"inserted", *CLAIMS}:
            raise _wrong(f"its sums of {currency} are not inserted, {', '.join(CLAIMS)}")
        if any(not isinstance(value, int) or isinstance(value, bool) or value < 0 for value in row.values()):
            raise _wrong(f"its sums of {currency} are not amounts")
        if row["inserted"] != sum(row[claim] for claim in CLAIMS):
            raise _wrong(f"what was inserted in {currency} is not the sum of its claims")
    return raw


def _check_notes(raw: object, sums: Mapping[str, Mapping[str, int]]) -> None:
    """The sums are those of the notes listed. Notes of unknown value are counted elsewhere, not valued."""
    if not isinstance(raw, list):
        raise _wrong("it lists no notes")
    table: dict[str, Counter[str]] = {}
    for note in raw:
        match note:
            case {"value": int(value), "currency": str(currency), "claim": str(claim)} if claim in CLAIMS:
                table.setdefault(currency, Counter())[claim] += value
            case {"value": None, "claim": str(claim)} if claim in CLAIMS:
                pass
            case _:
                raise _wrong("a note is listed without value, currency or a settled claim")
    for currency in table.keys() | sums.keys():
        listed, stated = table.get(currency, Counter()), sums.get(currency, {})
        if any(listed[claim] != stated.get(claim, 0) for claim in CLAIMS):
            raise _wrong(f"its sums of {currency} are not those of its notes")


def _wrong(reason: str) -> VerificationError:
    return VerificationError(f"the deposit record contradicts itself: {reason}")
