"""Breadth first over all states: the shortest way to anything that must not be, or the proof that there is none."""

import gc
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kiosk.core.facts import Fact
from kiosk.core.state import State
from tests.model.invariants import SPACE_INVARIANTS, STATE_INVARIANTS, Violation
from tests.model.parts import World
from tests.model.world import MACHINE, Bounds, Model, Move


@dataclass
class Counterexample:
    """The shortest way to a violation: labels from the first state on."""

    bounds: Bounds
    invariant: str
    detail: str
    labels: list[str]


@dataclass
class Space:
    """What was explored."""

    model: Model
    worlds: list[World] = field(default_factory=list)
    parents: "array[int]" = field(default_factory=lambda: array("i"))
    depth: int = 0
    transitions: int = 0
    complete: bool = False
    first: dict[tuple[State, type[Fact]], tuple[int, str]] = field(default_factory=dict)  # how a pair was first reached
    counterexample: Counterexample | None = None
    seconds: float = 0.0

    def met(self, number: int, label: str) -> None:
        """This move has led to pairs of the table for the first time."""
        for pair in self.model.books.reached - self.first.keys():
            self.first[pair] = number, label

    def labels(self, number: int) -> list[str]:
        """How this state was first reached."""
        way = [number]
        while self.parents[way[-1]] >= 0:
            way.append(self.parents[way[-1]])
        way.reverse()
        found = []
        for here, there in pairwise(way):
            target = self.worlds[there]
            found.append(next(move.label for move in self.model.moves(self.worlds[here]) if move.world == target))
        return found


def explore(
    bounds: Bounds,
    states_max: int = 5_000_000,
    told: Callable[[str], None] = lambda _: None,
) -> Space:
    """Every state within the bounds, or the shortest way to the first violation."""
    began = time.perf_counter()
    space = Space(Model(bounds))
    gc.disable()  # millions of small tuples, none in a cycle: each full collection would walk them all
    try:
        space.counterexample = _breadth_first(space, states_max, told)
    finally:
        gc.enable()
    space.seconds = time.perf_counter() - began
    return space


def _breadth_first(space: Space, states_max: int, told: Callable[[str], None]) -> Counterexample | None:
    model, worlds, parents = space.model, space.worlds, space.parents
    first = model.first()
    known: dict[World, int] = {first: 0}
    worlds.append(first)
    parents.append(-1)
    edges = Edges()
    level_end, number = 1, 0
    while number < len(worlds):
        if number == level_end:
            space.depth += 1
            level_end = len(worlds)
            told(f"depth {space.depth}: {len(worlds)} states, {space.transitions} transitions")
        last: Move | None = None
        try:
            for last in model.moves(worlds[number]):
                label, who, after = last
                space.transitions += 1
                if len(model.books.reached) > len(space.first):
                    space.met(number, label)
                there = known.get(after)
                if there is None:
                    there = known[after] = len(worlds)
                    worlds.append(after)
                    parents.append(number)
                    model.check(after)
                edges.add(number, there, alone=who == MACHINE)
        except Violation as violation:
            way = space.labels(number)
            if last is not None and violation.invariant in STATE_INVARIANTS:
                way.append(last.label)
            return Counterexample(model.bounds, violation.invariant, violation.detail, way)
        if last is None and not model.at_rest(worlds[number]):
            return Counterexample(model.bounds, SPACE_INVARIANTS[0], "nothing can happen", space.labels(number))
        if len(worlds) > states_max:
            return None
        number += 1
    space.complete = True
    return _liveness(space, edges)


class Edges:
    """Who leads to whom, and whether nobody has to do anything for it."""

    def __init__(self) -> None:
        self._sources, self._targets, self._alone = array("i"), array("i"), bytearray()

    def add(self, source: int, target: int, *, alone: bool) -> None:
        """One transition."""
        if source != target:
            self._sources.append(source)
            self._targets.append(target)
            self._alone.append(alone)

    def reaching(self, goals: NDArray[np.bool_], *, alone: bool) -> NDArray[np.bool_]:
        """Which states can get to a goal."""
        sources = np.frombuffer(self._sources, dtype=np.int32)
        targets = np.frombuffer(self._targets, dtype=np.int32)
        if alone:
            kept = np.frombuffer(self._alone, dtype=np.uint8).astype(bool)
            sources, targets = sources[kept], targets[kept]
        order = np.argsort(targets, kind="stable")
        sources, targets = sources[order], targets[order]
        begins = np.searchsorted(targets, np.arange(len(goals) + 1))
        reached = goals.copy()
        wave = np.flatnonzero(goals)
        while len(wave):
            found = np.concatenate([sources[begins[one] : begins[one + 1]] for one in wave])
            found = np.unique(found[~reached[found]])
            reached[found] = True
            wave = found
        return reached


def _liveness(space: Space, edges: Edges) -> Counterexample | None:
    model, worlds = space.model, space.worlds
    idle = np.array([model.at_rest(world) for world in worlds])
    rest = np.array([done or model.waits_for_person(world) for done, world in zip(idle, worlds, strict=True)])
    for invariant, goals, alone in ((SPACE_INVARIANTS[1], idle, False), (SPACE_INVARIANTS[2], rest, True)):
        stuck = np.flatnonzero(~edges.reaching(goals, alone=alone))
        if len(stuck):
            detail = f"{len(stuck)} states cannot; the first is in {model.state(worlds[stuck[0]])}"
            return Counterexample(model.bounds, invariant, detail, space.labels(int(stuck[0])))
    return None
