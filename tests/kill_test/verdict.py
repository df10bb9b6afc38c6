"""The world judges: where every note really is, against the records of the journal that the kills left behind."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from kiosk.config import load_config
from kiosk.core.facts import AnyFact, Begin
from kiosk.guarantee.journal import Journal
from kiosk.processes.controller import open_journal
from tests.kill_test.killer import Kill
from tests.kill_test.person import Told

_HAND: Final = frozenset({"out", "bezel", "hand", "throat"})
_PLACES: Final = {  # at the end nothing moves any more: where the books say, there it is
    "cabinet": {"slot"},
    "retract": {"retract"},
    "out": {"out", "bezel"},
    "tray": {"tray", "bundle"},
    "bundle": {"tray", "bundle"},
    "transport": {"transport"},
    "escrow": {"store"},
    "validator": {"path", "store"},
}
_WALKED_AWAY: Final = "not confirmed within the time for coming back"
_UNDECIDABLE: Final = {  # the record's reason, when the controller alone was killed -> what no device can tell
    "handed out when power or link failed; taking it was not seen": "the dispense counter counts what reached the "
    "bezel, not what a hand took from it",
    "not taken by the depositor": "the validator waits at the bezel for a hand, and says nothing else",
}


@dataclass
class Verdict:
    """Sums over the schedules of one stage; `wrong` is empty when everything is as it must be."""

    deposits: int = 0
    notes: int = 0
    lost_minor: int = 0
    double_minor: int = 0
    disputes: int = 0
    unexplained_disputes: int = 0
    disputed_minor: int = 0
    stuck: int = 0
    kills_by_state: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[int, str]] = field(default_factory=list)  # (schedule, words)
    explained: list[str] = field(default_factory=list)  # each dispute: the fault, and what no device can tell


class Books:
    """The journal of a stage whose controller has ended."""

    def __init__(self, folder: Path) -> None:
        journal = open_journal(load_config(folder / "kiosk.toml"))
        try:
            self.records = _deposit_records(journal)
            journal.log.audit()
        finally:
            journal.close()
        with closing(sqlite3.connect(folder / "kiosk" / "journal.db")) as connection:
            self._facts = connection.execute("SELECT at, state, kind, fact FROM facts ORDER BY seq").fetchall()
        facts = (msgspec.json.decode(fact, type=AnyFact) for _, _, kind, fact in self._facts if kind == "Begin")
        self.ids = {fact.code: fact.deposit_id for fact in facts if isinstance(fact, Begin)}

    def state_at(self, moment: str) -> str:
        """The deposit's state that was durable at this moment (RFC 3339)."""
        return next((state for at, state, _, _ in reversed(self._facts) if at <= moment), "idle")


def _deposit_records(journal: Journal) -> list[dict[str, Any]]:
    log = journal.log
    records = (log.record(sequence) for sequence in range(log.size()))
    return [dict(record.content) for record in records if record.kind == "deposit"]


def judge(books: Books, world: dict[str, Any], schedules: Sequence[Told], kills: Sequence[Kill]) -> Verdict:
    """Compare records, promises and the world's final state."""
    verdict = Verdict(deposits=len(books.records))
    verdict.kills_by_state.update(books.state_at(kill.at) for kill in kills)
    notes = {note["id"]: note for note in world["notes"]}
    records: dict[bytes, list[dict[str, Any]]] = defaultdict(list)
    for record in books.records:
        records[record["deposit_id"]].append(record)
    killed = {kill.schedule for kill in kills}
    for told in schedules:
        inserted = [notes[number] for number in told.fed if notes[number]["inserted"]]
        verdict.notes += len(inserted)
        if told.stuck:
            verdict.stuck += 1
            verdict.wrong.append((told.plan.seed, f"stuck {told.stuck}"))
            continue
        found = records.pop(books.ids.get(told.code, b""), [])
        _schedule(verdict, told, inserted, found, killed=told.plan.seed in killed)
    fed = {number for told in schedules for number in told.fed}
    for note in notes.values():
        if note["inserted"] and note["id"] not in fed:
            verdict.lost_minor += note["value_minor"]
            verdict.wrong.append((0, f"note {note['id']} came in outside any schedule"))
    for left in records.values():  # a deposit that was killed before anybody saw its code: nothing may be in it
        for record in left:
            if record["notes"]:
                verdict.wrong.append((0, f"deposit {record['deposit_id'].hex()} has notes that nobody fed"))
    return verdict


def _schedule(
    verdict: Verdict, told: Told, real: list[dict[str, Any]], found: list[dict[str, Any]], *, killed: bool
) -> None:
    def wrong(words: str) -> None:
        verdict.wrong.append((told.plan.seed, words))

    if len(found) != 1:
        wrong(f"{len(found)} records of the deposit")
        verdict.lost_minor += sum(note["value_minor"] for note in real) if not found else 0
        for record in found[1:]:
            verdict.double_minor += sum(n["value"] or 0 for n in record["notes"] if n["claim"] == "credited")
        if not found:
            return
    booked = found[0]["notes"]
    for key in {_key(note) for note in real} | {_booked_key(note) for note in booked if note["value"] is not None}:
        there = [note for note in real if _key(note) == key]
        _compare(verdict, told.plan.seed, key, there, [note for note in booked if _booked_key(note) == key])
    credited = sum(note["value"] for note in booked if note["claim"] == "credited")
    if told.confirmed_minor is not None and credited != told.confirmed_minor:
        wrong(f"confirmed {told.confirmed_minor}, credited {credited}")
        verdict.lost_minor += max(told.confirmed_minor - credited, 0)
        verdict.double_minor += max(credited - told.confirmed_minor, 0)
    places = Counter(note["place"] for note in booked)
    for place, really in _PLACES.items():
        if places[place] > sum(note["place"] in really for note in real):
            wrong(f"{places[place]} notes booked at {place}, the world has {Counter(n['place'] for n in real)}")
    _disputes(verdict, told, booked, killed=killed)


def _key(note: dict[str, Any]) -> tuple[int, bool]:
    return note["value_minor"], note["kind"] == "suspect"


def _booked_key(note: dict[str, Any]) -> tuple[int | None, bool]:
    return note["value"], note["suspect"]


def _compare(
    verdict: Verdict, seed: int, key: tuple[int | None, bool], real: list[dict[str, Any]], booked: list[dict[str, Any]]
) -> None:
    """Notes that look alike: each is in the books once, and claimed by whoever has it."""
    value, suspect = key[0] or 0, key[1]
    claims = Counter(str(note["claim"]) for note in booked)
    out = sum(note["place"] in _HAND for note in real)
    inside = 0 if suspect else len(real) - out
    more = len(booked) - len(real)
    faults = {
        "in no book": (max(-more, 0), "lost"),
        "booked and never fed": (max(more, 0), "double"),
        "open in the record": (claims["open"], "lost"),
        "credited and not inside": (max(claims["credited"] - inside, 0), "double"),
        "booked as returned, and nobody has them": (max(claims["returned"] - (0 if suspect else out), 0), "lost"),
        "genuine and retained": (0 if suspect else claims["retained"], "lost"),
    }
    for words, (count, kind) in faults.items():
        if count:
            verdict.wrong.append((seed, f"{count} notes of {value} are {words}"))
            if kind == "lost":
                verdict.lost_minor += count * value
            else:
                verdict.double_minor += count * value


def _disputes(verdict: Verdict, told: Told, booked: list[dict[str, Any]], *, killed: bool) -> None:
    for note in booked:
        if note["claim"] != "disputed":
            continue
        verdict.disputes += 1
        verdict.disputed_minor += note["value"] or 0
        fault, evidence = "", ""
        if told.left and note["reason"].startswith(_WALKED_AWAY):
            fault, evidence = "the depositor left", "only the depositor can confirm or take the notes back"
        elif killed and note["reason"] in _UNDECIDABLE:
            fault, evidence = "crash.controller", _UNDECIDABLE[note["reason"]]
        if fault:
            words = f"schedule {told.plan.seed}: {note['value']} disputed, {note['reason']!r}, by {fault}: {evidence}"
            verdict.explained.append(words)
        else:
            verdict.unexplained_disputes += 1
            verdict.wrong.append((told.plan.seed, f"unexplained dispute of {note['value']}: {note['reason']}"))
