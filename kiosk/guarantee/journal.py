"""The journal: every fact with the orders it led to, durable before any of them is carried out.

One SQLite database holds the facts, the record log, the outbox and the personal keys, so that a fact and the
records that it causes are one transaction. WAL with synchronous=FULL (asserted per connection): the only fast
mode of SQLite that kept every acknowledged commit in this project's measurements. All calls of one `Journal` are
made on one thread; the controller awaits them through `kiosk.management.store`.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kiosk.clock import rfc3339
from kiosk.core import disputes, topics
from kiosk.core.actions import ClearDispute, ClearedNote
from kiosk.core.authority_facts import AnyAuthorityFact, Authority, AuthorityOutcome
from kiosk.core.deposit import replay
from kiosk.core.facts import AnyFact, Begin, Fact
from kiosk.core.records import totals
from kiosk.core.state import Deposit, Outcome, RecordDraft, State
from kiosk.core.storage import Ledger
from kiosk.errors import JournalError, LogForkError, LogRollbackError, VerificationError
from kiosk.guarantee import journal_file, leaf, merkle, receipt, seal, self_check, unit_book
from kiosk.guarantee.bank_book import BankBook
from kiosk.guarantee.bank_keys import BankKeys, BankPurpose, Succession
from kiosk.guarantee.books import AuthorityBook, DisputeBook
from kiosk.guarantee.evidence import Piece
from kiosk.guarantee.evidence_queue import Bounds, EvidenceQueue, Taken
from kiosk.guarantee.keys import PublicKeys, Randomness
from kiosk.guarantee.log import Appended, RecordLog
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.looks import Looks
from kiosk.guarantee.personal import PersonalVault
from kiosk.guarantee.receipt import Receipt
from kiosk.guarantee.seal import SealPublicKey
from kiosk.guarantee.ticket_book import TicketBook
from kiosk.guarantee.unit_book import Entry
from kiosk.guarantee.verify import VerifiedRecord

_ACCOUNT: Final = "account"
_CHECK: Final = "check"  # in the memory: how often the watchdog's self-check has written
DISTRUST: Final = "log_distrust"  # in the memory: why no deposit may begin
_FACTS: Final = msgspec.json.Decoder(AnyFact)
_T = TypeVar("_T")


class Journal:
    """The controller's only durable memory. Raises `JournalError` when it cannot be trusted or written."""

    def __init__(
        self,
        path: Path,
        keys: LogKeys,
        kek: bytes,
        *,
        clock_synchronised: Callable[[], bool],
        randomness: Randomness = os.urandom,
    ) -> None:
        self._lock, self._connection = journal_file.opened(path)
        self._path = path
        self.path = path
        self._directory = path.parent
        self.clock_synchronised = clock_synchronised
        # Of the deposit that was asked about last, with the cosigned checkpoint of then.
        self._receipt: tuple[bytes, tuple[int, str] | None, Receipt] | None = None
        # Told, on this journal's thread, of the records of each transaction once it is durable; must not raise.
        self.listener: Callable[[Sequence[RecordDraft]], None] = lambda _: None
        self._fresh: list[RecordDraft] = []  # of the transaction under way
        self._vault = PersonalVault(self._connection, kek, randomness)
        self._authority = AuthorityBook(self._connection)
        self.disputes = DisputeBook(self._connection)
        self.bank = BankBook(self._connection)
        self.tickets = TicketBook(self._connection)
        self.looks = Looks(self._connection)
        self._bank_keys: dict[BankPurpose, BankKeys] = {}
        self._kiosk = keys.kiosk
        bank_acks = self.bank_keys("ack", keys.bank_acks)
        present = replace(keys, kiosk=topics.log_name(keys.kiosk, self.bank.epoch), bank_acks=bank_acks)
        self.log = RecordLog(
            self._connection, present, self._vault, clock_synchronised=clock_synchronised, randomness=randomness
        )
        self.evidence = EvidenceQueue(self._connection, keys.kiosk, bank_acks, lambda: self.log.bank_seal)
        key = self.bank.get("seal_key")
        if key is not None:  # by the bank's doubly signed command; the provisioned one is history
            self.log.bank_seal = SealPublicKey(key)

    # --- the bank's keys ------------------------------------------------------------------------------------

    def bank_keys(self, purpose: BankPurpose, pinned: PublicKeys) -> BankKeys:
        """The pinned keys with every successor that the bank has named since: the same object for everybody."""
        if purpose not in self._bank_keys:
            found = BankKeys(pinned, lambda: self.log.latest)
            found.follow_kept(self._kiosk, purpose, self.bank.get("bank_keys"))
            self._bank_keys[purpose] = found
        return self._bank_keys[purpose]

    def check_succession(self, said: Succession) -> BankKeys:
        """Whose keys `said` would change. VerificationError when it is not by the present key and the new one."""
        found = self._bank_keys.get(said.purpose)
        if found is None:
            raise VerificationError(f"no {said.purpose} key of the bank is pinned here")
        found.check(self._kiosk, said)
        return found

    # --- deposits -----------------------------------------------------------------------------------------

    def seal_account(self, deposit_id: bytes, account: str) -> bytes:
        """The account number under a new key of this deposit."""
        with self._transaction():
            return self._vault.seal_text(deposit_id, account, _ACCOUNT)

    def commit(
        self, fact: Fact, outcome: Outcome, before: Deposit, now: datetime, bookings: Sequence[Entry] = ()
    ) -> list[Appended]:
        """One fact, its orders and its records, in one durable transaction; with it what it does to the units."""
        deposit = outcome.deposit if outcome.deposit.id else before
        encoded = msgspec.json.encode(fact)
        _FACTS.decode(encoded)  # what cannot be replayed must never be committed
        with self._transaction():
            self._connection.execute(
                "INSERT INTO facts (deposit_id, at, state, kind, fact, orders) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    deposit.id,
                    rfc3339(now),
                    str(outcome.deposit.state),
                    type(fact).__name__,
                    encoded.decode(),
                    msgspec.json.encode(outcome.orders).decode(),
                ),
            )
            if deposit.id:
                self._summarise(fact, deposit, outcome.deposit)
            made: list[Appended] = []
            for booking in bookings:
                unit_book.store(self._connection, booking)
                made.extend(self._append(draft, now) for draft in booking.first)
            for draft in outcome.records:
                made.append(self._append(_about(draft, made), now))
            for booking in bookings:
                made.extend(self._append(draft, now) for draft in booking.records)
            return made

    def _summarise(self, fact: Fact, deposit: Deposit, after: Deposit) -> None:
        if isinstance(fact, Begin):
            self._connection.execute(
                "INSERT INTO deposits (deposit_id, began_at, serial, slot) VALUES (?, ?, ?, ?)",
                (deposit.id, deposit.began_at, deposit.bundle.serial, deposit.bundle.slot),
            )
            if fact.ticket is not None:
                self.tickets.used(deposit.id, fact.ticket, self.log.time_floor())
        if after.ticket and after.state is State.DONE and not after.notes:
            self.tickets.given_back(after.id)
        if after.id:
            self._connection.execute(
                "UPDATE deposits SET state = ?, outcome = ?, bundled = ?, sums = ? WHERE deposit_id = ?",
                (
                    str(after.state),
                    after.outcome,
                    int(after.bundle.stored),
                    json.dumps(totals(after.notes)),
                    after.id,
                ),
            )

    def _append(self, draft: RecordDraft, now: datetime) -> Appended:
        body = dict(unit_book.day_draft(self.log, self._connection, draft, self.open_disputes).body)
        if draft.kind == "deposit":
            self.disputes.add(disputes.of_record(body))
        sealed, deposit_id = body.pop("account_sealed", None), body.get("deposit_id")
        if isinstance(sealed, bytes) and isinstance(deposit_id, bytes) and sealed:
            body[_ACCOUNT] = self._vault.open_text(deposit_id, sealed, _ACCOUNT)
        if body.get("deposit_id") == b"":
            del body["deposit_id"]  # the idle kiosk's own alerts belong to no deposit
        appended = self.log.append(draft.kind, body, now)
        self._fresh.append(draft)
        return appended

    def append(self, draft: RecordDraft, now: datetime) -> Appended:
        """A record of its own, outside any deposit."""
        with self._transaction():
            return self._append(draft, now)

    def unfinished(self) -> Deposit:
        """The deposit that was under way when the journal was last written; `Deposit()` if none was."""
        row = self._connection.execute("SELECT deposit_id FROM facts WHERE deposit_id != x'' ORDER BY seq DESC LIMIT 1")
        found = row.fetchone()
        if found is None:
            return Deposit()
        rows = self._connection.execute("SELECT fact FROM facts WHERE deposit_id = ? ORDER BY seq", found)
        try:
            return replay(_FACTS.decode(fact) for (fact,) in rows)
        except (msgspec.MsgspecError, RuntimeError, AssertionError) as error:
            raise JournalError(f"the facts of deposit {found[0].hex()} do not replay: {error}") from error

    def next_serial(self) -> int:
        """A bundle serial that was never used."""
        return int(self._connection.execute("SELECT coalesce(max(serial), 0) + 1 FROM deposits").fetchone()[0])

    def credited_since(self, moment: datetime) -> dict[str, int]:
        """Minor units per currency credited by deposits begun since `moment`."""
        result: dict[str, int] = {}
        rows = self._connection.execute("SELECT sums FROM deposits WHERE began_at >= ?", (rfc3339(moment),))
        for (sums,) in rows:
            for currency, row in json.loads(sums or "{}").items():
                result[currency] = result.get(currency, 0) + int(row["credited"])
        return result

    def deposits_since(self, moment: datetime) -> int:
        """How many deposits were begun since `moment`."""
        found = self._connection.execute("SELECT count(*) FROM deposits WHERE began_at >= ?", (rfc3339(moment),))
        return int(found.fetchone()[0])

    def prove_start(self, deposit_id: bytes) -> tuple[bool, str]:
        """Open the deposit's first record, verify it, prove it in the log; whether it is sealed to the pinned bank key.

        Returns (sealed to the bank, leaf hash in hex). Raises `VerificationError` when anything does not hold.
        """
        row = self._connection.execute("SELECT min(seq) FROM leaves WHERE subject = ?", (deposit_id,)).fetchone()
        if row[0] is None:
            raise VerificationError("the deposit has no leaf in the log")
        record = self.log.record(int(row[0]))
        size = self.log.size()
        proof = self.log.inclusion(record.sequence, size)
        merkle.verify_inclusion(record.sequence, size, record.leaf_hash, proof, self.log.root())
        recipient = seal.read_header(self.log.envelope(record.sequence)).recipient
        return recipient == self.log.bank_seal.key_id, record.leaf_hash.hex()

    def account_in_clear(self, deposit_id: bytes, account_sealed: bytes) -> tuple[str, ...]:
        """Where on disk or in what goes to the bank this deposit's account number can be read, in words.

        Looks at the deposit's own facts, leaves and envelopes, byte by byte. Raises `VerificationError` when the sealed
        account does not open, so that nobody knows what to look for.
        """
        account = self._vault.open_text(deposit_id, account_sealed, _ACCOUNT)
        return self_check.in_clear(self._connection, deposit_id, account)

    def acknowledgement_problem(self) -> str:
        """What is wrong with the bank's last acknowledgement, looked at again; empty: the bank's, and of our log."""
        return self_check.acknowledgement_problem(self.log)

    def receipt(self, deposit_id: bytes) -> Receipt | None:
        """The receipt of a deposit; None when it has none.

        It is proved in the newest checkpoint that witnesses have cosigned, if that reaches so far; else in the log as
        it was when this was first asked. So paper, screen and copies show the same texts until a witness has signed.
        Raises `ErasedError` when the deposit was erased, ValueError when the log has outgrown the QR codes.
        """
        cosigned = self.log.cosigned()
        if self._receipt is not None and self._receipt[:2] == (deposit_id, cosigned):
            return self._receipt[2]
        row = self._connection.execute(
            "SELECT seq FROM leaves WHERE subject = ? AND kind = ? ORDER BY seq DESC LIMIT 1",
            (deposit_id, receipt.KIND),
        ).fetchone()
        if row is None:
            return None
        statement = self.log.record(int(row[0]))
        if cosigned is not None and cosigned[0] > statement.sequence:
            made = self._proved(statement, *cosigned)
        else:
            made = self._proved(statement, self.log.size(), self.log.checkpoint())
        self._receipt = (deposit_id, cosigned, made)
        return made

    def _proved(self, statement: VerifiedRecord, size: int, signed: str) -> Receipt:
        return receipt.make(statement, self.log.inclusion(statement.sequence, size), signed)

    # --- storage units --------------------------------------------------------------------------------------

    def commit_units(self, entry: Entry, now: datetime) -> list[Appended]:
        """One fact about the storage units with its records, in one durable transaction."""
        with self._transaction():
            unit_book.store(self._connection, entry)
            return [self._append(draft, now) for draft in (*entry.first, *entry.records)]

    def commit_count(
        self,
        entry: Entry,
        clearings: Sequence[tuple[ClearDispute, tuple[ClearedNote, ...]]],
        number: int,
        by: tuple[str, ...],
        now: datetime,
    ) -> None:
        """A count with its record, and the records that clear the disputes it decides: all of it durable, or none."""
        with self._transaction():
            self.commit_units(entry, now)
            for action, notes in clearings:
                self._append(disputes.clearing_record(action, notes, number, by), now)
                self.disputes.clear(action, notes, number)

    def open_disputes(self) -> dict[str, Any]:
        """How much is disputed and not cleared, for reports."""
        return unit_book.open_disputes(self.disputes.open())

    def units(self, *, whole: bool = False) -> Ledger:
        """The storage units as their facts make them; `whole` leaves no fact out. Raises `JournalError`."""
        return unit_book.load(self._connection, whole=whole)

    def latest(self, kind: str, rows_max: int) -> list[Mapping[str, Any]]:
        """The newest records of a kind that belong to no deposit, opened, newest first."""
        return list(unit_book.contents(self.log, self._connection, kind, rows_max))

    # --- people -------------------------------------------------------------------------------------------

    def authority(self) -> Authority:
        """Who may allow what, and what is being asked for."""
        return self._authority.state()

    def commit_authority(
        self,
        fact: AnyAuthorityFact,
        outcome: AuthorityOutcome,
        now: datetime,
        effect: Callable[["Journal", datetime], None] | None = None,
    ) -> None:
        """One fact of authority with its records, and with what it allows: all of it durable, or none.

        `effect` writes what is allowed by means of this journal; whatever it raises undoes the fact.
        """
        with self._transaction():
            self._authority.add(fact)
            for draft in outcome.records:
                self._append(draft, now)
            if effect is not None:
                effect(self, now)

    # --- the bank, and small memories ---------------------------------------------------------------------

    def acknowledge(self, ack: bytes) -> int:
        """Apply the bank's acknowledgement; raises `VerificationError` when it is not what it claims to be.

        One that proves our log to be old or rewritten is kept as evidence before the error is raised: see `distrust`.
        """
        try:
            with self._transaction():
                return self.log.acknowledge(ack)
        except (LogForkError, LogRollbackError) as error:
            with self._transaction():  # the first one stays: what came later adds nothing to it
                self._connection.execute(
                    "INSERT INTO memory (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
                    (DISTRUST, json.dumps({"why": error.args[0], "acknowledgement": ack.hex()})),
                )
            raise

    def outbox_state(self) -> tuple[int, str]:
        """How many deposits the bank has not signed for, and the minute of its oldest missing record; empty: none."""
        first, size = self.log.acknowledged(), self.log.size()
        if first >= size:
            return 0, ""
        query = "SELECT count(*) FROM leaves WHERE kind = 'deposit' AND seq >= ?"
        deposits = self._connection.execute(query, (first,)).fetchone()[0]
        return int(deposits), leaf.parse(self.log.entry(first)).minute

    def free_bytes(self) -> int:
        """What the journal's file system has left."""
        return shutil.disk_usage(self._directory).free

    def take_evidence(self, piece: Piece, data: bytes, bounds: Bounds, free_bytes: int, now: datetime) -> Taken:
        """Keep a part of a file for the bank; with it, what had to go and the record of that."""
        with self._transaction():
            taken = self.evidence.take(piece, data, bounds, free_bytes)
            for draft in taken.records:
                self._append(draft, now)
        return taken

    def tend_evidence(self, bounds: Bounds, free_bytes: int, now: datetime) -> int:
        """Drop evidence where the disk needs room; how many records say so."""
        with self._transaction():
            drafts = self.evidence.tend(bounds, free_bytes)
            for draft in drafts:
                self._append(draft, now)
        return len(drafts)

    def acknowledge_evidence(self, ack: bytes) -> None:
        """Apply the bank's word for what it holds of a file; raises `VerificationError`."""
        with self._transaction():
            self.evidence.acknowledge(ack)

    def distrust(self) -> str:
        """Why this log must not grow by another deposit, as the bank's own signature proved; empty when it may.

        It stays until the bank and a second signer open a new log epoch, whatever is restarted meanwhile.
        """
        kept = self.memory(DISTRUST)
        return "" if kept is None else str(json.loads(kept)["why"])

    def auditing(self) -> Callable[[], int | None]:
        """Recompute the record log a stretch a call: how many leaves are done, None at the end.

        A call raises `VerificationError` where the log does not add up. Commits may go between two calls.
        """
        checking = self.log.auditing()

        def stretch() -> int | None:
            try:
                return next(checking, None)
            except JournalError as error:  # a node is missing
                raise VerificationError(error.args[0]) from error

        return stretch

    def directory(self) -> bytes | None:
        """The account directory as the bank signed it; whoever uses it verifies it again."""
        row = self._connection.execute("SELECT statement FROM directory WHERE id = 1").fetchone()
        return None if row is None else bytes(row[0])

    def store_directory(self, statement: bytes, draft: RecordDraft, now: datetime) -> Appended:
        """Replace the account directory, together with the record that says so."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO directory (id, stored_at, statement) VALUES (1, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET stored_at = excluded.stored_at, statement = excluded.statement",
                (rfc3339(now), statement),
            )
            return self._append(draft, now)

    def commit_bank(self, write: Callable[["Journal", datetime], _T], now: datetime) -> _T:
        """What the bank has said with its records and all that follows from it: durable as a whole, or not at all.

        `write` writes by means of this journal; whatever it raises undoes all of it.
        """
        with self._transaction():
            return write(self, now)

    def begin_epoch(self, kiosk: str, epoch: int) -> None:
        """Another log in place of one that is not to be believed; inside the transaction of who may order it."""
        with self._transaction():
            self.log.begin(topics.log_name(kiosk, epoch))
            self.bank.put("epoch", str(epoch).encode())
            self.bank.forget("complaint")
            self._connection.execute("DELETE FROM memory WHERE key = ?", (DISTRUST,))
            self._receipt = None

    def memory(self, key: str) -> str | None:
        """A small durable value, such as the accepted validator's serial number."""
        row = self._connection.execute("SELECT value FROM memory WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, key: str, value: str, draft: RecordDraft | None = None, now: datetime | None = None) -> None:
        """Store a small value, with the record that says so."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO memory (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            )
            if draft is not None and now is not None:
                self._append(draft, now)

    def check(self) -> None:
        """Write durably, read it back from the file: the self-check of a watchdog. Raises `JournalError`.

        Read by a connection of its own, so that a file that was taken away or put back is noticed as well.
        """
        mark = str(int(self.memory(_CHECK) or 0) + 1)
        self.remember(_CHECK, mark)
        found = journal_file.read_anew(self._path, _CHECK)
        if found != mark:
            raise JournalError(
                f"the journal's file says {found or 'nothing'} where {mark} was just written",
                remedy="Look whether the file or its disk was exchanged.",
            )

    def close(self) -> None:
        """Close the database and give the lock back."""
        self._connection.close()
        self._lock.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._connection.in_transaction:
            yield
            return
        try:
            with journal_file.transaction(self._connection):
                yield
        except BaseException:
            self._fresh.clear()
            raise
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            self.listener(fresh)


def _about(draft: RecordDraft, made: Sequence[Appended]) -> RecordDraft:
    """A receipt statement names the record that it is about: the one appended just before it."""
    if draft.kind != receipt.KIND:
        return draft
    about = made[-1]
    return RecordDraft(draft.kind, {**draft.body, "record_seq": about.sequence, "record_leaf": about.leaf_hash})
