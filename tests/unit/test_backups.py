"""Copies of the journal and support bundles: made, verified, taken back, and refused when anything would be lost."""

import io
import json
import sqlite3
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kiosk.core.authority import step
from kiosk.core.authority_facts import Authority, Founded, Founder
from kiosk.core.people import Role
from kiosk.core.records import service
from kiosk.errors import VerificationError
from kiosk.guarantee import backups, bundles
from kiosk.guarantee.credentials import Cost, Credentials
from kiosk.guarantee.journal import Journal
from kiosk.maintenance import restoring
from kiosk.maintenance.session import Exit
from kiosk.processes.kioskctl import main
from tests.guarantee_kit import Kit

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PINS = {"carl": "918234", "anna": "739155", "ben": "402867"}
ROLES = {"carl": Role.TECHNICIAN, "anna": Role.SUPERVISOR, "ben": Role.STAFF}


class Disk:
    """A kiosk's journal, and somebody who restores it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.kit, self.folder = Kit(), folder
        self.path = folder / "journal.db"
        found = restoring._Kiosk(self.path, self.kit.keys, self.kit.kek)  # noqa: SLF001 - instead of keys in files
        patch.setattr(restoring._Kiosk, "of", lambda _: found)  # noqa: SLF001
        patch.setattr(restoring, "load_config", lambda _: None)

    def open(self) -> Journal:
        return Journal(self.path, self.kit.keys, self.kit.kek, clock_synchronised=lambda: True)

    def grow(self, records: int) -> None:
        journal = self.open()
        for number in range(records):
            journal.append(service("stopped", {"why": f"{number}", "state": "idle"}), NOW)
        journal.close()

    def found(self) -> None:
        credentials = Credentials(self.kit.kek, cost=Cost(1, 1, 8))
        founders = tuple(Founder(name, (ROLES[name],), credentials.make(pin)) for name, pin in PINS.items())
        fact = Founded(0, founders)
        journal = self.open()
        journal.commit_authority(fact, step(Authority(), fact), NOW)
        journal.close()

    def backup(self) -> Path:
        target = self.folder / f"copy-{len(list(self.folder.iterdir()))}"
        journal = self.open()  # the kiosk works on meanwhile
        backups.copy(self.path, target)
        journal.close()
        return target

    def size(self) -> int:
        journal = self.open()
        size = journal.log.size()
        journal.close()
        return size

    def restore(self, file: Path, *words: str, typed: str = "") -> Result:
        return CliRunner().invoke(main, ["restore", str(file), "--json", *words], typed)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(tmp_path, monkeypatch)
    made.found()
    made.grow(5)
    return made


def told(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.output.splitlines()[-1])
    return found


def test_a_copy_that_loses_nothing_is_taken_back(disk: Disk) -> None:
    copy = disk.backup()
    result = disk.restore(copy)
    assert result.exit_code == Exit.OK, result.output
    assert told(result)["rolls_back"] == ""
    assert disk.size() == 6
    assert Path(told(result)["kept"]).exists()


def test_nothing_is_rolled_back_without_two_people(disk: Disk) -> None:
    copy = disk.backup()
    disk.grow(2)
    dry = disk.restore(copy, "--dry-run")
    assert "it would roll back 2 records, 0 of them acknowledged, and 0 facts" in told(dry)["rolls_back"]
    for who, typed, code in (
        ((), "", Exit.FAILED),
        (("--as", "carl", "--and", "carl"), "", Exit.FAILED),
        (("--as", "carl", "--and", "anna"), f"{PINS['carl']}\n000111\n", Exit.NOT_ALLOWED),
        (("--as", "carl", "--and", "ben"), f"{PINS['carl']}\n{PINS['ben']}\n", Exit.NOT_ALLOWED),
        (("--as", "carl", "--and", "gus"), f"{PINS['carl']}\n{PINS['ben']}\n", Exit.NOT_ALLOWED),
    ):
        refused = disk.restore(copy, "--pin-stdin", *who, typed=typed)
        assert refused.exit_code == code, refused.output
        assert disk.size() == 8


def test_with_two_people_it_is_taken_back_and_waits_for_a_new_epoch(disk: Disk) -> None:
    copy = disk.backup()
    disk.grow(2)
    typed = f"{PINS['carl']}\n{PINS['anna']}\n"
    result = disk.restore(copy, "--pin-stdin", "--as", "carl", "--and", "anna", typed=typed)
    assert result.exit_code == Exit.OK, result.output
    journal = disk.open()
    assert journal.log.size() == 6
    assert "taken back by carl and anna" in journal.distrust()
    journal.close()


def test_facts_count_though_no_record_was_made_of_them(disk: Disk) -> None:
    copy = disk.backup()
    journal = disk.open()
    journal._connection.execute(  # noqa: SLF001 - a deposit under way
        "INSERT INTO facts (deposit_id, at, state, kind, fact, orders) VALUES (x'', '', 'idle', 'X', '{}', '[]')"
    )
    journal.close()
    assert "and 1 facts" in told(disk.restore(copy, "--dry-run"))["rolls_back"]


def test_a_journal_that_cannot_be_read_may_hold_anything(disk: Disk) -> None:
    copy = disk.backup()
    disk.path.write_bytes(b"no database at all" * 100)
    assert "nobody knows" in told(disk.restore(copy, "--dry-run"))["rolls_back"]
    assert disk.restore(copy).exit_code == Exit.FAILED


@pytest.mark.parametrize("place", [100, 5000, 20_000])
def test_a_copy_that_was_tampered_with_is_refused(disk: Disk, place: int) -> None:
    copy = disk.backup()
    data = bytearray(copy.read_bytes())
    data[place % len(data) : place % len(data) + 8] = b"tampered"
    copy.write_bytes(data)
    result = disk.restore(copy, "--dry-run")
    if result.exit_code == Exit.OK:  # a byte that says nothing: of a free page
        assert told(result)["size"] == 6
    else:
        assert result.exit_code == Exit.FAILED, result.output


def test_a_leaf_that_was_changed_is_found(disk: Disk) -> None:
    copy = disk.backup()
    with sqlite3.connect(copy) as connection:
        connection.execute("DROP TRIGGER leaves_update")
        connection.execute("UPDATE leaves SET entry = (SELECT entry FROM leaves WHERE seq = 1) WHERE seq = 2")
    connection.close()
    result = disk.restore(copy)
    assert result.exit_code == Exit.FAILED
    assert "leaf" in told(result)["error"]


def test_the_controller_must_not_run(disk: Disk) -> None:
    copy = disk.backup()
    journal = disk.open()
    result = disk.restore(copy)
    journal.close()
    assert "the controller runs" in told(result)["error"]


# --- bundles --------------------------------------------------------------------------------------------


def bundle(kit: Kit) -> bytes:
    log = kit.records
    files = {"status": {"state": "idle"}, "tests": []}
    about = {"kiosk": "demo", "made_at": "now", "version": "1"}
    return bundles.make(about, files, log.record_key.pem, lambda data: log.vouch(data, bundles.TYPE))


def rewritten(data: bytes, **changes: bytes | None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        files = {name: old.read(name) for name in old.namelist()} | {
            name.replace("__", "."): content for name, content in changes.items()
        }
        for name, content in files.items():
            if content is not None:
                new.writestr(name, content)
    return made.getvalue()


def test_a_bundle_is_verified_anywhere(tmp_path: Path) -> None:
    kit = Kit()
    data = bundle(kit)
    assert data == bundle(kit), "the same content is the same file"
    found = bundles.verify(data)
    assert found.kid == kit.records.record_key.kid.hex()
    assert json.loads(found.files["status.json"]) == {"state": "idle"}
    file = tmp_path / "bundle.zip"
    file.write_bytes(data)
    said = CliRunner().invoke(main, ["bundle", "verify", str(file), "--kid", found.kid[:12]])
    assert said.exit_code == Exit.OK
    assert "whole: 2 files of demo" in said.output
    other = CliRunner().invoke(main, ["bundle", "verify", str(file), "--kid", "ffff", "--json"])
    assert other.exit_code == Exit.FAILED


@pytest.mark.parametrize(
    "changes",
    [
        {"status__json": b"{}"},
        {"status__json": None},
        {"more__json": b"{}"},
        {"manifest__cose": b"x"},
        {"manifest__cose": None},
        {"record-key__pem": b"x"},
    ],
    ids=str,
)
def test_a_bundle_that_was_changed_is_refused(changes: dict[str, bytes | None]) -> None:
    with pytest.raises(VerificationError):
        bundles.verify(rewritten(bundle(Kit()), **changes))


@pytest.mark.parametrize("data", [b"", b"PK", bytes(1000)])
def test_what_is_no_bundle(data: bytes) -> None:
    with pytest.raises(VerificationError):
        bundles.verify(data)
