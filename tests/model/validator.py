"""The abstract note validator: what it does by itself, on a command, and after a power cut.

The rules are those of SSP (DESIGN.md section 3; `hw-sim/hwsim/devices/ssp_*.py` is the concrete one): a poll after
READ accepts; flagged events repeat until acknowledged and no note begins to move before; a note in the path when the
power goes comes back, goes to the store or drops out of the stacker exit, and what is told of it varies.

Without bunch escrow (`Validator.kind`) every accepted note ends in the cassette: SSP without a store counts and repeats
as before; EBDS tells once, until acknowledged; ccTalk keeps a list of events that a restart forgets.
"""

from collections.abc import Iterator

from tests.model import final
from tests.model.moves import fall, post, to_transport, with_v
from tests.model.parts import CHANNEL, FLAGGED, PATH_OPEN_TO_HAND, Event, Validator, World, plus, total, value


def out_of_stacker(world: World, kind: str) -> World:
    """A note leaves the path by the stacker exit: onto the transport, or without bunch escrow into the cassette."""
    return to_transport(world, kind) if world.v.escrow else fall(world, kind)


def suspect(kind: str) -> bool:
    """Routed to the stacker exit, not to the store."""
    return kind.upper() == "S"


# --- by itself ------------------------------------------------------------------------------------------


def progress(world: World) -> Iterator[tuple[str, World]]:
    """Motions that need nobody."""
    v = world.v
    if v.jam:
        return
    if v.path is not None:
        yield from _path(world, *v.path)
    elif v.blocked:
        return
    elif v.returning is not None and not world.bezel:
        if v.store and v.marks:
            yield "a note leaves the store for the bezel", with_v(world, _out(v))
        else:
            done = post(v, ("dispensed", total(v.returning)))
            yield "the escrow has been returned", with_v(world, done._replace(returning=None))
    elif v.emptying is not None:
        yield from _empty(world, v.emptying)


def _out(v: Validator) -> Validator:
    return v._replace(store=v.store[:-1], path=("out_in", v.store[-1]))


def _empty(world: World, gone: str) -> Iterator[tuple[str, World]]:
    v = world.v
    if not v.store:
        done = post(v, ("emptied", 0))._replace(emptying=None, emptied=gone)
        yield "the store has been emptied", with_v(world, done)
        return
    kind = v.store[0]
    after = v._replace(store=v.store[1:], emptying=plus(gone, kind), transferred=v.transferred + 1)
    yield "a note leaves the store for the transport", to_transport(with_v(world, after), kind)
    if world.faults:
        yield (
            "a note jams between store and transport",
            with_v(world._replace(faults=world.faults - 1), v._replace(jam="payout")),
        )


def _path(world: World, phase: str, kind: str) -> Iterator[tuple[str, World]]:
    v = world.v
    if phase in ("reading", "found"):
        yield "the note is read", with_v(world, v._replace(path=("escrow", kind)))
    elif phase == "rejecting":
        yield "the note is back in the depositor's hand", with_v(world, post(v, ("refused", 0))._replace(path=None))
    elif phase == "moving" and not v.counts:
        yield from final.into_cassette(world, kind)
    elif phase == "moving":
        credited = post(v, ("credited", CHANNEL[kind.upper()]))._replace(path=("past_safe", kind))
        yield "the note passes the safe point", with_v(world, credited)
        if world.faults:
            hurt = world._replace(faults=world.faults - 1)
            yield "the note jams within reach", with_v(hurt, v._replace(jam="unsafe", enabled=False))
            safe = v._replace(jam="safe", enabled=False, path=("past_safe", kind))
            yield "the note jams beyond reach", with_v(hurt, safe)
            pulled = with_v(hurt, post(v, ("fraud", CHANNEL[kind.upper()]))._replace(path=None))
            pulled = pulled if v.escrow else pulled._replace(front=plus(hurt.front, kind))  # disputed all the same
            yield "the note is pulled back out by its string", pulled
    elif phase == "past_safe":
        yield "the note arrives", _arrive(world, kind)
    elif phase == "out_in":
        done = plus(v.returning or "", kind)
        yield (
            "the note is validated on its way out",
            with_v(world, v._replace(path=("out_bezel", kind), returning=done)),
        )
        if world.faults:
            yield (
                "the note jams on its way out",
                with_v(world._replace(faults=world.faults - 1), v._replace(jam="payout")),
            )
    elif phase == "out_bezel":
        there = with_v(world, v._replace(path=None, dispensed=v.dispensed + 1))
        yield "the note reaches the bezel", there._replace(bezel=kind)


def wild(world: World) -> Iterator[tuple[str, World]]:
    """Rarer troubles of a real device: it fishes, jams and frees itself when it likes."""
    v = world.v
    if v.jam and v.jam != "payout":
        freed = v._replace(jam="")
        if v.jam == "safe" and v.path is not None and v.counts:  # its credit was not said yet
            freed = post(freed, ("credited", CHANNEL[v.path[1].upper()]))
        yield "the jam frees itself", with_v(world, freed)
    if not world.faults:
        return
    hurt = world._replace(faults=world.faults - 1)
    phase = v.path[0] if v.path is not None else ""
    if v.enabled and world.port and not v.jam and phase in ("", "rejecting", "past_safe"):
        yield "somebody fishes in the port", with_v(hurt, post(v, ("fraud", 0)))
    at_work = v.returning is not None or v.emptying is not None
    if not v.jam and not at_work and phase in ("", "reading", "escrow", "rejecting"):
        yield "it jams, and no note of ours is in it", with_v(hurt, v._replace(jam="empty", enabled=False))
    if not v.jam and phase == "past_safe":
        yield "the note jams after its credit", with_v(hurt, v._replace(jam="late", enabled=False))
    if v.returning is not None and not (phase or world.bezel or v.jam or v.blocked):
        stopped = hurt._replace(v=v._replace(returning=None))
        for kind in ("payout_stopped", "payout_broken"):
            yield f"giving back stops: {kind}", with_v(stopped, post(stopped.v, (kind, total(v.returning))))
    if v.enabled and phase == "past_safe":
        yield "a second note is pushed back", with_v(hurt, post(v, ("refused", 0)))


def _arrive(world: World, kind: str) -> World:
    v = world.v
    if suspect(kind) or not v.escrow:
        gone = post(v, ("stacked", 0))._replace(path=None, stacked=v.stacked + 1)
        return out_of_stacker(with_v(world, gone), kind)
    return with_v(world, post(v, ("stored", 0))._replace(path=None, store=v.store + kind, stored=v.stored + 1))


# --- polled ---------------------------------------------------------------------------------------------


def states(world: World) -> tuple[Event, ...]:
    """Events that repeat while things stay as they are."""
    v = world.v
    if v.jam:
        jams = {
            "safe": "jam_safe",
            "late": "jam_safe",
            "unsafe": "jam_unsafe",
            "payout": "jam_safe",
            "empty": "jam_unsafe",
        }
        return ((jams[v.jam], 0),)
    told: tuple[Event, ...] = ()
    if v.path is not None and v.path[0] == "escrow":
        told = (("read", CHANNEL[v.path[1].upper()]),)
    elif v.returning is not None:
        told = (("dispensing", total(v.returning)),)
        if world.bezel:
            told = (*told, ("held_in_bezel", value(world.bezel)))
    if v.asleep:
        told = (*told, ("out_of_order", 0))
    return (*told, ("stacker_removed", 0)) if v.stopped else told


def poll(world: World) -> tuple[World, tuple[Event, ...]]:
    """One poll with ack: after READ was shown it accepts the held note. The world after it, and its events."""
    v = world.v
    if v.counts and v.path is not None and v.path[0] == "escrow" and v.read_shown and not v.blocked and not v.jam:
        v = v._replace(path=("moving", v.path[1]), read_shown=False)
    events = (*v.shown, *v.queue, *states(with_v(world, v)))
    shown = tuple(event for event in (*v.shown, *v.queue) if event[0] in FLAGGED or not v.counts)
    held = v.path is not None and v.path[0] == "escrow" and not v.jam
    return with_v(world, v._replace(queue=(), shown=shown, read_shown=held)), events


# --- power ----------------------------------------------------------------------------------------------


def power_cut(world: World) -> Iterator[tuple[str, World]]:
    """Everything that the next power-up may find and tell (ssp.md section 6.3)."""
    v = world.v
    if not v.counts:
        yield from final.power_cut(world)
        return
    flagged = tuple(event for event in (*v.shown, *v.queue) if event[0] == "credited")
    cold = v._replace(
        returning=None, emptying=None, jam="", enabled=False, read_shown=False, queue=(), shown=(), restarted=True
    )
    cold = post(cold, ("reset", 0))
    for how, found in _found(world._replace(v=cold), v):
        yield how, found
        if flagged:
            yield (
                f"{how}, an unacknowledged credit survives",
                with_v(found, found.v._replace(queue=(*flagged, *found.v.queue))),
            )
        if found.faults and found.v.store and found.v.marks:
            lost = with_v(found, found.v._replace(marks=False))
            yield f"{how}, the escrow marks are lost", lost._replace(faults=found.faults - 1)


def _found(cold: World, before: Validator) -> Iterator[tuple[str, World]]:
    v = cold.v
    if before.path is None:
        yield "the path is empty", cold
        if before.emptying is not None and before.store:
            kind = before.store[0]
            after = v._replace(store=v.store[1:], transferred=v.transferred + 1)
            told = post(after, ("into_stacker", value(kind)))
            yield "one more note dropped out of the store", to_transport(with_v(cold, told), kind)
        return
    phase, kind = before.path
    channel = CHANNEL[kind.upper()]
    empty = v._replace(path=None)
    if phase == "reading":
        yield "the note is handed back unread", with_v(cold, empty)
    if phase in PATH_OPEN_TO_HAND:
        back = cold if v.escrow else cold._replace(front=plus(cold.front, kind))  # given up before, and disputed
        yield "the note is handed back", with_v(back, post(empty, ("cleared_front", channel)))
    if phase == "moving":
        told = post(empty._replace(stacked=v.stacked + 1), ("cleared_cashbox", channel))
        yield "the note goes to the stacker exit", out_of_stacker(with_v(cold, told), kind)
    elif phase == "past_safe":
        yield from _past_safe(cold, empty, kind)
    elif phase == "out_in":
        gone = empty._replace(transferred=v.transferred + 1)
        for event in (("into_stacker", value(kind)), ("cleared_cashbox", 0)):
            told = post(gone, event)
            yield f"the note goes to the stacker exit ({event[0]})", to_transport(with_v(cold, told), kind)
    elif phase == "out_bezel":
        yield "the note reaches the bezel", with_v(cold, empty._replace(dispensed=v.dispensed + 1))._replace(bezel=kind)


def _past_safe(cold: World, empty: Validator, kind: str) -> Iterator[tuple[str, World]]:
    stacked = empty._replace(stacked=empty.stacked + 1)
    if suspect(kind) or not empty.escrow:
        told = post(stacked, ("cleared_cashbox", CHANNEL[kind.upper()]))
        yield "the note goes to the stacker exit", out_of_stacker(with_v(cold, told), kind)
        return
    stored = empty._replace(store=empty.store + kind, stored=empty.stored + 1)
    yield "the note goes on to the store", with_v(cold, post(stored, ("into_store", value(kind))))
    told = post(stacked, ("into_stacker", value(kind)))
    yield "the note goes to the stacker exit", to_transport(with_v(cold, told), kind)
    if cold.faults:
        back = with_v(cold, post(empty, ("cleared_front", CHANNEL[kind.upper()])))
        yield (
            "the note comes out at the front after its credit",
            back._replace(front=plus(cold.front, kind), faults=cold.faults - 1),
        )
