"""The world is the judge: where every note really is, against what the journal's records say."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hwsim.notes import Kind
from hwsim.notes import Place as Real
from kiosk.core.day import Z_KIND
from kiosk.core.ledger import IN_DOUBT
from kiosk.core.money import Place
from kiosk.core.storage import UNIT_OF
from kiosk.errors import VerificationError
from kiosk.guarantee.journal import Journal
from kiosk.management.receipt_page import WORDS
from kiosk.management.storage import LOOSE
from kiosk_cloud.clearings import KINDS as FOLLOWED
from kiosk_cloud.clearings import Clearings, Net
from tests.simulation.rig import Rig

_PLACES = {  # where the books say a note is -> where it really may be
    "cabinet": {Real.SLOT},
    "retract": {Real.RETRACT},
    "out": {Real.OUT, Real.BEZEL},
    "tray": {Real.TRAY, Real.BUNDLE},
    "bundle": {Real.TRAY, Real.BUNDLE},
    "transport": {Real.TRANSPORT},
    "escrow": {Real.STORE},
    "cash_in": {Real.CASSETTE},
    "validator": {Real.PATH, Real.STORE},
}


@dataclass
class Verdict:
    """What does not agree; empty lists are what everybody wants."""

    complaints: list[str] = field(default_factory=list)
    claims: Counter[str] = field(default_factory=Counter)
    disputes: list[str] = field(default_factory=list)


def deposit_records(journal: Journal) -> list[dict[str, Any]]:
    """The contents of all deposit records, opened and verified."""
    log = journal.log
    records = (log.record(sequence) for sequence in range(log.size()))
    return [dict(record.content) for record in records if record.kind == "deposit"]


def judge(rig: Rig) -> Verdict:
    """Compare. The kiosk must be at rest: every deposit has its record."""
    verdict = Verdict()
    records = deposit_records(rig.journal)
    ids = [record["deposit_id"] for record in records]
    if len(ids) != len(set(ids)):
        verdict.complaints.append("a deposit was recorded twice")
    booked = [note for record in records for note in record["notes"]]
    for note in booked:
        verdict.claims[note["claim"]] += note["value"] or 0
        if note["claim"] == "disputed":
            verdict.disputes.append(note["reason"])
        if note["claim"] == "open":
            verdict.complaints.append(f"note {note['n']} is open in a record")
    real = [note for note in rig.world.notes.all() if note.inserted]
    _same_money(verdict, booked, real)
    _same_places(verdict, booked, real)
    _no_wrong_claim(verdict, booked, real)
    _receipts(verdict, rig)
    verdict.complaints += forbidden_clearings(rig.journal)
    same_units(verdict, rig, records)
    return verdict


def forbidden_clearings(journal: Journal) -> list[str]:
    """Disputes cleared otherwise than by two people who might: what the bank finds when it looks at this log."""
    found: list[str] = []
    clearings = Clearings(Net())
    for sequence in range(journal.log.size()):
        record = journal.log.record(sequence)
        try:
            if record.kind in FOLLOWED:
                clearings.take(record.kind, record.content)
        except VerificationError as error:
            found.append(f"record {sequence}: {error.args[0]}")
    return found


def same_units(verdict: Verdict, rig: Rig, records: list[dict[str, Any]]) -> None:
    """The storage units hold what the deposits' records say, and every deposit is in one business date."""
    ledger = rig.journal.units(whole=True)
    if rig.controller.storage.ledger != ledger or rig.journal.units() != ledger:
        verdict.complaints.append("the storage units in memory are not those of the journal")
    reports = [record.content for record in map(rig.journal.log.record, range(rig.journal.log.size()))]
    dated = [report for report in reports if report["kind"] == Z_KIND]
    if sum(report["deposits"] for report in dated) + ledger.day.tally.deposits != len(records):
        verdict.complaints.append("a deposit is in no business date, or in two")
    if ledger.exchanges:
        return
    booked = _in_units(rig.journal)
    held = {unit.name: unit.count for unit in ledger.units if unit.count}
    if held != booked:
        verdict.complaints.append(f"the units hold {held}, the records have {booked}")


def _in_units(journal: Journal) -> dict[str, int]:
    """Notes by unit, from the records in their order: a reset outside any deposit takes to the bin what lay about."""
    booked: Counter[str] = Counter()
    for record in map(journal.log.record, range(journal.log.size())):
        content = record.content
        if record.kind == "deposit":
            booked.update(UNIT_OF.get(Place(note["place"])) or "" for note in content["notes"])
        elif record.kind == "service" and content["event"] == "reset" and "deposit_id" not in content:
            booked["retract"] += sum(booked.pop(name, 0) for name in LOOSE)
    return {name: count for name, count in booked.items() if name and count}


def _receipts(verdict: Verdict, rig: Rig) -> None:
    """Each deposit of notes has one statement, right after its record; at most one paper of it is an original."""
    log = rig.journal.log
    records = [log.record(sequence) for sequence in range(log.size())]
    for record in records:
        if record.kind != "deposit" or not record.content["notes"]:
            continue
        about = [one for one in records if one.kind == "receipt" and one.content["record_seq"] == record.sequence]
        named = [(one.sequence, one.content["record_leaf"], one.content["sums"]) for one in about]
        if named != [(record.sequence + 1, record.leaf_hash, record.content["sums"])]:
            verdict.complaints.append(f"record {record.sequence} has the receipt statements {named}")
    titles = [line for paper in rig.receipts.printed for line in paper.lines if line == WORDS["en"]["title"]]
    copies = [line for paper in rig.receipts.printed for line in paper.lines if line.startswith("COPY ")]
    deposits = sum(1 for record in records if record.kind == "receipt")
    if len(titles) - len(copies) > deposits:
        verdict.complaints.append(f"{len(titles) - len(copies)} original receipts of {deposits} deposits")


def _same_money(verdict: Verdict, booked: list[Any], real: list[Any]) -> None:
    """inserted = sum over claims, in notes and (where every value is known) in value.

    A note of which its validator could not tell whether it was stacked is disputed, and may be outside.
    """
    doubtful = sum(1 for note in booked if IN_DOUBT in note["reason"])
    if not len(real) <= len(booked) <= len(real) + doubtful:
        verdict.complaints.append(f"{len(real)} notes are inserted, the books have {len(booked)} ({doubtful} in doubt)")
    if len(booked) == len(real) and all(note["value"] is not None for note in booked):
        inserted = sum(note.value_minor for note in real)
        if sum(verdict.claims.values()) != inserted:
            verdict.complaints.append(f"inserted {inserted}, the books have {dict(verdict.claims)}")
    returned = sum(note.value_minor for note in real if note.place is Real.OUT)
    disputed_out = sum(
        note["value"] or 0 for note in booked if note["claim"] == "disputed" and note["place"] in ("out", "unknown")
    )
    if not verdict.claims["returned"] <= returned <= verdict.claims["returned"] + disputed_out:
        verdict.complaints.append(f"{returned} was taken out, the books have {verdict.claims['returned']} returned")


def _same_places(verdict: Verdict, booked: list[Any], real: list[Any]) -> None:
    unknown = sum(1 for note in booked if note["place"] == "unknown")
    for place, really in _PLACES.items():
        there = sum(1 for note in booked if note["place"] == place)
        found = sum(1 for note in real if note.place in really)
        if there > found:
            verdict.complaints.append(f"the books have {there} notes at {place}, the world {found} ({unknown} unknown)")


def _no_wrong_claim(verdict: Verdict, booked: list[Any], real: list[Any]) -> None:
    """A suspect note is never credited nor returned; what is credited is really inside."""
    suspects = sum(note.value_minor for note in real if note.kind is Kind.SUSPECT)
    if any(note["suspect"] and note["claim"] not in ("retained", "disputed") for note in booked):
        verdict.complaints.append("a suspect note is claimed by somebody")
    if verdict.claims["retained"] > suspects:
        verdict.complaints.append(f"retained {verdict.claims['retained']}, suspect notes inside {suspects}")
    inside = sum(note.value_minor for note in real if note.place not in (Real.OUT, Real.BEZEL, Real.HAND))
    if verdict.claims["credited"] > inside - min(suspects, verdict.claims["retained"]):
        verdict.complaints.append(f"credited {verdict.claims['credited']}, inside {inside}")
