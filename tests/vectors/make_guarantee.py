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
from datetime import timedelta
from typing import Any

from msgspec import structs

from kiosk.clock import rfc3339
from kiosk.core import commands as c
from kiosk.core.commands import AnyCommand
from kiosk.core.terms import BankLimit, BankTiming, Terms, Words
from kiosk.core.unit_facts import CountedRow
from kiosk.guarantee import (
    acks,
    badge,
    bank_keys,
    base45,
    cbor,
    checkpoint,
    commands,
    complaints,
    cose,
    counts,
    directory,
    leaf,
    merkle,
    note,
    seal,
    terms,
    ticket,
)
from kiosk.guarantee.badge import Badge
from kiosk.guarantee.complaints import Complaint
from kiosk.guarantee.counts import BankCount
from kiosk.guarantee.keys import Ed25519Signer, Signer
from kiosk.guarantee.ticket import Ticket
from kiosk.guarantee.verify import VerifiedRecord
from tests.guarantee_kit import DEPOSIT_ID, KIOSK, NOW, Kit

ACCOUNT = "6217000010001234567"
COMMAND = Ed25519Signer.from_seed(bytes([7] * 32))
SECOND = Ed25519Signer.from_seed(bytes([9] * 32))
DIRECTORY_KEY = bytes(range(32))


@dataclass(frozen=True)
class Example:
    """`kind`: envelope, acknowledgement, checkpoint, directory, ticket, badge, terms, counts, command or complaint."""

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
    yield from (*envelopes(kit), *acknowledgements(kit), *checkpoints(kit), *directories(), *tickets(), *badges())
    yield from (*bank_terms(), *bank_counts(), *bank_commands(kit), *bank_complaints(kit))


def keys(kit: Kit) -> dict[str, str]:
    """What a reader needs to check the examples; `seal_seed` is the bank's X-Wing seed."""
    return {
        "kiosk": KIOSK,
        "seal_seed": kit.seal_key.seed.hex(),
        "record_pem": kit.record_signer.public.pem.decode(),
        "acknowledgement_pem": kit.ack_signer.public.pem.decode(),
        "checkpoint_vkey": kit.log_verifier.vkey,
        "command_pem": COMMAND.public.pem.decode(),
        "second_pem": SECOND.public.pem.decode(),
        "directory_key": DIRECTORY_KEY.hex(),
        "now": rfc3339(NOW),
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
    yield Example("envelope", "another salt", _seal(kit, structs.replace(record, salt=bytes(32))))
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
    other_account = signed.payload.replace(ACCOUNT.encode(), b"6" * len(ACCOUNT))
    es256 = signed.protected.replace(b"\x01\x27", b"\x01\x26")
    for why, changed in [
        ("something in the unprotected header", structs.replace(signed, unprotected={1: -8})),
        ("signature of another message", structs.replace(signed, signature=kit.record_signer.sign(b"other"))),
        ("payload changed", structs.replace(signed, payload=other_account)),
        ("algorithm changed to ES256", structs.replace(signed, protected=es256)),
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


def tickets() -> Iterator[Example]:
    """A deposit ticket as the text of its QR code, and what is none that counts here and now."""
    said = Ticket(KIOSK, bytes(range(12)), 3, "2026-11-21T08:30Z", "2026-12-21T08:30Z", "\u738b*\u660e", "79927398713")
    good = ticket.make(said, DIRECTORY_KEY, COMMAND)
    yield Example("ticket", "as the bank made it", good.encode(), accept=True)
    longest = replace(said, name="\u738b" * 21, account="0000111122223333004", uses=999)
    yield Example("ticket", "as large as can be", ticket.make(longest, DIRECTORY_KEY, COMMAND).encode(), accept=True)
    for why, other in [
        ("for another kiosk", replace(said, kiosk="demo-0002")),
        ("from tomorrow on", replace(said, begins="2026-11-22T08:30Z")),
        ("until this minute", replace(said, begins="2026-11-01T00:00Z", ends="2026-11-21T08:30Z")),
    ]:
        yield Example("ticket", why, ticket.make(other, DIRECTORY_KEY, COMMAND).encode())
    yield Example("ticket", "by the second signer", ticket.make(said, DIRECTORY_KEY, SECOND).encode())
    yield Example("ticket", "sealed under another kiosk's key", ticket.make(said, bytes(32), COMMAND).encode())
    yield Example("ticket", "of another version of the text", good.replace("DKT1:", "DKT2:").encode())
    yield Example("ticket", "in small letters", good.lower().encode())
    yield Example("ticket", "cut short", good[:-3].encode())
    yield Example("ticket", "characters over their range", (good[:-3] + ":::").encode())
    message = base45.decode(good.removeprefix(ticket.PREFIX))
    yield Example("ticket", "a byte after the end", ticket_text(message + b"\x00"))
    flipped = bytes([*message[:-1], message[-1] ^ 1])
    yield Example("ticket", "signature changed", ticket_text(flipped))
    parts = cbor.decode(cose.parse(message).payload, ticket.TICKET_BYTES_MAX)
    for why, position, value in [
        ("version 2 of the format", 0, 2),
        ("a serial number of 11 bytes", 2, bytes(11)),
        ("no use at all", 3, 0),
        ("a use that is no integer", 3, True),
        ("over 400 days", 5, "2028-01-01T00:00Z"),
        ("an end before its beginning", 5, "2026-11-21T08:29Z"),
        ("a moment with seconds", 5, "2026-12-21T08:30:00Z"),
        ("a day that is none", 5, "2026-12-32T08:30Z"),
        ("a name with a control character", 6, "J\x1b[2J"),
        ("an empty name", 6, ""),
        ("another name than was sealed with", 6, "M*** R**"),
        ("an account of 25 bytes", 7, parts[7][:-1]),
        ("an account sealed otherwise", 7, bytes(26)),
    ]:
        changed = cbor.encode([*parts[:position], value, *parts[position + 1 :]])
        yield Example("ticket", why, ticket_text(cose.sign1(changed, COMMAND, cose.TICKET_TYPE)))
    payload = cbor.encode([*parts, 0])
    yield Example("ticket", "a field too many", ticket_text(cose.sign1(payload, COMMAND, cose.TICKET_TYPE)))
    payload = cbor.encode(parts)
    yield Example("ticket", "signed as a directory", ticket_text(cose.sign1(payload, COMMAND, cose.DIRECTORY_TYPE)))


def badges() -> Iterator[Example]:
    """A badge of the staff, and what is none that counts here and now."""
    said = Badge(KIOSK, "S-03", "2027-11-21T08:30Z")
    good = badge.make(said, COMMAND)
    yield Example("badge", "as the bank made it", good.encode(), accept=True)
    for why, other in [
        ("for another kiosk", badge.make(replace(said, kiosk="demo-0002"), COMMAND)),
        ("until this minute", badge.make(replace(said, ends="2026-11-21T08:30Z"), COMMAND)),
        ("by the second signer", badge.make(said, SECOND)),
        ("in the text of a ticket", good.replace(badge.PREFIX, ticket.PREFIX)),
        ("cut short", good[:-3]),
    ]:
        yield Example("badge", why, other.encode())
    parts = cbor.decode(cose.parse(base45.decode(good.removeprefix(badge.PREFIX))).payload, badge.BADGE_BYTES_MAX)
    for why, changed, content_type in [
        ("version 2 of the format", [2, *parts[1:]], cose.BADGE_TYPE),
        ("a version that is no integer", [True, *parts[1:]], cose.BADGE_TYPE),
        ("a staff id with a space", [*parts[:2], "S 03", parts[3]], cose.BADGE_TYPE),
        ("a moment with seconds", [*parts[:3], "2027-11-21T08:30:00Z"], cose.BADGE_TYPE),
        ("a field too many", [*parts, 0], cose.BADGE_TYPE),
        ("signed as a ticket", parts, cose.TICKET_TYPE),
    ]:
        message = cose.sign1(cbor.encode(changed), COMMAND, content_type)
        yield Example("badge", why, f"{badge.PREFIX}{base45.encode(message)}".encode())


def ticket_text(message: bytes) -> bytes:
    """What a scanner would read of this message."""
    return f"{ticket.PREFIX}{base45.encode(message)}".encode()


def bank_terms() -> Iterator[Example]:
    """The bank's terms, and what are none."""
    texts = (
        Words("safety", "en", "Take your time."),
        Words("notice", "zh", "\u4eca\u5929\u4e0d\u8425\u4e1a", ends="2026-12-01T00:00:00.000Z"),
    )
    said = Terms((BankLimit("CNY", 2_000_000, 50_000_000),), "stop", BankTiming(idle_s=90), texts)
    good = terms.make(KIOSK, 3, said, NOW, COMMAND)
    yield Example("terms", "as the bank made them", good, accept=True)
    yield Example("terms", "that say nothing", terms.make(KIOSK, 1, Terms(), NOW, COMMAND), accept=True)
    yield Example("terms", "by the second signer", terms.make(KIOSK, 3, said, NOW, SECOND))
    yield Example("terms", "for another kiosk", terms.make("demo-0002", 3, said, NOW, COMMAND))
    yield Example("terms", "a byte after the end", good + b"\x00")
    fields = cbor.decode(cose.parse(good).payload, terms.TERMS_BYTES_MAX)
    body = fields["terms"]
    for why, change in [
        ("version 0", {"version": 0}),
        ("version 2 of the format", {"v": 2}),
        ("a field too many", {"more": True}),
        ("a moment of another form", {"issued_at": "2026-11-21T08:30:00Z"}),
        ("a currency limited twice", {"terms": body | {"limits": body["limits"] * 2}}),
        ("a negative limit", {"terms": body | {"limits": [body["limits"][0] | {"day_minor_max": -1}]}}),
        ("a medium grade that does something else", {"terms": body | {"medium": "ignore"}}),
        ("a time-out of a second", {"terms": body | {"timing": body["timing"] | {"idle_s": 1}}}),
        ("a text with a control character", {"terms": body | {"texts": [body["texts"][0] | {"text": "\x1b[2J"}]}}),
        (
            "a notice that ends before it begins",
            {"terms": body | {"texts": [body["texts"][1] | {"begins": "2027-01-01T00:00:00.000Z"}]}},
        ),
        ("a field missing", {"terms": {name: value for name, value in body.items() if name != "texts"}}),
    ]:
        yield Example("terms", why, cose.sign1(cbor.encode(fields | change), COMMAND, cose.TERMS_TYPE))
    yield Example("terms", "signed as a directory", cose.sign1(cbor.encode(fields), COMMAND, cose.DIRECTORY_TYPE))


def bank_counts() -> Iterator[Example]:
    """The bank's counts of collected bundles, and what are none."""
    count = BankCount("B00000007", (CountedRow("CNY", 10_000, 12),), ("b-1", "b-2"))
    good = counts.make(KIOSK, 3, [count], NOW, COMMAND)
    yield Example("counts", "as the bank made them", good, accept=True)
    yield Example("counts", "for another kiosk", counts.make("demo-0002", 3, [count], NOW, COMMAND))
    yield Example("counts", "by the second signer", counts.make(KIOSK, 3, [count], NOW, SECOND))
    fields = cbor.decode(cose.parse(good).payload, counts.COUNTS_BYTES_MAX)
    (entry,) = fields["entries"]
    for why, change in [
        ("an item twice", {"entries": [entry, entry]}),
        ("by one person", {"entries": [entry | {"by": ["b-1", "b-1"]}]}),
        ("a field too many", {"more": True}),
    ]:
        yield Example("counts", why, cose.sign1(cbor.encode(fields | change), COMMAND, cose.COUNTS_TYPE))


def succession(kit: Kit, number: int) -> c.SetBankKey:
    """Another key for acknowledgements, signed by the present one and by itself."""
    said = bank_keys.draft(KIOSK, "ack", number, "2026-12-24T10:00:00.000Z", kit.ack_signer, SECOND)
    return c.SetBankKey(said.purpose, said.key, said.until, said.by_old, said.by_new)


def bank_commands(kit: Kit) -> Iterator[Example]:
    """Commands, signed once and twice, and what are none. Whether it is their turn the kiosk's journal says."""
    expires = NOW + timedelta(days=14)
    every: list[AnyCommand] = [
        c.OutOfService("an incident is being looked into"), c.InService(), c.Resend(7), c.ReportUnits(),
        c.SetLimits("2026-12-24T10:00:00.000Z", (BankLimit("CNY", 100_000, 900_000),)),
        c.SetSealKey(kit.seal_key.public.raw), c.SetPolicy("quorum none\n"), succession(kit, 8),
    ]  # fmt: skip
    for number, command in enumerate(every, 1):
        payload = commands.order(KIOSK, number, command, NOW, expires)
        signers = (COMMAND, SECOND)[: command.signatures]
        yield Example(
            "command", f"{type(command).__name__}, as the bank made it", commands.sign(payload, *signers), accept=True
        )
    payload = commands.order(KIOSK, 1, every[0], NOW, expires)
    good = commands.sign(payload, COMMAND, SECOND)
    yield Example("command", "with one signature more than it takes", good, accept=True)
    first, second = cbor.decode(good, commands.COMMAND_BYTES_MAX)
    other = cose.sign1(commands.order(KIOSK, 2, every[0], NOW, expires), SECOND, cose.COMMAND_TYPE)
    for why, parts in [
        ("by the second signer alone", [second]),
        ("the second signer first", [second, first]),
        ("twice by the bank", [first, first]),
        ("the second signature over another command", [first, other]),
        ("three signatures", [first, second, second]),
        ("none", []),
    ]:
        yield Example("command", why, cbor.encode(parts))
    yield Example("command", "without its array", first)
    yield Example("command", "a byte after the end", good + b"\x00")
    fields = cbor.decode(payload, commands.PAYLOAD_BYTES_MAX)
    for why, change in [
        ("for another kiosk", {"kiosk": "demo-0002"}),
        ("number 0", {"sequence": 0}),
        ("a number that is no integer", {"sequence": True}),
        ("version 2 of the format", {"v": 2}),
        ("a field too many", {"more": True}),
        ("it ends before it begins", {"expires_at": "2026-11-21T08:30:00.000Z"}),
        ("a command that there is not", {"command": {"name": "OpenTheSafe"}}),
        ("an argument too many", {"command": {"name": "InService", "reason": "x"}}),
        ("an argument missing", {"command": {"name": "OutOfService"}}),
        ("a sealing key of 1,215 bytes", {"command": {"name": "SetSealKey", "key": bytes(1215)}}),
    ]:
        yield Example("command", why, commands.sign(cbor.encode(fields | change), COMMAND))
    yield Example("command", "signed as terms", cbor.encode([cose.sign1(payload, COMMAND, cose.TERMS_TYPE)]))


def bank_complaints(kit: Kit) -> Iterator[Example]:
    """Complaints of the bank's receiver, and what are none."""
    gap = Complaint(KIOSK, 1, "gap", 1, 1, kit.records.root(), "record 1 is missing", b"", rfc3339(NOW))
    good = complaints.make(gap, kit.ack_signer)
    fork = replace(gap, number=2, kind="fork", sequence=0, evidence=bytes(range(32)))
    yield Example("complaint", "of a gap, as the bank made it", good, accept=True)
    yield Example("complaint", "of a fork", complaints.make(fork, kit.ack_signer), accept=True)
    rollback = replace(fork, number=3, kind="rollback")
    yield Example("complaint", "of a rollback", complaints.make(rollback, kit.ack_signer), accept=True)
    yield Example("complaint", "by the command key", complaints.make(gap, COMMAND))
    yield Example("complaint", "about another kiosk", complaints.make(replace(gap, kiosk="demo-0002"), kit.ack_signer))
    yield Example("complaint", "a byte after the end", good + b"\x00")
    fields = cbor.decode(cose.parse(good).payload, complaints.COMPLAINT_BYTES_MAX)
    for why, change in [
        ("of another kind", {"kind": "doubt"}),
        ("number 0", {"number": 0}),
        ("evidence of 31 bytes", {"evidence": bytes(31)}),
        ("a root where there is no record", {"size": 0}),
        ("no reason", {"reason": ""}),
        ("a field too many", {"more": True}),
    ]:
        yield Example("complaint", why, cose.sign1(cbor.encode(fields | change), kit.ack_signer, cose.COMPLAINT_TYPE))
    payload = cbor.encode(fields)
    yield Example(
        "complaint", "signed as an acknowledgement", cose.sign1(payload, kit.ack_signer, cose.ACKNOWLEDGEMENT_TYPE)
    )


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
    changed = structs.replace(record, leaf_entry=entry, leaf_hash=leaf.leaf_hash(entry), cose=signed)
    return _seal(kit, changed)


if __name__ == "__main__":
    main()
