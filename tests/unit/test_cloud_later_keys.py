"""A kiosk's later keys and later logs, as the monitor and the depositor's page follow them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, cosignature, merkle, receipt
from kiosk.guarantee.keys import Ed25519Signer, Signer
from kiosk.guarantee.receipt import Receipt
from kiosk.guarantee.tiles import Tile
from kiosk.verifier import checking, reading
from kiosk_cloud.depositor.lookup import Claim, Desk, Finding
from kiosk_cloud.monitor import sources
from kiosk_cloud.monitor.following import Monitor, Watched
from kiosk_cloud.monitor.state import MonitorState
from kiosk_cloud.pki import utc_now
from kiosk_cloud.posting import settings as posting_settings
from kiosk_cloud.posting.service import Poster
from kiosk_cloud.provision import provision
from kiosk_cloud.trusting import PolicyFile, renewed
from kiosk_cloud.verify import verify_store
from tests.clearing_kit import DEPOSIT, FIRST, SECOND, story
from tests.uplink_kit import KIOSK, HandClock, deposit_content, plan
from tests.witness_kit import World

NEW, NEW_LOG = Ed25519Signer.from_seed(b"\x71" * 32), Ed25519Signer.from_seed(b"\x72" * 32)
LATER = f"{KIOSK}.epoch2"
ORIGIN, ORIGIN_2 = checkpoint.origin(KIOSK), checkpoint.origin(LATER)


class Village:
    """A kiosk with a new key beside each present one, its bank, witnesses, and somebody who watches."""

    def __init__(self, folder: Path) -> None:
        provisioned = provision(plan(folder), utc_now())
        NEW.save(provisioned.kiosk_keys / "record.next.key")
        NEW_LOG.save(provisioned.kiosk_keys / "checkpoint.next.key")
        self.old_log = Ed25519Signer.load(provisioned.kiosk_keys / "checkpoint.key")
        self.world = World(provisioned, folder)
        self.bank, self.kiosk, self.folder = self.world.bank, self.world.kiosk, folder
        assert self.bank.config.mirror is not None
        self.mirror = self.bank.config.mirror
        self.clock = HandClock()
        self.notes: list[tuple[str, str]] = []
        self.state = MonitorState(folder / "monitor.db")
        self.monitor = self.another_monitor()
        self.desk = Desk(self.bank.config.store, self.mirror, lambda: self.world.policy)

    def another_monitor(self) -> Monitor:
        """As a new process begins, from the first leaf."""
        watched = Watched(
            mirrors=lambda log: [sources.source(str(self.mirror), log)],
            claims=lambda _log: self.notes,
        )
        return Monitor(lambda: self.world.policy, watched, self.state, self.clock)

    def grow(self, count: int) -> None:
        self.world.grow(count)
        assert self.world.work()

    def rotate_both(self) -> None:
        self.world.rotate("record", NEW)
        self.world.rotate("checkpoint", NEW_LOG)

    def kinds(self) -> list[tuple[str, str]]:
        return [(alarm.origin, alarm.kind) for alarm in self.state.alarms()]

    def shown(self, log: str, size: int, signer: Signer) -> None:
        """Somebody brings a checkpoint that tells another story."""
        self.notes = [("a paper", checkpoint.sign(log, size, merkle.leaf_hash(b"another story"), signer))]

    def paper(self, number: int) -> Receipt:
        """A deposit, and the receipt that comes out of the printer."""
        content = deposit_content(number)
        first, records = self.kiosk.records.size(), self.kiosk.records
        said: dict[str, Any] = {name: content[name] for name in ("deposit_id", "sums", "disputed_unvalued")}
        said |= {"account_masked": "****7894", "account_known": True, "outcome": "credited", "bundle": "B1"}
        self.world.take(self.kiosk.append("deposit", content))
        about = {"record_seq": first, "record_leaf": records.record(first).leaf_hash}
        self.world.take(self.kiosk.append("receipt", {**said, **about}))
        return receipt.make(records.record(first + 1), records.inclusion(first + 1), records.checkpoint())

    def witness(self) -> None:
        self.world.take(self.kiosk.records.checkpoint().encode(), lane="checkpoint")
        assert self.world.work()

    def found(self, paper: Receipt) -> Finding:
        finding = self.desk.find(self.desk.claim(paper.opening))
        assert finding is not None
        return finding

    def post(self) -> Poster:
        settings = posting_settings.load(self.folder / "bank" / "posting.toml")
        (self.folder / "bank" / "posting").mkdir(exist_ok=True)
        poster = Poster(self.bank.store, settings, None, self.bank.clock)
        poster.round(everything=True)
        return poster

    def close(self) -> None:
        self.state.close()
        self.world.close()


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    with closing(Village(tmp_path)) as found:
        yield found


def assert_upgraded(village: Village, paper: Receipt) -> None:
    """Provisional on the paper, witnessed at the page, and `kiosk-verify` says so by the same policy file."""
    trusted = village.world.policy
    on_paper = checking.check(reading.sort(f"{paper.opening}\n{paper.proof}"), trusted)
    assert on_paper.verdict == "provisional", on_paper.steps[-1]
    finding = village.found(paper)
    assert finding.witnessed
    for newer in (finding.proof, finding.short):
        assert checking.check(reading.sort(f"{paper.opening}\n{newer}"), trusted).verdict == "witnessed"
    assert len(finding.short.encode()) <= receipt.QR_BYTES_MAX
    said = checking.check(reading.sort(f"{paper.opening}\n{paper.proof}"), trusted)
    typed = Claim(KIOSK, paper.sequence, said.content["deposit_id"])  # the paper names the kiosk, not its log
    by_hand = village.desk.find(typed)
    assert by_hand is not None
    assert by_hand.proof == finding.proof


# --- another key ------------------------------------------------------------------------------------------------


def test_the_monitor_follows_a_log_over_a_change_of_its_keys_and_verifies_it_from_the_first_leaf(
    village: Village,
) -> None:
    village.grow(5)
    assert village.monitor.round().sizes == {ORIGIN: 5}
    village.rotate_both()
    village.world.tell()
    village.grow(5)
    assert village.monitor.round().sizes == {ORIGIN: 12}
    assert village.another_monitor().round().sizes == {ORIGIN: 12}
    assert village.kinds() == []
    village.clock.advance(25 * 3600)
    (village.mirror / KIOSK / Tile(-1, 0, 12).path).write_bytes(b"\x00")
    village.monitor.round()
    assert village.kinds() == [(ORIGIN, "altered")]


def test_a_monitor_that_was_not_told_of_the_new_key_does_not_believe_it(village: Village) -> None:
    village.grow(5)
    before = village.world.policy
    village.rotate_both()
    village.world.tell()
    village.grow(1)
    village.world.policy = before
    village.monitor.round()
    assert village.kinds() == [(ORIGIN, "unsigned")]


@pytest.mark.parametrize(
    ("size", "new", "kind"), [(4, False, "fork"), (9, True, "fork"), (4, True, "unsigned"), (9, False, "unsigned")]
)
def test_another_story_is_an_alarm_whichever_key_signed_it(village: Village, size: int, new: bool, kind: str) -> None:
    village.grow(5)
    village.rotate_both()
    village.world.tell()
    village.grow(5)
    village.monitor.round()
    village.shown(KIOSK, size, NEW_LOG if new else village.old_log)
    village.monitor.round()
    assert village.kinds() == [(ORIGIN, kind)]


def test_receipts_of_before_and_after_a_change_of_keys_are_upgraded(village: Village) -> None:
    before = village.paper(1)
    village.rotate_both()
    village.world.tell()
    after = village.paper(2)
    village.witness()
    for paper in (before, after):
        assert_upgraded(village, paper)


# --- another log ------------------------------------------------------------------------------------------------


def test_the_monitor_follows_both_logs_and_alarms_for_each(village: Village) -> None:
    village.grow(5)
    village.world.begin_epoch()
    village.world.tell()
    village.grow(8)
    for monitor in (village.monitor, village.another_monitor()):
        assert monitor.round().sizes == {ORIGIN_2: 9, ORIGIN: 5}
        assert village.kinds() == []
    village.shown(KIOSK, 3, village.old_log)
    village.monitor.round()
    assert village.kinds() == [(ORIGIN, "fork")]
    village.shown(LATER, 3, village.old_log)
    village.monitor.round()
    assert village.kinds() == [(ORIGIN, "fork"), (ORIGIN_2, "fork")]


@pytest.mark.parametrize("log", [KIOSK, LATER])
def test_a_leaf_that_was_changed_in_either_log_is_noticed(village: Village, log: str) -> None:
    village.grow(5)
    village.world.begin_epoch()
    village.world.tell()
    village.grow(4)
    path = village.mirror / log / Tile(-1, 0, 5).path
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(bytes(data))
    village.monitor.round()
    assert village.kinds() == [(checkpoint.origin(log), "altered")]


def test_the_same_checkpoint_key_cannot_speak_for_the_other_log(village: Village) -> None:
    """Both logs are signed by one key: the name in the note decides."""
    village.grow(5)
    village.world.begin_epoch()
    village.world.tell()
    village.grow(4)
    moved = (village.mirror / KIOSK / "checkpoint").read_text().replace(f"{ORIGIN}\n", f"{ORIGIN_2}\n")
    village.notes = [("a paper", moved)]
    village.monitor.round()
    assert village.kinds() == [(ORIGIN_2, "unsigned")]


@pytest.mark.parametrize("rotated", [False, True])
def test_receipts_of_both_logs_are_upgraded_by_one_policy_file(village: Village, rotated: bool) -> None:
    """Also when the first log changed its keys: it speaks from a leaf on there, in the second always."""
    papers = [village.paper(1)]
    if rotated:
        village.rotate_both()
        village.world.tell()
        papers.append(village.paper(2))
    village.witness()
    village.world.begin_epoch()
    village.world.tell()
    papers.append(village.paper(3))
    village.witness()
    assert [paper.sequence for paper in papers] == ([1, 5, 2] if rotated else [1, 2])
    for paper in papers:
        assert_upgraded(village, paper)
    assert verify_store(village.bank.config.store, village.bank.config.keys).ok


def test_a_receipt_by_a_key_whose_time_was_over_in_that_log_is_refused(village: Village) -> None:
    village.paper(1)
    village.rotate_both()
    village.world.begin_epoch()
    village.world.tell()
    good = village.paper(2)
    signer = village.old_log
    forged = checkpoint.sign(LATER, village.kiosk.records.size(), village.kiosk.records.root(), signer)
    known = village.world.policy.log(ORIGIN_2)
    with pytest.raises(VerificationError, match="no known key"):
        cosignature.verify(forged, known, ())
    assert checking.check(reading.sort(f"{good.opening}\n{good.proof}"), village.world.policy).verdict == "provisional"


def test_a_dispute_of_the_first_log_that_is_cleared_in_the_second_is_posted_and_shown(village: Village) -> None:
    records = story(FIRST, SECOND)
    cut = next(at for at, (kind, _) in enumerate(records) if kind == "clearing") + 1
    for kind, content in records[:cut]:
        village.world.take(village.kiosk.append(kind, content))
    about = {"record_seq": 0, "record_leaf": village.kiosk.records.record(0).leaf_hash}
    deposit = records[0][1]
    said: dict[str, Any] = {name: deposit[name] for name in ("deposit_id", "sums", "disputed_unvalued")}
    said |= {"account_masked": "****7894", "account_known": True, "outcome": "credited", "bundle": "B1"}
    place = village.kiosk.records.size()
    village.world.take(village.kiosk.append("receipt", {**said, **about}))
    village.world.begin_epoch()
    for kind, content in records[cut:]:
        village.world.take(village.kiosk.append(kind, content))
    village.world.tell()
    village.witness()
    report = village.post().report()
    assert report["held"] == []
    assert report["postings"]["ready"] + report["postings"]["nothing"] == 3
    finding = village.desk.find(Claim(KIOSK, place, DEPOSIT))
    assert finding is not None
    assert [resolution for _, resolution in finding.cleared] == ["returned", "not_found"]
    assert finding.open_disputes == 0
    assert len(set(finding.events)) == len(finding.events)
    assert verify_store(village.bank.config.store, village.bank.config.keys).ok


# --- the policy file --------------------------------------------------------------------------------------------


def test_the_file_keeps_its_bytes_while_nothing_changes_and_peoples_words_when_something_does(
    village: Village,
) -> None:
    text = village.world.policy_file
    addressed = "\n".join(
        f"{line} https://mirror.example/{KIOSK}" if line.startswith("log ") else line for line in text.splitlines()
    )
    bank, pinned = village.bank.keyring, village.bank.config.keys / "kiosks"
    for each in (text, f"{addressed}\n"):
        assert renewed(each, bank, pinned) == each
    village.rotate_both()
    after = renewed(f"{addressed}\n", bank, pinned)
    assert set(addressed.splitlines()) <= set(after.splitlines())
    assert renewed(after, bank, pinned) == after


def test_a_policy_file_that_is_replaced_is_followed_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "policy.txt"
    path.write_text("quorum none\n")
    found = PolicyFile(path)
    first = found.policy().sha256
    (tmp_path / "new").write_text("# of later\nquorum none\n")
    (tmp_path / "new").rename(path)
    later = found.policy().sha256
    assert later != first
    assert found.data() == b"# of later\nquorum none\n"
    (tmp_path / "bad").write_text("trust me\n")
    (tmp_path / "bad").rename(path)
    assert found.policy().sha256 == later
    path.unlink()
    assert found.policy().sha256 == later
