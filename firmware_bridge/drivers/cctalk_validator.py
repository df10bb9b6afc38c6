"""Bill validator with single-note escrow and a cassette over ccTalk: satisfies `interfaces.Validator`.

Reading the events moves nothing and consumes nothing; only the route order lets a bill in. Money is told by the
device's event counter: what is behind the bookmark is reported until it is acknowledged. Where the counter shows that
events were lost, or that the device has restarted, `evidence` does not claim to have heard all, and what cannot be
decided is disputed by whoever keeps the journal.
"""

import asyncio
from typing import Final

from firmware_bridge.drivers.cctalk_events import JAMS, Standing, note_events, standing_of
from firmware_bridge.drivers.cctalk_session import CctalkSession
from firmware_bridge.drivers.cctalk_setup import read_serial, read_setup
from firmware_bridge.errors import CommandRefused, DeviceChanged, DeviceFault, DeviceRestarted, LinkDown
from firmware_bridge.interfaces import (
    BunchEscrow,
    Channel,
    NoteEvent,
    NoteEventKind,
    PollResult,
    Transport,
    ValidatorCapabilities,
    ValidatorEvidence,
    ValidatorIdentity,
)
from firmware_bridge.protocols.cctalk.errors import CctalkError
from firmware_bridge.protocols.cctalk.events import BillEvent, Bookmark, EventBuffer, Meaning, decode_buffer, news
from firmware_bridge.protocols.cctalk.framing import Checksum
from firmware_bridge.protocols.cctalk.headers import Header, fault_name
from firmware_bridge.protocols.cctalk.link import ATTEMPTS_MAX

ADDRESS_DEFAULT: Final = 40
SETTLE_S: Final = 20.0  # a bill that was let in or sent back has arrived by then, or is stuck
_RETURN, _STACK, _EXTEND = b"\x00", b"\x01", b"\xff"
_ESCROW_EMPTY: Final = b"\xfe"
_USE_ESCROW: Final = b"\x03"
_NORMAL, _INHIBITED = b"\x01", b"\x00"
_READS_MAX: Final = 6
_FAULT_JAM, _FAULT_CASSETTE_OUT, _FAULT_CASSETTE_FULL = 39, 44, 45
_BEGINNING: Final = Bookmark.of(decode_buffer(bytes(11)))  # before a device's first event
_K = NoteEventKind


class CctalkValidator:
    """One validator at one address of one `Transport`, which must deliver on the running loop.

    Raises `LinkDown` after four unanswered tries, `DeviceRestarted` when the device has restarted or lost events
    (`start` again), `CommandRefused` when it says no, `DeviceChanged` when after a gap another serial number answers.
    """

    capabilities = ValidatorCapabilities(
        bunch_escrow=False, escrow_notes_max=1, poll_with_ack=False, suspect_custody=False
    )

    def __init__(
        self,
        transport: Transport,
        *,
        address: int = ADDRESS_DEFAULT,
        checksum: Checksum = Checksum.SUM8,
        echo: bool = True,
        name: str = "validator",
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        self._transport = transport
        self._name = name
        # An 8-bit sum lets one in 256 spoilt replies through: what is about money is read until it is read twice alike.
        self._doubtful = checksum is Checksum.SUM8
        self._attempts_max = attempts_max
        self._session = CctalkSession(
            transport, device=name, address=address, checksum=checksum, echo=echo, attempts_max=attempts_max
        )
        self._channels: dict[int, Channel] = {}
        self._serial_number = 0
        self._mask = b""
        self._started = False
        self._enabled = False
        self._stops: set[NoteEventKind] = set()  # why it takes nothing, said in every poll while it lasts
        self._jam: NoteEventKind | None = None
        self._forget(_BEGINNING)

    def _forget(self, mark: Bookmark) -> None:
        self._acknowledged = mark  # everything up to here is durable
        self._reported = mark  # by the last poll
        self._seen = mark  # taken into `_standing`, `_stops` and `_jam`
        self._after_restart = False  # until it is enabled, events are about what it did while it started
        self._unsaved = False  # the caller's bookmark is not of this device's present life
        self._heard_all = True
        self._gap = False  # the same, until the caller has asked for evidence of it
        self._standing = Standing.NONE
        self._held: BillEvent | None = None  # found held at the start, not told yet
        self._ordered: NoteEventKind | None = None  # what was ordered of the bill in escrow
        self._ordered_s = 0.0

    @property
    def escrow(self) -> BunchEscrow | None:
        return None

    # --- start ----------------------------------------------------------------------------------------

    async def start(self, bookmark: int | None = None) -> ValidatorIdentity:
        """Inhibit, identify, use the escrow, compare the event counter with `bookmark`. Moves nothing."""
        self._started = False
        self._session.gap_seen = False
        await self._session.exchange(Header.SIMPLE_POLL)
        await self._session.exchange(Header.MODIFY_MASTER_INHIBIT, _INHIBITED)
        self._enabled = False
        setup = await read_setup(self._session, self._name)
        self._serial_number = setup.identity.serial_number or 0
        self._channels = {channel.number: channel for channel in setup.identity.channels}
        self._mask = bytes(setup.mask_bytes)
        await self._session.exchange(Header.MODIFY_INHIBIT, self._mask)
        await self._session.exchange(Header.MODIFY_BILL_OPERATING_MODE, _USE_ESCROW)
        await self._check_itself()
        await self._compare(bookmark)
        self._started = True
        return setup.identity

    async def _check_itself(self) -> None:
        fault = (await self._session.exchange(Header.SELF_CHECK))[0]
        self._jam = _K.JAM_UNSAFE if fault == _FAULT_JAM else None
        self._stops = {
            kind
            for code, kind in ((_FAULT_CASSETTE_OUT, _K.STACKER_REMOVED), (_FAULT_CASSETTE_FULL, _K.STACKER_FULL))
            if code == fault
        }
        if fault and self._jam is None and not self._stops:
            raise DeviceFault(self._name, f"its self-check says: {fault_name(fault)}")

    async def _compare(self, bookmark: int | None) -> None:
        """Where the device's events stand against ours; whether a bill is still held."""
        buffer = await self._read()
        try:
            mark = Bookmark.of(buffer) if bookmark is None else Bookmark.unpack(bookmark)
        except CctalkError as error:
            raise DeviceFault(self._name, str(error)) from error
        found = news(mark, buffer)
        self._forget(_BEGINNING if found.reset else mark)
        self._after_restart = found.reset or found.lost > 0  # who lost events cannot know that there was no restart
        self._unsaved = self._after_restart or bookmark is None
        self._heard_all = not found.reset and not found.lost
        self._gap = not self._heard_all
        self._seen = Bookmark.of(buffer)
        self._standing = standing_of(buffer.events) or Standing.NONE
        if self._standing is Standing.HELD and await self._route(_EXTEND) == b"":
            self._held = next(event for event in buffer.events if event.meaning is Meaning.HELD)
        elif self._standing is Standing.HELD:
            self._order(_K.STACKING)  # whichever way it goes: its event will tell

    # --- the protocol of the controller ---------------------------------------------------------------

    async def configure(self, accept_channels: frozenset[int], stacker_channels: frozenset[int]) -> None:
        """Let in `accept_channels`, all of them into the cassette."""
        unknown = (accept_channels | stacker_channels) - set(self._channels)
        if unknown:
            raise CommandRefused(self._name, f"it knows no bills of types {sorted(unknown)}")
        if stacker_channels:
            raise CommandRefused(self._name, "it has no second way out for suspect notes")
        bits = sum(1 << (number - 1) for number in accept_channels)
        self._mask = bits.to_bytes(len(self._mask), "little")
        await self._ask(Header.MODIFY_INHIBIT, self._mask)

    async def enable(self) -> None:
        await self._ask(Header.MODIFY_MASTER_INHIBIT, _NORMAL)
        self._enabled = True
        self._after_restart = False

    async def disable(self) -> None:
        self._enabled = False
        await self._ask(Header.MODIFY_MASTER_INHIBIT, _INHIBITED)

    async def poll(self) -> PollResult:
        """Everything behind the last acknowledgement, and what lasts. Accepts nothing."""
        await self._ready()
        buffer = await self._read()
        await self._take_in(buffer)
        found = news(self._acknowledged, buffer)
        self._heard_all = self._heard_all and not found.lost
        self._gap = self._gap or found.lost > 0
        self._reported = Bookmark.of(buffer)
        before = self._acknowledged.newest[0]
        events = [
            event
            for event in note_events(found.events, self._channels, before=before, after_restart=self._after_restart)
            if event.kind is not _K.READ or self._ordered is None  # decided about already
        ]
        if self._held is not None and not found.events:
            events += note_events((self._held,), self._channels)
        self._held = None
        events += self._lasting({event.kind for event in events})
        needs_ack = bool(found.events) or self._unsaved
        return PollResult(tuple(events), needs_ack, self._reported.pack(), gap=self._gap)

    async def acknowledge(self) -> None:
        """Nothing is sent: the device keeps its five newest events whatever we do."""
        self._need_start()
        self._acknowledged = self._reported
        self._unsaved = False

    async def accept(self) -> None:
        """Route to the stacker; the order's answer is no credit, the events are."""
        await self._decide(_STACK, _K.STACKING)

    async def reject(self) -> None:
        """Route back to the depositor."""
        await self._decide(_RETURN, _K.REFUSING)

    async def hold(self) -> None:
        await self._ready()
        answer = await self._route(_EXTEND)
        if answer:
            told = "nothing is held" if answer == _ESCROW_EMPTY else "the bill cannot be moved"
            raise CommandRefused(self._name, told, code=answer[0])

    async def reset(self) -> None:
        """RESET DEVICE: it acknowledges, then starts again and forgets its events; `start` must be called."""
        await self._ready()
        await self._session.exchange(Header.RESET_DEVICE)
        self._started = False

    async def evidence(self) -> ValidatorEvidence:
        """The event counter. Whoever has heard every event knows that no other bill went in."""
        await self._ready()
        buffer = await self._read()
        await self._take_in(buffer)
        clear = self._standing is Standing.NONE and self._jam is None
        self._gap = False
        return ValidatorEvidence(bookmark=self._acknowledged.pack(), heard_all=self._heard_all and clear)

    def close(self) -> None:
        self._started = False
        self._session.close()
        self._transport.close()

    # --- events ---------------------------------------------------------------------------------------

    async def _take_in(self, buffer: EventBuffer) -> None:
        """Notice what the events say about states. `DeviceRestarted` when the row of events is broken."""
        found = news(self._seen, buffer)
        if found.reset or found.lost:
            self._started = False
            raise DeviceRestarted(self._name, "it has restarted" if found.reset else f"{found.lost} events were lost")
        self._seen = Bookmark.of(buffer)
        self._standing = standing_of(found.events[::-1]) or self._standing
        if self._standing is not Standing.HELD:
            self._ordered = None
        for event in found.events:
            meaning = event.meaning
            if meaning in JAMS:
                self._jam = _K.JAM_UNSAFE if meaning is Meaning.JAM_UNSAFE else _K.JAM_SAFE
            elif meaning is Meaning.STACKER_REMOVED:
                self._stops.add(_K.STACKER_REMOVED)
            elif meaning is Meaning.STACKER_FULL:
                self._stops.add(_K.STACKER_FULL)
            elif meaning in {Meaning.STACKER_INSERTED, Meaning.STACKER_OK}:
                self._stops.clear()
        closed = {Meaning.MASTER_INHIBIT, Meaning.STACKER_INSERTED, Meaning.STACKER_OK}
        if self._enabled and not self._stops and any(event.meaning in closed for event in found.events):
            # It inhibits itself after a pause between polls and at its cassette; what was ordered still holds.
            await self._session.exchange(Header.MODIFY_MASTER_INHIBIT, _NORMAL)

    def _lasting(self, told: set[NoteEventKind]) -> list[NoteEvent]:
        """States, in every poll while they last."""
        kinds = set(self._stops)
        if self._jam is not None:
            kinds.add(self._jam)
        elif self._ordered is not None and not self._late():
            kinds.add(self._ordered)
        if not self._enabled:
            kinds.add(_K.DISABLED)
        return [NoteEvent(kind, name=f"still {kind.value}") for kind in sorted(kinds - told)]

    def _order(self, kind: NoteEventKind) -> None:
        self._ordered, self._ordered_s = kind, asyncio.get_running_loop().time()

    def _late(self) -> bool:
        """Whether the event that should have ended the last order is overdue."""
        return asyncio.get_running_loop().time() - self._ordered_s > SETTLE_S

    async def _read(self) -> EventBuffer:
        """The event buffer. With an 8-bit sum, news counts when two reads agree."""
        last: bytes | None = None
        for _ in range(_READS_MAX):
            data = await self._session.exchange(Header.READ_BUFFERED_BILL_EVENTS)
            buffer = decode_buffer(data)
            if not self._doubtful or data == last or Bookmark.of(buffer) == self._seen:
                return buffer
            last = data
        raise LinkDown(self._name, "no two replies with its events are alike")

    # --- orders ---------------------------------------------------------------------------------------

    async def _decide(self, route: bytes, lasting: NoteEventKind) -> None:
        """Order the held bill in or out. A bill that has gone meanwhile is no error: its event tells which way.

        An order without an answer is not simply repeated. By then the bill may be stacked and the next one held, and
        the repeat would let in a bill that nobody decided about. So the events are read first: anything new means that
        the order was executed or is void.
        """
        await self._ready()
        before = await self._read()
        if standing_of(news(self._seen, before).events) is not None:
            return  # it is not the bill that was decided about; the next poll tells
        self._held = None
        if self._standing is Standing.HELD:
            self._order(lasting)
        for _ in range(self._attempts_max):
            try:
                await self._route(route, attempts=1)
            except LinkDown:
                if await self._read() != before:
                    return
            else:
                return
        raise LinkDown(self._name, "no answer to the route order")

    async def _route(self, route: bytes, attempts: int | None = None) -> bytes:
        """Empty for ACK, otherwise the error."""
        return await self._session.exchange(Header.ROUTE_BILL, route, attempts=attempts)

    def _need_start(self) -> None:
        if not self._started:
            raise DeviceRestarted(self._name, "it is not started")

    async def _ready(self) -> None:
        """In service, and after a gap on the line still the device that was started, set as it was."""
        self._need_start()
        if not self._session.gap_seen:
            return
        self._session.gap_seen = False
        serial_number = await read_serial(self._session)
        if serial_number != self._serial_number:
            self._started = False
            raise DeviceChanged(self._name, f"{serial_number} answers where {self._serial_number} was")
        if await self._session.exchange(Header.REQUEST_INHIBIT) != self._mask:
            self._started = False
            raise DeviceRestarted(self._name, "it has forgotten its inhibits")
        if self._enabled:  # a restart before the first event leaves no trace but this
            await self._session.exchange(Header.MODIFY_MASTER_INHIBIT, _NORMAL)

    async def _ask(self, header: Header, data: bytes) -> None:
        await self._ready()
        await self._session.exchange(header, data)
