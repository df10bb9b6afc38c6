"""Evidence from hand to hand: format, the kiosk's bounded queue, the bank's files, and the lane between them."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core.state import RecordDraft
from kiosk.errors import VerificationError
from kiosk.guarantee import evidence
from kiosk.guarantee.evidence import CHUNK_BYTES, Piece
from kiosk.guarantee.evidence_queue import Bounds, EvidenceRefused
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import load_kek
from kiosk.uplink.evidence import AHEAD_MAX, FLIGHTS_MAX, Chunk, EvidenceLane
from kiosk_cloud.evidence import EvidenceFiles
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import Provisioned, provision
from kiosk_cloud.receiver import Message, Receiver
from kiosk_cloud.store import Store
from tests.uplink_kit import EVIDENCE_BYTES_MAX, KIOSK, NOW, Bank, KioskSide, plan

PLENTY = 1 << 40  # bytes that the disk has left
TOPIC = f"kiosk/v1/{KIOSK}/evidence"


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def provisioned(tmp_path: Path) -> Provisioned:
    return provision(plan(tmp_path), utc_now())


@pytest.fixture
def bank(provisioned: Provisioned) -> Iterator[Bank]:
    found = Bank(provisioned)
    yield found
    found.store.close()


def open_journal(provisioned: Provisioned) -> Journal:
    keys = provisioned.kiosk_keys
    kek = load_kek(keys / "vault.key")
    path = keys.parent / "journal.db"
    return Journal(path, LogKeys.load(KIOSK, keys), kek, clock_synchronised=lambda: True)


@pytest.fixture
def journal(provisioned: Provisioned) -> Iterator[Journal]:
    found = open_journal(provisioned)
    yield found
    found.close()


def hand_over(journal: Journal, data: bytes, bounds: Bounds | None = None, free_bytes: int = PLENTY) -> bool:
    """All parts of a file; whether it was kept."""
    parts = evidence.pieces(data)
    return all(journal.take_evidence(piece, part, bounds or Bounds(), free_bytes, NOW).kept for piece, part in parts)


def sealed(journal: Journal, after: int = 0) -> list[bytes]:
    found = []
    while rows := journal.evidence.chunks(after, 8):
        found += [row.sealed for row in rows]
        after = rows[-1].id
    return found


def answers(bank: Bank, *messages: bytes) -> list[bytes]:
    return [out.payload for message in messages for out in bank.take(message, lane="evidence")]


def said(bank: Bank, answer: bytes) -> tuple[int, bool]:
    found = evidence.verify_ack(answer, bank.keyring.ack_public, KIOSK)
    return found.held, found.complete


# --- format -------------------------------------------------------------------------------------------------


def test_a_chunk_opens_for_the_bank_and_any_changed_byte_is_refused(journal: Journal, bank: Bank) -> None:
    data = content(1, 100)
    hand_over(journal, data)
    (message,) = sealed(journal)
    assert data not in message
    assert evidence.open_chunk(message, KIOSK, bank.keyring.seal) == evidence.pieces(data)[0]
    for at in range(len(message)):
        changed = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
        with pytest.raises(VerificationError):
            evidence.open_chunk(changed, KIOSK, bank.keyring.seal)
    with pytest.raises(VerificationError):
        evidence.open_chunk(message, "demo-0002", bank.keyring.seal)


def test_an_answer_of_the_bank_with_any_changed_byte_is_refused(journal: Journal, bank: Bank) -> None:
    hand_over(journal, content(1, 100))
    (answer,) = answers(bank, *sealed(journal))
    for at in range(len(answer)):
        changed = answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1 :]
        with pytest.raises(VerificationError):
            evidence.verify_ack(changed, bank.keyring.ack_public, KIOSK)
    with pytest.raises(VerificationError):
        evidence.verify_ack(answer, bank.keyring.ack_public, "demo-0002")
    with pytest.raises(VerificationError):
        evidence.verify_ack(answer, PublicKeys([bank.keyring.command.public]), KIOSK)


@pytest.mark.parametrize(("index", "chunks", "size"), [(0, 0, 0), (1, 1, 1), (-1, 1, 1), (0, 2, 1), (0, 513, 1 << 26)])
def test_a_piece_that_cannot_be_is_refused(index: int, chunks: int, size: int) -> None:
    with pytest.raises(VerificationError):
        Piece(bytes(32), index, chunks, size)


@given(size=st.integers(1, 3 * CHUNK_BYTES))
@settings(max_examples=20)
def test_the_pieces_of_a_file_are_the_file(size: int) -> None:
    data = bytes(size)
    pieces = evidence.pieces(data)
    assert b"".join(part for _, part in pieces) == data
    assert [piece.index for piece, _ in pieces] == list(range(pieces[0][0].chunks))
    assert all(len(part) == piece.bytes for piece, part in pieces)


# --- the kiosk's queue --------------------------------------------------------------------------------------


def test_a_file_leaves_the_kiosk_when_the_bank_has_signed_for_all_of_it(journal: Journal, bank: Bank) -> None:
    data = content(2, 2 * CHUNK_BYTES + 5)
    assert hand_over(journal, data)
    chunks = sealed(journal)
    assert len(chunks) == 3
    assert answers(bank, *chunks[:2]) == []
    (answer,) = answers(bank, chunks[2])
    assert journal.evidence.files_kept() == 1
    journal.acknowledge_evidence(answer)
    assert (journal.evidence.files_kept(), journal.evidence.bytes_kept(), sealed(journal)) == (0, 0, [])
    journal.acknowledge_evidence(answer)  # it comes twice
    name = evidence.pieces(data)[0][0].sha256
    assert bank.files.path(KIOSK, name).read_bytes() == data
    assert bank.files.path(KIOSK, name).stat().st_mode & 0o777 == 0o600


def test_after_a_restart_of_both_ends_the_rest_follows(provisioned: Provisioned) -> None:
    data = content(3, 10 * CHUNK_BYTES)
    first, bank = open_journal(provisioned), Bank(provisioned)
    hand_over(first, data)
    (answer,) = answers(bank, *sealed(first)[:8])
    assert said(bank, answer) == (8, False)
    first.acknowledge_evidence(answer)
    first.close()
    bank.store.close()
    again, bank = open_journal(provisioned), Bank(provisioned)
    rest = sealed(again)
    assert len(rest) == 2
    again.acknowledge_evidence(answers(bank, *rest)[-1])
    assert again.evidence.files_kept() == 0
    again.close()
    bank.store.close()


def test_a_hand_over_that_broke_off_begins_again_and_is_not_sent_before_it_is_whole(
    provisioned: Provisioned, journal: Journal
) -> None:
    pieces = evidence.pieces(content(4, 2 * CHUNK_BYTES))
    journal.take_evidence(*pieces[0], Bounds(), PLENTY, NOW)
    assert sealed(journal) == []
    journal.close()
    again = open_journal(provisioned)
    with pytest.raises(EvidenceRefused, match="out of turn"):
        again.take_evidence(*pieces[1], Bounds(), PLENTY, NOW)
    for piece in pieces:
        assert again.take_evidence(*piece, Bounds(), PLENTY, NOW).kept
    assert len(sealed(again)) == 2
    for piece in pieces:  # handed over by a watcher that was restarted
        assert again.take_evidence(*piece, Bounds(), PLENTY, NOW).kept
    assert len(sealed(again)) == 2
    again.close()


def test_what_is_not_what_its_name_says_is_not_taken(journal: Journal) -> None:
    ((piece, data),) = evidence.pieces(content(5, 100))
    with pytest.raises(EvidenceRefused, match="is not"):
        journal.take_evidence(piece, data[:-1] + b"?", Bounds(), PLENTY, NOW)
    assert journal.evidence.files_kept() == 0
    assert hand_over(journal, data)


# --- bounds -------------------------------------------------------------------------------------------------


def dropped(journal: Journal) -> list[dict[str, object]]:
    kinds = (dict(journal.log.record(number).content) for number in range(journal.log.size()))
    return [found for found in kinds if found.get("event") == "dropped"]


def test_when_its_share_is_full_the_oldest_evidence_goes_and_a_record_says_so(journal: Journal) -> None:
    bounds = Bounds(bytes_max=1 << 20, free_bytes_min=0)
    record = journal.append(RecordDraft("alert", {"alert": "risk", "grade": "low", "reasons": []}), NOW)
    files = [content(seed, 200_000) for seed in range(6)]
    names = [evidence.pieces(data)[0][0].sha256 for data in files]
    assert all(hand_over(journal, data, bounds) for data in files)
    assert journal.evidence.bytes_kept() <= bounds.bytes_max
    (said,) = dropped(journal)
    assert (said["lane"], said["files"], said["names"], said["why"]) == ("evidence", 2, names[:2], "full")
    assert [row.sequence for row in journal.log.outbox(0, 9)] == [record.sequence, 1]  # no record went, one came
    journal.log.audit()


def test_when_the_disk_fills_evidence_makes_room_for_records_also_without_new_evidence(journal: Journal) -> None:
    bounds = Bounds(bytes_max=1 << 20, free_bytes_min=1 << 20)
    for seed in range(3):
        assert hand_over(journal, content(seed, 100_000), bounds)
    assert journal.tend_evidence(bounds, PLENTY, NOW) == 0
    assert journal.tend_evidence(bounds, (1 << 20) - 1, NOW) == 1
    (said,) = dropped(journal)
    assert said["why"] == "disk"
    assert said["files"] == 3 - journal.evidence.files_kept() > 0
    assert journal.tend_evidence(bounds, (1 << 20) - 1, NOW) == 0  # its pages are free for records now


def test_evidence_that_finds_no_room_is_turned_away_on_record_but_not_every_time(journal: Journal) -> None:
    small = Bounds(bytes_max=50_000, free_bytes_min=0)
    for _ in range(9):
        assert not hand_over(journal, content(1, 60_000), small)
    assert [found["files"] for found in dropped(journal)] == [1, 2, 4, 8]
    assert not hand_over(journal, content(1, 100), Bounds(free_bytes_min=1000), free_bytes=500)
    assert hand_over(journal, content(1, 100), small)


# --- the bank -----------------------------------------------------------------------------------------------


def test_chunks_in_any_order_any_number_of_times_at_any_receiver_make_the_file(
    provisioned: Provisioned, journal: Journal, bank: Bank
) -> None:
    data = content(6, 20 * CHUNK_BYTES - 1)
    hand_over(journal, data)
    messages = sealed(journal) * 2
    random.Random(6).shuffle(messages)
    other = Store(bank.config.store)
    folder = bank.config.evidence_folder
    files = EvidenceFiles(other.db, folder, bank.keyring.ack, EVIDENCE_BYTES_MAX)
    beside = Receiver(other, bank.keyring, bank.clock, files=files)
    found = []
    for number, message in enumerate(messages):
        found += (bank.receiver if number % 2 else beside).handle([Message(TOPIC, message)])
    assert [said(bank, out.payload) for out in found][-1] == (20, True)
    assert [path.read_bytes() for path in (folder / KIOSK).iterdir()] == [data]
    assert [(size, complete) for _, size, complete in bank.files.files(KIOSK)] == [(len(data), True)]
    assert not any(out.retain for out in found)
    other.close()


def test_a_file_with_a_forged_chunk_is_thrown_away_and_taken_when_it_comes_again(journal: Journal, bank: Bank) -> None:
    data = content(7, 2 * CHUNK_BYTES)
    hand_over(journal, data)
    honest = sealed(journal)
    forged = evidence.seal_chunk(KIOSK, evidence.pieces(data)[0][0], bytes(CHUNK_BYTES), bank.keyring.seal.public)
    first, *rest = answers(bank, forged, honest[1])
    assert (said(bank, first), rest) == ((0, False), [])
    journal.acknowledge_evidence(first)
    assert said(bank, answers(bank, *sealed(journal))[-1]) == (2, True)


def test_what_does_not_open_or_comes_from_nobody_we_know_is_in_quarantine(journal: Journal, bank: Bank) -> None:
    hand_over(journal, content(8, 10))
    (message,) = sealed(journal)
    assert answers(bank, message[:-1], b"") == []
    assert bank.take(message, lane="evidence", kiosk="stranger") == []
    assert {lane for lane, _ in bank.store.quarantined(KIOSK)} == {"evidence"}
    assert len(bank.store.quarantined("stranger")) == 1
    assert bank.files.files(KIOSK) == []


def test_a_kiosk_gets_no_more_of_the_banks_disk_than_its_share(journal: Journal, bank: Bank) -> None:
    names = []
    for seed in range(5):
        data = content(seed, 1 << 20)
        names.append(evidence.pieces(data)[0][0].sha256)
        hand_over(journal, data)
    answers(bank, *sealed(journal))
    assert [name for name, _, _ in bank.files.files(KIOSK)] == names[:4]


# --- the lane -----------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32), files=st.integers(1, 4))
@settings(max_examples=6)
def test_all_evidence_arrives_whatever_the_network_does(  # noqa: C901 - a network in one loop
    tmp_path_factory: pytest.TempPathFactory, seed: int, files: int
) -> None:
    rng = random.Random(seed)
    done = provision(plan(tmp_path_factory.mktemp("lane")), utc_now())
    kiosk, bank, lane = KioskSide(done.kiosk_keys), Bank(done), EvidenceLane()
    names = {kiosk.hand_over(rng.randbytes(rng.randrange(1, 4 * CHUNK_BYTES))) for _ in range(files)}
    flying: list[int] = []
    token = 0
    now_s = 0.0
    for step in range(2000):
        calm = step > 200
        now_s += rng.choice([0.1, 61.0])
        if rng.random() < 0.1 and not calm:
            flying.clear()
            lane.disconnected()
        lane.look(now_s)
        if lane.asks(now_s):
            lane.lacking(next((Chunk(row.id, row.sealed) for row in kiosk.evidence.chunks(0, 1)), None), now_s)
        if (after := lane.wanted()) is not None:
            lane.offer(after, [Chunk(row.id, row.sealed) for row in kiosk.evidence.chunks(after, rng.randint(1, 4))])
        while (chunk := lane.ready(now_s)) is not None:
            token += 1
            lane.sent(token, now_s)
            flying.append(token)
            assert len(flying) <= FLIGHTS_MAX
            if calm or rng.random() < 0.5:
                for answer in answers(bank, chunk.sealed):
                    if calm or rng.random() < 0.5:
                        kiosk.acknowledge_evidence(answer)
                        lane.answered(now_s)
        while flying and rng.random() < 0.7:
            lane.settled(flying.pop(0), now_s, accepted=calm or rng.random() < 0.8)
        if kiosk.evidence.files_kept() == 0:
            break
    assert {name for name, _, complete in bank.files.files(KIOSK) if complete} == names
    assert kiosk.evidence.files_kept() == 0
    kiosk.close()
    bank.store.close()


def test_a_bank_that_does_not_answer_is_sent_little() -> None:
    lane = EvidenceLane()
    lane.look(0.0)
    sent = 0
    while (after := lane.wanted()) is not None:
        lane.offer(after, [Chunk(after + 1, b"")])
        assert lane.ready(0.0) is not None
        lane.sent(sent, 0.0)
        lane.settled(sent, 0.0, accepted=True)
        sent += 1
    assert sent == AHEAD_MAX
    lane.look(59.0)
    assert lane.wanted() is None
    lane.look(60.0)
    assert lane.wanted() == 0
