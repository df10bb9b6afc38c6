"""What the bank does with each message: verify, store, acknowledge the contiguous prefix. No network in here.

`Receiver.handle` runs in one transaction; whoever calls it confirms the messages to the broker only after it
returned. Nothing that arrives can make it raise: what cannot be verified goes into quarantine and is no proof of
anything, since HPKE authenticates no sender. A fork needs a valid inner signature, and then it is an alarm.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from msgspec.structs import replace

from kiosk.clock import Clock, rfc3339
from kiosk.core import telemetry, topics
from kiosk.core.topics import Lane
from kiosk.errors import VerificationError
from kiosk.guarantee import acks, cbor, checkpoint, cose, evidence, merkle, rotation, seal, verify
from kiosk.guarantee.complaints import Kind
from kiosk.guarantee.evidence import Piece
from kiosk.guarantee.seal import Opened
from kiosk.guarantee.verify import Claim
from kiosk.protection.gate import mask
from kiosk_cloud.arriving import Arriving
from kiosk_cloud.commanding.queue import COMPLAINT, RESULT, Queue, about, is_online
from kiosk_cloud.evidence import EvidenceFiles
from kiosk_cloud.keyring import Keyring, KioskKeys
from kiosk_cloud.opening import verified
from kiosk_cloud.posting import outbox
from kiosk_cloud.store import Store, StoredRecord

log = logging.getLogger(__name__)

BIRTH_BYTES_MAX: Final = 4096
_RECEIVED: Final = frozenset({"record", "result", "checkpoint", "birth", "evidence", "telemetry"})
HEALTH_STALE: Final = timedelta(minutes=10)  # a kiosk whose clock went back is heard again after that
QUARANTINE_BYTES_MAX: Final = 70_000  # of one payload; a whole envelope fits, and the digest is of all of it


@dataclass(frozen=True)
class Message:
    """What arrived."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class Outgoing:
    """A message to publish, QoS 1."""

    topic: str
    payload: bytes
    retain: bool


@dataclass(frozen=True)
class Limits:
    """Bounds of the receiver."""

    ahead_records_max: int = 4096  # stored beyond the contiguous prefix, per kiosk
    gap_s: float = 30.0  # a hole in the sequence for this long is complained of


_Heard = tuple[str, Lane, bytes]  # kiosk, lane, payload
_Judged = tuple[str, Callable[[], bool | Outgoing]]


class Receiver:
    """One instance; several may share a store, each with its own connection."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        limits: Limits | None = None,
        files: EvidenceFiles | None = None,
    ) -> None:
        """`files`: where evidence goes, on the store's connection; without it none is taken."""
        self._store = store
        self._files = files
        self._outbox = outbox.Outbox(store)
        self._queue_out = Queue(store)
        self._keyring = keyring
        self._clock = clock
        self._limits = limits or Limits()
        self._keys: dict[str, KioskKeys] = {}  # of the batch under way
        self._arriving = Arriving(store, (), "")  # the same
        self._holes: dict[str, tuple[int, float]] = {}  # kiosk -> first missing sequence, seen since (monotonic)

    def handle(self, messages: Sequence[Message]) -> list[Outgoing]:
        """Take messages in the order of arrival, all in one transaction; returns what to publish after it.

        Opening and verifying happens before the store's lock is taken. Store errors pass through: nothing of the
        batch is stored then, and none of it may be confirmed to the broker.
        """
        heard = [found for message in messages if (found := _heard(message)) is not None]
        # Step by step for all of them: deciphering, reading and checking of signatures push each other out of the
        # processor's caches, which costs a sixth of the receiver's speed when they take turns.
        opened = [self._open(lane, payload) for _, lane, payload in heard]
        claims = [_read(kiosk, inside) for (kiosk, _, _), inside in zip(heard, opened, strict=True)]
        self._keys.clear()
        records: list[StoredRecord] = []
        judged = [self._judge(each, claim, records) for each, claim in zip(heard, claims, strict=True)]
        answer: set[str] = set()
        said: list[Outgoing] = []
        with self._store.transaction():
            self._arriving = Arriving(self._store, records, self._now())
            for kiosk, store in judged:
                done = store()
                if isinstance(done, Outgoing):
                    said.append(done)
                elif done:
                    answer.add(kiosk)
            return [out for kiosk in sorted(answer) for out in self._advance(kiosk)] + said

    def tick(self) -> list[Outgoing]:
        """Complain of holes that have stayed for `gap_s`; to be called every second or so.

        Returns the commands and complaints that it is time to send, to kiosks that are online.
        """
        now_s = self._clock.monotonic_s()
        seen: dict[str, tuple[int, float]] = {}
        for kiosk, size in self._store.prefixes():
            if self._store.first_ahead(kiosk, size) is None:
                continue
            missing, since_s = self._holes.get(kiosk, (size, now_s))
            seen[kiosk] = (size, since_s if missing == size else now_s)
            if now_s - seen[kiosk][1] >= self._limits.gap_s:
                self._complain(kiosk, size)
        self._holes = seen
        if not self._queue_out.waiting():
            return []
        with self._store.transaction():
            due = self._queue_out.due(self._clock.now_utc())
        return [Outgoing(topics.topic(kiosk, lane), data, retain=False) for kiosk, lane, data in due]

    def tell_cosigned(self) -> list[Outgoing]:
        """New acknowledgements for kiosks whose newest checkpoint witnesses have cosigned since the last one."""
        with self._store.transaction():
            told = [kiosk for kiosk, _ in self._store.take_untold()]
            trees = [(kiosk, tree) for kiosk in told if (tree := self._store.tree(kiosk)).size]
            return [
                Outgoing(topics.topic(kiosk, "ack"), self._signed(kiosk, tree), retain=True) for kiosk, tree in trees
            ]

    # --- before the transaction: what is it? -------------------------------------------------------

    def _open(self, lane: Lane, payload: bytes) -> Opened | VerificationError | None:
        """What is in an envelope, or why it does not open; None on a lane that carries none."""
        if lane not in ("record", "result"):
            return None
        try:
            return seal.open_envelope(payload, self._keyring.seal_for)
        except VerificationError as error:
            return error

    def _judge(self, heard: _Heard, claim: Claim | VerificationError | None, records: list[StoredRecord]) -> _Judged:
        """The kiosk, and what to do inside the transaction: it says whether an acknowledgement is owed, or answers.

        A record is put into `records` as well, so that the transaction can look all of them up at once.
        """
        kiosk, lane, payload = heard
        try:
            if isinstance(claim, VerificationError):
                raise claim
            if claim is None:
                return kiosk, self._judged(kiosk, lane, payload)
            record = verified(payload, claim, self._keys_of(kiosk).records)
        except VerificationError as error:
            return kiosk, partial(self._quarantine, kiosk, lane, payload, str(error))
        if record.kind == rotation.KIND:
            self._follow(record)
        if lane == "result":
            return kiosk, partial(self._answered, record)
        records.append(record)
        return kiosk, partial(self._record, record)

    def _judged(self, kiosk: str, lane: Lane, payload: bytes) -> Callable[[], bool | Outgoing]:
        """Raises VerificationError for what belongs into quarantine."""
        if lane == "checkpoint":
            found = checkpoint.verify(payload, self._keys_of(kiosk).checkpoint)
            return partial(self._checkpoint, kiosk, found, payload)
        if lane == "evidence":
            _ = self._keys_of(kiosk)  # nobody else's is kept
            key = self._keyring.seal_for(evidence.recipient_of(payload))
            return partial(self._evidence, kiosk, *evidence.open_chunk(payload, kiosk, key))
        if lane == "telemetry":
            return self._told(kiosk, payload)
        if len(payload) > BIRTH_BYTES_MAX:
            raise VerificationError(f"birth of {len(payload)} bytes")
        return partial(self._birth, kiosk, payload)

    def _told(self, kiosk: str, payload: bytes) -> Callable[[], bool]:
        """Health is not signed: what is wrong with it proves nothing and is not kept."""
        try:
            told = telemetry.decoded(payload, kiosk)
        except ValueError as error:
            log.warning("%s: health that cannot be read: %s", kiosk, error)
            return lambda: False
        told = replace(told, reasons=tuple(mask(words) for words in told.reasons))
        return partial(self._health, kiosk, telemetry.encoded(told), told.at)

    def _keys_of(self, kiosk: str) -> KioskKeys:
        """The kiosk's keys, looked for once in a batch."""
        found = self._keys.get(kiosk)
        if found is None:
            found = self._keys[kiosk] = self._keyring.kiosk(kiosk)
        return found

    def _follow(self, record: StoredRecord) -> None:
        """Another key of the kiosk: believed at once, whatever else is missing, for both keys have signed it."""
        content = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
        try:
            self._keyring.learn(record.kiosk, record.sequence, content, keep=True)
        except VerificationError as error:  # the record stands, the key does not: what it signs will be refused
            log.critical("%s: the rotation in record %d is not one: %s", record.kiosk, record.sequence, error)
        self._keys.pop(record.kiosk, None)

    # --- inside the transaction --------------------------------------------------------------------

    def _answered(self, record: StoredRecord) -> bool:
        """A command's result ahead of its place in the log, where it comes again and is stored."""
        self._heard(record)
        return False

    def _heard(self, record: StoredRecord) -> None:
        """What the queues to the kiosk wait for."""
        if record.kind == RESULT:
            content = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
            self._queue_out.settle(record.kiosk, content, record.envelope)
        elif record.kind == COMPLAINT:
            content = cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
            self._queue_out.taken(record.kiosk, content, self._now())

    def _record(self, record: StoredRecord) -> bool:
        kiosk, arriving = record.kiosk, self._arriving
        self._heard(record)
        known = arriving.leaf_hash(record)
        if known is not None:
            if known != record.leaf_hash:
                self._fork(record, f"two signed records of sequence {record.sequence}", back=self._went_back(record))
            return True
        if record.sequence >= arriving.size(kiosk) + self._limits.ahead_records_max:
            self._extend(kiosk)  # records of this very batch may have made room
        if record.sequence >= arriving.size(kiosk) + self._limits.ahead_records_max:
            log.warning(
                "%s: record %d is too far ahead of %d; not stored", kiosk, record.sequence, arriving.size(kiosk)
            )
            return True
        if (other := arriving.deposit_elsewhere(record)) is not None:
            self._fork(record, f"records {other} and {record.sequence} are of the same deposit", kind="deposit")
        arriving.add(record)
        return True

    def _advance(self, kiosk: str) -> list[Outgoing]:
        """Extend the prefix over what is there and sign for it; if nothing is new, the last answer is owed again."""
        tree = self._extend(kiosk)
        newest = self._store.newest_ack(kiosk)
        if tree.size and (newest is None or newest[0] < tree.size):
            newest = tree.size, self._signed(kiosk, tree)
        return [] if newest is None else [Outgoing(topics.topic(kiosk, "ack"), newest[1], retain=True)]

    def _signed(self, kiosk: str, tree: merkle.CompactRange) -> bytes:
        """The acknowledgement of all that is here, stored before it is sent."""
        now, cosigned = self._clock.now_utc(), self._store.short_cosigned(kiosk)
        statement = acks.make(kiosk, tree.size, tree.root(), now, self._keyring.ack, cosigned)
        self._store.add_ack(kiosk, tree.size, statement, rfc3339(now))
        return statement

    def _extend(self, kiosk: str) -> merkle.CompactRange:
        self._arriving.flush()
        tree = self._store.tree(kiosk)
        first = tree.size
        roots: list[tuple[int, bytes]] = []
        queued: list[outbox.Queued] = []
        for sequence, leaf_hash, kind, deposit_id in self._store.waiting(kiosk, first):  # bounded by what may wait
            if sequence != tree.size:
                break
            tree.append(leaf_hash)
            roots.append((tree.size, tree.root()))
            if kind in outbox.KINDS:
                found = deposit_id if kind == outbox.DEPOSIT else self._cleared(kiosk, sequence)
                if found is not None:
                    queued.append(outbox.Queued(kind, found, sequence))
        self._store.add_roots(kiosk, roots)
        self._store.save_tree(kiosk, tree)  # also while its first record is missing: so the gap is known
        self._arriving.set_size(kiosk, tree.size)
        if tree.size > first:
            self._queue(kiosk, queued)
            for size, root, note in self._store.checkpoints(kiosk, (first + 1, tree.size)):
                self._compare(kiosk, size, root, note)
            self._store.close_gaps(kiosk, tree.size, self._now())
        return tree

    def _cleared(self, kiosk: str, sequence: int) -> bytes | None:
        """The deposit that a clearing is about; one that names no deposit is for `verify` to find."""
        record = self._arriving.stored(kiosk, sequence)
        content = {} if record is None else cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)
        deposit_id = content.get("deposit_id")
        return deposit_id if isinstance(deposit_id, bytes) else None

    def _queue(self, kiosk: str, queued: list[outbox.Queued]) -> None:
        """What the bank signs for is queued for its books by the very same transaction."""
        for refused in self._outbox.queue(kiosk, queued, self._now()):
            record = self._arriving.stored(kiosk, refused.sequence)
            if record is not None:
                self._fork(record, "its deposit id has been queued for the books already", kind="deposit")

    def _checkpoint(self, kiosk: str, found: checkpoint.Checkpoint, note: bytes) -> bool:
        if self._store.add_checkpoint(kiosk, found.size, found.root, note, self._now()):
            self._compare(kiosk, found.size, found.root, note)
        return False

    def _evidence(self, kiosk: str, piece: Piece, data: bytes) -> bool | Outgoing:
        answer = None if self._files is None else self._files.take(kiosk, piece, data, self._clock.now_utc())
        return False if answer is None else Outgoing(topics.topic(kiosk, "evidence_ack"), answer, retain=False)

    def _birth(self, kiosk: str, payload: bytes) -> bool:
        self._store.set_birth(kiosk, payload, self._now())
        if is_online(payload):
            self._queue_out.came_online(kiosk)
        return False

    def _health(self, kiosk: str, payload: bytes, at: str) -> bool:
        stale = rfc3339(self._clock.now_utc() - HEALTH_STALE)
        self._store.set_health(kiosk, payload, at, self._now(), stale)
        return False

    def _compare(self, kiosk: str, size: int, root: bytes, note: bytes) -> None:
        """A signed checkpoint against the records of its size and against other checkpoints of that size."""
        ours = merkle.EMPTY_ROOT if size == 0 else self._store.root(kiosk, size)
        others = {other for _, other, _ in self._store.checkpoints(kiosk, (size, size))}
        if (ours is not None and ours != root) or len(others) > 1:
            reason = f"a signed checkpoint of size {size} has another root than the records or another checkpoint"
            self._alarm(kiosk, "checkpoint", size, note, reason)

    # --- evidence ----------------------------------------------------------------------------------

    def _went_back(self, record: StoredRecord) -> bool:
        """Whether a record that contradicts one of ours was written after all that we hold: an old disk, put back."""
        newest = self._store.record(record.kiosk, self._store.tree(record.kiosk).size - 1)
        return newest is not None and _made_at(record) > _made_at(newest)

    def _fork(self, record: StoredRecord, reason: str, *, kind: str = "record", back: bool = False) -> None:
        self._alarm(record.kiosk, kind, record.sequence, record.envelope, reason, record.leaf_hash, back=back)

    def _alarm(
        self,
        kiosk: str,
        kind: str,
        sequence: int,
        payload: bytes,
        reason: str,
        digest: bytes | None = None,
        *,
        back: bool = False,
    ) -> None:
        # A re-sealed envelope of the same forked record is the same evidence: its leaf hash names it.
        name = digest or hashlib.sha256(payload).digest()
        if self._store.add_fork(kiosk, kind, sequence, name, payload, reason, self._now()):
            log.critical("FORK at kiosk %s: %s. Keep the store as evidence and call the auditor.", kiosk, reason)
            evidence = hashlib.sha256(payload).digest()
            self._complain_of(kiosk, "rollback" if back else "fork", sequence, reason, evidence)

    def _quarantine(self, kiosk: str, lane: str, payload: bytes, reason: str) -> bool:
        digest = hashlib.sha256(payload).digest()
        kept = payload[:QUARANTINE_BYTES_MAX]
        if len(kept) < len(payload):
            reason = f"{reason} (the first {len(kept)} of {len(payload)} bytes are kept)"
        if self._store.add_quarantine(kiosk, lane, digest, kept, reason, self._now()):
            log.error("%s: a %s could not be verified and is in quarantine: %s", kiosk, lane, reason)
        return False

    def _complain(self, kiosk: str, first_missing: int) -> None:
        with self._store.transaction():
            if self._store.add_gap(kiosk, first_missing, self._now()):
                log.error("%s: record %d is missing while later ones are here", kiosk, first_missing)
                reason = f"record {first_missing} is missing while later ones are here"
                self._complain_of(kiosk, "gap", first_missing, reason, b"")

    def _complain_of(self, kiosk: str, kind: Kind, sequence: int, reason: str, evidence: bytes) -> None:
        complaint = about(kiosk, kind, sequence, reason, evidence, self._clock.now_utc())
        self._queue_out.complain(complaint, self._keyring.ack, self._store.tree(kiosk))

    def _now(self) -> str:
        return rfc3339(self._clock.now_utc())


def _heard(message: Message) -> _Heard | None:
    parsed = topics.parse(message.topic)
    if parsed is None or parsed[1] not in _RECEIVED:
        log.warning("message on a topic that is not received: %s", message.topic)
        return None
    return *parsed, message.payload


def _read(kiosk: str, opened: Opened | VerificationError | None) -> Claim | VerificationError | None:
    """What an envelope claims, or why it is refused; None stays None."""
    if not isinstance(opened, Opened):
        return opened
    try:
        return verify.read_opened(opened, kiosk)
    except VerificationError as error:
        return error


def _made_at(record: StoredRecord) -> str:
    """The kiosk's clock when it made the record; its form lets texts compare as times do."""
    return str(cbor.decode(record.content, cose.PAYLOAD_BYTES_MAX)["at"])
