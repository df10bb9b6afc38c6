"""systemd's watchdog is fed by a self-check that holds, and by nothing else."""

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kiosk.clock import Turns
from kiosk.errors import JournalError
from kiosk.guarantee.journal import Journal
from kiosk.processes import watchdog
from tests.guarantee_kit import Kit


class HandClock:
    """Patience ends once whatever answers at once has answered; the feeding loop is ended after `rounds` sleeps."""

    def __init__(self, rounds: int = 0) -> None:
        self.now_s = 0.0
        self._rounds = rounds
        self._feeding = asyncio.current_task() if rounds else None

    def monotonic_s(self) -> float:
        return self.now_s

    def now_utc(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        if asyncio.current_task() is self._feeding:
            self._rounds -= 1
            if not self._rounds:
                raise asyncio.CancelledError


async def fed(check: watchdog.SelfCheck, monkeypatch: pytest.MonkeyPatch, rounds: int = 3) -> list[str]:
    monkeypatch.setenv("WATCHDOG_USEC", "40000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    told: list[str] = []
    with pytest.raises(asyncio.CancelledError):
        await watchdog.feed(check, HandClock(rounds), told.append)
    return told


def test_the_period_is_this_process_own() -> None:
    mine = str(os.getpid())
    assert watchdog.period_s({}) is None
    assert watchdog.period_s({"WATCHDOG_USEC": "0"}) is None
    assert watchdog.period_s({"WATCHDOG_USEC": "soon"}) is None
    assert watchdog.period_s({"WATCHDOG_USEC": "30000000"}) == 30
    assert watchdog.period_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": mine}) == 30
    assert watchdog.period_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None


async def test_nobody_waits_and_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)

    async def check() -> None:
        raise AssertionError

    await watchdog.feed(check, HandClock(), lambda _: pytest.fail("told"))


async def test_a_check_that_holds_feeds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        pass

    assert await fed(check, monkeypatch) == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize("error", [JournalError("disk full"), TimeoutError("late"), ConnectionError("gone")])
async def test_a_check_that_fails_feeds_nothing(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def check() -> None:
        raise error

    assert await fed(check, monkeypatch) == []
    assert str(error.args[0]) in caplog.text


async def test_a_check_that_hangs_feeds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        await asyncio.Event().wait()

    assert await fed(check, monkeypatch) == []


def test_a_loop_that_stands_still_is_noticed() -> None:
    clock = HandClock()
    turns = Turns("the loop", clock, 10)
    clock.now_s = 10
    turns.check()
    clock.now_s = 10.5
    with pytest.raises(TimeoutError, match="the loop has not come round for 10 s"):
        turns.check()
    turns.turn()
    turns.check()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    kit = Kit()
    return Journal(tmp_path / "journal.db", kit.keys, kit.kek, clock_synchronised=lambda: True)


def test_the_journal_is_written_and_read_from_its_file(journal: Journal, tmp_path: Path) -> None:
    journal.check()
    journal.check()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        assert other.execute("SELECT value FROM memory WHERE key = 'check'").fetchone() == ("2",)
    journal.close()


def test_a_journal_that_was_taken_away_or_put_back_is_noticed(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal.check()
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as here, closing(sqlite3.connect(old)) as there:
        here.backup(there)
    moved = tmp_path / "moved.db"
    path.rename(moved)
    for name in ("-wal", "-shm"):
        (tmp_path / f"journal.db{name}").rename(tmp_path / f"moved.db{name}")
    with pytest.raises(JournalError, match="cannot be read"):
        journal.check()
    old.rename(path)
    with pytest.raises(JournalError, match="was just written"):
        journal.check()
    journal.close()
