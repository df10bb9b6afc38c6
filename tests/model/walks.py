"""Ways through the model that lead to each pair of the table, kept in `walks.jsonl`: the directed part of its coverage.

A walk is a list of labels, as in a scenario. It is played through the table with every invariant checked, and at each
step everything that may happen next is tried, too: the whole table in some seconds.
`python -m tests.model --walks` looks for them anew, when a change of table or model has closed some: it explores the
spaces below, then walks at random in wider ones, and keeps as few ways as reach all that it found.
"""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.model.explore import explore
from tests.model.invariants import Violation
from tests.model.scenario import Player
from tests.model.world import Bounds, Move

Pair = tuple[str, str]
WALKS: Final = Path(__file__).parent / "walks.jsonl"
STEPS_MAX: Final = 260
SPACES: Final = (
    (Bounds(1, 1, 1, "ASX"), 450_000),
    (Bounds(2, 0, 1, "AS"), 400_000),
    (Bounds(1, 0, 2, "A"), 300_000),
    (Bounds(1, 1, 1, "A", final="ebds"), 300_000),
    (Bounds(1, 1, 1, "A", final="cctalk"), 300_000),
    (Bounds(1, 0, 0, "A", resets=1), 300_000),
    (Bounds(1, 1, 1, "A", resets=1, wild=True), 500_000),
    (Bounds(2, 1, 1, "A", final="cctalk", wild=True, resets=1), 300_000),
)
WIDE: Final = (
    Bounds(3, 2, 3, "AS", resets=1, wild=True),
    Bounds(2, 3, 4, "AS", resets=1, wild=True),
    Bounds(2, 2, 3, "A", final="cctalk", resets=1, wild=True),
    Bounds(2, 2, 3, "A", final="ebds", resets=1, wild=True),
    Bounds(2, 2, 3, "A", final="ssp", resets=1, wild=True),
)


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
    end_s, number = time.monotonic() + seconds, 0
    while time.monotonic() < end_s and wanted - set(pool):
        number += 1
        found = _at_random(WIDE[number % len(WIDE)], random.Random(number), wanted - set(pool))
        if found is not None:
            pool.update(dict.fromkeys(found.pairs - set(pool), found))
            told(f"walk {number}: {len(wanted & set(pool))} of {len(wanted)}")
    return _few(set(pool.values()), wanted)


def _shortest(bounds: Bounds, states_max: int, wanted: frozenset[Pair]) -> Iterator[Walk]:
    """The first way to each pair that the exploration of a space meets."""
    space = explore(bounds, states_max=states_max)
    assert space.counterexample is None, space.counterexample
    for pair, (number, label) in space.first.items():
        names = (str(pair[0]), pair[1].__name__)
        if names in wanted:
            yield walked(bounds, (*space.labels(number), label))


def _at_random(bounds: Bounds, draw: random.Random, wanted: frozenset[Pair]) -> Walk | None:
    """A random walk up to the last step that reached something wanted."""
    player, labels, found = Player(bounds), list[str](), frozenset[Pair]()
    best: Walk | None = None
    for _ in range(STEPS_MAX):
        try:
            moves = _tried(player)
        except Violation:
            return best  # what was met up to here; how the rule broke is for the exploration to find
        now = _names(player.books.reached) & wanted
        if now > found:
            found, best = now, Walk(bounds, tuple(labels), _names(player.books.reached))
        if not moves:
            break
        move = draw.choice(moves)
        labels.append(move.label)
        player.world = move.world
    return best


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
