"""A bill validator with single-note escrow and a cassette, speaking ccTalk (cctalk.md)."""

from collections.abc import Callable
from typing import Any, Final

from hwsim.config import CctalkConfig
from hwsim.devices.cctalk_accept import CctalkAcceptor
from hwsim.devices.cctalk_body import NAME, CctalkBody
from hwsim.devices.cctalk_commands import CctalkCommands
from hwsim.devices.cctalk_events import Status
from hwsim.devices.cctalk_packet import MASTER, CcPacket, PacketCounter
from hwsim.devices.ssp_body import Jam
from hwsim.devices.wired import Wired
from hwsim.faults import FaultSpec
from hwsim.notes import Note, Place
from hwsim.scheduler import Timers
from hwsim.world import World

RESTART_S: Final = 0.5


class CctalkValidator(Wired):
    """Bytes in by `feed`, bytes out by `output`; attaches itself to the world and comes up powered."""

    def __init__(self, world: World, config: CctalkConfig) -> None:
        super().__init__(world.scheduler)
        self._revival = Timers(world.scheduler)
        self._body = CctalkBody(world, config, self._timers, config.serial_number)
        self._acceptor = CctalkAcceptor(self._body)
        self._commands = CctalkCommands(self._body, self._acceptor, self._restart_soon)
        self._crc = config.profile.checksum == "crc16"
        self._counter = PacketCounter(crc=self._crc)
        self._echoes_lost = 0
        world.attach(NAME, self, *self._faults())
        world.attach_intake(self)
        self.power_on()

    # --- line ------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes from the host, split anywhere. The line echoes them, whether or not the device has power."""
        if self._body.config.profile.echo and data:
            if self._echoes_lost:
                self._echoes_lost -= 1
            else:
                self._leave(data, 0.0)
        if not self.powered:
            return
        for packet in self._counter.feed(data, self._body.world.scheduler.time()):
            if packet.destination == self._body.config.profile.address:
                self._answer(packet)

    def _answer(self, packet: CcPacket) -> None:
        if self._body.initialising:
            return
        data = self._commands.execute(packet.header, packet.data)
        if data is None or self.faults.loses(packet.header):
            return
        reply = CcPacket(MASTER if self._crc else packet.source, packet.destination, 0, data)
        self._leave(self.faults.spoil(reply.encode(crc=self._crc)), self._body.config.reply_delay_s)

    # --- power -----------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Start up: mute for `initialise_s`, then with a counter of 0 and what the profile says of a note found."""
        if self.powered:
            return
        self.powered = True
        self._revival.stop_all()
        self._counter = PacketCounter(crc=self._crc)
        self._body.forget()
        self._body.initialising = True
        self._timers.start("initialise", self._body.config.initialise_s, self._initialised)

    def _initialised(self) -> None:
        self._body.initialising = False
        self._acceptor.after_power_up()
        if self._body.master:
            self._commands.watch_polls()
        self._body.announce("ready")
        self._acceptor.try_draw()

    def power_off(self) -> None:
        """Everything volatile is gone; notes stay where they are."""
        self._revival.stop_all()
        self._dark()

    def _restart(self) -> None:
        self.power_off()
        self._revival.start("back", RESTART_S, self.power_on)

    def _restart_soon(self) -> None:
        """Header 1: the ACK leaves first."""
        self._revival.start("reset", 2 * self._body.config.reply_delay_s, self._restart)

    # --- hands at the port -----------------------------------------------------------------------------

    def note_presented(self, note: Note) -> None:
        del note  # it lies in the world's throat
        if self.powered:
            self._acceptor.try_draw()

    def bezel_cleared(self) -> None:
        if self.powered:
            self._acceptor.try_draw()

    def throat_cleared(self) -> None:
        """Nothing waits for that."""

    # --- the truth, for the control page and the judge -------------------------------------------------

    def state(self) -> dict[str, Any]:
        body = self._body
        return {
            "powered": self.powered,
            "enabled": body.master and body.inhibits != 0,
            "initialising": body.initialising,
            "phase": body.phase.value,
            "jam": body.jam.value,
            "cassette_notes": len(body.cassette),
            "event_counter": body.events.counter,
            "serial_number": body.serial_number,
        }

    # --- faults ----------------------------------------------------------------------------------------

    def _faults(self) -> tuple[FaultSpec, ...]:
        def spec(name: str, what: str, apply: Callable[..., None], **parameters: bool | float | str) -> FaultSpec:
            return FaultSpec(NAME, name, what, apply, parameters)

        body = self._body
        return (
            spec(
                "jam",
                "the next note jams: where = unsafe (0,6), safe (0,16), stacker (0,7)",
                self._plan_jam,
                where="unsafe",
                stubborn=False,
            ),
            spec("clear_jam", "a technician frees the path: note = leave or take", self._clear_jam, note="leave"),
            spec(
                "fraud",
                "string fishing at the next note: note = pulled (0,8) or kept (0,18)",
                lambda note: setattr(body.plans, "fraud", note),
                note="pulled",
            ),
            spec(
                "misread",
                "the next notes are not recognised",
                lambda count: setattr(body.plans, "misread", count),
                count=1,
            ),
            spec("stacker_full", "the cassette is full (0,14)", self._acceptor.fill),
            spec("stacker_emptied", "the cassette has room again", self._cassette_emptied),
            spec("stacker_removed", "the cassette is taken out (0,11)", self._cassette_removed),
            spec("stacker_replaced", "the cassette is back (0,12)", self._cassette_replaced),
            spec("lost_reply", "replies are lost on the line (command 0 = any header)", self._lose, count=1, command=0),
            spec("corrupt_reply", "replies arrive with a wrong check", self._corrupt, count=1),
            spec("lost_echo", "the line does not echo", lambda count: setattr(self, "_echoes_lost", count), count=1),
            spec("mute", "no reply gets through for a while", self._mute, seconds=3.0),
            spec("event_burst", "so many events at once that the list loses some", self._burst, count=6),
            spec("restart", "it restarts by itself", self._restart),
            spec("swapped", "another validator with an empty memory answers", self._swap, serial_number=815),
        )

    def _plan_jam(self, where: str, stubborn: bool) -> None:  # noqa: FBT001 - parameters of a fault
        self._body.plans.jam, self._body.plans.jam_stubborn = where, stubborn

    def _clear_jam(self, note: str) -> None:
        body = self._body
        body.jam_cleared = True
        if note == "take" and body.jam is not Jam.NONE and body.note is not None:
            body.world.notes.move(body.note, Place.PATH, Place.REMOVED)
            body.announce("taken_from_path", body.note)
            body.leave_path()

    def _cassette_emptied(self) -> None:
        self._body.cassette_full = False
        self._body.events.status(Status.STACKER_OK)

    def _cassette_removed(self) -> None:
        self._body.cassette_removed = True
        self._body.events.status(Status.STACKER_REMOVED)

    def _cassette_replaced(self) -> None:
        self._body.cassette_removed = False
        self._body.events.status(Status.STACKER_INSERTED)
        self._body.master = False  # P3 app. 16 example 5: the host enables it anew

    def _burst(self, count: int) -> None:
        for _ in range(count):
            self._body.events.status(Status.INVALID)

    def _swap(self, serial_number: int) -> None:
        """Another unit with another cassette: its notes are gone with the old one."""
        body = self._body
        self.power_off()
        for note in body.cassette:
            body.world.notes.move(note, Place.CASSETTE, Place.REMOVED)
        if body.note is not None and body.note.place is Place.PATH:
            body.world.notes.move(body.note, Place.PATH, Place.REMOVED)
        body.leave_path()
        body.jam = Jam.NONE
        body.serial_number = serial_number
        self._revival.start("back", RESTART_S, self.power_on)
