"""Which (state, fact) pairs of the deposit table are reached: by model, directed walk or simulation, or never, and why.

A pair that is not in the table needs no list: the model tries every fact that its controller could store, and a
refusal by the table is a counterexample.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, get_args

from kiosk.core.deposit import TABLE
from kiosk.core.facts import AnyFact
from kiosk.core.state import State
from tests.model.explore import explore
from tests.model.impossible import IMPOSSIBLE, Explained
from tests.model.world import Bounds

Pair = tuple[str, str]

# Small spaces that together reach what a blind exploration can reach in some minutes on one core.
SPACES = (
    (Bounds(1, 1, 1, "ASX"), 450_000),
    (Bounds(2, 0, 1, "AS"), 400_000),
    (Bounds(1, 1, 1, "A", final="ebds"), 300_000),
    (Bounds(1, 1, 1, "A", final="cctalk"), 300_000),
    (Bounds(1, 1, 0, "A", resets=1), 300_000),
    (Bounds(1, 0, 1, "A", wild=True), 300_000),
)


class Coverage(NamedTuple):
    """The table's pairs, sorted out."""

    pairs: frozenset[Pair]
    model: frozenset[Pair]
    directed: frozenset[Pair]
    simulation: frozenset[Pair]

    @property
    def reached(self) -> frozenset[Pair]:
        """By whatever source."""
        return self.model | self.directed | self.simulation

    @property
    def missing(self) -> list[Pair]:
        """Neither reached nor explained: somebody must look."""
        return sorted(self.pairs - self.reached - set(explained()))

    @property
    def wrong(self) -> list[str]:
        """Explanations that are not true."""
        false = [f"{pair} is listed as impossible and was reached" for pair in sorted(set(explained()) & self.reached)]
        unknown = [f"{pair} is explained and not in the table" for pair in sorted(set(explained()) - self.pairs)]
        return false + unknown

    def summary(self) -> dict[str, int]:
        """The totals of one line of JSON."""
        return {
            "pairs": len(self.pairs),
            "model": len(self.model & self.pairs),
            "directed": len(self.directed & self.pairs),
            "simulation": len(self.simulation & self.pairs),
            "simulation_only": len(self.simulation & self.pairs - self.model - self.directed),
            "reached": len(self.reached & self.pairs),
            "impossible": len(explained()),
            "open": len(self.missing),
            "wrong": len(self.wrong),
        }


def explained(listed: Explained = IMPOSSIBLE) -> dict[Pair, str]:
    """The reason of each listed pair."""
    return {
        (str(state), fact): reason
        for reason, facts in listed.items()
        for fact, states in facts.items()
        for state in states
    }


def table() -> frozenset[Pair]:
    """All pairs, by name."""
    return frozenset((str(state), fact.__name__) for state, fact in TABLE)


def reached_by_model() -> frozenset[Pair]:
    """Explores; raises AssertionError when an invariant breaks on the way."""
    pairs: set[Pair] = set()
    for bounds, states_max in SPACES:
        space = explore(bounds, states_max=states_max)
        assert space.counterexample is None, space.counterexample
        pairs.update((str(state), fact.__name__) for state, fact in space.model.books.reached)
    return frozenset(pairs)


def reached_by_simulation(paths: Iterable[Path]) -> frozenset[Pair]:
    """What `python -m tests.simulation --coverage FILE` wrote."""
    pairs: set[Pair] = set()
    for path in paths:
        pairs.update((row["state"], row["fact"]) for row in json.loads(path.read_text()) if row["count"])
    return frozenset(pairs)


def report(coverage: Coverage) -> Iterator[str]:
    """The figures, then what is wrong, then the totals as one line of JSON."""
    facts = len(get_args(AnyFact))
    yield f"pairs of the table: {len(coverage.pairs)} (of {len(State)} states x {facts} facts)"
    yield f"reached by the model's spaces: {len(coverage.model & coverage.pairs)}"
    yield f"reached by directed walks through it: {len(coverage.directed & coverage.pairs)}"
    yield f"reached by the simulation: {len(coverage.simulation & coverage.pairs)}"
    yield f"reached by any: {len(coverage.reached & coverage.pairs)}"
    yield f"impossible: {len(explained())}"
    yield from (f"  {sum(map(len, named.values()))}: {reason}" for reason, named in IMPOSSIBLE.items())
    yield f"neither reached nor explained: {len(coverage.missing)}"
    yield from (f"  {state} x {fact}" for state, fact in coverage.missing)
    yield from (f"wrong: {words}" for words in coverage.wrong)
    yield json.dumps(coverage.summary())
