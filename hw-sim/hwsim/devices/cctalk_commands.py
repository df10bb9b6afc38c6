"""What the ccTalk validator answers, header by header (cctalk.md section 3). None is silence."""

from collections.abc import Callable
from typing import Final

from hwsim.devices.cctalk_accept import CctalkAcceptor
from hwsim.devices.cctalk_body import MODE_ESCROW, MODE_STACKER, TYPES, CctalkBody
from hwsim.devices.cctalk_events import Status
from hwsim.devices.ssp_body import Jam, Phase

ACK: Final = b""
ESCROW_EMPTY: Final = bytes((254,))
NOT_ROUTED: Final = bytes((255,))
READ_EVENTS: Final = 159
RESET: Final = 1
_UNPROGRAMMED: Final = b"......."
_FAULT_JAMMED: Final = 39
_FAULT_CASSETTE_MISSING: Final = 44
_FAULT_CASSETTE_FULL: Final = 45
_INHIBIT_BYTES: Final = TYPES // 8

Handler = Callable[[bytes], bytes | None]


class CctalkCommands:
    """Executes one command: the data of the reply, or None for no reply at all."""

    def __init__(self, body: CctalkBody, acceptor: CctalkAcceptor, restart: Callable[[], None]) -> None:
        self._body = body
        self._acceptor = acceptor
        self._restart = restart
        config = body.config
        self._plain: dict[int, Callable[[], bytes | None]] = {  # commands without data
            RESET: self._reset,
            4: lambda: bytes((1, 4, 7)),
            152: lambda: bytes((body.mode,)),
            READ_EVENTS: self._read_events,
            192: config.build.encode,
            213: lambda: bytes((MODE_STACKER | MODE_ESCROW,)),
            227: lambda: bytes((body.master,)),
            230: lambda: body.inhibits.to_bytes(_INHIBIT_BYTES, "little"),
            232: self._self_check,
            241: config.software.encode,
            242: lambda: body.serial_number.to_bytes(3, "little"),
            244: config.product.encode,
            245: config.profile.category.encode,
            246: config.manufacturer.encode,
            247: lambda: bytes((TYPES, 1)),
            254: lambda: ACK,
        }
        self._with_data: dict[int, tuple[int, Handler]] = {  # header -> bytes it takes, handler
            153: (1, self._set_mode),
            154: (1, self._route),
            156: (2, self._scaling),
            157: (1, self._bill_id),
            228: (1, self._set_master),
            231: (_INHIBIT_BYTES, self._set_inhibits),
        }

    def execute(self, header: int, data: bytes) -> bytes | None:
        """A header or a number of bytes that the device does not know is answered with silence."""
        if header in self._plain:
            return None if data else self._plain[header]()
        size, handler = self._with_data.get(header, (-1, None))
        return handler(data) if handler is not None and len(data) == size else None

    def watch_polls(self) -> None:
        """The host has `poll_watchdog_s` for its next read of the events."""
        self._body.timers.start("watchdog", self._body.config.profile.poll_watchdog_s, self._unpolled)

    def _unpolled(self) -> None:
        body = self._body
        if body.master:
            body.master = False
            body.events.status(Status.MASTER_INHIBIT)
            body.announce("host_silent")

    def _reset(self) -> bytes:
        self._restart()
        return ACK

    def _read_events(self) -> bytes:
        body = self._body
        data = body.events.data()
        self.watch_polls()
        if body.events.counter == 0 and body.config.profile.first_event != "none":
            zero_two = body.config.profile.first_event == "0,2"
            body.events.status(Status.INVALID if zero_two else Status.MASTER_INHIBIT)
        return data

    def _self_check(self) -> bytes:
        body = self._body
        if body.cassette_removed:
            return bytes((_FAULT_CASSETTE_MISSING,))
        if body.cassette_full:
            return bytes((_FAULT_CASSETTE_FULL,))
        return bytes((_FAULT_JAMMED if body.jam is not Jam.NONE else 0,))

    def _set_mode(self, data: bytes) -> bytes:
        self._body.mode = data[0]
        return ACK

    def _set_inhibits(self, data: bytes) -> bytes:
        self._body.inhibits = int.from_bytes(data, "little")
        self._acceptor.try_draw()
        return ACK

    def _set_master(self, data: bytes) -> bytes:
        self._body.master = bool(data[0] & 1)
        if self._body.master:
            self.watch_polls()
            self._acceptor.try_draw()
        return ACK

    def _route(self, data: bytes) -> bytes | None:
        body = self._body
        if body.jam is not Jam.NONE:
            return NOT_ROUTED
        if body.phase is not Phase.ESCROW:
            moving = body.phase in {Phase.MOVING, Phase.PAST_SAFE, Phase.REJECTING}
            return None if moving and body.config.profile.repeated_route == "silent" else ESCROW_EMPTY
        order = {0: self._acceptor.give_back, 1: self._acceptor.accept, 255: self._acceptor.restart_timeout}
        if data[0] not in order:
            return None
        order[data[0]]()
        return ACK

    def _scaling(self, data: bytes) -> bytes:
        config = self._body.config
        if data != config.country.encode():
            return bytes(3)
        return config.factor.to_bytes(2, "little") + bytes((config.decimals,))

    def _bill_id(self, data: bytes) -> bytes | None:
        config = self._body.config
        if not 1 <= data[0] <= TYPES:
            return None
        if data[0] > len(config.bills):
            return _UNPROGRAMMED
        return f"{config.country}{config.bills[data[0] - 1]:04d}A".encode()
