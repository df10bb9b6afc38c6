"""`kiosk/core/records.cddl` against the records that whole deposits leave behind, and against the code's own words."""

import contextlib
import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pycddl
import pytest

from kiosk import core, guarantee
from kiosk.clock import rfc3339
from kiosk.core import actions as a
from kiosk.core import commands as c
from kiosk.core import records, units
from kiosk.core import unit_facts as u
from kiosk.core.authority import step
from kiosk.core.authority_facts import (
    AnyAuthorityFact,
    Approved,
    Authority,
    Changed,
    DuressSet,
    Failed,
    Founded,
    Founder,
    Requested,
    SecondFactorSet,
    SignedIn,
    Used,
    Withdrawn,
)
from kiosk.core.commissioning import Entry, StepName, StepTaken
from kiosk.core.disputes import clearing_record
from kiosk.core.money import Claim, Place
from kiosk.core.people import Passphrase, Role
from kiosk.core.state import Deposit, RecordDraft
from kiosk.core.terms import BankLimit, Terms
from kiosk.core.unit_facts import CountedRow, Settled
from kiosk.errors import VerificationError
from kiosk.guarantee import bank_keys, cbor, commands, complaints, merkle, terms
from kiosk.guarantee import directory as statement
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.complaints import Complaint
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.log import RecordLog
from kiosk.guarantee.seal import SealPrivateKey
from kiosk.guarantee.signers import PURPOSES, Purpose
from kiosk.management import commissioned
from kiosk.messages import DeliverDirectory, DeliverStatement, Ok
from tests.guarantee_kit import NOW, Kit
from tests.simulation.rig import Rig
from tests.simulation.scripts import SCRIPTS
from tests.unit.test_core_units import AT, FRESH, PAIR, TODAY, deposit, notes

CORE = Path(core.__file__).parent
GRAMMAR = "\n".join((Path(package.__file__ or "").parent / "records.cddl").read_text() for package in (guarantee, core))
RULES = {"deposit_start": "deposit-start-record", "deposit": "deposit-record", "alert": "alert-record"} | {
    "service": "service-record",
    "exchange": "exchange-record",
    "bundle_count": "bundle-count-record",
    "z_report": "z-report-record",
    "receipt": "receipt-statement",
    "authority": "authority-record",
    "people": "people-record",
    "clearing": "clearing-record",
    "result": "result-record",
    "complaint": "complaint-record",
    "key_rotation": "key-rotation-record",
}
SECOND = Ed25519Signer.from_seed(bytes([6] * 32))
SIGNER = Ed25519Signer.from_seed(bytes([5] * 32))
NEW_KEY = SealPrivateKey.generate(bytes).public.raw
KEYS = DirectoryKeys(bytes(range(32)), PublicKeys([SIGNER.public]))


@cache
def schema(kind: str) -> pycddl.Schema:
    return pycddl.Schema(f"start = {RULES[kind]}\n{GRAMMAR}")


def fits(content: dict[str, Any]) -> bool:
    try:
        schema(str(content["kind"])).validate_cbor(cbor.encode(content))
    except pycddl.ValidationError:
        return False
    return True


def played(folder: Path, script: str) -> list[dict[str, Any]]:
    """All records of one deposit, a directory delivered before it."""
    rig = Rig(folder)
    rig.directory_keys = KEYS
    rig.start()
    try:

        async def play() -> None:
            directory = statement.make("test-0001", 1, {}, KEYS.key, NOW, SIGNER)
            assert await rig.desk.handle("uplink", DeliverDirectory(directory)) == Ok()
            await SCRIPTS[script](rig)

        rig.run(play())
        log = rig.journal.log
        return [dict(log.record(sequence).content) for sequence in range(log.size())]
    finally:
        rig.close()


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for script in SCRIPTS:
        for content in played(tmp_path_factory.mktemp(script), script):
            found[content["kind"]].append(content)
    return found


def test_every_record_of_whole_deposits_is_in_the_grammar(contents: dict[str, list[dict[str, Any]]]) -> None:
    assert set(contents) >= {"deposit_start", "deposit", "alert", "service"}
    for kind, records_of_kind in contents.items():
        for content in records_of_kind:
            schema(kind).validate_cbor(cbor.encode(content))


def test_a_field_more_or_less_is_not_in_the_grammar(contents: dict[str, list[dict[str, Any]]]) -> None:
    for records_of_kind in contents.values():
        content = records_of_kind[-1]
        assert not fits({**content, "undocumented": 1})
        for name in content:
            if name != "kind" and (content["kind"], name) != ("alert", "deposit_id"):
                assert not fits({key: value for key, value in content.items() if key != name}), name


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "lost"},
        {"account_known": "no"},
        {"confirmed_at": "soon"},
        {"deposit_id": bytes(15)},
        {"disputed_unvalued": -1},
        {"sums": {"CNY": {"credited": 1}}},
        {"notes": [{"n": 1}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_wrong_values_are_not_in_the_grammar(contents: dict[str, list[dict[str, Any]]], change: dict[str, Any]) -> None:
    content = contents["deposit"][-1]
    assert fits(content)
    assert not fits({**content, **change})


def test_records_outside_deposits_are_in_the_grammar() -> None:
    kit = Kit()
    moment = datetime(2026, 11, 21, 8, 30, tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    drafts = [
        records.service("started", {"state": "idle"}),
        records.service("device_accepted", {"device": "validator", "serial": 7}),
        records.service("held_note_given_back", {}),
        records.service("duty", {"staff": "ben", "before": "", "by": "ben"}),
        records.service("clock_stepped", {"moved_ms": -1500, "now": moment}),
        records.service(
            "setting_changed", {"key": "a.b", "before": "1", "value": "2", "until": moment, "by": ["carl"]}
        ),
        records.service("settings_confirmed", {"keys": ["a.b"], "by": ["carl"]}),
        records.service("looked", {"by": "emil", "what": "GetLog"}),
        records.service("refused", {"by": "carl", "what": "ClearDispute", "why": "wrong_role"}),
        records.service("commissioned", _step("pin", line="tamper")),
        records.service("commissioning_doubted", {"why": "line 2 is no step", "taken": 1}),
        records.service("settings_reverted", {"keys": ["a.b"], "by": []}),
        records.service("file_made", {"by": "carl", "file": "backup"}),
        records.service("capture_begun", {"by": "carl", "device": "board", "seconds": 10}),
        records.service("file_made", {"by": "carl", "file": "bundle", "sha256": bytes(32)}),
        records.service("service_entered", {"by": "carl"}),
        records.service("service_left", {"by": "carl"}),
        records.service("service_moved", {"by": "carl", "number": 1, "move": "open", "ok": True, "seen": "open"}),
        records.service("jam_cleared", {"by": "carl", "number": 1, "where": "tray", "found": 2, "expected": 3}),
    ]
    for draft in drafts:
        assert fits(_signed(kit, draft)), draft
    assert fits(_signed(kit, records.alert(Deposit(), "cabinet", ("the door is open",))))
    assert not fits(_signed(kit, records.service("started", {"state": "idle", "more": 1})))
    assert not fits(_signed(kit, records.service("unheard_of", {})))


def _step(name: StepName, **arguments: str) -> dict[str, object]:
    step = StepTaken("", "2026-11-22T20:00:00.000Z", "T-0007", 1000, name, ok=True, result="", arguments=arguments)
    return commissioned._body(Entry(step, "ab" * 32))  # noqa: SLF001 - what the controller puts on record


def allowed(*actions: a.AnyAction) -> list[RecordDraft]:
    """What authority leaves behind: requests used, withdrawn and expired, people founded and locked out."""
    pin = Passphrase(b"salt", b"verifier", 1, 1, 8)
    founders = tuple(Founder(name, (Role.STAFF, Role.SUPERVISOR, Role.TECHNICIAN), pin) for name in ("anna", "ben"))
    facts: list[AnyAuthorityFact] = [Founded(0, founders), Failed(0, "anna"), Changed(0, "anna", pin)]
    facts += [SecondFactorSet(0, "anna", b"sealed", 7), DuressSet(0, "anna", pin)]
    facts += [SignedIn(0, "anna", 8, session=True, duress=False), SignedIn(0, "anna", 9, session=True, duress=True)]
    facts += [Failed(0, "ben")] * 3
    number = 0
    for number, action in enumerate(actions, 1):
        facts.append(Requested(0, "anna", action))
        if len(action.seats) > 1:
            facts.append(Approved(40, number, "ben", a.content(action)))
        facts.append(Used(40, number, a.content(action)))
    facts += [Requested(40, "anna", a.Reset()), Withdrawn(40, number + 1, "anna")]
    facts += [Requested(40, "anna", a.Reset()), Failed(9999, "anna")]
    state = Authority()
    drafts: list[RecordDraft] = []
    for fact in facts:
        outcome = step(state, fact)
        state = outcome.state
        drafts += outcome.records
    return drafts


def test_records_of_authority_are_in_the_grammar() -> None:
    kit, pin = Kit(), Passphrase(b"salt", b"verifier", 1, 1, 8)
    notes = (a.ClearedNote(1), a.ClearedNote(2, 500, "CNY"))
    clear = a.ClearDispute(bytes(16), notes, "bank", "counted in the vault, voucher 17")
    every: list[a.AnyAction] = [
        a.AcceptDevice("validator", 7), a.Reset(), a.ReturnTray(3), a.ExchangeStart(("cabinet",)),
        a.ExchangeEnd(1, bytes(32)), a.PostCount("B00000001", (CountedRow("CNY", 10_000, 3),)),
        a.CloseDate("2026-11-22"), clear, a.RotateKey("record", bytes(32)),
        a.InstallModel("scene", 1, bytes(32)), a.RollBackModel("scene", 0),
        a.CalibrateModel("scene", "ab" * 32, 302, (7, 9), 300, bytes(32)),
        a.ChangeSetting("a.b", "1", "2"), a.ChangeRule("a.b", "1", "2"), a.ConfirmSettings(), a.RevertSettings(),
        a.RestoreBackup(bytes(32), 7), a.ServiceEnter(), a.ServiceLeave(), a.ServiceMove("open"), a.ClearJam("tray", 3),
        a.Enrol("carl", (Role.COURIER,), pin), a.Renew("carl", pin), a.Revoke("carl"),
    ]  # fmt: skip
    assert {type(action) for action in every} == set(a.AnyAction.__args__)
    drafts = allowed(*every)
    events = {draft.body.get("event") for draft in drafts}
    assert events >= {
        "founded",
        "requested",
        "approved",
        "used",
        "withdrawn",
        "expired",
        "credential_changed",
        "signed_in",
    }
    for draft in (*drafts, clearing_record(clear, notes, 7, ("anna", "ben"))):
        content = _signed(kit, draft)
        schema(content["kind"]).validate_cbor(cbor.encode(content))
        assert not fits({**content, "undocumented": 1})
        assert b"verifier" not in cbor.encode(content)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_rotation_is_in_the_grammar(purpose: Purpose) -> None:
    kit, new = Kit(), Ed25519Signer.from_seed(b"\x31" * 32)
    kit.keys = dataclasses.replace(kit.keys, next_record=new, next_checkpoint=new)
    kit.records = RecordLog(kit.connection, kit.keys, kit.vault, randomness=kit.randomness)
    with kit.transaction():
        made = kit.records.rotate(purpose, new.kid, {"number": 1, "content": bytes(32), "by": ["anna", "carl"]}, NOW)
    content = kit.records.record(made.sequence).content
    schema(content["kind"]).validate_cbor(cbor.encode(content))
    assert not fits({**content, "undocumented": 1})


def unit_records() -> list[RecordDraft]:
    """What an exchange of everything, a count and two business dates leave behind."""
    found, doubtful = (("tray", "short"),), ("unlabelled", "unstrapped", "short", "over")
    rows = (CountedRow("CNY", 10_000, 1), CountedRow("CNY", 10_000, 1, "suspect"))
    some = (
        notes(Place.CABINET, Claim.CREDITED, 2),
        notes(Place.RETRACT, Claim.RETAINED, level="suspect"),
        notes(Place.CABINET, Claim.DISPUTED, level="unrecognized"),
    )
    settled = (Settled((1).to_bytes(16), 3, None, "", found=False), Settled(bytes(16), 1, 100, "CNY", found=True))
    ledger, drafts = FRESH, []
    for fact in (
        deposit(1, *some, flags=doubtful, doubts=found),
        deposit(2, *some),
        deposit(3, *some),
        u.ExchangeStarted(AT, PAIR, ("cabinet", "retract")),
        u.LabelOrdered(AT, "B00000001", PAIR[0]),
        u.LabelReported(AT, "B00000001", 1, printed=True),
        u.BundleTaken(AT, "B00000001", "SEAL-1"),
        u.BundleTaken(AT, "B00009999", "SEAL-1", "typed"),
        u.BundleMissing(AT, "B00000002"),
        u.UnitRemoved(AT, "retract", "BIN-1", "SEAL-2"),
        u.UnitInserted(AT, "retract", "BIN-2"),
        u.ExchangeEnded(AT, PAIR),
        u.CountPosted(AT, "B00000001", rows, PAIR, "bank", "R-1", settled),
        u.DayClosed(AT, TODAY, PAIR[:1]),
        deposit(4, *some, date="2026-11-25"),
    ):
        change = units.step(ledger, fact)
        ledger = change.ledger
        drafts += [*change.first, *change.records]
    return drafts


def test_records_of_storage_units_are_in_the_grammar(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.start()
    try:
        drafts = unit_records()
        assert [draft.kind for draft in drafts] == [
            "service", "service", "service", "exchange", "alert", "bundle_count", "z_report", "z_report",
        ]  # fmt: skip
        for draft in drafts:
            sequence = rig.journal.append(draft, NOW).sequence
            content = dict(rig.journal.log.record(sequence).content)
            schema(content["kind"]).validate_cbor(cbor.encode(content))
            assert not fits({**content, "undocumented": 1})
            for name in content:
                if name != "kind":
                    assert not fits({key: value for key, value in content.items() if key != name}), name
    finally:
        rig.close()


_SAID = bank_keys.draft(
    "test-0001", "ack", 8, "2027-01-01T00:00:00.000Z", Ed25519Signer.from_seed(bytes([2] * 32)), SIGNER
)
SUCCESSION = c.SetBankKey(_SAID.purpose, _SAID.key, _SAID.until, _SAID.by_old, _SAID.by_new)
EVERY_COMMAND: list[c.AnyCommand] = [
    c.OutOfService("an incident"), c.InService(), c.Resend(0), c.ReportUnits(), c.SetSealKey(NEW_KEY),
    c.SetLimits("2030-01-01T00:00:00.000Z", (BankLimit("CNY", 1, 2),)), c.SetPolicy("quorum none\n"),
    SUCCESSION, c.NewEpoch(2, 7, bytes(32)),
]  # fmt: skip


def records_of(rig: Rig) -> list[dict[str, Any]]:
    log = rig.journal.log
    return [dict(log.record(sequence).content) for sequence in range(log.size())]


def test_what_the_bank_says_leaves_records_of_the_grammar(tmp_path: Path) -> None:
    assert {type(each) for each in EVERY_COMMAND} == set(c.AnyCommand.__args__)
    rig = Rig(tmp_path)
    rig.commanders = Commanders(PublicKeys([SIGNER.public]), PublicKeys([SECOND.public]))
    rig.software = "1.0"
    rig.start()
    acks_key = Ed25519Signer.from_seed(bytes([2] * 32))
    contents: list[dict[str, Any]] = []

    async def say(lane: Any, data: bytes) -> None:
        with contextlib.suppress(VerificationError):
            await rig.desk.handle("uplink", DeliverStatement(lane, data))

    async def play() -> None:
        await rig.ready()
        now = rig.clock.now_utc()
        for number, each in enumerate(EVERY_COMMAND, 1):
            if isinstance(each, c.NewEpoch):
                contents.extend(records_of(rig))
            payload = commands.order("test-0001", number, each, now, now + timedelta(hours=1))
            await say("command", commands.sign(payload, SIGNER, SECOND))
        await say("terms", terms.make("test-0001", 1, Terms(), now, SIGNER))
        await say("terms", b"rubbish")
        complaint = Complaint(rig.journal.log.kiosk, 1, "gap", 1, 0, merkle.EMPTY_ROOT, "a reason", b"", rfc3339(now))
        await say("complaint", complaints.make(complaint, acks_key))

    try:
        rig.run(play())
        contents.extend(records_of(rig))
    finally:
        rig.close()
    kinds = [content["kind"] for content in contents]
    assert (kinds.count("result"), kinds.count("complaint")) == (len(EVERY_COMMAND), 1)
    assert {"terms_accepted", "statement_refused", "configuration_changed"} <= {
        content.get("event") for content in contents
    }
    for content in contents:
        schema(content["kind"]).validate_cbor(cbor.encode(content))
        assert not fits({**content, "undocumented": 1})


def _signed(kit: Kit, draft: RecordDraft) -> dict[str, Any]:
    body = {key: value for key, value in draft.body.items() if (key, value) != ("deposit_id", b"")}
    kit.append(draft.kind, body)
    return dict(kit.records.record(kit.records.size() - 1).content)


def _sources() -> Iterator[str]:
    for folder in ("core", "management"):
        for path in (CORE.parent / folder).glob("*.py"):
            yield path.read_text()


@pytest.mark.parametrize(
    ("pattern", "what"),
    [(r'\balert\([^"()]+, "([a-z_]+)"', "alert"), (r'\bservice\(\s*"([a-z_]+)"', "service event")],
)
def test_every_name_in_the_code_is_in_the_grammar(pattern: str, what: str) -> None:
    names = {name for text in _sources() for name in re.findall(pattern, text)}
    assert len(names) >= 4
    unknown = sorted(name for name in names if f'"{name}"' not in GRAMMAR)
    assert unknown == [], f"describe each {what} in kiosk/core/records.cddl"


def test_every_outcome_in_the_code_is_in_the_grammar() -> None:
    pattern = r'steps\.close\((?:[^"()]|\([^()]*\))*?, "([a-z_]+)"|outcome(?:=| or )"([a-z_]+)"'
    names = {one or other for text in _sources() for one, other in re.findall(pattern, text)}
    assert {"credited", "nothing_inserted", "jammed"} <= names
    assert sorted(name for name in names if f'"{name}"' not in GRAMMAR) == []
