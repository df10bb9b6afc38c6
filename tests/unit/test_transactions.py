"""The listener behind the transaction stream: what it tells, keeps, forgets, and never says in clear."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from kiosk.core import facts as f
from kiosk.core.policy import NoteKind, Policy
from kiosk.core.state import Deposit, State
from kiosk.core.transaction import NAMES
from kiosk.management.transactions import HabitFile, Habits, Transactions, pseudonym, pseudonym_key
from kiosk.messages import TransactionReading

KEY = pseudonym_key(b"k" * 32)
ACCOUNT = "6222000000000000123"
BEGIN = f.Begin("", b"d" * 16, "CODE", b"", "", "", Policy((NoteKind(1, "CNY", 10_000),), (), 40), 0, 0)
OPEN = Deposit(state=State.CASH_IN, code="CODE")


class Desk:
    def __init__(self, habits: Habits | None = None) -> None:
        self.now = datetime(2026, 11, 2, 10, tzinfo=UTC)
        self.rows: list[TransactionReading] = []
        self.saved: list[bytes] = []
        self.warned: list[str] = []
        self.heard = Transactions(
            self,
            KEY,
            habits or Habits(),
            tell=self.rows.append,
            save=self.saved.append,
            warn=self.warned.append,
            zone=UTC,
        )

    def monotonic_s(self) -> float:
        return self.now.timestamp()

    def now_utc(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here waits, least of all {seconds} s")

    def deposit(self, account: str = ACCOUNT, notes: int = 3, outcome: str = "credited") -> None:
        self.heard.identified(BEGIN.deposit_id, account)
        self.heard.heard(BEGIN, OPEN)
        for _ in range(notes):
            self.now += timedelta(seconds=2)
            self.heard.heard(f.NoteRead(1), OPEN)
            self.heard.heard(f.NoteCredited(1), OPEN)
        self.heard.heard(f.Confirm(""), OPEN)
        self.heard.heard(f.Finish(), Deposit(state=State.DONE, code="CODE", outcome=outcome))

    def last(self, name: str) -> float:
        return self.rows[-1].values[NAMES.index(name)]


def test_every_step_is_told_and_the_next_deposit_knows_of_this_one() -> None:
    desk = Desk()
    desk.deposit()
    assert len(desk.rows) == 1 + 2 * 3 + 1
    assert {row.deposit_code for row in desk.rows} == {"CODE"}
    assert desk.last("own_day") == 0.0
    desk.deposit()
    assert desk.last("own_day") > 0.9
    desk.deposit(account="6222000000000000999")
    assert desk.last("own_day") == 0.0
    assert desk.last("kiosk_hour") > 1.0


def test_what_was_not_credited_is_no_habit() -> None:
    desk = Desk()
    desk.deposit(outcome="returned")
    assert desk.saved == []
    desk.deposit()
    assert desk.last("own_day") == 0.0


def test_many_deposits_of_one_depositor_in_a_day_are_warned_of_and_of_many_depositors_not() -> None:
    desk = Desk()
    for number in range(6):
        desk.deposit(account=f"{ACCOUNT}{number}")
        desk.now += timedelta(minutes=20)
    assert desk.warned == []
    for _ in range(4):
        desk.deposit()
        desk.now += timedelta(minutes=20)
    assert len(desk.warned) == 1
    assert desk.warned[0].endswith("(about 4)")


def test_the_file_has_no_account_in_it_and_gives_back_what_was_kept(tmp_path: Path) -> None:
    desk, file = Desk(), HabitFile(tmp_path / "habits.bin")
    desk.deposit()
    assert ACCOUNT.encode() not in desk.saved[-1]
    file.save(desk.saved[-1])
    kept = file.load()
    assert list(kept.depositors) == [pseudonym(KEY, ACCOUNT)]
    again = Desk(kept)
    again.deposit()
    assert again.last("own_day") > 0.9


def test_a_file_that_is_damaged_costs_the_past_only(tmp_path: Path) -> None:
    (tmp_path / "habits.bin").write_bytes(b"\xc1 nonsense")
    assert HabitFile(tmp_path / "habits.bin").load() == Habits()


def test_a_deposit_whose_beginning_was_not_heard_is_not_told() -> None:
    desk = Desk()
    desk.heard.heard(f.NoteCredited(1), OPEN)
    assert desk.rows == []


def test_depositors_who_have_not_come_for_months_are_forgotten() -> None:
    desk = Desk()
    desk.deposit()
    desk.now += timedelta(days=120)
    desk.deposit(account="6222000000000000999")
    file_content = desk.saved[-1]
    assert pseudonym(KEY, ACCOUNT) not in file_content
    assert pseudonym(KEY, "6222000000000000999") in file_content
