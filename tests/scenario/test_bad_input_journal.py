"""The journal's disk fails, or the journal is not what it was: the controller stops with a remedy, nothing is lost."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from kiosk.core.state import State
from kiosk.errors import JournalError, KioskError, VerificationError
from kiosk.guarantee.disk_trouble import journal_error
from tests.simulation.judge import judge
from tests.simulation.rig import Rig
from tests.simulation.scripts import afterwards

ENDED: Final = (State.IDLE, State.DONE)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def trouble(rig: Rig) -> sqlite3.Connection:
    """The journal's own connection, to make its disk fail as SQLite itself reports it."""
    connection: sqlite3.Connection = rig.journal._connection  # noqa: SLF001 - there is no disk to break here
    return connection


def fill_disk(rig: Rig) -> None:
    pages = trouble(rig).execute("PRAGMA page_count").fetchone()[0]
    trouble(rig).execute(f"PRAGMA max_page_count = {pages}")


def make_read_only(rig: Rig) -> None:
    trouble(rig).execute("PRAGMA query_only = 1")


def journal_fault(error: BaseException) -> JournalError:
    """The one reason for which the controller ended."""
    while isinstance(error, BaseExceptionGroup):
        assert len(error.exceptions) == 1, error.exceptions
        error = error.exceptions[0]
    assert isinstance(error, JournalError), error
    return error


async def two_notes(rig: Rig) -> None:
    await rig.identify()
    for value_minor in (10_000, 5000):
        await rig.feed(value_minor)


async def feed_until_it_ends(rig: Rig) -> None:
    for _ in range(30):  # how many facts still fit into the last page is SQLite's affair
        await rig.feed(1000)
    pytest.fail("the controller goes on without a journal")


@pytest.mark.parametrize(
    ("happens", "words"), [(fill_disk, "the disk is full"), (make_read_only, "the disk is read-only")]
)
def test_a_disk_that_fails_during_a_deposit_stops_the_controller_and_loses_nothing(
    rig: Rig, happens: Callable[[Rig], None], words: str
) -> None:
    rig.start()
    rig.run(two_notes(rig))
    happens(rig)
    with pytest.raises((JournalError, ExceptionGroup)) as caught:
        rig.run(feed_until_it_ends(rig))
    fault = journal_fault(caught.value)
    assert words in str(fault)
    assert "start the kiosk again" in fault.remedy
    rig.bury()
    rig.loop.run_until_complete(asyncio.sleep(15))  # nobody commands: the shutter falls shut, the validator stops
    assert rig.world.shutter.state == "closed"

    rig.start()  # a connection without the trouble: the disk has room again
    assert trouble(rig).execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    rig.journal.log.audit()
    rig.run(afterwards(rig, comes_back=True))
    verdict = judge(rig)
    assert verdict.complaints == []
    assert verdict.disputes == []
    assert verdict.claims["credited"] >= 15_000


def test_before_a_note_moves_a_full_disk_only_refuses(rig: Rig) -> None:
    rig.start()
    rig.run(rig.ready())
    make_read_only(rig)
    with pytest.raises((KioskError, ExceptionGroup)) as caught:
        rig.run(rig.identify())
    assert "read-only" in str(journal_fault(caught.value))
    assert rig.deposit.state is State.IDLE
    assert rig.world.shutter.state == "closed"
    trouble(rig).execute("PRAGMA query_only = 0")
    rig.run(rig.identify())
    rig.run(rig.state(State.CASH_IN))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    if os.geteuid() != 0 or _mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)) != 0:
        pytest.skip("mounting needs root; the same through SQLite itself is tested above")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def _mount(*arguments: str) -> int:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode


def test_a_really_full_disk(small_disk: Path) -> None:
    rig = Rig(small_disk)
    try:
        rig.start()
        rig.run(two_notes(rig))
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))
        with pytest.raises((JournalError, ExceptionGroup)) as caught:
            rig.run(feed_until_it_ends(rig))
        assert "the disk is full" in str(journal_fault(caught.value))
        rig.bury()
        ballast.unlink()
        rig.start()
        rig.run(afterwards(rig, comes_back=False))
        assert judge(rig).complaints == []
        assert judge(rig).claims["disputed"] >= 15_000  # nobody came back for them; they are in the books
    finally:
        rig.close()


def test_a_really_read_only_disk_refuses_the_start(small_disk: Path) -> None:
    rig = Rig(small_disk)
    rig.start()
    rig.run(rig.ready())
    rig.bury()
    assert _mount("-o", "remount,ro", str(small_disk)) == 0
    with pytest.raises(JournalError, match="read-only") as caught:
        rig.start()
    assert "good disk" in caught.value.remedy
    assert _mount("-o", "remount,rw", str(small_disk)) == 0
    rig.start()
    rig.run(rig.ready())
    rig.close()


def test_a_second_controller_on_the_same_journal_is_refused_and_the_first_goes_on(rig: Rig, tmp_path: Path) -> None:
    rig.start()
    rig.run(two_notes(rig))
    second = Rig(tmp_path)
    with pytest.raises(JournalError, match="another controller uses") as caught:
        second.start()
    assert "Stop the other controller" in caught.value.remedy
    second.loop.close()
    rig.run(_finish(rig))
    assert judge(rig).complaints == []


async def _finish(rig: Rig) -> None:
    await rig.touch("done")
    await rig.state(State.REVIEW)
    await rig.touch("confirm")
    await rig.state(*ENDED)


def test_a_journal_of_a_newer_version_is_not_touched(rig: Rig, tmp_path: Path) -> None:
    rig.start()
    rig.run(two_notes(rig))
    rig.run(_finish(rig))
    rig.bury()
    path = tmp_path / "journal.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="newer version") as caught:
        rig.start()
    assert "newer version again" in caught.value.remedy
    assert path.read_bytes() == before
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 1")
    rig.start()
    rig.run(rig.ready())
    assert judge(rig).complaints == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE facts SET fact = substr(fact, 1, 20) WHERE seq = (SELECT max(seq) FROM facts)",
        "UPDATE facts SET fact = replace(fact, 'NoteRead', 'NoteEaten') WHERE fact LIKE '%NoteRead%'",
        "DELETE FROM facts WHERE kind = 'Begin'",
    ],
)
def test_altered_facts_of_an_open_deposit_stop_the_controller_before_anything_moves(
    rig: Rig, tmp_path: Path, change: str
) -> None:
    rig.start()
    rig.run(two_notes(rig))
    rig.bury()
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        assert other.execute(change).rowcount > 0
        other.commit()
    rig.counts.clear()
    rig.start()
    with pytest.raises((JournalError, ExceptionGroup)) as caught:
        rig.run(rig.ready())
    assert "do not replay" in str(journal_fault(caught.value))
    assert rig.counts.get("frame", 0) == 0  # not one byte to a device
    assert [note.place for note in rig.world.notes.all()] == ["store", "store"]


def test_an_altered_record_is_noticed_by_the_audit_and_in_the_deposit_that_meets_it(rig: Rig, tmp_path: Path) -> None:
    rig.start()
    rig.run(two_notes(rig))
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        other.execute("DROP TRIGGER leaves_update")
        other.execute(
            "UPDATE leaves SET entry = CAST(replace(entry, 'start', 'stirr') AS BLOB), hashes = zeroblob(32) "
            "WHERE seq = (SELECT min(seq) FROM leaves WHERE kind = 'deposit_start')"
        )
        other.commit()
    with pytest.raises(VerificationError):
        rig.journal.log.audit()
    before = rig.journal.log.size()
    rig.run(_finish(rig))
    finding = next(found for found in rig.deposit.findings if found.check == "log_chain")
    assert not finding.passed  # said on the record, and the credit stands
    log = rig.journal.log
    later = [log.record(at) for at in range(before, log.size())]
    assert any(one.kind == "alert" and one.content["alert"] == "guarantee" for one in later)
    assert next(one for one in later if one.kind == "deposit").content["outcome"] == "credited"


def test_a_file_that_is_no_journal_is_left_alone(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database, but perhaps somebody's " * 100)
    before = path.read_bytes()
    with pytest.raises(JournalError, match="damaged") as caught:
        rig.start()
    assert "evidence" in caught.value.remedy
    assert path.read_bytes() == before


def test_a_journal_that_rots_while_it_is_read_stops_the_controller(rig: Rig, tmp_path: Path) -> None:
    rig.start()
    rig.run(two_notes(rig))
    rig.bury()
    path = tmp_path / "journal.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = other.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'facts'").fetchone()[0]
        size = other.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(bytes(size))
    rig.start()
    with pytest.raises((JournalError, ExceptionGroup)) as caught:
        rig.run(rig.ready())
    assert "damaged" in str(journal_fault(caught.value))


def test_an_unknown_trouble_still_has_a_remedy() -> None:
    told = journal_error("the journal cannot be written", sqlite3.OperationalError("something new"))
    assert "something new" in str(told)
    assert "check the disk" in told.remedy
