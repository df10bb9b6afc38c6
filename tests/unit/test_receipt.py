"""The receipt: what it says, how large it is, and that nothing but the right one verifies."""

from collections.abc import Iterator

import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee import merkle, proof, receipt
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.guarantee.note import Verifier
from tests.guarantee_kit import DEPOSIT_ID, KIOSK, Kit
from tests.receipt_kit import BODY, SUMS, checked, made, statement


def test_a_receipt_verifies_from_its_two_texts_alone() -> None:
    kit = Kit()
    for _ in range(5):
        kit.append("alert", {"alert": "test"})
    paper = made(kit, statement(kit))
    found = checked(kit, paper.opening, paper.proof)
    assert (found.kiosk, found.sequence, found.log_size) == (KIOSK, 6, 7)
    assert found.content["sums"] == SUMS
    assert found.content["deposit_id"] == DEPOSIT_ID
    assert found.content["record_leaf"] == kit.records.record(5).leaf_hash
    assert found.at == paper.at == "2026-11-21T08:30:00.125Z"
    assert found.provisional


def test_it_says_nothing_of_risk_staff_or_scene() -> None:
    kit = Kit()
    record = kit.records.record(statement(kit))
    assert b"staff-1" not in record.cose
    assert b"grade" not in record.cose


def test_a_newer_checkpoint_proves_the_same_statement() -> None:
    kit = Kit()
    sequence = statement(kit)
    first = made(kit, sequence)
    for _ in range(10):
        kit.append("alert", {"alert": "test"})
    later = made(kit, sequence)
    assert later.opening == first.opening
    assert checked(kit, later.opening, later.proof).log_size == 12
    assert checked(kit, first.opening, first.proof).log_size == 2


def test_both_texts_fit_their_codes_in_a_log_of_millions() -> None:
    kit = Kit()
    record = kit.records.record(statement(kit))
    note = kit.records.checkpoint()
    made_of = receipt.make(record, [bytes(32)] * 23, note)  # eight million leaves
    assert len(made_of.opening.encode()) < 800
    assert 1200 < len(made_of.proof.encode()) <= receipt.QR_BYTES_MAX
    with pytest.raises(ValueError, match="do not fit"):
        receipt.make(record, [bytes(32)] * 28, note)


def test_the_longest_names_and_several_currencies_fit_as_well() -> None:
    kit = Kit()
    row = dict.fromkeys(("credited", "returned", "retained", "disputed"), 10**11) | {"inserted": 4 * 10**11}
    sums = dict.fromkeys(("CNY", "EUR", "USD", "VND"), row)
    record = kit.records.record(statement(kit, sums=sums, outcome="x" * 40))
    assert len(receipt.make(record, [], kit.records.checkpoint()).opening.encode()) <= receipt.QR_BYTES_MAX


def _spoilt(text: str) -> Iterator[str]:
    for position, character in enumerate(text):
        other = "B" if character != "B" else "C"
        yield text[:position] + other + text[position + 1 :]
        yield text[:position] + text[position + 1 :]
    yield text + "A"


def test_every_changed_or_missing_character_is_refused() -> None:
    kit = Kit()
    paper = made(kit, statement(kit))
    for opening in _spoilt(paper.opening):
        with pytest.raises(VerificationError):
            checked(kit, opening, paper.proof)
    for text in _spoilt(paper.proof):
        with pytest.raises(VerificationError):
            checked(kit, paper.opening, text)


def test_the_proof_of_another_deposit_is_refused() -> None:
    kit = Kit()
    first, second = statement(kit), statement(kit)
    with pytest.raises(VerificationError, match="leaf 3, not 1"):
        checked(kit, made(kit, first).opening, made(kit, second).proof)


def test_another_kiosks_keys_are_refused() -> None:
    kit, other = Kit(), Kit(seed=7)
    paper = made(kit, statement(kit))
    with pytest.raises(VerificationError):
        receipt.check(paper.opening, paper.proof, kit.log_verifier, other.record_keys)
    with pytest.raises(VerificationError):
        receipt.check(paper.opening, paper.proof, other.log_verifier, kit.record_keys)
    stranger = Verifier("deposit-kiosk/other-0002", kit.checkpoint_signer.public)
    with pytest.raises(VerificationError):
        receipt.check(paper.opening, paper.proof, stranger, kit.record_keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"sums": {"CNY": {**SUMS["CNY"], "inserted": 1}}},
        {"sums": {"CNY": {"credited": 1}}},
        {"sums": {"CNY": {**SUMS["CNY"], "credited": True, "retained": 26999}}},
        {"disputed_unvalued": -1},
        {"record_leaf": bytes(31)},
        {"deposit_id": DEPOSIT_ID + b"x"},
        {"account": "79927398713"},
    ],
)
def test_a_signed_record_that_is_no_statement_is_refused(changes: dict[str, object]) -> None:
    kit = Kit()
    paper = made(kit, statement(kit, **changes))
    with pytest.raises(VerificationError, match="not a receipt statement"):
        checked(kit, paper.opening, paper.proof)


def test_no_other_record_becomes_a_receipt() -> None:
    kit = Kit()
    done = kit.append("deposit", {**BODY, "record_seq": 0, "record_leaf": bytes(32)})
    with pytest.raises(ValueError, match="no receipt statement"):
        made(kit, done.sequence)


def test_a_proof_is_the_literal_c2sp_text() -> None:
    kit = Kit()
    paper = made(kit, statement(kit))
    lines = paper.proof.split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 1"]
    assert lines[3] == ""
    assert paper.proof.endswith(kit.records.checkpoint())
    with_extra = paper.proof.replace("index 1", "extra AAAA\nindex 1", 1)
    assert checked(kit, paper.opening, with_extra).sequence == 1


def test_a_fork_of_the_log_is_not_proved_by_the_old_checkpoint() -> None:
    kit = Kit()
    paper = made(kit, statement(kit))
    leaf = kit.records.record(1).leaf_hash
    forged = Ed25519Signer.from_seed(bytes(32))
    with pytest.raises(VerificationError):
        proof.verify(paper.proof, leaf, 1, Verifier(kit.log_verifier.name, forged.public))
    with pytest.raises(VerificationError):
        proof.verify(paper.proof, merkle.leaf_hash(b"another"), 1, kit.log_verifier)
