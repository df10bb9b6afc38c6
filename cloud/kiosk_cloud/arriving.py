"""The records of one batch against the store: what is known of them is looked up together, what is new stored together.

A statement for each record would cost the receiver as much as opening it. One object serves one transaction, which
also keeps everybody else's hands off what was looked up.
"""

from collections import defaultdict
from collections.abc import Iterable

from kiosk_cloud.store import Store, StoredRecord


class Arriving:
    """Verified records on their way into the store, which they enter with `flush`."""

    def __init__(self, store: Store, records: Iterable[StoredRecord], at: str) -> None:
        """`records`: all that may be asked for; `at`: when they came, RFC 3339."""
        self._store = store
        self._at = at
        self._hashes: dict[tuple[str, int], bytes] = {}
        self._deposits: dict[tuple[str, bytes], int] = {}  # -> a sequence of that deposit
        self._sizes: dict[str, int] = {}
        self._unwritten: list[StoredRecord] = []
        self._new: dict[tuple[str, int], StoredRecord] = {}
        by_kiosk: dict[str, list[StoredRecord]] = defaultdict(list)
        for record in records:
            by_kiosk[record.kiosk].append(record)
        for kiosk, group in by_kiosk.items():
            self._sizes[kiosk] = store.size(kiosk)
            known = store.leaf_hashes(kiosk, [each.sequence for each in group])
            self._hashes.update({(kiosk, sequence): leaf_hash for sequence, leaf_hash in known})
            ids = [each.deposit_id for each in group if each.deposit_id is not None]
            found = store.sequences_of_deposits(kiosk, ids)
            self._deposits.update({(kiosk, deposit): sequence for deposit, sequence in found})

    def leaf_hash(self, record: StoredRecord) -> bytes | None:
        """What is here at the record's place, in the store or from earlier in the batch."""
        return self._hashes.get((record.kiosk, record.sequence))

    def deposit_elsewhere(self, record: StoredRecord) -> int | None:
        """The sequence of another record of the same deposit; `record` itself has not been added."""
        return None if record.deposit_id is None else self._deposits.get((record.kiosk, record.deposit_id))

    def size(self, kiosk: str) -> int:
        """Of the contiguous prefix when it was looked at last."""
        return self._sizes[kiosk]

    def set_size(self, kiosk: str, size: int) -> None:
        """The prefix has grown."""
        self._sizes[kiosk] = size

    def add(self, record: StoredRecord) -> None:
        """Take a record whose place is free."""
        key = record.kiosk, record.sequence
        self._hashes[key] = record.leaf_hash
        if record.deposit_id is not None:
            self._deposits.setdefault((record.kiosk, record.deposit_id), record.sequence)
        self._new[key] = record
        self._unwritten.append(record)

    def flush(self) -> None:
        """Write what was added: before anything reads the store's records, and before the transaction ends."""
        if self._unwritten:
            self._store.add_records(self._unwritten, self._at)
            self._unwritten.clear()

    def stored(self, kiosk: str, sequence: int) -> StoredRecord | None:
        """A record of this very batch, or from the store."""
        return self._new.get((kiosk, sequence)) or self._store.record(kiosk, sequence)
