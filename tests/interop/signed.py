"""COSE_Sign1: @auth0/cose reads what kiosk and bank sign, and signs what we read."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from kiosk.guarantee import cose, counts, directory
from kiosk.guarantee.counts import BankCount
from kiosk.guarantee.keys import Ed25519Signer, PublicKey, PublicKeys
from kiosk.guarantee.note import decode_base64
from tests.interop.case import Case, Tampering, base64
from tests.interop.world import World
from tests.uplink_kit import ACCOUNT, KIOSK, NOW

RECORDS: Final = 30


def messages(world: World) -> Iterator[tuple[str, bytes, PublicKey, str]]:
    """(what, message, whose key, content type) of everything that is signed with COSE."""
    ring = world.bank.keyring
    for sequence in range(RECORDS):
        signed = world.kiosk.records.record(sequence).cose
        yield f"record {sequence}", signed, world.log_keys.record.public, cose.RECORD_TYPE
    for stop in world.stops:
        yield f"acknowledgement of {stop.size}", stop.ack, ring.ack.public, cose.ACKNOWLEDGEMENT_TYPE
    command = ring.command
    names = {ACCOUNT: "J*** D**"}
    said = directory.make(KIOSK, 1, names, ring.directory_key(KIOSK), NOW, command)
    yield "account directory", said, command.public, cose.DIRECTORY_TYPE
    counted = counts.make(KIOSK, 1, [BankCount("B00000001", (), ("a-1", "a-2"))], NOW, command)
    yield "counts", counted, command.public, cose.COUNTS_TYPE


def they_read(world: World) -> Iterator[Case]:
    """Good ones; one bit in each part that a signature covers, and in the signature; another key."""
    tampering = Tampering()
    stranger = Ed25519Signer.from_seed(bytes(32)).public
    for what, message, key, content_type in messages(world):
        parts = cose.parse(message)
        yield _verify(what, message, key, content_type, good=True)
        for name in ("protected", "payload", "signature"):
            spoilt = tampering.flip_within(message, getattr(parts, name))
            yield _verify(f"{what}, one bit of its {name}", spoilt, key, content_type)
        yield _verify(f"{what}, cut short", message[:-1], key, content_type)
        yield _verify(f"{what}, under another key", message, stranger, content_type)


def _verify(what: str, message: bytes, key: PublicKey, content_type: str, *, good: bool = False) -> Case:
    question = {"op": "verify", "message": base64(message), "key": key.pem.decode(), "algorithm": key.algorithm}
    keys = PublicKeys([key])
    says = base64(cose.parse(message).payload) if good else None
    return Case(what, question, lambda: cose.verify1(message, keys, content_type), good, says)


def to_sign(world: World) -> list[dict[str, Any]]:
    """What asks the peer to sign the payload of each of our messages under a key of its own."""
    made = []
    for _, message, _, content_type in messages(world):
        made.append({"op": "sign", "payload": base64(cose.parse(message).payload), "type": content_type})
    return made


def we_read(questions: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]]) -> Iterator[Case]:
    """The peer's messages before our verifier, and changed ones, which the peer has to refuse as well."""
    tampering = Tampering()
    for question, answer in zip(questions, answers, strict=True):
        assert answer["accepted"], answer
        message, key = decode_base64(answer["says"]["message"]), PublicKey.from_pem(answer["says"]["key"].encode())
        what, content_type = f"theirs of {question['type']}", question["type"]
        yield _verify(what, message, key, content_type, good=True)
        for part in (decode_base64(question["payload"]), cose.parse(message).signature):
            yield _verify(f"{what}, one bit changed", tampering.flip_within(message, part), key, content_type)
