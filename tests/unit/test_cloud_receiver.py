"""The bank's receiver without a broker: whatever order, repetition or forgery arrives."""

import hashlib
import os
import random
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.core import metrics, telemetry
from kiosk.guarantee import acks, checkpoint, keys, leaf, seal
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import Provisioned, provision
from kiosk_cloud.receiver import QUARANTINE_BYTES_MAX, Outgoing
from kiosk_cloud.store import Store
from tests.uplink_kit import KIOSK, Bank, KioskSide, deposit_content, plan


@pytest.fixture
def provisioned(tmp_path: Path) -> Provisioned:
    return provision(plan(tmp_path), utc_now())


@pytest.fixture
def kiosk(provisioned: Provisioned) -> Iterator[KioskSide]:
    side = KioskSide(provisioned.kiosk_keys)
    yield side
    side.close()


@pytest.fixture
def bank(provisioned: Provisioned) -> Iterator[Bank]:
    found = Bank(provisioned, ahead_records_max=8)
    yield found
    found.store.close()


def acknowledged(bank: Bank, out: list[Outgoing]) -> int:
    """How far the one acknowledgement in `out` reaches."""
    assert [(message.topic, message.retain) for message in out] == [(f"kiosk/v1/{KIOSK}/ack", True)]
    return acks.verify(out[0].payload, bank.keyring.ack_public, KIOSK).sequence


def twin(provisioned: Provisioned) -> KioskSide:
    """Another log with the same keys: a kiosk whose disk was copied."""
    return KioskSide(provisioned.kiosk_keys)


def test_records_in_order_are_acknowledged_and_the_kiosk_believes_it(kiosk: KioskSide, bank: Bank) -> None:
    for number in range(3):
        out = bank.take(kiosk.deposit(number))
        assert acknowledged(bank, out) == number + 1
        assert kiosk.acknowledge(out[0].payload) == number + 1


def test_only_the_contiguous_prefix_is_acknowledged(kiosk: KioskSide, bank: Bank) -> None:
    envelopes = [kiosk.deposit(number) for number in range(4)]
    assert bank.take(envelopes[3]) == []
    assert bank.take(envelopes[1]) == []
    assert acknowledged(bank, bank.take(envelopes[0])) == 2
    assert acknowledged(bank, bank.take(envelopes[2])) == 4


def test_any_order_and_repetition_ends_in_the_same_acknowledgement(kiosk: KioskSide, bank: Bank) -> None:
    envelopes = [kiosk.deposit(number) for number in range(8)] * 2
    random.Random(5).shuffle(envelopes)
    reached = [acknowledged(bank, out) for envelope in envelopes if (out := bank.take(envelope))]
    assert reached == sorted(reached)
    assert reached[-1] == 8
    assert len(list(bank.store.records(KIOSK))) == 8


def test_a_batch_gets_one_acknowledgement(kiosk: KioskSide, bank: Bank) -> None:
    envelopes = [kiosk.deposit(number) for number in range(5)]
    assert acknowledged(bank, bank.take(*reversed(envelopes))) == 5


def test_a_duplicate_is_answered_with_the_newest_acknowledgement(kiosk: KioskSide, bank: Bank) -> None:
    first, second = kiosk.deposit(0), kiosk.deposit(1)
    bank.take(first, second)
    again = bank.take(first)
    assert acknowledged(bank, again) == 2
    assert bank.take(first) == again


def test_a_record_too_far_ahead_is_not_stored_and_comes_again(kiosk: KioskSide, bank: Bank) -> None:
    envelopes = [kiosk.deposit(number) for number in range(9)]
    assert bank.take(envelopes[8]) == []
    assert bank.store.record(KIOSK, 8) is None
    assert acknowledged(bank, bank.take(*envelopes)) == 9


def test_a_hole_is_complained_of_after_30_seconds_and_closed_when_it_fills(kiosk: KioskSide, bank: Bank) -> None:
    envelopes = [kiosk.deposit(number) for number in range(3)]
    bank.take(envelopes[0], envelopes[2])
    bank.receiver.tick()
    bank.clock.advance(29)
    bank.receiver.tick()
    assert bank.store.gaps(KIOSK) == []
    bank.clock.advance(1)
    bank.receiver.tick()
    bank.receiver.tick()
    assert bank.store.gaps(KIOSK) == [(1, None)]
    bank.take(envelopes[1])
    [(missing, closed_at)] = bank.store.gaps(KIOSK)
    assert (missing, closed_at) == (1, "2026-11-21T08:30:30.125Z")


def test_a_kiosk_whose_first_record_is_missing_is_complained_of(kiosk: KioskSide, bank: Bank) -> None:
    kiosk.deposit(0)
    bank.take(kiosk.deposit(1))
    bank.receiver.tick()
    bank.clock.advance(30)
    bank.receiver.tick()
    assert bank.store.gaps(KIOSK) == [(0, None)]


def test_what_does_not_open_is_quarantined_and_is_no_fork(kiosk: KioskSide, bank: Bank) -> None:
    good = kiosk.deposit(0)
    bad = good[:-1] + bytes([good[-1] ^ 1])
    assert bank.take(bad) == []
    assert bank.take(bad, b"", b"\xff" * 100) == []
    assert len(bank.store.quarantined(KIOSK)) == 3
    assert bank.store.forks(KIOSK) == []
    assert acknowledged(bank, bank.take(good)) == 1


def test_a_record_sealed_by_a_stranger_is_quarantined(provisioned: Provisioned, kiosk: KioskSide, bank: Bank) -> None:
    stranger = keys.Ed25519Signer.generate()
    (provisioned.kiosk_keys / "record.key").unlink()
    stranger.save(provisioned.kiosk_keys / "record.key")
    impostor = KioskSide(provisioned.kiosk_keys)
    assert bank.take(impostor.deposit(0)) == []
    impostor.close()
    assert "unknown key" in bank.store.quarantined(KIOSK)[0][1]
    assert acknowledged(bank, bank.take(kiosk.deposit(0))) == 1


def test_a_record_on_another_kiosks_topic_is_quarantined_there(kiosk: KioskSide, bank: Bank) -> None:
    assert bank.take(kiosk.deposit(0), kiosk="demo-0009") == []
    assert bank.store.quarantined(KIOSK) == []
    assert len(bank.store.quarantined("demo-0009")) == 1


def test_two_signed_records_of_one_sequence_are_a_fork(provisioned: Provisioned, kiosk: KioskSide, bank: Bank) -> None:
    other = twin(provisioned)
    bank.take(kiosk.deposit(0))
    forged = other.deposit(1)
    for _ in range(2):  # said once, however often it comes
        assert acknowledged(bank, bank.take(forged)) == 1
    other.close()
    assert [(kind, sequence) for kind, sequence, _ in bank.store.forks(KIOSK)] == [("record", 0)]


def test_the_same_record_sealed_again_is_a_duplicate(provisioned: Provisioned, kiosk: KioskSide, bank: Bank) -> None:
    envelope = kiosk.deposit(0)
    opened = seal.open_envelope(envelope, bank.keyring.seal)
    again = seal.seal(
        kiosk=KIOSK,
        sequence=0,
        leaf_hash=leaf.leaf_hash(opened.leaf_entry),
        salt=opened.salt,
        leaf_entry=opened.leaf_entry,
        cose=opened.cose,
        recipient=bank.keyring.seal.public,
    )
    assert again != envelope
    bank.take(envelope)
    assert acknowledged(bank, bank.take(again)) == 1
    assert bank.store.forks(KIOSK) == []


def test_two_records_of_one_deposit_are_a_fork(kiosk: KioskSide, bank: Bank) -> None:
    content = deposit_content(7)
    bank.take(kiosk.append("deposit", content), kiosk.append("deposit", {**content, "outcome": "other"}))
    assert [(kind, sequence) for kind, sequence, _ in bank.store.forks(KIOSK)] == [("deposit", 1)]


def test_checkpoints_are_held_against_the_records(kiosk: KioskSide, bank: Bank) -> None:
    kiosk.deposit(0)
    envelopes = [kiosk.records.envelope(0), kiosk.deposit(1)]
    bank.take(kiosk.records.checkpoint().encode(), lane="checkpoint")  # before its records
    bank.take(*envelopes)
    assert bank.store.forks(KIOSK) == []


def test_a_checkpoint_of_another_history_is_a_fork(provisioned: Provisioned, kiosk: KioskSide, bank: Bank) -> None:
    other = twin(provisioned)
    other.deposit(5)
    lie = other.records.checkpoint().encode()
    other.close()
    bank.take(lie, lane="checkpoint")
    assert bank.store.forks(KIOSK) == []  # nothing contradicts it yet
    bank.take(kiosk.deposit(0))
    assert [(kind, size) for kind, size, _ in bank.store.forks(KIOSK)] == [("checkpoint", 1)]


def test_two_checkpoints_of_one_size_are_a_fork(provisioned: Provisioned, kiosk: KioskSide, bank: Bank) -> None:
    other = twin(provisioned)
    for side in (kiosk, other):
        side.deposit(1)
        bank.take(side.records.checkpoint().encode(), lane="checkpoint")
    other.close()
    assert [(kind, size) for kind, size, _ in bank.store.forks(KIOSK)] == [("checkpoint", 1)]


def test_an_unsigned_checkpoint_is_quarantined(kiosk: KioskSide, bank: Bank) -> None:
    stranger = keys.Ed25519Signer.generate()
    bank.take(checkpoint.sign(KIOSK, 1, bytes(32), stranger).encode(), lane="checkpoint")
    assert bank.store.checkpoints(KIOSK) == []
    assert [lane for lane, _ in bank.store.quarantined(KIOSK)] == ["checkpoint"]


def test_topics_that_are_not_received_change_nothing(bank: Bank) -> None:
    for kiosk, lane in (("demo-0001", "ack"), ("../../etc", "record"), ("demo-0001", "nonsense")):
        assert bank.take(b"x", kiosk=kiosk, lane=lane) == []
    assert bank.store.kiosks() == []


def test_a_restarted_receiver_goes_on_where_it_stopped(provisioned: Provisioned, kiosk: KioskSide, bank: Bank) -> None:
    envelopes = [kiosk.deposit(number) for number in range(6)]
    bank.take(*envelopes[:3], envelopes[5])
    again = Bank(provisioned)
    assert acknowledged(again, again.take(*envelopes[3:5])) == 6
    again.store.close()


def test_a_third_checkpoint_of_one_size_is_not_stored(provisioned: Provisioned, bank: Bank) -> None:
    log_key = keys.Ed25519Signer.load(provisioned.kiosk_keys / "checkpoint.key")
    notes = [checkpoint.sign(KIOSK, 7, bytes([number]) * 32, log_key).encode() for number in range(5)]
    bank.take(*notes, *notes, lane="checkpoint")
    assert [root for _, root, _ in bank.store.checkpoints(KIOSK)] == [bytes([number]) * 32 for number in range(2)]
    assert [(kind, size) for kind, size, _ in bank.store.forks(KIOSK)] == [("checkpoint", 7)]
    bank.take(checkpoint.sign(KIOSK, 8, bytes(32), log_key).encode(), lane="checkpoint")  # another size
    assert len(bank.store.checkpoints(KIOSK)) == 3


def test_the_records_are_still_held_against_two_checkpoints_of_their_size(
    provisioned: Provisioned, kiosk: KioskSide, bank: Bank
) -> None:
    log_key = keys.Ed25519Signer.load(provisioned.kiosk_keys / "checkpoint.key")
    lies = [checkpoint.sign(KIOSK, 1, bytes([number]) * 32, log_key).encode() for number in range(2)]
    bank.take(*lies, lane="checkpoint")
    bank.take(kiosk.deposit(0))
    assert [(kind, size) for kind, size, _ in bank.store.forks(KIOSK)] == [("checkpoint", 1)] * 2


def test_quarantine_keeps_the_digest_of_all_and_the_bytes_of_the_beginning(bank: Bank) -> None:
    long = random.Random(3).randbytes(900_000)
    for _ in range(2):
        bank.take(long, long[:QUARANTINE_BYTES_MAX], long[:-1])
    db = sqlite3.connect(bank.config.store)
    rows = db.execute("SELECT sha256, payload, reason FROM quarantine ORDER BY rowid").fetchall()
    db.close()
    sent = (long, long[:QUARANTINE_BYTES_MAX], long[:-1])
    assert [row[0] for row in rows] == [hashlib.sha256(each).digest() for each in sent]
    assert {row[1] for row in rows} == {long[:QUARANTINE_BYTES_MAX]}
    assert ["of 900000 bytes" in row[2] for row in rows] == [True, False, False]
    assert QUARANTINE_BYTES_MAX >= seal.ENVELOPE_BYTES_MAX  # whatever may be an envelope is kept whole


def test_a_new_store_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that came in between found a file of schema version 0 and gave up."""
    path = tmp_path / "store.db"
    found: list[list[str]] = []
    real = os.link

    def link(source: Path, target: Path) -> None:
        assert not path.exists()
        real(source, target)
        store = Store(path, read_only=True)
        found.append(store.kiosks())
        store.close()

    monkeypatch.setattr("kiosk_cloud.schema.os.link", link)
    Store(path).close()
    assert found == [[]]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["store.db", "store.db.turns"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def health(at: str, *samples: metrics.Sample, reasons: tuple[str, ...] = ()) -> bytes:
    told = telemetry.Telemetry(1, KIOSK, at, not reasons, reasons, samples)
    return telemetry.encoded(told)


def known(bank: Bank) -> telemetry.Telemetry:
    found = bank.store.health(KIOSK)
    assert found is not None
    return telemetry.decoded(found[0], KIOSK)


MORNING, NOON = "2026-11-21T08:00:00.000Z", "2026-11-21T12:00:00.000Z"


def test_the_newest_health_is_kept_and_an_older_one_that_a_broker_had_kept_is_not(bank: Bank) -> None:
    assert bank.take(health(NOON), lane="telemetry") == []
    bank.take(health(MORNING), lane="telemetry")
    assert known(bank).at == NOON
    bank.clock.advance(601)  # the kiosk's clock went back
    bank.take(health(MORNING), lane="telemetry")
    assert known(bank).at == MORNING


def test_health_that_is_none_is_not_kept_nor_what_somebody_put_into_it(bank: Bank) -> None:
    straps = metrics.sample("kiosk_straps", 3)
    for bad in (b"", b"{}", b"x" * 70_000, health(NOON).replace(KIOSK.encode(), b"demo-0002")):
        assert bank.take(bad, lane="telemetry") == []
    assert bank.store.health(KIOSK) is None
    assert bank.store.quarantined(KIOSK) == []
    planted = (("kiosk_owner", ("王小明",), 1.0), ("kiosk_info", ("79927398713", "0" * 64), 1.0), straps, straps)
    bank.take(health(NOON, *planted, reasons=("card 4111 1111 1111 1111",)), lane="telemetry")
    assert known(bank).samples == (straps,)
    assert known(bank).reasons == ("card [bank_card]",)
