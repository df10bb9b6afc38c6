"""Bill acceptor with single-note escrow over EBDS: satisfies `interfaces.Validator`, without bunch escrow.

Every poll carries what the host wants (enables, stack, return), so orders are kept here and sent with each poll until
the device has obeyed. What it tells only once is kept until the caller has made it durable (`acknowledge`); until then
no further message is sent, because the next toggle lets the device forget it.

Polls have toggle 0, always: between two of them goes an auxiliary query with toggle 1, whose reply can tell nothing. So
the next controller's first poll, with toggle 0, is answered with the last poll's reply again if that was not
acknowledged, and no word is lost when this process dies.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from firmware_bridge.drivers.ebds_events import OUT_OF_SERVICE, Ordered, Report, events_of
from firmware_bridge.drivers.ebds_session import EbdsSession
from firmware_bridge.errors import CommandRefused, DeviceFault, DeviceRestarted
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
from firmware_bridge.protocols.ebds.auxiliary import Query, decode_crc, decode_text, query
from firmware_bridge.protocols.ebds.errors import EbdsError
from firmware_bridge.protocols.ebds.extended import (
    NOTES_MAX,
    Classification,
    ExtendedReply,
    NoteSpecification,
    Subtype,
    decode_extended,
    decode_note,
    decode_table,
    encode_inhibits,
)
from firmware_bridge.protocols.ebds.framing import Frame, MessageType
from firmware_bridge.protocols.ebds.link import ATTEMPTS_MAX, REPLY_TIMEOUT_S
from firmware_bridge.protocols.ebds.omnibus import ALL_NOTES, OmnibusCommand, State, decode_reply

DIGITS: Final = {"JPY": 0, "KRW": 0, "VND": 0}  # ISO 4217; two for all others that kiosks take
_SUSPECT: Final = frozenset({Classification.UNIDENTIFIED, Classification.SUSPECTED_COUNTERFEIT}) | {
    Classification.SUSPECTED_ZERO_VALUE
}


T = TypeVar("T")


class EbdsValidator:
    """One acceptor on one `Transport`, which must deliver on the running loop.

    Channels are the rows of the device's note table. Raises `LinkDown` after 4 unanswered attempts, `DeviceRestarted`
    when it reports power-up in service or has lost the word about a note, `CommandRefused` when it cannot obey.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        name: str = "validator",
        timeout_s: float = REPLY_TIMEOUT_S,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        self._transport = transport
        self._name = name
        self._session = EbdsSession(transport, device=name, timeout_s=timeout_s, attempts_max=attempts_max)
        self._table: dict[int, NoteSpecification] = {}
        self._identity: ValidatorIdentity | None = None
        self._extended = True  # asks for extended note reporting until the device does not know it
        self._accepted = frozenset[int]()
        self._enables = 0
        self._ordered: Ordered = ""
        self._shown = False  # READ was said of the note in escrow
        self._now: Report | None = None
        self._news: deque[Report] = deque()  # heard and not handed out
        self._given: Report | None = None  # handed out and not acknowledged
        self._started = False
        self._awake = False  # it has been seen in service since `start`: power-up after that is a restart
        self.capabilities = ValidatorCapabilities(
            bunch_escrow=False, escrow_notes_max=1, poll_with_ack=True, suspect_custody=False
        )

    @property
    def escrow(self) -> BunchEscrow | None:
        """EBDS holds one note; there is no bunch escrow."""
        return None

    # --- start ----------------------------------------------------------------------------------------

    async def start(self, bookmark: int | None = None) -> ValidatorIdentity:
        """Disabled; who it is, and its note table. What it had to tell once is kept for `poll`."""
        del bookmark  # EBDS keeps no event list
        self._started, self._enables, self._ordered, self._shown, self._awake = False, 0, "", False, False
        if self._given is not None:  # handed out, never acknowledged: the caller died in between
            self._news.appendleft(self._given)
            self._given = None
        if self._identity is None or not self._untold:
            await self._exchange()
        if self._identity is None or not self._untold:  # the first answer may be a repetition of an old one
            await self._exchange()
            self._identity = await self._identify()
        self._started = True
        return self._identity

    async def _identify(self) -> ValidatorIdentity:
        await self._turn()
        crc = await self._ask(Query.SOFTWARE_CRC)
        part = decode_text(await self._ask(Query.APPLICATION_PART))
        variant = decode_text(await self._ask(Query.VARIANT_NAME))
        number = decode_text(await self._ask(Query.VARIANT_PART))
        if not self._table:
            self._table = {note.index: note for note in await self._read_table()}
        try:
            channels = tuple(
                Channel(index, note.value_minor(DIGITS.get(note.currency, 2)), note.currency)
                for index, note in sorted(self._table.items())
            )
            firmware = f"{part} {decode_crc(crc):04X}"
        except EbdsError as error:
            raise DeviceFault(self._name, str(error)) from error
        return ValidatorIdentity(None, firmware, f"{variant} {number}", 0, channels)

    async def _read_table(self) -> list[NoteSpecification]:
        """By index until the null note; else the table of seven."""
        found: list[NoteSpecification] = []
        for index in range(1, NOTES_MAX):
            answer = await self._extended_message(Subtype.NOTE, bytes((index,)))
            if answer is None or answer.subtype != Subtype.NOTE:
                break
            note = self._decoded(decode_note, answer.extra)
            if note is None:
                return found
            found.append(note)
        if found:
            return found
        self._extended = False
        answer = await self._extended_message(Subtype.VALUE_TABLE, b"")
        if answer is None or answer.subtype != Subtype.VALUE_TABLE:
            raise CommandRefused(self._name, "it tells no note table")
        return list(self._decoded(decode_table, answer.extra))

    # --- the protocol of the controller ---------------------------------------------------------------

    async def configure(self, accept_channels: frozenset[int], stacker_channels: frozenset[int]) -> None:
        """Inhibits every note but those of `accept_channels`; all accepted ones go to the cassette."""
        self._need_session()
        unknown = sorted((accept_channels | stacker_channels) - set(self._table))
        if unknown:
            raise CommandRefused(self._name, f"its note table has no rows {unknown}")
        if stacker_channels:
            raise CommandRefused(self._name, "it has no second way out for suspect notes")
        self._accepted = accept_channels
        if self._extended:
            await self._extended_message(Subtype.INHIBITS, encode_inhibits(self._accepted, len(self._table)))

    async def enable(self) -> None:
        """Told with the next message; sent at once unless something waits to be acknowledged."""
        mask = sum(1 << (index - 1) for index in self._accepted if index <= ALL_NOTES.bit_length())
        self._enables = ALL_NOTES if self._extended and self._accepted else mask
        await self._tell()

    async def disable(self) -> None:
        """As `enable`."""
        self._enables = 0
        await self._tell()

    async def poll(self) -> PollResult:
        """What is new; what the device tells once comes with `needs_ack` and again until `acknowledge`."""
        self._need_session()
        if self._given is None and not self._untold:
            await self._exchange()
        self._adopt_orphans()
        found = self._given or (self._news.popleft() if self._news else self._now)
        if found is None:
            raise DeviceRestarted(self._name, "it is not started")
        return self._told(found if found.note is None else replace(found, channel=self._channel_of(found.note)))

    def _told(self, report: Report) -> PollResult:
        found = events_of(report, self._ordered)
        if report.once:
            self._given = report
            return PollResult(tuple(found), needs_ack=True)
        self._check(report)
        if report.escrowed and not self._shown and not self._ordered:
            self._shown = True
            found.append(NoteEvent(NoteEventKind.READ, channel=report.channel, name="escrowed"))
        return PollResult(tuple(found), needs_ack=False)

    async def acknowledge(self) -> None:
        """What was handed out is durable. The device forgets it with the next message, which is sent now."""
        self._need_session()
        given, self._given = self._given, None
        if given is None:
            return
        blank = given.reply.state & State.STACKED and not given.channel  # speaks of no note of ours
        if given.settled and not blank:
            self._ordered, self._shown = "", False
        if not self._untold:
            await self._turn()

    async def accept(self) -> None:
        """Order the held note to be stacked; repeated with each poll until it leaves the escrow."""
        await self._order("stack")

    async def reject(self) -> None:
        """Order the held note to be returned."""
        await self._order("return")

    async def hold(self) -> None:
        """Moves nothing; `CommandRefused` when no note is held."""
        await self._tell()
        if self._now is None or not self._now.escrowed or self._ordered:
            raise CommandRefused(self._name, "no note is held")

    async def reset(self) -> None:
        """Soft reset: no answer is awaited, and it is back within 15 s (section 8).

        Refused while it has told something that is not durable yet: the restart would let it forget.
        """
        self._need_session()
        if self._untold:
            raise CommandRefused(self._name, "what it told last is not written down yet")
        await self._session.shout(MessageType.AUXILIARY, query(Query.RESET))
        self._started = False

    async def evidence(self) -> ValidatorEvidence:
        """EBDS counts nothing: what was not told is not known. Out of service for no reason: it holds a note (4.3)."""
        self._need_session()
        stopped = events_of(self._now, "") if self._now is not None else []
        return ValidatorEvidence(note_held=any(event.name == OUT_OF_SERVICE for event in stopped))

    def close(self) -> None:
        self._started = False
        self._session.close()
        self._transport.close()

    # --- one exchange ---------------------------------------------------------------------------------

    @property
    def _untold(self) -> bool:
        self._adopt_orphans()
        return self._given is not None or bool(self._news)

    def _need_session(self) -> None:
        if not self._started:
            raise DeviceRestarted(self._name, "it is not started")

    async def _order(self, what: Ordered) -> None:
        self._need_session()
        if self._now is not None and self._now.escrowed:  # else it has gone already, and a poll tells how
            self._ordered = what
        await self._tell()

    async def _tell(self) -> None:
        """Send what is wanted now, unless a message would let the device forget what is not durable yet."""
        self._need_session()
        if not self._untold:
            await self._exchange()

    def _check(self, report: Report) -> None:
        """A device that starts anew, or is idle without a word about the note it was given an order for."""
        if report.starting and (self._awake or self._enables or self._ordered):
            self._started = False
            raise DeviceRestarted(self._name, "it reports power-up")
        self._awake = not report.starting
        if self._ordered and report.settled:
            ordered, self._ordered, self._shown, self._started = self._ordered, "", False, False
            raise DeviceRestarted(
                self._name, f"it is idle and does not tell what became of a note (ordered: {ordered})"
            )
        if not self._ordered and not report.escrowed:
            self._shown = False

    def _command(self) -> bytes:
        held = self._now is not None and self._now.escrowed
        wanted = OmnibusCommand(
            enables=self._enables,
            stack=self._ordered == "stack" and held,
            give_back=self._ordered == "return" and held,
            extended_notes=self._extended,
        )
        return wanted.encode()

    async def _turn(self) -> None:
        """Let the device forget the last poll's reply: a message with toggle 1 that tells nothing."""
        if self._session.toggle:
            await self._send(MessageType.AUXILIARY, query(Query.SOFTWARE_CRC))

    async def _exchange(self) -> None:
        """One poll; its report becomes the present one, and news if it says something once."""
        await self._turn()
        self._hear(await self._send(MessageType.OMNIBUS_COMMAND, self._command()))

    async def _ask(self, what: Query) -> bytes:
        """A query with either toggle: only before the first poll of a session counts, and between polls in `_turn`."""
        frame = await self._send(MessageType.AUXILIARY, query(what))
        if frame.message_type is not MessageType.AUXILIARY:
            raise CommandRefused(self._name, f"it does not answer query {what.name}")
        return frame.data

    async def _extended_message(self, subtype: Subtype, extra: bytes) -> ExtendedReply | None:
        """An extended command, which is also a poll; None when the answer is a plain reply."""
        await self._turn()
        frame = await self._send(MessageType.EXTENDED, bytes((subtype,)) + self._command() + extra)
        self._hear(frame)
        return self._decoded(decode_extended, frame.data) if frame.message_type is MessageType.EXTENDED else None

    async def _send(self, message_type: MessageType, data: bytes) -> Frame:
        try:
            return await self._session.exchange(message_type, data)
        except DeviceFault:
            self._started = False
            raise

    def _adopt_orphans(self) -> None:
        while self._session.orphans:
            self._hear(self._session.orphans.pop(0))

    def _hear(self, frame: Frame) -> None:
        if frame.message_type is MessageType.OMNIBUS_REPLY:
            reply = self._decoded(decode_reply, frame.data)
            self._now = Report(reply, reply.note)
        elif frame.message_type is MessageType.EXTENDED:
            answer = self._decoded(decode_extended, frame.data)
            noted = answer.reply.state & (State.ESCROWED | State.STACKED)
            note = self._decoded(decode_note, answer.extra) if answer.subtype == Subtype.NOTE and noted else None
            self._now = Report(answer.reply, note=note)
        else:
            return
        if self._now.once:
            self._news.append(self._now)

    def _channel_of(self, note: NoteSpecification) -> int:
        """The first row of the table with the same currency and value; 0 for none and for a suspect note."""
        if note.classification in _SUSPECT:
            return 0
        same = (note.currency, note.base, note.exponent)
        rows = (index for index, row in sorted(self._table.items()) if (row.currency, row.base, row.exponent) == same)
        return next(rows, 0)

    def _decoded(self, decode: Callable[[bytes], T], data: bytes) -> T:
        try:
            return decode(data)
        except EbdsError as error:
            raise DeviceFault(self._name, f"unreadable reply: {error}") from error
