"""Witnesses' cosignatures: the specification's own example, both types, and whom a policy believes."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, cosignature, note
from kiosk.guarantee.checkpoint import Checkpoint
from kiosk.guarantee.cosignature import Cosigner
from tests.guarantee_kit import KIOSK, Kit

AT = 1_790_000_000
ED = Cosigner("witness.example/ed", Ed25519PrivateKey.from_private_bytes(bytes(32)))
PQ = Cosigner("witness.example/pq", MLDSA44PrivateKey.from_seed_bytes(bytes(32)))
BOTH = (ED.witness, PQ.witness)


@pytest.fixture(scope="module")
def signed() -> tuple[Kit, str]:
    kit = Kit()
    for _ in range(3):
        kit.append()
    return kit, kit.records.checkpoint()


def cosigned(signed: tuple[Kit, str]) -> str:
    kit, text = signed
    point = kit.read_checkpoint(text)
    return text + ED.line(point, AT) + PQ.line(point, AT + 1)


def test_both_types_are_verified_beside_the_logs_own_signature(signed: tuple[Kit, str]) -> None:
    kit, _ = signed
    point, found = cosignature.verify(cosigned(signed), kit.log_verifier, BOTH)
    assert point.size == 3
    assert [(each.witness.name, each.at_posix_s) for each in found] == [
        ("witness.example/ed", AT),
        ("witness.example/pq", AT + 1),
    ]
    assert checkpoint.verify(cosigned(signed), kit.log_verifier) == point  # who knows no witness reads it as before


def test_what_is_signed_is_what_the_specification_says() -> None:
    point = Checkpoint("example.com/log", 20852163, bytes(range(32)))
    assert cosignature.signed_message(0x04, "w", 1679315147, point) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/log\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    )
    assert cosignature.signed_message(0x06, "w1", 5, point) == (
        b"subtree/v1\n\0\x02w1"
        + (5).to_bytes(8)
        + b"\x0fexample.com/log"
        + bytes(8)
        + (20852163).to_bytes(8)
        + point.root
    )


def test_strangers_are_ignored_and_known_forgers_are_not(signed: tuple[Kit, str]) -> None:
    kit, text = signed
    point, found = cosignature.verify(cosigned(signed), kit.log_verifier, [ED.witness])
    assert [each.witness for each in found] == [ED.witness]
    elsewhere = Checkpoint(point.origin, point.size + 1, point.root)
    for cosigner in (ED, PQ):
        with pytest.raises(VerificationError, match="bad cosignature"):
            cosignature.verify(text + cosigner.line(elsewhere, AT), kit.log_verifier, BOTH)
    twice = text + ED.line(point, AT) * 2
    assert len(cosignature.verify(twice, kit.log_verifier, BOTH)[1]) == 1


def test_every_changed_byte_of_a_cosigned_checkpoint_is_refused_or_changes_nothing(signed: tuple[Kit, str]) -> None:
    kit, text = signed
    point = kit.read_checkpoint(text)
    whole = (text + ED.line(point, AT)).encode()
    expected = cosignature.verify(whole, kit.log_verifier, BOTH)
    for index in range(len(whole)):
        changed = bytearray(whole)
        changed[index] ^= 0x01
        try:
            found = cosignature.verify(bytes(changed), kit.log_verifier, BOTH)
        except VerificationError:
            continue
        assert found[0] == expected[0]
        assert found[1] in (expected[1], [])  # a line of a name or key id that nobody knows counts for nothing


@pytest.mark.parametrize("witness", BOTH, ids=["ed25519", "ml-dsa-44"])
def test_a_vkey_comes_back_and_a_changed_one_is_refused(witness: cosignature.Witness) -> None:
    assert cosignature.parse_vkey(witness.vkey) == witness
    with pytest.raises(VerificationError):
        cosignature.parse_vkey(witness.vkey.replace("witness", "Witness", 1))
    with pytest.raises(VerificationError):
        note.parse_vkey(witness.vkey)  # a witness's key is no log's key


def test_a_logs_key_is_no_witnesss() -> None:
    kit = Kit()
    with pytest.raises(VerificationError, match="type 04"):
        cosignature.parse_vkey(checkpoint.verifier_of(KIOSK, kit.checkpoint_signer).vkey)


@pytest.mark.parametrize("seconds", [0, -1, 2**63])
def test_nobody_cosigns_at_a_time_that_cannot_be(seconds: int) -> None:
    with pytest.raises(ValueError, match="second"):
        ED.line(Checkpoint("x", 1, bytes(32)), seconds)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "x" * 256])
def test_a_witness_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        Cosigner(name, Ed25519PrivateKey.from_private_bytes(bytes(32)))
