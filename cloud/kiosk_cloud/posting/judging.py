"""What may be handed over: a posting is made from its record, and a clearing only after its people were checked.

A record whose own figures contradict each other, or a clearing that nobody was allowed to make, is held for people and
judged again at each round; nothing behind it waits.
"""

from collections.abc import Iterable
from typing import Any, Final

from kiosk.core import topics
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose
from kiosk_cloud import clearings
from kiosk_cloud.posting import entries
from kiosk_cloud.posting.entries import Posting
from kiosk_cloud.posting.outbox import CLEARING, DEPOSIT, Outbox, Row, key_of
from kiosk_cloud.store import Store

BATCH: Final = 500
READY: Final = "ready"
NOTHING: Final = "nothing"
HELD: Final = "held"


class Judging:
    """One round; what was found out about clearings is not asked for twice in it."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox
        self._refused: dict[str, dict[tuple[str, int], str]] = {}  # kiosk -> clearing -> why, "" when it holds

    def run(self) -> None:
        """Judge all that is queued or held."""
        after = 0
        while rows := self._outbox.unjudged(after, BATCH):
            deposits = [row for row in rows if row.kind == DEPOSIT]
            self._outbox.judge(self._verdicts(deposits))
            self._outbox.judge(self._verdicts([row for row in rows if row.kind == CLEARING]))
            after = rows[-1].id

    def posting(self, row: Row) -> Posting:
        """What a row says, from its record. Raises VerificationError."""
        record = self._store.record(row.kiosk, row.sequence)
        if record is None:
            raise VerificationError(f"record {row.kiosk}/{row.sequence} is not in the store")
        content = _content(record.content)
        if row.kind == DEPOSIT:
            return entries.of_deposit(row.key, record.leaf_hash, content)
        logs = self._store.logs_of(row.kiosk)
        deposit = next((found for log in logs if (found := self._store.deposit(log, row.deposit_id))), None)
        if deposit is None:
            raise VerificationError("the deposit that it clears is not in the store")
        refers_to = key_of(DEPOSIT, row.deposit_id)
        return entries.of_clearing(row.key, record.leaf_hash, content, _content(deposit.content), refers_to)

    def _verdicts(self, rows: Iterable[Row]) -> list[tuple[int, str, str]]:
        return [(row.id, *self._verdict(row)) for row in rows]

    def _verdict(self, row: Row) -> tuple[str, str]:
        try:
            if row.kind == CLEARING:
                self._check_clearing(row)
            return (READY, "") if self.posting(row).entries else (NOTHING, "")
        except (VerificationError, LookupError, TypeError, ValueError) as error:
            return HELD, str(error)

    def _check_clearing(self, row: Row) -> None:
        state = self._outbox.deposit_state(row.deposit_id, row.kiosk)
        if state not in (READY, NOTHING):
            raise VerificationError(f"its deposit is {state or 'not known'}")
        kiosk = topics.kiosk_of(row.kiosk)
        if kiosk not in self._refused:
            self._refused[kiosk] = self._followed(kiosk)
        missing = "it was not found among the kiosk's records"
        reason = self._refused[kiosk].get((row.kiosk, row.sequence), missing)
        if reason:
            raise VerificationError(reason)

    def _followed(self, kiosk: str) -> dict[tuple[str, int], str]:
        """Every clearing of a kiosk, held against the records before it, from the first one of its first log on."""
        follower = clearings.Clearings(clearings.Net())
        found: dict[tuple[str, int], str] = {}
        for log in self._store.logs_of(kiosk):
            for record in self._store.records_of_kinds(log, clearings.KINDS):
                reason = ""
                try:
                    follower.take(record.kind, _content(record.content))
                except VerificationError as error:
                    reason = str(error)
                if record.kind == CLEARING:
                    found[log, record.sequence] = reason
        return found


def _content(data: bytes) -> dict[str, Any]:
    content: dict[str, Any] = cbor.decode(data, cose.PAYLOAD_BYTES_MAX)
    return content
