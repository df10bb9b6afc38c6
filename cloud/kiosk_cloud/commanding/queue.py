"""The durable queues to a kiosk: commands until their result is here, complaints until their record is.

The broker keeps nothing for a kiosk that is away, so whoever runs a receiver sends again: at once when a kiosk comes
online, then every `AGAIN_S`. Which of several receivers does it is settled by the store's own lock.
"""

import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from kiosk.clock import rfc3339
from kiosk.core import topics
from kiosk.guarantee import commands as message
from kiosk.guarantee import complaints
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.complaints import Complaint, Kind
from kiosk.guarantee.keys import Signer
from kiosk.guarantee.merkle import CompactRange
from kiosk_cloud.store import Store

log = logging.getLogger(__name__)
AGAIN_S: Final = 30.0
AT_ONCE_MAX: Final = 16  # of one kiosk and lane; the kiosk's uplink holds 32
COMPLAINTS_MAX: Final = 1000  # about one kiosk; more of the same prove nothing new
RESULT: Final = "result"
COMPLAINT: Final = "complaint"


@dataclass(frozen=True)
class Given:
    """A command in the queue, for people to see."""

    kiosk: str
    sequence: int
    name: str
    given_at: str
    expires_at: str
    state: str  # unsigned, queued, sent, done, refused, expired
    reason: str


class Queue:
    """Commands and complaints in one store. Writing calls belong inside its transaction."""

    def __init__(self, store: Store) -> None:
        self._db = store.db

    # --- commands -----------------------------------------------------------------------------------------

    def next_sequence(self, kiosk: str) -> int:
        """The number of the next command."""
        row = self._db.execute("SELECT max(sequence) FROM commands WHERE kiosk = ?", (kiosk,)).fetchone()
        return int(row[0] or 0) + 1

    def add(self, data: bytes, sha256: bytes) -> Given:
        """A new command, signed by the bank at least."""
        order = message.read(data)
        missing = order.command.signatures - message.signatures(data)
        name = type(order.command).__name__
        self._db.execute(
            "INSERT INTO commands (kiosk, sequence, name, message, sha256, given_at, expires_at, missing)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (order.kiosk, order.sequence, name, data, sha256, order.issued_at, order.expires_at, missing),
        )
        return self.given(order.kiosk)[-1]

    def message(self, kiosk: str, sequence: int) -> bytes | None:
        """A command as it would be sent."""
        query = "SELECT message FROM commands WHERE kiosk = ? AND sequence = ?"
        row = self._db.execute(query, (kiosk, sequence)).fetchone()
        return None if row is None else bytes(row[0])

    def countersigned(self, data: bytes, keys: Commanders) -> bool:
        """Take the second signature of a command that waits for it; False when none does. VerificationError."""
        signed = message.verify(data, keys, message.read(data).kiosk)
        missing = max(signed.order.command.signatures - len(signed.signers), 0)
        done = self._db.execute(
            "UPDATE commands SET message = ?, missing = ?"
            " WHERE kiosk = ? AND sequence = ? AND sha256 = ? AND missing > ? AND outcome IS NULL",
            (data, missing, signed.order.kiosk, signed.order.sequence, signed.sha256, missing),
        )
        return done.rowcount > 0

    def withdraw(self, kiosk: str, sequence: int) -> bool:
        """Let a command that lacks a signature go out as it is, to be refused; False when none does."""
        query = "UPDATE commands SET withdrawn = 1 WHERE kiosk = ? AND sequence = ? AND missing > 0 AND outcome IS NULL"
        return self._db.execute(query, (kiosk, sequence)).rowcount > 0

    def settle(self, kiosk: str, content: dict[str, Any], envelope: bytes) -> None:
        """A verified result in a log of the kiosk's; `kiosk` is the log's name."""
        kiosk = topics.kiosk_of(kiosk)
        match content:
            case {
                "sequence": int(sequence),
                "command_sha256": bytes(sha256),
                "outcome": str(outcome),
                "reason": str(reason),
            }:
                done = self._db.execute(
                    "UPDATE commands SET outcome = ?, reason = ?, result = ?"
                    " WHERE kiosk = ? AND sequence = ? AND sha256 = ? AND outcome IS NULL",
                    (outcome, reason, envelope, kiosk, sequence, sha256),
                )
                if not done.rowcount and self._foreign(kiosk, sequence, sha256):
                    log.critical("%s has carried out a command %d that is not in this queue", kiosk, sequence)

    def _foreign(self, kiosk: str, sequence: int, sha256: bytes) -> bool:
        query = "SELECT 1 FROM commands WHERE kiosk = ? AND sequence = ? AND sha256 = ?"
        return self._db.execute(query, (kiosk, sequence, sha256)).fetchone() is None

    def result(self, kiosk: str, sequence: int) -> bytes | None:
        """The sealed record of a command's result."""
        query = "SELECT result FROM commands WHERE kiosk = ? AND sequence = ? AND result IS NOT NULL"
        row = self._db.execute(query, (kiosk, sequence)).fetchone()
        return None if row is None else bytes(row[0])

    def given(self, kiosk: str | None = None) -> list[Given]:
        """Every command, in order."""
        rows = self._db.execute(
            "SELECT kiosk, sequence, name, given_at, expires_at,"
            " coalesce(outcome, CASE WHEN missing > 0 AND NOT withdrawn THEN 'unsigned'"
            "  WHEN sent_at IS NULL THEN 'queued' ELSE 'sent' END), reason"
            " FROM commands WHERE ?1 IS NULL OR kiosk = ?1 ORDER BY kiosk, sequence",
            (kiosk,),
        )
        return [Given(*row) for row in rows]

    # --- complaints ---------------------------------------------------------------------------------------

    def complain(self, about: Complaint, signer: Signer, tree: CompactRange) -> Complaint | None:
        """Sign and keep a complaint; None when it says nothing that an earlier one did not.

        Behind a fork every further record contradicts, those in which the kiosk puts a complaint on record included:
        only one of an earlier place than those before is news.
        """
        kiosk, contradiction = about.kiosk, about.kind != "gap"
        known = self._db.execute(
            "SELECT count(*), min(CASE WHEN kind <> 'gap' THEN sequence END),"
            " sum(kind = 'gap' AND sequence = ?) FROM complaints WHERE kiosk = ?",
            (about.sequence, kiosk),
        ).fetchone()
        if known[0] >= COMPLAINTS_MAX or (contradiction and known[1] is not None and known[1] <= about.sequence):
            return None
        if not contradiction and known[2]:
            return None
        made = replace(about, number=self._next_complaint(kiosk), size=tree.size, root=tree.root())
        self._db.execute(
            "INSERT INTO complaints (kiosk, number, kind, sequence, statement, made_at) VALUES (?, ?, ?, ?, ?, ?)",
            (kiosk, made.number, made.kind, made.sequence, complaints.make(made, signer), made.issued_at),
        )
        return made

    def _next_complaint(self, kiosk: str) -> int:
        row = self._db.execute("SELECT max(number) FROM complaints WHERE kiosk = ?", (kiosk,)).fetchone()
        return int(row[0] or 0) + 1

    def taken(self, kiosk: str, content: dict[str, Any], at: str) -> None:
        """The kiosk has put a complaint on record."""
        match content:
            case {"number": int(number)}:
                query = "UPDATE complaints SET taken_at = ? WHERE kiosk = ? AND number = ? AND taken_at IS NULL"
                self._db.execute(query, (at, kiosk, number))

    def complaints(self, kiosk: str | None = None) -> list[tuple[bytes, str | None]]:
        """(signed complaint, when the kiosk put it on record), in order."""
        rows = self._db.execute(
            "SELECT statement, taken_at FROM complaints WHERE ?1 IS NULL OR kiosk = ?1 ORDER BY kiosk, number", (kiosk,)
        )
        return [(bytes(row[0]), row[1]) for row in rows]

    # --- sending ------------------------------------------------------------------------------------------

    def came_online(self, kiosk: str) -> None:
        """What was sent before this went nowhere, perhaps."""
        self._db.execute("UPDATE commands SET sent_at = NULL WHERE kiosk = ?", (kiosk,))
        for log in self._complained_of():
            if topics.kiosk_of(log) == kiosk:
                self._db.execute("UPDATE complaints SET sent_at = NULL WHERE kiosk = ?", (log,))

    def _complained_of(self) -> list[str]:
        """Logs with complaints that are not on record."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT kiosk FROM complaints WHERE taken_at IS NULL")]

    def waiting(self) -> bool:
        """Whether anything at all waits; cheap, and outside a transaction."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM commands WHERE outcome IS NULL)"
            " OR EXISTS (SELECT 1 FROM complaints WHERE taken_at IS NULL)"
        )
        return bool(self._db.execute(query).fetchone()[0])

    def due(self, now: datetime) -> list[tuple[str, Literal["command", "complaint"], bytes]]:
        """(kiosk, lane, message) to send now to the kiosks that are online; they count as sent from now on."""
        found: list[tuple[str, Literal["command", "complaint"], bytes]] = []
        for (kiosk,) in self._db.execute("SELECT kiosk FROM births").fetchall():
            if self._online(kiosk):
                found.extend((kiosk, "command", data) for data in self._due_commands(kiosk, now))
        for log in self._complained_of():
            if self._online(topics.kiosk_of(log)):
                found.extend((log, "complaint", data) for data in self._due_complaints(log, now.timestamp()))
        return found

    def _due_complaints(self, kiosk: str, now_s: float) -> list[bytes]:
        rows = self._db.execute(
            "UPDATE complaints SET sent_at = ?1 WHERE (kiosk, number) IN (SELECT kiosk, number FROM complaints"
            " WHERE kiosk = ?2 AND taken_at IS NULL AND (sent_at IS NULL OR sent_at <= ?1 - ?3)"
            " ORDER BY number LIMIT ?4) RETURNING number, statement",
            (now_s, kiosk, AGAIN_S, AT_ONCE_MAX),
        ).fetchall()
        return [bytes(row[1]) for row in sorted(rows)]

    def _due_commands(self, kiosk: str, now: datetime) -> list[bytes]:
        """In sequence, and none beyond one that waits for a signature, unless that has expired meanwhile."""
        rows = self._db.execute(
            "SELECT sequence, message, sent_at, missing > 0 AND NOT withdrawn AND expires_at > ? FROM commands"
            " WHERE kiosk = ? AND outcome IS NULL ORDER BY sequence LIMIT ?",
            (rfc3339(now), kiosk, AT_ONCE_MAX),
        ).fetchall()
        found = []
        for sequence, data, sent_at, unsigned in rows:
            if unsigned:
                break
            if sent_at is None or sent_at <= now.timestamp() - AGAIN_S:
                query = "UPDATE commands SET sent_at = ? WHERE kiosk = ? AND sequence = ?"
                self._db.execute(query, (now.timestamp(), kiosk, sequence))
                found.append(bytes(data))
        return found

    def _online(self, kiosk: str) -> bool:
        row = self._db.execute("SELECT payload FROM births WHERE kiosk = ?", (kiosk,)).fetchone()
        return row is not None and is_online(bytes(row[0]))


def is_online(birth: bytes) -> bool:
    """Whether a birth certificate says so. It is believed for nothing else."""
    try:
        told = json.loads(birth)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("state") == "online"


def about(kiosk: str, kind: Kind, sequence: int, reason: str, evidence: bytes, now: datetime) -> Complaint:
    """A complaint before it has its number and the bank's own state."""
    printable = "".join(each if each.isprintable() else "?" for each in reason)
    return Complaint(
        kiosk, 1, kind, sequence, 0, b"", printable[: complaints.REASON_CHARACTERS_MAX], evidence, rfc3339(now)
    )
