"""Posting: every acknowledged deposit reaches the bank's books exactly once, whatever is killed, lost or refused."""

import json
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kiosk.errors import ConfigError
from kiosk_cloud.cli import main
from kiosk_cloud.pki import utc_now
from kiosk_cloud.posting import camt, filing, settings
from kiosk_cloud.posting.entries import Entry, Posting, Status, decimal
from kiosk_cloud.posting.outbox import Outbox
from kiosk_cloud.posting.service import Busy, Poster, Round, only_one
from kiosk_cloud.posting.webhook import Webhook
from kiosk_cloud.provision import provision
from kiosk_cloud.store import Store
from kiosk_cloud.verify import verify_store
from scripts import vendor
from tests.clearing_kit import DEPOSIT, FIRST, SECOND, clear, story
from tests.posting_kit import Books, books, entries_of
from tests.uplink_kit import ACCOUNT, KIOSK, Bank, KioskSide, deposit_content, plan


class Desk:
    """A kiosk, the bank's receiver, its outbox, and the books that the webhook leads to."""

    def __init__(self, folder: Path) -> None:
        done = provision(plan(folder), utc_now())
        self.folder = folder
        self.bank = Bank(done)
        self.kiosk = KioskSide(done.kiosk_keys)
        self.keys = self.bank.config.keys
        self.files = folder / "bank" / "posting"
        self.settings = settings.load(folder / "bank" / "posting.toml")
        self.files.mkdir()

    def deposits(self, *numbers: int) -> None:
        self.bank.take(*[self.kiosk.deposit(number) for number in numbers])

    def post(self, said: Books | None = None, **changes: Any) -> tuple[Poster, Round]:
        """One round, as the command makes it; without books no webhook is configured."""
        webhook = None if said is None else Webhook(said.url, self.keys / "webhook.key")
        with only_one(self.bank.config.store):
            poster = Poster(self.bank.store, self.settings, webhook, self.bank.clock)
            return poster, poster.round(everything=changes.get("everything", True))

    def taken(self) -> list[dict[str, str]]:
        """The bank takes all files away and reads them."""
        found = []
        for path in sorted(self.files.glob("*.xml")):
            found += entries_of(path.read_bytes())
            path.unlink()
        return found

    def close(self) -> None:
        self.kiosk.close()
        self.bank.store.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path / "run")
    yield found
    found.close()


@pytest.fixture
def said(desk: Desk) -> Iterator[Books]:
    with books(desk.keys) as found:
        yield found


def test_each_deposit_is_handed_over_once_by_webhook_and_by_file(desk: Desk, said: Books) -> None:
    desk.deposits(1, 2, 3)
    poster, done = desk.post(said)
    assert (done.webhook, done.refused, len(done.files)) == (3, 0, 1)
    assert list(said.booked) == [number.to_bytes(16).hex() for number in (1, 2, 3)]
    assert said.sums("BOOK") == {"CNY": 90_000}
    assert said.sums("INFO") == {"CNY": 30_000}  # kept as suspect: told, not booked
    posting = said.booked[(1).to_bytes(16).hex()]
    assert (posting["account"], posting["kiosk"], posting["sequence"]) == (ACCOUNT, KIOSK, 0)
    rows = desk.taken()
    assert [row["amount"] for row in rows if row["status"] == "BOOK"] == ["300.00"] * 3
    assert {row["account"] for row in rows} == {ACCOUNT}
    assert desk.post(said)[1] == Round()  # nothing is left
    assert poster.report()["postings"] == {"queued": 0, "ready": 3, "nothing": 0, "held": 0, "webhook": 3, "file": 3}


def test_what_is_not_acknowledged_yet_is_not_posted(desk: Desk, said: Books) -> None:
    first, second = desk.kiosk.deposit(1), desk.kiosk.deposit(2)
    desk.bank.take(second)
    assert desk.post(said)[1].webhook == 0
    desk.bank.take(first, second, first)
    assert desk.post(said)[1].webhook == 2
    desk.bank.take(first, second)
    assert desk.post(said)[1].webhook == 0


def test_a_deposit_id_is_posted_once_however_often_it_is_signed(desk: Desk, said: Books) -> None:
    desk.bank.take(desk.kiosk.deposit(1, credited=30_000), desk.kiosk.deposit(1, credited=50_000))
    other = provision(plan(desk.folder, "demo-0002"), utc_now())
    second = KioskSide(other.kiosk_keys, "demo-0002")
    desk.bank.take(second.deposit(1), kiosk="demo-0002")
    second.close()
    desk.post(said)
    assert len(said.booked) == 1
    assert said.sums("BOOK") == {"CNY": 30_000}
    assert [kind for kind, _, _ in desk.bank.store.forks(KIOSK)] == ["deposit"]
    assert [kind for kind, _, _ in desk.bank.store.forks("demo-0002")] == ["deposit"]


def test_a_killed_poster_posts_again_and_the_books_do_not_change(desk: Desk, said: Books) -> None:
    """kill -9 by the bank's own hand: after it has booked, before its answer can be marked."""
    desk.deposits(*range(1, 8))
    desk.bank.store.close()
    (desk.folder / "bank" / "posting.toml").write_text(f'webhook_url = "{said.url}"\n')
    command = [sys.executable, "-m", "kiosk_cloud.cli", "post", "--config", str(desk.folder / "bank" / "bank.toml")]
    for victim in (1, 4):
        process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE)
        start = len(said.heard)

        def kill(posting: dict[str, Any], number: int, at: int = start + victim, who: Any = process) -> None:
            if number == at:
                said.booked[posting["key"]] = posting
                who.kill()
                who.wait()

        said.before_answer = kill
        assert process.wait(30) == -signal.SIGKILL
        assert process.stdout is not None
        process.stdout.close()
    said.before_answer = lambda _posting, _number: None
    done = subprocess.run([*command, "--json"], capture_output=True, check=True, timeout=30)
    assert json.loads(done.stdout)["postings"]["webhook"] == 7
    assert said.sums("BOOK") == {"CNY": 7 * 30_000}
    assert len(said.heard) > len(said.booked) == 7
    desk.bank.store = Store(desk.bank.config.store)


class Crash(BaseException):
    """The power goes."""


STEPS = ("write", "mark prepared", "move", "mark handed")


@pytest.mark.parametrize("taken_away", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_file_leaves_one_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str, taken_away: bool
) -> None:
    """Also when the bank's system takes files away the moment they appear."""
    desk.deposits(1, 2)
    seen: list[bytes] = []

    def take_away() -> None:
        for path in desk.files.glob("*.xml"):
            seen.append(path.read_bytes())
            path.unlink()

    def crash(*_: Any) -> None:
        raise Crash

    rename, mark = Path.rename, Outbox.set_file_state

    def move(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        if taken_away:
            take_away()
        return moved

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", crash if step == "move" else move)
        if step == "write":
            patch.setattr(filing, "write_pieces", crash)
        if step.startswith("mark"):
            dying = step.removeprefix("mark ")
            patch.setattr(Outbox, "set_file_state", lambda *call: crash() if call[2] == dying else mark(*call))
        with pytest.raises(Crash):
            desk.post()
    assert len(desk.post()[1].files) == 1
    take_away()
    assert len(seen) == 1
    assert [row["amount"] for row in entries_of(seen[0]) if row["status"] == "BOOK"] == ["300.00"] * 2
    assert desk.post()[1].files == []


def test_more_than_a_file_holds_goes_into_several(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filing, "POSTINGS_PER_FILE_MAX", 2)
    desk.deposits(1, 2, 3)
    assert desk.post()[1].files == ["deposits-00000001.xml", "deposits-00000002.xml"]
    assert len({row["deposit"] for row in desk.taken()}) == 3


def test_files_are_what_the_schema_of_iso_20022_says(desk: Desk) -> None:
    strange = {**deposit_content(2), "account": '6222 <&> "\u5f20"', "account_known": False}
    desk.bank.take(desk.kiosk.append("deposit", strange))
    for kind, content in story(FIRST, SECOND, clear("credited")):
        desk.bank.take(desk.kiosk.append(kind, content))
    desk.post()
    (path,) = desk.files.glob("*.xml")
    schema = vendor.path("camt.054.001.08.xsd")
    judge = ["xmllint", "--noout", "--schema", str(schema), "-"]
    checked = subprocess.run(judge, input=path.read_text(), capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    broken = path.read_text().replace("<Cd>BOOK</Cd>", "<Cd>BOOKED</Cd>", 1)  # the judge is not blind
    again = subprocess.run(judge, input=broken, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    suspense = [row for row in desk.taken() if row["account"] == "SUSPENSE"]
    assert [row["amount"] for row in suspense] == ["300.00", "100.00"]
    assert all('6222 <&> "\u5f20"' in row["words"] for row in suspense)


def test_a_dispute_is_pending_and_its_clearing_follows_and_names_the_deposit(desk: Desk, said: Books) -> None:
    records = story(clear("credited", *FIRST.notes), SECOND)
    desk.bank.take(desk.kiosk.append(*records[0]))
    desk.post(said)
    assert said.sums("PDNG") == {"CNY": 7_000}
    assert said.sums("BOOK") == {"CNY": 30_000}
    for record in records[1:]:
        desk.bank.take(desk.kiosk.append(*record))
    desk.post(said)
    clearings = [posting for posting in said.booked.values() if posting["kind"] == "clearing"]
    assert [posting["refers_to"] for posting in clearings] == [DEPOSIT.hex()] * 2
    assert [posting["outcome"] for posting in clearings] == ["credited", "not_found"]
    assert clearings[0]["entries"][0]["amount_minor"] == 15_000  # what nobody had valued turned out to be a hundred
    assert clearings[1]["entries"] == [
        {
            "currency": "CNY", "amount_minor": 2_000, "status": "INFO", "reason": "not_found",
            "notes": [{"value_minor": 2_000, "count": 1}], "unvalued_notes": 0,
        }
    ]  # fmt: skip
    assert said.sums("BOOK") == {"CNY": 45_000}
    assert {row["deposit"] for row in desk.taken()} == {DEPOSIT.hex()}
    assert verify_store(desk.bank.config.store, desk.keys).failures == []


def test_a_clearing_that_nobody_allowed_is_held_and_so_is_a_record_that_contradicts_itself(
    desk: Desk, said: Books
) -> None:
    deposit, *_, clearing = story(SECOND)
    wrong = deposit_content(9)
    wrong["sums"] = {"CNY": {"inserted": 1, "credited": 1, "returned": 0, "retained": 0, "disputed": 0}}
    for kind, content in (deposit, clearing, ("deposit", wrong), ("deposit", deposit_content(3))):
        desk.bank.take(desk.kiosk.append(kind, content))
    poster, done = desk.post(said)
    assert done.webhook == 2  # the others do not wait for it
    held = poster.report()["held"]
    assert [row["key"] for row in held] == [f"{DEPOSIT.hex()}.1", (9).to_bytes(16).hex()]
    assert "nobody allowed" in held[0]["reason"]
    assert "contradicts itself" in held[1]["reason"]


def test_a_deposit_without_money_is_nothing_to_post(desk: Desk, said: Books) -> None:
    empty = {**deposit_content(1), "notes": [], "sums": {}, "outcome": "nothing_inserted"}
    desk.bank.take(desk.kiosk.append("deposit", empty))
    poster, done = desk.post(said)
    assert (done.webhook, done.files) == (0, [])
    assert poster.report()["postings"]["nothing"] == 1


def test_a_refusal_holds_up_nobody_else_and_is_tried_again_after_growing_pauses(desk: Desk, said: Books) -> None:
    desk.deposits(1, 2, 3)
    bad = (2).to_bytes(16).hex()
    said.before_answer = lambda posting, _number: 422 if posting["key"] == bad else None
    poster, done = desk.post(said)
    assert (done.webhook, done.refused) == (2, 1)
    assert poster.report()["refused"] == [{"key": bad, "attempts": 1, "error": "422"}]
    pauses = []
    for _ in range(6):
        waited = 0
        while desk.post(said, everything=False)[1].refused == 0:
            desk.bank.clock.advance(1)
            waited += 1
        pauses.append(waited)
    assert pauses == [min(900, 2 * 2**number) for number in range(6)]
    said.before_answer = lambda _posting, _number: None
    assert desk.post(said)[1].webhook == 1  # a person asked for it: at once
    assert len(said.booked) == 3


def test_a_silent_webhook_ends_the_round_and_the_files_go_on(desk: Desk, said: Books) -> None:
    desk.deposits(1, 2, 3)
    silent = Books(said.secret)
    silent.url = "http://127.0.0.1:1/"
    poster, done = desk.post(silent)
    assert done.unreachable
    assert len(done.files) == 1
    assert len(poster.report()["refused"]) == 1
    assert desk.post(said)[1].webhook == 3


def test_a_clearing_waits_until_the_webhook_has_its_deposit(desk: Desk, said: Books) -> None:
    for record in story(SECOND):
        desk.bank.take(desk.kiosk.append(*record))
    said.before_answer = lambda posting, _number: 503 if posting["kind"] == "deposit" else None
    assert desk.post(said)[1].webhook == 0
    assert said.heard == [DEPOSIT.hex()]
    said.before_answer = lambda _posting, _number: None
    assert desk.post(said)[1].webhook == 2
    assert said.heard[1:] == [DEPOSIT.hex(), f"{DEPOSIT.hex()}.{len(story(SECOND)) - 1}"]


def test_a_wrong_secret_is_refused_by_the_books(desk: Desk, said: Books) -> None:
    desk.deposits(1)
    said.secret = bytes(32)
    assert desk.post(said)[1].refused == 1
    assert not said.booked


def test_two_at_once_are_refused(desk: Desk) -> None:
    with only_one(desk.bank.config.store), pytest.raises(Busy):
        desk.post()


def test_following_goes_on_until_it_is_stopped(desk: Desk, said: Books) -> None:
    desk.deposits(1)
    stopping = threading.Event()
    poster = Poster(desk.bank.store, desk.settings, Webhook(said.url, desk.keys / "webhook.key"), desk.bank.clock)
    rounds = poster.follow(stopping)
    first = next(rounds)
    assert (first.webhook, len(first.files)) == (1, 1)
    stopping.set()
    assert list(rounds) == []


def test_the_command_says_what_it_did(desk: Desk) -> None:
    desk.deposits(1)
    config = str(desk.folder / "bank" / "bank.toml")
    done = CliRunner().invoke(main, ["post", "--config", config, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["handed"]["files"] == ["deposits-00000001.xml"]
    wrong = deposit_content(2)
    wrong["sums"] = {}
    desk.bank.take(desk.kiosk.append("deposit", wrong))
    told = CliRunner().invoke(main, ["post", "--config", config])
    assert told.exit_code == 1
    assert f"HELD {(2).to_bytes(16).hex()}" in told.output


@pytest.mark.parametrize(
    "text",
    [
        'webhook_url = "http://core.bank.example/"',
        "",
        'files = "x"\nnonsense = 1',
        'files = "x"\nsuspense_account = ""',
    ],
)
def test_settings_that_cannot_be_are_refused(desk: Desk, text: str) -> None:
    path = desk.folder / "bank" / "posting.toml"
    path.write_text(text)
    done = CliRunner().invoke(main, ["post", "--config", str(path.with_name("bank.toml"))])
    assert done.exit_code == 2, done.output


def test_a_webhook_in_clear_is_for_loopback_only(desk: Desk) -> None:
    for url in ("http://192.0.2.1/", "ftp://127.0.0.1/", "https:///x", "x"):
        with pytest.raises(ConfigError):
            Webhook(url, desk.keys / "webhook.key")


def test_amounts_have_the_digits_of_their_currency() -> None:
    cases = [(25_000, "CNY", "250.00"), (5, "RUB", "0.05"), (500, "JPY", "500"), (1_005, "KWD", "1.005")]
    assert [decimal(minor, currency) for minor, currency, _ in cases] == [text for _, _, text in cases]


STATUSES: tuple[Status, ...] = ("BOOK", "PDNG", "INFO")
ENTRY = st.builds(
    Entry,
    st.sampled_from(("CNY", "RUB", "USD")),
    st.integers(0, 10**12),
    st.sampled_from(STATUSES),
    st.sampled_from(("credited", "disputed", "retained", "not_found")),
)


@given(st.lists(st.tuples(st.sampled_from(("1", "2")), st.lists(ENTRY, min_size=1, max_size=4)), max_size=8))
def test_the_totals_of_any_file_add_up(parts: list[tuple[str, list[Entry]]]) -> None:
    postings = [
        Posting(
            key="k", kind="deposit", kiosk="k", sequence=n, leaf_hash=n.to_bytes(32, "little"), deposit_id=bytes(16),
            account=account, account_known=True, at="", value_at="2026-11-21T08:30:00.125Z", outcome="",
            entries=tuple(entries),
        )
        for n, (account, entries) in enumerate(parts)
    ]  # fmt: skip

    def document() -> bytes:
        return b"".join(camt.document("m", "2026-11-21T08:30:00.125Z", range(len(postings)), postings.__getitem__, "S"))

    made = document()
    assert len(entries_of(made)) == sum(len(entries) for _, entries in parts)
    assert document() == made


def test_a_file_of_any_length_is_made_with_one_posting_in_memory() -> None:
    alive: weakref.WeakSet[Posting] = weakref.WeakSet()
    entries = (Entry("CNY", 100, "BOOK", "credited"), Entry("RUB", 5, "PDNG", "disputed"))

    def read(number: int) -> Posting:
        assert len(alive) <= 1
        made = Posting(
            key=f"{number}", kind="deposit", kiosk="k", sequence=number, leaf_hash=number.to_bytes(32, "little"),
            deposit_id=bytes(16), account=f"{number % 3}", account_known=True, at="", outcome="", entries=entries,
            value_at="2026-11-21T08:30:00.125Z",
        )  # fmt: skip
        alive.add(made)
        return made

    pieces = list(camt.document("m", "2026-11-21T08:30:00.125Z", range(60), read, "S"))
    assert len(entries_of(b"".join(pieces))) == 120
    assert max(map(len, pieces)) < 2000
    assert len(alive) <= 1
