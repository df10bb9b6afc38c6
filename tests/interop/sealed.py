"""Envelopes: @hpke/hybridkem-x-wing opens what the kiosk seals, and seals what the bank opens."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from kiosk.guarantee import cbor, seal, verify
from kiosk.guarantee.note import decode_base64
from kiosk.guarantee.seal import SealPrivateKey
from kiosk.guarantee.verify import VerifiedRecord
from tests.interop.case import Case, Tampering, base64
from tests.interop.world import World
from tests.uplink_kit import KIOSK

ENVELOPES: Final = 30
FIELDS: Final = ("version", "suite", "kiosk", "sequence", "leaf hash", "recipient", "sealed")


def they_open(world: World) -> Iterator[Case]:
    """The kiosk's envelopes; each field of the header changed, one bit of key and ciphertext, the wrong key."""
    tampering = Tampering()
    for sequence, envelope in enumerate(world.envelopes[:ENVELOPES]):
        what = f"envelope {sequence}"
        yield _open(world, what, envelope, good=True, says=_inside(world.kiosk.records.record(sequence)))
        sealed = cbor.decode(envelope, seal.ENVELOPE_BYTES_MAX)[-1]
        yield _open(world, f"{what}, one bit of the encapsulation", tampering.flip_within(envelope, sealed[:1120]))
        yield _open(world, f"{what}, one bit of the ciphertext", tampering.flip_within(envelope, sealed[1120:]))
        at = sequence % len(FIELDS)
        yield _open(world, f"{what}, {FIELDS[at]} changed", _changed(envelope, at, tampering))
    yield _open(world, "under another key", world.envelopes[0], key=SealPrivateKey(bytes(32)))


def _open(
    world: World,
    what: str,
    envelope: bytes,
    *,
    good: bool = False,
    says: object = None,
    key: SealPrivateKey | None = None,
) -> Case:
    key = key or world.bank.keyring.seal
    question = {"op": "open", "envelope": base64(envelope), "seed": base64(key.seed)}
    ours = partial(verify.verify_envelope, envelope, KIOSK, key, world.keys.records)
    return Case(what, question, ours, good, says)


def _changed(envelope: bytes, at: int, tampering: Tampering) -> bytes:
    fields = cbor.decode(envelope, seal.ENVELOPE_BYTES_MAX)
    match fields[at]:
        case bytes(raw):
            fields[at] = tampering.flip(raw)
        case str(word):
            fields[at] = word + "x"
        case int(number):
            fields[at] = number + 1
        case list(numbers):
            fields[at] = [*numbers[:-1], numbers[-1] + 1]
    return cbor.encode(fields)


def to_seal(world: World) -> list[dict[str, Any]]:
    """What asks the peer to seal each of the first records to the bank."""
    return [_seal(world, world.kiosk.records.record(sequence)) for sequence in range(ENVELOPES)]


def _seal(world: World, record: VerifiedRecord) -> dict[str, Any]:
    header = [seal.VERSION, seal.SUITE, record.kiosk, record.sequence]
    public = base64(world.bank.keyring.seal.public.raw)
    question = {"op": "seal", "header": header, "leaf_hash": base64(record.leaf_hash), "public": public}
    return {**question, "inside": _inside(record)}


def _inside(record: VerifiedRecord) -> list[str]:
    return [base64(part) for part in (record.salt, record.leaf_entry, record.cose)]


def we_open(world: World, answers: Sequence[dict[str, Any]]) -> Iterator[Case]:
    """The peer's envelopes before our verifier, and changed ones, which the peer has to refuse as well."""
    tampering = Tampering()
    for sequence, answer in enumerate(answers):
        assert answer["accepted"], answer
        envelope = decode_base64(answer["says"])
        what = f"their envelope {sequence}"
        yield _open(world, what, envelope, good=True, says=_inside(world.kiosk.records.record(sequence)))
        sealed = cbor.decode(envelope, seal.ENVELOPE_BYTES_MAX)[-1]
        yield _open(world, f"{what}, one bit of what is sealed", tampering.flip_within(envelope, sealed))
        at = sequence % len(FIELDS)
        yield _open(world, f"{what}, {FIELDS[at]} changed", _changed(envelope, at, tampering))
