"""The judge of a played schedule: the world's truth, note by note, against records, journal, promises and paper.

Books are never believed because they add up. Each deposit's booked notes are matched with the notes that were really
fed in during it, by value and kind; then every claim is held against where its note really is.
"""

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from hwsim.notes import Kind, Note
from hwsim.notes import Place as Real
from kiosk.core.cash_in_end import RESERVED
from kiosk.core.ledger import HELD, IN_DOUBT, UNHEARD
from kiosk.errors import VerificationError
from kiosk.guarantee import receipt
from kiosk.guarantee.verify import VerifiedRecord
from kiosk.management.receipt_page import WORDS
from kiosk_cloud.days import Days
from tests.simulation.disputes import explain
from tests.simulation.judge import Verdict, deposit_records, same_units
from tests.simulation.play import Play, Told
from tests.simulation.rig import KIOSK, RECORD_KEYS

_HAND: Final = frozenset({Real.OUT, Real.BEZEL, Real.HAND, Real.THROAT})
_PLACES: Final = {
    "cabinet": {Real.SLOT},
    "retract": {Real.RETRACT},
    "out": {Real.OUT, Real.BEZEL},
    "tray": {Real.TRAY, Real.BUNDLE},
    "bundle": {Real.TRAY, Real.BUNDLE},
    "transport": {Real.TRANSPORT},
    "escrow": {Real.STORE},
    "validator": {Real.PATH, Real.STORE},
    "cash_in": {Real.CASSETTE},
}
Key = tuple[str, int, bool]  # currency, value, suspect


@dataclass
class Dispute:
    """One disputed note, the trouble behind it, and what no device could tell; empty: unexplained."""

    deposit: str
    value_minor: int
    reason: str
    trouble: str = ""
    evidence: str = ""


@dataclass
class Ruling:
    """What is wrong; zeros and empty lists are what everybody wants."""

    lost_minor: int = 0
    double_minor: int = 0
    complaints: list[str] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    stuck: str = ""

    @property
    def unexplained(self) -> list[Dispute]:
        return [dispute for dispute in self.disputes if not dispute.trouble]

    @property
    def good(self) -> bool:
        return not (self.lost_minor or self.double_minor or self.complaints or self.unexplained or self.stuck)


def rule(play: Play) -> Ruling:
    """Judge a schedule that has been played."""
    ruling = Ruling(complaints=[*play.complaints, *play.write_ahead.complaints], stuck=play.stuck)
    if play.stuck:
        return ruling
    records = deposit_records(play.rig.journal)
    by_id: dict[bytes, dict[str, Any]] = {}
    for record in records:
        if by_id.setdefault(record["deposit_id"], record) is not record:
            ruling.complaints.append(f"deposit {record['deposit_id'].hex()} was recorded twice")
            ruling.double_minor += _credited(record)
    for deposit_id, told in play.deposits.items():
        found = by_id.pop(deposit_id, None)
        if found is None:
            ruling.complaints.append(f"deposit {told.number} has no record")
            ruling.lost_minor += sum(note.value_minor for note in _real(play, told))
            continue
        _deposit(ruling, play, told, found)
    for record in by_id.values():
        ruling.complaints.append(f"a record of a deposit that nobody began: {record['deposit_id'].hex()}")
        ruling.double_minor += _credited(record)
    fed = {number for told in play.deposits.values() for number in told.fed}
    for note in play.rig.world.notes.all():
        if note.inserted and note.id not in fed:
            ruling.complaints.append(f"note {note.id} came in outside any deposit")
            ruling.lost_minor += note.value_minor
    _papers(ruling, play)
    _units(ruling, play, records)
    return ruling


def _units(ruling: Ruling, play: Play, records: list[dict[str, Any]]) -> None:
    """The storage units hold what the records say; dates, exchanges and counts are such as the bank accepts."""
    verdict = Verdict()
    same_units(verdict, play.rig, records)
    ruling.complaints += verdict.complaints
    log, days = play.rig.journal.log, Days()
    try:
        for sequence in range(log.size()):
            record = log.record(sequence)
            if record.kind == "deposit":
                days.deposit(record.content)
            days.check(record.kind, record.content, sequence, log.root_at(sequence))
    except VerificationError as error:
        ruling.complaints.append(f"the bank does not accept the units' records: {error}")


def _credited(record: dict[str, Any]) -> int:
    return sum(note["value"] or 0 for note in record["notes"] if note["claim"] == "credited")


def _real(play: Play, told: Told) -> list[Note]:
    """The notes of this deposit that passed the safe point."""
    notes = (play.rig.world.notes.get(number) for number in told.fed)
    return [note for note in notes if note.inserted and not _carried_off(play, note)]


def _carried_off(play: Play, note: Note) -> bool:
    """Whether it went away unread inside an acceptor that says no serial number, and that somebody exchanged unasked.

    EBDS: held when the line was silent, held back at power-up, and another device of its kind answers afterwards. No
    device has ever told anything of this note (docs/devices/ebds-validator.md): it is with whoever has the old one. Or
    it was held while a failure was reported - one that struck, or the one in which some devices keep a held note at
    power-up - and given back unread when a technician repaired that: it is outside, at the front.
    """
    if play.serial != 0 or note.id in play.ordered_in:
        return False
    keeps = play.schedule.profile.get("held_at_power_up") == "out_of_order"
    freed = keeps and play.repairs > 0 and play.validator_cuts > 0
    failed = play.fate.struck["validator.failure"] > 0
    return note.place is Real.REMOVED or (note.place in _HAND and (failed or freed))


def _deposit(ruling: Ruling, play: Play, told: Told, record: dict[str, Any]) -> None:
    name = f"deposit {told.number}"
    untold = play.untold if UNHEARD in record["remarks"] else frozenset()
    groups: dict[Key, tuple[list[Note], list[Any]]] = {}
    for note in _real(play, told):
        key = (note.currency, note.value_minor, note.kind is Kind.SUSPECT)
        groups.setdefault(key, ([], []))[0].append(note)
    unvalued = []
    for booked in record["notes"]:
        if booked["value"] is None:
            unvalued.append(booked)
        else:
            groups.setdefault((booked["currency"], booked["value"], booked["suspect"]), ([], []))[1].append(booked)
    left_real: list[Note] = []
    left_booked: list[Any] = []
    for key, (notes, bookings) in sorted(groups.items()):
        notes.sort(key=lambda note: note.id not in untold)
        missing = len(notes) - len(bookings)
        excused = sum(1 for note in notes[: max(missing, 0)] if note.id in untold)
        _claims(ruling, name, key, notes[excused:], bookings)
        left_real += notes[:missing] if missing > 0 else []
        left_booked += sorted(bookings, key=_in_doubt)[missing:] if missing < 0 else []
    _leftovers(ruling, name, left_real, left_booked, unvalued, untold)
    _sums(ruling, name, record)
    _promises(ruling, name, told, record)
    _places(ruling, name, play, told, record)
    _disputes(ruling, name, told, record)


def _claims(ruling: Ruling, name: str, key: Key, notes: list[Note], bookings: list[Any]) -> None:
    """Of notes that look alike: as many credited as are not in the depositor's hand, returned as are."""
    _, value, suspect = key
    claims = Counter(str(booked["claim"]) for booked in bookings)
    out = sum(1 for note in notes if note.place in _HAND)
    inside = len(notes) - out
    if claims["open"]:
        ruling.complaints.append(f"{name}: {claims['open']} notes of {value} are open in the record")
    if suspect and (claims["credited"] or claims["returned"]):
        ruling.complaints.append(f"{name}: suspect notes of {value} are {dict(claims)}")
        ruling.double_minor += claims["credited"] * value
    if not suspect and claims["retained"]:
        ruling.complaints.append(f"{name}: {claims['retained']} genuine notes of {value} are retained")
        ruling.lost_minor += claims["retained"] * value
    if not suspect and claims["credited"] > inside:
        more = claims["credited"] - inside
        ruling.complaints.append(f"{name}: {more} notes of {value} are credited and not inside")
        ruling.double_minor += more * value
    if claims["returned"] > out:
        more = claims["returned"] - out
        ruling.complaints.append(f"{name}: {more} notes of {value} are booked as returned and nobody has them")
        ruling.lost_minor += more * value


def _in_doubt(booked: Any) -> bool:
    """Whether nobody could say if this note came in: it was ordered in, or held, and then there was no telling."""
    return booked["claim"] == "disputed" and (IN_DOUBT in booked["reason"] or HELD in booked["reason"])


def _leftovers(
    ruling: Ruling,
    name: str,
    real: list[Note],
    booked: list[Any],
    unvalued: list[Any],
    untold: AbstractSet[int],
) -> None:
    """A real note that no booked one explains is lost; a booked one that no real note stands behind is double.

    Nobody could tell the kiosk of those in `untold` (docs/devices/cctalk-validator.md: two power cuts, one upon the
    other): no book needs to have them. One may all the same, when the report was read just before the second cut.
    """
    uncovered = sorted(real, key=lambda note: (note.id in untold, note.value_minor))
    sure = sum(1 for item in unvalued if not _in_doubt(item))
    if sure > len(uncovered):
        ruling.complaints.append(f"{name}: {sure - len(uncovered)} notes of unknown value that never were")
    for note in uncovered[len(unvalued) :]:
        if note.id in untold:
            continue
        ruling.complaints.append(f"{name}: note {note.id} of {note.value_minor} ({note.kind}) is in no book")
        ruling.lost_minor += note.value_minor
    for item in booked:
        if _in_doubt(item):
            continue
        ruling.complaints.append(f"{name}: {item['claim']} note of {item['value']} never came in: {item['reason']}")
        ruling.double_minor += item["value"]


def _sums(ruling: Ruling, name: str, record: dict[str, Any]) -> None:
    """inserted = sum over claims, per currency, and the table is that of the notes."""
    rows: dict[str, Counter[str]] = {}
    for note in record["notes"]:
        if note["value"] is not None:
            rows.setdefault(note["currency"], Counter())[note["claim"]] += note["value"]
            rows[note["currency"]]["inserted"] += note["value"]
    if {currency: +Counter(row) for currency, row in record["sums"].items()} != {c: +row for c, row in rows.items()}:
        ruling.complaints.append(f"{name}: sums {record['sums']} are not those of its notes")
    unvalued = sum(1 for note in record["notes"] if note["claim"] == "disputed" and note["value"] is None)
    if record["disputed_unvalued"] != unvalued:
        ruling.complaints.append(f"{name}: {record['disputed_unvalued']} unvalued, {unvalued} in its notes")


def _promises(ruling: Ruling, name: str, told: Told, record: dict[str, Any]) -> None:
    """A confirmation that was answered or durable is the credit, to the minor unit, whatever came after."""
    credited = {currency: row["credited"] for currency, row in record["sums"].items() if row["credited"]}
    if told.accepted and not told.confirming:
        ruling.complaints.append(f"{name}: the confirmation was answered and was not durable")
    reserved: Counter[str] = Counter()  # a short tray after a credit under a reservation: disputed, and only so much
    for note in record["notes"]:
        if note["claim"] == "disputed" and RESERVED in note["reason"]:
            reserved[note["currency"]] += note["value"] or 0
    confirmed = {currency: minor - reserved[currency] for currency, minor in (told.confirmed or {}).items()}
    expected = {currency: minor for currency, minor in confirmed.items() if minor}
    if credited != expected:
        ruling.complaints.append(f"{name}: confirmed {expected}, credited {credited}")
        for currency in {*credited, *expected}:
            more = credited.get(currency, 0) - expected.get(currency, 0)
            ruling.double_minor += max(more, 0)
            ruling.lost_minor += max(-more, 0)


def _places(ruling: Ruling, name: str, play: Play, told: Told, record: dict[str, Any]) -> None:
    """Where the books have a note when the record is made, a note was then; hands inside the cabinet excepted."""
    if len(told.records) != 1:
        ruling.complaints.append(f"{name}: {len(told.records)} records were made durable")
        return
    then = told.records[0]
    inserted = {note.id for note in _real(play, told)}
    really = Counter(place for number, place in then.items() if number in inserted or place is Real.PATH)
    removed = really[Real.REMOVED]
    booked = Counter(note["place"] for note in record["notes"])
    for place, allowed in _PLACES.items():
        found = sum(really[real] for real in allowed)
        if booked[place] > found + removed:
            ruling.complaints.append(f"{name}: {booked[place]} notes booked at {place}, there are {found}")


def _disputes(ruling: Ruling, name: str, told: Told, record: dict[str, Any]) -> None:
    for note in record["notes"]:
        if note["claim"] != "disputed":
            continue
        dispute = Dispute(name, note["value"] or 0, note["reason"])
        found = explain(note["reason"], told.causes)
        if found is not None:
            dispute.trouble, dispute.evidence = found
        ruling.disputes.append(dispute)


def _papers(ruling: Ruling, play: Play) -> None:
    """One statement right after each record of notes, and at most one original of it on paper."""
    log = play.rig.journal.log
    records = [log.record(sequence) for sequence in range(log.size())]
    statements = Counter(record.content["deposit_id"] for record in records if record.kind == "receipt")
    for record in records:
        if record.kind != "deposit" or not record.content["notes"]:
            continue
        following = records[record.sequence + 1] if record.sequence + 1 < len(records) else None
        good = (
            following is not None
            and following.kind == "receipt"
            and following.content["record_seq"] == record.sequence
            and following.content["record_leaf"] == record.leaf_hash
            and following.content["sums"] == record.content["sums"]
            and statements[record.content["deposit_id"]] == 1
        )
        if not good:
            ruling.complaints.append(f"record {record.sequence} has no receipt statement of its own")
    # What a change of the roll tore off may begin in the middle: its first code is not an opening.
    papers = [paper for paper in play.rig.receipts.printed if paper.qrs and WORDS["en"]["title"] in paper.lines]
    openings = {paper.qrs[0] for paper in papers if paper.number not in play.fate.spoiled}
    originals = Counter(paper.qrs[0] for paper in papers if not any(line.startswith("COPY ") for line in paper.lines))
    if any(count > 1 for count in originals.values()):
        ruling.complaints.append("a receipt was printed twice as the original")
    truths = {record.leaf_hash: record for record in records if record.kind == "receipt"}
    for opening in sorted(openings):
        _paper(ruling, opening, truths)


def _paper(ruling: Ruling, opening: str, truths: dict[bytes, VerifiedRecord]) -> None:
    """What a depositor carries home is evidence: after every crash the log still holds that very statement."""
    try:
        statement = receipt.verify_statement(opening, KIOSK, RECORD_KEYS)
    except VerificationError as error:
        ruling.complaints.append(f"a printed receipt does not verify: {error.args[0]}")
        return
    known = truths.get(statement.leaf_hash)
    if known is None or known.content != statement.content:
        ruling.complaints.append(f"a receipt on paper that the log does not know: record {statement.sequence}")
