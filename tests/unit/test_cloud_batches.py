"""Many records in one transaction of the receiver: the same comes of it as of each alone, whatever happens between."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.guarantee import acks
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import Provisioned, provision
from kiosk_cloud.receiver import Limits, Message, Outgoing, Receiver
from kiosk_cloud.store import LOOKED_UP_AT_ONCE, Store
from tests.uplink_kit import KIOSK, Bank, KioskSide, plan

RECORD = f"kiosk/v1/{KIOSK}/record"
# Everything but when it was, and what HPKE's randomness is part of.
TABLES = {
    "kiosks": "*",
    "records": "kiosk, sequence, leaf_hash, kind, deposit_id, content, envelope, entry",
    "roots": "*",
    "postings": "id, key, kiosk, sequence, kind, deposit_id, state",
    "forks": "kiosk, kind, sequence, sha256, payload, reason",
    "complaints": "kiosk, number, kind, sequence",
    "quarantine": "kiosk, sha256, lane, reason",
}


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
    found = Bank(provisioned)
    yield found
    found.store.close()


def acknowledged(bank: Bank, out: list[Outgoing]) -> int:
    assert [message.topic for message in out] == [f"kiosk/v1/{KIOSK}/ack"]
    return acks.verify(out[0].payload, bank.keyring.ack_public, KIOSK).sequence


def everything(path: Path) -> dict[str, list[Any]]:
    db = sqlite3.connect(path)
    found = {table: db.execute(f"SELECT {what} FROM {table}").fetchall() for table, what in TABLES.items()}  # noqa: S608 - ours
    db.close()
    return found


def another(bank: Bank, name: str, ahead: int = 4096) -> Receiver:
    """A receiver beside the bank's, with its own connection to the store `name`."""
    return Receiver(Store(bank.config.store.with_name(name)), bank.keyring, bank.clock, Limits(ahead))


def test_a_bad_record_in_the_middle_of_a_batch_refuses_itself_only(kiosk: KioskSide, bank: Bank) -> None:
    good = [kiosk.deposit(number) for number in range(6)]
    bad = [good[2][:-1] + bytes([good[2][-1] ^ 1]), b"", good[3][:40], good[4].replace(KIOSK.encode(), b"demo-0002")]
    mixed = [each for pair in zip(good, [*bad, bad[0], b"\x00"], strict=True) for each in pair]
    assert acknowledged(bank, bank.take(*mixed)) == 6
    assert [each.sequence for each in bank.store.records(KIOSK)] == list(range(6))
    assert len(bank.store.quarantined(KIOSK)) == 5
    assert bank.store.forks(KIOSK) == []


def test_duplicates_in_one_batch_are_stored_and_posted_once(kiosk: KioskSide, bank: Bank) -> None:
    good = [kiosk.deposit(number) for number in range(4)]
    assert acknowledged(bank, bank.take(*good, *reversed(good), *good)) == 4
    assert [each.sequence for each in bank.store.records(KIOSK)] == list(range(4))
    assert len(everything(bank.config.store)["postings"]) == 4
    assert bank.store.forks(KIOSK) == []


def test_two_records_of_one_place_in_one_batch_are_a_fork(
    provisioned: Provisioned, kiosk: KioskSide, bank: Bank
) -> None:
    twin = KioskSide(provisioned.kiosk_keys)
    assert acknowledged(bank, bank.take(kiosk.deposit(1), twin.deposit(2), kiosk.deposit(3))) == 2
    assert [(kind, sequence) for kind, sequence, _ in bank.store.forks(KIOSK)] == [("record", 0)]
    twin.close()


def test_one_deposit_in_two_records_of_one_batch_is_a_fork_and_posted_once(kiosk: KioskSide, bank: Bank) -> None:
    bank.take(kiosk.deposit(1), kiosk.deposit(2), kiosk.deposit(1))
    assert bank.store.forks(KIOSK) == [("deposit", 2, "records 0 and 2 are of the same deposit")]
    assert [row[3] for row in everything(bank.config.store)["postings"]] == [0, 1]


def test_a_batch_larger_than_one_look_up(kiosk: KioskSide, bank: Bank) -> None:
    envelopes = [kiosk.deposit(number) for number in range(2 * LOOKED_UP_AT_ONCE + 3)]
    bank.take(*envelopes[::2])
    assert acknowledged(bank, bank.take(*envelopes)) == len(envelopes)
    assert acknowledged(bank, bank.take(*reversed(envelopes))) == len(envelopes)
    assert bank.store.forks(KIOSK) == []
    assert len(everything(bank.config.store)["postings"]) == len(envelopes)


def test_what_fails_before_the_commit_leaves_nothing_and_comes_again(
    kiosk: KioskSide, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rest = kiosk.deposit(0), [kiosk.deposit(number) for number in range(1, 5)]
    bank.take(first)
    before = everything(bank.config.store)
    for step in ("add_records", "add_roots", "save_tree", "add_ack"):
        with monkeypatch.context() as broken:
            broken.setattr(bank.store, step, _disk_full)
            with pytest.raises(sqlite3.OperationalError):
                bank.take(*rest)
        assert everything(bank.config.store) == before
    assert acknowledged(bank, bank.take(*rest)) == 5


def _disk_full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_crash_between_commit_and_acknowledgement_only_repeats_the_acknowledgement(
    kiosk: KioskSide, bank: Bank
) -> None:
    envelopes = [kiosk.deposit(number) for number in range(5)]
    unsent = bank.take(*envelopes)  # the process ends here: neither published nor confirmed to the broker
    kept = everything(bank.config.store)
    restarted = another(bank, bank.config.store.name)
    again = restarted.handle([Message(RECORD, envelope) for envelope in envelopes])
    assert again == unsent
    assert everything(bank.config.store) == kept
    assert kiosk.acknowledge(again[0].payload) == 5


@pytest.mark.parametrize("seed", range(5))
def test_batches_dealt_to_two_receivers_end_like_one_message_after_another(
    provisioned: Provisioned, kiosk: KioskSide, bank: Bank, seed: int
) -> None:
    dice, twin = random.Random(seed), KioskSide(provisioned.kiosk_keys)
    wire = [kiosk.deposit(number) for number in range(10)]
    wire += [kiosk.deposit(3), kiosk.append("clearing", {"deposit_id": bytes(15) + b"\x05"})]
    wire += [kiosk.append("alert", {"what": "door"}), twin.deposit(50), twin.deposit(51), b"noise", wire[4][:-9]]
    wire += dice.choices(wire, k=12)
    dice.shuffle(wire)
    ahead = dice.choice((5, 4096))
    alone, shared = another(bank, "alone.db", ahead), [another(bank, "shared.db", ahead) for _ in range(2)]
    while wire:
        batch = [Message(RECORD, wire.pop()) for _ in range(min(len(wire), dice.randint(1, 9)))]
        one_by_one = [alone.handle([message]) for message in batch]
        assert dice.choice(shared).handle(batch) == next((out for out in reversed(one_by_one) if out), [])
    found = [everything(bank.config.store.with_name(name)) for name in ("alone.db", "shared.db")]
    assert found[0] == found[1], f"seed {seed}"
    assert found[0]["records"], f"seed {seed}"
    twin.close()
