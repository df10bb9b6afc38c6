"""Decoders of the guarantee: what a bank, a kiosk, a witness or a stranger may claim.

Where a message is signed, its content is signed with the right key here: else the signature would hide every parser
behind it.
"""

import contextlib
from functools import partial
from typing import Final

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import (
    acks,
    cbor,
    checkpoint,
    cose,
    cosignature,
    directory,
    evidence,
    leaf,
    merkle,
    note,
    policy,
    proof,
    receipt,
    seal,
    verify,
)
from kiosk.guarantee.keys import PublicKey, PublicKeys
from tests.fuzz.target import Targets
from tests.guarantee_kit import KIOSK, NOW, Kit

TARGETS = Targets()
_KIT: Final = Kit()
_DONE: Final = _KIT.append("deposit", {"deposit_id": bytes(16), "sums": {"CNY": {"credited": 100}}})
_RECORD: Final = _KIT.receive(_DONE.envelope)
_ACK: Final = _KIT.ack([_DONE.envelope])
_CHECKPOINT: Final = _KIT.records.checkpoint()
_PROOF: Final = proof.make(0, _KIT.records.inclusion(0), _CHECKPOINT)
_DIRECTORY: Final = directory.make(KIOSK, 1, {"1": "Zh** San"}, bytes(32), NOW, _KIT.record_signer)
_PIECE, _STILL = evidence.pieces(b"a still")[0]
_CHUNK: Final = evidence.seal_chunk(KIOSK, _PIECE, _STILL, _KIT.seal_key.public)
_HELD: Final = evidence.make_ack(evidence.ack_of(KIOSK, _PIECE.sha256, 1, NOW, complete=True), _KIT.ack_signer)
_MESSAGES_BYTES_MAX: Final = 1 << 16
refused = partial(contextlib.suppress, VerificationError)


def _payload(message: bytes) -> bytes:
    return cose.parse(message, _MESSAGES_BYTES_MAX).payload


@TARGETS.add(
    [cbor.encode([1, -1, b"\x00", "水", {"a": True, "b": None}, []])], [_payload(_ACK), b"\xbf\xff", b"\x1b" * 9]
)
def cbor_value(data: bytes) -> None:
    with refused():
        assert cbor.encode(cbor.decode(data, 4096)) == data


@TARGETS.add([_RECORD.cose, _ACK])
def cose_message(data: bytes) -> None:
    with refused():
        cose.parse(data)
    with refused():
        assert cose.verify1(data, _KIT.record_keys, cose.RECORD_TYPE).payload


@TARGETS.add([_CHUNK])
def evidence_chunk(data: bytes) -> None:
    with refused():
        piece, part = evidence.open_chunk(data, KIOSK, _KIT.seal_key)
        assert len(part) == piece.bytes


@TARGETS.add([_payload(_HELD)])
def evidence_ack(data: bytes) -> None:
    signed = cose.sign1(data, _KIT.ack_signer, cose.EVIDENCE_ACK_TYPE, max(len(data), 1))
    with refused():
        found = evidence.verify_ack(signed, PublicKeys([_KIT.ack_signer.public]), KIOSK)
        assert evidence.make_ack(found, _KIT.ack_signer) == signed


@TARGETS.add([_RECORD.leaf_entry])
def leaf_entry(data: bytes) -> None:
    with refused():
        found = leaf.parse(data)
        assert leaf.entry(found.kiosk, found.sequence, found.kind, found.minute, found.commitment) == data


@TARGETS.add([_CHECKPOINT.encode(), _KIT.log_verifier.vkey.encode()])
def signed_note(data: bytes) -> None:
    with refused():
        note.verify(data, [_KIT.log_verifier])
    with refused():
        checkpoint.verify(data, _KIT.log_verifier)
    text = data.decode("utf-8", "replace")
    with refused():
        assert note.parse_vkey(text).vkey == text
    with refused():
        cosignature.parse_vkey(text)
    with refused():
        cosignature.verify(data, _KIT.log_verifier, [])


@TARGETS.add([_CHECKPOINT.encode().split(b"\n\n")[0] + b"\n", b"origin\n1\nAAAA\n"])
def checkpoint_text(data: bytes) -> None:
    """Any text, signed by the log itself."""
    try:
        signed = note.sign(data.decode("utf-8", "replace"), _KIT.log_verifier.name, _KIT.checkpoint_signer)
    except ValueError:
        return
    with refused():
        found = checkpoint.verify(signed, _KIT.log_verifier)
        assert found.size >= 0


@TARGETS.add([_DONE.envelope])
def envelope(data: bytes) -> None:
    with refused():
        seal.read_header(data)
    with refused():
        seal.open_envelope(data, _KIT.seal_key)


@TARGETS.add([_payload(_RECORD.cose)])
def record_content(data: bytes) -> None:
    """Any payload, signed by the kiosk and committed to by its own leaf."""
    signed = cose.sign1(data, _KIT.record_signer, cose.RECORD_TYPE, max(len(data), 1))
    found = leaf.parse(_RECORD.leaf_entry)
    entry = leaf.entry(KIOSK, 0, found.kind, found.minute, leaf.commitment(_RECORD.salt, signed))
    with refused():
        verify.verify_record(KIOSK, _RECORD.salt, entry, signed, _KIT.record_keys)


@TARGETS.add([_payload(_ACK)])
def acknowledgement(data: bytes) -> None:
    signed = cose.sign1(data, _KIT.ack_signer, cose.ACKNOWLEDGEMENT_TYPE, max(len(data), 1))
    with refused():
        acks.verify(signed, _KIT.ack_keys, KIOSK)
    with refused():
        acks.verify(data, _KIT.ack_keys, KIOSK)


@TARGETS.add([_payload(_DIRECTORY)])
def account_directory(data: bytes) -> None:
    signed = cose.sign1(data, _KIT.record_signer, cose.DIRECTORY_TYPE, max(len(data), 1))
    with refused():
        directory.verify(signed, _KIT.record_keys, KIOSK)


@TARGETS.add([_PROOF.encode()])
def tlog_proof(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with refused():
        proof.parse(text)
    with refused():
        proof.verify(text, _RECORD.leaf_hash, 0, _KIT.log_verifier)


@TARGETS.add([b"kiosk-receipt/v1\n" + bytes(40), receipt.HEADER.encode() + b"\nAAAA\nAAAA"])
def receipt_opening(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with refused():
        receipt.verify_statement(text, KIOSK, _KIT.record_keys)
    with refused():
        receipt.claimed_kiosk(text)
    with refused():
        receipt.check(text, _PROOF, _KIT.log_verifier, _KIT.record_keys)


@TARGETS.add([f"log {_KIT.log_verifier.vkey}\nquorum none\n".encode(), b"witness a b\ngroup g any a\nquorum g\n"])
def policy_file(data: bytes) -> None:
    with contextlib.suppress(ConfigError, VerificationError):
        policy.parse(data)


@TARGETS.add([_KIT.record_signer.public.pem, b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"])
def public_key(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        PublicKey.from_pem(data)


@TARGETS.add([bytes(97), bytes((1, 3)) + bytes(160)])
def merkle_proof(data: bytes) -> None:
    """Sizes from the first two bytes, hashes from the rest."""
    if len(data) < 2:
        return
    hashes = [data[at : at + 32] for at in range(2, len(data), 32)]
    with refused():
        merkle.verify_inclusion(data[0], data[1], bytes(32), hashes, bytes(32))
    with refused():
        merkle.verify_consistency(data[0], data[1], bytes(32), bytes(32), hashes)
