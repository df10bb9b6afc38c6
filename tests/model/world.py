"""All that may happen next: people, devices, controller, faults and crashes, in every order."""

from collections.abc import Iterator
from typing import NamedTuple

from kiosk.core.orders import EmptyStore
from kiosk.core.state import State
from tests.model import board, validator
from tests.model.books import Books
from tests.model.controller import BEGIN, BEGIN_FINAL, DOWN, LISTENING, WORKING, Desk, fault
from tests.model.invariants import check_world
from tests.model.moves import post
from tests.model.parts import Board, Controller, Validator, World, plus

PERSON, MACHINE, TECHNICIAN, CRASH = "person", "machine", "technician", "crash"


class Bounds(NamedTuple):
    """How much may happen."""

    notes: int
    crashes: int
    faults: int
    kinds: str = "ABSXU"
    final: str = ""  # without bunch escrow: ssp, ebds or cctalk
    resets: int = 0  # that a person may order
    wild: bool = False  # with the rarer troubles of a validator, and its replacement by another one


class Move(NamedTuple):
    """One thing that may happen."""

    label: str
    who: str
    world: World


class Model:
    """The transition relation."""

    def __init__(self, bounds: Bounds, books: Books | None = None) -> None:
        self.bounds = bounds
        self.books = Books() if books is None else books
        self.desk = Desk(self.books)

    def first(self) -> World:
        """The kiosk is switched on; nothing is anywhere."""
        bounds = self.bounds
        return World(
            0,
            Validator(kind=bounds.final),
            Board(),
            Controller(),
            notes=bounds.notes,
            crashes=bounds.crashes,
            faults=bounds.faults,
            resets=bounds.resets,
        )

    def check(self, world: World) -> None:
        """Invariants of one state."""
        check_world(self.books.claims[world.book], world, untroubled=world.faults == self.bounds.faults)

    def state(self, world: World) -> State:
        """Where the deposit stands."""
        return self.desk.state(world)

    def at_rest(self, world: World) -> bool:
        """Idle and connected: another deposit may come, or the machine says why not."""
        return world.c.phase == WORKING and self.state(world) is State.IDLE

    def waits_for_person(self, world: World) -> bool:
        """A named person is asked for: the depositor whose note lies at the bezel, or whoever changed the validator."""
        offered = bool(world.bezel) and world.c.phase == LISTENING and self.state(world) is State.RETURNING
        return offered or world.stranger

    def moves(self, world: World) -> Iterator[Move]:
        """Everything that may happen now. May raise `Violation` on the way."""
        quiet = True
        for label, after in self._machine(world):
            quiet = False
            yield Move(label, MACHINE, after)
        if world.c.phase == WORKING:
            for label, after in self.desk.deadline(world, quiet=quiet, wild=self.bounds.wild):
                yield Move(label, MACHINE, after)
            yield from self._touch(world, quiet=quiet)
        yield from self._hands(world)
        yield from self._technician(world)
        if world.crashes:
            yield from self._crashes(world)

    # --- machines -------------------------------------------------------------------------------------------

    def _machine(self, world: World) -> Iterator[tuple[str, World]]:
        yield from validator.progress(world)
        c, v = world.c, world.v
        more = v.emptying is not None or any(isinstance(order, EmptyStore) for order in (*c.queue, c.again))
        yield from board.progress(world, more_to_come=more and c.phase == WORKING and not v.jam)
        if c.phase == WORKING:
            yield from self.desk.work(world)
            yield from self.desk.poll(world)
            yield from self.desk.watch(world)
            yield from self.desk.assess(world)
            if world.faults:
                yield from self.desk.tampering(world)
        elif not world.stranger:
            yield from self.desk.come_up(world)

    # --- people ---------------------------------------------------------------------------------------------

    def _touch(self, world: World, *, quiet: bool) -> Iterator[Move]:
        state = self.desk.state(world)
        if state is not State.IDLE:
            for label, after in self.desk.people(world):
                yield Move(label, PERSON, after)
            return
        b, v = world.b, world.v
        begin = BEGIN_FINAL if self.bounds.final else BEGIN
        foreign = b.transport or b.tray or v.store or v.asleep
        stuck = v.jam and not self.bounds.wild  # what was stuck in an earlier deposit comes free in this one
        if quiet and world.notes and not (foreign or stuck or world.broken):
            yield Move(
                "somebody begins a deposit",
                PERSON,
                self.desk.apply(_aged(world), begin),
            )

    def _hands(self, world: World) -> Iterator[Move]:
        v = world.v
        offered = world.c.phase == LISTENING and self.desk.state(world) is State.RETURNING  # it opens the port then
        if world.bezel and (world.port or offered):
            taken = world._replace(bezel="", out=plus(world.out, world.bezel))
            yield Move(f"the depositor takes {world.bezel}", PERSON, taken)
        hindered = v.jam or v.stopped or v.blocked or v.restarted or v.asleep or world.bezel
        free = v.enabled and not (v.busy or hindered)
        if free and world.port and world.notes:
            for kind in self.bounds.kinds:
                yield Move(f"the depositor inserts {kind}", PERSON, self._insert(world, kind))
                if self.bounds.wild and kind != "U":
                    slow = world._replace(v=v._replace(path=("reading", kind)), notes=world.notes - 1)
                    yield Move(f"the depositor inserts {kind}, which is read slowly", PERSON, slow)

    def _insert(self, world: World, kind: str) -> World:
        v, fewer = world.v, world._replace(notes=world.notes - 1)
        if kind == "U":
            return fewer._replace(v=post(v, ("refused", 0)))
        return fewer._replace(v=v._replace(path=("escrow", kind), read_shown=False))

    # --- technician -----------------------------------------------------------------------------------------

    def _technician(self, world: World) -> Iterator[Move]:
        v = world.v
        if self.bounds.wild:
            yield from self._wild(world)
        if world.resets:
            ordered = self.desk.reset(world._replace(resets=world.resets - 1))
            if ordered is not None:
                yield Move("a person orders a reset", TECHNICIAN, ordered)
        if v.asleep and world.recorded:
            fetched = world._replace(v=v._replace(asleep=""))
            yield Move("a technician takes the held note out", TECHNICIAN, fetched)
        if v.jam:
            yield from self._unjammed(world)
        if v.stopped:
            yield Move("the stacker is put back", TECHNICIAN, world._replace(v=v._replace(stopped=False)))
        elif world.faults and v.enabled:
            out = world._replace(v=v._replace(stopped=True), faults=world.faults - 1)
            yield Move("the stacker is taken out", TECHNICIAN, out)
        if world.broken:
            yield Move(f"a technician mends the {world.broken}", TECHNICIAN, world._replace(broken=""))

    def _unjammed(self, world: World) -> Iterator[Move]:
        v = world.v
        for how, after in validator.power_cut(world):
            yield Move(f"a technician clears the jam: {how}", TECHNICIAN, after)
        if v.path is not None and v.counts and v.path[0] in ("moving", "past_safe"):
            taken = world._replace(v=v._replace(path=None), removed=plus(world.removed, v.path[1]))
            for how, after in validator.power_cut(taken):
                yield Move(f"a technician takes the note out of the jam: {how}", TECHNICIAN, after)

    def _wild(self, world: World) -> Iterator[Move]:
        v = world.v
        for label, after in validator.wild(world):
            yield Move(label, MACHINE if not v.jam else TECHNICIAN, after)
        if world.stranger:
            yield Move("a technician accepts the other validator", TECHNICIAN, self.desk.accept_stranger(world))
        elif world.faults:
            yield Move("another validator is put in its place", TECHNICIAN, self._swapped(world))

    def _swapped(self, world: World) -> World:
        """Its counters are its own. A note that had been ordered in is inside the old one, wherever there."""
        v, kept = world.v, ""
        doubted = self.desk.deposit(world).accepting is not None
        if v.path is not None and v.path[0] not in ("reading", "rejecting"):
            kept = v.path[1] if v.path[0] != "escrow" or doubted else ""
        new = Validator(kind=v.kind, life=v.life + 1, restarted=True, stored=7, stacked=7)
        hurt = world._replace(v=new, faults=world.faults - 1, stranger=True, c=Controller(fresh=world.c.fresh))
        if doubted and not kept:  # it had gone back already, and now nobody can tell
            hurt = hurt._replace(front=plus(hurt.front, "?"))
        return hurt._replace(removed=plus(world.removed, v.store + v.cassette + v.asleep + kept))

    # --- crashes --------------------------------------------------------------------------------------------

    def _crashes(self, world: World) -> Iterator[Move]:
        left = world._replace(crashes=world.crashes - 1)
        dead = left._replace(c=Controller())
        if world.c.phase != DOWN or not world.c.fresh:
            yield Move("the controller dies", CRASH, dead)
        dark = dead._replace(b=board.power_cut(dead.b), port=False)
        for how, after in validator.power_cut(dark):
            yield Move(f"the power goes: {how}", CRASH, after)
        for how, after in validator.power_cut(left):
            yield Move(f"the validator restarts: {how}", CRASH, after)
        if world.b.run is not None:
            yield Move("the board restarts", CRASH, left._replace(b=board.power_cut(left.b)))
        if world.c.phase == WORKING:
            yield Move("a link fails", CRASH, fault(left))


def _aged(world: World) -> World:
    """What an earlier deposit left anywhere is not the next one's."""
    v, b = world.v, world.b
    path = None if v.path is None else (v.path[0], v.path[1].lower())
    v = v._replace(store=v.store.lower(), path=path, cassette="")
    b = b._replace(transport=b.transport.lower(), tray=b.tray.lower(), cabinet="", retract="")
    return world._replace(v=v, b=b, bezel=world.bezel.lower(), out="", front="", removed="")
