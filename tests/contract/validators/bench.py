"""A validator on the bench: driver, simulated device and a line that can be spoilt, in virtual time.

The bench plays the controller's part: it polls, acknowledges what it has written down, keeps the bookmark, and after a
fault starts the driver again and hears it out, as `kiosk.management.batches` does.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from firmware_bridge.errors import CommandRefused, DeviceFault, LinkDown
from firmware_bridge.interfaces import NoteEvent, NoteEventKind, Validator, ValidatorEvidence, ValidatorIdentity
from hwsim.config import WorldConfig
from hwsim.notes import Note, Place
from hwsim.world import World
from tests.bridge_kit import run_virtual
from tests.contract.validators.makes import Device, Make

K = NoteEventKind
POLL_S = 0.2
DELAY_S = 0.002
RETRY_S = 0.5
FAULTS_MAX = 20
CREDITS = frozenset({K.CREDITED})
ARRIVALS = frozenset({K.STORED, K.STACKED})
AT_RESET = frozenset({K.INTO_STACKER_AT_RESET, K.INTO_STORE_AT_RESET, K.CLEARED_INTO_CASHBOX})
LASTING = frozenset(
    {K.DISABLED, K.RESET, K.OTHER, K.STACKER_FULL, K.STACKER_REMOVED, K.PATH_OPEN, K.JAM_SAFE, K.JAM_UNSAFE}
)
Spoiler = Callable[[str, bytes], list[bytes]]


class BenchLine:
    """`interfaces.Transport`; `spoil` turns each chunk into what arrives of it, "to" or "from" the device."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._receiver: Callable[[bytes], None] | None = None
        self.spoil: Spoiler = lambda _, chunk: [chunk]
        self.chunks = 0
        self.closed = 0
        device.output = self._from_device

    def write(self, data: bytes) -> None:
        if self.closed:
            raise LinkDown("bench", "closed")
        self._pass("to", data, self._device.feed)

    def _from_device(self, data: bytes) -> None:
        self._pass("from", data, self._deliver)

    def _pass(self, way: str, data: bytes, goal: Callable[[bytes], None]) -> None:
        self.chunks += 1
        for number, chunk in enumerate(self.spoil(way, data)):
            asyncio.get_running_loop().call_later(DELAY_S * (1 + number), goal, chunk)

    def _deliver(self, data: bytes) -> None:
        if self._receiver is not None and not self.closed:
            self._receiver(data)

    def set_receiver(self, receiver: Callable[[bytes], None] | None) -> None:
        self._receiver = receiver

    def close(self) -> None:
        self.closed += 1


class Bench:
    """One world, one device, and the driver of the moment."""

    def __init__(self, make: Make) -> None:
        self.make = make
        self.loop = asyncio.get_running_loop()
        self.world = World(WorldConfig(), self.loop, 1)
        self.world.lines.drive("shutter_open_cmd", level=True)
        self.device = make.device(self.world)
        self.line = BenchLine(self.device)
        self.driver: Validator = make.driver(self.line)
        self.bookmark: int | None = None
        self.booked: list[NoteEvent] = []  # what is durable
        self.faults: list[DeviceFault] = []
        self.baseline: ValidatorEvidence | None = None

    # --- the controller's part -------------------------------------------------------------------------

    async def ready(self) -> ValidatorIdentity:
        """Started, configured and enabled, as at cash-in start."""
        identity = await self.started()
        await self.driver.configure(self.make.accept, frozenset())
        self.bookmark = (await self.driver.evidence()).bookmark or self.bookmark
        await self.driver.enable()
        return identity

    async def started(self) -> ValidatorIdentity:
        """Connected and heard out, after as many tries as it takes; a bounded number."""
        for _ in range(FAULTS_MAX):
            try:
                identity = await self.driver.start(self.bookmark)
                await self._hear_out()
            except DeviceFault as fault:
                self.faults.append(fault)
                await asyncio.sleep(RETRY_S)
            else:
                return identity
        raise AssertionError(f"it never starts: {self.faults[-3:]}")

    async def _hear_out(self) -> None:
        try:
            await self.driver.hold()
        except CommandRefused:
            pass
        else:
            await self.driver.reject()
        quiet = 0
        for _ in range(400):
            events = await self.poll()
            if any(event.kind is K.READ and event.channel for event in events):
                await self.driver.reject()
            busy = any(event.kind not in LASTING | {K.HELD_IN_BEZEL, K.DISPENSING} for event in events)
            quiet = 0 if busy else quiet + 1
            if quiet == 2:
                return
            await asyncio.sleep(POLL_S)
        raise AssertionError("it does not come to rest")

    async def poll(self, *, acknowledge: bool = True) -> tuple[NoteEvent, ...]:
        """One poll; with `acknowledge` its events are written down first."""
        result = await self.driver.poll()
        if acknowledge:
            self.booked += result.events
            if result.needs_ack:
                await self.driver.acknowledge()
                self.bookmark = result.bookmark if result.bookmark is not None else self.bookmark
        return result.events

    async def until(self, *kinds: NoteEventKind, limit_s: float = 20.0) -> NoteEvent:
        """Poll until one of these is told. It stops there: behind READ the next poll may accept."""
        end_s = self.loop.time() + limit_s
        while self.loop.time() < end_s:
            for event in await self.poll():
                if event.kind in kinds and (event.kind is not K.READ or event.channel):
                    return event
            await asyncio.sleep(POLL_S)
        raise AssertionError(f"none of {kinds} within {limit_s} s; told {self.told()}")

    async def quiet(self, seconds: float) -> None:
        """Polls for a while."""
        for _ in range(round(seconds / POLL_S)):
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def until_fault(self) -> DeviceFault:
        """Polls until the driver gives up on the device."""
        for _ in range(100):
            try:
                await self.poll()
            except DeviceFault as fault:
                return fault
            await asyncio.sleep(POLL_S)
        raise AssertionError("no fault")

    async def feed(self, value_minor: int = 10000, kind: str = "genuine") -> Note:
        """A hand puts a note in."""
        await asyncio.sleep(self.world.config.shutter_move_s)
        return self.world.insert("CNY", value_minor, kind)

    async def held(self) -> Note:
        """Ready, with a note of CNY 100 held and told."""
        await self.ready()
        note = await self.feed()
        event = await self.until(K.READ)
        assert event.channel == self.make.channel
        return note

    def new_driver(self) -> None:
        """The controller's process has died and another begins on the same device."""
        self.driver.close()
        self.line = BenchLine(self.device)
        self.driver = self.make.driver(self.line)

    # --- what was told ---------------------------------------------------------------------------------

    def told(self) -> Counter[NoteEventKind]:
        return Counter(event.kind for event in self.booked)

    def count(self, kinds: frozenset[NoteEventKind]) -> int:
        return sum(event.kind in kinds for event in self.booked)

    def inside(self) -> int:
        """How many notes are really beyond reach."""
        return sum(note.inserted and note.place not in {Place.OUT, Place.BEZEL} for note in self.world.notes.all())

    def decides(self, baseline: ValidatorEvidence, found: ValidatorEvidence) -> int | None:
        """How many notes evidence says came in since; None when it decides nothing."""
        if found.counters is not None and baseline.counters is not None:
            before, after = baseline.counters, found.counters
            return after.stored + after.stacked - before.stored - before.stacked
        return self.count(CREDITS) + self.count(AT_RESET) if found.heard_all else None


def on_bench(make: Make, script: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    """Run a script on a new bench, in virtual time."""

    async def main() -> None:
        bench = Bench(make)
        try:
            await script(bench)
        finally:
            bench.driver.close()

    run_virtual(main)
