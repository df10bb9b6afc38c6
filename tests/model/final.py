"""EBDS and ccTalk validators: every note is final, nothing is counted, and a power cut leaves much untold."""

from collections.abc import Iterator

from tests.model.moves import fall, post, with_v
from tests.model.parts import CHANNEL, PATH_OPEN_TO_HAND, Validator, World, plus, value


def into_cassette(world: World, kind: str) -> Iterator[tuple[str, World]]:
    """EBDS and ccTalk: credited when it is there, and not before."""
    v, channel = world.v, CHANNEL[kind.upper()]
    told = post(v, ("credited", channel), ("in_cassette", 0))._replace(path=None)
    yield "the note falls into the cassette", fall(with_v(world, told), kind)
    if not world.faults:
        return
    hurt = world._replace(faults=world.faults - 1)
    yield "the note jams within reach", with_v(hurt, v._replace(jam="unsafe", enabled=False))
    if v.kind == "cctalk":
        yield "the note jams beyond reach", with_v(hurt, v._replace(jam="safe", enabled=False))
    pulled = post(v, ("fraud", channel))._replace(path=None)
    # Nothing tells whether it is inside: the books dispute it, and it is in the depositor's hand.
    yield "the note is pulled back out by its string", with_v(hurt, pulled)._replace(front=plus(hurt.front, kind))
    yield "the note is fished for and falls into the cassette", fall(with_v(hurt, pulled), kind)


def power_cut(world: World) -> Iterator[tuple[str, World]]:
    """EBDS and ccTalk: what was not told may never be, and a note in the path comes to lie where its maker likes."""
    v = world.v
    # A note that nobody ordered in, that one power-up stacks and the next one forgets, is known to nobody: left out.
    at_start = tuple(event for event in (*v.shown, *v.queue) if event[0] in ("into_stacker", "cleared_cashbox"))
    cold = v._replace(
        jam="", enabled=False, read_shown=False, queue=at_start, shown=(), restarted=True, life=v.life + 1, path=None
    )
    told = tuple(event for event in (*v.shown, *v.queue) if event[0] in ("credited", "in_cassette"))
    if ("refused", 0) in v.shown + v.queue:  # it went back, and now nobody tells
        world = world._replace(front=plus(world.front, "?"))
    if v.path is None:
        yield "the path is empty", with_v(world, cold)
        if told and v.kind == "ebds":
            yield "an unread credit survives", with_v(world, cold._replace(queue=told))
        return
    yield from _found(world, cold, *v.path)


def _found(world: World, cold: Validator, phase: str, kind: str) -> Iterator[tuple[str, World]]:
    # Perhaps ordered in, and unheard of until the record may be made: the books may dispute it wherever it is.
    back = world._replace(front=plus(world.front, kind)) if phase in PATH_OPEN_TO_HAND else world
    yield "the note is handed back, which nobody tells", with_v(back, cold)
    if phase == "reading":
        return
    if cold.kind == "ebds":
        yield "the note is handed back", with_v(back, post(cold, ("refused", 0)))
    if cold.kind == "ebds" and phase in ("escrow", "found"):
        yield "the note stays held", with_v(world, cold._replace(asleep=kind))
        yield "the note is found, and held again", with_v(world, cold._replace(path=("found", kind)))
    if phase == "moving":
        yield "the note is in the cassette, which nobody tells", fall(with_v(world, cold), kind)
    channel = CHANNEL[kind.upper()]
    if phase == "moving" and cold.kind == "ebds":
        credited = post(cold, ("credited", channel), ("in_cassette", 0))
        yield "the note is in the cassette and credited", fall(with_v(world, credited), kind)
    if cold.kind == "cctalk":
        for words, event in (("", ("into_stacker", value(kind))), (" of no known kind", ("cleared_cashbox", 0))):
            yield f"a note{words} went into the cassette", fall(with_v(world, post(cold, event)), kind)
