"""A record log and its bank: acknowledgements, cosigned checkpoints, the time that the bank has signed, the audit.

What others have signed is believed only about *our* log: a root that is not ours, or more records than we have, is
said loudly and changes nothing.
"""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from typing import Final

from kiosk.clock import rfc3339
from kiosk.errors import JournalError, LogForkError, LogRollbackError, VerificationError
from kiosk.guarantee import acks, checkpoint, verify
from kiosk.guarantee.audit import Audit
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.log_reading import LogReader
from kiosk.guarantee.personal import PersonalVault

HIGH_WATER: Final = "high_water"  # the latest time that our synchronised clock has shown
BANK_TIME: Final = "bank_time"  # the latest time that the bank has signed
_RESENT_SINCE: Final = "resent_since"
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


class BankedLog(LogReader):
    """What the bank signs of the log, and may ask of it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        keys: LogKeys,
        vault: PersonalVault,
        clock_synchronised: Callable[[], bool],
    ) -> None:
        super().__init__(connection, keys, vault)
        self._clock_synchronised = clock_synchronised
        self.latest = self.time_floor()  # as far as this process knows; for whoever may not ask the database

    def acknowledge(self, data: bytes) -> int:
        """Believe a bank's acknowledgement if it is signed and about *our* log; how many records it holds by now.

        Old and duplicate acknowledgements change nothing. Raises VerificationError when it is not the bank's,
        LogRollbackError when the bank holds more than we have, LogForkError when its root is not ours;
        JournalError outside a transaction.
        """
        self._require_transaction()
        found = self.check_acknowledgement(data, self.bank_acks)
        if found.checkpoint:
            self._keep_cosigned(found.checkpoint)
        self.bank_said(found.at)
        before = self.acknowledged()
        if found.sequence <= before or found.at < (self._text(_RESENT_SINCE) or ""):
            return before
        self._put({"acknowledged": found.sequence, "acknowledgement": data})
        return found.sequence

    def check_acknowledgement(self, data: bytes, keys: PublicKeys) -> acks.Acknowledgement:
        """What the bank acknowledges of our log, by one of `keys`; nothing is changed. Raises as `acknowledge` does."""
        found = acks.verify(data, keys, self._keys.kiosk)
        if found.tree_size > self.size():
            raise LogRollbackError(
                f"the bank holds {found.tree_size} records of this kiosk, which has only {self.size()}"
            )
        if found.root != self.root_at(found.tree_size):
            raise LogForkError(f"the bank's root of the first {found.tree_size} records is not ours")
        return found

    def _keep_cosigned(self, signed: str) -> None:
        """Our own checkpoint, come back with witnesses' signatures: who they are, the receipt's reader judges."""
        point = checkpoint.verify(signed, checkpoint.Log.of(self.origin, self.keys("checkpoint")))
        if point.size > self.size():
            raise LogRollbackError(f"witnesses know {point.size} records of this kiosk, which has only {self.size()}")
        if point.root != self.root_at(point.size):
            raise LogForkError(f"the cosigned root of the first {point.size} records is not ours")
        known = self.cosigned()
        if known is None or known[0] <= point.size:
            self._put({"cosigned_size": point.size, "cosigned": signed})

    def resend(self, first: int, since: str) -> int:
        """Records from `first` on go out again, until the bank acknowledges them after `since` (its own time).

        An acknowledgement of before is retained at the broker and would take them back out. It stays evidence of what
        the bank held then. Returns how many go out that did not before. Raises ValueError for what is not there.
        """
        self._require_transaction()
        if not 0 <= first < self.size():
            raise ValueError(f"there is no record {first}")
        before, kept = self.acknowledged(), self.acknowledgement()
        self._put({_RESENT_SINCE: since, "acknowledged": min(before, first)})
        if kept is not None:
            self._put({f"acknowledgement_of_{before}": kept})
        return before - min(before, first)

    def bank_said(self, at: str) -> None:
        """A verified statement of the bank was made at `at`: it is not earlier than that."""
        if _MOMENT.fullmatch(at):
            self._raise_time(BANK_TIME, at)

    def time_floor(self) -> str:
        """The earliest that it can be now, RFC 3339; empty when nothing tells.

        What the bank has signed, and the latest time that our own clock has shown while it was synchronised. A clock
        that is set back does not make what has expired good again.
        """
        return max(self._text(BANK_TIME) or "", self._text(HIGH_WATER) or "")

    def clock_shows(self, now: datetime) -> None:
        """Our own clock, if it is synchronised, is a proof of the time as well; kept by the next record."""
        if self._clock_synchronised():
            self.latest = max(self.latest, rfc3339(now))

    def audit(self) -> verify.LogState:
        """Recompute the whole log from its entries and hold what is stored against it, O(n).

        Raises VerificationError where anything disagrees; JournalError where nodes are missing.
        """
        checking = self.auditing()
        while True:
            try:
                next(checking)
            except StopIteration as done:
                found: verify.LogState = done.value
                return found

    def auditing(self) -> Generator[int, None, verify.LogState]:
        """`audit` a stretch at a time, of the log as it is at the first; yields how many leaves are done.

        The log may grow between two stretches. What the bank and witnesses have signed is compared first: an old copy
        that kept it is found at once.
        """
        size = self.size()
        running = Audit(self._connection, self._keys.kiosk, size, self.acknowledged())
        running.begin()
        self._check_signed(size)
        while running.step():
            yield running.tree.size
        if running.tree.root() != self.root_at(size):
            raise VerificationError(f"the stored nodes do not make the root of {size} leaves")
        return verify.LogState(size, running.tree.root())

    def _check_signed(self, size: int) -> None:
        """What others have signed of this log, newest; what a key signed that was replaced since says nothing."""
        stated: list[tuple[int, bytes]] = []
        ack, cosigned, acknowledged = self.acknowledgement(), self.cosigned(), self.acknowledged()
        if ack is None and acknowledged:
            raise VerificationError(
                f"{acknowledged} records count as acknowledged; nothing that the bank signed says so"
            )
        with contextlib.suppress(VerificationError):
            if ack is not None:
                found = acks.verify(ack, self._keys.bank_acks.ever, self._keys.kiosk)
                stated.append((found.tree_size, found.root))
        if stated and acknowledged > stated[0][0]:
            raise VerificationError(
                f"{acknowledged} records count as acknowledged; the bank has signed for {stated[0][0]}"
            )
        with contextlib.suppress(VerificationError):
            if cosigned is not None:
                own = checkpoint.Log.of(self.origin, self.keys("checkpoint"))
                point = checkpoint.verify(cosigned[1], own)
                stated.append((point.size, point.root))
        for known, root in stated:
            if known > size:
                raise LogRollbackError(f"{known} records of this kiosk have been signed for, which has only {size}")
            if root != self.root_at(known):
                raise LogForkError(f"the root that was signed of the first {known} records is not ours")

    def _raise_time(self, key: str, at: str, grain: int | None = None) -> None:
        """Keep the later of the two; times that agree in their first `grain` characters are not worth a write."""
        self.latest = max(self.latest, at)
        if at[:grain] > (self._text(key) or "")[:grain]:
            self._put({key: at})

    def _put(self, values: Mapping[str, object]) -> None:
        self._connection.executemany(
            "INSERT INTO log_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            list(values.items()),
        )

    def _require_transaction(self) -> None:
        if not self._connection.in_transaction:
            raise JournalError("the log is written only inside a transaction of the journal")
