"""Z reports, exchanges and counts held against the deposit records that they speak of, for one kiosk.

Every Z report must follow the last one without a gap, name the log as it was, and have the very sums of the deposit
records since; every collected bundle must have been deposited and be collected once; every count must be of something
collected, once, and its arithmetic must hold. What is remembered is what was deposited and not yet counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kiosk.errors import VerificationError
from kiosk_cloud.sums import CLAIMS

Z_REPORT: Final = "z_report"
EXCHANGE: Final = "exchange"
BUNDLE_COUNT: Final = "bundle_count"
KINDS: Final = (Z_REPORT, EXCHANGE, BUNDLE_COUNT)
_Cash = Counter[tuple[str, int, str]]  # (currency, value or 0, level) -> notes


class Days:
    """One kiosk's business dates, record after record. Each method raises VerificationError for what does not hold."""

    def __init__(self) -> None:
        self.z_reports = 0
        self.exchanges = 0
        self.counts = 0
        self._date = ""
        self._first = 0
        self._deposits = 0
        self._unvalued = 0
        self._sums: dict[str, Counter[str]] = {}
        self._bundles: dict[str, _Cash] = {}  # in the cabinet
        self._collected: dict[str, _Cash] = {}  # on their way to the count

    def deposit(self, content: Mapping[str, Any]) -> None:
        """A deposit record whose own figures hold."""
        self._deposits += 1
        self._unvalued += int(content.get("disputed_unvalued", 0))
        for currency, row in content["sums"].items():
            table = self._sums.setdefault(currency, Counter())
            for claim in CLAIMS:
                table[claim] += row[claim]
        bundle = content.get("bundle")
        if isinstance(bundle, dict) and bundle.get("id") and bundle.get("stored"):
            cash: _Cash = Counter()
            for note in content["notes"]:
                if note.get("place") == "cabinet":
                    level = "suspect" if note["suspect"] else "unrecognized" if note["value"] is None else "fit"
                    cash[note["currency"], note["value"] or 0, level] += 1
            self._bundles[str(bundle["id"])] = cash

    def new_log(self) -> None:
        """The records go on in another log, from its first."""
        self._first = 0

    def check(self, kind: str, content: Mapping[str, Any], sequence: int, root: bytes) -> None:
        """A record of one of KINDS; `root` is the log's before it."""
        try:
            if kind == Z_REPORT:
                self._z_report(content, sequence, root)
            elif kind == EXCHANGE:
                self._exchange(content)
            elif kind == BUNDLE_COUNT:
                self._count(content)
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError(f"this is no {kind} record: {error!r}") from error

    def _z_report(self, content: Mapping[str, Any], sequence: int, root: bytes) -> None:
        stated = {
            currency: {claim: row[claim] for claim in CLAIMS if row[claim]} for currency, row in content["sums"].items()
        }
        summed = {currency: {c: row[c] for c in CLAIMS if row[c]} for currency, row in self._sums.items()}
        deposits, unvalued, first, before = self._deposits, self._unvalued, self._first, self._date
        number = self.z_reports + 1
        # From here on the next date is open, whatever is wrong with this report: one failure, not a row of them.
        self.z_reports, self._first, self._date = content["number"], sequence + 1, content["date"]
        self._sums, self._deposits, self._unvalued = {}, 0, 0
        checks = (
            (content["number"] == number, f"Z report {content['number']} follows number {number - 1}"),
            (content["date"] > before, f"business date {content['date']} is closed after {before}"),
            (content["first_record"] == first, f"it begins at record {content['first_record']}, not {first}"),
            (content["log_size"] == sequence, f"it names a log of {content['log_size']} records, not {sequence}"),
            (content["log_root"] == root, "it names another root of the log"),
            (content["deposits"] == deposits, f"it counts {content['deposits']} deposits, here are {deposits}"),
            (content["disputed_unvalued"] == unvalued, "its disputed notes of unknown value are not the deposits'"),
            (_without_nothing(stated) == _without_nothing(summed), "its sums are not those of the deposits it covers"),
            (
                all(row["inserted"] == sum(row[claim] for claim in CLAIMS) for row in content["sums"].values()),
                "what was inserted is not the sum of its claims",
            ),
        )
        _hold(checks)

    def _exchange(self, content: Mapping[str, Any]) -> None:
        self.exchanges += 1
        checks: list[tuple[bool, str]] = [
            (content["number"] == self.exchanges, f"exchange {content['number']} follows {self.exchanges - 1}"),
            (len(set(content["ended_by"])) == len(content["ended_by"]) > 1, "it was not ended by two persons"),
        ]
        for item in (*content["collected"], *content["missing"]):
            name, cash = str(item["id"]), _cash(item["cash"])
            if item["unit"] == "cabinet":
                known = self._bundles.pop(name, None)
                checks.append((known is not None, f"bundle {name} was never deposited, or collected before"))
                checks.append((known is None or known == cash, f"bundle {name} is not as it was deposited"))
            self._collected[name] = cash
        notes = sum(sum(_cash(item["cash"]).values()) for item in content["collected"])
        checks.append((content["notes"] == notes, "its notes are not those of what was collected"))
        _hold(checks)

    def _count(self, content: Mapping[str, Any]) -> None:
        self.counts += 1
        name = str(content["item"])
        known = self._collected.pop(name, None)
        expected, counted = _cash(content["expected"]), _cash(content["counted"])
        difference = Counter(counted)
        difference.subtract(expected)
        stated = {key: count for key, count in _cash(content["differences"]).items() if count}
        checks = (
            (known is not None, f"{name} was not collected, or is counted twice"),
            (known is None or known == expected, f"{name} is not as it was collected"),
            (stated == {key: count for key, count in difference.items() if count}, f"differences of {name} are wrong"),
            (len(set(content["counted_by"])) == len(content["counted_by"]) > 1, "it was not counted by two persons"),
        )
        _hold(checks)


def _cash(rows: list[Mapping[str, Any]]) -> _Cash:
    return Counter({(row["currency"], row["value"] or 0, row["level"]): row["count"] for row in rows})


def _without_nothing(sums: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
    return {currency: row for currency, row in sums.items() if row}


def _hold(checks: Iterable[tuple[bool, str]]) -> None:
    wrong = [words for holds, words in checks if not holds]
    if wrong:
        raise VerificationError("; ".join(wrong))
