"""The abstract controller: kiosk/management's loop, step by step, with a point where it may die between any two.

`hands.py`: one order after another, its outcome offered as a fact. `batches.py`: a poll's events become facts one by
one, then the acknowledgement, then that it was taken. `controller.py`: down, hear the devices out, compare, work.
The translation of events into facts is the product's own.
"""

from collections.abc import Callable, Iterator
from functools import cache

from msgspec.structs import replace

from firmware_bridge.interfaces import NoteEvent, NoteEventKind, Value
from kiosk.core import facts as f
from kiosk.core import orders as o
from kiosk.core.deposit import CREDITED, timeout_s
from kiosk.core.paper import reprints_left
from kiosk.core.state import Deposit, State
from kiosk.core.steps import ALL_STAGES
from kiosk.management.translate import fact_of
from tests.model import board, validator
from tests.model.books import HIGH, Books
from tests.model.invariants import check_record
from tests.model.parts import CURRENCY, FLAGGED, POLICY, VALUE, Controller, Event, World, board_evidence, evidence

DOWN, LISTENING, WORKING = 0, 1, 2
_K = NoteEventKind
_KINDS = {
    "read": _K.READ,
    "credited": _K.CREDITED,
    "refused": _K.REFUSED,
    "stored": _K.STORED,
    "stacked": _K.STACKED,
    "in_cassette": _K.STACKED,
    "out_of_order": _K.OUT_OF_ORDER,
    "fraud": _K.FRAUD,
    "jam_safe": _K.JAM_SAFE,
    "jam_unsafe": _K.JAM_UNSAFE,
    "stacker_removed": _K.STACKER_REMOVED,
    "reset": _K.RESET,
    "cleared_front": _K.CLEARED_FROM_FRONT,
    "cleared_cashbox": _K.CLEARED_INTO_CASHBOX,
    "into_store": _K.INTO_STORE_AT_RESET,
    "into_stacker": _K.INTO_STACKER_AT_RESET,
    "dispensing": _K.DISPENSING,
    "dispensed": _K.DISPENSED,
    "held_in_bezel": _K.HELD_IN_BEZEL,
    "emptied": _K.EMPTIED,
    "payout_stopped": _K.PAYOUT_ERROR,
    "payout_broken": _K.PAYOUT_ERROR,
}
_REASONS = {"refused": "reject_by_host", "payout_stopped": "poll_time_out", "payout_broken": "jammed"}
_VALUED = frozenset((_K.INTO_STORE_AT_RESET, _K.INTO_STACKER_AT_RESET, _K.DISPENSING, _K.DISPENSED, _K.HELD_IN_BEZEL))
_VALUED |= {_K.PAYOUT_ERROR}
BEGIN = f.Begin("", b"deposit", "code", b"", "", "", POLICY, bundle_serial=1, slot=1)
BEGIN_FINAL = replace(BEGIN, policy=replace(POLICY, bunch_escrow=False, suspect_custody=False))
RESET = f.ResetOrdered("", b"reset", "by", ())
REPLACED = f.ValidatorReplaced("", "by", "old", "new")
WAITS_FOR_PEOPLE = (State.CONSENTING, State.CASH_IN, State.REVIEW, State.RETURNING, State.SUSPENDED, State.DONE)
WAITS_BRIEFLY = (State.REFUSING, State.ACCEPTING, State.STACKING, State.SETTLING, State.RECEIPT)
MAY_BE_SLOW = (*CREDITED, State.RETRACTING, State.RESETTING)  # wild: a machine takes longer than it is waited for
_OF_ESCROW = (o.PrepareValidator, o.CommitEscrow, o.CancelEscrow, o.EmptyStore)


@cache
def note_event(event: Event) -> NoteEvent:
    """The driver's word for an event of the model."""
    kind, number = _KINDS[event[0]], event[1]
    if kind in _VALUED:
        nothing = kind in (_K.DISPENSING, _K.DISPENSED, _K.PAYOUT_ERROR) and not number
        return NoteEvent(kind, values=() if nothing else (Value(number, CURRENCY),), reason=_REASONS.get(event[0]))
    return NoteEvent(kind, channel=number or None, reason=_REASONS.get(event[0]))


def with_c(world: World, c: Controller) -> World:
    """The world with another controller."""
    return world._replace(c=c)


class Desk:
    """Applies facts to the books on behalf of a world."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._facts: dict[tuple[int, Event, bool], f.Fact | None] = {}

    def deposit(self, world: World) -> Deposit:
        """What the journal leads to."""
        return self.books.deposits[world.book]

    def state(self, world: World) -> State:
        """Where the deposit stands."""
        return self.books.deposits[world.book].state

    def apply(self, world: World, fact: f.Fact) -> World:
        """One durable fact: the books, then the order queue."""
        effect = self.books.apply(world.book, fact)
        c = world.c
        if effect.orders:
            c = c._replace(queue=(*c.queue, *effect.orders))
        after = world._replace(book=effect.book, c=c)
        if effect.recorded is not None:
            check_record(effect.recorded, world)  # and that there is none yet
            after = _settled(after)
        return after._replace(recorded=False) if isinstance(fact, f.Begin) else after

    def offer(self, world: World, fact: f.Fact) -> World:
        """The outcome of an order, if the deposit still waits for such."""
        return self.apply(world, fact) if self.books.allowed(world.book, type(fact)) else world

    def fact(self, world: World, event: Event, *, offered: bool) -> f.Fact | None:
        """What an event means now, by the product's own translation."""
        key = (world.book, event, offered)
        if key not in self._facts:
            seen = (_K.HELD_IN_BEZEL,) if offered else ()
            self._facts[key] = fact_of(note_event(event), self.deposit(world), seen)
        return self._facts[key]

    # --- the worker -----------------------------------------------------------------------------------------

    def work(self, world: World) -> Iterator[tuple[str, World]]:
        """The next thing that `hands.py` does: take an order, carry it out, offer what came of it."""
        c = world.c
        if c.due is not None:
            yield f"{type(c.due).__name__} is stored", self.offer(with_c(world, c._replace(due=None)), c.due)
        elif c.again is not None:
            yield from self._carry_on(world, c.again)
        elif c.queue:
            order = c.queue[0]
            taken = with_c(world, c._replace(queue=c.queue[1:]))
            yield from self._carry_out(taken, order)

    def _carry_out(self, world: World, order: o.AnyOrder) -> Iterator[tuple[str, World]]:
        name, c = type(order).__name__, world.c
        match order:
            case o.RequestAssessment():
                yield name, with_c(world, c._replace(asked=max(c.asked, len(order.stages))))
            case o.CheckGuarantee():
                yield name, with_c(world, c._replace(due=f.GuaranteeChecked("", ())))
            case o.RunBoard():
                if self.books.allowed(world.book, f.BoardDispatched):
                    occupied = bool(world.b.transport or world.b.tray)
                    intent = self.apply(world, f.BoardDispatched(order.opcode, 1, 1, occupied))
                    intent = intent._replace(b=board.dispatch(intent.b, order.opcode))
                    yield f"{name} {board.NAME[order.opcode]}", with_c(intent, intent.c._replace(again=order))
                else:
                    yield f"{name} is dropped", world
            case o.ResetValidator():
                yield from self._reset(world, order)
            case o.PrintLabel():
                yield from _part(world, "label printer", order, _label)
            case o.PrintReceipt():
                yield from _part(world, "receipt printer", order, _receipt)
            case o.OpenShutter() | o.CloseShutter():
                yield from _part(world, "shutter", order, _shutter)
            case _:
                yield from self._validator(world, order, name)

    def _carry_on(self, world: World, order: o.AnyOrder) -> Iterator[tuple[str, World]]:
        """The second half of an order: its intent is durable."""
        if isinstance(order, o.EmptyStore):
            yield from self._empty(world, order)
            return
        if isinstance(order, o.ResetValidator):
            yield "the validator is started anew", fault(world)
            return
        if isinstance(order, o.CancelEscrow):
            if self.state(world) is State.RETURNING:
                yield "the refusal leads to a new start", fault(world)
            else:
                yield "nothing is returned any more", with_c(world, world.c._replace(again=None))
            return
        assert isinstance(order, o.RunBoard)
        if world.b.rebooted or world.b.run is not None:
            yield "the board refuses the block", fault(world)
            return
        argument = order.arguments[0] if order.arguments else 0
        done = world._replace(b=board.submit(world.b, order.opcode, argument))
        name = f"the board accepts {board.NAME[order.opcode]}"
        yield name, with_c(done, done.c._replace(again=None, pending=order.opcode))

    def _reset(self, world: World, order: o.ResetValidator) -> Iterator[tuple[str, World]]:
        """It starts again, if it has such a command; that this was done is stored, and then it is connected anew."""
        if world.v.restarted:
            yield "ResetValidator meets a restarted validator", fault(world)
            return
        told = with_c(world, world.c._replace(due=f.ValidatorReset(world.v.counts), again=order))
        if not world.v.counts:
            yield "the validator knows no reset", told
            return
        for how, after in validator.power_cut(told):
            yield f"ResetValidator: {how}", after

    def _empty(self, world: World, order: o.EmptyStore) -> Iterator[tuple[str, World]]:
        """Refused while anything moves or is escrow: asked again until the state changes."""
        v, c = world.v, world.c
        deposit = self.deposit(world)
        resetting = deposit.reset is not None and deposit.reset.phase == "store"
        if not resetting and deposit.state not in (State.COLLECTING, State.RETRACTING):
            yield "EmptyStore is given up", with_c(world, c._replace(again=None))
        elif v.restarted:
            yield "EmptyStore meets a restarted validator", fault(world)
        elif not (v.busy or v.jam or (v.marks and v.store)):
            begun = world._replace(v=v._replace(emptying="", emptied=""))
            yield "EmptyStore", with_c(begun, c._replace(again=None))

    def _validator(self, world: World, order: o.AnyOrder, name: str) -> Iterator[tuple[str, World]]:
        if world.v.restarted and not isinstance(order, o.AcceptNote):
            yield f"{name} meets a restarted validator", fault(world)
            return
        after = self._escrow(world, order) if isinstance(order, _OF_ESCROW) else self._note(world, order)
        if after is None and isinstance(order, o.CancelEscrow):
            yield f"{name} is refused", with_c(world, world.c._replace(due=f.ReturnRefused(""), again=order))
        elif after is None:
            yield f"{name} is refused", fault(world)
        else:
            yield name, after

    def _escrow(self, world: World, order: o.AnyOrder) -> World | None:
        """Orders about the store; None when the validator refuses."""
        v, c = world.v, world.c
        match order:
            case o.PrepareValidator():
                v = v._replace(stored=0, stacked=0, dispensed=0, transferred=0)
                world = world._replace(v=v, b=world.b._replace(stored=0, arrived=0))
                return with_c(world, c._replace(due=f.Prepared(evidence(world))))
            case o.CommitEscrow():  # a refusal is tolerated: emptying will tell
                return world._replace(v=v if v.busy else v._replace(marks=False), c=c._replace(due=f.EscrowCommitted()))
            case o.CancelEscrow():
                refused = v.busy or v.jam or not (v.store and v.marks)
                return None if refused else world._replace(v=v._replace(returning=""))
        assert isinstance(order, o.EmptyStore)
        return with_c(world, c._replace(again=order))

    def _note(self, world: World, order: o.AnyOrder) -> World | None:
        """Orders about notes at the port; None when the validator refuses."""
        v, c = world.v, world.c
        match order:
            case o.AcceptNote():
                if not v.counts and v.path is not None and v.path[0] == "escrow":
                    world = world._replace(v=v._replace(path=("moving", v.path[1]), read_shown=False))
                return with_c(world, c._replace(held=False))
            case o.RejectNote():
                if v.path is None or v.path[0] != "escrow":
                    return None
                back = v._replace(path=("rejecting", v.path[1]), read_shown=False)
                return world._replace(v=back, c=c._replace(held=False))
            case o.EnableValidator():
                return None if v.jam else world._replace(v=v._replace(enabled=True))
        assert isinstance(order, o.DisableValidator)
        return world._replace(v=v._replace(enabled=False))

    # --- polls ----------------------------------------------------------------------------------------------

    def poll(self, world: World) -> Iterator[tuple[str, World]]:
        """A poll, one event of it, its acknowledgement, or that this was taken: whatever comes next."""
        c = world.c
        if c.batch:
            yield from self._take(world)
        elif c.needs_ack == 1:
            if world.v.restarted:
                yield "the acknowledgement meets a restarted validator", fault(world)
            else:
                shown = world.v._replace(shown=())
                yield "the poll is acknowledged", with_c(world._replace(v=shown), c._replace(needs_ack=2))
        elif c.needs_ack == 2:
            done = with_c(world, c._replace(needs_ack=0, unsaved=False, mark=None))
            waits = self.deposit(world).unacknowledged or c.mark is not None
            if waits and self.books.allowed(world.book, f.Acknowledged):
                done = self.apply(done, f.Acknowledged(c.mark, gap=c.mark is not None and not c.heard))
            yield "it is stored that the acknowledgement was taken", done
        elif not c.held:
            yield from self._ask(world)

    def _ask(self, world: World) -> Iterator[tuple[str, World]]:
        if world.v.restarted:
            yield "a poll finds the validator restarted", fault(world)
            return
        after, events = validator.poll(world)
        offered = any(kind == "held_in_bezel" for kind, _ in events)
        news = tuple(event for event in events if self._matters(world, event, offered=offered))
        c = world.c
        needs_ack = int(any(kind in FLAGGED for kind, _ in events))
        if not world.v.counts:
            news_told = bool(world.v.queue or world.v.shown)  # what EBDS says once, what ccTalk has in its list
            first_read = world.v.kind == "cctalk" and after.v.read_shown and not world.v.read_shown
            needs_ack = int(news_told or first_read or c.unsaved)
            c = c._replace(mark=world.v.life if needs_ack and world.v.kind == "cctalk" else None)
        if not news and not needs_ack and after == world:
            return
        c = c._replace(batch=news, needs_ack=needs_ack, offered=offered and bool(news))
        yield "a poll: " + ", ".join(kind for kind, _ in events), with_c(after, c)

    def _matters(self, world: World, event: Event, *, offered: bool) -> bool:
        """Repeated words about a state are left out where they change nothing; flagged and queued ones never are."""
        once = event[0] in FLAGGED or event in world.v.queue or event[0] == "read"
        return once or self.fact(world, event, offered=offered) is not None

    def _take(self, world: World) -> Iterator[tuple[str, World]]:
        """The first event that means something now becomes a durable fact."""
        c = world.c
        event, rest = c.batch[0], c.batch[1:]
        left = with_c(world, c._replace(batch=rest, offered=c.offered and bool(rest)))
        path = world.v.path
        if event[0] == "read" and c.phase == LISTENING:  # it was still being read at the start
            if path is not None and path[0] == "escrow":
                left = left._replace(v=left.v._replace(path=("rejecting", path[1]), read_shown=False))
        elif event[0] == "read":
            left = with_c(left, left.c._replace(held=True))
        if event[0] == "emptied":
            moved = tuple(
                (VALUE[kind], CURRENCY, world.v.emptied.upper().count(kind))
                for kind in "AB"
                if kind in world.v.emptied.upper()
            )
            fact: f.Fact | None = f.StoreEmptied(moved, 0)
            if not self.books.allowed(world.book, f.StoreEmptied):
                fact = None
        else:
            fact = self.fact(world, event, offered=c.offered)
        if fact is None:
            yield f"{event[0]} means nothing now", left
        else:
            yield f"{event[0]}: {type(fact).__name__} is stored", self.apply(left, fact)

    # --- the board, the watcher, the clock ------------------------------------------------------------------

    def watch(self, world: World) -> Iterator[tuple[str, World]]:
        """A snapshot shows the end of the pending command, or that the board was restarted."""
        c, b = world.c, world.b
        if b.rebooted:
            yield "a snapshot finds the board restarted", fault(world)
        elif c.pending and b.run is None:
            fact = f.BoardFinished(c.pending, b.result, board_evidence(b))
            name = f"BoardFinished {board.NAME[c.pending]}, result {b.result}"
            known = world._replace(b=board.heard(b))
            yield name, self.offer(with_c(known, c._replace(pending=0)), fact)

    def assess(self, world: World) -> Iterator[tuple[str, World]]:
        """The watcher's answer; unasked danger is a fault."""
        c = world.c
        if c.asked:
            stages = ALL_STAGES[: c.asked]
            low = f.Assessed("", asked=True, assessments=tuple(f.Assessment(stage, "low", ()) for stage in stages))
            yield "the watcher answers", self.offer(with_c(world, c._replace(asked=0)), low)
        if world.faults and self.books.allowed(world.book, f.Assessed) and self.deposit(world).grade != "high":
            high = f.Assessed("", asked=False, assessments=(HIGH,))
            yield "danger is seen", self.apply(world._replace(faults=world.faults - 1), high)

    def tampering(self, world: World) -> Iterator[tuple[str, World]]:
        """What the cabinet's lines and the board's event ring tell, though no note was taken by it."""
        hurt = world._replace(faults=world.faults - 1)
        tray = f.BoardHappened((("tray_removed", 0),), lost=False, mark=f.RingMark(1, 0))
        happened: tuple[tuple[str, f.Fact], ...] = (
            ("the tray was out", tray),
            ("the port was forced", f.PortTampered("force")),
            ("the mains power fails", f.PowerFailed("")),
            ("the service key is turned", f.KeyTurned()),
        )
        for words, fact in happened:
            if self.books.allowed(world.book, type(fact)):
                yield words, self.apply(hurt, fact)

    def deadline(self, world: World, *, quiet: bool, wild: bool) -> Iterator[tuple[str, World]]:
        """`TimedOut`: it may meet any event of a device, but no order waits as long as people do.

        Where a machine is waited for, it has come to rest by then; that it is too slow is a fault.
        """
        state = self.state(world)
        if not self.books.allowed(world.book, f.TimedOut) or timeout_s(self.deposit(world)) is None:
            return
        c = world.c
        idle_hands = not c.queue and c.due is None and c.again is None
        if quiet or (idle_hands and state in WAITS_FOR_PEOPLE):
            yield f"the time for {state} is over", self.apply(world, f.TimedOut())
        elif (state in WAITS_BRIEFLY or (wild and state in MAY_BE_SLOW)) and world.faults:
            yield f"{state} lasts too long", self.apply(world._replace(faults=world.faults - 1), f.TimedOut())

    # --- down and up ----------------------------------------------------------------------------------------

    def come_up(self, world: World) -> Iterator[tuple[str, World]]:
        """Down, listening, at work: `Reconciled` comes before any command."""
        c, v = world.c, world.v
        if c.phase == DOWN:
            v = v._replace(enabled=False, restarted=False)
            path = v.path
            if path is not None and path[0] == "escrow":
                v = v._replace(path=("rejecting", path[1]), read_shown=False)
            b = world.b._replace(rebooted=False)
            c = c._replace(phase=LISTENING)
            if v.kind == "cctalk":
                mark = self.deposit(world).bookmark  # without one nothing is missed
                c = c._replace(heard=mark in (None, v.life), unsaved=mark != v.life)
            yield "the controller listens", self._about_to_listen(world._replace(v=v, b=b, c=c))
            return
        heard = list(self.poll(world))
        yield from heard
        if not heard and self._silent(world):
            working = Controller(phase=WORKING, fresh=False, listening=c.listening)
            rested = with_c(world._replace(b=board.heard(world.b)), working)
            fact = f.Reconciled("", evidence(world), restarted=c.fresh, jammed=bool(v.jam))
            yield "Reconciled is stored", self.apply(rested, fact)

    def _about_to_listen(self, world: World) -> World:
        """While a note is ordered in, that it is listened for is durable first."""
        deposit = self.deposit(world)
        if deposit.accepting is None or not self.books.allowed(world.book, f.AtReset):
            return world
        before = any(fact.kind == "asked" for fact in deposit.told) and not world.c.listening
        asked = with_c(world, world.c._replace(listening=True))
        return self.apply(asked, f.AtReset("asked_again" if before else "asked", 0, None, ""))

    def _silent(self, world: World) -> bool:
        """Nothing more is to be heard, and the board has finished."""
        v, c = world.v, world.c
        if c.batch or c.needs_ack or v.queue or v.shown or world.b.run is not None or v.restarted:
            return False
        if v.jam or not v.busy:
            return True
        return v.path is None and v.returning is not None and bool(world.bezel) and self.state(world) != State.RETURNING

    def reset(self, world: World) -> World | None:
        """A person orders a reset, also while devices do not answer; None when it cannot be now."""
        if self.state(world) is State.DONE:
            world = self.apply(world, f.Finish())
        return self.apply(world, RESET) if self.books.allowed(world.book, f.ResetOrdered) else None

    def accept_stranger(self, world: World) -> World:
        """A technician vouches for the validator that answers: what the old one held is gone with it."""
        known = world._replace(stranger=False)
        return self.apply(known, REPLACED) if self.books.allowed(world.book, f.ValidatorReplaced) else known

    def people(self, world: World) -> Iterator[tuple[str, World]]:
        """What a depositor may touch, where the table lists it."""
        facts = [f.Consent(""), f.Done(), f.Confirm("confirmed"), f.Cancel(), f.Resume(), f.Finish(), f.MoreTime()]
        if reprints_left(self.deposit(world).paper):
            facts.append(f.Reprint())
        for fact in facts:
            if self.books.allowed(world.book, type(fact)):
                yield f"the depositor: {type(fact).__name__}", self.apply(world, fact)


def _settled(world: World) -> World:
    """The record is made: what is at rest is accounted for and of no further interest."""
    b, v = world.b._replace(cabinet="", retract=""), world.v
    return world._replace(recorded=True, out="", front="", removed="", b=b, v=v._replace(cassette=""))


def fault(world: World) -> World:
    """A device failed under the controller: everything under way is dropped, and it starts over."""
    return with_c(world, Controller(phase=DOWN, fresh=world.c.fresh, listening=world.c.listening))


def _part(
    world: World, part: str, order: o.AnyOrder, carry_out: Callable[[World, o.AnyOrder, bool], World]
) -> Iterator[tuple[str, World]]:
    """An order to something that may be broken: it works, or it breaks now, or it is broken."""
    name = type(order).__name__
    if world.broken == part:
        yield f"{name} fails", carry_out(world, order, False)
        return
    yield name, carry_out(world, order, True)
    if world.faults and not world.broken:
        broken = world._replace(broken=part, faults=world.faults - 1)
        yield f"{name}: the {part} breaks", carry_out(broken, order, False)


def _label(world: World, order: o.AnyOrder, ok: bool) -> World:
    assert isinstance(order, o.PrintLabel)
    return with_c(world, world.c._replace(due=f.LabelPrinted(order.copy, ok=ok)))


def _receipt(world: World, order: o.AnyOrder, ok: bool) -> World:
    assert isinstance(order, o.PrintReceipt)
    return with_c(world, world.c._replace(due=f.ReceiptPrinted(order.copy, "printed" if ok else "failed")))


def _shutter(world: World, order: o.AnyOrder, ok: bool) -> World:
    opened = isinstance(order, o.OpenShutter)
    moved = f.ShutterMoved(open=opened, ok=ok)
    return with_c(world._replace(port=opened if ok else world.port), world.c._replace(due=moved))
