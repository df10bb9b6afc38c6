"""Re-check a whole store offline: nothing in it is believed because the receiver once believed it.

Every envelope is opened and verified again, every column compared with what the envelope says, the Merkle tree
rebuilt from the first leaf and held against every root, checkpoint and acknowledgement in the store, every
deposit's sums against its notes, every clearing of a dispute against who signed it (`clearings`). Memory does not
grow with the number of records.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kiosk.core import topics
from kiosk.errors import KioskError, VerificationError
from kiosk.guarantee import acks, cbor, checkpoint, cose, rotation
from kiosk.guarantee.merkle import EMPTY_ROOT, CompactRange
from kiosk_cloud import days
from kiosk_cloud.clearings import KINDS as FOLLOWED
from kiosk_cloud.clearings import Clearings, Net
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.opening import DEPOSIT, open_record
from kiosk_cloud.posting import outbox
from kiosk_cloud.store import Store, StoredRecord
from kiosk_cloud.sums import CLAIMS, Totals

FAILURES_MAX: Final = 1000


@dataclass
class Report:
    """What was found; `ok` only if nothing at all disagreed."""

    records: int = 0
    verified: int = 0
    totals: Totals = field(default_factory=Totals)
    z_reports: int = 0
    exchanges: int = 0
    counts: int = 0
    net: Net = field(default_factory=Net)
    failures: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return not self.failures

    def fail(self, where: str, reason: object) -> None:
        """Note a failure, at most FAILURES_MAX of them."""
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(f"{where}: {reason}")

    def count(self, found: days.Days, before: tuple[int, int, int]) -> None:
        """One log's Z reports, exchanges and counts, each of which was checked; `before`: those counted already."""
        self.z_reports += found.z_reports - before[0]
        self.exchanges += found.exchanges - before[1]
        self.counts += found.counts - before[2]

    def as_json(self) -> dict[str, Any]:
        """The report as `kiosk-cloud verify --json` prints it; amounts in minor units per currency."""
        return {
            "ok": self.ok,
            "records": self.records,
            "verified": self.verified,
            "deposits": self.totals.deposits,
            **{f"{claim}_minor": dict(sorted(self.totals.minor[claim].items())) for claim in CLAIMS},
            **self.net.as_json(),
            "risk": dict(self.totals.risk),
            "z_reports": self.z_reports,
            "exchanges": self.exchanges,
            "counts": self.counts,
            "failures": self.failures,
        }


def verify_store(path: Path, keys: Path) -> Report:
    """Check the store at `path` with the bank's `keys`; everything wrong is in the report, nothing raised."""
    report = Report()
    try:
        if not path.is_file():
            report.fail("store", f"{path} is not there")
            return report
        store = Store(path, read_only=True)
    except KioskError as error:
        report.fail("store", error)
        return report
    try:
        with store.snapshot():
            _check_file(store, Keyring(keys), report)
    except (sqlite3.Error, KioskError) as error:
        report.fail("store", error)
    finally:
        store.close()
    return report


def _check_file(store: Store, keyring: Keyring, report: Report) -> None:
    for problem in store.integrity_problems():
        report.fail("store", problem)
    before: _Audit | None = None
    for kiosk in sorted(store.kiosks(), key=lambda log: (topics.kiosk_of(log), len(log), log)):
        try:
            same = before is not None and topics.kiosk_of(before.log) == topics.kiosk_of(kiosk)
            audit = _Audit(store, kiosk, keyring, report, before if same else None)
            before = audit
            audit.run()
        except (sqlite3.Error, KioskError, ValueError, TypeError) as error:
            report.fail(kiosk, f"cannot be read on: {error}")


class _Audit:
    """One kiosk's part of the store."""

    def __init__(self, store: Store, kiosk: str, keyring: Keyring, report: Report, before: "_Audit | None") -> None:
        """`before`: the log that this one follows; its business dates and disputes go on."""
        self.log = kiosk
        self._store = store
        self._kiosk = kiosk
        self._keyring = keyring
        self._report = report
        self._outbox = outbox.Outbox(store)
        self._tree = CompactRange()
        self._days = days.Days()
        self._clearings: Clearings | None = Clearings(report.net)  # None behind a gap: what came before is not known
        self._counted = (0, 0, 0)  # of the logs before
        if before is not None:
            self._days, self._clearings = before._days, before._clearings  # noqa: SLF001 - of our own kind
            self._counted = (self._days.z_reports, self._days.exchanges, self._days.counts)
            self._days.new_log()
        self._prefix = CompactRange()  # the tree at the size that the receiver says it has signed for
        self._size, self._peaks = self._stated_prefix()
        for record in self._store.records_of_kinds(self._kiosk, [rotation.KIND]):
            with contextlib.suppress(VerificationError):  # said when the record is reached
                self._learn(record)
        self._roots = _Ahead(store.roots(kiosk))
        self._checkpoints = _Ahead(self._verified_checkpoints())
        self._acks = _Ahead(self._verified_acks())

    def run(self) -> None:
        """All checks of this kiosk."""
        self._compare_roots(required=False)
        for record in self._store.records(self._kiosk):
            self._report.records += 1
            where = f"{self._kiosk}/{record.sequence}"
            if record.sequence != self._tree.size:
                self._report.fail(where, f"the sequence is broken: record {self._tree.size} should be here")
                self._count_rest(record)
                break
            try:
                self._check_record(record)
            except (VerificationError, TypeError) as error:
                self._report.fail(where, error)
            self._append(record, where)
        self._check_end()
        self._report.count(self._days, self._counted)
        for kind, sequence, reason in self._store.forks(self._kiosk):
            self._report.fail(f"{self._kiosk}/{sequence}", f"fork ({kind}): {reason}")

    def _check_record(self, record: StoredRecord) -> None:
        keys = self._keyring.kiosk(self._kiosk).records
        again = open_record(record.envelope, self._kiosk, keys, self._keyring.seal_for)
        for name in ("sequence", "leaf_hash", "kind", "deposit_id", "content", "entry"):
            if getattr(again, name) != getattr(record, name):
                message = f"the stored {name} is not what the envelope says"
                raise VerificationError(message)
        if record.kind == DEPOSIT:
            other = self._store.deposit_elsewhere(record)
            if other is not None:
                message = f"record {other} is of the same deposit"
                raise VerificationError(message)
            content = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
            self._report.totals.add(content)
            self._days.deposit(content)
        elif record.kind in days.KINDS and self._tree.size == record.sequence:  # behind a gap nothing can be said
            content = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
            self._days.check(record.kind, content, record.sequence, self._tree.root())
        if self._clearings is not None and record.kind in FOLLOWED:
            self._clearings.take(record.kind, cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX))
        if record.kind in outbox.KINDS and record.sequence < self._size:
            deposit_id = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX).get("deposit_id")
            if not isinstance(deposit_id, bytes) or not self._outbox.has(record, deposit_id):
                raise VerificationError("it was never queued for the bank's books")
        if record.kind == rotation.KIND:
            self._learn(record)
        self._report.verified += 1

    def _learn(self, record: StoredRecord) -> None:
        content = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
        self._keyring.learn(self._kiosk, record.sequence, content, keep=False)

    def _append(self, record: StoredRecord, where: str) -> None:
        try:
            self._tree.append(record.leaf_hash)
        except (VerificationError, TypeError) as error:
            self._report.fail(where, error)
            self._tree.append(EMPTY_ROOT)  # keeps counting; every root from here on disagrees and says so
        if self._tree.size == self._size:
            self._prefix = CompactRange(self._tree.size, self._tree.peaks)
        self._compare_roots(required=True)

    def _compare_roots(self, *, required: bool) -> None:
        """What was stated about the tree at its present size."""
        size, root = self._tree.size, self._tree.root()
        found = list(self._roots.at(size))
        if required and size <= self._size and not found:
            self._report.fail(self._kiosk, f"the root of size {size} is missing")
        for name, roots in (
            ("root", found),
            ("kiosk's checkpoint", self._checkpoints.at(size)),
            ("bank's acknowledgement", self._acks.at(size)),
        ):
            if any(stated != root for stated in roots):
                self._report.fail(self._kiosk, f"the {name} of size {size} is not the records' Merkle root")

    def _check_end(self) -> None:
        """Nothing speaks of more records than there are."""
        size = self._tree.size
        if self._size != size:
            self._report.fail(self._kiosk, f"the store says {self._size} contiguous records, here are {size}")
        elif self._peaks != b"".join(self._prefix.peaks):
            self._report.fail(self._kiosk, "the stored Merkle peaks are not those of the records")
        for name, rows in (
            ("a root is stored", self._roots),
            ("the kiosk has signed", self._checkpoints),
            ("the bank has acknowledged", self._acks),
        ):
            beyond = rows.rest()
            if beyond:
                self._report.fail(self._kiosk, f"{name} for {max(beyond)} records, here are {size}")

    def _count_rest(self, record: StoredRecord) -> None:
        """Records behind a gap are each checked, but are part of no tree."""
        self._clearings = None
        rest = [record] if record.sequence > self._tree.size else []
        for each in rest:
            self._try(each)
        for each in self._store.records(self._kiosk, after=record.sequence):
            self._report.records += 1
            self._try(each)

    def _try(self, record: StoredRecord) -> None:
        try:
            self._check_record(record)
        except (VerificationError, TypeError) as error:
            self._report.fail(f"{self._kiosk}/{record.sequence}", error)

    # --- statements, verified as they are read ------------------------------------------------------

    def _stated_prefix(self) -> tuple[int, bytes]:
        return self._store.stated_prefix(self._kiosk) or (0, b"")

    def _verified_checkpoints(self) -> Iterator[tuple[int, bytes]]:
        for size, root, note in self._store.checkpoints(self._kiosk):
            try:
                found = checkpoint.verify(note, self._keyring.kiosk(self._kiosk).checkpoint)
                if (found.size, found.root) != (size, root):
                    self._report.fail(self._kiosk, f"the stored checkpoint of size {size} says something else")
            except (VerificationError, TypeError) as error:
                self._report.fail(self._kiosk, f"the stored checkpoint of size {size}: {error}")
            yield size, root

    def _verified_acks(self) -> Iterator[tuple[int, bytes]]:
        for sequence, statement in self._store.acks(self._kiosk):
            try:
                found = acks.verify(statement, self._keyring.ack_public, self._kiosk)
            except (VerificationError, TypeError) as error:
                self._report.fail(self._kiosk, f"the stored acknowledgement of {sequence} records: {error}")
                continue
            if found.sequence != sequence:
                self._report.fail(self._kiosk, f"the stored acknowledgement of {sequence} says {found.sequence}")
            yield sequence, found.root


class _Ahead:
    """Rows of (size, root) in order of size, read only as far as asked for."""

    def __init__(self, rows: Iterator[tuple[int, bytes]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def at(self, size: int) -> list[bytes]:
        """The roots stated at `size`; a row of an impossible size comes back as a root that nothing has."""
        found = []
        while self._next is not None and self._next[0] <= size:
            found.append(self._next[1] if self._next[0] == size else b"")
            self._next = next(self._rows, None)
        return found

    def rest(self) -> list[int]:
        """The largest size that is left, if any."""
        largest: list[int] = []
        while self._next is not None:
            largest = [self._next[0]]
            self._next = next(self._rows, None)
        return largest
