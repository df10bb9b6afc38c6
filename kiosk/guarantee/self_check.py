"""What the kiosk asks of its own journal before it signs that a deposit was guarded: read again, nothing remembered."""

import sqlite3

from kiosk.errors import VerificationError
from kiosk.guarantee.log import RecordLog


def in_clear(connection: sqlite3.Connection, deposit_id: bytes, account: str) -> tuple[str, ...]:
    """Where the account number of the journal's newest deposit stands in clear: on disk, or in its envelopes."""
    found: list[str] = []
    digits = account.encode()
    if any(digits in row for row in _newest_facts(connection, deposit_id)):
        found.append("a fact in the journal")
    (first,) = connection.execute("SELECT min(seq) FROM leaves WHERE subject = ?", (deposit_id,)).fetchone()
    if first is not None:
        rows = connection.execute(
            "SELECT max(instr(entry, ?1) + instr(opening, ?1)), max(instr(envelope, ?1)) "
            "FROM leaves JOIN envelopes USING (seq) WHERE seq >= ?2",
            (digits, first),
        )
        on_disk, on_wire = rows.fetchone()
        found += [place for place, at in (("a leaf of the log", on_disk), ("an envelope", on_wire)) if at]
    return tuple(found)


def _newest_facts(connection: sqlite3.Connection, deposit_id: bytes) -> "list[bytes]":
    """The facts and orders of this deposit, read backwards so that a long journal costs nothing."""
    rows: list[bytes] = []
    for owner, fact, orders in connection.execute("SELECT deposit_id, fact, orders FROM facts ORDER BY seq DESC"):
        if owner == deposit_id:
            rows.append(f"{fact}\n{orders}".encode())
        elif owner:
            break
    return rows


def acknowledgement_problem(log: RecordLog) -> str:
    """What is wrong with the bank's last acknowledgement as it is kept; empty when it is good, or none has come yet."""
    kept = log.acknowledgement()
    if kept is None:
        return "" if not log.acknowledged() else "the acknowledgement that emptied the outbox is gone"
    try:
        log.check_acknowledgement(kept, log.bank_acks.ever)
    except VerificationError as error:
        return str(error.args[0])
    return ""
