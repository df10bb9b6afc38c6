"""Make `guarantee.jsonl`: good and tampered examples of everything that the guarantee reads, for our tests and for
people who write a backend in another language.

    .venv/bin/python -m tests.vectors.make_guarantee > tests/vectors/guarantee.jsonl

First line: the keys (secrets too; they protect nothing). Then one example a line: `accept` says what a reader must
do with `data` (base64), `why` what is wrong with it. HPKE draws its own randomness, so envelopes differ from run to
run while everything inside them stays the same.
"""

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kiosk.guarantee import acks, cbor, checkpoint, cose, directory, leaf, merkle, note, seal
from kiosk.guarantee.keys import Ed25519Signer, Signer
from kiosk.guarantee.verify import VerifiedRecord
from tests.guarantee_kit import DEPOSIT_ID, KIOSK, NOW, Kit

ACCOUNT = "6217000010001234567"
COMMAND = Ed25519Signer.from_seed(bytes([7] * 32))
DIRECTORY_KEY = bytes(range(32))


@dataclass(frozen=True)
class Example:
    """`kind`: envelope, acknowledgement, checkpoint or directory."""

    kind: str
    why: str
    data: bytes
    accept: bool = False


def main() -> None:
    """Write the examples to standard output."""
    kit = Kit(seed=2026)
    for row in (keys(kit), *map(as_row, examples(kit))):
        sys.stdout.write(json.dumps(row) + "\n")


def examples(kit: Kit) -> Iterator[Example]:
    """All of them, in the order of the file."""
    yield from (*envelopes(kit), *acknowledgements(kit), *checkpoints(kit), *directories())


def keys(kit: Kit) -> dict[str, str]:
    """What a reader needs to check the examples; `seal_seed` is the bank's X-Wing seed."""
    return {
        "kiosk": KIOSK,
        "seal_seed": kit.seal_key.seed.hex(),
        "record_pem": kit.record_signer.public.pem.decode(),
        "acknowledgement_pem": kit.ack_signer.public.pem.decode(),
        "checkpoint_vkey": kit.log_verifier.vkey,
        "command_pem": COMMAND.public.pem.decode(),
        "directory_key": DIRECTORY_KEY.hex(),
    }


def as_row(example: Example) -> dict[str, Any]:
    """One line of the file."""
    data = base64.b64encode(example.data).decode()
    return {"kind": example.kind, "accept": example.accept, "why": example.why, "data": data}


def envelopes(kit: Kit) -> Iterator[Example]:
    """The good envelope, changed ones, and consistent ones around a record that is not to be believed."""
    content = {"deposit_id": DEPOSIT_ID, "account": ACCOUNT, "sums": {"CNY": {"credited": 12_000, "returned": 0}}}
    good = kit.append("deposit", content).envelope
    record = kit.receive(good)
    yield Example("envelope", "as the kiosk made it", good, accept=True)
    for position, why in enumerate(("version", "suite", "kiosk", "sequence", "leaf hash", "recipient", "sealed")):
        fields = cbor.decode(good, seal.ENVELOPE_BYTES_MAX)
        fields[position] = _other(fields[position])
        yield Example("envelope", f"{why} changed", cbor.encode(fields))
    yield Example("envelope", "a byte after the end", good + b"\x00")
    yield Example("envelope", "indefinite length", b"\x9f" + good[1:] + b"\xff")
    yield Example("envelope", "cut short", good[:-1])
    yield Example("envelope", "header of another record around a good one", _seal(kit, record, sequence=1))
    yield Example("envelope", "leaf hash of another entry", _seal(kit, record, leaf_hash=bytes(32)))
    yield Example("envelope", "another salt", _seal(kit, replace(record, salt=bytes(32))))
    yield from _envelopes_of_bad_records(kit, record)


def _envelopes_of_bad_records(kit: Kit, record: VerifiedRecord) -> Iterator[Example]:
    """Whoever knows the bank's public key can seal these; only what is inside gives them away."""
    header = dict(record.content)
    bad: list[tuple[str, dict[str, Any], Signer, str]] = [
        ("signed by an unknown key", header, Ed25519Signer.from_seed(bytes(32)), cose.RECORD_TYPE),
        ("signed by the kiosk's checkpoint key", header, kit.checkpoint_signer, cose.RECORD_TYPE),
        ("signed as an acknowledgement", header, kit.record_signer, cose.ACKNOWLEDGEMENT_TYPE),
        ("record of another kiosk", header | {"kiosk": "demo-0002"}, kit.record_signer, cose.RECORD_TYPE),
        ("record of another sequence", header | {"seq": 7}, kit.record_signer, cose.RECORD_TYPE),
        ("record of another kind", header | {"kind": "alert"}, kit.record_signer, cose.RECORD_TYPE),
        ("record of another minute", header | {"at": "2026-11-21T08:31:00.125Z"}, kit.record_signer, cose.RECORD_TYPE),
        ("record of version 2", header | {"v": 2}, kit.record_signer, cose.RECORD_TYPE),
        ("record without a header", {"deposit_id": DEPOSIT_ID}, kit.record_signer, cose.RECORD_TYPE),
    ]
    for why, content, signer, content_type in bad:
        yield Example("envelope", why, _reseal(kit, record, cose.sign1(cbor.encode(content), signer, content_type)))
    signed = cose.parse(record.cose)
    for why, changed in [
        ("something in the unprotected header", replace(signed, unprotected={1: -8})),
        ("signature of another message", replace(signed, signature=kit.record_signer.sign(b"other"))),
        ("payload changed", replace(signed, payload=signed.payload.replace(ACCOUNT.encode(), b"6" * len(ACCOUNT)))),
        ("algorithm changed to ES256", replace(signed, protected=signed.protected.replace(b"\x01\x27", b"\x01\x26"))),
    ]:
        parts = [changed.protected, changed.unprotected, changed.payload, changed.signature]
        yield Example("envelope", why, _reseal(kit, record, b"\xd2" + cbor.encode(parts)))
    yield Example("envelope", "COSE without its tag", _reseal(kit, record, record.cose[1:]))


def acknowledgements(kit: Kit) -> Iterator[Example]:
    """The bank's word for one record, and what is not."""
    root = kit.records.root()
    good = acks.make(KIOSK, 1, root, NOW, kit.ack_signer)
    yield Example("acknowledgement", "as the bank made it", good, accept=True)
    yield Example("acknowledgement", "by the kiosk itself", acks.make(KIOSK, 1, root, NOW, kit.record_signer))
    yield Example("acknowledgement", "for another kiosk", acks.make("demo-0002", 1, root, NOW, kit.ack_signer))
    yield Example("acknowledgement", "a byte after the end", good + b"\x00")
    fields = cbor.decode(cose.parse(good).payload, acks.ACK_BYTES_MAX)
    for why, change in [
        ("another size than sequence", {"tree_size": 2}),
        ("a negative sequence", {"sequence": -1, "tree_size": -1}),
        ("a root of 31 bytes", {"root": root[:31]}),
        ("version 2", {"v": 2}),
        ("a field too many", {"more": True}),
    ]:
        payload = cbor.encode(fields | change)
        yield Example("acknowledgement", why, cose.sign1(payload, kit.ack_signer, cose.ACKNOWLEDGEMENT_TYPE))
    payload = cbor.encode(fields)
    yield Example("acknowledgement", "signed as a record", cose.sign1(payload, kit.ack_signer, cose.RECORD_TYPE))


def checkpoints(kit: Kit) -> Iterator[Example]:
    """The log of one record, and what is no checkpoint of it."""
    good = kit.records.checkpoint()
    yield Example("checkpoint", "as the kiosk made it", good.encode(), accept=True)
    unknown = note.sign(good.partition("\n\n")[0] + "\n", "example.com/witness", kit.ack_signer).partition("\n\n")[2]
    yield Example("checkpoint", "with a line of an unknown key", (good + unknown).encode(), accept=True)
    text = good.partition("\n\n")[0] + "\n"
    other = note.sign(text, checkpoint.origin(KIOSK), kit.record_signer)
    yield Example("checkpoint", "signed by the record key", other.encode())
    yield Example("checkpoint", "only a line of an unknown key", f"{text}\n{unknown}".encode())
    yield Example("checkpoint", "size changed", good.replace("\n1\n", "\n2\n").encode())
    yield Example("checkpoint", "hyphen for the dash", good.replace("\u2014", "-").encode())
    yield Example("checkpoint", "no newline at the end", good[:-1].encode())
    root = note.encode_base64(merkle.EMPTY_ROOT)
    for why, lines in [
        ("size with a leading zero", text.replace("\n1\n", "\n01\n")),
        ("an extension line", text + "extension\n"),
        ("another origin", text.replace(KIOSK, "demo-0002")),
        ("the root of an empty tree at size 1", f"{checkpoint.origin(KIOSK)}\n1\n{root}\n"),
    ]:
        yield Example("checkpoint", why, note.sign(lines, checkpoint.origin(KIOSK), kit.checkpoint_signer).encode())


def directories() -> Iterator[Example]:
    """The bank's account directory, and what is none."""
    names = {ACCOUNT: "J*** D**", "79927398713": "\u738b*\u660e"}
    good = directory.make(KIOSK, 3, names, DIRECTORY_KEY, NOW, COMMAND)
    yield Example("directory", "as the bank made it", good, accept=True)
    empty = directory.make(KIOSK, 1, {}, DIRECTORY_KEY, NOW, COMMAND)
    yield Example("directory", "of no account at all", empty, accept=True)
    other = Ed25519Signer.from_seed(bytes([8] * 32))
    yield Example("directory", "by another key", directory.make(KIOSK, 3, names, DIRECTORY_KEY, NOW, other))
    elsewhere = directory.make("demo-0002", 3, names, DIRECTORY_KEY, NOW, COMMAND)
    yield Example("directory", "for another kiosk", elsewhere)
    yield Example("directory", "a byte after the end", good + b"\x00")
    fields = cbor.decode(cose.parse(good).payload, directory.DIRECTORY_BYTES_MAX)
    first, second = fields["entries"]
    for why, change in [
        ("version 0", {"version": 0}),
        ("a version that is no integer", {"version": True}),
        ("version 2 of the format", {"v": 2}),
        ("a field too many", {"more": True}),
        ("entries out of order", {"entries": [second, first]}),
        ("an account twice", {"entries": [first, [first[0], "M*** R**"], second]}),
        ("a hash of 31 bytes", {"entries": [[first[0][:31], first[1]], second]}),
        ("a name with a control character", {"entries": [[first[0], "J\x1b[2J"], second]}),
        ("an empty name", {"entries": [[first[0], ""], second]}),
    ]:
        yield Example("directory", why, cose.sign1(cbor.encode(fields | change), COMMAND, cose.DIRECTORY_TYPE))
    payload = cbor.encode(fields)
    yield Example("directory", "signed as a record", cose.sign1(payload, COMMAND, cose.RECORD_TYPE))


def _other(value: Any) -> Any:
    match value:
        case int():
            return value + 1
        case list():
            return [*value[:-1], value[-1] + 1]
        case str():
            return value[:-1] + "2"
    return value[:-1] + bytes([value[-1] ^ 1])


def _seal(kit: Kit, record: VerifiedRecord, *, sequence: int = 0, leaf_hash: bytes = b"") -> bytes:
    return seal.seal(
        kiosk=KIOSK,
        sequence=sequence,
        leaf_hash=leaf_hash or record.leaf_hash,
        salt=record.salt,
        leaf_entry=record.leaf_entry,
        cose=record.cose,
        recipient=kit.seal_key.public,
    )


def _reseal(kit: Kit, record: VerifiedRecord, signed: bytes) -> bytes:
    """An envelope in which everything fits `signed`, but for what is wrong with it itself."""
    found = leaf.parse(record.leaf_entry)
    commitment = leaf.commitment(record.salt, signed)
    entry = leaf.entry(KIOSK, found.sequence, found.kind, found.minute, commitment)
    changed = replace(record, leaf_entry=entry, leaf_hash=leaf.leaf_hash(entry), cose=signed)
    return _seal(kit, changed)


if __name__ == "__main__":
    main()
