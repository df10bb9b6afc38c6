"""Ways through the model that lead to each pair of the table, kept in `walks.jsonl`: the directed part of its coverage.

A walk is a list of labels, as in a scenario. It is played through the table with every invariant checked, and at each
step everything that may happen next is tried, too: the whole table in some seconds.
`python -m tests.model --walks` looks for them anew, when a change of table or model has closed some: it explores the
spaces below, then looks around on their ways where more may go wrong, and keeps as few ways as reach all that it found.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.model.explore import explore
from tests.model.invariants import Violation
from tests.model.parts import World
from tests.model.scenario import Player
from tests.model.world import MACHINE, Bounds, Move

Pair = tuple[str, str]
WALKS: Final = Path(__file__).parent / "walks.jsonl"
SPACES: Final = (
    (Bounds(1, 0, 0, "A", resets=1), 300_000),
    (Bounds(1, 0, 1, "A", wild=True), 300_000),
    (Bounds(1, 1, 1, "ASX"), 200_000),
    (Bounds(1, 1, 1, "A", final="cctalk"), 100_000),
    (Bounds(1, 1, 1, "A", final="ebds"), 100_000),
    (Bounds(1, 1, 0, "X", final="ebds"), 100_000),
    (Bounds(1, 1, 1, "A", resets=1, wild=True), 250_000),
    (Bounds(2, 0, 1, "AS"), 200_000),
)
NEAR_STATES_MAX: Final = 1_000
STARTS_MAX: Final = 10  # places in one state of the deposit from which to look


class Walk(NamedTuple):
    """One way, and what it leads to."""

    bounds: Bounds
    labels: tuple[str, ...]
    pairs: frozenset[Pair]


def kept(path: Path = WALKS) -> Iterator[tuple[Bounds, tuple[str, ...]]]:
    """The walks of the file."""
    for line in path.read_text().splitlines():
        row = json.loads(line)
        yield Bounds(**row["bounds"]), tuple(row["labels"])


def walked(bounds: Bounds, labels: Iterable[str]) -> Walk:
    """Play it; what cannot happen any more is left out: what counts is what is reached. May raise `Violation`."""
    player, played = Player(bounds), list[str]()
    for label in labels:
        move = next((move for move in _tried(player) if move.label == label), None)
        if move is not None:
            player.world = move.world
            player.model.check(move.world)
            played.append(label)
    _tried(player)
    return Walk(bounds, tuple(played), _names(player.books.reached))


def _tried(player: Player) -> list[Move]:
    return [move for move, _ in player.moves()]


def reached_by_walks() -> frozenset[Pair]:
    """By all of the file together."""
    return frozenset().union(*(walked(bounds, labels).pairs for bounds, labels in kept()))


def _names(reached: Iterable[tuple[object, type]]) -> frozenset[Pair]:
    return frozenset((str(state), fact.__name__) for state, fact in reached)


# --- looking for them -----------------------------------------------------------------------------------


def hunt(wanted: frozenset[Pair], seconds: float, told: Callable[[str], None]) -> list[Walk]:
    """As few walks as reach whatever of `wanted` could be reached: by those kept, by exploring, by looking around."""
    pool: dict[Pair, Walk] = {}
    began_s = time.monotonic()
    for walks in (_again(), _spaces(pool, wanted, began_s + seconds / 2), _around(pool, wanted, began_s + seconds)):
        for walk in walks:
            pool.update(dict.fromkeys(walk.pairs - set(pool), walk))
        told(f"{len(wanted & set(pool))} of {len(wanted)} pairs, {time.monotonic() - began_s:.0f} s")
    return _few(set(pool.values()), wanted)


def _again() -> Iterator[Walk]:
    return (walked(bounds, labels) for bounds, labels in kept())


def _spaces(pool: dict[Pair, Walk], wanted: frozenset[Pair], end_s: float) -> Iterator[Walk]:
    for bounds, states_max in SPACES:
        if wanted - set(pool) and time.monotonic() < end_s:
            yield from _shortest(bounds, states_max, wanted - set(pool))


def _around(pool: dict[Pair, Walk], wanted: frozenset[Pair], end_s: float) -> Iterator[Walk]:
    """Around the places where walks came through each state; then around those of the same walks, slightly changed."""
    for state in sorted({pair[0] for pair in pool}):
        for player, way in _starts(pool, state):
            if wanted - set(pool) and time.monotonic() < end_s:
                yield from _near(player, way, wanted - set(pool), NEAR_STATES_MAX)
    for state in sorted({pair[0] for pair in wanted - set(pool)}):
        for player, way in list(_starts(pool, state)):
            yield from _mutated(player.model.bounds, way, state, wanted - set(pool), end_s)


def _starts(pool: dict[Pair, Walk], state: str) -> Iterator[tuple[Player, tuple[str, ...]]]:
    """Players who stand where walks came through this state, with room for more to go wrong."""
    seen: set[World] = set()
    for walk in sorted(set(pool.values()), key=lambda walk: (len(walk.labels), walk.labels)):
        bounds = walk.bounds._replace(notes=3, crashes=2, faults=3, resets=1, wild=True)
        player = Player(bounds._replace(kinds="ASX"))
        for number, label in enumerate(walk.labels):
            try:
                if player.go(label) is None:
                    break
            except Violation:
                break
            if player.model.state(player.world) == state and player.world not in seen:
                seen.add(player.world)
                yield player, walk.labels[: number + 1]
                break
        if len(seen) >= STARTS_MAX:
            return


def _mutated(bounds: Bounds, way: tuple[str, ...], state: str, wanted: frozenset[Pair], end_s: float) -> Iterator[Walk]:
    """The same way with one step less, or one more of somebody or something troublesome; then a look around."""
    tried: set[World] = set()
    others: list[tuple[str, ...]] = [way[:at] + way[at + 1 :] for at in range(8, len(way))]
    player = Player(bounds)
    for at, label in enumerate(way):
        if at >= 8:
            others += [(*way[:at], move.label, *way[at:]) for move in _tried(player) if move.who != MACHINE]
        player.go(label)
    for labels in others:
        if time.monotonic() > end_s or not wanted:
            return
        try:
            walk, world = _end(bounds, labels)
        except Violation:
            continue
        if world not in tried and str(walk.model.state(world)) == state:
            tried.add(world)
            walk.world = world
            for found in _near(walk, labels, wanted, 150):
                wanted -= found.pairs
                yield found


def _end(bounds: Bounds, labels: tuple[str, ...]) -> tuple[Player, World]:
    player = Player(bounds)
    for label in labels:
        player.go(label)
    return player, player.world


def _near(player: Player, labels: tuple[str, ...], wanted: frozenset[Pair], states_max: int) -> Iterator[Walk]:
    """Breadth first from here, not far: walks to whatever is new."""
    known = {player.world: labels}
    waiting, found = deque(known), _names(player.books.reached)
    while waiting and len(known) < states_max:
        world = waiting.popleft()
        way, player.world = known[world], world
        try:
            moves = _tried(player)
        except Violation:
            continue  # for the exploration to find
        for move in moves:
            if move.world not in known:
                known[move.world] = (*way, move.label)
                waiting.append(move.world)
        now = _names(player.books.reached)
        if (now - found) & wanted:
            yield walked(player.model.bounds, way)
        found = now


def _shortest(bounds: Bounds, states_max: int, wanted: frozenset[Pair]) -> Iterator[Walk]:
    """The first way to each pair that the exploration of a space meets."""
    space = explore(bounds, states_max=states_max)  # a counterexample is not looked for here
    for pair, (number, label) in space.first.items():
        names = (str(pair[0]), pair[1].__name__)
        if names in wanted:
            yield walked(bounds, (*space.labels(number), label))


def _few(walks: set[Walk], wanted: frozenset[Pair]) -> list[Walk]:
    """Greedy: the one that adds most per step, again and again."""
    chosen: list[Walk] = []
    left = set(wanted).intersection(*([frozenset().union(*(walk.pairs for walk in walks))] if walks else []))
    while left:
        best = max(walks, key=lambda walk: (len(walk.pairs & left) / (20 + len(walk.labels)), walk.labels))
        chosen.append(best)
        left -= best.pairs
    return chosen


def write(walks: Iterable[Walk], path: Path = WALKS) -> None:
    """One line each."""
    rows = ({"bounds": walk.bounds._asdict(), "labels": walk.labels} for walk in walks)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
