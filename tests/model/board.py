"""The abstract deposit board: one command at a time, its effect first, its report later, nothing told twice."""

from collections.abc import Iterator

from kiosk.core.steps import APPLY_LABEL, COLLECT, HOME, PURGE, PURGE_ANY, STORE, STRAP
from tests.model.parts import DISPATCHED, FINISHED, RESTARTED, Board, World, plus

OK, JAM, TIMEOUT, REFUSED, MISMATCH, UNVERIFIED = 0, 2, 3, 4, 7, 8
NAME = {HOME: "home", COLLECT: "collect", STRAP: "strap", APPLY_LABEL: "label", STORE: "store", PURGE: "purge"}
_PART = {COLLECT: "belt", PURGE: "belt", STRAP: "strapper", APPLY_LABEL: "applicator", STORE: "gate"}


def submit(b: Board, opcode: int, argument: int) -> Board:
    """The command block is accepted."""
    return b._replace(run=(opcode, argument, 0), collected=0, purged=None)


def dispatch(b: Board, opcode: int) -> Board:
    """The intent is durable; whether it was sent is another question."""
    return b._replace(purge=DISPATCHED if opcode == PURGE else 0)


def heard(b: Board) -> Board:
    """The controller knows how the last command ended: nobody asks for it again."""
    return b._replace(purge=0, purged=None)


def progress(world: World, *, more_to_come: bool) -> Iterator[tuple[str, World]]:
    """The command under way. `more_to_come`: the store is or will be emptied onto the belt."""
    b = world.b
    if b.run is None:
        return
    opcode, argument, stage = b.run
    if stage == 1:
        yield f"the board reports {NAME[opcode]}", world._replace(b=b._replace(run=None))
        return
    refused = b.faulty and opcode not in (HOME, PURGE)
    if refused or not _possible(b, opcode):
        yield f"the board refuses {NAME[opcode]}", _ended(world, b, REFUSED)
        return
    part = _PART.get(opcode, "")
    if part and world.broken == part:
        yield f"the {part} jams", _ended(world, b._replace(faulty=True), JAM)
        return
    yield from _works(world, opcode, argument, more_to_come=more_to_come)
    if part and world.faults and not world.broken:
        broken = world._replace(faults=world.faults - 1, broken=part)
        yield f"the {part} breaks", _ended(broken, b._replace(faulty=True), JAM)


def _possible(b: Board, opcode: int) -> bool:
    if opcode == COLLECT:
        return not b.strap
    if opcode == STRAP:
        return not b.strap and bool(b.tray)
    return bool(b.tray) if opcode in (APPLY_LABEL, STORE) else True


def _ended(world: World, b: Board, result: int) -> World:
    assert b.run is not None
    purge = FINISHED if b.purge == DISPATCHED else b.purge
    return world._replace(b=b._replace(run=(b.run[0], b.run[1], 1), result=result, purge=purge))


def _works(world: World, opcode: int, argument: int, *, more_to_come: bool) -> Iterator[tuple[str, World]]:
    b = world.b
    if opcode == COLLECT:
        yield from _collect(world, argument, more_to_come=more_to_come)
    elif opcode == HOME:
        yield "the board is home", _ended(world, b._replace(faulty=False), OK)
        if world.broken in _PART.values():
            yield "the board cannot come home", _ended(world, b._replace(faulty=True), JAM)
    elif opcode == STRAP:
        yield "the strap closes", _ended(world, b._replace(strap=True), OK)
    elif opcode == APPLY_LABEL:
        yield "the label is applied", _ended(world, b._replace(label=True), OK)
    elif opcode == STORE:
        stored = b._replace(
            cabinet=plus(b.cabinet, b.tray), tray="", strap=False, label=False, stored=b.stored + len(b.tray)
        )
        yield "the bundle falls into its slot", _ended(world, stored, OK)
    elif opcode == PURGE:
        found = b.transport + b.tray
        binned = b._replace(
            retract=plus(b.retract, found), transport="", tray="", strap=False, label=False, purged=len(found)
        )
        result = OK if argument in (PURGE_ANY, len(found)) else MISMATCH
        yield "whatever lies on the board falls into the retract bin", _ended(world, binned, result)


def _collect(world: World, argument: int, *, more_to_come: bool) -> Iterator[tuple[str, World]]:
    b = world.b
    if b.transport:
        for kind in sorted(set(b.transport)):
            rest = b.transport.replace(kind, "", 1)
            moved = b._replace(
                transport=rest, tray=plus(b.tray, kind), collected=b.collected + 1, arrived=b.arrived + 1
            )
            yield f"the belt carries {kind} to the tray", world._replace(b=moved)
    elif b.collected >= argument:
        yield "the belt has carried all", _ended(world, b, OK if b.collected == argument else MISMATCH)
    elif not more_to_come:
        yield "nothing comes on the belt", _ended(world, b, TIMEOUT)


def power_cut(b: Board) -> Board:
    """Motors stop; notes, strap, label and totals stay. What was done but not reported is never reported."""
    purge = RESTARTED if b.purge else 0
    return b._replace(run=None, result=0, collected=0, faulty=False, rebooted=True, purge=purge, purged=None)
