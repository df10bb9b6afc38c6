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
from tests.model.world import Bounds, Move

Pair = tuple[str, str]
WALKS: Final = Path(__file__).parent / "walks.jsonl"
SPACES: Final = (
    (Bounds(1, 0, 0, "A", resets=1), 300_000),
    (Bounds(1, 0, 1, "A", wild=True), 300_000),
    (Bounds(1, 1, 1, "ASX"), 200_000),
    (Bounds(1, 1, 1, "A", final="cctalk"), 100_000),
    (Bounds(1, 1, 1, "A", final="ebds"), 100_000),
    (Bounds(1, 1, 1, "A", resets=1, wild=True), 250_000),
    (Bounds(2, 0, 1, "AS"), 200_000),
)
NEAR_STATES_MAX: Final = 4_000
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
    """As few walks as reach whatever of `wanted` could be reached."""
    pool: dict[Pair, Walk] = {}
    for bounds, states_max in SPACES:
        for walk in _shortest(bounds, states_max, wanted - set(pool)):
            pool.update(dict.fromkeys(walk.pairs - set(pool), walk))
        told(f"{bounds}: {len(wanted & set(pool))} of {len(wanted)}")
    end_s = time.monotonic() + seconds
    for pair in sorted(wanted - set(pool)):
        for player, labels in _starts(pool, pair[0]):
            if pair in pool or time.monotonic() > end_s:
                break
            for found in _near(player, labels, wanted - set(pool)):
                pool.update(dict.fromkeys(found.pairs - set(pool), found))
        told(f"near {pair}: {len(wanted & set(pool))} of {len(wanted)}")
    return _few(set(pool.values()), wanted)


def _starts(pool: dict[Pair, Walk], state: str) -> Iterator[tuple[Player, tuple[str, ...]]]:
    """Players who stand where walks came through this state, with room for more to go wrong."""
    seen: set[World] = set()
    for walk in sorted(set(pool.values()), key=lambda walk: (len(walk.labels), walk.labels)):
        bounds = walk.bounds._replace(notes=3, crashes=2, faults=3, resets=1, wild=True)
        player = Player(bounds if bounds.final else bounds._replace(kinds="AS"))
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


def _near(player: Player, labels: tuple[str, ...], wanted: frozenset[Pair]) -> Iterator[Walk]:
    """Breadth first from here, not far: walks to whatever is new."""
    known = {player.world: labels}
    waiting, found = deque(known), _names(player.books.reached)
    while waiting and len(known) < NEAR_STATES_MAX:
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
