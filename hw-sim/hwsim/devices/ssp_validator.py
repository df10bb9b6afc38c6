"""An NV200 with SMART PAYOUT and bunch escrow, speaking SSP/eSSP at protocol versions 4 to 8."""

from collections.abc import Callable
from typing import Any, Final

from hwsim.config import ValidatorConfig
from hwsim.devices.ssp_accept import Acceptor
from hwsim.devices.ssp_body import Body, Jam, Phase
from hwsim.devices.ssp_codes import Ev
from hwsim.devices.ssp_commands import Commands
from hwsim.devices.ssp_crypto import Session
from hwsim.devices.ssp_link import Link
from hwsim.devices.ssp_payout import Payout
from hwsim.devices.ssp_powerup import after_power_up
from hwsim.devices.ssp_store import Counters, Dataset, Store
from hwsim.devices.wired import Wired
from hwsim.faults import FaultSpec
from hwsim.notes import Note, Place
from hwsim.scheduler import Timers
from hwsim.world import World

NAME: Final = "validator"
RESTART_S: Final = 0.5


class SspValidator(Wired):
    """Bytes in by `feed`, bytes out by `output`; attaches itself to the world and comes up powered."""

    def __init__(self, world: World, config: ValidatorConfig) -> None:
        super().__init__(world.scheduler)
        self._revival = Timers(world.scheduler)
        store = Store(config.store_capacity, min(config.escrow_size, config.store_capacity))
        self._body = Body(world, config, self._timers, Dataset(config), store, config.serial_number)
        self._session = Session(int(config.fixed_key_hex, 16))
        self._payout = Payout(self._body)
        self._acceptor = Acceptor(self._body, lambda: self._payout.busy)
        self._commands = Commands(self._body, self._session, self._acceptor, self._payout, self._restart, self._contact)
        self._survivors: tuple[int, ...] = ()  # channels of credits that outlive a power cut
        self._link = self._new_link()
        world.attach(NAME, self, *self._faults())
        world.attach_intake(self)
        self.power_on()

    # --- link ------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes from the host, split anywhere. Without power they are lost."""
        if self.powered:
            self._link.feed(data)

    def _new_link(self) -> Link:
        rng = self._body.world.rng("validator/packing")
        return Link(self._session, self._body.profile, rng, self._commands.execute, self._send, self.faults)

    def _send(self, data: bytes, then: Callable[[], None] | None) -> None:
        self._leave(data, self._body.config.reply_delay_s, then)

    def _contact(self) -> None:
        """The host spoke: the poll watchdog starts anew."""
        self._timers.start("watchdog", self._body.profile.poll_watchdog_s, self._host_silent)

    def _host_silent(self) -> None:
        self._acceptor.expire()
        self._body.enabled = False
        self._payout.poll_timeout()
        self._body.announce("host_silent")

    # --- power -----------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Start up: F1 first, then `initialise_s` of clearing the path."""
        if self.powered:
            return
        self.powered = True
        self._revival.stop_all()
        self._session = Session(self._session.fixed_key)
        self._commands = Commands(self._body, self._session, self._acceptor, self._payout, self._restart, self._contact)
        self._link = self._new_link()
        self._body.forget()
        self._body.events.clear()
        self._body.events.post(Ev.SLAVE_RESET)
        for channel in self._survivors:
            self._body.events.post(Ev.CREDIT, channel=channel)
        self._body.initialising = True
        self._timers.start("initialise", self._body.config.initialise_s, self._initialised)

    def _initialised(self) -> None:
        self._body.initialising = False
        after_power_up(self._body, self._payout)
        self._survivors = ()
        self._body.announce("ready")

    def power_off(self) -> None:
        """Everything volatile is gone; notes stay where they are."""
        self._revival.stop_all()
        if not self.powered:
            return
        profile = self._body.profile
        unread, unacknowledged = self._body.events.credits()
        kept = (unread if profile.unread_credit_survives else ()) + (
            unacknowledged if profile.unacknowledged_credit_survives else ()
        )
        self._survivors = tuple(int(event.values["channel"]) for event in kept)
        if not profile.escrow_survives:
            self._body.store.forget_escrow()
        self._dark()

    def _restart(self) -> None:
        """RESET: hardware and software start again."""
        self.power_off()
        self._revival.start("back", RESTART_S, self.power_on)

    # --- hands at the port -----------------------------------------------------------------------------

    def note_presented(self, note: Note) -> None:
        del note  # it lies in the world's throat
        if self.powered:
            self._acceptor.try_draw()

    def bezel_cleared(self) -> None:
        if self.powered:
            self._payout.bezel_cleared()
            self._acceptor.try_draw()
        elif self._payout.operation is not None:
            self._payout.operation.at_bezel = None

    def throat_cleared(self) -> None:
        if self.powered:
            self._payout.advance()

    # --- the truth, for the control page and the judge -------------------------------------------------

    def state(self) -> dict[str, Any]:
        body = self._body
        return {
            "powered": self.powered,
            "enabled": body.enabled,
            "initialising": body.initialising,
            "phase": body.path.phase.value,
            "jam": body.path.jam.value,
            "operation": None if self._payout.operation is None else self._payout.operation.work.value,
            "store_notes": len(body.store.held),
            "escrow_notes": len(body.store.escrow),
            "escrow_size": body.store.escrow_size,
            "protocol_version": body.pv,
            "serial_number": body.serial_number,
            "encrypted": self._session.ready,
        }

    # --- faults ----------------------------------------------------------------------------------------

    def _faults(self) -> tuple[FaultSpec, ...]:
        def spec(name: str, what: str, apply: Callable[..., None], **parameters: bool | float | str) -> FaultSpec:
            return FaultSpec(NAME, name, what, apply, parameters)

        body = self._body
        return (
            spec(
                "jam",
                "the next note jams: where = unsafe, safe, payout (D5), payout_recovers (B1, B0), empty",
                self._plan_jam,
                where="unsafe",
                stubborn=False,
            ),
            spec(
                "clear_jam",
                "a technician frees the path (it reports the jam until its power is cycled): note = leave or take",
                self._clear_jam,
                note="leave",
            ),
            spec("fraud", "string fishing at the next note: note = pulled or kept", self._plan_fraud, note="pulled"),
            spec(
                "misread",
                "the next notes are not recognised",
                lambda count: setattr(body.plans, "misread", count),
                count=1,
            ),
            spec("stacker_full", "the stacker is full (E7)", lambda: setattr(body, "stacker_full", True)),
            spec("stacker_emptied", "the stacker has room again", lambda: setattr(body, "stacker_full", False)),
            spec("stacker_removed", "the stacker is taken out (E3)", lambda: setattr(body, "stacker_removed", True)),
            spec("stacker_replaced", "the stacker is back (E4)", self._stacker_replaced),
            spec("path_opened", "the note path is open (E0)", lambda: setattr(body, "path_open", True)),
            spec("path_closed", "the note path is closed", lambda: setattr(body, "path_open", False)),
            spec("lost_reply", "replies are lost on the line (command 0 = any)", self._lose, count=1, command=0),
            spec("corrupt_reply", "replies arrive with a wrong CRC", self._corrupt, count=1),
            spec("mute", "no reply gets through for a while", self._mute, seconds=3.0),
            spec("restart", "it restarts by itself", self._restart),
            spec("escrow_forgotten", "the escrow marks are lost; notes stay in the store", body.store.forget_escrow),
            spec("swapped", "another validator with an empty memory answers", self._swap, serial_number=815),
        )

    def _plan_jam(self, where: str, stubborn: bool) -> None:  # noqa: FBT001 - parameters of a fault
        self._body.plans.jam, self._body.plans.jam_stubborn = where, stubborn

    def _plan_fraud(self, note: str) -> None:
        self._body.plans.fraud = note

    def _clear_jam(self, note: str) -> None:
        path, world = self._body.path, self._body.world
        path.jam_cleared = True
        if note == "take" and path.jam is not Jam.NONE and path.note is not None:
            if path.phase is Phase.TRANSFER:
                held = next(held for held in self._body.store.held if held.note is path.note)
                self._body.store.held.remove(held)
                world.notes.move(path.note, Place.STORE, Place.REMOVED)
            else:
                world.notes.move(path.note, Place.PATH, Place.REMOVED)
            self._body.announce("taken_from_path", path.note)
            path.clear()

    def _stacker_replaced(self) -> None:
        self._body.stacker_removed = False
        self._body.events.post(Ev.CASHBOX_REPLACED)

    def _swap(self, serial_number: int) -> None:
        """Another unit: its notes are gone with the old one, its counters start at zero."""
        body = self._body
        self.power_off()
        self._survivors = ()  # its memory, with what was never acknowledged, went with it
        for held in tuple(body.store.held):
            body.world.notes.move(held.note, Place.STORE, Place.REMOVED)
        if body.path.note is not None and body.path.note.place is Place.PATH:
            body.world.notes.move(body.path.note, Place.PATH, Place.REMOVED)
        body.path.clear()
        body.store.held.clear()
        body.store.counters = Counters()
        body.store.escrow_size = 0
        body.serial_number = serial_number
        self._revival.start("back", RESTART_S, self.power_on)
