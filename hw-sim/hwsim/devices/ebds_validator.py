"""A bill acceptor with single-note escrow and a cassette, speaking EBDS (ebds.md)."""

from collections.abc import Callable
from typing import Any, Final

from hwsim.config import EbdsConfig
from hwsim.devices import ebds_body as b
from hwsim.devices.ebds_accept import EbdsAcceptor
from hwsim.devices.ebds_body import NAME, EbdsBody, Happened
from hwsim.devices.ebds_commands import EbdsCommands
from hwsim.devices.ebds_frame import Listener, Message
from hwsim.devices.wired import Wired
from hwsim.faults import FaultSpec
from hwsim.notes import Note, Place
from hwsim.scheduler import Timers
from hwsim.world import World

RESTART_S: Final = 0.5


class EbdsValidator(Wired):
    """Bytes in by `feed`, bytes out by `output`; attaches itself to the world and comes up powered."""

    def __init__(self, world: World, config: EbdsConfig) -> None:
        super().__init__(world.scheduler)
        self._revival = Timers(world.scheduler)
        self._body = EbdsBody(world, config, self._timers)
        self._acceptor = EbdsAcceptor(self._body)
        self._commands = EbdsCommands(self._body, self._acceptor, self._restart)
        self._listener = Listener()
        self._toggle: int | None = None  # of the last message
        self._stored = b""
        world.attach(NAME, self, *self._faults())
        world.attach_intake(self)
        self.power_on()

    # --- line ------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes from the host, split anywhere. Without power they are lost."""
        if self.powered:
            for message in self._listener.feed(data, self._body.world.scheduler.time()):
                self._answer(message)

    def _answer(self, message: Message) -> None:
        self._timers.start("host", self._body.config.profile.host_silence_s, self._host_silent)
        if message.toggle == self._toggle and self._body.config.profile.repeats_reply:
            self._reply(message.kind, self._stored)
            return
        answer = self._commands.execute(message)
        if answer is None:
            return
        self._toggle = message.toggle
        self._stored = Message(answer[0], message.toggle, answer[1]).wire()
        self._reply(message.kind, self._stored)

    def _reply(self, asked: int, wire: bytes) -> None:
        if not self.faults.loses(asked):
            self._leave(self.faults.spoil(wire), self._body.config.reply_delay_s)

    def _host_silent(self) -> None:
        self._body.enables = 0
        self._body.announce("host_silent")

    # --- power -----------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Start up: the power-up bit for `initialise_s`, then what the policy says of a note found."""
        if self.powered:
            return
        self.powered = True
        self._revival.stop_all()
        self._listener = Listener()
        self._toggle, self._stored = None, b""
        survivors = [event for event in self._body.events if event.state & b.STACKED]
        self._body.forget()
        if self._body.config.profile.unread_event_survives:
            self._body.events.extend(survivors)
        self._body.initialising = True
        self._timers.start("initialise", self._body.config.initialise_s, self._initialised)

    def _initialised(self) -> None:
        self._body.initialising = False
        self._acceptor.after_power_up()
        self._body.announce("ready")
        self._acceptor.try_draw()

    def power_off(self) -> None:
        """Everything volatile is gone; notes stay where they are."""
        self._revival.stop_all()
        self._dark()

    def _restart(self) -> None:
        self.power_off()
        self._revival.start("back", RESTART_S, self.power_on)

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
            "enabled": body.enables != 0,
            "initialising": body.initialising,
            "phase": body.phase.value,
            "jam": body.jam.value,
            "out_of_order": body.out_of_order,
            "cassette_notes": len(body.cassette),
            "events_untold": len(body.events),
            "policy": "ABC?"[body.policy],
        }

    # --- faults ----------------------------------------------------------------------------------------

    def _faults(self) -> tuple[FaultSpec, ...]:
        def spec(name: str, what: str, apply: Callable[..., None], **parameters: bool | float | str) -> FaultSpec:
            return FaultSpec(NAME, name, what, apply, parameters)

        body = self._body
        return (
            spec("jam", "the next note jams: where = unsafe or safe", self._plan_jam, where="unsafe", stubborn=False),
            spec("clear_jam", "a technician frees the path: note = leave or take", self._clear_jam, note="leave"),
            spec("fraud", "a fished note: note = pulled or kept", self._plan_cheat, note="pulled"),
            spec(
                "misread",
                "the next notes are not recognised",
                lambda count: setattr(body.plans, "misread", count),
                count=1,
            ),
            spec("stacker_full", "the cassette is full", lambda: setattr(body, "cassette_full", True)),
            spec("stacker_emptied", "it has room again", lambda: setattr(body, "cassette_full", False)),
            spec("stacker_removed", "the cassette is taken out", lambda: setattr(body, "cassette_removed", True)),
            spec("stacker_replaced", "it is back; a blank stack may be reported", self._cassette_replaced),
            spec("failure", "it reports a failure", lambda: setattr(body, "failed", True)),
            spec("repaired", "the failure is over", lambda: setattr(body, "failed", False)),
            spec("lost_reply", "replies are lost on the line (command 0 = any)", self._lose, count=1, command=0),
            spec("corrupt_reply", "replies arrive with a wrong checksum", self._corrupt, count=1),
            spec("mute", "no reply gets through for a while", self._mute, seconds=3.0),
            spec("restart", "it restarts by itself", self._restart),
            spec("swapped", "another acceptor answers; EBDS tells no serial number", self._swap, serial_number=815),
        )

    def _plan_jam(self, where: str, stubborn: bool) -> None:  # noqa: FBT001 - parameters of a fault
        self._body.plans.jam, self._body.plans.jam_stubborn = where, stubborn

    def _plan_cheat(self, note: str) -> None:
        self._body.plans.cheat = note

    def _clear_jam(self, note: str) -> None:
        self._body.jam_cleared = True
        if self._body.out_of_order:
            self._acceptor.freed(take=note == "take")

    def _cassette_replaced(self) -> None:
        self._body.cassette_removed = False
        if self._body.config.profile.blank_stack_on_insert:
            self._body.events.append(Happened(b.IDLING | b.STACKED))

    def _swap(self, serial_number: int) -> None:
        """Another unit: a note in the old one's path is gone with it."""
        del serial_number
        body = self._body
        self.power_off()
        if body.note is not None:
            body.world.notes.move(body.note, Place.PATH, Place.REMOVED)
            body.leave_path()
        body.events.clear()
        body.policy = 0
        self._revival.start("back", RESTART_S, self.power_on)
