"""The guarantee check of a deposit: each of its findings can fail and says why; none fails when all is well."""

import contextlib
import copy
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware_bridge.errors import LinkDown
from firmware_bridge.interfaces import Line
from kiosk.core.actions import Revoke
from kiosk.core.facts import Evidence, Finding
from kiosk.core.money import Claim
from kiosk.core.state import Doubt
from kiosk.guarantee import checkpoint, directory, policy
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.seal import SealPrivateKey
from kiosk.management import installed
from kiosk.management.assurance import Assurance
from kiosk.management.machine import evidence
from tests.simulation.judge import deposit_records
from tests.simulation.people import approve, asked, found
from tests.simulation.rig import ACCOUNT, INSTALLED, MODELS, Rig
from tests.simulation.scripts import confirmed

OTHER = Ed25519Signer.from_seed(b"\x77" * 32)
NOW = "2026-11-21T08:00:00.000Z"


class Checked:
    """A finished deposit, whose check can be made again after something was changed."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.deposit = rig.deposit
        self.machine = copy.deepcopy(rig.controller.machine)
        snapshot = self.machine.snapshot
        assert snapshot is not None
        self.evidence: Evidence | None = rig.run(evidence(rig.controller.devices, snapshot))
        found: Any = rig.controller.guarantee
        self.assurance: Assurance = found.__self__

    def again(self) -> dict[str, Finding]:
        """Every finding by its name."""
        found = self.assurance.findings(self.deposit, self.machine, self.evidence)
        assert len({one.check for one in found}) == len(found)
        return {one.check: one for one in found}

    def sql(self, statement: str, *arguments: object) -> None:
        """As somebody with the disk in his hands could."""
        with contextlib.closing(sqlite3.connect(self.rig.folder / "journal.db")) as other:
            other.execute(statement, arguments)
            other.commit()


def _finished(folder: Path) -> Rig:
    rig = Rig(folder)
    rig.start()
    rig.run(confirmed(rig))
    return rig


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """For changes of what the check is given; the kiosk itself stays as it is."""
    rig = _finished(tmp_path_factory.mktemp("shared"))
    yield rig
    rig.close()


@pytest.fixture
def checked(shared: Rig) -> Checked:
    return Checked(shared)


@pytest.fixture
def spoilt(tmp_path: Path) -> Iterator[Checked]:
    """For changes of the kiosk's own journal or memory."""
    rig = _finished(tmp_path)
    yield Checked(rig)
    rig.close()


CHECKS = {
    "security": {"cabinet_closed", "no_tamper", "gate_closed", "port_untouched", "devices_sound", "software_unchanged",
                 "models_known"},
    "confidentiality": {"account_sealed", "nothing_in_clear", "sealed_to_bank", "logs_masked"},
    "authenticity": {"validator_accepted", "staff_on_record", "kiosk_keys", "bank_keys"},
    "integrity": {"log_chain", "board_count", "validator_count", "books_closed"},
}  # fmt: skip


def test_a_deposit_in_order_passes_every_check_and_its_record_says_so(checked: Checked) -> None:
    record = deposit_records(checked.rig.journal)[0]
    by_area: dict[str, set[str]] = {}
    for item in record["guarantee"]:
        assert item["passed"], item
        by_area.setdefault(item["area"], set()).add(item["check"])
    assert by_area == CHECKS
    said = {item["check"]: item["reason"] for item in record["guarantee"]}
    assert said["software_unchanged"] == f"sha256 {INSTALLED.software_at_start}"
    assert MODELS["scene"][:16] in said["models_known"]
    assert said["validator_count"] == "validator 4, journal 4"
    assert {check: one.passed for check, one in checked.again().items()} == dict.fromkeys(said, True)


def _installed(checked: Checked, **changed: Any) -> None:
    checked.assurance = replace(checked.assurance, installed=replace(INSTALLED, **changed))


def _gone(*_: object) -> str:
    raise FileNotFoundError(2, "No such file or directory")


def _unreadable(checked: Checked) -> None:
    class Cut:
        def read(self, line: Line) -> bool:
            raise LinkDown("lines", "the wire is cut")

    cut: Any = Cut()
    checked.assurance = replace(checked.assurance, devices=replace(checked.assurance.devices, lines=cut))


def _line(line: Line, *, value: bool) -> Callable[[Checked], None]:
    class Changed:
        def __init__(self, real: Any) -> None:
            self._real = real

        def read(self, asked: Line) -> bool:
            return value if asked is line else bool(self._real.read(asked))

    def change(checked: Checked) -> None:
        lines: Any = Changed(checked.assurance.devices.lines)
        checked.assurance = replace(checked.assurance, devices=replace(checked.assurance.devices, lines=lines))

    return change


def _gate(checked: Checked) -> None:
    assert checked.machine.snapshot is not None
    checked.machine.snapshot = replace(checked.machine.snapshot, gate_open=True)


def _board(checked: Checked) -> None:
    assert checked.machine.snapshot is not None
    stored = checked.machine.snapshot.total_stored
    checked.machine.snapshot = replace(checked.machine.snapshot, total_stored=stored + 1)


def _deposit(**changed: Any) -> Callable[[Checked], None]:
    def change(checked: Checked) -> None:
        checked.deposit = msgspec.structs.replace(checked.deposit, **changed)

    return change


def _open_note(checked: Checked) -> None:
    first, *rest = checked.deposit.notes
    opened = msgspec.structs.replace(first, claim=Claim.OPEN)
    checked.deposit = msgspec.structs.replace(checked.deposit, notes=(opened, *rest))


def _counts(checked: Checked) -> None:
    assert checked.evidence is not None
    more = msgspec.structs.replace(checked.evidence.validator, stacked=checked.evidence.validator.stacked + 1)
    checked.evidence = msgspec.structs.replace(checked.evidence, validator=more)


def _mute(checked: Checked) -> None:
    checked.evidence = None


def _in_clear(checked: Checked) -> None:
    checked.sql("UPDATE facts SET orders = ? WHERE seq = (SELECT max(seq) FROM facts)", f'["{ACCOUNT}"]')


def _in_an_envelope(checked: Checked) -> None:
    size = checked.rig.journal.log.size()
    checked.sql("UPDATE envelopes SET envelope = envelope || ? WHERE seq = ?", ACCOUNT.encode(), size - 1)


_FIRST_LEAF = "(SELECT min(seq) FROM leaves WHERE kind = 'deposit_start')"


def _resealed(checked: Checked) -> None:
    checked.rig.journal.log.bank_seal = SealPrivateKey.generate(lambda count: b"\x09" * count).public


def _broken_leaf(checked: Checked) -> None:
    checked.sql("DROP TRIGGER leaves_update")
    altered = "entry = CAST(replace(entry, 'start', 'stirr') AS BLOB), hashes = zeroblob(length(hashes))"
    checked.sql(f"UPDATE leaves SET {altered} WHERE seq = {_FIRST_LEAF}")  # noqa: S608 - both are constants of this file


def _policy(record: Ed25519Signer, log: Ed25519Signer) -> Callable[[Checked], None]:
    def change(checked: Checked) -> None:
        lines = [
            f"log {checkpoint.verifier_of('test-0001', log).vkey}",
            policy.record_key_line("test-0001", record.public),
            "quorum none\n",
        ]
        found = policy.parse("\n".join(lines).encode())
        checked.assurance = replace(checked.assurance, policy=lambda: found)

    return change


def _directory(keys: PublicKeys | None) -> Callable[[Checked], None]:
    def change(checked: Checked) -> None:
        signed = directory.make("test-0001", 1, {}, bytes(32), checked.rig.clock.now_utc(), OTHER)
        checked.sql("INSERT INTO directory (id, stored_at, statement) VALUES (1, ?, ?)", NOW, signed)
        checked.assurance = replace(checked.assurance, bank_commands=keys)

    return change


def _acknowledgement(checked: Checked) -> None:
    checked.sql("INSERT INTO log_meta (key, value) VALUES ('acknowledged', 1), ('acknowledgement', ?)", b"\xd2\x80")


def _acknowledgement_gone(checked: Checked) -> None:
    checked.sql("INSERT INTO log_meta (key, value) VALUES ('acknowledged', 1)")


def _stranger(checked: Checked) -> None:
    checked.machine.stranger = 4711


def _nobody(checked: Checked) -> None:
    checked.machine.identity = None


def _stopped(checked: Checked) -> None:
    checked.machine.stopped["validator"] = "the validator's stacker is full"


def _fault(checked: Checked) -> None:
    checked.machine.fault = "the board does not answer"


def _silent(checked: Checked) -> None:
    checked.assurance.risk.absent()


def _strangers_on_duty(checked: Checked) -> None:
    checked.rig.run(found(checked.rig))


FAILING: dict[str, tuple[str, Callable[[Checked], None], str]] = {
    "door": ("cabinet_closed", _line(Line.DOOR_CLOSED, value=False), "the door is open"),
    "door unknown": ("cabinet_closed", _unreadable, "cannot be read"),
    "tamper": ("no_tamper", _line(Line.TAMPER, value=True), "the tamper line is active"),
    "tamper unknown": ("no_tamper", _unreadable, "cannot be read"),
    "gate": ("gate_closed", _gate, "the cabinet gate is open"),
    "port": ("port_untouched", _deposit(doubts=(Doubt("port_tamper"),)), "the port was forced"),
    "device stopped": ("devices_sound", _stopped, "stacker is full"),
    "device fault": ("devices_sound", _fault, "does not answer"),
    "software": ("software_unchanged", lambda c: _installed(c, software=lambda: "66" * 32), "not those that were"),
    "software gone": ("software_unchanged", lambda c: _installed(c, software=_gone), "cannot be read"),
    "model": ("models_known", lambda c: _installed(c, models={"scene": "00" * 32}), "not by 0000"),
    "no model": ("models_known", lambda c: _installed(c, models={}), "no models are installed"),
    "watcher silent": ("models_known", _silent, "judged by no model"),
    "not sealed": ("account_sealed", _deposit(account_sealed=b""), "not sealed at rest"),
    "sealed badly": ("account_sealed", _deposit(account_sealed=bytes(60)), "does not open"),
    "clear on disk": ("nothing_in_clear", _in_clear, "a fact in the journal"),
    "clear on the wire": ("nothing_in_clear", _in_an_envelope, "an envelope"),
    "other recipient": ("sealed_to_bank", _resealed, "another key"),
    "unmasked logs": ("logs_masked", lambda c: _installed(c, logs_masked=lambda: False), "past the gate"),
    "no validator": ("validator_accepted", _nobody, "no validator"),
    "other validator": ("validator_accepted", _stranger, "4711 has not been accepted"),
    "nobody on duty": ("staff_on_record", _deposit(staff=""), "nobody is on duty"),
    "a stranger on duty": ("staff_on_record", _strangers_on_duty, "not among those enrolled"),
    "other record key": ("kiosk_keys", _policy(OTHER, Ed25519Signer.from_seed(bytes([1] * 32))), "unknown key"),
    "other log key": ("kiosk_keys", _policy(Ed25519Signer.from_seed(bytes(32)), OTHER), "a receipt would not hold"),
    "directory of a stranger": ("bank_keys", _directory(PublicKeys([])), "the account directory: unknown key"),
    "no bank key": ("bank_keys", _directory(None), "no key of the bank"),
    "acknowledgement": ("bank_keys", _acknowledgement, "COSE_Sign1"),
    "acknowledgement gone": ("bank_keys", _acknowledgement_gone, "is gone"),
    "leaf": ("log_chain", _broken_leaf, "not what its leaf says"),
    "board": ("board_count", _board, "board 4, journal 3"),
    "validator": ("validator_count", _counts, "validator 5, journal 4"),
    "validator mute": ("validator_count", _mute, "did not say"),
    "open note": ("books_closed", _open_note, "still open"),
}  # fmt: skip


def test_every_check_has_a_way_to_fail() -> None:
    assert {check for check, _, _ in FAILING.values()} == {check for checks in CHECKS.values() for check in checks}


LASTING = ("clear on disk", "clear on the wire", "other recipient", "a stranger on duty", "directory of a stranger",
           "no bank key", "acknowledgement", "acknowledgement gone", "leaf", "watcher silent")  # fmt: skip


@pytest.mark.parametrize("case", sorted(FAILING.keys() - {*LASTING}))
def test_a_check_fails_with_its_reason(checked: Checked, case: str) -> None:
    _fails(checked, case)


@pytest.mark.parametrize("case", LASTING)
def test_a_check_of_the_journal_fails_with_its_reason(spoilt: Checked, case: str) -> None:
    _fails(spoilt, case)


def _fails(checked: Checked, case: str) -> None:
    check, change, words = FAILING[case]
    change(checked)
    finding = checked.again()[check]
    assert not finding.passed
    assert words in finding.reason


def test_who_is_on_duty_has_to_be_enrolled_and_not_revoked(spoilt: Checked) -> None:
    checked, rig = spoilt, spoilt.rig

    async def revoked() -> None:
        await found(rig)
        await approve(rig, "anna", await asked(rig, "ben", Revoke("dora")))

    checked.deposit = msgspec.structs.replace(checked.deposit, staff="ben")
    rig.run(revoked())
    assert checked.again()["staff_on_record"] == Finding("authenticity", "staff_on_record", True, "ben, enrolled")
    checked.deposit = msgspec.structs.replace(checked.deposit, staff="dora")
    assert checked.again()["staff_on_record"].reason == "dora has been revoked"


def test_a_failed_check_is_an_alert_and_takes_nothing_from_the_depositor(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.installed = replace(INSTALLED, software=lambda: "66" * 32)
    rig.start()
    rig.run(confirmed(rig))
    record = deposit_records(rig.journal)[0]
    assert record["sums"]["CNY"]["credited"] == 25000
    assert [item["check"] for item in record["guarantee"] if not item["passed"]] == ["software_unchanged"]
    log = rig.journal.log
    alerts = [log.record(at).content for at in range(log.size()) if log.record(at).kind == "alert"]
    told = next(alert for alert in alerts if alert["alert"] == "guarantee")
    assert told["reasons"][0].startswith("security, software_unchanged: its files are not those")
    rig.close()


def test_the_digest_of_the_programs_sees_every_change(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "part").mkdir(parents=True)
    (package / "part" / "a.py").write_text("x = 1\n")
    (package / "words.toml").write_text("")
    (package / "part" / "a.pyc").write_bytes(b"left out")
    before = installed.digest([package])
    (package / "part" / "a.pyc").write_bytes(b"another")
    assert installed.digest([package]) == before
    (package / "part" / "a.py").write_text("x = 2\n")
    changed = installed.digest([package])
    (package / "part" / "a.py").write_text("x = 1\n")
    (package / "part" / "a.py").rename(package / "a.py")
    assert len({before, changed, installed.digest([package])}) == 3
