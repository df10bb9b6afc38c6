"""Counts what became durable, and says the canonical line of each deposit and each fault.

Told of records, not of states: what is counted here has happened for good, and nothing that was undone. The counts
begin at the process's start, as Prometheus expects of counters.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from kiosk.clock import Clock, rfc3339
from kiosk.core.metrics import ALERTS, DEVICES, GRADES, OUTCOMES, Device, Sample, known, sample
from kiosk.core.money import Claim
from kiosk.core.state import RecordDraft
from kiosk.protection.canonical import Event, Scalar

_log = logging.getLogger(__name__)
Say = Callable[[Event, Mapping[str, Scalar]], None]
# Alerts that say that the machine does not work as it should; their reasons are the machine's own words.
FAULTS: Final = frozenset(
    ("device", "board", "jam", "technician", "validator_stopped", "power", "receipt", "unfinished", "unexpected_credit")
)
HUSHED: Final = frozenset(("duress",))  # for the bank alone: who threatens somebody may look at this machine's logs
# Of faults that are not told of a device by its name.
_WHOSE: Final[dict[str, Device]] = {
    "board": "board",
    "technician": "board",
    "validator_stopped": "validator",
    "unexpected_credit": "validator",
    "receipt": "receipt_printer",
}
_NAMES: Final[dict[str, Device]] = {name: name for name in DEVICES} | {
    "label printer": "label_printer",
    "receipt printer": "receipt_printer",
    "lines": "gpio",
}


def device_of(fault: str) -> Device:
    """Which device a `DeviceFault` tells of: its words begin with the name."""
    return _NAMES.get(fault.partition(":")[0], "devices")


class Tally:
    """Give `records` every batch of durable records."""

    def __init__(self, clock: Clock, say: Say) -> None:
        self._clock, self._say = clock, say
        self._outcomes: Counter[str] = Counter()
        self._grades: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()
        self._alerts: Counter[str] = Counter()
        self._faults: Counter[Device] = Counter()
        self._disputed = 0

    def records(self, drafts: Sequence[RecordDraft]) -> None:
        """These are durable. Whatever is wrong with one, the others are counted."""
        for draft in drafts:
            try:
                if draft.kind == "deposit":
                    self._deposit(draft.body)
                elif draft.kind == "alert":
                    self._alert(draft.body)
            except (KeyError, TypeError, ValueError) as error:
                _log.warning("a record of kind %s is not counted: %r", draft.kind, error)

    def _deposit(self, body: Mapping[str, Any]) -> None:
        claims = Counter(str(note["claim"]) for note in body["notes"])
        self._outcomes[known(body["outcome"], OUTCOMES)] += 1
        self._grades[body["risk"]["grade"]] += 1
        self._notes.update(claims)
        self._disputed += bool(claims["disputed"])
        duration = datetime.fromisoformat(body["closed_at"]) - datetime.fromisoformat(body["began_at"])
        fields: dict[str, Scalar] = {
            "at": str(body["closed_at"]),
            "deposit": _prefix(body),
            "outcome": str(body["outcome"]),
            "grade": str(body["risk"]["grade"]),
            "duration_s": round(duration.total_seconds(), 1),
            "guarantee_failed": sum(not each["passed"] for each in body["guarantee"]),
            "remarks": len(body["remarks"]),
        }
        kept = (claim for claim in map(str, Claim) if claim != "open")
        self._say("deposit", {**fields, **{f"notes_{claim}": claims[claim] for claim in kept}})

    def _alert(self, body: Mapping[str, Any]) -> None:
        name, why = str(body["alert"]), "; ".join(body["reasons"])
        if name in HUSHED:
            return
        self._alerts[known(name, ALERTS)] += 1
        fields: dict[str, Scalar] = {"at": rfc3339(self._clock.now_utc()), "alert": name}
        if body.get("deposit_id"):
            fields["deposit"] = _prefix(body)
        if name not in FAULTS:
            self._say("alert", {**fields, "grade": str(body["grade"])})
            return
        device = device_of(why) if name == "device" else _WHOSE.get(name, "devices")
        self._faults[device] += name == "device"
        self._say("fault", {**fields, "device": device, "why": why})

    def samples(self) -> Iterator[Sample]:
        """The counters, every label value of them."""
        rows: tuple[tuple[str, Sequence[str], Mapping[Any, int]], ...] = (
            ("kiosk_deposits_total", OUTCOMES, self._outcomes),
            ("kiosk_deposit_grades_total", GRADES, self._grades),
            ("kiosk_notes_total", tuple(map(str, Claim)), self._notes),
            ("kiosk_alerts_total", ALERTS, self._alerts),
            ("kiosk_device_faults_total", DEVICES, self._faults),
        )
        for name, values, counted in rows:
            yield from (sample(name, counted[value], value) for value in values)
        yield sample("kiosk_disputed_deposits_total", self._disputed)


def _prefix(body: Mapping[str, Any]) -> str:
    """Enough of the id to find the record by, and not enough to ask the depositor's page about it."""
    return bytes(body["deposit_id"]).hex()[:8]
