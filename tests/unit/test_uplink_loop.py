"""The uplink's loop with a real record log and a link made by hand: what goes out, in which order, what returns."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from kiosk.core import telemetry
from kiosk.errors import BusError
from kiosk.guarantee.acks import ACK_BYTES_MAX
from kiosk.guarantee.counts import COUNTS_BYTES_MAX
from kiosk.guarantee.directory import DIRECTORY_BYTES_MAX
from kiosk.guarantee.evidence import CHUNK_BYTES
from kiosk.messages import LinkReport, Ok, OutboxGrew, Refused, Reply, Request
from kiosk.uplink.evidence import PROBE_S
from kiosk.uplink.session import (
    Broker,
    Connected,
    Disconnected,
    Event,
    LinkSettings,
    Received,
    Settled,
    Will,
    backoff_s,
)
from kiosk.uplink.uplink import Uplink
from kiosk.uplink.window import Limits, Window
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from tests.uplink_kit import KIOSK, WELL, Bank, ControllerBus, HandClock, KioskSide, plan

BROKER = Broker("broker", 8883)
ACK = f"kiosk/v1/{KIOSK}/ack"
DIRECTORY = f"kiosk/v1/{KIOSK}/directory"
COUNTS = f"kiosk/v1/{KIOSK}/counts"


class HandLink:
    """A link whose network is the test."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, bool]] = []
        self.announced: list[tuple[str, bytes, int]] = []
        self.dropped: list[str] = []
        self.works = 0
        self.subscribed: Sequence[str] = ()
        self.up = False
        self._on_event: Callable[[Event], None] | None = None
        self._will: Will | None = None
        self.changed = asyncio.Event()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int | None:
        if not self.up:
            return None
        self.published.append((topic.rsplit("/", 1)[1], payload, retain))
        self.changed.set()
        return len(self.published)

    def announce(self, topic: str, payload: bytes, *, expiry_s: int) -> None:
        if self.up:
            self.announced.append((topic, payload, expiry_s))

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)
        self.up = False
        self.changed.set()

    def working(self) -> None:
        self.works += 1

    async def run(self, on_event: Callable[[Event], None], will: Will, subscribe: Sequence[str]) -> None:
        self._on_event, self._will, self.subscribed = on_event, will, subscribe
        self.changed.set()
        await asyncio.get_running_loop().create_future()

    def connect(self, receive_maximum: int | None = None) -> bytes:
        """A connection comes about; its will."""
        assert self._will is not None
        will = self._will()[1]
        self.up = True
        self.tell(Connected(BROKER, receive_maximum))
        return will

    def tell(self, event: Event) -> None:
        assert self._on_event is not None
        self._on_event(event)

    def settle_all(self, *, accepted: bool = True) -> None:
        for token in range(1, len(self.published) + 1):
            self.tell(Settled(token, accepted, "said the test"))

    def lanes(self) -> list[str]:
        return [lane for lane, _, _ in self.published]

    def records(self) -> list[bytes]:
        return [payload for lane, payload, _ in self.published if lane == "record"]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Room:
    """Everything around one uplink."""

    def __init__(self, directory: Path) -> None:
        done = provision(plan(directory), utc_now())
        self.kiosk = KioskSide(done.kiosk_keys)
        self.bank = Bank(done)
        self.bus = ControllerBus(self.kiosk)
        self.link = HandLink()
        self.clock = HandClock()
        window = Window(Limits(in_flight_max=4, fetch_rows_max=3, resend_s=30))
        self.uplink = Uplink(KIOSK, self.bus, self.link, self.clock, window)

    async def start(self) -> None:
        self.task = asyncio.create_task(self.uplink.run())
        await self.link.until(lambda: bool(self.link.subscribed))

    async def settle(self) -> None:
        """Let the loop come to rest: it asks the bus nothing any more."""
        seen = -1
        for _ in range(200):
            await asyncio.sleep(0)
            seen = len(self.link.published)
        assert seen == len(self.link.published)

    def deliver(self) -> None:
        """The bank gets everything published and its answers come back."""
        for out in self.bank.take(*self.link.records()):
            self.link.tell(Received(out.topic, out.payload))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    yield found
    found.kiosk.close()
    found.bank.store.close()


@pytest.fixture
async def started(room: Room) -> AsyncIterator[Room]:
    await room.start()
    yield room
    room.task.cancel()
    with suppress(asyncio.CancelledError):
        await room.task


async def test_birth_then_records_in_sequence_then_the_checkpoint(started: Room) -> None:
    envelopes = [started.kiosk.deposit(number) for number in range(2)]
    will = started.link.connect()
    await started.settle()
    lanes = ("ack", "directory", "counts", "terms", "command", "complaint", "evidence_ack")
    assert started.link.subscribed == tuple(f"kiosk/v1/{KIOSK}/{lane}" for lane in lanes)
    assert started.link.lanes() == ["birth", "record", "record", "checkpoint"]
    assert [retain for _, _, retain in started.link.published] == [True, False, False, True]
    assert started.link.records() == envelopes
    birth, death = json.loads(started.link.published[0][1]), json.loads(will)
    assert (birth["state"], death["state"]) == ("online", "offline")
    assert (birth["session"], birth["sequence"]) == (death["session"], death["sequence"])
    assert birth["version"] == "0.1.0"


async def test_never_more_in_flight_than_allowed_and_all_records_in_the_end(started: Room) -> None:
    envelopes = [started.kiosk.deposit(number) for number in range(9)]
    started.link.connect(receive_maximum=2)
    settled = 0
    for _ in range(20):
        await started.settle()
        assert len(started.link.published) - settled <= 2
        settled = len(started.link.published)
        started.link.settle_all()
    assert started.link.records() == envelopes


async def test_rows_leave_only_on_the_banks_signature(started: Room) -> None:
    started.kiosk.deposit(0)
    started.link.connect()
    await started.settle()
    started.link.settle_all()
    await started.settle()
    assert started.kiosk.records.outbox_rows() == 1
    started.link.tell(Received(ACK, b"forged"))
    await started.settle()
    assert started.bus.refused == [b"forged"]
    assert started.kiosk.records.outbox_rows() == 1
    started.deliver()
    await started.bus.until(lambda: started.kiosk.records.outbox_rows() == 0)


async def test_a_record_made_while_connected_goes_out_at_once(started: Room) -> None:
    started.link.connect()
    await started.settle()
    started.link.settle_all()
    started.kiosk.deposit(0)
    started.uplink.pushed(OutboxGrew(1))
    await started.link.until(lambda: len(started.link.records()) == 1)
    await started.settle()
    assert started.link.lanes()[-1] == "checkpoint"


async def test_a_push_that_was_lost_is_made_good_by_looking(started: Room) -> None:
    started.link.connect()
    await started.settle()
    started.link.settle_all()
    await started.settle()
    started.kiosk.deposit(0)
    started.clock.advance(60)
    await started.link.until(lambda: len(started.link.records()) == 1)


async def test_silence_of_the_bank_sends_it_again(started: Room) -> None:
    envelope = started.kiosk.deposit(0)
    started.link.connect()
    await started.settle()
    started.link.settle_all()
    await started.settle()
    started.clock.advance(30)
    await started.link.until(lambda: started.link.records() == [envelope, envelope])


async def test_an_overdue_puback_closes_the_connection(started: Room) -> None:
    started.kiosk.deposit(0)
    started.link.connect()
    await started.settle()
    started.clock.advance(60)
    await started.link.until(lambda: len(started.link.dropped) == 1)


async def test_a_record_that_the_broker_lost_follows_as_soon_as_the_bank_answers_without_it(started: Room) -> None:
    envelopes = [started.kiosk.deposit(number) for number in range(4)]
    started.link.connect()
    await started.settle()
    started.link.settle_all()
    await started.settle()
    started.link.settle_all()
    for envelope in envelopes[:1] + envelopes[2:]:
        for out in started.bank.take(envelope):
            started.link.tell(Received(out.topic, out.payload))
        await started.settle()
    assert started.link.records() == envelopes  # reordering would look the same so far
    for out in started.bank.take(envelopes[3]):
        started.link.tell(Received(out.topic, out.payload))
    await started.link.until(lambda: started.link.records() == [*envelopes, envelopes[1]])


async def test_evidence_goes_out_behind_the_records_and_leaves_on_the_banks_signature(started: Room) -> None:
    started.kiosk.hand_over(bytes(3 * CHUNK_BYTES))
    envelope = started.kiosk.deposit(0)
    started.link.connect()
    for _ in range(3):
        await started.settle()
        started.link.settle_all()
    assert started.link.lanes() == ["birth", "record", "checkpoint", "evidence", "evidence", "evidence"]
    assert started.link.records() == [envelope]
    for lane, payload, _ in started.link.published:
        for out in started.bank.take(payload, lane=lane) if lane == "evidence" else ():
            started.link.tell(Received(out.topic, out.payload))
    await started.bus.until(lambda: started.kiosk.evidence.files_kept() == 0)


def _evidence(room: Room) -> list[bytes]:
    return [payload for lane, payload, _ in room.link.published if lane == "evidence"]


async def test_evidence_that_got_lost_comes_again_after_some_answers_that_leave_it_out(started: Room) -> None:
    started.kiosk.hand_over(bytes(9 * CHUNK_BYTES))
    started.link.connect()
    heard = 0
    for _ in range(20):
        await started.settle()
        started.link.settle_all()
        for number, payload in list(enumerate(_evidence(started)))[heard:]:
            heard = number + 1
            for out in started.bank.take(payload, lane="evidence") if number != 2 else ():
                started.link.tell(Received(out.topic, out.payload))
    assert started.kiosk.evidence.files_kept() == 0  # and no time has passed
    assert len(_evidence(started)) <= 11  # a few more than the file has


async def test_the_last_chunk_comes_again_when_the_bank_falls_silent(started: Room) -> None:
    started.kiosk.hand_over(bytes(3 * CHUNK_BYTES))
    started.link.connect()
    for _ in range(3):
        await started.settle()
        started.link.settle_all()
    for payload in _evidence(started)[:2]:
        assert started.bank.take(payload, lane="evidence") == []
    await started.settle()
    assert len(_evidence(started)) == 3
    started.clock.advance(PROBE_S)
    await started.link.until(lambda: len(_evidence(started)) == 4)
    for out in started.bank.take(_evidence(started)[3], lane="evidence"):  # the first one again: asks how far it is
        started.link.tell(Received(out.topic, out.payload))
    await started.settle()
    started.link.settle_all()
    await started.settle()
    started.clock.advance(PROBE_S)
    await started.link.until(lambda: len(_evidence(started)) == 5)
    for out in started.bank.take(_evidence(started)[4], lane="evidence"):
        started.link.tell(Received(out.topic, out.payload))
    await started.bus.until(lambda: started.kiosk.evidence.files_kept() == 0)


async def test_evidence_that_the_broker_refused_comes_again_after_a_pause(started: Room) -> None:
    started.kiosk.hand_over(b"a still")
    started.link.connect()
    await started.settle()
    started.link.settle_all(accepted=False)
    await started.settle()
    assert started.link.lanes().count("evidence") == 1
    started.clock.advance(1)
    await started.link.until(lambda: started.link.lanes().count("evidence") == 2)


async def test_a_clock_that_steps_changes_nothing_on_the_way(started: Room) -> None:
    started.kiosk.deposit(0)
    started.link.connect()
    await started.settle()
    started.link.settle_all()
    for stepped in (timedelta(days=-9000), timedelta(days=9000)):
        started.clock.stepped = stepped
        await started.settle()
        assert len(started.link.records()) == 1  # nothing is overdue because the calendar says so
    started.deliver()
    await started.bus.until(lambda: started.kiosk.records.outbox_rows() == 0)
    assert started.link.dropped == []


async def test_a_broker_over_which_the_bank_is_silent_is_left_for_the_next(started: Room) -> None:
    started.kiosk.deposit(0)
    (stale,) = started.bank.take(*(row.envelope for row in started.kiosk.records.outbox(0, 1)))
    started.kiosk.deposit(1)
    started.link.connect()
    await started.settle()
    started.link.tell(Received(stale.topic, stale.payload, retained=True))  # kept by the broker from better times
    for _ in range(3):
        await started.settle()
        started.link.settle_all()
        started.clock.advance(30)
    await started.link.until(lambda: len(started.link.dropped) == 1)
    assert "does not answer" in started.link.dropped[0]
    assert started.link.works == 0


async def test_a_broker_over_which_the_bank_answers_is_stayed_with_however_quiet_it_is(started: Room) -> None:
    started.kiosk.deposit(0)
    started.link.connect()
    await started.settle()
    started.link.settle_all()
    started.deliver()
    await started.bus.until(lambda: started.kiosk.records.outbox_rows() == 0)
    for _ in range(10):
        started.clock.advance(60)
        await started.settle()
        started.link.settle_all()
    assert started.link.dropped == []
    assert started.link.works == 1


async def test_a_new_connection_repeats_what_was_open_and_is_reported(started: Room) -> None:
    envelope = started.kiosk.deposit(0)
    started.link.connect()
    await started.settle()
    started.link.up = False
    started.link.tell(Disconnected("cable pulled"))
    await started.settle()
    started.link.connect()
    await started.settle()
    assert started.link.records() == [envelope, envelope]
    assert started.link.lanes().count("checkpoint") == 2
    assert started.bus.reports == [
        LinkReport(connected=True, detail="broker:8883"),
        LinkReport(connected=False, detail="cable pulled"),
        LinkReport(connected=True, detail="broker:8883"),
    ]


async def test_duplicated_and_reordered_acknowledgements_do_no_harm(started: Room) -> None:
    started.link.connect()
    answers = []
    for number in range(4):
        answers += [out.payload for out in started.bank.take(started.kiosk.deposit(number))]
    random.Random(3).shuffle(answers)
    for answer in answers * 2:
        started.link.tell(Received(ACK, answer))
    await started.bus.until(lambda: started.kiosk.records.acknowledged() == 4)
    await started.settle()
    assert started.bus.refused == []


async def test_a_controller_that_goes_away_ends_the_run(room: Room) -> None:
    class Gone:
        async def request(self, message: Request) -> Reply:
            raise BusError("gone")

    with pytest.raises(BusError):
        await Uplink(KIOSK, Gone(), room.link, room.clock).run()


async def test_a_controller_that_does_not_serve_the_outbox_is_an_error(room: Room) -> None:
    class Odd:
        async def request(self, message: Request) -> Reply:
            return Refused("no", "no") if "Subscribe" in type(message).__name__ else Ok()

    with pytest.raises(BusError, match="Refused"):
        await Uplink(KIOSK, Odd(), room.link, room.clock).run()


def test_delays_grow_to_a_bound_and_differ() -> None:
    delays = [backoff_s(attempt, 1.0, 60.0, 0.0) for attempt in range(10)]
    assert delays[:3] == [0.5, 1.0, 2.0]
    assert delays == sorted(delays)
    assert max(backoff_s(attempt, 1.0, 60.0, 0.999) for attempt in (5, 50, 5_000)) <= 60.0
    assert backoff_s(3, 1.0, 60.0, 0.1) != backoff_s(3, 1.0, 60.0, 0.9)


def test_a_link_needs_a_broker() -> None:
    with pytest.raises(ValueError, match="broker"):
        LinkSettings((), Path("ca"), Path("cert"), Path("key"))


async def test_a_directory_is_handed_over_once_and_only_in_a_size_that_may_be_one(started: Room) -> None:
    started.link.connect()
    for payload in (b"", bytes(DIRECTORY_BYTES_MAX + 1), b"older", b"newest"):
        started.link.tell(Received(DIRECTORY, payload))
    await started.settle()
    assert started.bus.directories == [b"newest"]
    started.link.tell(Received(DIRECTORY, b""))
    await started.settle()
    assert started.bus.directories == [b"newest"]


async def test_the_banks_counts_are_handed_over_like_its_directory(started: Room) -> None:
    started.link.connect()
    for payload in (b"", bytes(COUNTS_BYTES_MAX + 1), b"older", b"newest"):
        started.link.tell(Received(COUNTS, payload))
    await started.settle()
    assert started.bus.counts == [b"newest"]


async def test_an_acknowledgement_too_long_to_be_one_is_dropped_and_said(
    started: Room, caplog: pytest.LogCaptureFixture
) -> None:
    started.link.connect()
    for payload in (b"", bytes(ACK_BYTES_MAX + 1), bytes(ACK_BYTES_MAX)):
        started.link.tell(Received(ACK, payload))
    await started.settle()
    assert started.bus.refused == [bytes(ACK_BYTES_MAX)]  # the controller judges what may be one
    assert f"a message of {ACK_BYTES_MAX + 1} bytes is not passed on" in caplog.text


async def test_health_is_told_once_connected_and_every_minute_and_through_the_gate(
    started: Room,
) -> None:
    started.bus.health = replace(WELL, reasons=("the port of 4111 1111 1111 1111 is shut",))
    await started.settle()
    assert started.link.announced == []
    started.link.connect()
    await started.settle()
    ((topic, payload, expiry_s),) = started.link.announced
    assert (topic, expiry_s) == (f"kiosk/v1/{KIOSK}/telemetry", 3600)
    told = telemetry.decoded(payload, KIOSK)
    assert told.reasons == ("the port of [bank_card] is shut",)
    assert told.samples == WELL.samples
    started.link.settle_all()  # or the connection would be given up
    for _ in range(2):
        started.clock.advance(60)
        await started.settle()
    assert len(started.link.announced) == 3


async def test_a_controller_without_health_or_with_too_much_of_it_keeps_no_record_back(started: Room) -> None:
    envelopes = [started.kiosk.deposit(number) for number in range(2)]
    started.bus.health = Refused("unknown_request", "GetHealth")
    started.link.connect()
    await started.settle()
    started.bus.health = replace(WELL, at="yesterday")
    started.clock.advance(60)
    await started.settle()
    assert started.link.announced == []
    assert started.link.records()[:2] == envelopes
