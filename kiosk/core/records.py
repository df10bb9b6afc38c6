"""The bodies of the records that a deposit leaves behind, as plain maps for deterministic CBOR.

`account_sealed` is replaced by the clear account number when the record is made, inside the same
transaction; it is only ever in clear within the sealed envelope. Every field is in `records.cddl` beside this file.
"""

import hashlib
from collections import Counter

from kiosk.core.money import Claim, Note, sums, unvalued
from kiosk.core.state import Deposit, RecordDraft


def deposit_start(deposit: Deposit) -> RecordDraft:
    """Cash-in may begin: from here on the deposit can be claimed by its code, even if it dies."""
    return RecordDraft(
        "deposit_start",
        {
            "deposit_id": deposit.id,
            "code_sha256": hashlib.sha256(deposit.code.encode()).digest(),
            "account_sealed": deposit.account_sealed,
            "account_masked": deposit.account_masked,
            "account_known": deposit.account_known,  # False: for suspense; None: no directory
            "ticket": deposit.ticket or None,  # the serial number of the one that was shown
            "staff": deposit.staff,
            "began_at": deposit.began_at,
        },
    )


def alert(deposit: Deposit, kind: str, reasons: tuple[str, ...]) -> RecordDraft:
    """Something that the bank must hear of now."""
    return RecordDraft(
        "alert",
        {"deposit_id": deposit.id, "alert": kind, "grade": deposit.grade, "reasons": list(reasons)},
    )


def _note(note: Note) -> dict[str, object]:
    return {
        "n": note.number,
        "channel": note.channel,
        "value": note.value_minor,
        "currency": note.currency,
        "suspect": note.suspect,
        "place": str(note.place),
        "claim": str(note.claim),
        "reason": note.reason,
    }


def totals(notes: tuple[Note, ...]) -> dict[str, dict[str, int]]:
    """Currency -> {inserted, credited, returned, retained, disputed} in minor units."""
    table: dict[str, Counter[str]] = {}
    for claim in Claim:
        for currency, minor in sums(notes, claim).items():
            table.setdefault(currency, Counter())[str(claim)] += minor
    return {
        currency: {
            "inserted": sum(row.values()),
            **{str(claim): row[str(claim)] for claim in Claim if claim is not Claim.OPEN},
        }
        for currency, row in sorted(table.items())
    }


def deposit_record(deposit: Deposit, closed_at: str) -> RecordDraft:
    """The full record of a finished deposit. Nothing is open in it."""
    bundle = deposit.bundle
    return RecordDraft(
        "deposit",
        {
            "deposit_id": deposit.id,
            "account_sealed": deposit.account_sealed,
            "account_masked": deposit.account_masked,
            "account_known": deposit.account_known,  # False: for suspense; None: no directory
            "ticket": deposit.ticket or None,  # the serial number of the one that was shown
            "staff": deposit.staff,
            "began_at": deposit.began_at,
            "consented_at": deposit.consented_at,
            "confirmed_at": deposit.confirmed_at,
            "closed_at": closed_at,
            "outcome": deposit.outcome,
            "confirmed": dict(deposit.confirmed_minor),  # fixed by the confirmation, whatever became of the notes
            "doubts": [item.kind for item in deposit.doubts],  # under which it was given
            "notes": [_note(note) for note in deposit.notes],
            "sums": totals(deposit.notes),
            "disputed_unvalued": unvalued(deposit.notes, Claim.DISPUTED),
            "bundle": {
                "id": bundle.name if deposit.confirmed else "",
                "slot": bundle.slot,
                "label_copy": bundle.copy,
                "strapped": bundle.strapped,
                "labelled": bundle.labelled,
                "stored": bundle.stored,
                "short_by": bundle.short_by,
                "over_by": bundle.over_by,
            },
            "risk": {
                "grade": deposit.grade,
                "stages": [
                    {
                        "stage": item.stage,
                        "grade": item.grade,
                        "reasons": list(item.reasons),
                        "p_values": {stream: f"{p:.4f}" for stream, p in item.streams},
                        "still_sha256": item.still_sha256,
                    }
                    for item in deposit.assessments
                ],
            },
            "guarantee": [
                {"area": item.area, "check": item.check, "passed": item.passed, "reason": item.reason}
                for item in deposit.findings
            ],
            "remarks": list(deposit.remarks),
        },
    )


def receipt_statement(deposit: Deposit) -> RecordDraft:
    """What the depositor takes home: no risk, no staff, no scene.

    `record_seq` and `record_leaf`, the place and the leaf hash of the full record just before it, are added when the
    record is made, inside the same transaction.
    """
    return RecordDraft(
        "receipt",
        {
            "deposit_id": deposit.id,
            "account_masked": deposit.account_masked,
            "account_known": deposit.account_known,
            "outcome": deposit.outcome,
            "sums": totals(deposit.notes),
            "disputed_unvalued": unvalued(deposit.notes, Claim.DISPUTED),
            "bundle": deposit.bundle.name if deposit.confirmed else "",
        },
    )


def service(kind: str, details: dict[str, object]) -> RecordDraft:
    """A change of the machine's own state: start, out of service, a device accepted."""
    return RecordDraft("service", {"event": kind, **details})


def command_result(body: dict[str, object]) -> RecordDraft:
    """What became of a command of the bank; the command itself, whoever signed it and the outcome are all in it."""
    return RecordDraft("result", body)


def complaint(body: dict[str, object]) -> RecordDraft:
    """The bank's receiver complains of this log, with its signature."""
    return RecordDraft("complaint", body)
