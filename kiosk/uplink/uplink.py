"""The loop that empties the outbox: fetches from the controller, publishes, carries acknowledgements back.

It decides nothing about money and trusts nothing it carries: envelopes are sealed before they come here, and
the controller verifies what comes back. Everything that happens - a push of the bus, an event of the session,
a passed moment - only sets a flag and wakes the loop, which then does whatever is due, in a fixed order.
"""

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from typing import Final, Literal, Protocol

import msgspec

from kiosk.clock import Clock, Turns, rfc3339
from kiosk.core import telemetry, topics
from kiosk.errors import BusError
from kiosk.guarantee import evidence
from kiosk.guarantee.acks import ACK_BYTES_MAX
from kiosk.guarantee.commands import COMMAND_BYTES_MAX
from kiosk.guarantee.complaints import COMPLAINT_BYTES_MAX
from kiosk.guarantee.counts import COUNTS_BYTES_MAX
from kiosk.guarantee.directory import DIRECTORY_BYTES_MAX
from kiosk.guarantee.terms import TERMS_BYTES_MAX
from kiosk.messages import (
    DeliverAck,
    DeliverCounts,
    DeliverDirectory,
    Delivered,
    DeliverEvidenceAck,
    DeliverStatement,
    EvidenceRows,
    FetchEvidence,
    FetchOutbox,
    GetHealth,
    GetStatus,
    Health,
    LinkReport,
    Ok,
    OutboxGrew,
    OutboxRows,
    Push,
    Refused,
    Reply,
    Request,
    Status,
    Subscribe,
)
from kiosk.protection.bundles import usual_gate
from kiosk.protection.egress import Gate
from kiosk.uplink.evidence import ROWS_MAX as EVIDENCE_ROWS_MAX
from kiosk.uplink.evidence import Chunk, EvidenceLane
from kiosk.uplink.session import Connected, Disconnected, Event, Link, Received, Settled
from kiosk.uplink.window import Row, Window

log = logging.getLogger(__name__)

ACKS_HELD_MAX: Final = 8  # newest kept: they are cumulative
STATEMENTS_HELD_MAX: Final = 32  # the bank sends what was not answered again
STATEMENT_BYTES_MAX: Final[dict[Literal["terms", "command", "complaint"], int]] = {
    "terms": TERMS_BYTES_MAX,
    "command": COMMAND_BYTES_MAX,
    "complaint": COMPLAINT_BYTES_MAX,
}
PATIENCE_S: Final = 90.0  # rows are published and the bank does not answer: try the next broker; doubles
PATIENCE_S_MAX: Final = 900.0
STEP_S_MAX: Final = 60.0  # a round of requests to a slow controller
HEALTH_S: Final = 60.0  # between two words on how the kiosk is doing
POLL_S: Final = 60.0  # look at the outbox though no push came; a push may be lost with its socket


class Bus(Protocol):
    """What the uplink uses of `kiosk.bus.BusClient`."""

    async def request(self, message: Request) -> Reply:
        """Ask the controller; BusError when it is not there."""


class Uplink:
    """One kiosk's records on their way to its bank."""

    def __init__(
        self, kiosk: str, bus: Bus, link: Link, clock: Clock, window: Window | None = None, *, gate: Gate | None = None
    ) -> None:
        self._bus = bus
        self._link = link
        self._clock = clock
        self.turns = Turns("the uplink's loop", clock, POLL_S + STEP_S_MAX)
        self._window = window or Window()
        self._directory_topic = topics.topic(kiosk, "directory")
        self._counts_topic = topics.topic(kiosk, "counts")
        self._gate = gate or usual_gate()
        self._birth = Births(kiosk, clock, self._gate)
        self._wake = asyncio.Event()
        self._acks: deque[tuple[bytes, bool]] = deque(maxlen=ACKS_HELD_MAX)  # and whether the broker had kept it
        self._directory: bytes | None = None  # the newest one that has not been delivered
        self._counts: bytes | None = None  # likewise
        self._statements: deque[DeliverStatement] = deque(maxlen=STATEMENTS_HELD_MAX)
        self._results: deque[bytes] = deque(maxlen=STATEMENTS_HELD_MAX)  # they also go out as records
        self._evidence = EvidenceLane()
        self._evidence_topic = topics.topic(kiosk, "evidence")
        self._evidence_ack = topics.topic(kiosk, "evidence_ack")
        self._evidence_acks: deque[bytes] = deque(maxlen=STATEMENTS_HELD_MAX)
        self._kiosk = kiosk
        self._address(kiosk)
        self._checkpoint = b""
        self._checkpoint_sent = b""
        self._connected = False
        self._birth_due = False
        self._stale = True  # whether the controller's outbox must be looked at
        self._polled_s = 0.0
        self._report: LinkReport | None = None  # due to the controller
        self._telemetry_topic = topics.topic(kiosk, "telemetry")
        self._health_due_s = 0.0  # when the bank is told again how the kiosk is doing
        self._patience_s = PATIENCE_S
        self._unanswered_since_s = 0.0

    def _address(self, log: str) -> None:
        """Topics: what is about the log goes by its name, everything else by the kiosk's id."""
        self._record, self._result_topic = topics.topic(log, "record"), topics.topic(log, "result")
        self._checkpoint_topic, self._ack = topics.topic(log, "checkpoint"), topics.topic(log, "ack")
        whose = {"terms": self._kiosk, "command": self._kiosk, "complaint": log}
        self._lanes = {topics.topic(whose[lane], lane): lane for lane in STATEMENT_BYTES_MAX}
        self._bytes_max = {
            self._ack: ACK_BYTES_MAX,
            self._directory_topic: DIRECTORY_BYTES_MAX,
            self._counts_topic: COUNTS_BYTES_MAX,
            **{topic: STATEMENT_BYTES_MAX[lane] for topic, lane in self._lanes.items()},
            self._evidence_ack: evidence.ACK_BYTES_MAX,
        }

    def pushed(self, push: Push) -> None:
        """A push of the bus; to be called on the loop."""
        if isinstance(push, OutboxGrew):
            self._stale = True  # fetch rather than believe: the answer also brings the checkpoint
            self._window.grew(push.next_sequence)
            self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled. BusError when the controller goes away: connect again and make a new one."""
        status = await self._bus.request(GetStatus())
        if isinstance(status, Status):
            self._birth.describe(status.version, status.config_hash)
            self._address(status.log or self._kiosk)
        _expect_ok(await self._bus.request(Subscribe(("outbox",))))
        wanted = tuple(self._bytes_max)
        session = asyncio.create_task(self._link.run(self._on_event, self._birth.will, wanted))
        try:
            while True:
                self.turns.turn()
                await self._step()
                await self._pause(session)
        finally:
            session.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await session

    # --- what happened -----------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        now_s = self._clock.monotonic_s()
        match event:
            case Connected(broker, receive_maximum, certificate):
                self._window.connected(receive_maximum, now_s)
                self._connected = self._birth_due = self._stale = True
                self._checkpoint_sent = b""
                self._health_due_s = now_s
                self._unanswered_since_s = now_s
                where = f"{broker.host}:{broker.port}"
                named = () if certificate is None else (certificate.sha256, rfc3339(certificate.ends))
                self._report = LinkReport(True, where, *named)  # noqa: FBT003 - the message's field
            case Disconnected(reason):
                self._lost()
                self._report = LinkReport(False, reason)  # noqa: FBT003
            case Settled(token, accepted, reason):
                if not accepted:
                    log.warning("the broker refused a publish: %s", reason)
                self._window.settled(token, now_s, accepted=accepted)
                self._evidence.settled(token, now_s, accepted=accepted)
            case Received(topic, payload, retained):
                self._received(topic, payload, retained=retained)
        self._wake.set()

    def _received(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Keep what may be a statement of the bank; empty says that its retained message was deleted."""
        bytes_max = self._bytes_max.get(topic)
        if bytes_max is None:
            log.warning("message on a topic not asked for: %s", topic)
        elif len(payload) > bytes_max:  # the bus would end over it, and the broker bring it again
            log.warning("%s: a message of %d bytes is not passed on", topic, len(payload))
        elif not payload:
            return
        elif topic == self._ack:
            self._acks.append((payload, retained))
        elif topic == self._directory_topic:
            self._directory = payload
        elif topic == self._counts_topic:
            self._counts = payload
        elif topic == self._evidence_ack:
            self._evidence_acks.append(payload)
        else:
            self._statements.append(DeliverStatement(self._lanes[topic], payload))

    def _lost(self) -> None:
        self._window.disconnected()
        self._evidence.disconnected()
        self._connected = False

    # --- what is due -------------------------------------------------------------------------------

    async def _step(self) -> None:
        if self._report is not None:
            report, self._report = self._report, None
            await self._bus.request(report)
        answers = await self._deliver_acks()
        await self._deliver_directory()
        await self._deliver_counts()
        await self._deliver_statements()
        await self._deliver_evidence_acks()
        if self._stale or self._clock.monotonic_s() - self._polled_s >= POLL_S:
            before = self._window.base
            await self._look()
            for _ in range(answers if self._window.base == before else 0):
                self._window.answered()
        while self._connected and (wanted := self._window.wanted()) is not None:
            if not await self._fetch(*wanted):
                break
        if self._connected and self._evidence.asks(self._clock.monotonic_s()):
            await self._look_for_lost_evidence()
        if self._connected and (after := self._evidence.wanted()) is not None:
            await self._fetch_evidence(after)
        if self._connected and not self._given_up():
            self._publish()
        if self._connected and self._clock.monotonic_s() >= self._health_due_s:
            await self._tell_health()

    def _given_up(self) -> bool:
        """Whether the bank has been silent for too long: its receivers may listen at another broker only."""
        now_s = self._clock.monotonic_s()
        if not self._window.waits:
            self._unanswered_since_s = now_s
        if now_s - self._unanswered_since_s < self._patience_s:
            return False
        self._patience_s = min(2 * self._patience_s, PATIENCE_S_MAX)
        self._link.drop("the bank does not answer over this broker")
        self._lost()
        return True

    def _answered(self) -> None:
        self._patience_s = PATIENCE_S
        self._unanswered_since_s = self._clock.monotonic_s()
        self._link.working()

    async def _deliver_acks(self) -> int:
        """How many of them were the bank's answers; what a broker had kept may be old."""
        answers = 0
        while self._acks:
            ack, retained = self._acks.popleft()
            reply = await self._bus.request(DeliverAck(ack))
            if isinstance(reply, Refused):
                log.warning("the controller refused an acknowledgement: %s (%s)", reply.message, reply.code)
            else:
                self._stale = True
                answers += not retained
        if answers:
            self._answered()
        return answers

    async def _deliver_directory(self) -> None:
        if self._directory is None:
            return
        data, self._directory = self._directory, None
        reply = await self._bus.request(DeliverDirectory(data))
        if isinstance(reply, Refused):
            log.warning("the controller refused an account directory: %s (%s)", reply.message, reply.code)

    async def _deliver_counts(self) -> None:
        if self._counts is None:
            return
        data, self._counts = self._counts, None
        reply = await self._bus.request(DeliverCounts(data))
        if isinstance(reply, Refused):
            log.warning("the controller refused the bank's counts: %s (%s)", reply.message, reply.code)

    async def _deliver_statements(self) -> None:
        while self._statements:
            statement = self._statements.popleft()
            reply = await self._bus.request(statement)
            if isinstance(reply, Refused):
                log.warning("the controller refused a %s: %s (%s)", statement.lane, reply.message, reply.code)
            elif isinstance(reply, Delivered):
                if reply.result:
                    self._results.append(reply.result)
                if reply.log:
                    message = f"the kiosk's log is {reply.log} from now on"
                    raise BusError(message)  # whoever connects again begins with it
                if reply.resend_from is not None:
                    self._window.go_back_to(reply.resend_from)
                    self._stale = True

    async def _deliver_evidence_acks(self) -> None:
        while self._evidence_acks:
            reply = await self._bus.request(DeliverEvidenceAck(self._evidence_acks.popleft()))
            if isinstance(reply, Refused):
                log.warning("the controller refused an answer about evidence: %s (%s)", reply.message, reply.code)
            else:
                self._evidence.answered(self._clock.monotonic_s())
                self._answered()

    async def _tell_health(self) -> None:
        """Last of all lanes; what has no answer, or is lost, is told anew a minute later."""
        self._health_due_s = self._clock.monotonic_s() + HEALTH_S
        reply = await self._bus.request(GetHealth())
        if not isinstance(reply, Health):
            log.warning("the controller does not tell its health: %s", type(reply).__name__)
            return
        masked = self._gate.fields({"reasons": reply.reasons, "samples": reply.samples}, "telemetry")
        told = {"v": 1, "kiosk": self._kiosk, "at": reply.at, "in_service": reply.in_service, **masked}
        try:
            payload = telemetry.encoded(msgspec.convert(told, telemetry.Telemetry))
        except ValueError as error:  # records must go on, whatever is wrong with this
            log.warning("health that is not in its grammar is not told: %s", error)
            return
        self._link.announce(self._telemetry_topic, payload, expiry_s=telemetry.EXPIRY_S)

    async def _look(self) -> None:
        """One row from the base on shows how far the bank has signed, how many records there are, the checkpoint."""
        self._stale = False
        self._polled_s = self._clock.monotonic_s()
        await self._fetch(self._window.base, 1)
        self._evidence.look(self._polled_s)

    async def _fetch_evidence(self, after: int) -> None:
        reply = await self._bus.request(FetchEvidence(after, EVIDENCE_ROWS_MAX))
        if isinstance(reply, EvidenceRows):
            self._evidence.offer(after, [Chunk(row.id, row.sealed) for row in reply.rows])

    async def _look_for_lost_evidence(self) -> None:
        reply = await self._bus.request(FetchEvidence(0, 1))
        if isinstance(reply, EvidenceRows):
            first = Chunk(reply.rows[0].id, reply.rows[0].sealed) if reply.rows else None
            self._evidence.lacking(first, self._clock.monotonic_s())

    async def _fetch(self, first_sequence: int, rows_max: int) -> bool:
        """Fetch rows into the window; whether the window got any further."""
        before = self._window.wanted()
        reply = await self._bus.request(FetchOutbox(first_sequence, rows_max))
        if not isinstance(reply, OutboxRows):
            message = f"the controller answered a fetch with {type(reply).__name__}"
            raise BusError(message)
        rows = [Row(row.sequence, row.envelope) for row in reply.rows]
        self._window.offer(first_sequence, rows, reply.next_sequence, self._clock.monotonic_s())
        self._checkpoint = reply.checkpoint
        return self._window.wanted() != before

    def _publish(self) -> None:
        """Fill the room: birth, results, records in sequence, then the newest checkpoint, then evidence."""
        now_s = self._clock.monotonic_s()
        if self._window.stalled(now_s):
            self._link.drop("a publish was not acknowledged in time")
            self._lost()
            return
        if self._birth_due and self._window.room:
            self._birth_due = not self._put(self._birth.topic, self._birth.online(), None, retain=True)
        while self._results and self._window.room:
            if not self._put(self._result_topic, self._results[0], None, retain=False):
                return
            self._results.popleft()
        while (row := self._window.ready(now_s)) is not None:
            if not self._put(self._record, row.envelope, row.sequence, retain=False):
                return
        if self._checkpoint != self._checkpoint_sent and self._window.room:
            checkpoint = self._checkpoint
            if self._put(self._checkpoint_topic, checkpoint, None, retain=True):
                self._checkpoint_sent = checkpoint
        self._publish_evidence(now_s)

    def _publish_evidence(self, now_s: float) -> None:
        while (chunk := self._evidence.ready(now_s)) is not None and self._window.room:
            token = self._send(self._evidence_topic, chunk.sealed, None, retain=False)
            if token is None:
                return
            self._evidence.sent(token, now_s)

    def _put(self, topic: str, payload: bytes, sequence: int | None, *, retain: bool) -> bool:
        return self._send(topic, payload, sequence, retain=retain) is not None

    def _send(self, topic: str, payload: bytes, sequence: int | None, *, retain: bool) -> int | None:
        token = self._link.publish(topic, payload, retain=retain)
        if token is None:
            self._lost()  # the connection just went; its `Disconnected` is on the way
            return None
        self._window.sent(token, sequence, self._clock.monotonic_s())
        return token

    async def _pause(self, session: asyncio.Task[None]) -> None:
        """Until something happens or a moment comes; a session that died raises here."""
        now_s = self._clock.monotonic_s()
        waits = (self._window.wake_at_s(), self._evidence.wake_at_s(now_s), self._health_due_s)
        moments = waits if self._connected else ()
        delay_s = max(0.0, min([POLL_S, *(at_s - now_s for at_s in moments if at_s is not None)]))
        woken = asyncio.create_task(self._wake.wait())
        timer = asyncio.create_task(self._clock.sleep(delay_s))
        try:
            await asyncio.wait({woken, timer, session}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            timer.cancel()
        self._wake.clear()
        if session.done():
            session.result()


class Births:
    """Birth and will of each connection: equal session and sequence pair a death with its birth."""

    def __init__(self, kiosk: str, clock: Clock, gate: Gate) -> None:
        self.topic = topics.topic(kiosk, "birth")
        self._clock = clock
        self._facts: dict[str, object] = {"v": 1, "kiosk": kiosk, "session": secrets.token_hex(8)}
        self._described: dict[str, object] = {}
        self._gate = gate
        self._sequence = 0

    def describe(self, version: str, config_hash: str) -> None:
        said = {"version": version, "config_hash": config_hash}
        self._described = self._gate.fields(said, "telemetry")

    def will(self) -> tuple[str, bytes]:
        self._sequence += 1
        return self.topic, self._encode({"state": "offline"})

    def online(self) -> bytes:
        return self._encode({"state": "online", "at": rfc3339(self._clock.now_utc()), **self._described})

    def _encode(self, more: dict[str, object]) -> bytes:
        return msgspec.json.encode({**self._facts, "sequence": self._sequence, **more}, order="deterministic")


def _expect_ok(reply: Reply) -> None:
    if not isinstance(reply, Ok):
        message = f"the controller answered {type(reply).__name__}"
        raise BusError(message)
