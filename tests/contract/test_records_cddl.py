"""`records.cddl` against what the code makes. pycddl does not anchor regular expressions and takes `{}` for any map,
so what only those two would refuse is left to the vectors of tests/vectors."""

from datetime import timedelta
from functools import cache
from pathlib import Path

import pycddl
import pytest

from kiosk import guarantee
from kiosk.clock import rfc3339
from kiosk.core.commands import OutOfService
from kiosk.core.terms import BankLimit, Terms, Words
from kiosk.guarantee import badge, base45, cbor, commands, complaints, cose, directory, evidence, models, terms, ticket
from kiosk.guarantee.complaints import Complaint
from tests.guarantee_kit import DEPOSIT_ID, KIOSK, NOW, Kit
from tests.receipt_kit import statement

GRAMMAR = (Path(guarantee.__file__).parent / "records.cddl").read_text()


@cache
def _schema(rule: str) -> pycddl.Schema:
    return pycddl.Schema(f"start = {rule}\n{GRAMMAR}")


def _matches(rule: str, data: bytes) -> bool:
    try:
        _schema(rule).validate_cbor(data)
    except pycddl.ValidationError:
        return False
    return True


def _made() -> dict[str, bytes]:
    kit = Kit()
    done = kit.append("deposit", {"deposit_id": DEPOSIT_ID, "sums": {"CNY": {"credited": 100}}, "score": 0.25})
    record = kit.receive(done.envelope)
    ack = kit.ack([done.envelope])
    listed = directory.make(KIOSK, 1, {"79927398713": "J*** D**"}, bytes(32), NOW, kit.ack_signer)
    texts = (
        Words("safety", "en", "Take your time."),
        Words("compensation", "en", "What we lose, we pay back within 5 days."),
        Words("notice", "zh", "网点今天不营业", ends="2026-11-22T00:00:00.000Z"),
    )
    said = terms.make(KIOSK, 1, Terms((BankLimit("CNY", 1, 2),), "stop", texts=texts), NOW, kit.ack_signer)
    payload = commands.order(KIOSK, 1, OutOfService("an incident"), NOW, NOW + timedelta(hours=1))
    ordered = commands.sign(payload, kit.ack_signer, kit.record_signer)
    signed = cbor.decode(ordered, commands.COMMAND_BYTES_MAX)[0]
    complaint = Complaint(KIOSK, 1, "fork", 0, 1, kit.records.root(), "two records", bytes(32), rfc3339(NOW))
    complained = complaints.make(complaint, kit.ack_signer)
    piece, still = evidence.pieces(b"a still")[0]
    held = evidence.make_ack(evidence.ack_of(KIOSK, piece.sha256, 1, NOW, complete=True), kit.ack_signer)
    slip = ticket.Ticket(KIOSK, bytes(12), 1, "2026-11-21T08:30Z", "2026-12-21T08:30Z", "J*** D**", "79927398713")
    shown = base45.decode(ticket.make(slip, bytes(32), kit.ack_signer).removeprefix(ticket.PREFIX))
    said_badge = badge.make(badge.Badge(KIOSK, "S-03", "2026-12-21T08:30Z"), kit.ack_signer)
    named = base45.decode(said_badge.removeprefix(badge.PREFIX))
    files = {"manifest.json": b"{}", "model.onnx": b"graph"}
    model = models.make(models.Bundle("scene", 1, "1.0.0", "", files), NOW, kit.ack_signer)
    return {
        "signed-ticket": shown,
        "ticket-protected": cose.parse(shown).protected,
        "ticket": cose.parse(shown).payload,
        "signed-badge": named,
        "badge-protected": cose.parse(named).protected,
        "badge": cose.parse(named).payload,
        "signed-model": model,
        "model-protected": cose.parse(model).protected,
        "model": cose.parse(model).payload,
        "evidence-chunk": evidence.seal_chunk(KIOSK, piece, still, kit.seal_key.public),
        "signed-evidence-ack": held,
        "evidence-ack-protected": cose.parse(held).protected,
        "evidence-ack": cose.parse(held).payload,
        "envelope": done.envelope,
        "opening": cbor.encode([record.salt, record.leaf_entry, record.cose]),
        "leaf-entry": record.leaf_entry,
        "signed-record": record.cose,
        "record-protected": cose.parse(record.cose).protected,
        "record": cose.parse(record.cose).payload,
        "signed-acknowledgement": ack,
        "acknowledgement-protected": cose.parse(ack).protected,
        "acknowledgement": cose.parse(ack).payload,
        "signed-directory": listed,
        "signed-terms": said,
        "terms-protected": cose.parse(said).protected,
        "terms": cose.parse(said).payload,
        "command-message": ordered,
        "signed-command": signed,
        "command-protected": cose.parse(signed).protected,
        "command": cose.parse(signed).payload,
        "signed-complaint": complained,
        "complaint-protected": cose.parse(complained).protected,
        "complaint": cose.parse(complained).payload,
        "directory-protected": cose.parse(listed).protected,
        "directory": cose.parse(listed).payload,
    }


MADE = _made()


@pytest.mark.parametrize("rule", MADE)
def test_what_we_make_is_in_the_grammar(rule: str) -> None:
    assert _matches(rule, MADE[rule])


@pytest.mark.parametrize("rule", MADE)
def test_the_grammar_tells_our_items_apart(rule: str) -> None:
    same_shape = {rule for rule in MADE if rule.startswith("signed-")}  # their payloads tell them apart
    for other, data in MADE.items():
        if other != rule and not {rule, other} <= same_shape:
            assert not _matches(rule, data), other


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("leaf-entry", [KIOSK, 0, "deposit", "2026-11-21T08:30Z", bytes(31)]),
        ("leaf-entry", [KIOSK, -1, "deposit", "2026-11-21T08:30Z", bytes(32)]),
        ("leaf-entry", [KIOSK, 0, "deposit", "2026-11-21 08:30", bytes(32)]),
        ("leaf-entry", [KIOSK, 0, "deposit", "2026-11-21T08:30Z", bytes(32), 0]),
        ("envelope", [1, [25722, 1, 3], KIOSK, 0, bytes(32), bytes(32), bytes(1136)]),
        ("envelope", [2, [25722, 1, 2], KIOSK, 0, bytes(32), bytes(32), bytes(1136)]),
        ("terms", cbor.decode(MADE["terms"], 4096) | {"more": 1}),
        ("terms", cbor.decode(MADE["terms"], 4096) | {"version": 0}),
        ("command", cbor.decode(MADE["command"], 4096) | {"sequence": 0}),
        ("model", cbor.decode(MADE["model"], 4096) | {"number": 0}),
        ("model", cbor.decode(MADE["model"], 4096) | {"files": {"model.onnx": b""}}),
        ("command", cbor.decode(MADE["command"], 4096) | {"command": {"name": "OpenTheSafe"}}),
        ("command-message", [b"", b"", b""]),
        ("command-message", []),
        ("complaint", cbor.decode(MADE["complaint"], 4096) | {"kind": "doubt"}),
        ("complaint", cbor.decode(MADE["complaint"], 4096) | {"evidence": bytes(31)}),
        ("record-protected", {1: -9, 3: cose.RECORD_TYPE, 4: bytes(32)}),
        ("record-protected", {1: -8, 3: cose.RECORD_TYPE, 4: bytes(32), 5: 0}),
        ("acknowledgement", cbor.decode(MADE["acknowledgement"], 1024) | {"more": 1}),
        ("acknowledgement", cbor.decode(MADE["acknowledgement"], 1024) | {"root": bytes(31)}),
        ("record", cbor.decode(MADE["record"], 4096) | {"v": 2}),
        ("record", cbor.decode(MADE["record"], 4096) | {"deposit_id": bytes(15)}),
        ("record", cbor.decode(MADE["record"], 4096) | {"clock_synchronised": 1}),
    ],
)
def test_the_grammar_refuses_what_the_code_refuses(rule: str, value: object) -> None:
    assert not _matches(rule, cbor.encode(value))


def _receipt() -> tuple[bytes, bytes]:
    kit = Kit()
    record = kit.records.record(statement(kit))
    return cbor.encode([record.salt, record.cose]), cose.parse(record.cose).payload


def test_a_receipt_is_in_the_grammar() -> None:
    opening, payload = _receipt()
    assert _matches("receipt-opening", opening)
    assert _matches("receipt-statement", payload)
    assert _matches("record", payload)  # it is a record like any other
    assert not _matches("receipt-statement", MADE["record"])


@pytest.mark.parametrize(
    "change", [{"more": 1}, {"kind": "deposit"}, {"sums": {"CNY": {"credited": 1}}}, {"record_leaf": b""}]
)
def test_the_grammar_refuses_another_receipt(change: dict[str, object]) -> None:
    _, payload = _receipt()
    assert not _matches("receipt-statement", cbor.encode(cbor.decode(payload, 4096) | change))
