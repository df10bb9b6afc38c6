"""Note validator over SSP/eSSP: satisfies `interfaces.Validator`, and `BunchEscrow` where it has a payout store.

Protocol version 8, encryption and poll-with-ack are required, not negotiated down: without them a credit
can be lost between the validator's memory and the journal (DESIGN.md section 3, "SSP profile").
"""

import asyncio
import secrets
from typing import Final, cast

from firmware_bridge.drivers.ssp_events import note_event
from firmware_bridge.drivers.ssp_session import SspSession
from firmware_bridge.errors import CommandRefused, DeviceChanged, DeviceFault, DeviceRestarted
from firmware_bridge.interfaces import (
    BunchEscrow,
    Channel,
    Counters,
    EmptyReport,
    Level,
    NoteEvent,
    NoteEventKind,
    PollResult,
    Transport,
    ValidatorCapabilities,
    ValidatorEvidence,
    ValidatorIdentity,
)
from firmware_bridge.protocols.ssp.commands import POLL_WITH_ACK, build_command, command_of
from firmware_bridge.protocols.ssp.crypto import SecureChannel
from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.events import parse_events
from firmware_bridge.protocols.ssp.fields import Content
from firmware_bridge.protocols.ssp.keys import FIXED_KEY_DEFAULT, PRIME_BITS_DEFAULT, KeyOffer, RandomBits, aes_key
from firmware_bridge.protocols.ssp.link import REPLY_TIMEOUT_S, RETRIES_MAX
from firmware_bridge.protocols.ssp.replies import REJECT_CODES, Generic, Reply, parse_reply, reason_name
from firmware_bridge.protocols.ssp.setup import DatasetChannel, channels_of

PROTOCOL_VERSION: Final = 8
_CHANNEL_BITS: Final = 16  # an NV200 takes two bytes of inhibits for its 16 channels
_BUSY: Final = 3
_BUSY_RETRIES_MAX: Final = 20
_BUSY_PAUSE_S: Final = 0.5
_STORE_UNITS: Final = frozenset({0x06, 0x0E})  # validator or TEBS with SMART PAYOUT
_TO_STORE: Final = 0
_TO_STACKER: Final = 1
_SAID_ONCE: Final = frozenset({NoteEventKind.RESET, NoteEventKind.CLEARED_FROM_FRONT})  # others wait for our word


class SspValidator:
    """One validator at one address of one `Transport`, which must deliver on the running loop.

    Raises `LinkDown` after 21 unanswered transmissions, `DeviceRestarted` when the session is gone (`start`
    again), `CommandRefused` when the device says no, `DeviceChanged` when after a gap another serial
    number answers.
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings, each with a default
        self,
        transport: Transport,
        *,
        fixed_key: int = FIXED_KEY_DEFAULT,
        escrow_notes_max: int = 40,
        name: str = "validator",
        address: int = 0,
        timeout_s: float = REPLY_TIMEOUT_S,
        retries_max: int = RETRIES_MAX,
        prime_bits: int = PRIME_BITS_DEFAULT,
        random_bits: RandomBits = secrets.randbits,
    ) -> None:
        self._transport = transport
        self._name = name
        self._fixed_key = fixed_key
        self._prime_bits = prime_bits
        self._random_bits = random_bits
        self._session = SspSession(
            transport, device=name, address=address, timeout_s=timeout_s, retries_max=retries_max
        )
        self._escrow_notes_max = escrow_notes_max
        self._serial_number = 0
        self._channels: dict[int, DatasetChannel] = {}
        self._routes: dict[tuple[int, str], int] = {}  # what this session has set
        self._started = False
        self._store_enabled = False
        self._enabled_once = False  # F1 tells of the past before the first enable,
        self._polled_once = False  # and in the first poll after start, whenever that comes
        self._unread_events = ""  # why the last poll could not be read to its end
        self._unsaid: list[NoteEvent] = []  # heard at a restart in service; `start` comes first
        self.capabilities = ValidatorCapabilities(
            bunch_escrow=escrow_notes_max > 0,
            escrow_notes_max=escrow_notes_max,
            poll_with_ack=True,
            suspect_custody=True,
        )

    @property
    def escrow(self) -> BunchEscrow | None:
        """This driver, when the device has a payout store with an escrow of at least one note."""
        return self if self.capabilities.bunch_escrow else None

    # --- start ----------------------------------------------------------------------------------------

    async def start(self, bookmark: int | None = None) -> ValidatorIdentity:
        """Sync, keys, version, set-up; leaves it disabled and inhibited. No poll is sent: it could accept a note."""
        del bookmark  # SSP keeps no event list: what is not acknowledged is repeated
        self._started = False
        self._routes.clear()
        self._session.gap_seen = False
        await self._session.sync()
        await self._negotiate()
        await self._ask(0x06, {"version": PROTOCOL_VERSION})
        await self._ask(0x09)
        await self._ask(0x02, {"channels": {"width": _CHANNEL_BITS, "accepted": []}})
        setup = cast("Content", (await self._ask(0x05))["setup"])
        self._serial_number = cast("int", (await self._ask(0x0C))["serial_number"])
        identity = ValidatorIdentity(
            serial_number=self._serial_number,
            dataset=cast("str", (await self._ask(0x21))["dataset"]),
            firmware=cast("str", (await self._ask(0x20))["firmware"]),
            protocol_version=cast("int", setup["protocol_version"]),
            channels=tuple(Channel(c.number, c.value_minor, c.country) for c in channels_of(setup)),
        )
        if identity.protocol_version != PROTOCOL_VERSION:
            raise CommandRefused(self._name, f"speaks protocol version {identity.protocol_version}, not 8")
        self._channels = {channel.number: channel for channel in channels_of(setup)}
        await self._prepare_store(cast("int", setup["unit_type"]))
        self._started = True
        self._enabled_once = self._polled_once = False
        self._unread_events = ""
        return identity

    async def _negotiate(self) -> None:
        offer = KeyOffer.draw(self._prime_bits, self._random_bits)
        await self._ask(0x4A, {"prime": offer.generator})
        await self._ask(0x4B, {"prime": offer.modulus})
        slave_key = cast("int", (await self._ask(0x4C, {"key": offer.host_key}))["key"])
        try:
            key = aes_key(self._fixed_key, offer.shared_key(slave_key))
        except SspError as error:
            raise DeviceFault(self._name, str(error)) from error
        self._session.secure(SecureChannel(key, self._random_bytes))

    def _random_bytes(self, count: int) -> bytes:
        return self._random_bits(8 * count).to_bytes(count, "big") if count else b""

    async def _prepare_store(self, unit_type: int) -> None:
        has_store = unit_type in _STORE_UNITS
        size = await self._escrow_size() if has_store and self._escrow_notes_max else 0
        self._store_enabled = not has_store or await self._try_enable_store()
        self.capabilities = ValidatorCapabilities(
            bunch_escrow=size > 0, escrow_notes_max=size, poll_with_ack=True, suspect_custody=has_store
        )

    async def _escrow_size(self) -> int:
        """Set the configured size; an escrow with notes in it refuses, and keeps the size it has."""
        try:
            await self._ask(0x7A, {"size": self._escrow_notes_max})
        except CommandRefused as refused:
            if refused.code == Generic.COMMAND_NOT_KNOWN:
                return 0
            return min(self._escrow_notes_max, cast("int", (await self._ask(0x79))["size"]))
        return self._escrow_notes_max

    async def _try_enable_store(self) -> bool:
        """False while notes move or one is held: then the caller must hear it out and decide first."""
        try:
            await self._ask(0x5C)
        except CommandRefused as refused:
            if refused.code != _BUSY:
                raise
            return False
        return True

    async def _need_store(self) -> None:
        """The payout store, switched on. After power-up it homes for some seconds."""
        self._need_session()
        if not self._store_enabled:
            await self._when_idle(0x5C, "the payout store stays busy")
            self._store_enabled = True

    async def _when_idle(self, code: int, complaint: str) -> Content:
        """Ask until the device is not busy any more; `CommandRefused` with `complaint` when it stays so."""
        for _ in range(_BUSY_RETRIES_MAX):
            try:
                return await self._request(code)
            except CommandRefused as refused:
                if refused.code != _BUSY:
                    raise
                await asyncio.sleep(_BUSY_PAUSE_S)
        raise CommandRefused(self._name, complaint, code=_BUSY)

    # --- the protocol of the controller ---------------------------------------------------------------

    async def configure(self, accept_channels: frozenset[int], stacker_channels: frozenset[int]) -> None:
        """Inhibits every channel but `accept_channels`; routes those to the stacker or the store.

        SSP routes by value and country, so a dataset must give suspect notes a country code of their own;
        one that does not is refused rather than let a suspect note into the escrow.
        """
        await self._need_store()
        unknown = (accept_channels | stacker_channels) - set(self._channels)
        if unknown:
            raise CommandRefused(self._name, f"the dataset has no channels {sorted(unknown)}")
        routes: dict[tuple[int, str], int] = {}
        for number in sorted(accept_channels):
            channel = self._channels[number]
            route = _TO_STACKER if number in stacker_channels else _TO_STORE
            if routes.setdefault((channel.value_minor, channel.country), route) != route:
                raise CommandRefused(
                    self._name, f"channel {number}: {channel.country} {channel.value_minor} would need two routes"
                )
        for (value, country), route in routes.items():
            if self._routes.get((value, country)) != route:
                await self._request(0x3B, {"route": route, "value": value, "country": country})
                self._routes[value, country] = route
        await self._request(0x02, {"channels": {"width": _CHANNEL_BITS, "accepted": sorted(accept_channels)}})

    async def enable(self) -> None:
        await self._request(0x0A)
        self._enabled_once = True

    async def disable(self) -> None:
        await self._request(0x09)

    async def poll(self) -> PollResult:
        """One poll with ack. After READ(channel > 0) this ACCEPTS the held note.

        An event that cannot be read ends the list with OTHER, its name telling why; `acknowledge` is refused
        then, because behind it may be a credit that nobody has seen.
        """
        data = await self._exchange(build_command(POLL_WITH_ACK))
        if data[0] != Generic.OK:
            self._parse(POLL_WITH_ACK, data)
        found = parse_events(data[1:], PROTOCOL_VERSION)
        self._unread_events = found.why
        events = [note_event(event) for event in found.events]
        in_service = self._enabled_once and self._polled_once
        self._polled_once = True
        if in_service and any(event.kind is NoteEventKind.RESET for event in events):
            self._started = False
            self._unsaid = [event for event in events if event.kind in _SAID_ONCE]
            raise DeviceRestarted(self._name, "it reports a reset")
        events = [*self._unsaid, *events]
        self._unsaid = []
        if found.why:
            events.append(NoteEvent(NoteEventKind.OTHER, name=f"unreadable: {found.why}"))
        return PollResult(await self._with_reasons(events), found.needs_ack or bool(found.why))

    async def acknowledge(self) -> None:
        """Acknowledge the flagged events of the last poll; only after they are durable."""
        if self._unread_events:
            raise DeviceFault(self._name, f"nothing acknowledged behind an unreadable event: {self._unread_events}")
        await self._request(0x57)

    async def accept(self) -> None:
        """Nothing is sent: the next poll accepts the held note."""

    async def reset(self) -> None:
        """RESET (0x01): it answers, then its hardware and software start again; `start` must be called."""
        await self._request(0x01)
        self._started = False

    async def reject(self) -> None:
        await self._request(0x08)

    async def hold(self) -> None:
        await self._request(0x18)

    async def commit_escrow(self) -> None:
        await self._need_store()
        await self._request(0x77)

    async def cancel_escrow(self) -> None:
        await self._need_store()
        await self._request(0x76)

    async def empty_to_stacker(self) -> None:
        await self._need_store()
        await self._request(0x52)

    async def empty_report(self) -> EmptyReport:
        content = await self._request(0x53)
        return EmptyReport(_levels(content, "moved", "count"), cast("int", content["unknown_count"]))

    async def levels(self) -> tuple[Level, ...]:
        return _levels(await self._when_idle(0x22, "the note levels stay unreadable"), "levels", "level")

    async def evidence(self) -> ValidatorEvidence:
        """Non-volatile counters, and the store's levels where there is a store."""
        counters = await self.counters()
        return ValidatorEvidence(counters, await self.levels() if self.escrow is not None else ())

    async def counters(self) -> Counters:
        return Counters(**cast("dict[str, int]", await self._request(0x58)))

    def close(self) -> None:
        self._started = False
        self._session.close()
        self._transport.close()

    # --- one exchange ---------------------------------------------------------------------------------

    async def _with_reasons(self, events: list[NoteEvent]) -> tuple[NoteEvent, ...]:
        """Ask why a note was refused. A failing question must not lose the events that are already here."""
        if all(event.kind is not NoteEventKind.REFUSED for event in events):
            return tuple(events)
        try:
            code = cast("int", (await self._request(0x17))["reject_code"])
        except DeviceFault:
            return tuple(events)
        reason = REJECT_CODES.get(code, f"code_{code:02x}")
        return tuple(
            NoteEvent(event.kind, event.channel, event.values, reason, event.name)
            if event.kind is NoteEventKind.REFUSED
            else event
            for event in events
        )

    def _need_session(self) -> None:
        if not self._started:
            raise DeviceRestarted(self._name, "it is not started")

    async def _exchange(self, data: bytes) -> bytes:
        """One exchange within the session; reads the serial number first when a gap came before."""
        self._need_session()
        await self._session.settled()
        if self._session.gap_seen:
            self._session.gap_seen = False
            serial_number = cast("int", self._parse(0x0C, await self._raw(build_command(0x0C)))["serial_number"])
            if serial_number != self._serial_number:
                self._started = False
                raise DeviceChanged(self._name, f"{serial_number} answers where {self._serial_number} was")
        return await self._raw(data)

    async def _raw(self, data: bytes) -> bytes:
        try:
            return await self._session.exchange(data)
        except DeviceFault:
            self._started = False
            raise

    async def _request(self, code: int, content: Content | None = None) -> Content:
        return self._parse(code, await self._exchange(build_command(code, content, PROTOCOL_VERSION)))

    async def _ask(self, code: int, content: Content | None = None) -> Content:
        """Like `_request`, while starting."""
        return self._parse(code, await self._session.exchange(build_command(code, content, PROTOCOL_VERSION)))

    def _parse(self, code: int, data: bytes) -> Content:
        """The values behind OK; `CommandRefused` for every other response."""
        name = command_of(code).name
        try:
            reply = parse_reply(code, data, PROTOCOL_VERSION)
        except SspError as error:
            raise DeviceFault(self._name, f"unreadable reply to {name}: {error}") from error
        if reply.generic is Generic.OK:
            return reply.content
        raise self._refusal(code, name, reply)

    def _refusal(self, code: int, name: str, reply: Reply) -> CommandRefused:
        told = reply.generic.name if reply.reason is None else reason_name(code, reply.reason)
        code_told = int(reply.generic) if reply.reason is None else reply.reason
        return CommandRefused(self._name, f"{name}: {told}", code=code_told)


def _levels(content: Content, rows: str, count: str) -> tuple[Level, ...]:
    return tuple(
        Level(cast("int", row["value"]), cast("str", row["country"]), cast("int", row[count]))
        for row in cast("list[Content]", content[rows])
    )
