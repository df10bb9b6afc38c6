"""Notes out of the store: back to the bezel (cancel, payout) or on to the stacker (empty)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from hwsim.devices.ssp_body import Body, Jam, Phase
from hwsim.devices.ssp_codes import Ev
from hwsim.devices.ssp_events import Event
from hwsim.devices.ssp_layout import Values
from hwsim.devices.ssp_store import Amounts, Channel, Held, amounts
from hwsim.notes import Note, Place

ERROR_JAMMED: Final = 1  # of event B1
ERROR_POLL_TIMEOUT: Final = 4
RECOVERY_NOTES_MAX: Final = 5  # B0 "typically moves five notes to the cashbox"
RECOVERY_S: Final = 2.0
TRANSFER_VERSION: Final = 8  # PV from which C9 exists


class Work(StrEnum):
    """What an operation is for."""

    RETURN = "return"  # 0x76, 0x33, 0x46: one at a time to the bezel
    EMPTY = "empty"  # 0x3F
    SMART_EMPTY = "smart_empty"
    MAKE_ROOM = "make_room"  # 0x77: stacks until the escrow has its spaces again
    RECOVER = "recover"  # jam recovery


@dataclass(slots=True)
class Operation:
    """One run over stored notes."""

    work: Work
    waiting: list[Held]
    requested: Amounts
    done: list[Channel] = field(default_factory=list)
    moving: Held | None = None
    at_bezel: Note | None = None
    halted: bool = False
    timed_out: bool = False  # the host stopped polling


class Payout:
    """The store's motor. At most one operation at a time."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.operation: Operation | None = None
        self.last_empty: tuple[Channel, ...] = ()

    @property
    def busy(self) -> bool:
        return self.operation is not None

    def start(self, work: Work, notes: Sequence[Held]) -> None:
        """Begin; the caller has checked that nothing moves."""
        self.operation = Operation(work, list(notes), amounts(held.channel for held in notes))
        if work is Work.SMART_EMPTY:
            self.last_empty = ()
        self._body.announce("work_started", work=work.value, notes=[held.note.id for held in notes])
        self.advance()

    def halt(self) -> bool:
        """0x38: no further note begins; False when nothing is being returned."""
        if self.operation is None or self.operation.work is not Work.RETURN:
            return False
        self.operation.halted = True
        self.advance()
        return True

    def poll_timeout(self) -> None:
        """The host is silent: no further note begins, and B1 (error 4) closes the return."""
        operation = self.operation
        if operation is not None and operation.work is Work.RETURN:
            operation.timed_out = True
            self.advance()

    # --- one note after another ------------------------------------------------------------------------

    def advance(self) -> None:
        """Begin the next note if nothing is in its way; called again when something changed."""
        operation, body = self.operation, self._body
        if operation is None or operation.moving is not None or operation.at_bezel is not None:
            return
        if body.jammed or body.initialising or body.events.blocked or body.timers.running("work"):
            return
        if not operation.waiting or operation.halted or operation.timed_out:
            self._finish(operation)
            return
        if operation.work is Work.RETURN:
            if body.world.notes.count(Place.BEZEL, Place.THROAT) or body.path.phase is not Phase.IDLE:
                return  # something lies in the way out
            self._begin_return(operation)
        else:
            operation.moving = operation.waiting.pop(0)
            body.path.phase, body.path.note = Phase.TRANSFER, operation.moving.note
            body.path.channel = operation.moving.channel
            body.timers.start("work", body.config.empty_note_s, self._transferred)

    def _begin_return(self, operation: Operation) -> None:
        body = self._body
        held = operation.waiting.pop(0)
        operation.moving = held
        body.store.held.remove(held)
        body.world.notes.move(held.note, Place.STORE, Place.PATH)
        body.path.note, body.path.channel, body.path.phase = held.note, held.channel, Phase.OUT_OF_STORE
        body.announce("returning", held.note)
        body.timers.start("work", body.config.dispense_s * 0.4, self._inside)

    def _inside(self) -> None:
        body = self._body
        body.path.phase = Phase.OUT_INSIDE
        if body.plans.jam in {"payout", "payout_recovers"}:
            self._jam(recovers=body.plans.jam == "payout_recovers")
            return
        body.timers.start("work", body.config.dispense_s * 0.3, self._validated)

    def _validated(self) -> None:
        body, operation = self._body, self._running()
        body.path.phase = Phase.OUT_TO_BEZEL
        operation.done.append(self._moving(operation).channel)
        body.timers.start("work", body.config.dispense_s * 0.3, self._at_bezel)

    def _at_bezel(self) -> None:
        body, operation = self._body, self._running()
        held = self._moving(operation)
        body.world.notes.move(held.note, Place.PATH, Place.BEZEL)
        body.path.clear()
        body.store.counters.bump("dispensed")
        operation.moving, operation.at_bezel = None, held.note
        body.announce("offered", held.note)

    def bezel_cleared(self) -> None:
        if self.operation is not None:
            self.operation.at_bezel = None
        self.advance()

    def _transferred(self) -> None:
        body, operation = self._body, self._running()
        held = self._moving(operation)
        if body.plans.jam == "empty":
            body.path.jam, body.path.jam_cleared = Jam.PAYOUT, not body.plans.jam_stubborn
            body.plans.jam = ""
            body.announce("jammed", held.note, where="empty")
            return
        self.to_stacker(held)
        operation.moving = None
        operation.done.append(held.channel)
        body.path.clear()
        if operation.work is Work.SMART_EMPTY:
            self.last_empty = tuple(operation.done)
        if operation.work is not Work.SMART_EMPTY or body.profile.transfer_event_on_empty:
            value, country = held.channel.denomination
            if body.pv >= TRANSFER_VERSION:
                body.events.post(Ev.TRANSFERRED, value=value, country=country)
        self.advance()

    def to_stacker(self, held: Held) -> None:
        """The note drops out of the stacker exit, onto the board's transport."""
        body = self._body
        body.store.held.remove(held)
        body.world.notes.move(held.note, Place.STORE, Place.TRANSPORT)
        body.store.counters.bump("transferred")
        body.announce("transferred", held.note)

    def _finish(self, operation: Operation) -> None:
        body = self._body
        self.operation = None
        total = amounts(operation.done)
        if operation.timed_out:
            body.events.post(Ev.ERROR_DURING_PAYOUT, amounts=total, error=ERROR_POLL_TIMEOUT)
        elif operation.halted:
            body.events.post(Ev.HALTED, amounts=total)
        elif operation.work is Work.RETURN:
            body.events.post(Ev.DISPENSED, amounts=total)
        elif operation.work is Work.SMART_EMPTY:
            body.events.post(Ev.SMART_EMPTIED, amounts=total)
        elif operation.work is Work.EMPTY:
            body.events.post(Ev.EMPTIED)
        body.announce("work_done", work=operation.work.value, notes=len(operation.done))

    # --- jams ------------------------------------------------------------------------------------------

    def _jam(self, *, recovers: bool) -> None:
        body, operation = self._body, self._running()
        body.path.jam, body.path.jam_cleared = Jam.PAYOUT, not body.plans.jam_stubborn
        body.plans.jam = ""
        body.announce("jammed", body.path.note, where="payout")
        if recovers:
            body.events.post(Ev.ERROR_DURING_PAYOUT, amounts=amounts(operation.done), error=ERROR_JAMMED)
            operation.work = Work.RECOVER
            body.timers.start("work", RECOVERY_S, self._recover)

    def _recover(self) -> None:
        """The jammed note and a few behind it end up in the stacker."""
        body, operation = self._body, self._running()
        held = self._moving(operation)
        body.world.notes.move(held.note, Place.PATH, Place.TRANSPORT)
        body.store.counters.bump("transferred")
        value, country = held.channel.denomination
        body.events.post(Ev.TRANSFERRED, value=value, country=country)
        body.announce("transferred", held.note)
        body.path.clear()
        body.path.jam = Jam.NONE
        operation.moving = None
        operation.waiting = operation.waiting[: RECOVERY_NOTES_MAX - 1]
        self.advance()

    # --- what polls show -------------------------------------------------------------------------------

    def states(self) -> list[Event]:
        operation, body = self.operation, self._body
        if operation is None:
            return []
        total: Values = {"amounts": amounts(operation.done)}
        if operation.work is Work.RECOVER:
            return [Event(Ev.JAM_RECOVERY)]
        if body.jammed:
            return [Event(Ev.JAMMED, total)]
        if operation.work is Work.RETURN and operation.at_bezel is not None and operation.done:
            value, country = operation.done[-1].denomination
            return [Event(Ev.DISPENSING, total), Event(Ev.HELD_IN_BEZEL, {"value": value, "country": country})]
        progress = {Work.RETURN: Ev.DISPENSING, Work.SMART_EMPTY: Ev.SMART_EMPTYING}.get(operation.work)
        if progress is not None:
            return [Event(progress, total)]
        return [Event(Ev.EMPTYING)] if operation.work is Work.EMPTY else []

    def _running(self) -> Operation:
        if self.operation is None:
            message = "no operation runs"
            raise RuntimeError(message)
        return self.operation

    @staticmethod
    def _moving(operation: Operation) -> Held:
        if operation.moving is None:
            message = "no note of the operation is moving"
            raise RuntimeError(message)
        return operation.moving
