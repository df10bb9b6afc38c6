import os
import sqlite3
from pathlib import Path

import pytest

from kiosk.errors import JournalError, LogForkError, LogRollbackError, VerificationError
from kiosk.guarantee import acks, cbor, checkpoint, cose, leaf, merkle, seal, verify
from kiosk.guarantee.personal import ErasedError
from tests.guarantee_kit import DEPOSIT_ID, KIOSK, NOW, Kit


def test_a_record_reaches_the_bank_as_it_was_written() -> None:
    kit = Kit()
    content = {"deposit_id": DEPOSIT_ID, "account": "6217000010001234567", "sums": {"CNY": {"credited": 12_000}}}
    done = kit.append("deposit", content)
    record = kit.receive(done.envelope)
    header = {
        "v": 1,
        "kiosk": KIOSK,
        "seq": 0,
        "kind": "deposit",
        "at": "2026-11-21T08:30:00.125Z",
        "clock_synchronised": True,
    }
    assert record.content == content | header
    assert (record.sequence, record.kind, record.leaf_hash) == (0, "deposit", done.leaf_hash)
    assert leaf.parse(record.leaf_entry).minute == "2026-11-21T08:30Z"
    assert record == kit.records.record(0)
    assert record == verify.verify_record(KIOSK, record.salt, record.leaf_entry, record.cose, kit.record_keys)


def test_only_the_bank_can_read_an_envelope_and_the_disk_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    kit = Kit(connection=sqlite3.connect(path, isolation_level=None))
    done = kit.append("deposit", {"deposit_id": DEPOSIT_ID, "account": "6217000010001234567"})
    kit.connection.close()
    assert b"6217000010001234567" not in done.envelope
    assert b"6217000010001234567" not in path.read_bytes()
    with pytest.raises(VerificationError, match="not ours"):
        verify.verify_envelope(done.envelope, KIOSK, Kit(seed=1).seal_key, kit.record_keys)


def test_same_seed_same_log() -> None:
    first, second = Kit(seed=5), Kit(seed=5)
    assert [first.append().leaf_hash for _ in range(3)] == [second.append().leaf_hash for _ in range(3)]


def test_what_is_rolled_back_never_was() -> None:
    kit = Kit()
    kept = kit.append()
    kit.connection.execute("BEGIN")
    kit.records.append("deposit", {"n": 1}, NOW)
    assert kit.records.size() == 2
    kit.connection.execute("ROLLBACK")
    assert (kit.records.size(), kit.records.root(), kit.records.outbox_rows()) == (1, kept.leaf_hash, 1)
    assert kit.append().sequence == 1
    assert kit.records.audit().size == 2


def test_nothing_is_written_outside_a_transaction() -> None:
    kit = Kit()
    with pytest.raises(JournalError, match="transaction"):
        kit.records.append("deposit", {}, NOW)
    with pytest.raises(JournalError, match="transaction"):
        kit.records.acknowledge(kit.ack([]))


@pytest.mark.parametrize("content", [{"seq": 7}, {"kiosk": "other"}, {"when": NOW}, {"x": "y" * 70_000}])
def test_content_that_cannot_be_a_record_is_refused(content: dict[str, object]) -> None:
    kit = Kit()
    with pytest.raises(ValueError, match=r"may not name|profile|at most"):
        kit.append("deposit", content)
    assert kit.records.size() == 0


def test_every_proof_of_a_small_log_verifies() -> None:
    kit = Kit()
    leaves = [kit.append("alert", {"n": n}).leaf_hash for n in range(21)]
    for size in range(1, len(leaves) + 1):
        root = kit.records.root_at(size)
        assert root == merkle.root_of(leaves[:size])
        for index in range(size):
            merkle.verify_inclusion(index, size, leaves[index], kit.records.inclusion(index, size), root)
        merkle.verify_consistency(size, 21, root, kit.records.root(), kit.records.consistency(size))
    for call in (
        lambda: kit.records.inclusion(21),
        lambda: kit.records.consistency(0),
        lambda: kit.records.root_at(22),
    ):
        with pytest.raises(ValueError, match=r"tree|proof|leaves"):
            call()


def test_outbox_is_in_order_and_bounded() -> None:
    kit = Kit()
    envelopes = [kit.append().envelope for _ in range(5)]
    assert [row.sequence for row in kit.records.outbox(0, 3)] == [0, 1, 2]
    assert [row.envelope for row in kit.records.outbox(3, 10)] == envelopes[3:]
    assert kit.records.outbox(0, 0) == kit.records.outbox(0, -1) == kit.records.outbox(5, 10) == []


def test_only_the_banks_signature_empties_the_outbox_and_only_forwards() -> None:
    kit = Kit()
    envelopes = [kit.append().envelope for _ in range(5)]
    assert kit.acknowledge(kit.ack([])) == 0
    early, later = kit.ack(envelopes[:2]), kit.ack(envelopes[:4])
    assert kit.acknowledge(later) == 4
    assert kit.acknowledge(early) == kit.acknowledge(later) == 4  # reordered, duplicated
    assert [row.sequence for row in kit.records.outbox(0, 10)] == [4]
    assert (kit.records.acknowledged(), kit.records.acknowledgement()) == (4, later)
    assert kit.records.envelope(0) == envelopes[0]  # leaf and envelope stay
    forged = acks.make(KIOSK, 5, kit.records.root(), NOW, kit.record_signer)
    with pytest.raises(VerificationError, match="unknown key"):
        kit.acknowledge(forged)
    assert kit.records.outbox_rows() == 1


def test_a_bank_that_holds_another_log_is_noticed() -> None:
    kit = Kit()
    envelopes = [kit.append().envelope for _ in range(3)]
    with pytest.raises(LogForkError):
        kit.acknowledge(acks.make(KIOSK, 3, bytes(32), NOW, kit.ack_signer))
    kit.acknowledge(kit.ack(envelopes))
    with pytest.raises(LogForkError):  # an old one is held against the log as well
        kit.acknowledge(acks.make(KIOSK, 2, bytes(32), NOW, kit.ack_signer))
    with pytest.raises(VerificationError, match="demo-0002"):
        kit.acknowledge(acks.make("demo-0002", 3, kit.records.root(), NOW, kit.ack_signer))


def test_a_restored_old_disk_is_noticed() -> None:
    whole, restored = Kit(seed=2), Kit(seed=2)
    envelopes = [whole.append().envelope for _ in range(3)]
    restored.append()
    with pytest.raises(LogRollbackError):
        restored.acknowledge(whole.ack(envelopes))


def test_leaves_cannot_be_changed_by_mistake() -> None:
    kit = Kit()
    kit.append()
    for statement in (
        "DELETE FROM leaves",
        "UPDATE leaves SET kind = 'x'",
        "UPDATE leaves SET hashes = x'00'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            kit.connection.execute(statement)


def test_audit_notices_what_was_changed_on_purpose() -> None:
    statements = [
        "UPDATE leaves SET hashes = zeroblob(32) WHERE seq = 2",
        "UPDATE leaves SET hashes = substr(hashes, 1, 32) WHERE seq = 1",
        "UPDATE leaves SET hashes = CAST(hashes || zeroblob(32) AS BLOB) WHERE seq = 2",
        "UPDATE leaves SET entry = (SELECT entry FROM leaves WHERE seq = 1) WHERE seq = 0",
        "DELETE FROM leaves WHERE seq = 1",
        "DELETE FROM leaves WHERE seq = 0",
    ]
    for statement in statements:
        kit = Kit()
        for _ in range(4):
            kit.append()
        assert kit.records.audit() == verify.LogState(4, kit.records.root())
        for trigger in ("leaves_update", "leaves_delete"):
            kit.connection.execute(f"DROP TRIGGER {trigger}")
        kit.connection.execute(statement)
        with pytest.raises(VerificationError):
            kit.records.audit()


def test_a_missing_node_is_a_broken_journal() -> None:
    kit = Kit()
    kit.append()
    kit.connection.execute("DROP TRIGGER leaves_update")
    kit.connection.execute("UPDATE leaves SET hashes = x''")
    with pytest.raises(JournalError, match="missing"):
        kit.append()


def test_erasing_a_deposit_leaves_a_log_that_verifies() -> None:
    kit = Kit()
    kit.append("deposit", {"deposit_id": DEPOSIT_ID})
    kit.append("deposit", {"deposit_id": bytes(16)})
    with kit.transaction():
        assert kit.vault.destroy(DEPOSIT_ID)
    with pytest.raises(ErasedError):
        kit.records.record(0)
    assert kit.records.record(1).sequence == 1
    assert kit.records.audit().size == 2
    with pytest.raises(ErasedError):
        kit.append("deposit", {"deposit_id": DEPOSIT_ID})


def test_unknown_sequences_are_the_callers_mistake() -> None:
    kit = Kit()
    for call in (kit.records.envelope, kit.records.entry, kit.records.record):
        with pytest.raises(ValueError, match="no record 0"):
            call(0)


def test_the_chain_is_held_against_checkpoints() -> None:
    kit = Kit()
    points, entries = [], []
    for n in range(6):
        kit.append()
        entries.append(kit.records.entry(n))
        points.append(kit.read_checkpoint(kit.records.checkpoint()))
    assert verify.verify_log(KIOSK, entries, points) == verify.LogState(6, kit.records.root())
    assert verify.verify_log(KIOSK, [], []).root == merkle.EMPTY_ROOT
    other = Kit(seed=9)
    other.append()
    wrong = [
        (entries[:5], points),  # truncated
        (entries[1:], points),  # beginning lost
        (entries[:2] + entries[3:], points),  # gap
        ([entries[1], entries[0], *entries[2:]], points),  # reordered
        ([other.records.entry(0), *entries[1:]], points),  # replaced
        (entries, [checkpoint.Checkpoint(points[0].origin, 3, bytes(32))]),
        (entries, [*points, checkpoint.Checkpoint(points[0].origin, 3, bytes(32))]),
        (entries, [checkpoint.Checkpoint("deposit-kiosk/other", 6, points[-1].root)]),
    ]
    for changed, held_against in wrong:
        with pytest.raises(VerificationError):
            verify.verify_log(KIOSK, changed, held_against)
    with pytest.raises(VerificationError):
        verify.verify_log("demo-0002", entries, [])


def test_an_acknowledgement_is_no_record_and_a_record_no_acknowledgement() -> None:
    kit = Kit()
    ack = kit.ack([])
    with pytest.raises(VerificationError, match="not as"):
        cose.verify1(ack, kit.ack_keys, cose.RECORD_TYPE)
    kit.append()
    record = kit.records.record(0).cose
    with pytest.raises(VerificationError, match="not as"):
        acks.verify(record, kit.record_keys, KIOSK)


def test_impossible_acknowledgements_are_not_made() -> None:
    kit = Kit()
    for kiosk, sequence, root in [
        ("a b", 1, bytes(32)),
        (KIOSK, -1, bytes(32)),
        (KIOSK, 0, bytes(32)),
        (KIOSK, 1, b""),
    ]:
        with pytest.raises(ValueError, match=r"name|range|root"):
            acks.make(kiosk, sequence, root, NOW, kit.ack_signer)


def test_personal_text_opens_for_its_deposit_and_purpose_only() -> None:
    kit = Kit()
    vault, other = kit.vault, os.urandom(16)
    sealed = vault.seal_text(DEPOSIT_ID, "6217000010001234567", "account")
    assert vault.open_text(DEPOSIT_ID, sealed, "account") == "6217000010001234567"
    vault.seal_text(other, "x", "account")
    for subject, data, purpose in [
        (other, sealed, "account"),
        (DEPOSIT_ID, sealed, "holder"),
        (DEPOSIT_ID, sealed[:-1], "account"),
        (DEPOSIT_ID, b"", "account"),
    ]:
        with pytest.raises(VerificationError):
            vault.open_text(subject, data, purpose)
    with pytest.raises(ErasedError):
        vault.open_text(bytes(16), sealed, "account")


def test_destroying_a_key_follows_the_callers_transaction() -> None:
    kit = Kit()
    sealed = kit.vault.seal_text(DEPOSIT_ID, "name", "holder")
    kit.connection.execute("BEGIN")
    kit.vault.destroy(DEPOSIT_ID)
    kit.connection.execute("ROLLBACK")
    assert kit.vault.open_text(DEPOSIT_ID, sealed, "holder") == "name"
    with kit.transaction():
        assert kit.vault.destroy(DEPOSIT_ID)
    assert not kit.vault.destroy(DEPOSIT_ID)
    with pytest.raises(ErasedError):
        kit.vault.open_text(DEPOSIT_ID, sealed, "holder")
    with pytest.raises(ErasedError):
        kit.vault.seal_text(DEPOSIT_ID, "again", "holder")


def test_another_kek_opens_nothing() -> None:
    kit = Kit()
    sealed = kit.vault.seal_text(DEPOSIT_ID, "name", "holder")
    stranger = type(kit.vault)(kit.connection, os.urandom(32))
    with pytest.raises(VerificationError, match="KEK"):
        stranger.open_text(DEPOSIT_ID, sealed, "holder")
    with pytest.raises(ValueError, match="32"):
        type(kit.vault)(kit.connection, b"short")


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_a_sender_with_a_degenerate_point_is_refused_like_any_other(point: bytes) -> None:
    kit = Kit()
    fields = cbor.decode(kit.append().envelope, seal.ENVELOPE_BYTES_MAX)
    fields[6] = fields[6][:1088] + point + fields[6][1120:]
    with pytest.raises(VerificationError, match="does not open"):
        kit.receive(cbor.encode(fields))
