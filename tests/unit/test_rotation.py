"""Another key takes over by a leaf that both have signed; what a stolen key signed beyond a size is not believed."""

import dataclasses
from typing import Any

import pytest

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cbor, checkpoint, log, policy, rotation, verify
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.rotation import Compromise, KeyHistory, Span
from kiosk.guarantee.signers import Purpose
from kiosk.verifier import checking
from kiosk.verifier.reading import Texts
from tests.guarantee_kit import KIOSK, NOW, Kit
from tests.receipt_kit import made, statement

NEW = Ed25519Signer.from_seed(b"\x21" * 32)
NEW_LOG = Ed25519Signer.from_seed(b"\x22" * 32)
THIRD = Ed25519Signer.from_seed(b"\x23" * 32)
BANK = Ed25519Signer.from_seed(b"\x24" * 32)
SECOND = Ed25519Signer.from_seed(b"\x25" * 32)
BY = {"number": 1, "content": bytes(32), "by": ["anna", "carl"]}


def prepared() -> Kit:
    """A kiosk with a new key beside each present one."""
    kit = Kit()
    kit.keys = dataclasses.replace(kit.keys, next_record=NEW, next_checkpoint=NEW_LOG)
    return opened(kit)


def opened(kit: Kit) -> Kit:
    """The same journal, a new process."""
    kit.records = log.RecordLog(
        kit.connection, kit.keys, kit.vault, clock_synchronised=lambda: True, randomness=kit.randomness
    )
    return kit


def rotate(kit: Kit, purpose: Purpose = "record", kid: bytes = NEW.kid) -> log.Appended:
    with kit.transaction():
        return kit.records.rotate(purpose, kid, BY, NOW)


def history(kit: Kit) -> KeyHistory:
    """What somebody learns who pinned the first key and reads the log."""
    found = KeyHistory.of(kit.record_keys)
    for sequence in range(kit.records.size()):
        record = verify.verify_envelope(kit.records.envelope(sequence), KIOSK, kit.seal_key, found)
        if record.kind == rotation.KIND and record.content["purpose"] == "record":
            found = found.rotated(rotation.verify(KIOSK, sequence, record.content, found))
    return found


def test_the_new_key_signs_from_the_leaf_after_the_rotation_on() -> None:
    kit = prepared()
    kit.append()
    assert kit.records.next_key("record") == NEW.public
    done = rotate(kit)
    later = kit.append()
    records = [kit.records.record(sequence) for sequence in range(3)]
    assert [record.kid for record in records] == [kit.record_signer.kid, kit.record_signer.kid, NEW.kid]
    assert (records[1].kind, records[1].content["new_kid"]) == ("key_rotation", NEW.kid)
    assert kit.records.next_key("record") is None
    found = history(kit)
    assert [(span.first, span.end) for span in found.spans] == [(0, 2), (2, None)]
    assert found.present == NEW.public
    assert kit.records.audit().size == 3
    assert (done.sequence, later.sequence) == (1, 2)


def test_what_the_old_key_signs_after_the_rotation_is_refused_and_what_it_signed_before_holds() -> None:
    kit = prepared()
    before = kit.append().envelope
    rotate(kit)
    found = history(kit)
    thief = Kit()  # the same first keys, and a log of its own: leaf 2 signed by the old key
    forged = [thief.append("deposit", {"deposit_id": bytes(16)}).envelope for _ in range(3)][2]
    assert verify.verify_envelope(before, KIOSK, kit.seal_key, found).sequence == 0
    with pytest.raises(VerificationError, match="it was rotated at leaf 1"):
        verify.verify_envelope(forged, KIOSK, kit.seal_key, found)


def test_the_new_key_speaks_for_nothing_before_its_turn() -> None:
    found = KeyHistory([Span(Kit().record_signer.public, 0, 5), Span(NEW.public, 5)])
    assert found.at(5).get(NEW.kid, "EdDSA") == NEW.public
    with pytest.raises(VerificationError, match="signs only later ones"):
        found.at(4).get(NEW.kid, "EdDSA")
    with pytest.raises(VerificationError, match="unknown key"):
        found.at(4).get(THIRD.kid, "EdDSA")


def test_a_restart_goes_on_under_the_key_that_the_log_remembers() -> None:
    kit = prepared()
    kit.append()
    rotate(kit)
    opened(kit).append()  # record.key is still the old one, record.next.key the new one
    kit.keys = dataclasses.replace(kit.keys, record=NEW, next_record=None)  # the new one has taken the old one's name
    opened(kit).append()
    assert [kit.records.record(at).kid for at in (2, 3)] == [NEW.kid, NEW.kid]
    kit.keys = dataclasses.replace(kit.keys, record=kit.record_signer, next_record=None)
    with pytest.raises(ConfigError, match=f"record key {NEW.kid.hex()[:16]}, which is not here"):
        opened(kit)


def test_a_key_that_was_replaced_without_a_rotation_is_noticed_at_the_start() -> None:
    kit = Kit()
    kit.append()
    kit.keys = dataclasses.replace(kit.keys, checkpoint=NEW_LOG)
    with pytest.raises(ConfigError, match="checkpoint key"):
        opened(kit)


def test_a_rotation_that_is_rolled_back_never_was() -> None:
    kit = prepared()
    kit.append()

    def broken() -> None:
        with kit.transaction():
            kit.records.rotate("record", NEW.kid, BY, NOW)
            raise RuntimeError("the power is cut")

    with pytest.raises(RuntimeError):
        broken()
    kit.append()
    assert kit.records.record(1).kid == kit.record_signer.kid


@pytest.mark.parametrize("kid", [bytes(32), Kit().record_signer.kid])
def test_only_a_key_that_is_there_and_new_can_take_over(kid: bytes) -> None:
    kit = prepared()
    kit.append()
    with pytest.raises(ValueError, match="no new record key"):
        rotate(kit, kid=kid)


def test_an_old_key_cannot_come_back() -> None:
    kit = prepared()
    kit.append()
    rotate(kit)
    with pytest.raises(ValueError, match="no new record key"):
        rotate(kit, kid=kit.record_signer.kid)
    back = rotation.Rotation("record", 5, NEW.kid, kit.record_signer.public)
    with pytest.raises(VerificationError, match="may not come back"):
        history(kit).rotated(back)


def _content(kit: Kit, **changed: Any) -> dict[str, Any]:
    return {**rotation.draft(KIOSK, "record", 1, kit.record_signer, NEW), **changed}


def test_a_rotation_takes_both_signatures_over_exactly_this() -> None:
    kit = Kit()
    good, keys = _content(kit), kit.record_keys
    assert rotation.verify(KIOSK, 1, good, keys).new == NEW.public
    other = rotation.draft(KIOSK, "record", 1, kit.record_signer, THIRD)
    elsewhere = rotation.draft(KIOSK, "record", 2, kit.record_signer, NEW)
    thief = rotation.draft(KIOSK, "record", 1, THIRD, NEW)
    for bad in (
        _content(kit, new_key=other["new_key"]),
        _content(kit, by_new=other["by_new"]),
        _content(kit, by_old=elsewhere["by_old"]),
        _content(kit, purpose="checkpoint"),
        _content(kit, new_kid=bytes(32)),
        _content(kit, by_old=good["by_new"]),
        _content(kit, new_key=b"no key"),
        {key: value for key, value in good.items() if key != "by_new"},
        elsewhere,
        thief,
    ):
        with pytest.raises(VerificationError):
            rotation.verify(KIOSK, 1, bad, keys)
    with pytest.raises(VerificationError):
        rotation.verify("demo-0002", 1, good, keys)
    with pytest.raises(ValueError, match="the old one"):
        rotation.draft(KIOSK, "record", 1, NEW, NEW)


# --- checkpoints, receipts, policy ------------------------------------------------------------------------------


def test_checkpoints_are_read_by_the_key_whose_turn_it_was() -> None:
    kit = prepared()
    kit.append()
    before = kit.records.checkpoint()
    rotate(kit, "checkpoint", NEW_LOG.kid)
    after = kit.records.checkpoint()
    known = checkpoint.Log.of(kit.records.origin, kit.records.keys("checkpoint"))
    assert [checkpoint.verify(signed, known).size for signed in (before, after)] == [1, 2]
    forged = checkpoint.sign(KIOSK, 2, kit.records.root(), kit.checkpoint_signer)
    with pytest.raises(VerificationError, match="does not speak for place 2"):
        checkpoint.verify(forged, known)
    with pytest.raises(VerificationError, match="no known key"):
        checkpoint.verify(after, kit.log_verifier)


def told(kit: Kit) -> policy.Policy:
    lines = policy.lines_of(KIOSK, kit.records.keys("record"), kit.records.keys("checkpoint"))
    return policy.parse("\n".join([*lines, "quorum none", ""]).encode())


def test_receipts_of_before_and_after_hold_under_the_new_policy_file() -> None:
    kit = prepared()
    first = made(kit, statement(kit))
    rotate(kit)
    rotate(kit, "checkpoint", NEW_LOG.kid)
    second = made(kit, statement(kit))
    trusted = told(kit)
    for paper in (first, second):
        assert checking.check(Texts(paper.opening, paper.proof), trusted).verdict == "provisional"
    old_policy = told(Kit())
    assert checking.check(Texts(first.opening, first.proof), old_policy).verdict == "provisional"
    assert checking.check(Texts(second.opening, second.proof), old_policy).verdict == "refused"


def test_a_receipt_by_the_old_key_after_the_rotation_is_refused_with_the_reason() -> None:
    kit = prepared()
    kit.append()
    rotate(kit)
    trusted = told(kit)
    thief = Kit()
    for _ in range(4):
        thief.append("alert", {"alert": "test"})
    paper = made(thief, statement(thief))
    found = checking.check(Texts(paper.opening, paper.proof), trusted)
    assert found.verdict == "refused"
    assert "does not speak for place 5" in found.steps[0].reason


@pytest.mark.parametrize(
    "line", ["# key-range", "# key-range 00 0 - x", f"# key-range {'ab' * 32} 1", f"# key-range {'ab' * 32} -1 2 x",
             f"# key-range {'ab' * 32} 0 x x", f"# key-range {'ab' * 32} 0 2",
             f"# key-range {'ab' * 32} 0 5 x\n# key-range {'ab' * 32} 0 6 x"]
)  # fmt: skip
def test_a_range_that_is_not_understood_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="range"):
        policy.parse(f"{line}\nquorum none\n".encode())


# --- compromise ---------------------------------------------------------------------------------------------


def stolen(kit: Kit, size: int, *signers: Ed25519Signer, **changed: Any) -> bytes:
    said = Compromise(KIOSK, "record", kit.record_signer.kid, size, THIRD.public, "2026-11-22T08:00:00.000Z")
    return rotation.declare(dataclasses.replace(said, **changed), *(signers or (BANK, SECOND)))


def believed(data: bytes) -> Compromise:
    return rotation.believe(data, KIOSK, PublicKeys([BANK.public]), PublicKeys([SECOND.public]))


def test_nothing_is_believed_that_a_stolen_key_signed_beyond_the_trusted_size() -> None:
    kit = prepared()
    envelopes = [kit.append().envelope for _ in range(4)]
    found = KeyHistory.of(kit.record_keys).compromised(believed(stolen(kit, 2)))
    for envelope in envelopes[:2]:
        verify.verify_envelope(envelope, KIOSK, kit.seal_key, found)
    for envelope in envelopes[2:]:
        with pytest.raises(VerificationError, match="declared it stolen; trusted up to 2"):
            verify.verify_envelope(envelope, KIOSK, kit.seal_key, found)
    assert found.at(2).get(THIRD.kid, "EdDSA") == THIRD.public
    with pytest.raises(VerificationError):
        found.at(1).get(THIRD.kid, "EdDSA")


def test_a_rotation_that_the_thief_signed_falls_with_the_key() -> None:
    kit = prepared()
    kit.append()
    rotate(kit)
    known = history(kit)
    assert known.present == NEW.public
    assert known.compromised(believed(stolen(kit, 1))).present == THIRD.public
    kept = known.compromised(believed(stolen(kit, 2)))  # the rotation is leaf 1: it was still trusted
    assert kept.spans == known.spans


def test_events_count_in_the_order_of_their_places() -> None:
    kit = prepared()
    kit.append()
    rotate(kit)
    rotations = {1: kit.records.record(1).content, 9: _content(kit)}
    known = rotation.history(KeyHistory.of(kit.record_keys), KIOSK, "record", rotations, [believed(stolen(kit, 1))])
    assert [(span.key.kid, span.first, span.end) for span in known.spans] == [
        (kit.record_signer.kid, 0, 1), (THIRD.kid, 1, None),
    ]  # fmt: skip
    assert rotation.history(KeyHistory.of(kit.record_keys), KIOSK, "record", rotations, []).present == NEW.public


def test_a_statement_takes_the_bank_and_a_second_signer() -> None:
    kit = Kit()
    good = stolen(kit, 2)
    assert believed(good).trusted_size == 2
    parts: Any = cbor.decode(good, 8192)
    other: Any = cbor.decode(stolen(kit, 3), 8192)
    for bad in (
        stolen(kit, 2, BANK),
        stolen(kit, 2, BANK, BANK),
        stolen(kit, 2, SECOND, BANK),
        stolen(kit, 2, BANK, THIRD),
        stolen(kit, 2, kiosk="demo-0002"),
        stolen(kit, 2, successor=kit.record_signer.public),
        cbor.encode([parts[0], other[1]]),
        b"\x80",
    ):
        with pytest.raises(VerificationError):
            believed(bad)
