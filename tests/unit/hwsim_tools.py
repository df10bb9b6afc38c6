"""A small SSP host and a world in virtual time, for tests of the simulator."""

from typing import Self

from hwsim.config import SspProfile, ValidatorConfig, WorldConfig
from hwsim.devices.ssp_codes import COMMANDS, decode_events
from hwsim.devices.ssp_crypto import Session
from hwsim.devices.ssp_frame import Frame, FrameDecoder
from hwsim.devices.ssp_layout import Values
from hwsim.devices.ssp_store import Dataset
from hwsim.devices.ssp_validator import SspValidator
from hwsim.notes import Note, Place
from hwsim.scheduler import VirtualScheduler
from hwsim.world import World

GENERATOR, MODULUS = 982451653, 1287821
Events = list[tuple[int, Values]]


def open_world(config: WorldConfig | None = None, seed: int = 1) -> tuple[World, VirtualScheduler]:
    """A world whose shutter stands open."""
    scheduler = VirtualScheduler()
    world = World(config or WorldConfig(), scheduler, seed)
    world.lines.drive("shutter_open_cmd", level=True)
    scheduler.advance(1.0)
    return world, scheduler


class HostSession(Session):
    """The host's side of the same packets: it numbers commands, and expects count + 1 back."""

    def command(self, data: bytes) -> bytes:
        self.count -= 1
        return self.seal(data, bytes)

    def reply(self, packet: bytes) -> bytes:
        self.count += 1
        return self.open(packet)


class SspHost:
    """Talks to a simulated validator, one exchange at a time."""

    def __init__(
        self, profile: SspProfile | None = None, config: ValidatorConfig | None = None, world: World | None = None
    ) -> None:
        world = world or open_world()[0]
        config = config or ValidatorConfig(profile=profile or SspProfile())
        self.attach(SspValidator(world, config), config, world)

    @classmethod
    def on(cls, device: SspValidator, config: ValidatorConfig, world: World) -> Self:
        """A host of a validator that exists."""
        made = cls.__new__(cls)
        made.attach(device, config, world)
        return made

    def attach(self, device: SspValidator, config: ValidatorConfig, world: World) -> None:
        assert isinstance(world.scheduler, VirtualScheduler)
        self.world, self.scheduler, self.config, self.device = world, world.scheduler, config, device
        device.output = self._receive
        self.flag = 0
        self.pv = 8
        self.session = HostSession(int(self.config.fixed_key_hex, 16))
        self.last_wire = b""
        self._replies: list[Frame] = []
        self._decoder = FrameDecoder()

    def _receive(self, data: bytes) -> None:
        self._replies += list(self._decoder.feed(data))

    def wire(self, data: bytes) -> Frame | None:
        """Send raw bytes; the reply frame, or None for silence."""
        self._replies.clear()
        self.last_wire = data
        self.device.feed(data)
        self.scheduler.advance(0.01)
        assert len(self._replies) <= 1
        return self._replies[0] if self._replies else None

    def plain(self, code: int, arguments: bytes = b"") -> bytes | None:
        frame = self.wire(Frame(0, self.flag, bytes((code,)) + arguments).encode())
        return self._accept(frame)

    def secure(self, code: int, arguments: bytes = b"") -> bytes | None:
        data = self.session.command(bytes((code,)) + arguments)
        reply = self._accept(self.wire(Frame(0, self.flag, data).encode()))
        return None if reply is None else self.session.reply(reply[1:]) if reply[0] == 0x7E else reply

    def send(self, code: int, arguments: bytes = b"") -> bytes | None:
        return self.secure(code, arguments) if COMMANDS[code].encrypted else self.plain(code, arguments)

    def again(self) -> bytes | None:
        """Retransmit the last frame."""
        frame = self.wire(self.last_wire)
        return None if frame is None else frame.data

    def _accept(self, frame: Frame | None) -> bytes | None:
        if frame is None:
            return None
        assert frame.flag == self.flag
        self.flag ^= 1
        return frame.data

    def exchange(self, code: int, arguments: bytes = b"") -> bytes | None:
        """One encrypted exchange that may fail: silence, or an answer in clear."""
        if not self.session.ready:
            return None
        data = self.session.command(bytes((code,)) + arguments)
        frame = self.wire(Frame(0, self.flag, data).encode())
        if frame is None or frame.flag != self.flag:
            return None
        self.flag ^= 1
        try:
            return self.session.reply(frame.data[1:]) if frame.data[0] == 0x7E else frame.data
        except ValueError:  # a stored reply from before the last SYNC
            self.session.count -= 1
            return None

    # --- longer conversations --------------------------------------------------------------------------

    def sync(self) -> None:
        self.flag = 1
        assert self.plain(0x11) == b"\xf0"

    def keys(self) -> None:
        assert self.plain(0x4A, GENERATOR.to_bytes(8, "little")) == b"\xf0"
        assert self.plain(0x4B, MODULUS.to_bytes(8, "little")) == b"\xf0"
        self.session.set_generator(GENERATOR)
        self.session.set_modulus(MODULUS)
        secret = 0x1234567
        own = pow(GENERATOR, secret, MODULUS)
        reply = self.plain(0x4C, own.to_bytes(8, "little"))
        assert reply is not None
        assert reply[0] == 0xF0
        self.session.exchange(int.from_bytes(reply[1:], "little"), secret)

    def start(self, pv: int = 8, escrow: int = 40, *, enable: bool = True) -> None:
        """The usual start-up: keys, version, escrow, routes (suspects to the stacker), inhibits, enable."""
        self.pv = pv
        self.sync()
        self.keys()
        assert self.send(0x06, bytes((pv,))) == b"\xf0"
        self.scheduler.advance(0.6)
        self.send(0x7A, bytes((escrow,)))
        for channel in Dataset(self.config).channels:
            arguments = bytes((0 if channel.country == "CNY" else 1,)) + channel.value_minor.to_bytes(4, "little")
            if pv < 6 and channel.country != "CNY":
                continue
            arguments += channel.country.encode() if pv >= 6 else b""
            assert self.send(0x3B, arguments) == b"\xf0"
        assert self.send(0x5C) in {b"\xf0", b"\xf5\x03"}  # busy while a note is stuck
        assert self.send(0x02, b"\xff\x0f") == b"\xf0"
        if enable:
            assert self.send(0x0A) == b"\xf0"

    def restart(self, pv: int) -> None:
        """Keys and settings after a SYNC; a device in trouble may answer nothing of it."""
        secret, own = 0x1234567, pow(GENERATOR, 0x1234567, MODULUS)
        replies = [
            self.plain(code, value.to_bytes(8, "little")) for code, value in ((0x4A, GENERATOR), (0x4B, MODULUS))
        ]
        reply = self.plain(0x4C, own.to_bytes(8, "little"))
        if replies != [b"\xf0", b"\xf0"] or reply is None or len(reply) != 9:
            return
        self.pv = pv
        self.session.set_generator(GENERATOR)
        self.session.set_modulus(MODULUS)
        self.session.exchange(int.from_bytes(reply[1:], "little"), secret)
        self.exchange(0x06, bytes((pv,)))
        self.exchange(0x7A, b"\x06")
        for channel in Dataset(self.config).channels[:6]:
            country = channel.country.encode() if pv >= 6 else b""
            self.exchange(0x3B, b"\x00" + channel.value_minor.to_bytes(4, "little") + country)
        for code, arguments in ((0x5C, b""), (0x02, b"\xff\x0f"), (0x0A, b"")):
            self.exchange(code, arguments)

    def poll(self, *, ack: bool = True) -> Events:
        """POLL WITH ACK, then EVENT ACK when anything needs it."""
        reply = self.send(0x56)
        assert reply is not None
        assert reply[0] == 0xF0
        events = decode_events(reply[1:], self.pv)
        if ack and set(codes(events)) & {0xEE, 0xE6, 0xE2, 0xD2, 0xDC, 0xB4, 0xB1, 0xC9, 0xCA, 0xCB}:
            assert self.send(0x57) == b"\xf0"
        return events

    def poll_for(self, seconds: float, step_s: float = 0.2) -> Events:
        """Poll every `step_s`; all events in order, repeated states included."""
        events: Events = []
        end_s = self.scheduler.time() + seconds
        while self.scheduler.time() < end_s:
            events += self.poll()
            self.scheduler.advance(step_s)
        return events

    def feed(self, value_minor: int, kind: str = "genuine") -> tuple[Note, Events]:
        """Insert one note and poll until it has settled."""
        note = self.world.insert("CNY", value_minor, kind)
        return note, self.poll_for(2.0)


def where(note: Note) -> Place:
    """Where it is now (a call, so that type checkers expect it to change)."""
    return note.place


def codes(events: Events) -> list[int]:
    return [code for code, _ in events]
